//! Each way in which a request can end, over the network, seen from both sides.
//!
//! | ending | test |
//! |---|---|
//! | complete, over HTTP/1.1 and HTTP/2 | `a_complete_response` |
//! | `HEAD`, 204, 304 | `responses_without_a_body` |
//! | trailers | `trailers` |
//! | 1xx before the response | `an_interim_response_is_not_the_response` |
//! | `Expect: 100-continue`, accepted and refused | `expect_continue` |
//! | 101, WebSockets | `a_websocket_ends_with_its_handshake`, `an_upgrade_ends_with_its_head` |
//! | event streams | `event_stream_that_is_read_to_its_end`, `event_stream_that_the_client_aborts` |
//! | handler fails, panics | `a_failing_body`, `a_panic_resets_the_connection` |
//! | client leaves before the head, during the body | `disconnect_cancels_the_request` |
//! | client leaves while the handler keeps the request's body unread | `disconnect_with_unread_body_is_not_detected` |
//! | connection reset by either side, refused | `a_connection_that_is_reset`, `a_refused_connection` |
//! | HTTP/2: stream reset by either side, GOAWAY | `http2_resets`, `http2_goaway` |
//! | graceful shutdown with open streams | `a_graceful_shutdown_lets_streams_end` |
//! | timeout inside, outside | `timeouts` |
//! | load shedding and concurrency limits inside, outside | `limits` |
//! | compression inside, outside | `compression` |
//! | body size limits inside, outside, of axum | `body_limits` |
//! | nested routers, fallbacks, unmatched paths | `routers` |
//! | forwarded to another server | `a_proxy_that_forwards_a_request_continues_its_trace` |

#![cfg(all(feature = "http", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;
mod http_support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::sse::{Event, Sse};
use axum::routing::{any, get, post};
use grpc_support::{Recorded, attribute, until, value};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use http_support::*;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::Value;
use telemetry_bootstrap::http::{ClientService, ServerLayer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_stream::StreamExt as _;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

/// A server and a client of it, each with telemetry of its own.
struct World {
    server: Recorded,
    client: Recorded,
    address: SocketAddr,
    http: ClientService<Client<HttpConnector, Body>>,
    serving: tokio::task::JoinHandle<()>,
    stop: Arc<Notify>,
}

impl World {
    /// Serves a router with the layer around its routes.
    async fn start(router: Router) -> Self {
        Self::with(false, |layer| router.layer(layer)).await
    }

    async fn with(http2: bool, router: impl FnOnce(ServerLayer) -> Router) -> Self {
        let (near, far) = (Recorded::new(), Recorded::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let router = router(server(&far));
        let serving = async move {
            let stopped = async move { stopped.notified().await };
            axum::serve(listener, router).with_graceful_shutdown(stopped).await.unwrap();
        };
        let http = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        let http = client(&near).layer(http);
        Self { server: far, client: near, address, http, serving: tokio::spawn(serving), stop }
    }

    fn request(&self, method: Method, path: &str) -> Request<Body> {
        let uri = format!("http://{}{path}", self.address);
        Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
    ) -> Response<impl http_body::Body<Data = Bytes, Error = hyper::Error> + use<>> {
        self.http.clone().oneshot(self.request(method, path)).await.unwrap()
    }

    /// Sends a request and reads the response to its end.
    async fn get(&self, path: &str) -> Bytes {
        self.send(Method::GET, path).await.into_body().collect().await.unwrap().to_bytes()
    }

    async fn both(&self, status: u16, server: Option<&str>, client: Option<&str>) {
        finished(&self.server, "server", Some(status), server).await;
        finished(&self.client, "client", Some(status), client).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A body that sends one frame, and nothing more.
fn open_stream() -> Body {
    let frame = tokio_stream::once(Ok::<_, Infallible>(Bytes::from("a")));
    Body::from_stream(frame.chain(tokio_stream::pending()))
}

fn endless() -> Router {
    Router::new()
        .route("/stream", get(|| async { open_stream() }))
        .route("/never", get(std::future::pending::<()>))
}

#[tokio::test]
async fn a_complete_response() {
    for http2 in [false, true] {
        let router = Router::new()
            .route("/{kind}", get(|| async { vec![7_u8; 300_000] }))
            .route("/stream", get(|| async { stream(["a", "b"], false) }));
        let world = World::with(http2, |layer| router.layer(layer)).await;
        assert_eq!(world.get("/large").await.len(), 300_000);
        world.both(200, None, None).await;
        let span = world.client.spans().remove(0);
        let version = if http2 { "2" } else { "1.1" };
        assert_eq!(attribute(&span, "network.protocol.version").as_deref(), Some(version));
        assert_eq!(world.get("/stream").await, "ab");
        for span in world.server.ended(2).await.into_iter().chain(world.client.ended(2).await) {
            assert_eq!(attribute(&span, "error.type"), None, "{span:?}");
        }
    }
}

#[tokio::test]
async fn responses_without_a_body() {
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)] {
        let answer = move || async move { (StatusCode::from_u16(status).unwrap(), ()) };
        let world = World::start(Router::new().route("/", any(answer))).await;
        let response = world.send(method, "/").await;
        // At the head: nobody reads the body.
        world.both(status, None, None).await;
        drop(response);
    }
}

#[tokio::test]
async fn trailers() {
    for http2 in [false, true] {
        let answer = || async {
            let sum = HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "1".parse().unwrap())]);
            let frames = [Frame::data(Bytes::from("a")), Frame::trailers(sum)];
            let frames = tokio_stream::iter(frames.map(Ok::<_, Infallible>));
            let body = Body::new(http_body_util::StreamBody::new(frames));
            Response::builder().header("trailer", "x-sum").body(body).unwrap()
        };
        let world = World::with(http2, |layer| Router::new().route("/", get(answer)).layer(layer)).await;
        let mut request = world.request(Method::GET, "/");
        request.headers_mut().insert("te", "trailers".parse().unwrap());
        let body = world.http.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["x-sum"], "1");
        world.both(200, None, None).await;
    }
}

/// A server that sends these bytes to every connection, once it has received a request.
async fn raw_server(answer: &'static [u8], reset: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = connection.read(&mut request).await;
            let _ = connection.write_all(answer).await;
            if reset {
                // Without waiting for the client: it reads a reset.
                let _ = connection.set_zero_linger();
            }
        }
    });
    address
}

#[tokio::test]
async fn an_interim_response_is_not_the_response() {
    let answer =
        b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na";
    let address = raw_server(answer, false).await;
    let recorded = Recorded::new();
    let http = client(&recorded).layer(Client::builder(TokioExecutor::new()).build_http::<Body>());
    let request = Request::get(format!("http://{address}/")).body(Body::empty()).unwrap();
    let body = http.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "a");
    finished(&recorded, "client", Some(200), None).await;
}

#[tokio::test]
async fn expect_continue() {
    let refuse = || async { StatusCode::EXPECTATION_FAILED };
    let router =
        Router::new().route("/read", post(|body: Bytes| async move { body })).route("/refuse", post(refuse));
    let world = World::start(router).await;
    for (path, interim, status) in [("/read", true, "200"), ("/refuse", false, "417")] {
        let mut connection = TcpStream::connect(world.address).await.unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 1024];
        let length = connection.read(&mut answer).await.unwrap();
        let first = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert_eq!(first.starts_with("HTTP/1.1 100"), interim, "{first}");
        if interim {
            connection.write_all(b"ok").await.unwrap();
            let length = connection.read(&mut answer).await.unwrap();
            assert!(String::from_utf8_lossy(&answer[..length]).starts_with(&format!("HTTP/1.1 {status}")));
        }
    }
    let codes: Vec<_> =
        world.server.ended(2).await.iter().map(|span| attribute(span, "http.response.status_code")).collect();
    assert_eq!(codes, [Some("200".to_owned()), Some("417".to_owned())]);
    assert_eq!(active(&world.server, "server"), 0.0);
}

fn websocket() -> Router {
    Router::new().route(
        "/ws",
        get(|upgrade: WebSocketUpgrade| async {
            upgrade.on_upgrade(|mut socket| async move {
                while let Some(Ok(Message::Text(text))) = socket.recv().await {
                    let _ = socket.send(Message::Text(text)).await;
                }
            })
        }),
    )
}

#[tokio::test]
async fn a_websocket_ends_with_its_handshake() {
    let world = World::start(websocket()).await;
    let connection = TcpStream::connect(world.address).await.unwrap();
    let url = format!("ws://{}/ws", world.address);
    let (mut socket, response) = tokio_tungstenite::client_async(url, connection).await.unwrap();
    assert_eq!(response.status(), 101);
    let span = finished(&world.server, "server", Some(101), None).await;
    assert_eq!(span.name, "GET /ws");
    // The connection works through the layer, and is not part of the request.
    let message = tokio_tungstenite::tungstenite::Message::text("hello");
    futures_util::SinkExt::send(&mut socket, message.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), message);
    drop(socket);
    assert_eq!(world.server.spans().len(), 1);
}

#[tokio::test]
async fn an_upgrade_ends_with_its_head() {
    let world = World::start(websocket()).await;
    let mut request = world.request(Method::GET, "/ws");
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let response = world.http.clone().oneshot(request).await.unwrap();
    finished(&world.client, "client", Some(101), None).await;
    hyper::upgrade::on(response).await.unwrap();
    assert_eq!(world.client.spans().len(), 1);
}

fn events() -> Router {
    let finite = || async { Sse::new(tokio_stream::iter([Ok::<_, Infallible>(Event::default().data("1"))])) };
    let endless = || async {
        Sse::new(
            tokio_stream::once(Ok::<_, Infallible>(Event::default().data("1")))
                .chain(tokio_stream::pending()),
        )
    };
    Router::new().route("/finite", get(finite)).route("/endless", get(endless))
}

#[tokio::test]
async fn event_stream_that_is_read_to_its_end() {
    let world = World::start(events()).await;
    assert_eq!(world.get("/finite").await, "data: 1\n\n");
    world.both(200, None, None).await;
}

#[tokio::test]
async fn event_stream_that_the_client_aborts() {
    let world = World::with(false, |layer| events().layer(layer.exclude_streams_from_duration())).await;
    let mut body = world.send(Method::GET, "/endless").await.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!((world.server.spans().len(), active(&world.server, "server")), (0, 1.0));
    drop(body);
    let span = world.server.ended(1).await.remove(0);
    assert_eq!(attribute(&span, "error.type").as_deref(), Some("cancelled"));
    assert_eq!(active(&world.server, "server"), 0.0);
    assert_eq!(world.server.points("http.server.request.duration").len(), 0, "left out");
    finished(&world.client, "client", Some(200), None).await;
}

#[tokio::test]
async fn a_failing_body() {
    let world = World::start(Router::new().route("/", get(|| async { stream(["a"], true) }))).await;
    // hyper may drop the connection before it has sent the head.
    if let Ok(response) = world.http.clone().oneshot(world.request(Method::GET, "/")).await {
        response.into_body().collect().await.unwrap_err();
    }
    finished(&world.server, "server", Some(200), Some("ConnectionReset")).await;
    let span = world.client.ended(1).await.remove(0);
    assert!(attribute(&span, "error.type").is_some(), "{span:?}");
}

#[tokio::test]
async fn a_panic_resets_the_connection() {
    async fn broken() {
        panic!("on purpose")
    }
    let world = World::start(Router::new().route("/", get(broken))).await;
    world.http.clone().oneshot(world.request(Method::GET, "/")).await.unwrap_err();
    finished(&world.server, "server", None, Some("panic")).await;
    let span = world.client.ended(1).await.remove(0);
    assert_eq!(attribute(&span, "error.type").as_deref(), Some("IncompleteMessage"), "{span:?}");
}

#[tokio::test]
async fn disconnect_cancels_the_request() {
    for http2 in [false, true] {
        let world = World::with(http2, |layer| endless().layer(layer)).await;
        let request = world.http.clone().oneshot(world.request(Method::GET, "/never"));
        let waiting = tokio::spawn(request);
        until(|| active(&world.server, "server") == 1.0).await;
        waiting.abort();
        finished(&world.server, "server", None, Some("cancelled")).await;
        finished(&world.client, "client", None, None).await;

        let world = World::with(http2, |layer| endless().layer(layer)).await;
        let mut body = world.send(Method::GET, "/stream").await.into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        world.both(200, Some("cancelled"), None).await;
    }
}

/// hyper reads no more than the first piece of a body that the handler keeps unread, and so not to the end of the
/// connection.
#[tokio::test]
async fn disconnect_with_unread_body_is_not_detected() {
    let answer = Arc::new(Notify::new());
    let waiting = Arc::clone(&answer);
    let handler = move |unread: Body| {
        let waiting = Arc::clone(&waiting);
        async move {
            waiting.notified().await;
            drop(unread);
        }
    };
    let world = World::start(Router::new().route("/wait", post(handler)).route("/", get(|| async {}))).await;
    let mut connection = TcpStream::connect(world.address).await.unwrap();
    connection.write_all(b"POST /wait HTTP/1.1\r\nhost: h\r\ncontent-length: 8\r\n\r\nhalf").await.unwrap();
    until(|| active(&world.server, "server") == 1.0).await;
    drop(connection);
    // The server has had time to notice.
    world.get("/").await;
    world.server.ended(1).await;
    assert_eq!(active(&world.server, "server"), 1.0);
    answer.notify_one();
    let span = world.server.ended(2).await.remove(1);
    assert_eq!(span.name, "POST /wait");
    assert_eq!(value(&span.attributes, "http.response.status_code"), Some(&Value::I64(200)));
    assert_eq!(attribute(&span, "error.type"), None);
    assert_eq!(active(&world.server, "server"), 0.0);
}

#[tokio::test]
async fn a_connection_that_is_reset() {
    let world = World::start(endless()).await;
    let mut connection = TcpStream::connect(world.address).await.unwrap();
    connection.write_all(b"GET /stream HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert!(connection.read(&mut [0; 1024]).await.unwrap() > 0);
    connection.set_zero_linger().unwrap();
    drop(connection);
    finished(&world.server, "server", Some(200), Some("cancelled")).await;

    let recorded = Recorded::new();
    let http = client(&recorded).layer(Client::builder(TokioExecutor::new()).build_http::<Body>());
    let address = raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na", true).await;
    let request = Request::get(format!("http://{address}/")).body(Body::empty()).unwrap();
    http.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap_err();
    finished(&recorded, "client", Some(200), Some("ConnectionReset")).await;
}

#[tokio::test]
async fn a_refused_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let recorded = Recorded::new();
    let http = client(&recorded).layer(Client::builder(TokioExecutor::new()).build_http::<Body>());
    let request = Request::get(format!("http://{address}/")).body(Body::empty()).unwrap();
    http.oneshot(request).await.unwrap_err();
    let span = finished(&recorded, "client", None, Some("ConnectionRefused")).await;
    assert!(format!("{:?}", span.status).contains("refused"), "{:?}", span.status);
}

#[tokio::test]
async fn http2_resets() {
    // By the client.
    let world = World::with(true, |layer| endless().layer(layer)).await;
    let connection = TcpStream::connect(world.address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(connection).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("http://{}/stream", world.address)).body(()).unwrap();
    let (response, mut stream) = send.send_request(request, true).unwrap();
    response.await.unwrap();
    stream.send_reset(h2::Reason::CANCEL);
    finished(&world.server, "server", Some(200), Some("cancelled")).await;

    // By the server, before the head and during the body.
    for head in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (connection, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(connection).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                if head {
                    let mut body = respond.send_response(Response::new(()), false).unwrap();
                    body.send_data(Bytes::from("a"), false).unwrap();
                    tokio::spawn(async move {
                        body.reserve_capacity(1);
                        std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
                        body.send_reset(h2::Reason::INTERNAL_ERROR);
                    });
                } else {
                    respond.send_reset(h2::Reason::INTERNAL_ERROR);
                }
            }
        });
        let recorded = Recorded::new();
        let http = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Body>();
        let request = Request::get(format!("http://{address}/")).body(Body::empty()).unwrap();
        let result = client(&recorded).layer(http).oneshot(request).await;
        match result {
            Ok(response) => _ = response.into_body().collect().await.unwrap_err(),
            Err(_) => assert!(!head),
        }
        let span = recorded.ended(1).await.remove(0);
        let status = head.then_some(Value::I64(200));
        assert_eq!(value(&span.attributes, "http.response.status_code"), status.as_ref());
        assert_eq!(attribute(&span, "error.type").as_deref(), Some("INTERNAL_ERROR"), "{span:?}");
        assert_eq!(active(&recorded, "client"), 0.0);
    }
}

#[tokio::test]
async fn http2_goaway() {
    // A graceful one lets the open request complete.
    let go_on = Arc::new(Notify::new());
    let waits = Arc::clone(&go_on);
    let router = Router::new().route(
        "/",
        get(move || async move {
            waits.notified().await;
            "done"
        }),
    );
    let world = World::with(true, |layer| router.layer(layer)).await;
    let request = tokio::spawn(world.http.clone().oneshot(world.request(Method::GET, "/")));
    until(|| active(&world.server, "server") == 1.0).await;
    world.stop.notify_one();
    go_on.notify_one();
    let body = request.await.unwrap().unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "done");
    world.both(200, None, None).await;

    // One that excludes the request fails it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (connection, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(connection).await.unwrap();
        let _request = connection.accept().await;
        connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
        let _ = std::future::poll_fn(|cx| connection.poll_closed(cx)).await;
    });
    let recorded = Recorded::new();
    let http = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Body>();
    let request = Request::get(format!("http://{address}/")).body(Body::empty()).unwrap();
    client(&recorded).layer(http).oneshot(request).await.unwrap_err();
    let span = recorded.ended(1).await.remove(0);
    assert!(attribute(&span, "error.type").is_some(), "{span:?}");
    assert_eq!(active(&recorded, "client"), 0.0);
}

#[tokio::test]
async fn a_graceful_shutdown_lets_streams_end() {
    let go_on = Arc::new(Notify::new());
    let waits = Arc::clone(&go_on);
    let router = Router::new().route(
        "/",
        get(move || async move {
            let last = futures_util::stream::once(async move {
                waits.notified().await;
                Ok::<_, Infallible>(Bytes::from("b"))
            });
            Body::from_stream(tokio_stream::once(Ok(Bytes::from("a"))).chain(last))
        }),
    );
    let world = World::start(router).await;
    let mut body = world.send(Method::GET, "/").await.into_body();
    body.frame().await.unwrap().unwrap();
    world.stop.notify_one();
    assert_eq!(world.server.spans().len(), 0, "open");
    go_on.notify_one();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "b");
    world.both(200, None, None).await;
}

#[tokio::test]
async fn timeouts() {
    let soon = Duration::from_millis(1);
    let timeout = || TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, soon);
    let inside = World::with(false, |layer| endless().layer(timeout()).layer(layer)).await;
    inside.get("/never").await;
    inside.both(504, Some("504"), Some("504")).await;

    let outside = World::with(false, |layer| endless().layer(layer).layer(timeout())).await;
    outside.get("/never").await;
    finished(&outside.server, "server", None, Some("cancelled")).await;
    finished(&outside.client, "client", Some(504), Some("504")).await;

    // Of the client, inside and outside of its layer.
    let hang =
        || tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    for (inside, error_type) in [(true, Some("Elapsed")), (false, None)] {
        let recorded = Recorded::new();
        let request = Request::get("http://h/").body(Body::empty()).unwrap();
        let layer = client(&recorded);
        let failed = match inside {
            true => ServiceBuilder::new()
                .layer(layer)
                .timeout(soon)
                .service(hang())
                .oneshot(request)
                .await
                .is_err(),
            false => ServiceBuilder::new()
                .timeout(soon)
                .layer(layer)
                .service(hang())
                .oneshot(request)
                .await
                .is_err(),
        };
        assert!(failed);
        finished(&recorded, "client", None, error_type).await;
    }
}

#[tokio::test]
async fn limits() {
    let request = || Request::get("http://h/").body(Body::empty()).unwrap();
    let pause = Duration::from_millis(50);
    let slow = || {
        tower::service_fn(move |_: Request<Body>| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, Infallible>(Response::new(Body::empty()))
        })
    };
    // The wait for a limit inside of the layer is part of the request.
    for is_server in [true, false] {
        let recorded = Recorded::new();
        let builder = ServiceBuilder::new();
        let send = async |mut service: tower::util::BoxService<Request<Body>, (), Infallible>| {
            service.ready().await.unwrap().call(request()).await.unwrap();
        };
        let limit = tower::limit::GlobalConcurrencyLimitLayer::new(1);
        let boxed = || match is_server {
            true => builder
                .clone()
                .layer(server(&recorded))
                .layer(limit.clone())
                .service(slow())
                .map_response(drop)
                .boxed(),
            false => builder
                .clone()
                .layer(client(&recorded))
                .layer(limit.clone())
                .service(slow())
                .map_response(drop)
                .boxed(),
        };
        tokio::join!(send(boxed()), send(boxed()));
        let spans = recorded.ended(2).await;
        let lasted = |at: usize| spans[at].end_time.duration_since(spans[at].start_time).unwrap();
        assert!(lasted(1) >= pause * 2, "{:?}, {:?}", lasted(0), lasted(1));
    }
    // What is shed outside of the layer does not reach it.
    let recorded = Recorded::new();
    let service =
        ServiceBuilder::new().load_shed().concurrency_limit(0).layer(server(&recorded)).service(slow());
    service.oneshot(request()).await.unwrap_err();
    assert_eq!(recorded.spans().len(), 0);
}

#[tokio::test]
async fn compression() {
    let text = || async { "a".repeat(10_000) };
    for inside in [true, false] {
        let router = Router::new().route("/", get(text));
        let world = World::with(false, |layer| {
            let layer = layer.record_body_sizes();
            match inside {
                true => router.layer(CompressionLayer::new()).layer(layer),
                false => router.layer(layer).layer(CompressionLayer::new()),
            }
        })
        .await;
        let mut request = world.request(Method::GET, "/");
        request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
        let response = world.http.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let sent = response.into_body().collect().await.unwrap().to_bytes().len() as i64;
        world.both(200, None, None).await;
        let span = world.server.spans().remove(0);
        // What left the layer: compressed if the compression is inside of it.
        let expected = if inside { sent } else { 10_000 };
        assert_eq!(value(&span.attributes, "http.response.body.size"), Some(&Value::I64(expected)));
    }
}

#[tokio::test]
async fn body_limits() {
    let read = || Router::new().route("/", post(|body: Bytes| async move { body.len().to_string() }));
    let send = async |world: &World| {
        let mut request = world.request(Method::POST, "/");
        *request.body_mut() = Body::from(vec![7; 1000]);
        let response = world.http.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 413);
        response.into_body().collect().await.unwrap();
    };
    let inside = World::with(false, |layer| read().layer(RequestBodyLimitLayer::new(10)).layer(layer)).await;
    send(&inside).await;
    inside.both(413, None, Some("413")).await;

    let outside = World::with(false, |layer| read().layer(layer).layer(RequestBodyLimitLayer::new(10))).await;
    send(&outside).await;
    finished(&outside.client, "client", Some(413), Some("413")).await;
    assert_eq!(outside.server.spans().len(), 0, "it did not get that far");

    let of_axum = World::with(false, |layer| read().layer(DefaultBodyLimit::max(10)).layer(layer)).await;
    send(&of_axum).await;
    of_axum.both(413, None, Some("413")).await;
}

#[tokio::test]
async fn routers() {
    let found = || async { "found" };
    let missing = || async { StatusCode::NOT_FOUND };
    let inner = Router::new().route("/{item}", get(found)).fallback(missing);
    let service =
        tower::service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let world = World::with(false, |layer| {
        let routes = Router::new()
            .route("/", get(found))
            .nest("/shop", Router::new().nest("/items", inner))
            .route_service("/files/{*path}", service)
            .fallback(missing);
        // Around the router, so that fallbacks are covered, and at its routes, so that they report themselves.
        Router::new()
            .fallback_service(ServiceBuilder::new().layer(layer.clone()).service(routes.layer(layer)))
    })
    .await;
    for (path, name, status) in [
        ("/", "GET /", 200),
        ("/shop/items/7", "GET /shop/items/{item}", 200),
        ("/files/a/b/c", "GET /files/{*path}", 200),
        ("/shop/items/7/8", "GET", 404),
        ("/shop/nowhere", "GET", 404),
        ("/nowhere/at/all", "GET", 404),
    ] {
        let before = world.server.spans().len();
        world.get(path).await;
        let span = world.server.ended(before + 1).await.pop().unwrap();
        assert_eq!(span.name, name, "{path}");
        let route = name.strip_prefix("GET ").map(str::to_owned);
        assert_eq!(attribute(&span, "http.route"), route, "{path}");
        assert_eq!(attribute(&span, "http.response.status_code"), Some(status.to_string()), "{path}");
    }
    assert_eq!(active(&world.server, "server"), 0.0);
}

/// The request goes on as it came, with the headers and extensions that the server's layer and its client left.
#[tokio::test]
async fn a_proxy_that_forwards_a_request_continues_its_trace() {
    grpc_support::propagate();
    for http2 in [false, true] {
        let backend = World::start(Router::new().route("/items/{item}", get(|| async { "item" }))).await;
        let (client, address) = (backend.http.clone(), backend.address);
        let forward = move |mut request: Request<Body>| {
            let uri = format!("http://{address}{}", request.uri().path()).parse().unwrap();
            *request.uri_mut() = uri;
            *request.version_mut() = http::Version::HTTP_11;
            client.clone().oneshot(request)
        };
        let forward = move |request| {
            let response = forward(request);
            async { response.await.unwrap().map(Body::new) }
        };
        let proxy = World::with(http2, |layer| Router::new().fallback(forward).layer(layer)).await;
        assert_eq!(proxy.get("/items/7").await, "item");
        let mut chain = Vec::new();
        for (recorded, side) in [
            (&proxy.client, "client"),
            (&proxy.server, "server"),
            (&backend.client, "client"),
            (&backend.server, "server"),
        ] {
            chain.push(finished(recorded, side, Some(200), None).await);
        }
        for pair in chain.windows(2) {
            assert_eq!(pair[1].parent_span_id, pair[0].span_context.span_id(), "{chain:?}");
            assert_eq!(pair[1].span_context.trace_id(), pair[0].span_context.trace_id());
        }
    }
}
