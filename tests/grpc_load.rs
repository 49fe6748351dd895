//! Several clients, calls dropped at random moments, all three signals on their way to a collector: at the end the
//! collector has each call once, as span, as record and as measurement, and none is left open.
//!
//! `TELEMETRY_LOAD_SECONDS` is the duration in seconds, two by default. From half a minute on, memory is watched as well.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;
mod load_support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use grpc_support::random::{Random, any_call};
use grpc_support::*;
use load_support::*;
use telemetry_bootstrap::grpc::{ClientLayer, ClientService, ServerLayer};
use telemetry_bootstrap::testing::Collector;
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
    let mut seen = Seen::of_lines("call ended");
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
