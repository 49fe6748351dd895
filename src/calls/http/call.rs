//! One HTTP request, from its start to the end of its response. Whatever happens, it is finished exactly once.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Buf;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status};
use opentelemetry::{Context, KeyValue};

use super::access_log;
use super::attributes::{self, Target};
use super::client::{ResendCounter, UrlTemplate};
use super::forwarded;
use super::method::ReportedMethod;
use super::options::RequestHead;
use super::recorder::CallRecorder;
use super::route::{Recorded, Route};
use crate::calls::Side;
use crate::calls::address::{self, Address};
use crate::calls::context::{self, Parent, RemoteContext};
use crate::calls::error::describe;
use crate::calls::span::CallSpan;
use crate::semconv;

/// A request that is not finished. Dropping it finishes it as cancelled.
pub(in crate::calls) struct Call {
    recorder: Arc<CallRecorder>,
    span: CallSpan,
    method: ReportedMethod,
    /// What the request is measured by beside its outcome: the scheme at a server, the address at a client, and the
    /// version of the protocol.
    dimensions: Vec<KeyValue>,
    route: Option<Arc<str>>,
    /// Where inner layers report the route of a request that arrived without one.
    inner_route: Recorded,
    named: bool,
    status: Option<StatusCode>,
    has_no_body: bool,
    is_stream: bool,
    request_bytes: Option<u64>,
    response_bytes: u64,
    /// Bytes of the response that are still to come, if that is known.
    remaining: Option<u64>,
    active: bool,
    open: bool,
}

/// How a request ended.
pub(super) enum Outcome {
    /// The response was complete.
    Complete,
    /// The response, or the future of it, was dropped before its end.
    Dropped,
    /// The service or the body of the response returned an error.
    Failed {
        error_type: Cow<'static, str>,
        message: String,
    },
    Panicked,
}

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
        let name = recorder.options.span_name.as_ref();
        let mut named = false;
        let span = recorder.tracer.start(
            waited,
            parent,
            || {
                let custom = name.and_then(|name| name(&RequestHead::new(request)));
                named = custom.is_some();
                SpanBuilder {
                    name: custom.map_or_else(|| method.span_name(route.as_deref()), Cow::Owned),
                    span_kind: Some(SpanKind::Server),
                    links: link.map(|link| vec![link]),
                    attributes: Some(attributes::incoming_attributes(
                        recorder,
                        request,
                        &method,
                        scheme,
                        route.as_ref(),
                    )),
                    ..SpanBuilder::default()
                }
            },
            |set| {
                if let Some(peer) = recorder.peer(request.extensions()) {
                    address::set_peer(peer, set);
                }
                recorder.request_headers.attributes(request.headers()).for_each(set);
            },
        );
        let dimensions = vec![KeyValue::new(semconv::URL_SCHEME, scheme)];
        let mut call = Self::new(recorder, span, method, dimensions);
        call.inner_route = if route.is_some() { Recorded::default() } else { Recorded::without_route() };
        call.route = route;
        call.named = named;
        call.observe_request(request);
        request.extensions_mut().insert(call.inner_route.clone());
        call
    }

    /// Starts the call of a request that a client sends, and injects its context into the request.
    pub(super) fn outgoing<B>(
        recorder: &Arc<CallRecorder>,
        request: &mut Request<B>,
        waited: Duration,
    ) -> Self {
        let method = recorder.methods.get(request.method());
        let target = target_of(request);
        let name = recorder.options.span_name.as_ref();
        let span = recorder.tracer.start(
            waited,
            Parent::local(Context::current()),
            || {
                let custom = name.and_then(|name| name(&RequestHead::new(request)));
                SpanBuilder {
                    name: custom.map_or_else(|| method.span_name(target.template.as_deref()), Cow::Owned),
                    span_kind: Some(SpanKind::Client),
                    attributes: Some(attributes::outgoing_attributes(recorder, request, &method, &target)),
                    ..SpanBuilder::default()
                }
            },
            |set| recorder.request_headers.attributes(request.headers()).for_each(set),
        );
        let mut dimensions = Vec::with_capacity(8);
        if let Some(address) = &target.address {
            address.push_attributes(&mut dimensions);
        }
        let mut call = Self::new(recorder, span, method, dimensions);
        call.observe_request(request);
        context::inject(call.span.context(), request.headers_mut());
        call
    }

    /// Starts a call whose request is not known, because the service failed before it accepted one.
    pub(super) fn not_ready(recorder: &Arc<CallRecorder>, waited: Duration) -> Self {
        let method = ReportedMethod::Other;
        let kind = match recorder.options.side {
            Side::Server => SpanKind::Server,
            Side::Client => SpanKind::Client,
        };
        let builder = || SpanBuilder {
            name: method.span_name(None),
            span_kind: Some(kind),
            attributes: Some(vec![KeyValue::new(semconv::HTTP_REQUEST_METHOD, method.value())]),
            ..SpanBuilder::default()
        };
        let span = recorder.tracer.start(waited, Parent::local(Context::current()), builder, |_| ());
        Self::new(recorder, span, method, Vec::new())
    }

    fn new(
        recorder: &Arc<CallRecorder>,
        span: CallSpan,
        method: ReportedMethod,
        mut dimensions: Vec<KeyValue>,
    ) -> Self {
        dimensions.push(KeyValue::new(semconv::HTTP_REQUEST_METHOD, method.value()));
        let active = recorder.options.active_requests;
        if active {
            recorder.instruments.add_active(1, &dimensions);
        }
        Self {
            recorder: Arc::clone(recorder),
            span,
            method,
            dimensions,
            route: None,
            inner_route: Recorded::default(),
            named: false,
            status: None,
            has_no_body: false,
            is_stream: false,
            request_bytes: None,
            response_bytes: 0,
            remaining: None,
            active,
            open: true,
        }
    }

    fn observe_request<B>(&mut self, request: &Request<B>) {
        self.has_no_body = request.method() == Method::HEAD;
        self.request_bytes = content_length(request.headers());
        if request.method() == Method::CONNECT {
            // A tunnel begins after the head of a successful response.
            self.has_no_body = true;
        }
    }

    pub(in crate::calls) fn is_open(&self) -> bool {
        self.open
    }

    pub(in crate::calls) fn span(&self) -> &CallSpan {
        &self.span
    }

    /// Returns `true` if a panic of the service becomes a response with status 500.
    pub(in crate::calls) fn catches_panics(&self) -> bool {
        self.recorder.options.catch_panics
    }

    /// Observes the head of the response. It finishes the request if no body follows.
    pub(in crate::calls) fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        let status = response.status();
        self.status = Some(status);
        self.is_stream = is_event_stream(response.headers());
        self.inner_route.report(|| {
            let route = response.extensions().get::<Route>()?;
            self.recorder.routes.get(route.as_str())
        });
        if self.span.is_recording() {
            self.record_response(response);
        }
        if let Some(name) = &self.recorder.options.trace_id_header {
            self.span.insert_trace_id(name, response.headers_mut());
        }
        self.remaining = response.body().size_hint().exact().or_else(|| content_length(response.headers()));
        if self.has_no_body || has_no_body(status) || response.body().is_end_stream() {
            self.finish(&Outcome::Complete);
        }
    }

    fn record_response<B>(&self, response: &Response<B>) {
        self.span.set_attributes(self.recorder.response_headers.attributes(response.headers()));
        if self.recorder.options.side == Side::Client {
            if let Some(peer) = self.recorder.peer(response.extensions()) {
                address::set_peer(peer, &mut |attribute| self.span.set_attribute(attribute));
            }
            let version = attributes::version(response.version());
            self.span.set_attributes(
                version.map(|version| KeyValue::new(semconv::NETWORK_PROTOCOL_VERSION, version)),
            );
        }
        if let Some(hook) = &self.recorder.options.response_attributes {
            let mut attributes = Vec::new();
            hook(response.status(), response.headers(), &mut attributes);
            self.span.set_attributes(attributes);
        }
    }

    pub(in crate::calls) fn on_data(&mut self, data: &impl Buf) {
        let bytes = data.remaining() as u64;
        self.response_bytes = self.response_bytes.saturating_add(bytes);
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(bytes));
    }

    /// Observes the trailers, which end the response.
    pub(in crate::calls) fn on_trailers(&mut self, _: &HeaderMap) {
        self.finish(&Outcome::Complete);
    }

    /// Observes the end of the response body.
    pub(in crate::calls) fn on_eos(&mut self) {
        self.finish(&Outcome::Complete);
    }

    /// Observes a failure of the service or of the response body.
    pub(in crate::calls) fn on_error<E: 'static>(&mut self, error: &E) {
        let (error_type, message) = describe(error);
        self.finish(&Outcome::Failed { error_type, message });
    }

    pub(in crate::calls) fn on_panic(&mut self) {
        if self.recorder.options.catch_panics && self.status.is_none() {
            self.status = Some(StatusCode::INTERNAL_SERVER_ERROR);
        }
        self.finish(&Outcome::Panicked);
    }

    fn finish(&mut self, outcome: &Outcome) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let duration = self.span.elapsed();
        if self.active {
            self.recorder.instruments.add_active(-1, &self.dimensions);
        }
        // An inner layer may have other limits.
        let learned = self.inner_route.route().filter(|_| self.route.is_none());
        let learned = learned.and_then(|route| self.recorder.routes.get(route));
        self.route = self.route.take().or_else(|| learned.clone());
        let error_type = self.error_type(outcome);
        self.measure(duration, error_type.as_ref());
        if self.recorder.options.access_log {
            self.span.in_scope(|| {
                access_log::emit(
                    &self.recorder,
                    self.method.in_span_name(),
                    self.route.as_deref(),
                    self.status,
                    duration,
                    self.response_bytes,
                );
            });
        }
        if self.span.is_recording() {
            self.end_span(outcome, duration, error_type, learned);
        }
    }

    /// Returns the value of `error.type`, if the request counts as failed or as given up.
    fn error_type(&self, outcome: &Outcome) -> Option<Cow<'static, str>> {
        let of_status = || {
            let status = self.status.filter(|status| (self.recorder.options.is_error)(*status))?;
            Some(Cow::Owned(status.as_str().to_owned()))
        };
        match outcome {
            Outcome::Complete => of_status(),
            // A client may stop reading; a server is not supposed to be stopped.
            Outcome::Dropped => of_status().or(match self.recorder.options.side {
                Side::Server => Some(Cow::Borrowed(CANCELLED)),
                Side::Client => None,
            }),
            Outcome::Failed { error_type, .. } => Some(error_type.clone()),
            Outcome::Panicked => Some(Cow::Borrowed(PANIC)),
        }
    }

    fn measure(&mut self, duration: Duration, error_type: Option<&Cow<'static, str>>) {
        let mut attributes = std::mem::take(&mut self.dimensions);
        attributes.extend(self.status.map(status_code));
        attributes
            .extend(self.route.as_ref().map(|route| KeyValue::new(semconv::HTTP_ROUTE, Arc::clone(route))));
        attributes
            .extend(error_type.map(|error_type| KeyValue::new(semconv::ERROR_TYPE, error_type.clone())));
        if !(self.is_stream && self.recorder.options.without_streams) {
            self.recorder.instruments.record_duration(duration, &attributes);
        }
        self.recorder.instruments.record_sizes(self.request_bytes, self.response_bytes, &attributes);
    }

    fn end_span(
        &self,
        outcome: &Outcome,
        duration: Duration,
        error_type: Option<Cow<'static, str>>,
        learned: Option<Arc<str>>,
    ) {
        if let Some(route) = learned {
            if !self.named {
                self.span.update_name(self.method.span_name(Some(&route)));
            }
            self.span.set_attribute(KeyValue::new(semconv::HTTP_ROUTE, route));
        }
        self.span.set_attributes(self.status.map(status_code));
        if self.recorder.options.body_sizes {
            let size = |key, bytes: u64| KeyValue::new(key, i64::try_from(bytes).unwrap_or(i64::MAX));
            self.span
                .set_attributes(self.request_bytes.map(|bytes| size(semconv::HTTP_REQUEST_BODY_SIZE, bytes)));
            self.span.set_attribute(size(semconv::HTTP_RESPONSE_BODY_SIZE, self.response_bytes));
        }
        match outcome {
            Outcome::Failed { message, .. } => self.span.set_status(Status::error(message.clone())),
            Outcome::Panicked => self.span.set_status(Status::error("panicked")),
            Outcome::Complete | Outcome::Dropped => {
                if error_type.as_ref().is_some_and(|error_type| error_type != CANCELLED) {
                    self.span.set_status(Status::error(""));
                }
            }
        }
        self.span.set_attributes(error_type.map(|error_type| KeyValue::new(semconv::ERROR_TYPE, error_type)));
        self.span.end(duration);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // hyper drops a body of known length once it has all of its bytes.
        let complete = self.remaining == Some(0);
        self.finish(if complete { &Outcome::Complete } else { &Outcome::Dropped });
    }
}

fn status_code(status: StatusCode) -> KeyValue {
    KeyValue::new(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16()))
}

/// Returns `true` for responses that end with their head: an upgrade hands the connection over.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream"))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn scheme_of<B>(recorder: &CallRecorder, request: &Request<B>) -> &'static str {
    let trusted = recorder.options.trusted_proxies;
    let forwarded = (trusted > 0).then(|| forwarded::scheme(request.headers(), trusted)).flatten();
    forwarded.or_else(|| request.uri().scheme_str().and_then(attributes::known_scheme)).unwrap_or("http")
}

fn target_of<B>(request: &Request<B>) -> Target {
    let uri = request.uri();
    let scheme = uri.scheme_str().and_then(attributes::known_scheme).unwrap_or("http");
    let host = || {
        let host = request.headers().get(http::header::HOST)?;
        http::uri::Authority::try_from(host.as_bytes()).ok()
    };
    let authority = uri.authority().cloned().or_else(host);
    let default_port = if scheme == "https" { 443 } else { 80 };
    let address = authority.as_ref().map(|authority| {
        let address = Address::from_authority(authority);
        Address { port: address.port.or(Some(default_port)), ..address }
    });
    let template = request.extensions().get::<UrlTemplate>();
    let attempts = request.extensions().get::<ResendCounter>();
    Target {
        scheme,
        authority: authority.map(|authority| authority.to_string()).unwrap_or_default(),
        address,
        template: template.map(|template| Arc::clone(&template.0)),
        resends: attempts.map_or(0, |attempts| attempts.0.fetch_add(1, Ordering::Relaxed)),
    }
}

/// `error.type` of a request whose client went away.
const CANCELLED: &str = "cancelled";
/// `error.type` of a request whose handler panicked.
const PANIC: &str = "panic";
