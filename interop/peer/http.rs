//! Our side of the requests to and from other programs: `http_peer serve PROXIES`, until SIGTERM, behind so many trusted
//! proxies, and `http_peer call ADDRESS SCENARIO...`. What it prints on standard output is for `interop/run.py`.

#![expect(clippy::print_stdout, reason = "another program reads it")]

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{Method, Request, StatusCode};
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use axum::routing::{any, get, post};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};
use telemetry_bootstrap::http::{ClientLayer, ClientService, ServerLayer};
use telemetry_bootstrap::{InitError, TelemetryGuard, shutdown_signal};
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tower::{Layer, ServiceBuilder, ServiceExt as _};

type Requests = ClientService<Client<HttpConnector, Body>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        ["serve", proxies] => serve(proxies.parse()?).await,
        ["call", address, scenarios @ ..] => call(address, scenarios).await,
        _ => Err("usage: http_peer (serve PROXIES | call ADDRESS SCENARIO...)".into()),
    }
}

fn init() -> Result<TelemetryGuard, InitError> {
    telemetry_bootstrap::init().service_name("rust-peer").build()
}

/// Prints the port, and at the end how many requests reached the service.
async fn serve(proxies: usize) -> Result<(), Box<dyn Error>> {
    let telemetry = init()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{{\"port\": {}}}", listener.local_addr()?.port());
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    let count = move |request: Request<Body>| {
        counter.fetch_add(1, Ordering::Relaxed);
        request
    };
    let layer = ServerLayer::new().record_active_requests().trusted_proxies(proxies);
    let router = router().layer(ServiceBuilder::new().map_request(count).layer(layer));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown_signal()).await?;
    telemetry.shutdown()?;
    println!("{{\"seen\": {}}}", seen.load(Ordering::Relaxed));
    Ok(())
}

fn router() -> Router {
    let status = async |Path(code): Path<u16>| StatusCode::from_u16(code).unwrap_or_default();
    let tick = |number| Ok::<_, Infallible>(Event::default().data(format!("{number}")));
    let events = move || async move {
        let ticks = tokio_stream::iter(0..3).map(tick);
        Sse::new(ticks.throttle(Duration::from_millis(100)))
    };
    let endless = move || async move { Sse::new(tokio_stream::once(tick(0)).chain(tokio_stream::pending())) };
    Router::new()
        .route("/items/{id}", get(async |Path(id): Path<String>| id))
        .route("/status/{code}", any(status))
        .route("/echo", post(async |body: Bytes| body))
        .route("/events", get(events))
        .route("/endless", get(endless))
        .route("/ws", any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)))
        .fallback(async || StatusCode::NOT_FOUND.into_response())
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if !matches!(message, Message::Text(_)) || socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn call(address: &str, scenarios: &[&str]) -> Result<(), Box<dyn Error>> {
    let telemetry = init()?;
    let client = ClientLayer::new().record_active_requests();
    let client = client.layer(Client::builder(TokioExecutor::new()).build_http());
    for scenario in scenarios {
        let context = Context::current_with_span(global::tracer("peer").start((*scenario).to_owned()));
        let trace_id = context.span().span_context().trace_id();
        let status = send(client.clone(), address, scenario).with_context(context).await.unwrap_or_default();
        println!("{{\"scenario\": \"{scenario}\", \"status\": {status}, \"trace_id\": \"{trace_id}\"}}");
    }
    telemetry.shutdown()?;
    Ok(())
}

/// Sends the request of a scenario, and reads the response to its end; of an endless one, the first piece.
async fn send(client: Requests, address: &str, scenario: &str) -> Result<u16, Box<dyn Error>> {
    let (method, path, body) = match scenario {
        "post" => (Method::POST, "/echo", Body::from("four")),
        "head" => (Method::HEAD, "/items/7", Body::empty()),
        "missing" => (Method::GET, "/nowhere", Body::empty()),
        "error" => (Method::GET, "/status/500", Body::empty()),
        "events" => (Method::GET, "/events", Body::empty()),
        "leave" => (Method::GET, "/endless", Body::empty()),
        _ => (Method::GET, "/items/7?color=red", Body::empty()),
    };
    let request = Request::builder().method(method).uri(format!("http://{address}{path}")).body(body)?;
    let response = client.oneshot(request).await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
        if scenario == "leave" {
            break;
        }
    }
    Ok(status)
}
