//! Our side of the calls to and from programs in other languages: `grpc_peer serve`, until SIGTERM, and
//! `grpc_peer call ADDRESS SCENARIO...`. What it prints on standard output is for `interop/run.py`.

#![expect(clippy::print_stdout, reason = "another program reads it")]

#[path = "../../tests/grpc_support/mod.rs"]
mod grpc_support;
mod scenarios;

use std::error::Error;
use std::path::Path;

use grpc_support::{TestClient, TestService};
use telemetry_bootstrap::grpc::{ClientLayer, ServerLayer};
use telemetry_bootstrap::{InitError, TelemetryGuard, shutdown_signal};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tower::Layer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        ["serve"] => serve().await,
        ["call", address, scenarios @ ..] => call(address, scenarios).await,
        _ => Err("usage: grpc_peer (serve | call ADDRESS SCENARIO...)".into()),
    }
}

fn init() -> Result<TelemetryGuard, InitError> {
    telemetry_bootstrap::init().service_name("rust-peer").build()
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let telemetry = init()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{{\"port\": {}}}", listener.local_addr()?.port());
    let layer = ServerLayer::new().record_active_calls().capture_request_headers(["k", "data-bin"]);
    Server::builder()
        .layer(layer)
        .add_service(reflection()?)
        .add_service(TestService::new())
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown_signal())
        .await?;
    telemetry.shutdown()?;
    Ok(())
}

/// For clients that ask the server what it offers.
fn reflection() -> Result<ServerReflectionServer<impl ServerReflection>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    let set = protox::compile([folder.join("peer.proto")], [folder])?;
    Ok(tonic_reflection::server::Builder::configure().register_file_descriptor_set(set).build_v1()?)
}

async fn call(address: &str, scenarios: &[&str]) -> Result<(), Box<dyn Error>> {
    let telemetry = init()?;
    let channel = Channel::from_shared(format!("http://{address}"))?.connect_lazy();
    let channel = ClientLayer::new().record_active_calls().target(address).layer(channel);
    for scenario in scenarios {
        scenarios::run(TestClient::new(channel.clone()), scenario).await;
    }
    telemetry.shutdown()?;
    Ok(())
}
