//! One HTTP request, from its start to the end of its response. Whatever happens, it is finished exactly once.
//!
//! | what happens | `error.type` | status of the span |
//! |---|---|---|
//! | the response is complete | the status code, if it is an error | Error, if it is an error |
//! | dropped early at a server | the status code if it is an error, or else `cancelled` | Error only for an error |
//! | dropped early at a client | the status code, if it is an error | Error, if it is an error |
//! | the service or the body fails | the type of the error | Error, with the message |
//! | the service panics | `panic` | Error |
//!
//! A response of known length that was dropped after its last byte is complete: hyper does not poll it to its end.
//!
//! ```text
//! start ─▶ on_response ─▶ on_data … ─▶ on_trailers / on_eos ─▶ finish
//!    │          │             └─ on_error, Drop ─────────────────▲
//!    │          └─ HEAD, 204, 304, 101, empty body ──────────────┤
//!    └─ on_error, on_panic, Drop (the future) ───────────────────┘
//! ```
//!
//! `finish` runs once, for the first of these: duration and sizes are measured, the gauge of active requests goes back,
//! the access line is written inside of the span, and the span ends after exactly the measured duration.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use opentelemetry::KeyValue;
use opentelemetry::trace::Status;

use super::access_log;
use super::attributes::{self, status_code, version_attribute};
use super::measure::MetricTarget;
use super::method::ReportedMethod;
use super::recorder::CallRecorder;
use super::route::{KnownRoute, Route, RouteSlot};
use super::series::Series;
use crate::calls::Side;
use crate::calls::address;
use crate::calls::body::{reported_length, reports_end};
use crate::calls::error::describe;
use crate::calls::span::CallSpan;
use crate::semconv;
use crate::user_code::catch_panic;

/// A request that is not finished. Dropping it finishes it as cancelled.
pub(in crate::calls) struct Call {
    /// Options, tracer and instruments of the layer.
    pub(super) recorder: Arc<CallRecorder>,
    /// Ended when the call is finished.
    pub(super) span: CallSpan,
    /// `_OTHER` for methods that are not known.
    pub(super) method: ReportedMethod,
    /// See [`MetricTarget`].
    pub(super) target: MetricTarget,
    /// The version of the protocol.
    pub(super) version: Option<&'static str>,
    /// The route from the router, for servers; `None` until it is known.
    pub(super) route: Option<Arc<KnownRoute>>,
    /// Receives the route from inner layers if the request arrived without one.
    pub(super) inner_route: Option<RouteSlot>,
    /// The user's hook has named the span, so the route does not.
    pub(super) named: bool,
    /// `None` until the head of the response is there.
    pub(super) status: Option<StatusCode>,
    /// The response ends with its head: an answer to HEAD.
    pub(super) has_no_body: bool,
    /// The request is a CONNECT: a tunnel begins after the head of a successful response.
    pub(super) is_connect: bool,
    /// The response is an event stream, whose duration is left out.
    pub(super) is_stream: bool,
    /// The length that the request, or else its body, declares.
    pub(super) request_bytes: Option<u64>,
    /// Bytes of the response so far.
    pub(super) response_bytes: u64,
    /// Bytes of the response that are still to come, if that is known.
    remaining: Option<u64>,
    /// The series under which the request counts as active.
    active: Option<Arc<Series>>,
    /// `false` once the call is finished.
    open: bool,
}

/// The end of a request.
pub(super) enum Outcome {
    /// The response was complete.
    Complete,
    /// The response, or its future, was dropped before its end.
    Dropped,
    /// The service or the body of the response returned an error.
    Failed { error_type: Cow<'static, str>, message: String },
    /// The service panicked.
    Panicked,
}

impl Call {
    /// Creates the state of a call whose span was started, and counts it as active.
    pub(super) fn new(
        recorder: &Arc<CallRecorder>,
        span: CallSpan,
        method: ReportedMethod,
        target: MetricTarget,
    ) -> Self {
        let mut call = Self {
            recorder: Arc::clone(recorder),
            span,
            method,
            target,
            version: None,
            route: None,
            inner_route: None,
            named: false,
            status: None,
            has_no_body: false,
            is_connect: false,
            is_stream: false,
            request_bytes: None,
            response_bytes: 0,
            remaining: None,
            active: None,
            open: true,
        };
        call.active = recorder.options.active_requests.then(|| catch_panic(|| call.count_active())).flatten();
        call
    }

    /// Returns `false` once the call is finished.
    pub(in crate::calls) fn is_open(&self) -> bool {
        self.open
    }

    /// Returns the span of the request.
    pub(in crate::calls) fn span(&self) -> &CallSpan {
        &self.span
    }

    /// Returns `true` if a panic of the service becomes a response with status 500.
    pub(in crate::calls) fn catches_panics(&self) -> bool {
        self.recorder.options.catch_panics
    }

    /// Takes the length of the request from its body if the header is not set yet: a client sets it later.
    pub(in crate::calls) fn on_request_body<B: Body>(&mut self, body: &B) {
        if self.recorder.options.body_sizes && self.request_bytes.is_none() {
            self.request_bytes = reported_length(body).filter(|bytes| *bytes <= MAX_REQUEST_BYTES);
        }
    }

    /// Observes the head of the response. It finishes the request if no body follows.
    pub(in crate::calls) fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        let status = response.status();
        self.status = Some(status);
        if self.recorder.options.side == Side::Client {
            self.version = attributes::version(response.version());
        }
        let has_no_body = self.has_no_body || has_no_body(status) || (self.is_connect && status.is_success());
        self.is_stream =
            self.recorder.options.without_streams && !has_no_body && is_event_stream(response.headers());
        if let (Some(slot), Some(route)) = (&self.inner_route, response.extensions().get::<Route>())
            && slot.route().is_none()
        {
            self.route = self.recorder.routes.get(route.as_str());
        }
        if self.span.is_recording() {
            self.record_response(response);
        }
        self.insert_trace_id(response.headers_mut());
        self.remaining = reported_length(response.body()).or_else(|| content_length(response.headers()));
        if has_no_body || reports_end(response.body()) {
            self.finish(&Outcome::Complete);
        }
    }

    /// Inserts the trace id, if responses have it.
    pub(in crate::calls) fn insert_trace_id(&self, headers: &mut HeaderMap) {
        if let Some(name) = &self.recorder.options.trace_id_header {
            self.span.insert_trace_id(name, headers);
        }
    }

    /// Records what the head of the response says.
    fn record_response<B>(&self, response: &Response<B>) {
        self.span.set_attributes(self.recorder.response_headers.attributes(response.headers()));
        if self.recorder.options.side == Side::Client {
            if let Some(peer) = self.recorder.peer(response.extensions()) {
                address::set_peer(peer, &mut |attribute| self.span.set_attribute(attribute));
            }
            self.span.set_attributes(self.version.map(version_attribute));
        }
        if let Some(hook) = &self.recorder.options.response_attributes {
            let mut attributes = Vec::new();
            hook(response.status(), response.headers(), &mut attributes);
            self.span.set_attributes(attributes);
        }
    }

    /// Counts the bytes of a piece of the body.
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

    /// Observes a panic of the service. If it was before the head, and panics are caught, the caller gets status 500.
    pub(in crate::calls) fn on_panic(&mut self) {
        if self.recorder.options.catch_panics && self.status.is_none() {
            self.status = Some(StatusCode::INTERNAL_SERVER_ERROR);
        }
        self.finish(&Outcome::Panicked);
    }

    /// Measures the call and ends its span, the first time that it is called.
    fn finish(&mut self, outcome: &Outcome) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let duration = self.span.elapsed();
        let learned = self.learn_route();
        let error_type = self.error_type(outcome);
        // Instruments, processors and layers can be the program's, and this is called in destructors.
        if let Some(active) = self.active.take() {
            catch_panic(|| self.recorder.instruments.add_active(-1, &active));
        }
        catch_panic(|| self.measure(duration, outcome, error_type.as_ref()));
        if self.recorder.options.access_log {
            catch_panic(|| self.span.in_scope(|| self.log_access(duration)));
        }
        if self.span.is_recording() {
            catch_panic(|| self.set_end(outcome, error_type, learned));
            catch_panic(|| self.span.end(duration));
        }
    }

    /// Writes the access line.
    fn log_access(&self, duration: Duration) {
        access_log::emit(
            &self.recorder,
            self.method.as_str(),
            self.route.as_ref().map(|route| &*route.pattern),
            self.status,
            duration,
            self.response_bytes,
        );
    }

    /// Returns the route, if the request arrived without one, and the response or an inner layer reported it.
    ///
    /// axum knows the route after a layer around the router has started the span; name and attribute are then set at
    /// the end. A sampler does not see it in that case.
    fn learn_route(&mut self) -> Option<Arc<KnownRoute>> {
        let slot = self.inner_route.take()?;
        if self.route.is_none() {
            // An inner layer may have other limits.
            self.route = slot.route().and_then(|route| self.recorder.routes.get(route));
        }
        slot.recycle();
        self.route.clone()
    }

    /// Returns the value of `error.type`, if the request is counted as failed or as given up.
    ///
    /// Conventions: the type of the error, or else the status code as text.
    fn error_type(&self, outcome: &Outcome) -> Option<Cow<'static, str>> {
        let of_status = || {
            let status = self.status.filter(|status| (self.recorder.options.is_error)(*status))?;
            Some(Cow::Owned(status.as_str().to_owned()))
        };
        match outcome {
            Outcome::Complete => of_status(),
            // A client may stop reading, but a server is not expected to be cancelled.
            Outcome::Dropped => of_status().or(match self.recorder.options.side {
                Side::Server => Some(Cow::Borrowed(CANCELLED)),
                Side::Client => None,
            }),
            Outcome::Failed { error_type, .. } => Some(error_type.clone()),
            Outcome::Panicked => Some(Cow::Borrowed(PANIC)),
        }
    }

    /// Sets what is known only now. The span then ends after exactly the measured duration.
    fn set_end(
        &self,
        outcome: &Outcome,
        error_type: Option<Cow<'static, str>>,
        learned: Option<Arc<KnownRoute>>,
    ) {
        if let Some(route) = learned {
            if !self.named {
                self.span.update_name(route.span_name(&self.method));
            }
            self.span.set_attribute(KeyValue::new(semconv::HTTP_ROUTE, Arc::clone(&route.pattern)));
        }
        self.span.set_attributes(self.status.map(status_code));
        if self.recorder.options.body_sizes {
            let size = |key, bytes: u64| KeyValue::new(key, i64::try_from(bytes).unwrap_or(i64::MAX));
            self.span
                .set_attributes(self.request_bytes.map(|bytes| size(semconv::HTTP_REQUEST_BODY_SIZE, bytes)));
            self.span.set_attributes(
                self.response_size().map(|bytes| size(semconv::HTTP_RESPONSE_BODY_SIZE, bytes)),
            );
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
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // hyper drops a body of known length once it has all of its bytes.
        let complete = self.remaining == Some(0);
        self.finish(if complete { &Outcome::Complete } else { &Outcome::Dropped });
    }
}

/// Returns `true` for responses that end with their head: an upgrade takes over the connection.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Returns `true` for server-sent events.
fn is_event_stream(headers: &HeaderMap) -> bool {
    /// Compared without case, and without parameters such as `charset`.
    const KIND: &[u8] = b"text/event-stream";
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.as_bytes().get(..KIND.len()));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(KIND))
}

/// The largest request whose size is recorded, in bytes (1 TiB). A caller can declare any length without sending it.
pub(super) const MAX_REQUEST_BYTES: u64 = 1 << 40;

/// Returns the length that headers declare.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `error.type` of a request whose client went away.
const CANCELLED: &str = "cancelled";
/// `error.type` of a request whose handler panicked.
const PANIC: &str = "panic";
