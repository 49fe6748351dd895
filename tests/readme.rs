//! The README's code, run as it stands there, each program in a process of its own and seen from a collector.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

mod child_process;

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use child_process::Running;
use telemetry_bootstrap::testing::{CollectedSpan, CollectedTelemetry, Collector, SpanKind};

/// The files in `tests/readme` hold the README's code. An address there is a function, so that a test can choose a port.
mod programs {
    use std::error::Error;

    fn address() -> String {
        std::env::var("README_ADDRESS").unwrap()
    }

    fn target() -> &'static str {
        Box::leak(format!("http://{}", address()).into_boxed_str())
    }

    mod quick_start {
        include!("readme/quick_start.rs");

        pub(super) fn run() -> Result<(), Box<dyn std::error::Error>> {
            main()
        }
    }

    mod grpc_server {
        use super::address;
        include!("readme/grpc_server.rs");

        pub(super) fn run() -> Result<(), Box<dyn std::error::Error>> {
            main()
        }
    }

    mod http_server {
        use super::address;
        include!("readme/http_server.rs");

        /// Responses that never end, a WebSocket, and a handler that blocks its thread.
        fn streams() -> Router {
            use axum::extract::ws::WebSocketUpgrade;
            use axum::response::sse::{Event, Sse};
            use tokio_stream::StreamExt as _;
            let events = || async {
                let first = tokio_stream::once(Ok::<_, std::convert::Infallible>(Event::default().data("1")));
                Sse::new(first.chain(tokio_stream::pending()))
            };
            let echo = |upgrade: WebSocketUpgrade| async {
                upgrade.on_upgrade(|mut socket| async move {
                    while let Some(Ok(message)) = socket.recv().await {
                        let _ = socket.send(message).await;
                    }
                })
            };
            let blocks = || async { std::thread::sleep(std::time::Duration::from_secs(60)) };
            Router::new()
                .route("/events", get(events))
                .route("/socket", get(echo))
                .route("/blocks", get(blocks))
        }

        pub(super) fn run() -> Result<(), Box<dyn std::error::Error>> {
            main()
        }
    }

    mod grpc_client {
        use super::target;
        include!("readme/grpc_client.rs");

        pub(super) fn run() -> Result<(), Box<dyn std::error::Error>> {
            let telemetry = telemetry_bootstrap::init().service_name("client").build()?;
            tokio::runtime::Runtime::new()?.block_on(async {
                tonic_health::pb::health_client::HealthClient::new(channel())
                    .check(tonic_health::pb::HealthCheckRequest::default())
                    .await
            })?;
            telemetry.shutdown()?;
            Ok(())
        }
    }

    mod http_client {
        use super::address;
        include!("readme/http_client.rs");

        pub(super) fn run() -> Result<(), Box<dyn std::error::Error>> {
            let telemetry = telemetry_bootstrap::init().service_name("client").build()?;
            tokio::runtime::Runtime::new()?.block_on(async {
                let request = http::Request::get(format!("http://{}/orders/7", address()));
                let response = tower::ServiceExt::oneshot(client(), request.body(String::new())?).await?;
                http_body_util::BodyExt::collect(response.into_body()).await?;
                Ok::<_, Box<dyn std::error::Error>>(())
            })?;
            telemetry.shutdown()?;
            Ok(())
        }
    }

    mod reqwest_client {
        use super::address;
        include!("readme/reqwest_client.rs");

        pub(super) fn run() -> Result<(), Box<dyn std::error::Error>> {
            let telemetry = telemetry_bootstrap::init().service_name("client").build()?;
            tokio::runtime::Runtime::new()?.block_on(async {
                client().get(format!("http://{}/orders/7", address())).send().await?.bytes().await?;
                Ok::<_, Box<dyn std::error::Error>>(())
            })?;
            telemetry.shutdown()?;
            Ok(())
        }
    }

    mod shop {
        include!("readme/shop.rs");
        include!("readme/shop_test.rs");

        pub(super) fn run() -> Result<(), Box<dyn std::error::Error>> {
            let telemetry = telemetry_bootstrap::init().service_name("shop").build()?;
            let shop = Shop::new(&telemetry.meter("shop"));
            tokio::runtime::Runtime::new()?.block_on(shop.order(7))?;
            telemetry.shutdown()?;
            Ok(())
        }
    }

    #[test]
    #[ignore = "run by the tests below, in a process of its own"]
    fn child() -> Result<(), Box<dyn Error>> {
        match std::env::var("README_PROGRAM").as_deref() {
            Ok("quick_start") => quick_start::run(),
            Ok("grpc_server") => grpc_server::run(),
            Ok("grpc_client") => grpc_client::run(),
            Ok("http_server") => http_server::run(),
            Ok("http_client") => http_client::run(),
            Ok("reqwest_client") => reqwest_client::run(),
            Ok("shop") => shop::run(),
            other => Err(format!("no such program: {other:?}").into()),
        }
    }
}

#[test]
fn the_readme_contains_the_code_that_is_tested_here() {
    let readme = include_str!("../README.md");
    for (name, code) in [
        ("quick_start", include_str!("readme/quick_start.rs")),
        ("grpc_server", include_str!("readme/grpc_server.rs")),
        ("grpc_client", include_str!("readme/grpc_client.rs")),
        ("http_server", include_str!("readme/http_server.rs")),
        ("http_client", include_str!("readme/http_client.rs")),
        ("reqwest_client", include_str!("readme/reqwest_client.rs")),
        ("shop", include_str!("readme/shop.rs")),
        ("shop_test", include_str!("readme/shop_test.rs")),
    ] {
        let code = code
            .replace("address().parse()", "\"0.0.0.0:50051\".parse()")
            .replace("bind(address())", "bind(\"0.0.0.0:8080\")")
            .replace(".merge(streams())", "")
            .replace("target()", "\"http://greeter:50051\"");
        assert!(readme.contains(&code), "README.md and tests/readme/{name}.rs differ");
    }
}

#[test]
fn quick_start_exports_its_record() {
    let collector = Collector::start().unwrap();
    assert!(start("quick_start", &collector, "").wait().success());
    let logs = collector.logs();
    let [log] = &logs[..] else { panic!("{logs:?}") };
    assert_eq!(log.body(), "starting");
    assert_eq!(log.attribute_text("port").as_deref(), Some("50051"));
    assert_eq!(log.resource_attribute("service.name"), Some("greeter".into()));
    assert_eq!(log.resource_attribute("service.version"), Some(env!("CARGO_PKG_VERSION").into()));
}

#[test]
fn grpc_server_and_client_record_one_trace() {
    let collector = Collector::start().unwrap();
    let address = free_address();
    let server = start("grpc_server", &collector, &address);
    wait_for_listener(&address);
    assert!(start("grpc_client", &collector, &address).wait().success());
    assert!(server.terminate().success());

    let received = collector.received();
    let calls = received.spans_named("grpc.health.v1.Health/Check");
    let [call] = &of_kind(&calls, SpanKind::Client)[..] else { panic!("{calls:?}") };
    let [served] = &of_kind(&calls, SpanKind::Server)[..] else { panic!("{calls:?}") };
    assert!(call.is_parent_of(served), "{calls:?}");
    for metric in ["rpc.client.call.duration", "rpc.server.call.duration"] {
        assert_eq!(count(&received, metric), 1, "{metric}");
    }
    assert!(received.value("tokio.runtime.worker.count", &[]).is_some(), "made after `build()`, and found");
}

#[test]
fn http_server_records_the_route() {
    let collector = Collector::start().unwrap();
    let address = free_address();
    let server = start("http_server", &collector, &address);
    wait_for_listener(&address);
    assert_eq!(get(&address, "/orders/7"), "shipped");
    assert!(server.terminate().success());

    let received = collector.received();
    assert!(received.value("tokio.runtime.worker.count", &[]).is_some(), "made after `build()`, and found");
    let spans = received.spans();
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((span.name(), span.kind()), ("GET /orders/{id}", SpanKind::Server));
    assert_eq!(count(&received, "http.server.request.duration"), 1);
}

#[test]
fn http_server_and_clients_record_one_trace() {
    for client in ["http_client", "reqwest_client"] {
        let collector = Collector::start().unwrap();
        let address = free_address();
        let server = start("http_server", &collector, &address);
        wait_for_listener(&address);
        assert!(start(client, &collector, &address).wait().success());
        assert!(server.terminate().success());

        let received = collector.received();
        let spans = received.spans();
        let [sent] = &of_kind(&spans, SpanKind::Client)[..] else { panic!("{spans:?}") };
        let [served] = &of_kind(&spans, SpanKind::Server)[..] else { panic!("{spans:?}") };
        assert!(sent.is_parent_of(served), "{spans:?}");
        assert_eq!(count(&received, "http.client.request.duration"), 1);
    }
}

#[test]
fn shop_records_its_span_record_and_metrics() {
    let collector = Collector::start().unwrap();
    assert!(start("shop", &collector, "").wait().success());
    let received = collector.received();
    let [span] = &received.spans_named("order")[..] else { panic!("{received:?}") };
    assert_eq!(span.attribute_text("id").as_deref(), Some("7"));
    let log = received.log("order placed");
    assert_eq!((log.trace_id(), log.attribute_text("order.id")), (Some(span.trace_id()), Some("7".into())));
    assert_eq!(received.value("shop.orders", &[("error", "false")]), Some(1.0));
    assert_eq!(count(&received, "shop.order.duration"), 1);
}

#[test]
fn servers_end_without_an_error_while_the_collector_is_down() {
    let collector = Collector::start().unwrap();
    collector.stop();
    for program in ["grpc_server", "http_server"] {
        let address = free_address();
        let server = start(program, &collector, &address);
        wait_for_listener(&address);
        if program == "http_server" {
            assert_eq!(get(&address, "/orders/7"), "shipped");
        }
        assert!(server.terminate().success(), "{program}");
    }
}

/// Calls that are open when the signal comes get five seconds.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_does_not_keep_the_grpc_server_alive() {
    let collector = Collector::start().unwrap();
    let address = free_address();
    let server = start("grpc_server", &collector, &address);
    wait_for_listener(&address);
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = tonic_health::pb::health_client::HealthClient::new(channel.connect_lazy());
    let request = tonic_health::pb::HealthCheckRequest::default();
    let mut states = client.watch(request).await.unwrap().into_inner();
    states.message().await.unwrap().unwrap();
    let begin = Instant::now();
    let status = tokio::task::spawn_blocking(|| server.terminate()).await.unwrap();
    assert!(status.success());
    assert!(GRACE.contains(&begin.elapsed()), "{:?}", begin.elapsed());
    // The stream ended with the program, and is recorded.
    let span = collector.received().span("grpc.health.v1.Health/Watch");
    assert_eq!(span.attribute_text("rpc.status_code").as_deref(), Some("CANCELLED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_and_blocked_handlers_do_not_keep_the_http_server_alive() {
    use futures_util::{SinkExt as _, StreamExt as _};
    use std::io::{Read as _, Write as _};
    use tokio_tungstenite::tungstenite::Message;

    let collector = Collector::start().unwrap();
    let address = free_address();
    let server = start("http_server", &collector, &address);
    wait_for_listener(&address);
    let mut events = std::net::TcpStream::connect(&address).unwrap();
    write!(events, "GET /events HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"data: 1\n\n\r\n") {
        let mut piece = [0; 1024];
        let length = events.read(&mut piece).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&piece[..length]);
    }
    let connection = tokio::net::TcpStream::connect(&address).await.unwrap();
    let url = format!("ws://{address}/socket");
    let (mut socket, _) = tokio_tungstenite::client_async(url, connection).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));

    let mut blocked = std::net::TcpStream::connect(&address).unwrap();
    write!(blocked, "GET /blocks HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();

    let begin = Instant::now();
    let status = tokio::task::spawn_blocking(|| server.terminate()).await.unwrap();
    assert!(status.success());
    assert!(GRACE.contains(&begin.elapsed()), "{:?}", begin.elapsed());
    let received = collector.received();
    for (name, code, error_type) in [("GET /events", "200", Some("cancelled")), ("GET /socket", "101", None)]
    {
        let span = received.span(name);
        assert_eq!(span.attribute_text("http.response.status_code").as_deref(), Some(code));
        assert_eq!(span.attribute_text("error.type").as_deref(), error_type);
        let attributes = [("http.route", &name["GET ".len()..])];
        assert_eq!(received.histogram("http.server.request.duration", &attributes).unwrap().count, 1);
    }
}

/// A program of the README that runs in a child process.
struct Program(Running);

fn start(program: &str, collector: &Collector, address: &str) -> Program {
    Program(Running::start(child_process::command("programs::child").envs([
        ("README_PROGRAM", program),
        ("README_ADDRESS", address),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint()),
        ("OTEL_RUST_BUILT_IN_METRICS", "tokio"),
    ])))
}

impl Program {
    fn wait(self) -> ExitStatus {
        self.0.end_within(LIMIT)
    }

    fn terminate(self) -> ExitStatus {
        self.0.signal("TERM");
        self.wait()
    }
}

fn of_kind(spans: &[CollectedSpan], kind: SpanKind) -> Vec<&CollectedSpan> {
    spans.iter().filter(|span| span.kind() == kind).collect()
}

/// Returns the number of measurements of a histogram.
fn count(received: &CollectedTelemetry, metric: &str) -> u64 {
    received.histogram(metric, &[]).unwrap().count
}

/// An address of this machine at which nothing listens.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn wait_for_listener(address: &str) {
    let deadline = Instant::now() + LIMIT;
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "nothing listens at {address}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the body of the answer to a GET request.
fn get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

const LIMIT: Duration = Duration::from_secs(30);
/// When a program of the README ends that has open streams: five seconds after the signal.
const GRACE: std::ops::Range<Duration> = Duration::from_secs(4)..Duration::from_secs(15);
