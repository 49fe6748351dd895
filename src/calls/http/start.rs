//! The start of a request: its parent, its span and what it is measured under.
//!
//! Attributes that a sampler may use are set when the span is created; the others (the peer) only if it is recorded.
//!
//! | | server | client |
//! |---|---|---|
//! | parent | from the headers, as [`RemoteContext`] says | the current context |
//! | name | `{method} {route}`; the method alone while the route is not known | `{method} {template}`, or the method |
//! | at creation | method, scheme, address, path, query, route, captured headers, … | method, URL, address, template, resends, captured headers |
//! | once it is recorded | peer | – |
//! | then | the request is marked, so that inner layers do not record it again | the same; the context is injected |
//!
//! The request's method, its URL and its headers come from strangers. Whatever becomes a name of a span or an attribute
//! of a metric has a bounded set of values: known methods, routes of the router, templates of the program.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Method, Request, Version};
use opentelemetry::trace::Link;
use opentelemetry::{Context, KeyValue};

use super::attributes::{self, Target};
use super::call::{Call, MAX_REQUEST_BYTES, content_length};
use super::client::{ResendCounter, UrlTemplate};
use super::measure::MetricTarget;
use super::method::ReportedMethod;
use super::options::RequestHead;
use super::recorder::CallRecorder;
use super::route::{KnownRoute, RouteSlot};
use crate::calls::address;
use crate::calls::context::{self, Parent, RemoteContext};
use crate::calls::recorded::{mark_recorded_as_http, mark_recorded_by_client, mark_recorded_without_route};
use crate::subscriber::{CallAttributes, SpanHead, StartingCall};

impl Call {
    /// Starts the call of a request that arrived at a server, and marks the request as recorded.
    pub(super) fn incoming<B>(
        recorder: &Arc<CallRecorder>,
        request: &mut Request<B>,
        waited: Duration,
    ) -> Self {
        let decide = recorder.options.remote_context.as_ref();
        let remote = decide.map_or(RemoteContext::Parent, |decide| decide(&RequestHead::new(request)));
        let (parent, link) = remote.resolve(request.headers());
        let method = recorder.methods.get(request.method());
        let route = recorder.route(request);
        let scheme = scheme_of(recorder, request);
        let route_name = route.as_deref();
        let mut starting = Incoming {
            recorder,
            request,
            method: &method,
            route: route_name,
            scheme,
            link,
            named: false,
            peer: None,
        };
        let span = recorder.tracer.start(waited, parent, &mut starting);
        let named = starting.named;
        let mut call = Self::new(recorder, span, method, MetricTarget::Scheme(scheme));
        call.version = attributes::version(request.version());
        if route.is_some() {
            mark_recorded_as_http(request.extensions_mut());
        } else {
            let slot = RouteSlot::new();
            mark_recorded_without_route(request.extensions_mut(), slot.clone());
            call.inner_route = Some(slot);
        }
        call.route = route;
        call.named = named;
        call.observe_request(request);
        call
    }

    /// Starts the call of a request that a client sends, injects its context into the request, and marks it as recorded.
    pub(super) fn outgoing<B>(
        recorder: &Arc<CallRecorder>,
        request: &mut Request<B>,
        waited: Duration,
    ) -> Self {
        let method = recorder.methods.get(request.method());
        let target = target_of(recorder, request);
        let mut starting = Outgoing { recorder, request, method: &method, target: &target };
        let span = recorder.tracer.start(waited, Parent::local(Context::current()), &mut starting);
        let mut call = Self::new(recorder, span, method, MetricTarget::Address(target.address));
        call.observe_request(request);
        context::inject(call.span.context(), request.headers_mut());
        mark_recorded_by_client(request.extensions_mut());
        call
    }

    /// Starts a call whose request is not known, because the service failed before it accepted one.
    pub(super) fn not_ready(recorder: &Arc<CallRecorder>, waited: Duration) -> Self {
        let method = ReportedMethod::Other;
        let parent = Parent::local(Context::current());
        let span = recorder.tracer.start(waited, parent, &mut NotReady(&method));
        Self::new(recorder, span, method, MetricTarget::Unknown)
    }

    /// Records the information needed to detect the end of the response.
    fn observe_request<B>(&mut self, request: &Request<B>) {
        self.has_no_body = request.method() == Method::HEAD;
        if self.recorder.options.body_sizes {
            self.request_bytes =
                content_length(request.headers()).filter(|bytes| *bytes <= MAX_REQUEST_BYTES);
        }
        self.is_connect = request.method() == Method::CONNECT;
    }
}

/// A request that arrived at a server.
struct Incoming<'a, B> {
    recorder: &'a CallRecorder,
    request: &'a Request<B>,
    method: &'a ReportedMethod,
    route: Option<&'a KnownRoute>,
    scheme: &'static str,
    link: Option<Link>,
    /// The user's hook has named the span.
    named: bool,
    /// Read with the attributes.
    peer: Option<SocketAddr>,
}

impl<B> StartingCall for Incoming<'_, B> {
    fn head(&mut self) -> SpanHead {
        let custom = custom_name(self.recorder, self.request);
        self.named = custom.is_some();
        let name = custom.unwrap_or_else(|| default_name(self.method, self.route));
        SpanHead { name, link: self.link.take() }
    }

    fn attributes(&mut self, attributes: &mut CallAttributes) {
        let Self { recorder, request, method, route, scheme, .. } = *self;
        self.peer = recorder.peer(request.extensions());
        attributes::incoming_attributes(attributes, recorder, request, method, scheme, route, self.peer);
    }

    fn late_attributes(&mut self, set: &mut dyn FnMut(KeyValue)) {
        if let Some(peer) = self.peer {
            address::set_peer(peer, set);
        }
    }
}

/// A request that a client sends.
struct Outgoing<'a, B> {
    recorder: &'a CallRecorder,
    request: &'a Request<B>,
    method: &'a ReportedMethod,
    target: &'a Target,
}

impl<B> StartingCall for Outgoing<'_, B> {
    fn head(&mut self) -> SpanHead {
        let custom = custom_name(self.recorder, self.request);
        let template = self.target.template.as_deref();
        SpanHead { name: custom.unwrap_or_else(|| self.method.span_name(template)), link: None }
    }

    fn attributes(&mut self, attributes: &mut CallAttributes) {
        attributes::outgoing_attributes(attributes, self.recorder, self.request, self.method, self.target);
    }

    fn late_attributes(&mut self, _: &mut dyn FnMut(KeyValue)) {}
}

/// A request that is not known, with the method that stands for it.
struct NotReady<'a>(&'a ReportedMethod);

impl StartingCall for NotReady<'_> {
    fn head(&mut self) -> SpanHead {
        SpanHead { name: self.0.span_name(None), link: None }
    }

    fn attributes(&mut self, attributes: &mut CallAttributes) {
        self.0.set_attribute(attributes);
    }

    fn late_attributes(&mut self, _: &mut dyn FnMut(KeyValue)) {}
}

/// The name that the user's hook gives to a span, if any.
fn custom_name<B>(recorder: &CallRecorder, request: &Request<B>) -> Option<Cow<'static, str>> {
    let name = recorder.options.span_name.as_ref()?;
    name(&RequestHead::new(request)).map(Cow::Owned)
}

/// `{method} {route}`, or the method alone while the route is not known: a path would make a name of its own for each
/// id.
fn default_name(method: &ReportedMethod, route: Option<&KnownRoute>) -> Cow<'static, str> {
    route.map_or_else(|| method.span_name(None), |route| route.span_name(method))
}

/// The scheme that the user's client used: from `Forwarded` or `X-Forwarded-Proto` if proxies are trusted, or else
/// that of the request over HTTP/2, or else that of the options.
fn scheme_of<B>(recorder: &CallRecorder, request: &Request<B>) -> &'static str {
    let forwarded = recorder.options.trusted_proxies.scheme(request.headers());
    // In HTTP/1 it is a part of the target, which a caller can choose, and says nothing of the connection.
    let own = || {
        let uri = Some(request.uri()).filter(|_| request.version() >= Version::HTTP_2);
        uri?.scheme_str().and_then(attributes::known_scheme)
    };
    forwarded.or_else(own).unwrap_or(recorder.options.scheme)
}

/// The destination of a client's request. The authority is that of the URL, or else the header `Host`. If both are
/// there, `Host` is not used: a proxy passes on the one that its caller has chosen, and each would be a time series.
fn target_of<B>(recorder: &CallRecorder, request: &Request<B>) -> Target {
    let uri = request.uri();
    let scheme = uri.scheme_str().and_then(attributes::known_scheme).unwrap_or("http");
    let host = || {
        let host = request.headers().get(http::header::HOST)?.as_bytes();
        (host.len() <= address::MAX_AUTHORITY).then(|| http::uri::Authority::try_from(host).ok()).flatten()
    };
    let authority = uri.authority().cloned().or_else(host);
    let address = authority.as_ref().map(|authority| recorder.target_address(scheme, authority));
    let template = request.extensions().get::<UrlTemplate>();
    let attempts = request.extensions().get::<ResendCounter>();
    Target {
        scheme,
        authority,
        address: address.unwrap_or_default(),
        template: template.map(|template| Arc::clone(&template.0)),
        resends: attempts.map_or(0, |attempts| attempts.0.fetch_add(1, Ordering::Relaxed)),
    }
}
