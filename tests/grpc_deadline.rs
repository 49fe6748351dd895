//! At a deadline the other side may be first: what it then resets is no cancellation.

#![cfg(all(feature = "grpc", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "test code")]

use std::time::{Duration, Instant};

use telemetry_bootstrap::grpc::{ClientLayer, ServerLayer};
use telemetry_bootstrap::testing::capture;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http;
use tower::{Layer, Service, ServiceExt};

type Answer = Result<http::Response<Body>, Status>;

fn call(timeout: &str) -> http::Request<Body> {
    let request = http::Request::post("/a.B/C").header("content-type", "application/grpc");
    request.header("grpc-timeout", timeout).body(Body::empty()).unwrap()
}

/// Fails with CANCELLED, but not before this long after the call.
async fn cancelled_after(wait: Duration) -> Answer {
    let begin = Instant::now();
    while begin.elapsed() < wait {
        tokio::task::yield_now().await;
    }
    Err(Status::cancelled("stream no longer needed"))
}

/// The status of both sides' spans for a call with this timeout, which the service cancels after so many milliseconds.
async fn recorded(timeout: &str, cancelled: u64) -> Vec<Option<String>> {
    let telemetry = capture();
    let wait = Duration::from_millis(cancelled);
    let service = || tower::service_fn(move |_: http::Request<Body>| cancelled_after(wait));
    let provider = || telemetry.tracer_provider().clone();
    let client = ClientLayer::new().tracer_provider(provider()).layer(service());
    let server = ServerLayer::new().tracer_provider(provider()).layer(service());
    fails(client, timeout).await;
    fails(server, timeout).await;
    telemetry.spans().iter().map(|span| span.attribute_text("rpc.status_code")).collect()
}

async fn fails<S>(service: S, timeout: &str)
where
    S: Service<http::Request<Body>, Error = Status>,
    S::Response: std::fmt::Debug,
{
    assert_eq!(service.oneshot(call(timeout)).await.unwrap_err().code(), tonic::Code::Cancelled);
}

#[tokio::test]
async fn reset_at_the_deadline_is_recorded_as_deadline_exceeded() {
    assert_eq!(recorded("5m", 5).await, vec![Some("DEADLINE_EXCEEDED".to_owned()); 2]);
}

#[tokio::test]
async fn reset_in_the_last_tenth_of_the_time_is_recorded_as_deadline_exceeded() {
    assert_eq!(recorded("400m", 362).await, vec![Some("DEADLINE_EXCEEDED".to_owned()); 2]);
    assert_eq!(recorded("400m", 5).await, vec![Some("CANCELLED".to_owned()); 2]);
}

#[tokio::test]
async fn reset_long_before_the_deadline_is_recorded_as_cancelled() {
    assert_eq!(recorded("1H", 5).await, vec![Some("CANCELLED".to_owned()); 2]);
}
