//! A recorded call of either protocol, for the response future and the response body.
//!
//! An enum rather than a trait, so the public layer types need no additional type parameter.

use bytes::Buf;
use http::{HeaderMap, Response};
use http_body::Body;
use opentelemetry::ContextGuard;

#[cfg(feature = "grpc")]
use super::grpc;
#[cfg(feature = "http")]
use super::http as http_calls;
use super::span::CallSpan;

/// An open call. Dropping it finishes it as cancelled.
pub(super) enum Call {
    /// Finished by `grpc-status`, or by the absence of one.
    #[cfg(feature = "grpc")]
    Grpc(grpc::Call),
    /// Finished by the end of the body.
    #[cfg(feature = "http")]
    Http(http_calls::Call),
}

impl Call {
    /// Returns `false` once the call is finished.
    pub(super) fn is_open(&self) -> bool {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(call) => call.is_open(),
            #[cfg(feature = "http")]
            Self::Http(call) => call.is_open(),
        }
    }

    /// Makes the call's context current. A panic before the guard is dropped finishes the call.
    pub(super) fn enter(&mut self) -> Entered<'_> {
        let attached = self.span().enter();
        Entered { attached, call: self, was_panicking: std::thread::panicking() }
    }

    /// Returns the span, which also exists if it is not recorded.
    fn span(&self) -> &CallSpan {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(call) => call.span(),
            #[cfg(feature = "http")]
            Self::Http(call) => call.span(),
        }
    }

    /// Observes the body of the request, before anything reads from it.
    pub(super) fn on_request_body<B: Body>(&mut self, body: &B) {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(_) => {
                let _ = body;
            }
            #[cfg(feature = "http")]
            Self::Http(call) => call.on_request_body(body),
        }
    }

    /// Observes the head of the response.
    pub(super) fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(call) => call.on_response(response),
            #[cfg(feature = "http")]
            Self::Http(call) => call.on_response(response),
        }
    }

    /// Observes a data frame of the response body.
    pub(super) fn on_data(&mut self, data: &impl Buf) {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(call) => call.on_data(data),
            #[cfg(feature = "http")]
            Self::Http(call) => call.on_data(data),
        }
    }

    /// Observes the trailers of the response.
    pub(super) fn on_trailers(&mut self, trailers: &HeaderMap) {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(call) => call.on_trailers(trailers),
            #[cfg(feature = "http")]
            Self::Http(call) => call.on_trailers(trailers),
        }
    }

    /// Observes the end of the response body.
    pub(super) fn on_eos(&mut self) {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(call) => call.on_eos(),
            #[cfg(feature = "http")]
            Self::Http(call) => call.on_eos(),
        }
    }

    /// Observes a failure of the service or of the response body.
    pub(super) fn on_error<E: 'static>(&mut self, error: &E) {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(call) => call.on_error(error),
            #[cfg(feature = "http")]
            Self::Http(call) => call.on_error(error),
        }
    }

    /// Returns `true` if a panic of the service becomes a response with status 500.
    pub(super) fn catches_panics(&self) -> bool {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(_) => false,
            #[cfg(feature = "http")]
            Self::Http(call) => call.catches_panics(),
        }
    }

    /// Inserts the trace id into the headers of a response, if the layer is configured to.
    pub(super) fn insert_trace_id(&self, headers: &mut HeaderMap) {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(call) => call.insert_trace_id(headers),
            #[cfg(feature = "http")]
            Self::Http(call) => call.insert_trace_id(headers),
        }
    }

    /// Finishes the call with the outcome that the protocol gives to a panic of the service.
    fn on_panic(&mut self) {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc(call) => call.on_panic(),
            #[cfg(feature = "http")]
            Self::Http(call) => call.on_panic(),
        }
    }
}

/// A guard that keeps the call's context current.
pub(super) struct Entered<'a> {
    /// Borrowed, so the call cannot end while it is entered.
    call: &'a mut Call,
    /// `None` if the handler's `tracing` span brings the context along.
    attached: Option<ContextGuard>,
    /// A panic that was under way before does not come from this call.
    was_panicking: bool,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // First, because a panic is recorded on the span when it is exited.
        self.attached = None;
        self.call.span().exit();
        if !self.was_panicking && std::thread::panicking() {
            self.call.on_panic();
        }
    }
}
