//! The start of a call: its parent, its span and the method that it counts under.
//!
//! Attributes that a sampler may use are set when the span is created; the others (the peer) only if
//! it is recorded.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use opentelemetry::trace::{Link, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};

use super::attributes;
use super::call::Call;
use super::metadata;
use super::method::Method;
use super::options::{RequestHead, Side};
use super::recorder::CallRecorder;
use crate::calls::context::{self, Parent, RemoteContext};
use crate::calls::recorded::is_recorded_by_server;
use crate::settings::RpcConventions;
use crate::subscriber::{CallAttributes, SpanHead, StartingCall};

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
        let mut starting = Starting { recorder, request, method: &method, link, peer };
        let span = recorder.tracer.start(waited, parent, &mut starting);
        Self::new(recorder, method, span, metadata::timeout(request.headers()), peer)
    }

    /// Starts a call whose request is not known, because the service failed before it accepted one.
    ///
    /// Its span began when the caller started to wait.
    pub(super) fn not_ready(recorder: &Arc<CallRecorder>, waited: Duration) -> Self {
        let method = Arc::clone(recorder.methods.unknown());
        let parent = Parent::local(Context::current());
        let mut starting = NotReady { conventions: recorder.conventions, method: &method };
        let span = recorder.tracer.start(waited, parent, &mut starting);
        Self::new(recorder, method, span, None, None)
    }
}

/// A call of a known request.
struct Starting<'a, B> {
    recorder: &'a CallRecorder,
    request: &'a Request<B>,
    method: &'a Method,
    link: Option<Link>,
    peer: Option<SocketAddr>,
}

impl<B> StartingCall for Starting<'_, B> {
    fn head(&mut self) -> SpanHead {
        let hook = self.recorder.options.span_name.as_ref();
        let custom = hook.and_then(|name| name(&RequestHead::new(self.request)));
        let name = custom.map_or_else(|| self.method.span_name(), Cow::Owned);
        SpanHead { name, link: self.link.take() }
    }

    fn attributes(&mut self, attributes: &mut CallAttributes) {
        let Self { recorder, request, method, .. } = *self;
        let address = recorder.address(request);
        attributes::at_start(attributes, recorder, method, &RequestHead::new(request), address.as_ref());
    }

    fn late_attributes(&mut self, set: &mut dyn FnMut(KeyValue)) {
        if let Some(peer) = self.peer {
            attributes::set_peer(self.recorder.conventions, peer, set);
        }
    }
}

/// A call that is not known, with the method that stands for it.
struct NotReady<'a> {
    conventions: RpcConventions,
    method: &'a Method,
}

impl StartingCall for NotReady<'_> {
    fn head(&mut self) -> SpanHead {
        SpanHead { name: self.method.span_name(), link: None }
    }

    fn attributes(&mut self, attributes: &mut CallAttributes) {
        attributes::method_attributes(attributes, self.conventions, self.method);
    }

    fn late_attributes(&mut self, _: &mut dyn FnMut(KeyValue)) {}
}
