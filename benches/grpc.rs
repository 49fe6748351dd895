//! What the layers cost a call: nanoseconds by criterion, allocations printed once; and how much less of it is left
//! when the caller did not sample: processor time of the whole process, with a live collector.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program for people")]

mod support;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body::{Body, Frame};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use support::{Budget, Collector, Side, Work, compare};
use telemetry_bootstrap::LogFormat;
use telemetry_bootstrap::grpc::{ClientLayer, ServerLayer};
use tower::{Layer, Service};

fn main() {
    support::main(&[("bare", bare), ("sampled", sampled), ("unsampled", unsampled)], |criterion| {
        unsampled_caller(criterion);
        layers(criterion);
        durations(criterion);
    });
}

/// A service that is ready at once, and answers with one message and trailers.
#[derive(Clone)]
struct ReadyService;

impl<B> Service<Request<B>> for ReadyService {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(request);
        ready(Ok(Response::new(Answer(0))))
    }
}

/// Frames that were sent.
struct Answer(u8);

impl Body for Answer {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        self.0 += 1;
        Poll::Ready(match self.0 {
            1 => Some(Ok(Frame::data(&[0, 0, 0, 0, 1, 7]))),
            2 => Some(Ok(Frame::trailers(trailers()))),
            _ => None,
        })
    }
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))])
}

fn request() -> Request<String> {
    request_from(SAMPLED)
}

fn request_from(caller: &'static str) -> Request<String> {
    let mut request = Request::new(String::new());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = Uri::from_static("http://greeter:50051/myservice.MyService/ProcessRequest");
    let headers = request.headers_mut();
    headers.reserve(8);
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("traceparent", HeaderValue::from_static(caller));
    request
}

/// Runs one call to its last frame.
fn call<S, B>(service: &mut S, request: Request<String>)
where
    S: Service<Request<String>, Response = Response<B>>,
    B: Body,
{
    let mut task = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut task) else { return };
    let mut body = pin!(response.into_body());
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut task) {
        black_box(frame.is_trailers());
    }
}

fn tracing(sampler: Sampler) -> SdkTracerProvider {
    SdkTracerProvider::builder().with_sampler(sampler).build()
}

fn metering() -> SdkMeterProvider {
    SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default()).build()
}

/// Gives the allocations of one call; `bare` are those without a layer.
fn bench<S, B>(criterion: &mut Criterion, name: &str, mut service: S, bare: u64) -> u64
where
    S: Service<Request<String>, Response = Response<B>>,
    B: Body,
{
    // The first calls learn the method and bind its instruments.
    (0..3).for_each(|_| call(&mut service, request()));
    let prepared = request();
    let allocations = allocation_counter::measure(|| call(&mut service, prepared)).count_total;
    println!("{name}: {} allocations of the layer", allocations - bare);
    criterion.bench_function(name, |bencher| {
        bencher.iter_batched(request, |request| call(&mut service, request), BatchSize::SmallInput);
    });
    allocations
}

/// The layer's part of a call, with the installed providers: of a call whose caller did not sample, and of one whose
/// caller did.
fn unsampled_caller(criterion: &mut Criterion) {
    let collector = Collector::start();
    let side = |role| RefCell::new(Side::start(role, &collector));
    let (bare, sampled, unsampled) = (side("bare"), side("sampled"), side("unsampled"));
    let layer = |side: &RefCell<Side>, calls| {
        side.borrow_mut().cpu(calls).saturating_sub(bare.borrow_mut().cpu(calls))
    };
    compare(
        criterion,
        "layer alone, unsampled caller",
        Budget::of(0.5),
        TURN,
        |calls| layer(&unsampled, calls),
        ("sampled caller", |calls| layer(&sampled, calls)),
    );
}

fn bare(_: &str) -> Work {
    Box::new(|calls| {
        (0..calls).for_each(|_| call(&mut ReadyService, request()));
        0
    })
}

fn sampled(endpoint: &str) -> Work {
    calls_from(SAMPLED, endpoint)
}

fn unsampled(endpoint: &str) -> Work {
    calls_from(UNSAMPLED, endpoint)
}

fn calls_from(caller: &'static str, endpoint: &str) -> Work {
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .service_name("bench")
        .endpoint(endpoint)
        .log_output(|output| output.format(LogFormat::Off))
        .build()
        .expect("telemetry");
    let mut service = ServerLayer::new().layer(ReadyService);
    Box::new(move |calls| {
        (0..calls).for_each(|_| call(&mut service, request_from(caller)));
        telemetry.force_flush(Duration::from_secs(10)).expect("a live collector");
        0
    })
}

const TURN: u64 = 20_000;
const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

fn layers(criterion: &mut Criterion) {
    // For the propagators; the providers are those of the benches.
    let _telemetry =
        telemetry_bootstrap::init().ignore_env().log_output(|output| output.format(LogFormat::Off)).build();
    let bare = bench(criterion, "without layer", ReadyService, 0);
    for (sampled, sampler) in [("sampled", Sampler::AlwaysOn), ("unsampled", Sampler::AlwaysOff)] {
        let server = ServerLayer::new().tracer_provider(tracing(sampler.clone())).meter_provider(metering());
        bench(criterion, &format!("server, {sampled}, own providers"), server.layer(ReadyService), bare);
        let client = ClientLayer::new().tracer_provider(tracing(sampler)).meter_provider(metering());
        let client = client.target("greeter:50051");
        bench(criterion, &format!("client, {sampled}, own providers"), client.layer(ReadyService), bare);
    }
    global::set_tracer_provider(tracing(Sampler::AlwaysOn));
    global::set_meter_provider(metering());
    bench(criterion, "server, sampled, global providers", ServerLayer::new().layer(ReadyService), bare);
    let everything = ServerLayer::new().record_active_calls().record_message_sizes().record_message_counts();
    bench(criterion, "server, sampled, every metric", everything.layer(ReadyService), bare);
}

fn durations(criterion: &mut Criterion) {
    let provider = metering();
    let histogram = provider.meter("bench").f64_histogram("duration").build();
    let attributes = [
        KeyValue::new("rpc.system.name", "grpc"),
        KeyValue::new("rpc.method", "myservice.MyService/ProcessRequest"),
        KeyValue::new("rpc.status_code", "NOT_FOUND"),
        KeyValue::new("server.address", "greeter"),
        KeyValue::new("server.port", 50051),
    ];
    criterion.bench_function("duration, unbound", |bencher| {
        bencher.iter(|| histogram.record(black_box(0.01), &attributes));
    });
    let bound = histogram.bind(&attributes);
    criterion.bench_function("duration, bound", |bencher| bencher.iter(|| bound.record(black_box(0.01))));
}
