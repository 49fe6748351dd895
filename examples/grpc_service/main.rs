//! A gRPC service with traces, metrics and logs, and its client: the service that OpenTelemetry's examples show in
//! other languages.
//!
//! | command | what happens |
//! |---|---|
//! | `cargo run --example grpc_service` | server, client and a collector in one process; then what the collector received is shown |
//! | `… -- serve [address]` | the server alone, until SIGTERM or Ctrl-C |
//! | `… -- call [address] [rounds]` | the client alone: so many rounds of calls, or one a second until SIGTERM or Ctrl-C |
//!
//! With `OTEL_EXPORTER_OTLP_ENDPOINT` set, telemetry goes there. `serve` and `call` without it export nothing, but
//! their log lines carry trace ids.

#![expect(clippy::print_stdout, reason = "it speaks to a person")]

mod client;
mod instruments;
mod proto;
mod report;
mod server;
mod telemetry;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use telemetry_bootstrap::shutdown_signal;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// Does what the arguments request; see the table above.
pub(crate) async fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match arguments {
        [] => report::run(SERVICE, serve_and_call).await,
        ["serve"] => serve(DEFAULT_ADDRESS).await,
        ["serve", address] => serve(address).await,
        ["call"] => call(DEFAULT_ADDRESS, None).await,
        ["call", address] => call(address, None).await,
        ["call", address, rounds] => call(address, Some(rounds.parse()?)).await,
        _ => Err("usage: grpc_service [serve [address] | call [address] [rounds]]".into()),
    }
}

async fn serve_and_call() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(server::serve(listener, async {
        let _ = stopped.await;
    }));
    client::round(&mut client::connect(address)?).await;
    let _ = stop.send(());
    Ok(server.await??)
}

async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let telemetry = telemetry::init(SERVICE, None)?;
    let listener = TcpListener::bind(address).await?;
    tokio::select! {
        served = server::serve(listener, shutdown_signal()) => served?,
        () = grace_period() => {}
    }
    // What is lost is logged; it is no failure of the program.
    drop(telemetry);
    Ok(())
}

async fn call(address: &str, rounds: Option<u32>) -> Result<(), Box<dyn Error>> {
    let telemetry = telemetry::init(SERVICE, None)?;
    let address: SocketAddr = address.parse()?;
    let mut client = client::connect(address)?;
    tokio::select! {
        () = client::rounds(&mut client, rounds) => {}
        () = shutdown_signal() => {}
    }
    // What is lost is logged; it is no failure of the program.
    drop(telemetry);
    Ok(())
}

/// Ends five seconds after the signal: streams that are still open then end with the program.
async fn grace_period() {
    shutdown_signal().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
}

const SERVICE: &str = "my-rust-service";
const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";
const ANY_PORT: &str = "127.0.0.1:0";
