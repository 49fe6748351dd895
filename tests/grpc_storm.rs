//! Calls of all kinds, dropped at any moment: nothing is lost, nothing is counted twice, nothing stays open.

#![cfg(feature = "grpc")]

mod grpc_support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use grpc_support::random::{Random, any_call};
use grpc_support::*;

const WORKERS: u64 = 16;
const CALLS: u64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_cancellations_leave_one_span_and_one_measurement_per_call() {
    let world = World::with(
        TestService::new(),
        |server| server.record_message_counts().record_message_sizes(),
        |client| client.record_message_counts().record_message_sizes(),
    )
    .await;
    let workers: Vec<_> = (1..=WORKERS)
        .map(|seed| {
            let client = world.grpc();
            tokio::spawn(async move {
                let mut random = Random(seed * 0x9e37_79b9);
                for _ in 0..CALLS {
                    let patience = Duration::from_micros(random.next(3000));
                    let call = any_call(TestClient(client.0.clone()), &mut random);
                    drop(tokio::time::timeout(patience, call).await);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let calls = usize::try_from(WORKERS * CALLS).unwrap();
    until(|| world.client.spans().len() >= calls).await;
    // A call that was dropped while it waited for a connection never reached the server.
    until(|| world.server.active("rpc.server.active_calls") == 0.0).await;
    let arrived = usize::try_from(world.service.arrived.load(Ordering::Relaxed)).unwrap();
    assert!(arrived > calls / 4, "{arrived} of {calls} calls reached the server");
    for (recorded, side, calls) in [(&world.client, "client", calls), (&world.server, "server", arrived)] {
        assert_eq!(recorded.spans().len(), calls, "{side}: spans");
        assert_eq!(recorded.active(&format!("rpc.{side}.active_calls")), 0.0, "{side}: active");
        for metric in ["call.duration", "requests_per_rpc", "responses_per_rpc"] {
            let points = recorded.points(&format!("rpc.{side}.{metric}"));
            let measured: u64 = points.iter().map(|point| point.count).sum();
            assert_eq!(measured, calls as u64, "{side}: {metric}");
        }
    }
}
