//! A gRPC service that ends as requested, a server and a client for it, and what both record.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test uses its part"
)]

pub mod random;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::task::{Context, Poll};
use std::time::Duration;

use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::Status as SpanStatus;
use opentelemetry::{KeyValue, Value, global};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use telemetry_bootstrap::grpc::{ClientLayer, ClientService, ServerLayer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::codegen::http;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Layer, Service};

/// What the service is to do.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Ask {
    /// Messages of a stream before the end.
    #[prost(uint32, tag = "1")]
    pub messages: u32,
    /// `ok`, `panic`, `hang`, or the number of a status code.
    #[prost(string, tag = "2")]
    pub end: String,
    #[prost(string, tag = "3")]
    pub message: String,
    /// Bytes in each answer.
    #[prost(uint32, tag = "4")]
    pub size: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Answer {
    #[prost(bytes = "vec", tag = "1")]
    pub payload: Vec<u8>,
}

pub fn ask(messages: u32, end: &str) -> Ask {
    Ask { messages, end: end.into(), message: "as requested".into(), size: 3 }
}

pub const UNARY: &str = "/test.Test/Unary";
pub const CLIENT_STREAM: &str = "/test.Test/ClientStream";
pub const SERVER_STREAM: &str = "/test.Test/ServerStream";
pub const BIDI: &str = "/test.Test/Bidi";
/// Never reads its request, never answers.
pub const HOLD: &str = "/test.Test/Hold";
pub const UNKNOWN: &str = "/test.Test/Nothing";

/// The service. Written by hand: tests need no `protoc`.
#[derive(Clone)]
pub struct TestService {
    /// Calls whose handler has begun.
    pub begun: Arc<watch::Sender<u32>>,
    /// Requests that came through the layers, with any outcome: counted without the help of telemetry.
    pub arrived: Arc<AtomicU64>,
    pub max_request: Option<usize>,
    pub max_response: Option<usize>,
    pub gzip: bool,
}

impl TestService {
    pub fn new() -> Self {
        Self {
            begun: Arc::new(watch::Sender::new(0)),
            arrived: Arc::default(),
            max_request: None,
            max_response: None,
            gzip: false,
        }
    }

    pub async fn has_begun(&self, calls: u32) {
        let mut begun = self.begun.subscribe();
        begun.wait_for(|begun| *begun >= calls).await.unwrap();
    }

    fn begin(&self) {
        self.begun.send_modify(|begun| *begun += 1);
    }

    fn grpc(&self) -> tonic::server::Grpc<ProstCodec<Answer, Ask>> {
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<Answer, Ask>::default())
            .apply_max_message_size_config(self.max_request, self.max_response);
        if self.gzip {
            grpc = grpc
                .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
                .send_compressed(tonic::codec::CompressionEncoding::Gzip);
        }
        grpc
    }
}

async fn end(ask: &Ask) -> Result<Answer, Status> {
    match ask.end.as_str() {
        "ok" => Ok(Answer { payload: vec![7; ask.size as usize] }),
        "panic" => panic!("as requested"),
        "hang" => std::future::pending().await,
        code => Err(Status::new(Code::from(code.parse::<i32>().unwrap()), ask.message.clone())),
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<Answer, Status>> + Send>>;

fn answers(ask: Ask) -> Answers {
    let message = Answer { payload: vec![7; ask.size as usize] };
    let messages = tokio_stream::iter(0..ask.messages).map(move |_| Ok(message.clone()));
    let last = async_stream_of(async move { if ask.end == "ok" { None } else { Some(end(&ask).await) } });
    Box::pin(messages.chain(last))
}

/// At most one item, once the future is ready.
fn async_stream_of<T: Send + 'static>(
    future: impl Future<Output = Option<T>> + Send + 'static,
) -> Pin<Box<dyn Stream<Item = T> + Send>> {
    struct Once<T>(Option<Pin<Box<dyn Future<Output = Option<T>> + Send>>>);
    impl<T> Stream for Once<T> {
        type Item = T;
        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
            let Some(future) = &mut self.0 else { return Poll::Ready(None) };
            let item = std::task::ready!(future.as_mut().poll(cx));
            self.0 = None;
            Poll::Ready(item)
        }
    }
    Box::pin(Once(Some(Box::pin(future))))
}

type Answered<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

impl tonic::server::UnaryService<Ask> for TestService {
    type Response = Answer;
    type Future = Answered<Answer>;

    fn call(&mut self, request: Request<Ask>) -> Self::Future {
        self.begin();
        Box::pin(async move { end(request.get_ref()).await.map(Response::new) })
    }
}

impl tonic::server::ServerStreamingService<Ask> for TestService {
    type Response = Answer;
    type ResponseStream = Answers;
    type Future = Answered<Answers>;

    fn call(&mut self, request: Request<Ask>) -> Self::Future {
        self.begin();
        Box::pin(async move { Ok(Response::new(answers(request.into_inner()))) })
    }
}

impl tonic::server::ClientStreamingService<Ask> for TestService {
    type Response = Answer;
    type Future = Answered<Answer>;

    fn call(&mut self, request: Request<Streaming<Ask>>) -> Self::Future {
        self.begin();
        Box::pin(async move {
            let mut asks = request.into_inner();
            let mut last = Ask::default();
            while let Some(ask) = asks.message().await? {
                last = ask;
            }
            end(&last).await.map(Response::new)
        })
    }
}

impl tonic::server::StreamingService<Ask> for TestService {
    type Response = Answer;
    type ResponseStream = Answers;
    type Future = Answered<Answers>;

    fn call(&mut self, request: Request<Streaming<Ask>>) -> Self::Future {
        self.begin();
        Box::pin(async move {
            let mut asks = request.into_inner();
            let first = asks.message().await?.unwrap_or_default();
            Ok(Response::new(answers(first)))
        })
    }
}

impl<B> Service<http::Request<B>> for TestService
where
    B: tonic::codegen::Body + Send + 'static,
    B::Error: Into<tonic::codegen::StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let service = self.clone();
        Box::pin(async move {
            let mut grpc = service.grpc();
            Ok(match request.uri().path() {
                UNARY => grpc.unary(service, request).await,
                CLIENT_STREAM => grpc.client_streaming(service, request).await,
                SERVER_STREAM => grpc.server_streaming(service, request).await,
                BIDI => grpc.streaming(service, request).await,
                HOLD => {
                    service.begin();
                    let _unread = request;
                    std::future::pending().await
                }
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

impl tonic::server::NamedService for TestService {
    const NAME: &'static str = "test.Test";
}

/// What one side recorded.
pub struct Recorded {
    pub tracer_provider: SdkTracerProvider,
    pub meter_provider: SdkMeterProvider,
    spans: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
}

impl Recorded {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(
        trace: impl FnOnce(
            opentelemetry_sdk::trace::TracerProviderBuilder,
        ) -> opentelemetry_sdk::trace::TracerProviderBuilder,
    ) -> Self {
        let spans = InMemorySpanExporter::default();
        let metrics = InMemoryMetricExporter::default();
        let tracer_provider = trace(SdkTracerProvider::builder()).with_simple_exporter(spans.clone()).build();
        let reader =
            PeriodicReader::builder(metrics.clone()).with_interval(Duration::from_secs(3600)).build();
        let meter_provider = SdkMeterProvider::builder().with_reader(reader).build();
        Self { tracer_provider, meter_provider, spans, metrics }
    }

    pub fn server(&self) -> ServerLayer {
        ServerLayer::new()
            .tracer_provider(self.tracer_provider.clone())
            .meter_provider(self.meter_provider.clone())
            .record_active_calls()
    }

    pub fn client(&self) -> ClientLayer {
        ClientLayer::new()
            .tracer_provider(self.tracer_provider.clone())
            .meter_provider(self.meter_provider.clone())
            .record_active_calls()
    }

    /// All spans that ended.
    pub fn spans(&self) -> Vec<SpanData> {
        self.spans.get_finished_spans().unwrap()
    }

    /// Waits until this many spans have ended.
    pub async fn ended(&self, calls: usize) -> Vec<SpanData> {
        until(|| self.spans().len() >= calls).await;
        let spans = self.spans();
        assert_eq!(spans.len(), calls, "{spans:?}");
        spans
    }

    /// The points of one metric: attributes, count (or value), sum.
    pub fn points(&self, name: &str) -> Vec<Point> {
        self.metrics.reset();
        self.meter_provider.force_flush().unwrap();
        let mut points = Vec::new();
        for resource in self.metrics.get_finished_metrics().unwrap() {
            for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
                if metric.name() == name {
                    points.extend(points_of(metric.data()));
                }
            }
        }
        points
    }

    /// Upper boundaries of a histogram's buckets.
    pub fn bounds(&self, name: &str) -> Vec<f64> {
        self.metrics.reset();
        self.meter_provider.force_flush().unwrap();
        let resources = self.metrics.get_finished_metrics().unwrap();
        let mut metrics =
            resources.iter().flat_map(|resource| resource.scope_metrics()).flat_map(|scope| scope.metrics());
        let metric = metrics.find(|metric| metric.name() == name).unwrap();
        let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else {
            panic!("{metric:?}")
        };
        histogram.data_points().next().unwrap().bounds().collect()
    }

    pub fn metric_names(&self) -> Vec<String> {
        self.metrics.reset();
        self.meter_provider.force_flush().unwrap();
        let resources = self.metrics.get_finished_metrics().unwrap();
        let scopes = resources.iter().flat_map(|resource| resource.scope_metrics());
        scopes.flat_map(|scope| scope.metrics()).map(|metric| metric.name().to_owned()).collect()
    }

    /// The unit of a metric.
    pub fn unit(&self, name: &str) -> String {
        self.metrics.reset();
        self.meter_provider.force_flush().unwrap();
        let resources = self.metrics.get_finished_metrics().unwrap();
        let mut metrics =
            resources.iter().flat_map(|resource| resource.scope_metrics()).flat_map(|scope| scope.metrics());
        metrics.find(|metric| metric.name() == name).unwrap().unit().to_owned()
    }

    /// Calls that have not ended.
    pub fn active(&self, metric: &str) -> f64 {
        self.points(metric).iter().map(|point| point.sum).sum()
    }
}

#[derive(Debug)]
pub struct Point {
    pub attributes: Vec<KeyValue>,
    pub count: u64,
    pub sum: f64,
}

impl Point {
    pub fn get(&self, key: &str) -> Option<String> {
        value(&self.attributes, key).map(|value| value.to_string())
    }
}

fn points_of(metric: &AggregatedMetrics) -> Vec<Point> {
    macro_rules! points {
        ($data:expr) => {
            match $data {
                MetricData::Histogram(histogram) => histogram
                    .data_points()
                    .map(|point| Point {
                        attributes: point.attributes().cloned().collect(),
                        count: point.count(),
                        sum: point.sum() as f64,
                    })
                    .collect(),
                MetricData::Sum(sum) => sum
                    .data_points()
                    .map(|point| Point {
                        attributes: point.attributes().cloned().collect(),
                        count: 1,
                        sum: point.value() as f64,
                    })
                    .collect(),
                _ => Vec::new(),
            }
        };
    }
    match metric {
        AggregatedMetrics::F64(data) => points!(data),
        AggregatedMetrics::U64(data) => points!(data),
        AggregatedMetrics::I64(data) => points!(data),
    }
}

pub fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let mut values = attributes.iter().filter(|attribute| attribute.key.as_str() == key);
    let value = values.next().map(|attribute| &attribute.value);
    assert!(values.next().is_none(), "{key} twice in {attributes:?}");
    value
}

pub fn attribute(span: &SpanData, key: &str) -> Option<String> {
    value(&span.attributes, key).map(|value| value.to_string())
}

/// Waits for a condition, for at most ten seconds.
pub async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("did not happen");
}

/// A server and a client of it, each with telemetry of its own.
pub struct World {
    pub server: Recorded,
    pub client: Recorded,
    pub service: TestService,
    pub address: SocketAddr,
    pub channel: ClientService<Channel>,
    pub client_layer: ClientLayer,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with(TestService::new(), |server| server, |client| client).await
    }

    pub async fn with(
        service: TestService,
        server_options: impl FnOnce(ServerLayer) -> ServerLayer,
        client_options: impl FnOnce(ClientLayer) -> ClientLayer,
    ) -> Self {
        propagate();
        let (server, client) = (Recorded::new(), Recorded::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Server::builder()
            .layer(server_options(server.server()))
            .add_service(service.clone())
            .serve_with_incoming(TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let client_layer = client_options(client.client().target(address.to_string()));
        let channel = client_layer.layer(channel);
        Self { server, client, service, address, channel, client_layer, serving }
    }

    pub fn stop(&self) {
        self.serving.abort();
    }

    pub fn grpc(&self) -> TestClient<ClientService<Channel>> {
        TestClient::new(self.channel.clone())
    }

    /// One call was recorded on each side, with these codes.
    pub async fn both_ended(&self, server: &str, client: &str) {
        self.server_ended(server).await;
        self.client_ended(client).await;
    }

    pub async fn server_ended(&self, code: &str) -> SpanData {
        let is_error = matches!(
            code,
            "UNKNOWN" | "DEADLINE_EXCEEDED" | "UNIMPLEMENTED" | "INTERNAL" | "UNAVAILABLE" | "DATA_LOSS"
        );
        one_call(&self.server, "server", code, is_error).await
    }

    pub async fn client_ended(&self, code: &str) -> SpanData {
        one_call(&self.client, "client", code, code != "OK").await
    }
}

/// One call was recorded: span, duration, and no call left active. All agree.
pub async fn one_call(recorded: &Recorded, side: &str, code: &str, is_error: bool) -> SpanData {
    let span = recorded.ended(1).await.remove(0);
    assert_eq!(attribute(&span, "rpc.status_code").as_deref(), Some(code), "{side}: {span:?}");
    assert_eq!(attribute(&span, "error.type").as_deref(), is_error.then_some(code), "{side}: {span:?}");
    match &span.status {
        SpanStatus::Error { .. } => assert!(is_error, "{side}: {span:?}"),
        status => assert!(!is_error && *status == SpanStatus::Unset, "{side}: {span:?}"),
    }
    let points = recorded.points(&format!("rpc.{side}.call.duration"));
    assert_eq!(points.len(), 1, "{points:?}");
    assert_eq!(points[0].count, 1, "{points:?}");
    assert_eq!(points[0].get("rpc.status_code").as_deref(), Some(code));
    assert_eq!(points[0].get("error.type").as_deref(), is_error.then_some(code));
    let lasted = span.end_time.duration_since(span.start_time).unwrap().as_secs_f64();
    assert!((points[0].sum - lasted).abs() < 1e-6, "measured {} of {lasted}", points[0].sum);
    assert_eq!(recorded.active(&format!("rpc.{side}.active_calls")), 0.0);
    span
}

/// A client for the service.
pub struct TestClient<S>(pub tonic::client::Grpc<S>);

impl<S> TestClient<S>
where
    S: tonic::client::GrpcService<Body>,
    S::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    pub fn new(service: S) -> Self {
        Self(tonic::client::Grpc::new(service))
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.into().to_string()))
    }

    pub async fn unary(&mut self, ask: Ask) -> Result<Response<Answer>, Status> {
        self.unary_at(UNARY, Request::new(ask)).await
    }

    pub async fn unary_at(
        &mut self,
        path: &'static str,
        request: Request<Ask>,
    ) -> Result<Response<Answer>, Status> {
        self.ready().await?;
        self.0.unary(request, PathAndQuery::from_static(path), codec()).await
    }

    pub async fn client_stream(
        &mut self,
        asks: impl Stream<Item = Ask> + Send + 'static,
    ) -> Result<Response<Answer>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static(CLIENT_STREAM);
        self.0.client_streaming(Request::new(asks), path, codec()).await
    }

    pub async fn server_stream(&mut self, ask: Ask) -> Result<Response<Streaming<Answer>>, Status> {
        self.server_stream_with(Request::new(ask)).await
    }

    pub async fn server_stream_with(
        &mut self,
        request: Request<Ask>,
    ) -> Result<Response<Streaming<Answer>>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static(SERVER_STREAM);
        self.0.server_streaming(request, path, codec()).await
    }

    pub async fn bidi(
        &mut self,
        asks: impl Stream<Item = Ask> + Send + 'static,
    ) -> Result<Response<Streaming<Answer>>, Status> {
        self.ready().await?;
        self.0.streaming(Request::new(asks), PathAndQuery::from_static(BIDI), codec()).await
    }
}

fn codec() -> ProstCodec<Ask, Answer> {
    ProstCodec::default()
}

/// Reads a stream to its end: how many messages came, and how it ended.
pub async fn drain(mut stream: Streaming<Answer>) -> (u32, Result<(), Status>) {
    let mut messages = 0;
    loop {
        match stream.message().await {
            Ok(Some(_)) => messages += 1,
            Ok(None) => return (messages, Ok(())),
            Err(status) => return (messages, Err(status)),
        }
    }
}

/// Installs the W3C propagators.
pub fn propagate() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
            Box::new(TraceContextPropagator::new()),
            Box::new(BaggagePropagator::new()),
        ]));
    });
}

/// Runs the test again in a process of its own that has this variable. Returns `true` there.
pub fn in_child(test: &str, variable: &str, value: &str) -> bool {
    if std::env::var(variable).is_ok() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let child =
        std::process::Command::new(program).args([test, "--exact"]).env(variable, value).output().unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}");
    assert!(output.contains("test result: ok. 1 passed;"), "not exactly one test ran in the child: {output}");
    false
}
