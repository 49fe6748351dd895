//! Several clients, calls dropped at random moments, all three signals on their way to a collector: at the end the
//! collector has each call once, as span, as record and as measurement, and none is left open.
//!
//! `TELEMETRY_LOAD_SECONDS` is the duration in seconds, two by default. From half a minute on, memory is watched as well.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use grpc_support::random::{Random, any_call};
use grpc_support::*;
use telemetry_bootstrap::grpc::{ClientLayer, ClientService, ServerLayer};
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use telemetry_bootstrap::testing::{CollectedTelemetry, Collector, SpanKind};
use telemetry_bootstrap::{LogFormat, TelemetryGuard};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tower::Layer;

const CLIENTS: u64 = 4;
const WORKERS_PER_CLIENT: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_under_load_arrives_once_at_the_collector() {
    let collector = Collector::start().unwrap();
    let telemetry = init(&collector);
    // Handlers panic on purpose; the messages are noise.
    std::panic::set_hook(Box::new(|_| ()));
    let service = TestService::new();
    let address = serve(service.clone()).await;
    let end = Instant::now() + duration();

    let workers: Vec<_> = (0..CLIENTS).flat_map(|_| workers_of(connect(address), end)).collect();
    let mut seen = Seen::default();
    let mut memory = Vec::new();
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(200)).await;
        seen.add(&collector.take());
        memory.push(resident_kib());
    }
    let mut calls = 0;
    for worker in workers {
        calls += worker.await.unwrap();
    }
    let ended = || telemetry.stats().traces.accepted;
    let arrived = || service.arrived.load(Ordering::Relaxed);
    until(|| ended() >= calls + arrived()).await;
    let delivery = tokio::task::spawn_blocking(|| telemetry.shutdown()).await.unwrap().unwrap();
    seen.add(&collector.take());

    let arrived = arrived();
    eprintln!(
        "{calls} calls made, {arrived} arrived; memory {:?} KiB; {delivery}",
        (memory.first(), memory.last())
    );
    assert!(arrived > calls / 4, "{arrived} of {calls} calls reached the server");
    assert_eq!(seen.spans, BTreeMap::from([("client", calls), ("server", arrived)]), "spans");
    assert_eq!(seen.records, calls + arrived, "access records");
    for (side, calls) in [("client", calls), ("server", arrived)] {
        assert_eq!(
            seen.measured.get(&format!("rpc.{side}.call.duration")),
            Some(&calls),
            "{side}: durations"
        );
        assert_eq!(seen.active.get(&format!("rpc.{side}.active_calls")), Some(&0), "{side}: active");
    }
    does_not_grow(&memory);
}

fn init(collector: &Collector) -> TelemetryGuard {
    telemetry_bootstrap::init()
        .ignore_env()
        .service_name("load")
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Off))
        .traces(|traces| traces.max_queue_size(1_000_000).max_queue_bytes(1 << 30))
        .logs(|logs| logs.max_queue_size(1_000_000).max_queue_bytes(1 << 30))
        .metrics(|metrics| metrics.interval(Duration::from_secs(1)))
        .build()
        .unwrap()
}

async fn serve(service: TestService) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .layer(ServerLayer::new().record_active_calls().record_access_log())
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    address
}

fn connect(address: SocketAddr) -> ClientService<Channel> {
    let layer = ClientLayer::new().record_active_calls().record_access_log().target(address.to_string());
    layer.layer(Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy())
}

/// Each returns how many calls it made.
fn workers_of(channel: ClientService<Channel>, end: Instant) -> Vec<tokio::task::JoinHandle<u64>> {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let work = |channel: ClientService<Channel>| async move {
        let mut random = Random(SEED.fetch_add(1, Ordering::Relaxed) * 0x9e37_79b9);
        let mut calls = 0;
        while Instant::now() < end {
            let patience = Duration::from_micros(random.next(3000));
            let call = any_call(TestClient::new(channel.clone()), &mut random);
            drop(tokio::time::timeout(patience, call).await);
            calls += 1;
        }
        calls
    };
    (0..WORKERS_PER_CLIENT).map(|_| tokio::spawn(work(channel.clone()))).collect()
}

/// What the collector took so far.
#[derive(Default)]
struct Seen {
    spans: BTreeMap<&'static str, u64>,
    records: u64,
    /// The last of each metric: they are cumulative.
    measured: BTreeMap<String, u64>,
    active: BTreeMap<String, i64>,
}

impl Seen {
    fn add(&mut self, received: &CollectedTelemetry) {
        for span in received.spans() {
            let side = if span.kind() == SpanKind::Server { "server" } else { "client" };
            *self.spans.entry(side).or_default() += 1;
        }
        self.records += received.logs().iter().filter(|record| record.body() == "call ended").count() as u64;
        for metric in received.metrics() {
            let name = metric.name().to_owned();
            match metric.metric.data {
                Some(Data::Histogram(histogram)) => {
                    self.measured.insert(name, histogram.data_points.iter().map(|point| point.count).sum());
                }
                Some(Data::Sum(sum)) => {
                    let values = sum.data_points.iter().map(|point| match point.value {
                        Some(Value::AsInt(value)) => value,
                        _ => 0,
                    });
                    self.active.insert(name, values.sum());
                }
                _ => {}
            }
        }
    }
}

fn duration() -> Duration {
    let seconds = std::env::var("TELEMETRY_LOAD_SECONDS").map_or(2, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// The peak of the last quarter against that of the second: by then everything is warm.
fn does_not_grow(memory: &[u64]) {
    if duration() < Duration::from_secs(30) {
        return;
    }
    let quarter = memory.len() / 4;
    let peak = |part: &[u64]| part.iter().copied().max().unwrap_or(0);
    let (early, late) = (peak(&memory[quarter..2 * quarter]), peak(&memory[3 * quarter..]));
    assert!(late <= early + early / 5, "{early} KiB became {late} KiB: {memory:?}");
}
