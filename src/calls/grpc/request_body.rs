//! The request body, polled in the call's context.
//!
//! The transport reads the body of a client's request on its own task, where no context is current. Spans and events of
//! the program's stream then still belong to the call.

use std::any::Any;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Task, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use opentelemetry::Context;
use pin_project_lite::pin_project;

use super::call::Call;
use super::messages::RequestMessages;
use crate::calls::body::reports_end;

/// Wraps a request body so that it is polled in the call's context, and counts its messages if that is needed. The type
/// of the body must not change, because the inner service takes that type: only tonic's body and axum's, which can hold any
/// other, are wrapped. Other bodies are left alone.
pub(super) fn instrument_request_body<B: Any>(body: &mut B, call: &Call) {
    let body: &mut dyn Any = body;
    if let Some(body) = body.downcast_mut::<tonic::body::Body>() {
        wrap(body, call, tonic::body::Body::new);
    }
    #[cfg(feature = "axum")]
    if let Some(body) = body.downcast_mut::<axum::body::Body>() {
        wrap(body, call, axum::body::Body::new);
    }
}

/// Puts a body that has something to read into one that follows it.
fn wrap<B: Body + Default>(body: &mut B, call: &Call, new: impl FnOnce(RequestBody<B>) -> B) {
    if !reports_end(body) {
        let inner = mem::take(body);
        *body = new(RequestBody {
            inner,
            context: call.context().clone(),
            messages: call.request_messages(),
            read: call.request_read(),
        });
    }
}

pin_project! {
    /// A request body that is polled in the call's context, on whatever task the transport reads it.
    struct RequestBody<B> {
        #[pin]
        inner: B,
        // Attached while the body is polled.
        context: Context,
        // `None` if messages are not tracked.
        messages: Option<RequestMessages>,
        // Set to `true` by the first frame, and `None` from then on: a server's handler has read from the request.
        read: Option<Arc<AtomicBool>>,
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let attached = this.context.clone().attach();
        let frame = ready!(this.inner.poll_frame(cx));
        drop(attached);
        if let (Some(messages), Some(Ok(frame))) = (this.messages, &frame)
            && let Some(data) = frame.data_ref()
        {
            messages.push(data);
        }
        if let (Some(read), Some(Ok(_))) = (this.read.take(), &frame) {
            read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // Also called while the body is wrapped, where a panic would lose it.
        reports_end(&self.inner)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
