//! One gRPC call, from its start to its end. Whatever happens, it is finished exactly once.
//!
//! | what happens | recorded status |
//! |---|---|
//! | trailers, or a head with `grpc-status` | that status |
//! | the body ends without trailers | UNKNOWN, or what the HTTP status means |
//! | the service or the body fails | what the error means: see `status` |
//! | the service panics | INTERNAL |
//! | future or body dropped after the caller's deadline | DEADLINE_EXCEEDED |
//! | dropped before | CANCELLED; at a client after an HTTP error, what that means |

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Buf;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use opentelemetry::trace::Status;
use opentelemetry::{Context, KeyValue};

use super::access_log;
use super::attributes;
use super::messages::{CallMessages, RequestMessages};
use super::metadata;
use super::method::Method;
use super::options::Side;
use super::recorder::CallRecorder;
use super::status::CallStatus;
use crate::calls::body::reports_end;
use crate::calls::span::CallSpan;
use crate::semconv;
use crate::semconv::GrpcCode;
use crate::settings::RpcConventions;
use crate::user_code::catch_panic;

/// An open gRPC call. Dropping it finishes it as cancelled.
pub(in crate::calls) struct Call {
    /// Options, tracer and instruments of the layer.
    recorder: Arc<CallRecorder>,
    /// The method as the path names it; metrics count it under a [known one](super::method::Methods::metric_method).
    method: Arc<Method>,
    /// Ended when the call is finished.
    span: CallSpan,
    /// The caller's deadline, from the start of the call.
    timeout: Option<Duration>,
    /// At a client known once the response is there, from the connection that carried it.
    peer: Option<SocketAddr>,
    /// `None` until the head of the response is there.
    http_status: Option<StatusCode>,
    /// The method under which the call counts as active, until it is finished.
    active: Option<Arc<Method>>,
    /// `Some` if messages are counted, for metrics, attributes or the access log.
    messages: Option<CallMessages>,
    /// See [`Self::request_read`].
    request_read: Option<Arc<AtomicBool>>,
    /// `false` once the call is finished.
    open: bool,
}

impl Call {
    /// Creates the state of a call whose span was started.
    pub(super) fn new(
        recorder: &Arc<CallRecorder>,
        method: Arc<Method>,
        span: CallSpan,
        timeout: Option<Duration>,
        peer: Option<SocketAddr>,
    ) -> Self {
        Self {
            active: catch_panic(|| count_active(recorder, &method)).flatten(),
            messages: recorder.tracks_messages().then(CallMessages::default),
            request_read: recorder.methods.is_undecided(&method).then(Arc::default),
            recorder: Arc::clone(recorder),
            method,
            span,
            timeout,
            peer,
            http_status: None,
            open: true,
        }
    }

    /// Returns `true` if the request body has to be observed.
    pub(super) fn follows_request(&self) -> bool {
        self.messages.is_some() || self.request_read.is_some()
    }

    /// Returns a flag that is set when the service reads the request body. Only needed while it is unknown whether
    /// the method exists: a handler reads its request, an interceptor or limit in front of it does not.
    pub(super) fn request_read(&self) -> Option<Arc<AtomicBool>> {
        self.request_read.clone()
    }

    /// Returns `false` once the call is finished.
    pub(in crate::calls) fn is_open(&self) -> bool {
        self.open
    }

    /// Returns the span of the call.
    pub(in crate::calls) fn span(&self) -> &CallSpan {
        &self.span
    }

    /// Returns the context with the span, which is attached while the service runs.
    pub(super) fn context(&self) -> &Context {
        self.span.context()
    }

    /// Returns the counter for messages of the request body, if messages are tracked.
    pub(super) fn request_messages(&self) -> Option<RequestMessages> {
        let messages = self.messages.as_ref()?;
        let method = Arc::clone(self.recorder.methods.metric_method(&self.method));
        Some(messages.follow_request(Arc::clone(&self.recorder), method))
    }

    /// Observes the head of the response. It finishes the call if it carries the status or if nothing follows it.
    pub(in crate::calls) fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        self.http_status = Some(response.status());
        self.insert_trace_id(response.headers_mut());
        if self.recorder.options.side == Side::Client {
            self.peer = self.recorder.peer(response.extensions());
        }
        let status = CallStatus::from_headers(response.headers());
        if self.span.is_recording() {
            self.record_headers(response.headers(), status.is_some());
        }
        if self.is_answer_of_handler(response, status.as_ref()) {
            self.recorder.methods.on_answer(&self.method);
        } else {
            self.hide_method();
        }
        match status {
            Some(status) => self.finish(&status),
            None if reports_end(response.body()) => self.on_eos(),
            None => (),
        }
    }

    /// Inserts the trace id, if responses have it.
    pub(in crate::calls) fn insert_trace_id(&self, headers: &mut HeaderMap) {
        if let Some(name) = &self.recorder.options.trace_id_header {
            self.span.insert_trace_id(name, headers);
        }
    }

    /// Hides the method name if no response was sent and the request was not read. A request that was read does not
    /// make the method known, because something in front of a handler may read it as well.
    fn hide_unanswered_method(&self) {
        if self.http_status.is_none() && !self.has_read_request() {
            catch_panic(|| self.hide_method());
        }
    }

    /// Returns `true` if something inside the layer has read from the request: at a server, most likely a handler.
    fn has_read_request(&self) -> bool {
        self.request_read.as_ref().is_some_and(|read| read.load(Ordering::Relaxed))
    }

    /// Replaces the name of a method for which something other than its handler has answered: a caller may send any name.
    fn hide_method(&self) {
        let options = &self.recorder.options;
        let is_hidden = options.side == Side::Server && !self.method.is_known() && self.span.is_recording();
        // The earlier conventions have no such rule.
        if !is_hidden || self.recorder.conventions == RpcConventions::Old {
            return;
        }
        if options.span_name.is_none() {
            self.span.update_name(Cow::Borrowed(semconv::GRPC));
        }
        self.span.set_attribute(KeyValue::new(semconv::RPC_METHOD, semconv::OTHER));
        self.span.set_attribute(KeyValue::new(semconv::RPC_METHOD_ORIGINAL, Arc::clone(&self.method.name)));
    }

    /// Returns `true` if this response shows that the method exists: it opens a gRPC stream, or it carries the status of
    /// a service that succeeded or at least read its request.
    fn is_answer_of_handler<B>(&self, response: &Response<B>, status: Option<&CallStatus<'_>>) -> bool {
        match status.map(|status| status.code) {
            None => self.http_status == Some(StatusCode::OK) && metadata::is_grpc(response.headers()),
            Some(GrpcCode::Ok) => true,
            Some(GrpcCode::Unimplemented) => false,
            Some(_) if self.recorder.options.side == Side::Client => false,
            Some(_) => self.has_read_request(),
        }
    }

    /// Observes the trailers of the response, which finish the call.
    pub(in crate::calls) fn on_trailers(&mut self, trailers: &HeaderMap) {
        if self.span.is_recording() {
            self.span.set_attributes(self.recorder.response_trailers.attributes(trailers));
            self.record_response_attributes(trailers);
        }
        match CallStatus::from_headers(trailers) {
            Some(status) => self.finish(&status),
            None => self.on_eos(),
        }
    }

    /// Counts the messages in a piece of the body, wherever the frames are cut.
    pub(in crate::calls) fn on_data(&mut self, data: &impl Buf) {
        if let Some(messages) = &mut self.messages {
            let method = self.recorder.methods.metric_method(&self.method);
            messages.on_response_data(data, &self.recorder.instruments, method);
        }
    }

    /// Observes a failure of the service or of the response body.
    ///
    /// An error that carries a status, such as that of a shed call, counts with its code.
    pub(in crate::calls) fn on_error<E: 'static>(&mut self, error: &E) {
        let default = match self.recorder.options.side {
            // hyper resets the stream with INTERNAL_ERROR, which a caller reads as this code.
            Side::Server => GrpcCode::Internal,
            Side::Client => GrpcCode::Unknown,
        };
        let status = CallStatus::from_error(error, default);
        self.hide_unanswered_method();
        // At the deadline the peer may reset the stream first, which looks like a cancellation.
        let timed_out = status.code == GrpcCode::Cancelled && self.is_past_deadline();
        self.finish(&if timed_out { CallStatus::deadline_exceeded() } else { status });
    }

    /// Observes the end of a response that had no status.
    pub(in crate::calls) fn on_eos(&mut self) {
        self.finish(&CallStatus::missing(self.http_status.unwrap_or_default()));
    }

    /// Observes a panic of the service, which goes on.
    pub(in crate::calls) fn on_panic(&mut self) {
        self.hide_unanswered_method();
        self.finish(&CallStatus::panicked());
    }

    /// Returns `true` if the caller's deadline has passed or is about to.
    fn is_past_deadline(&self) -> bool {
        self.timeout.is_some_and(|timeout| self.span.elapsed() + deadline_tolerance(timeout) >= timeout)
    }

    /// The status of a call that is dropped before its end.
    fn on_drop_status(&self) -> CallStatus<'static> {
        if self.is_past_deadline() {
            return CallStatus::deadline_exceeded();
        }
        match (self.recorder.options.side, self.http_status) {
            // A client drops the body of an HTTP error, because it is not gRPC.
            (Side::Client, Some(status)) if status != StatusCode::OK => CallStatus::missing(status),
            _ => CallStatus::cancelled(),
        }
    }

    /// Measures the call and ends its span, the first time that it is called.
    ///
    /// Measurements come first: they are complete even if the user's hook for attributes panics.
    fn finish(&mut self, status: &CallStatus<'_>) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let duration = self.span.elapsed();
        // Instruments, processors and layers can be the program's, and this is called in destructors.
        if let Some(active) = self.active.take() {
            catch_panic(|| active.instruments.add_active(&self.recorder.instruments, &active.name, -1));
        }
        catch_panic(|| self.measure(status, duration));
        if self.recorder.options.access_log {
            let side = self.recorder.options.side;
            let log = || access_log::emit(side, &self.method, status, duration, self.peer, &self.messages);
            catch_panic(|| self.span.in_scope(log));
        }
        if self.span.is_recording() {
            catch_panic(|| self.set_end(status));
            catch_panic(|| self.span.end(duration));
        }
    }

    /// Records duration and counts, under a method that the program is known to have.
    fn measure(&self, status: &CallStatus<'_>, duration: Duration) {
        let instruments = &self.recorder.instruments;
        let method = self.recorder.methods.metric_method(&self.method);
        method.instruments.record_duration(instruments, &method.name, status.code, duration);
        if let Some(messages) = &self.messages {
            let (requests, responses) = (messages.requests().count, messages.responses().count);
            method.instruments.record_counts(instruments, &method.name, requests, responses);
        }
    }

    /// Sets what is known only now. The span then ends after exactly the measured duration.
    fn set_end(&self, status: &CallStatus<'_>) {
        attributes::status(self.recorder.conventions, status.code, |attribute| {
            self.span.set_attribute(attribute);
        });
        if (self.recorder.options.is_error)(status.code) {
            self.span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, status.code.name()));
            self.span.set_status(Status::error(status.message()));
        }
        if let Some(messages) = &self.messages {
            self.span.set_attributes(messages.attributes(self.recorder.options.metrics));
        }
        if let (Side::Client, Some(peer)) = (self.recorder.options.side, self.peer) {
            attributes::set_peer(self.recorder.conventions, peer, &mut |attribute| {
                self.span.set_attribute(attribute);
            });
        }
    }

    /// Records the captured headers. A trailers-only response has its trailers in the head.
    fn record_headers(&self, headers: &HeaderMap, with_trailers: bool) {
        self.span.set_attributes(self.recorder.response_headers.attributes(headers));
        if with_trailers {
            self.span.set_attributes(self.recorder.response_trailers.attributes(headers));
        }
        self.record_response_attributes(headers);
    }

    /// Calls the user's hook, once for the head and once for the trailers.
    fn record_response_attributes(&self, headers: &HeaderMap) {
        if let Some(hook) = &self.recorder.options.response_attributes {
            let mut attributes = Vec::new();
            hook(headers, &mut attributes);
            self.span.set_attributes(attributes);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.open {
            self.hide_unanswered_method();
            self.finish(&self.on_drop_status());
        }
    }
}

/// A call that is dropped this shortly before its deadline was dropped because of it: the caller's clock started
/// earlier, by the time that the request travelled, which is longer on busy machines.
fn deadline_tolerance(timeout: Duration) -> Duration {
    (timeout / 10).clamp(Duration::from_millis(2), Duration::from_millis(50))
}

/// Counts a call as active, if that is enabled, and returns the method that it counts under.
fn count_active(recorder: &CallRecorder, method: &Arc<Method>) -> Option<Arc<Method>> {
    recorder.options.metrics.active.then(|| {
        let active = Arc::clone(recorder.methods.metric_method(method));
        active.instruments.add_active(&recorder.instruments, &active.name, 1);
        active
    })
}
