//! A shop in three services: an HTTP API, which calls an HTTP service and a gRPC service for every order.
//!
//! | command | what happens |
//! |---|---|
//! | `cargo run --example http_service` | all services, a few orders and a collector in one process; then what the collector received is shown |
//! | `… -- serve [address]` | the services, with the API on this address, until SIGTERM or Ctrl-C |
//!
//! ```text
//! curl -i -X POST localhost:8080/orders/tea       # 200
//! curl -i -X POST localhost:8080/orders/moon      # 404: it is not in stock
//! curl -i -X POST localhost:8080/orders/broken-1  # 502: it cannot be paid for
//! curl -N localhost:8080/orders/tea/progress      # an event stream
//! ```
//!
//! With `OTEL_EXPORTER_OTLP_ENDPOINT` set, telemetry goes there. `serve` without it exports nothing, but its log lines
//! and the header `x-trace-id` of each response have the trace id.

#![expect(clippy::print_stdout, reason = "it speaks to a person")]

mod customer;
mod payments;
#[path = "../grpc_service/proto.rs"]
mod proto;
#[path = "../grpc_service/report.rs"]
mod report;
mod shop;
mod stock;
#[path = "../grpc_service/telemetry.rs"]
mod telemetry;

use std::error::Error;
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
        [] => report::run(SERVICE, serve_and_order).await,
        ["serve"] => serve(DEFAULT_ADDRESS).await,
        ["serve", address] => serve(address).await,
        _ => Err("usage: http_service [serve [address]]".into()),
    }
}

async fn serve_and_order() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let services = tokio::spawn(shop::serve_all(listener, async {
        let _ = stopped.await;
    }));
    customer::visit(address).await?;
    let _ = stop.send(());
    Ok(services.await??)
}

async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let telemetry = telemetry::init(SERVICE, None)?;
    let listener = TcpListener::bind(address).await?;
    tokio::select! {
        served = shop::serve_all(listener, shutdown_signal()) => served?,
        () = grace_period() => {}
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

const SERVICE: &str = "shop";
const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";
const ANY_PORT: &str = "127.0.0.1:0";
