//! The calls, each under a span of its own. The clients in other languages make the same.

use std::time::Duration;

use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};
use telemetry_bootstrap::grpc::ClientService;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::grpc_support::{Ask, TestClient, UNARY, UNKNOWN, ask, drain};

type Client = TestClient<ClientService<Channel>>;

/// Makes one call, and reports how it ended and to which trace it belongs.
pub(crate) async fn run(client: Client, scenario: &str) {
    let tracer = global::tracer("peer");
    let context = Context::current_with_span(tracer.start(scenario.to_owned()));
    let trace_id = context.span().span_context().trace_id();
    let (messages, status) = make(client, scenario).with_context(context).await;
    let code = status.err().map_or(0, |status| status.code() as i32);
    println!(
        "{{\"scenario\": \"{scenario}\", \"code\": {code}, \"messages\": {messages}, \"trace_id\": \"{trace_id}\"}}"
    );
}

async fn make(mut client: Client, scenario: &str) -> (u32, Result<(), Status>) {
    match scenario {
        "unknown-method" => unary(client.unary_at(UNKNOWN, Request::new(ask(0, "ok"))).await),
        "too-large" => {
            let large = Ask { message: "x".repeat(5_000_000), ..ask(0, "ok") };
            unary(client.unary(large).await)
        }
        "deadline" => {
            let mut request = Request::new(ask(0, "hang"));
            request.set_timeout(Duration::from_millis(150));
            unary(client.unary_at(UNARY, request).await)
        }
        "metadata" => unary(client.unary_at(UNARY, with_metadata(ask(0, "ok"))).await),
        "stream" => stream(client, ask(3, "ok")).await,
        "stream-error" => stream(client, ask(3, "14")).await,
        "cancel" => cancel(client).await,
        "client-stream" => unary(client.client_stream(tokio_stream::iter(vec![ask(0, "ok"); 3])).await),
        "bidi" => match client.bidi(tokio_stream::iter(vec![ask(2, "ok"); 2])).await {
            Ok(response) => drain(response.into_inner()).await,
            Err(status) => (0, Err(status)),
        },
        // `ok`, `panic`, or the number of a status.
        end => unary(client.unary(ask(0, end)).await),
    }
}

fn unary<T>(result: Result<T, Status>) -> (u32, Result<(), Status>) {
    (u32::from(result.is_ok()), result.map(drop))
}

async fn stream(mut client: Client, ask: Ask) -> (u32, Result<(), Status>) {
    match client.server_stream(ask).await {
        Ok(response) => drain(response.into_inner()).await,
        Err(status) => (0, Err(status)),
    }
}

/// Gives up after the first message.
async fn cancel(mut client: Client) -> (u32, Result<(), Status>) {
    match client.server_stream(ask(1, "hang")).await {
        Ok(response) => {
            let first = response.into_inner().message().await;
            (u32::from(first.is_ok()), Err(Status::cancelled("")))
        }
        Err(status) => (0, Err(status)),
    }
}

/// Two values under one key, and bytes.
fn with_metadata(ask: Ask) -> Request<Ask> {
    let mut request = Request::new(ask);
    let metadata = request.metadata_mut();
    metadata.append("k", MetadataValue::from_static("1"));
    metadata.append("k", MetadataValue::from_static("2"));
    metadata.append_bin("data-bin", MetadataValue::from_bytes(&[0, 255]));
    request
}
