//! The response body, through which a call is followed to its end.
//!
//! | the body | the call |
//! |---|---|
//! | yields data | counts it |
//! | yields trailers | reads the status from them, and is finished |
//! | ends, or reports its end by `is_end_stream` | is finished |
//! | fails | is finished with the error |
//! | is dropped | is finished as cancelled |
//!
//! A call is finished exactly once: it is removed from the body when it finishes, and `is_end_stream` is queried
//! after each frame, because hyper does not poll a body of known length once it has all bytes.
//!
//! A transport may never query `is_end_stream` or `size_hint`, so a panic there is not passed on where this crate
//! queries them.
//!
//! The inner body is polled and dropped with the call's context attached, so its spans and events belong to the call.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::call::Call;
use crate::user_code::catch_panic;

pin_project! {
    /// The response body of a service that was wrapped by a layer of this crate.
    ///
    /// It passes every frame on unchanged. The call is finished at the end of the body, at its trailers, at an error,
    /// or when the body is dropped.
    pub struct ResponseBody<B> {
        // `None` for the response to a panic, and while this is being dropped.
        #[pin]
        inner: Option<B>,
        // `Some` until the call is finished, if it is recorded.
        call: Option<Call>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The destructor of a stream still runs inside the call.
            if let Some(call) = this.call {
                let _entered = call.enter();
                this.inner.set(None);
            }
        }
    }
}

impl<B> ResponseBody<B> {
    /// Wraps the body of a response.
    pub(super) fn new(inner: B, call: Option<Call>) -> Self {
        Self { inner: Some(inner), call }
    }

    /// Creates a body without content.
    pub(super) fn empty() -> Self {
        Self { inner: None, call: None }
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
            Some(Err(error)) => call.on_error(error),
            None => call.on_eos(),
        }
        // A body that reports its end is not polled again.
        if call.is_open() && reports_end(&*inner) {
            call.on_eos();
        }
        this.call.take_if(|call| !call.is_open());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Returns `true` if a body reports its end. It does not if it panics.
pub(super) fn reports_end(body: &impl Body) -> bool {
    catch_panic(|| body.is_end_stream()).unwrap_or(false)
}

/// Returns the exact length of a body, if it reports one and does not panic.
#[cfg(feature = "http")]
pub(super) fn reported_length(body: &impl Body) -> Option<u64> {
    catch_panic(|| body.size_hint().exact()).flatten()
}

/// Passes the content of a frame on to the call.
///
/// The content itself is not kept; gRPC reads the lengths of messages from it.
fn observe<D: bytes::Buf>(call: &mut Call, frame: &Frame<D>) {
    if let Some(data) = frame.data_ref() {
        call.on_data(data);
    } else if let Some(trailers) = frame.trailers_ref() {
        call.on_trailers(trailers);
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
