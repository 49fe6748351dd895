//! Bodies that are not read to their very end, as HTTP/2's servers do: they stop where a body reports its end.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use grpc_support::*;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tonic::codegen::{Bytes, http};
use tower::{Layer, ServiceExt};

/// Its frames, and whether it reports its end.
struct Frames(Vec<Frame<Bytes>>, bool);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready((!self.0.is_empty()).then(|| Ok(self.0.remove(0))))
    }

    fn is_end_stream(&self) -> bool {
        self.1 && self.0.is_empty()
    }
}

/// A service that answers with such a body is called; so many frames are read, and the rest is dropped.
async fn recorded(body: Frames, read: usize) -> Recorded {
    let recorded = Recorded::new();
    let body = std::sync::Mutex::new(Some(body));
    let service = tower::service_fn(|_: http::Request<tonic::body::Body>| {
        std::future::ready(Ok::<_, Infallible>(http::Response::new(body.lock().unwrap().take().unwrap())))
    });
    let request = http::Request::post("/a.B/C").header("content-type", "application/grpc");
    let call = recorded.server().layer(service).oneshot(request.body(tonic::body::Body::empty()).unwrap());
    let mut body = call.await.unwrap().into_body();
    for _ in 0..read {
        body.frame().await.unwrap().unwrap();
    }
    recorded
}

fn message() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(&[0, 0, 0, 0, 1, 7]))
}

#[tokio::test]
async fn body_that_reports_its_end_ends_the_call_without_another_poll() {
    let recorded = recorded(Frames(vec![message()], true), 1).await;
    one_call(&recorded, "server", "UNKNOWN", true).await;
}

#[tokio::test]
async fn body_dropped_before_its_end_is_cancelled() {
    let recorded = recorded(Frames(vec![message()], false), 1).await;
    one_call(&recorded, "server", "CANCELLED", false).await;
}

#[tokio::test]
async fn trailers_without_status_end_the_call() {
    let recorded = recorded(Frames(vec![Frame::trailers(http::HeaderMap::new())], false), 1).await;
    one_call(&recorded, "server", "UNKNOWN", true).await;
}
