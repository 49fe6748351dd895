//! Requests over HTTP/1.1 and HTTP/2 that are dropped at random moments, all three signals on their way to a collector: at
//! the end the collector has each request once, as span, as record and as measurement, and none is left open.
//!
//! `TELEMETRY_LOAD_SECONDS` is the duration in seconds, two by default. From half a minute on, memory is watched as well.

#![cfg(all(feature = "http", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers and handlers of tests fail with them")]

mod grpc_support;
mod load_support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use grpc_support::random::Random;
use grpc_support::until;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use load_support::*;
use telemetry_bootstrap::http::{ClientLayer, ClientService, ServerLayer};
use telemetry_bootstrap::testing::Collector;
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceExt as _};

type Http = ClientService<Client<HttpConnector, Body>>;

const WORKERS_PER_VERSION: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_under_load_arrives_once_at_the_collector() {
    let collector = Collector::start().unwrap();
    let telemetry = init(&collector);
    // Handlers panic on purpose; the messages are noise.
    std::panic::set_hook(Box::new(|_| ()));
    let arrived = Arc::new(AtomicU64::new(0));
    let address = serve(Arc::clone(&arrived)).await;
    let end = Instant::now() + duration();

    let versions = [connect(false), connect(true)];
    let workers: Vec<_> = (1..=2 * WORKERS_PER_VERSION)
        .map(|number| {
            let http = versions[number as usize % 2].clone();
            tokio::spawn(send_until(end, http, address, Random(number * 0x9e37_79b9)))
        })
        .collect();
    let mut seen = Seen::of_lines("request finished");
    let mut memory = Vec::new();
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(200)).await;
        seen.add(&collector.take());
        memory.push(resident_kib());
    }
    let mut sent = 0;
    for worker in workers {
        sent += worker.await.unwrap();
    }
    // Closes the connections, and with them what the server still answers.
    drop(versions);
    let arrived = || arrived.load(Ordering::Relaxed);
    until(|| telemetry.stats().traces.accepted >= sent + arrived()).await;
    let stats = tokio::task::spawn_blocking(|| telemetry.shutdown()).await.unwrap().unwrap();
    seen.add(&collector.take());

    let arrived = arrived();
    eprintln!(
        "{sent} requests sent, {arrived} arrived; memory {:?} KiB; {stats}",
        (memory.first(), memory.last())
    );
    assert!(arrived > sent / 4, "{arrived} of {sent} requests reached the server");
    assert_eq!(seen.spans, BTreeMap::from([("client", sent), ("server", arrived)]), "spans");
    assert_eq!(seen.records, sent + arrived, "access records");
    for (side, requests) in [("client", sent), ("server", arrived)] {
        assert_eq!(
            seen.measured.get(&format!("http.{side}.request.duration")),
            Some(&requests),
            "{side}: durations"
        );
        assert_eq!(seen.active.get(&format!("http.{side}.active_requests")), Some(&0), "{side}: active");
    }
    does_not_grow(&memory);
}

async fn serve(arrived: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = MapRequestLayer::new(move |request: Request<Body>| {
        arrived.fetch_add(1, Ordering::Relaxed);
        request
    });
    let router = Router::new()
        .route("/{end}", any(answer))
        .layer(ServerLayer::new().record_active_requests().record_access_log())
        .layer(count);
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}

/// Ends as the path says. Endings that wait read the request first: over HTTP/1.1 hyper notices that a client left only
/// when it reads, and tells a handler that reads by an error.
async fn answer(Path(end): Path<String>, body: Body) -> Response {
    if matches!(end.as_str(), "hang" | "endless") {
        let Ok(_) = body.collect().await else { return StatusCode::BAD_REQUEST.into_response() };
        return match end.as_str() {
            "hang" => std::future::pending().await,
            _ => Body::from_stream(chunks(3).chain(tokio_stream::pending())).into_response(),
        };
    }
    match end.as_str() {
        "echo" => body.into_response(),
        "read" => body.collect().await.map_or(StatusCode::BAD_REQUEST, |_| StatusCode::OK).into_response(),
        "fail" => {
            Body::from_stream(chunks(3).chain(tokio_stream::once(Err(std::io::Error::other("on purpose")))))
                .into_response()
        }
        "panic" => panic!("on purpose"),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

fn chunks(count: usize) -> impl tokio_stream::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    tokio_stream::iter((0..count).map(|_| Ok(Bytes::from_static(&[b'a'; 1000]))))
}

fn connect(http2: bool) -> Http {
    let layer = ClientLayer::new().record_active_requests().record_access_log();
    layer.layer(Client::builder(TokioExecutor::new()).http2_only(http2).build_http())
}

/// Returns the number of requests that were sent.
async fn send_until(end: Instant, http: Http, address: SocketAddr, mut random: Random) -> u64 {
    let mut sent = 0;
    while Instant::now() < end {
        let patience = Duration::from_micros(random.next(3000));
        let path = ["echo", "read", "hang", "endless", "fail", "panic", "empty"][random.next(7) as usize];
        let body = match random.next(3) {
            0 => Body::empty(),
            1 => Body::from_stream(chunks(random.next(20) as usize)),
            // Outlasts the patience. One without an end would keep its HTTP/2 stream open after the request was dropped.
            _ => Body::from_stream(chunks(20).throttle(Duration::from_millis(1))),
        };
        let request = Request::post(format!("http://{address}/{path}")).body(body).unwrap();
        let exchange = async {
            if let Ok(response) = http.clone().oneshot(request).await {
                drop(response.into_body().collect().await);
            }
        };
        drop(tokio::time::timeout(patience, exchange).await);
        sent += 1;
    }
    sent
}
