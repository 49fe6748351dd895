//! Calls while the clock is set.

#![cfg(all(feature = "grpc", feature = "http", feature = "testing"))]

use std::time::{Duration, Instant};

use http::{Request, Response};
use tower::util::ServiceExt as _;
use tower_layer::Layer;
use tower_service::Service;

use crate::testing::{Capture, capture};
use crate::time::start_time::tests::set_clock;

type Body = tonic::body::Body;

const LASTS: Duration = Duration::from_millis(5);

/// Makes a call through a layer, in which the clock of this thread is set.
fn call<L, S>(layer: L, content_type: &str, step: i64)
where
    L: Layer<tower::util::BoxCloneSyncService<Request<Body>, Response<Body>, std::io::Error>, Service = S>,
    S: Service<Request<Body>>,
{
    let service = tower::service_fn(move |_: Request<Body>| {
        set_clock(step);
        std::thread::sleep(LASTS);
        std::future::ready(Ok(Response::new(Body::empty())))
    });
    let service = layer.layer(tower::util::BoxCloneSyncService::new(service));
    let request = Request::post("http://localhost/package.Service/Method")
        .header("content-type", content_type)
        .body(Body::empty());
    let answered = futures_util::FutureExt::now_or_never(service.oneshot(request.unwrap()));
    assert!(answered.is_some_and(|response| response.is_ok()));
    set_clock(0);
}

/// Fails unless the span and the measurement of the one call last as long as it did.
fn check(telemetry: &Capture, histogram: &str, limit: Duration) {
    let span = telemetry.spans().remove(0).span;
    let lasted = Duration::from_nanos(span.end_time_unix_nano - span.start_time_unix_nano);
    let received = telemetry.received();
    let measured =
        received.histogram(histogram, &[]).unwrap_or_else(|| panic!("{histogram}: {:?}", received.metrics()));
    assert_eq!(measured.count, 1);
    for lasted in [lasted, Duration::from_secs_f64(measured.sum)] {
        assert!((LASTS..=limit).contains(&lasted), "{histogram}: {lasted:?}");
    }
}

#[test]
fn a_clock_that_is_set_during_a_call_changes_neither_its_span_nor_its_duration() {
    for step in [3_600, -3_600] {
        macro_rules! checked {
            ($($layer:expr, $content_type:literal, $histogram:literal;)*) => {$(
                let telemetry = capture();
                let (tracer, meter) = (telemetry.tracer_provider().clone(), telemetry.meter_provider().clone());
                let begin = Instant::now();
                call($layer.tracer_provider(tracer).meter_provider(meter), $content_type, step);
                check(&telemetry, $histogram, begin.elapsed());
            )*};
        }
        checked! {
            crate::grpc::ServerLayer::new(), "application/grpc", "rpc.server.call.duration";
            crate::grpc::ClientLayer::new(), "application/grpc", "rpc.client.call.duration";
            crate::http::ServerLayer::new(), "text/plain", "http.server.request.duration";
            crate::http::ClientLayer::new(), "text/plain", "http.client.request.duration";
        }
    }
}
