//! The start of a call: its parent, its span and the method that it counts under.
//!
//! Attributes that a sampler may use are set when the span is created; the others (peer, captured metadata) only if
//! it is recorded.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use opentelemetry::Context;
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, TraceContextExt as _};

use super::attributes;
use super::call::Call;
use super::metadata;
use super::method::Method;
use super::options::{RequestHead, Side};
use super::recorder::CallRecorder;
use crate::calls::context::{self, Parent, RemoteContext};
use crate::calls::recorded::is_recorded_by_server;

impl Call {
    /// Starts the call of a request that arrived at a server. `remote` applies unless the program decides by method.
    ///
    /// If a layer around this one has recorded a request of gRPC-Web as HTTP, its span is the parent.
    pub(super) fn incoming<B>(
        recorder: &Arc<CallRecorder>,
        request: &Request<B>,
        waited: Duration,
        remote: RemoteContext,
    ) -> Self {
        let decide = recorder.options.remote_context.as_ref();
        let has_parent = || Context::map_current(|current| current.span().span_context().is_valid());
        let remote = match is_recorded_by_server(request.extensions()) && has_parent() {
            true => RemoteContext::Ignore,
            false => decide.map_or(remote, |decide| decide(RequestHead::new(request).method())),
        };
        let (parent, link) = remote.resolve(request.headers());
        Self::start(recorder, request, waited, parent, link)
    }

    /// Starts the call of a request that a client sends, and injects its context into the request.
    pub(super) fn outgoing<B>(
        recorder: &Arc<CallRecorder>,
        request: &mut Request<B>,
        waited: Duration,
    ) -> Self {
        let call = Self::start(recorder, request, waited, Parent::local(Context::current()), None);
        context::inject(call.context(), request.headers_mut());
        call
    }

    /// Starts the span and counts the call as active. Attributes of the request are made only if the span can be
    /// recorded.
    fn start<B>(
        recorder: &Arc<CallRecorder>,
        request: &Request<B>,
        waited: Duration,
        parent: Parent,
        link: Option<Link>,
    ) -> Self {
        let side = recorder.options.side;
        // A proxy passes on the request of a stranger, with its extensions.
        let is_forwarded = side == Side::Client && is_recorded_by_server(request.extensions());
        let method = recorder.methods.get(request.uri().path(), is_forwarded);
        // A client's request may have the extensions of the one that is being served.
        let peer = (side == Side::Server).then(|| recorder.peer(request.extensions())).flatten();
        let span = recorder.tracer.start(
            waited,
            parent,
            || span_builder(recorder, request, &method, link),
            |set| {
                if let Some(peer) = peer {
                    attributes::set_peer(recorder.conventions, peer, set);
                }
                recorder.request_headers.attributes(request.headers()).for_each(set);
            },
        );
        Self::new(recorder, method, span, metadata::timeout(request.headers()), peer)
    }

    /// Starts a call whose request is not known, because the service failed before it accepted one.
    ///
    /// Its span began when the caller started to wait.
    pub(super) fn not_ready(recorder: &Arc<CallRecorder>, waited: Duration) -> Self {
        let method = Arc::clone(recorder.methods.unknown());
        let parent = Parent::local(Context::current());
        let span = recorder.tracer.start(
            waited,
            parent,
            || SpanBuilder {
                name: method.span_name(),
                span_kind: Some(span_kind(recorder.options.side)),
                attributes: Some(attributes::method_attributes(recorder.conventions, &method)),
                ..SpanBuilder::default()
            },
            |_| (),
        );
        Self::new(recorder, method, span, None, None)
    }
}

/// Returns name, kind, links, and the attributes that a sampler may decide by.
fn span_builder<B>(
    recorder: &CallRecorder,
    request: &Request<B>,
    method: &Method,
    link: Option<Link>,
) -> SpanBuilder {
    let head = RequestHead::new(request);
    let custom = recorder.options.span_name.as_ref().and_then(|name| name(&head));
    let name = custom.map_or_else(|| method.span_name(), Cow::Owned);
    SpanBuilder {
        name,
        span_kind: Some(span_kind(recorder.options.side)),
        links: link.map(|link| vec![link]),
        attributes: Some(attributes::at_start(recorder, method, &head, recorder.address(request))),
        ..SpanBuilder::default()
    }
}

/// Returns the kind of span for a side.
fn span_kind(side: Side) -> SpanKind {
    match side {
        Side::Server => SpanKind::Server,
        Side::Client => SpanKind::Client,
    }
}
