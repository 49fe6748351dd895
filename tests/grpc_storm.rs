//! Calls of all kinds, dropped at any moment: nothing is lost, nothing is counted twice, nothing stays open.

#![cfg(feature = "grpc")]

mod grpc_support;

use std::time::Duration;

use grpc_support::*;
use tokio_stream::StreamExt;
use tonic::Request;

const WORKERS: u64 = 16;
const CALLS: u64 = 400;

/// A small generator: the same calls in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_cancellations_leave_one_span_and_one_measurement_per_call() {
    let world = World::with(
        TestService::new(),
        |server| server.message_counts().message_sizes(),
        |client| client.message_counts().message_sizes(),
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
    let begun = world.server.spans().len();
    assert!(begun > calls / 4, "{begun} of {calls} calls reached the server");
    for (recorded, side, calls) in [(&world.client, "client", calls), (&world.server, "server", begun)] {
        assert_eq!(recorded.spans().len(), calls, "{side}: spans");
        assert_eq!(recorded.active(&format!("rpc.{side}.active_calls")), 0.0, "{side}: active");
        for metric in ["call.duration", "requests_per_rpc", "responses_per_rpc"] {
            let points = recorded.points(&format!("rpc.{side}.{metric}"));
            let measured: u64 = points.iter().map(|point| point.count).sum();
            assert_eq!(measured, calls as u64, "{side}: {metric}");
        }
    }
}

async fn any_call<S>(mut client: TestClient<S>, random: &mut Random)
where
    S: tonic::client::GrpcService<tonic::body::Body>,
    S::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    let end = ["ok", "hang", "5", "13", "panic"][random.next(5) as usize];
    let question = ask(random.next(20) as u32, end);
    match random.next(5) {
        0 => drop(client.unary(question).await),
        1 => drop(client.client_stream(tokio_stream::iter(vec![question; 3])).await),
        2 => drop(client.client_stream(tokio_stream::once(question).chain(tokio_stream::pending())).await),
        3 => {
            let mut request = Request::new(question);
            request.set_timeout(Duration::from_micros(random.next(3000)));
            if let Ok(response) = client.server_stream_with(request).await {
                drop(drain(response.into_inner()).await);
            }
        }
        _ => {
            if let Ok(response) = client.bidi(tokio_stream::iter(vec![question; 2])).await {
                drop(drain(response.into_inner()).await);
            }
        }
    }
}
