//! One call, from its first byte to its last: whatever happens, it is ended once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Buf;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, Status, TraceContextExt as _};
use opentelemetry::{Context, ContextGuard, KeyValue};

use super::attributes;
use super::messages::MessageFramer;
use super::metadata::{self, Parent};
use super::method::Method;
use super::options::{RemoteContext, RequestHead, Side};
use super::recorder::Recorder;
use super::status::Ending;
use crate::semconv;
use crate::semconv::Code;
use crate::settings::RpcConventions;

/// An open call. Dropping it ends it as cancelled.
pub(super) struct Call {
    recorder: Arc<Recorder>,
    method: Arc<Method>,
    /// Holds the call's span; current while the service and the bodies work.
    context: Context,
    recording: bool,
    started: Instant,
    /// The same moment on the wall clock, so that the span lasts exactly as long as the metric says.
    start_time: SystemTime,
    /// The caller's deadline, from `started`.
    timeout: Option<Duration>,
    peer: Option<SocketAddr>,
    http_status: StatusCode,
    /// `Some` while the call counts as active: the method it counts under.
    active: Option<Arc<Method>>,
    requests: Option<Arc<Messages>>,
    responses: Option<(MessageFramer, Messages)>,
    open: bool,
}

/// Messages that went one way.
#[derive(Debug, Default)]
pub(super) struct Messages {
    count: AtomicU64,
    bytes: AtomicU64,
}

/// A call dropped this shortly before its deadline was dropped because of it: the caller's clock started earlier, by as
/// much as the request took to get here, which is more when machines are busy.
fn deadline_tolerance(timeout: Duration) -> Duration {
    (timeout / 10).clamp(Duration::from_millis(2), Duration::from_millis(50))
}

impl Call {
    /// A call that came in: its parent is what the caller sent.
    pub(super) fn incoming<B>(recorder: &Arc<Recorder>, request: &Request<B>) -> Self {
        let current = Context::current();
        let wish = recorder.options.remote_context.as_ref();
        let wish = wish.map_or(RemoteContext::Parent, |wish| wish(RequestHead::of(request).method()));
        match wish {
            RemoteContext::Parent => {
                let parent = metadata::extract(request.headers(), current);
                Self::start(recorder, request, parent, None)
            }
            RemoteContext::Link => {
                let remote = metadata::extract(request.headers(), Context::new()).with_span(Clone::clone);
                let link = remote.is_valid().then(|| Link::with_context(remote));
                Self::start(recorder, request, Parent::local(current), link)
            }
            RemoteContext::Ignore => Self::start(recorder, request, Parent::local(current), None),
        }
    }

    /// A call that goes out: its context is sent along.
    pub(super) fn outgoing<B>(recorder: &Arc<Recorder>, request: &mut Request<B>) -> Self {
        let call = Self::start(recorder, request, Parent::local(Context::current()), None);
        metadata::inject(&call.context, request.headers_mut());
        call
    }

    fn start<B>(recorder: &Arc<Recorder>, request: &Request<B>, parent: Parent, link: Option<Link>) -> Self {
        let method = recorder.methods.get(request.uri().path());
        let peer = recorder.peer(request.extensions());
        let started = Instant::now();
        let start_time = SystemTime::now();
        let span = || SpanBuilder {
            start_time: Some(start_time),
            links: link.map(|link| vec![link]),
            ..span_of(recorder, request, &method)
        };
        let (context, recording) = recorder.tracer.start(span, parent, |set| {
            if let Some(peer) = peer {
                attributes::of_peer(recorder.conventions, peer, set);
            }
            recorder.request_headers.attributes(request.headers()).for_each(set);
        });
        let follows = recorder.follows_messages();
        Self {
            active: count_active(recorder, &method),
            recorder: Arc::clone(recorder),
            method,
            context,
            recording,
            started,
            start_time,
            timeout: metadata::timeout(request.headers()),
            peer,
            http_status: StatusCode::OK,
            requests: follows.then(Arc::default),
            responses: follows.then(Default::default),
            open: true,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Makes the call's context current. A panic before the guard is dropped ends the call.
    pub(super) fn enter(&mut self) -> Entered<'_> {
        Entered { attached: self.context.clone().attach(), call: self, unwinding: std::thread::panicking() }
    }

    /// What counts the messages of the request body, if anything does.
    pub(super) fn request_messages(&self) -> Option<RequestMessages> {
        let counted = Arc::clone(self.requests.as_ref()?);
        let method = Arc::clone(self.recorder.methods.of_open_call(&self.method));
        Some(RequestMessages {
            recorder: Arc::clone(&self.recorder),
            method,
            framing: MessageFramer::default(),
            counted,
        })
    }

    /// The head of the response. It ends the call if it carries the status, or if nothing will follow.
    pub(super) fn responded<B: Body>(&mut self, response: &Response<B>) {
        self.http_status = response.status();
        if self.recorder.options.side == Side::Client {
            self.peer = self.recorder.peer(response.extensions());
        }
        let ending = Ending::of_headers(response.headers());
        if self.recording {
            self.record_headers(response.headers(), ending.is_some());
        }
        match ending {
            Some(ending) => self.finish(&ending),
            None if response.body().is_end_stream() => self.finish_without_status(),
            None => self.recorder.methods.answered(&self.method),
        }
    }

    pub(super) fn received_trailers(&mut self, trailers: &HeaderMap) {
        if self.recording {
            self.set_attributes(self.recorder.response_trailers.attributes(trailers));
            self.add_response_attributes(trailers);
        }
        match Ending::of_headers(trailers) {
            Some(ending) => self.finish(&ending),
            None => self.finish_without_status(),
        }
    }

    pub(super) fn responded_data(&mut self, data: &impl Buf) {
        let Some((framing, messages)) = &mut self.responses else {
            return;
        };
        let method = self.recorder.methods.of_open_call(&self.method);
        let instruments = &self.recorder.instruments;
        framing.follow(data, |size| {
            messages.add(size);
            method.instruments.record_response_size(instruments, &method.name, size);
        });
    }

    /// The service or the response body failed.
    pub(super) fn failed<E: 'static>(&mut self, error: &E) {
        let otherwise = match self.recorder.options.side {
            // The stream is reset with INTERNAL_ERROR, which a caller reads as this.
            Side::Server => Code::Internal,
            Side::Client => Code::Unknown,
        };
        let ending = Ending::of_error(error, otherwise);
        // At the deadline the other side may be first: it resets the stream, which reads as a cancellation.
        let late = ending.code == Code::Cancelled && self.is_due();
        self.finish(&if late { Ending::deadline_exceeded() } else { ending });
    }

    /// Whether the caller's deadline has come.
    fn is_due(&self) -> bool {
        self.timeout.is_some_and(|timeout| self.started.elapsed() + deadline_tolerance(timeout) >= timeout)
    }

    /// The response is complete and had no status.
    pub(super) fn finish_without_status(&mut self) {
        self.finish(&Ending::missing(self.http_status));
    }

    /// What it means that nobody asks for the rest of the call.
    fn abandoned(&self) -> Ending<'static> {
        if self.is_due() {
            return Ending::deadline_exceeded();
        }
        match (self.recorder.options.side, self.http_status) {
            (Side::Server, _) | (Side::Client, StatusCode::OK) => Ending::cancelled(),
            // The page that comes with an error of HTTP is no gRPC: a client drops it where it sees that.
            (Side::Client, http) => Ending::missing(http),
        }
    }

    fn finish(&mut self, ending: &Ending<'_>) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let duration = self.started.elapsed();
        let instruments = &self.recorder.instruments;
        let method = self.recorder.methods.of_ended_call(&self.method, ending);
        method.instruments.record_duration(instruments, &method.name, ending.code, duration);
        if let Some(active) = self.active.take() {
            active.instruments.add_active(instruments, &active.name, -1);
        }
        if self.requests.is_some() {
            method.instruments.record_counts(
                instruments,
                &method.name,
                self.requested().0,
                self.responded_with().0,
            );
        }
        if self.recorder.options.access_log {
            self.log_access(ending, duration);
        }
        if self.recording {
            self.end_span(ending, duration);
        }
    }

    fn end_span(&self, ending: &Ending<'_>, duration: Duration) {
        let span = self.context.span();
        if self.recorder.conventions != RpcConventions::Old {
            span.set_attribute(KeyValue::new(semconv::RPC_STATUS_CODE, ending.code.name()));
        }
        if self.recorder.conventions != RpcConventions::Stable {
            span.set_attribute(KeyValue::new(semconv::OLD_RPC_GRPC_STATUS_CODE, ending.code as i64));
        }
        if (self.recorder.options.is_error)(ending.code) {
            span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, ending.code.name()));
            span.set_status(Status::error(ending.message()));
        }
        self.record_messages();
        if let (Side::Client, Some(peer)) = (self.recorder.options.side, self.peer) {
            attributes::of_peer(self.recorder.conventions, peer, &mut |attribute| {
                span.set_attribute(attribute)
            });
        }
        span.end_with_timestamp(self.start_time + duration);
    }

    fn record_messages(&self) {
        let wanted = self.recorder.options.wanted;
        let ((requests, request_bytes), (responses, response_bytes)) =
            (self.requested(), self.responded_with());
        if wanted.counts {
            self.set_attributes([
                attributes::count(semconv::RPC_REQUEST_MESSAGE_COUNT, requests),
                attributes::count(semconv::RPC_RESPONSE_MESSAGE_COUNT, responses),
            ]);
        }
        if wanted.sizes {
            self.set_attributes([
                attributes::count(semconv::RPC_REQUEST_SIZE, request_bytes),
                attributes::count(semconv::RPC_RESPONSE_SIZE, response_bytes),
            ]);
        }
    }

    fn log_access(&self, ending: &Ending<'_>, duration: Duration) {
        let _attached = self.context.clone().attach();
        let ((requests, request_bytes), (responses, response_bytes)) =
            (self.requested(), self.responded_with());
        let side = match self.recorder.options.side {
            Side::Server => "server",
            Side::Client => "client",
        };
        tracing::info!(
            target: "grpc::access",
            side,
            rpc.method = &*self.method.name,
            rpc.status_code = ending.code.name(),
            // Not from seconds: 228 751 ns are to read 0.228751.
            duration_ms = duration.as_nanos() as f64 / 1e6,
            peer = self.peer.map(tracing::field::display),
            requests,
            request_bytes,
            responses,
            response_bytes,
            "call ended"
        );
    }

    /// Request messages and their bytes.
    fn requested(&self) -> (u64, u64) {
        self.requests.as_ref().map_or((0, 0), |messages| messages.get())
    }

    /// Response messages and their bytes.
    fn responded_with(&self) -> (u64, u64) {
        self.responses.as_ref().map_or((0, 0), |(_, messages)| messages.get())
    }

    fn record_headers(&self, headers: &HeaderMap, with_trailers: bool) {
        self.set_attributes(self.recorder.response_headers.attributes(headers));
        if with_trailers {
            self.set_attributes(self.recorder.response_trailers.attributes(headers));
        }
        self.add_response_attributes(headers);
    }

    fn add_response_attributes(&self, headers: &HeaderMap) {
        if let Some(hook) = &self.recorder.options.response_attributes {
            let mut attributes = Vec::new();
            hook(headers, &mut attributes);
            self.set_attributes(attributes);
        }
    }

    fn set_attributes(&self, attributes: impl IntoIterator<Item = KeyValue>) {
        let span = self.context.span();
        attributes.into_iter().for_each(|attribute| span.set_attribute(attribute));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        self.finish(&self.abandoned());
    }
}

/// The call's context is current as long as this lives.
pub(super) struct Entered<'a> {
    call: &'a mut Call,
    attached: ContextGuard,
    /// A panic was on its way before: it is not this call's.
    unwinding: bool,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if !self.unwinding && std::thread::panicking() {
            self.call.finish(&Ending::panicked());
        }
        let _until_here = &self.attached;
    }
}

/// Counts the messages of a request body, which the transport may read on another task.
pub(super) struct RequestMessages {
    recorder: Arc<Recorder>,
    method: Arc<Method>,
    framing: MessageFramer,
    counted: Arc<Messages>,
}

impl RequestMessages {
    pub(super) fn follow(&mut self, data: &impl Buf) {
        let Self { recorder, method, framing, counted } = self;
        framing.follow(data, |size| {
            counted.add(size);
            method.instruments.record_request_size(&recorder.instruments, &method.name, size);
        });
    }
}

impl Messages {
    fn add(&self, size: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
    }

    fn get(&self) -> (u64, u64) {
        (self.count.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

fn span_of<B>(recorder: &Recorder, request: &Request<B>, method: &Method) -> SpanBuilder {
    let head = RequestHead::of(request);
    let name = match &recorder.options.span_name {
        Some(name) => name(&head).into(),
        None => method.span_name(),
    };
    SpanBuilder {
        name,
        span_kind: Some(kind(recorder.options.side)),
        attributes: Some(attributes::at_start(recorder, method, &head, recorder.address(request))),
        ..SpanBuilder::default()
    }
}

/// Counts a call as active, if that is wanted: gives the method it counts under.
fn count_active(recorder: &Recorder, method: &Arc<Method>) -> Option<Arc<Method>> {
    recorder.options.wanted.active.then(|| {
        let active = Arc::clone(recorder.methods.of_open_call(method));
        active.instruments.add_active(&recorder.instruments, &active.name, 1);
        active
    })
}

fn kind(side: Side) -> SpanKind {
    match side {
        Side::Server => SpanKind::Server,
        Side::Client => SpanKind::Client,
    }
}
