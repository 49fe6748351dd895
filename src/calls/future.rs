//! The response future, which hands the call on to the response body.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::ResponseBody;
use super::call::Call;

pin_project! {
    /// The response future of a service that was wrapped by a layer of this crate.
    pub struct ResponseFuture<F> {
        // `None` only while this is being dropped.
        #[pin]
        inner: Option<F>,
        // `Some` until the response arrives, if the call is recorded.
        call: Option<Call>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The destructor of the inner future still runs inside the call.
            if let Some(call) = this.call {
                let _entered = call.enter();
                this.inner.set(None);
            }
        }
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, call: Option<Call>) -> Self {
        Self { inner: Some(inner), call }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: 'static,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Pending;
        };
        let Some(call) = this.call else {
            return inner.poll(cx).map_ok(|response| response.map(|body| ResponseBody::new(body, None)));
        };
        let entered = call.enter();
        let result = ready!(inner.poll(cx));
        drop(entered);
        match &result {
            Ok(response) => call.on_response(response),
            Err(error) => call.on_error(error),
        }
        let call = this.call.take().filter(Call::is_open);
        Poll::Ready(result.map(|response| response.map(|body| ResponseBody::new(body, call))))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
