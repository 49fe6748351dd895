//! Peers that break HTTP/2 and gRPC, in both directions: each call that reached a layer is
//! ended once, with the status that the table in the documentation of `grpc` gives it, and others are served.

#![cfg(feature = "grpc")]
#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which fail with them"
)]

#[path = "../grpc_support/mod.rs"]
mod grpc_support;

mod attack;
mod client;
mod hostile;
mod random;
mod reply;
mod server;
mod silent;
mod wire;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use grpc_support::{Recorded, TestClient, TestService, ask, attribute, propagate, until};
use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use telemetry_bootstrap::grpc::ClientService;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codegen::http;
use tonic::transport::{Channel, Server};
use tower::Layer as _;
use tower::util::MapRequestLayer;
use tracing::{Event, Subscriber, subscriber::DefaultGuard};
use tracing_subscriber::layer::{self, SubscriberExt as _};

/// What one side recorded, and what it would have to.
struct Side {
    name: &'static str,
    recorded: Recorded,
    /// Requests that came to the layer, counted before it.
    calls: Arc<AtomicUsize>,
    /// Spans that were started.
    begun: Arc<AtomicUsize>,
    /// Lines of the access log on this thread.
    lines: Arc<AtomicUsize>,
    _subscriber: DefaultGuard,
}

impl Side {
    fn new(name: &'static str) -> Self {
        propagate();
        let (begun, lines) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let starts = Starts(Arc::clone(&begun));
        let subscriber = tracing_subscriber::registry().with(AccessLines(Arc::clone(&lines)));
        Self {
            name,
            recorded: Recorded::with(|builder| builder.with_span_processor(starts)),
            calls: Arc::default(),
            begun,
            lines,
            _subscriber: tracing::subscriber::set_default(subscriber),
        }
    }

    fn count<B>(&self) -> MapRequestLayer<impl Fn(http::Request<B>) -> http::Request<B> + Clone + use<B>> {
        let calls = Arc::clone(&self.calls);
        MapRequestLayer::new(move |request: http::Request<B>| {
            let kind = request.headers().get("content-type").map(http::HeaderValue::as_bytes);
            if kind == Some(b"application/grpc") && request.method() == http::Method::POST {
                calls.fetch_add(1, Ordering::SeqCst);
            }
            request
        })
    }

    fn metric(&self, name: &str) -> String {
        format!("rpc.{}.{name}", self.name)
    }

    /// Waits until no call is open, and checks that each was recorded once, everywhere. Gives the spans.
    async fn settled(&self, case: &str) -> Vec<SpanData> {
        let calls = || self.calls.load(Ordering::SeqCst);
        let open = || self.recorded.active(&self.metric("active_calls"));
        soon(case, until(|| self.recorded.spans().len() >= calls() && open() == 0.0)).await;
        let spans = self.recorded.spans();
        let counts = [
            ("calls", calls()),
            ("spans begun", self.begun.load(Ordering::SeqCst)),
            ("lines", self.lines.load(Ordering::SeqCst)),
            ("requests", self.measured("requests_per_rpc").values().sum()),
            ("responses", self.measured("responses_per_rpc").values().sum()),
        ];
        for (what, count) in counts {
            assert_eq!(count, spans.len(), "{case}: {what} and spans {:?}", codes(&spans));
        }
        assert_eq!(self.measured("call.duration"), tally(codes(&spans)), "{case}");
        spans
    }

    /// Measurements of each status.
    fn measured(&self, metric: &str) -> BTreeMap<String, usize> {
        let points = self.recorded.points(&self.metric(metric));
        let mut measured = BTreeMap::new();
        for point in points {
            *measured.entry(point.get("rpc.status_code").unwrap_or_default()).or_default() +=
                point.count as usize;
        }
        measured
    }
}

/// The status of each call, sorted.
fn codes(spans: &[SpanData]) -> Vec<String> {
    let mut codes: Vec<_> =
        spans.iter().map(|span| attribute(span, "rpc.status_code").unwrap_or_default()).collect();
    codes.sort();
    codes
}

fn tally(codes: Vec<String>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for code in codes {
        *tally.entry(code).or_default() += 1;
    }
    tally
}

/// Waits for what must happen, for at most ten seconds.
async fn soon<T>(case: &str, what: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(10), what).await {
        Ok(happened) => happened,
        Err(_) => panic!("{case}: did not happen"),
    }
}

/// A server under the layer, with a client that keeps to the rules.
struct Served {
    side: Side,
    service: TestService,
    address: SocketAddr,
    honest: TestClient<Channel>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Served {
    async fn start() -> Self {
        let side = Side::new("server");
        let service = TestService::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Server::builder()
            .layer(side.count())
            .layer(side.recorded.server().record_message_sizes().record_message_counts().record_access_log())
            .add_service(service.clone())
            .serve_with_incoming(TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        Self { side, service, address, honest: client(address), serving }
    }

    /// Somebody else is answered all the same.
    async fn serves(&self, case: &str) {
        let mut honest = TestClient(self.honest.0.clone());
        soon(case, honest.unary(ask(0, "ok"))).await.unwrap();
    }
}

/// A client that keeps to the rules, and is not observed.
fn client(address: SocketAddr) -> TestClient<Channel> {
    TestClient::new(Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy())
}

/// A channel under the layer.
fn channel(side: &Side, address: SocketAddr) -> TestClient<ClientService<Channel>> {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let layer = side.recorded.client().record_message_sizes().record_message_counts().record_access_log();
    TestClient::new(layer.layer(channel))
}

/// Counts spans that start, whether or not they end.
#[derive(Debug)]
struct Starts(Arc<AtomicUsize>);

impl SpanProcessor for Starts {
    fn on_start(&self, _: &mut Span, _: &Context) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Counts lines of the access log.
struct AccessLines(Arc<AtomicUsize>);

impl<S: Subscriber> layer::Layer<S> for AccessLines {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        if event.metadata().target() == "grpc::access" {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}
