//! What the layers allocate for one call: numbers that may fall, but not rise.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use telemetry_bootstrap::LogFormat;
use telemetry_bootstrap::grpc::{ClientLayer, ServerLayer};
use tower::{Layer, Service};

/// Answers with a status in the head, and no body.
#[derive(Clone)]
struct Answering;

impl Service<http::Request<String>> for Answering {
    type Response = http::Response<http_body_util::Empty<&'static [u8]>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<String>) -> Self::Future {
        drop(request);
        let mut response = http::Response::default();
        response.headers_mut().insert("grpc-status", http::HeaderValue::from_static("0"));
        ready(Ok(response))
    }
}

fn request(flags: &str) -> http::Request<String> {
    let mut request = http::Request::new(String::new());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("http://greeter:50051/myservice.MyService/ProcessRequest");
    let headers = request.headers_mut();
    // What is injected finds room.
    headers.reserve(8);
    headers.insert("content-type", http::HeaderValue::from_static("application/grpc"));
    let traceparent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
    headers.insert("traceparent", traceparent.parse().unwrap());
    // As that of a transport has.
    request.extensions_mut().insert(std::net::SocketAddr::from(([127, 0, 0, 1], 50051)));
    request
}

fn allocations<S: Service<http::Request<String>>>(mut service: S, flags: &str) -> u64 {
    let mut call = |request| {
        let mut task = Context::from_waker(Waker::noop());
        assert!(pin!(service.call(request)).poll(&mut task).is_ready());
    };
    // The first calls learn the method, bind its instruments, and fill the shards of the table of open spans.
    (0..1000).for_each(|_| call(request(flags)));
    let prepared = request(flags);
    allocation_counter::measure(|| call(prepared)).count_total
}

#[test]
fn call_stays_within_its_allocation_budget() {
    // For the propagators; and the providers of the layers that are given none.
    let _telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .log_output(|output| output.format(LogFormat::Off))
        .build()
        .unwrap();
    let bare = allocations(Answering, "01");
    for (sampler, server, client) in [(Sampler::AlwaysOn, 4, 3), (Sampler::AlwaysOff, 4, 3)] {
        let traces = SdkTracerProvider::builder().with_sampler(sampler.clone()).build();
        let metrics =
            SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default()).build();
        let layer = ServerLayer::new().tracer_provider(traces.clone()).meter_provider(metrics.clone());
        let counted = allocations(layer.layer(Answering), "01") - bare;
        assert!((1..=server).contains(&counted), "server, {sampler:?}: {counted} allocations");
        let layer =
            ClientLayer::new().tracer_provider(traces).meter_provider(metrics).target("greeter:50051");
        let counted = allocations(layer.layer(Answering), "01") - bare;
        assert!((1..=client).contains(&counted), "client, {sampler:?}: {counted} allocations");
    }
    // The caller decides. A client here has no caller: its calls are all sampled.
    for (flags, most) in [("01", 4), ("00", 1)] {
        let counted = allocations(ServerLayer::new().layer(Answering), flags) - bare;
        assert!((1..=most).contains(&counted), "server, installed, flags {flags}: {counted} allocations");
    }
}
