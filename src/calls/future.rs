//! The response future, which passes the call on to the response body.
//!
//! The service, its destructor included, always runs while the call's context is current. Errors and panics finish the call;
//! a response passes it to the body, unless the head ended it already.
//!
//! | the service | the call |
//! |---|---|
//! | returns a response | observes the head, and passes to the body if it is still open |
//! | returns an error | is finished with it |
//! | panics | is finished, and the panic goes on; at HTTP servers that catch panics it becomes a 500 |
//! | is dropped | is finished as cancelled |

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::ResponseBody;
use super::call::Call;
use crate::user_code::catch_panic;

pin_project! {
    /// The response future of a service that was wrapped by a layer of this crate.
    pub struct ResponseFuture<F> {
        // `None` after a panic that becomes a response, and while this is being dropped.
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
    /// Wraps the future of a service that is not recorded: it only changes the type of the body.
    pub(super) fn unrecorded(inner: F) -> Self {
        Self { inner: Some(inner), call: None }
    }

    /// Calls the service inside the call, and wraps its future.
    pub(super) fn start(mut call: Call, service: impl FnOnce() -> F) -> Self {
        let inner = run(&mut call, service);
        Self { inner, call: Some(call) }
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
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(internal_server_error(this.call.take())));
        };
        let Some(call) = this.call else {
            return inner.poll(cx).map_ok(|response| response.map(|body| ResponseBody::new(body, None)));
        };
        let Some(poll) = run(call, || inner.poll(cx)) else {
            // The destructor of the inner future still runs inside the call, and may panic as well.
            run(call, || this.inner.set(None));
            return Poll::Ready(Ok(internal_server_error(this.call.take())));
        };
        let mut result = ready!(poll);
        match &mut result {
            Ok(response) => call.on_response(response),
            Err(error) => call.on_error(error),
        }
        let call = this.call.take().filter(Call::is_open);
        Poll::Ready(result.map(|response| response.map(|body| ResponseBody::new(body, call))))
    }
}

/// Runs the service inside the call, which a panic finishes. Returns `None` after a panic that becomes a response.
fn run<T>(call: &mut Call, service: impl FnOnce() -> T) -> Option<T> {
    let catches_panics = call.catches_panics();
    let inside = || {
        let _entered = call.enter();
        service()
    };
    if catches_panics {
        // Logged by the panic hook, and recorded on the span.
        catch_panic(inside)
    } else {
        Some(inside())
    }
}

/// Returns the response that replaces a panic of an HTTP handler, with the trace id of the call if responses have it.
fn internal_server_error<B>(call: Option<Call>) -> Response<ResponseBody<B>> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    if let Some(call) = call {
        call.insert_trace_id(response.headers_mut());
    }
    response
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
