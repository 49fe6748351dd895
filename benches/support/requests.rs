//! Both ends of an HTTP/1.1 request over the loopback, for the benches that measure its server.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::expect_used,
    reason = "a program for people, each of which uses its part"
)]

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::support::load::{current_thread, make_calls};
use crate::support::{Side, Work};

/// Sends requests to a server, over connections that stay open.
pub(crate) struct Client {
    server: Side,
    runtime: Runtime,
    client: HyperClient<HttpConnector, Empty<Bytes>>,
    port: u64,
    traceparent: HeaderValue,
}

impl Client {
    pub(crate) fn of(mut server: Side, traceparent: &'static str) -> Self {
        let (_, port) = server.work(0);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            server,
            runtime: current_thread(),
            client: HyperClient::builder(TokioExecutor::new()).build(connector),
            port,
            traceparent: HeaderValue::from_static(traceparent),
        }
    }

    /// Processor time that the server takes for so many requests, a few at once.
    pub(crate) fn cpu(&mut self, requests: u64) -> Duration {
        self.server.cpu(0);
        self.runtime.block_on(make_calls(requests, |number| {
            let uri = format!("http://127.0.0.1:{}/users/{number}", self.port);
            let request = Request::get(uri.parse::<Uri>().expect("a URI"))
                .header("traceparent", self.traceparent.clone())
                .header("user-agent", "bench/1.0")
                .body(Empty::new())
                .expect("a request");
            send(self.client.clone(), request)
        }));
        self.server.cpu(0)
    }
}

async fn send(client: HyperClient<HttpConnector, Empty<Bytes>>, request: Request<Empty<Bytes>>) {
    let response = client.request(request).await.expect("a live server");
    assert!(response.status().is_success(), "{response:?}");
    response.into_body().collect().await.expect("the whole body");
}

/// Serves on a thread of its own, and answers orders with the port. Whoever asks waits for what was recorded to leave.
pub(crate) fn serve(router: Router, flush: impl Fn() + 'static) -> Work {
    let runtime = current_thread();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let listener = listener.tap_io(|connection| connection.set_nodelay(true).expect("an open connection"));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    thread::spawn(move || {
        runtime.block_on(async { axum::serve(listener, service).await }).expect("it serves");
    });
    Box::new(move |_| {
        flush();
        port.into()
    })
}
