//! Bodies that carry the call: the response's to its trailers, the request's with the call's context.

use std::any::Any;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use opentelemetry::Context;
use pin_project_lite::pin_project;

use super::call::{Call, RequestMessages};

pin_project! {
    /// The response body of [`ServerService`](super::ServerService) and [`ClientService`](super::ClientService).
    ///
    /// The call ends with the trailers, or with whatever ends the body before them.
    pub struct ResponseBody<B> {
        // `None` only while this is being dropped.
        #[pin]
        inner: Option<B>,
        // `Some` until the call has ended, if it is recorded.
        call: Option<Call>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // What a stream does when it is dropped still belongs to the call.
            if let Some(call) = this.call {
                let _entered = call.enter();
                this.inner.set(None);
            }
        }
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn new(inner: B, call: Option<Call>) -> Self {
        Self { inner: Some(inner), call }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Error: 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let Some(mut inner) = this.inner.as_pin_mut() else {
            return Poll::Ready(None);
        };
        let Some(call) = this.call else {
            return inner.poll_frame(cx);
        };
        let entered = call.enter();
        let frame = ready!(inner.as_mut().poll_frame(cx));
        drop(entered);
        match &frame {
            Some(Ok(frame)) => observe(call, frame),
            Some(Err(error)) => call.failed(error),
            None => call.finish_without_status(),
        }
        // A body that says so is not asked again.
        if call.is_open() && inner.is_end_stream() {
            call.finish_without_status();
        }
        this.call.take_if(|call| !call.is_open());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

fn observe<D: bytes::Buf>(call: &mut Call, frame: &Frame<D>) {
    if let Some(data) = frame.data_ref() {
        call.responded_data(data);
    } else if let Some(trailers) = frame.trailers_ref() {
        call.received_trailers(trailers);
    }
}

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

/// Has a request body follow its call. The body's type stays what it is, so that any service still takes it:
/// that is possible for tonic's, which can hold any other. Other bodies are left alone.
pub(super) fn follow_request<B: Any>(body: &mut B, call: &Call) {
    let Some(body) = (body as &mut dyn Any).downcast_mut::<tonic::body::Body>() else {
        return;
    };
    if body.is_end_stream() {
        return;
    }
    let inner = mem::take(body);
    *body = tonic::body::Body::new(RequestBody {
        inner,
        context: call.context().clone(),
        messages: call.request_messages(),
    });
}

pin_project! {
    /// A request body whose stream works in the call's context, wherever the transport reads it.
    struct RequestBody {
        #[pin]
        inner: tonic::body::Body,
        context: Context,
        messages: Option<RequestMessages>,
    }
}

impl Body for RequestBody {
    type Data = bytes::Bytes;
    type Error = tonic::Status;

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
            messages.follow(data);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
