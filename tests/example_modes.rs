//! The examples `grpc_service` and `http_service` as the programs that a person starts: with arguments, until a signal.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]
#![expect(clippy::duplicate_mod, reason = "the two services share files")]

mod child_process;
#[path = "../examples/grpc_service/main.rs"]
#[expect(dead_code, reason = "its `main`")]
mod grpc_service;
#[path = "../examples/http_service/main.rs"]
#[expect(dead_code, reason = "its `main`")]
mod http_service;

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use child_process::Running;
use serde_json::Value;
use telemetry_bootstrap::testing::{Collector, SpanKind};

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    let arguments = std::env::var(ARGUMENTS).unwrap();
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ended = match arguments[..] {
        ["grpc_service", ref arguments @ ..] => runtime.block_on(grpc_service::run(arguments)),
        ["http_service", ref arguments @ ..] => runtime.block_on(http_service::run(arguments)),
        _ => panic!("no such example: {arguments:?}"),
    };
    ended.unwrap();
}

/// An example that runs in a process of its own.
struct Example {
    process: Running,
    /// Its log lines, as they are written.
    lines: Receiver<String>,
    seen: Vec<Value>,
}

impl Example {
    /// Starts an example with these arguments. Telemetry goes to `endpoint`, unless that is empty.
    fn start(arguments: &str, endpoint: &str) -> Self {
        let mut process = Running::start(
            child_process::command("child")
                .envs([(ARGUMENTS, arguments), ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)])
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
        );
        let lines = child_process::read_lines(process.stderr.take().unwrap());
        Self { process, lines, seen: Vec::new() }
    }

    /// Waits for a line with this message and returns it.
    fn line(&mut self, message: &str) -> Value {
        let is_wanted = |line: &&Value| line["message"] == message;
        loop {
            if let Some(line) = self.seen.iter().find(is_wanted) {
                return line.clone();
            }
            assert!(self.read_line(), "no line {message:?} in {:?}", self.seen);
        }
    }

    /// Waits for so many lines with this message.
    fn wait_for_lines(&mut self, message: &str, count: usize) {
        while self.seen.iter().filter(|line| line["message"] == message).count() < count {
            assert!(self.read_line(), "too few lines {message:?} in {:?}", self.seen);
        }
    }

    /// Waits for one more line. Returns `false` if none comes.
    fn read_line(&mut self) -> bool {
        let line = self.lines.recv_timeout(LIMIT);
        self.seen.extend(line.iter().map(|line| json(line)));
        line.is_ok()
    }

    /// Requests the end with SIGTERM.
    fn terminate(&self) {
        self.process.signal("TERM");
    }

    /// Waits for the end, which must be a success. Returns all lines.
    fn end(self) -> Vec<Value> {
        let Self { process, lines, mut seen } = self;
        let status = process.end_within(LIMIT);
        seen.extend(lines.iter().map(|line| json(&line)));
        assert!(status.success(), "{status}: {seen:?}");
        seen
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| line.into())
}

/// Sends a request by hand, and returns the whole response.
fn request(address: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "{head} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

fn header<'a>(response: &'a str, name: &str) -> &'a str {
    let line = response.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {response}"))
}

fn grpc_server(endpoint: &str) -> (Example, String) {
    let mut server = Example::start("grpc_service serve 127.0.0.1:0", endpoint);
    let address = format!("127.0.0.1:{}", server.line("Starting gRPC server")["server.port"]);
    (server, address)
}

fn http_services(endpoint: &str) -> (Example, String) {
    let mut services = Example::start("http_service serve 127.0.0.1:0", endpoint);
    let address = services.line("serving")["address"].as_str().unwrap().to_owned();
    (services, address)
}

#[test]
fn grpc_service_without_an_endpoint_exports_nothing_and_logs_trace_ids() {
    let (mut server, address) = grpc_server("");
    server.line("telemetry started, nothing is exported");
    let client = Example::start(&format!("grpc_service call {address} 2"), "").end();
    server.terminate();
    let served = server.end();
    let responses: Vec<_> = client.iter().filter(|line| line["message"] == "Response received").collect();
    // Two requests and a stream of three, in each of two rounds.
    assert_eq!(responses.len(), 10);
    for response in responses {
        let id = response["trace_id"].as_str().unwrap();
        let processed = |line: &&Value| line["message"] == "Processing request" && line["trace_id"] == id;
        assert!(served.iter().any(|line| processed(&line)), "{id}: {served:?}");
    }
}

#[test]
fn grpc_client_without_a_number_of_rounds_calls_until_a_signal() {
    let (server, address) = grpc_server("");
    let begin = Instant::now();
    let mut client = Example::start(&format!("grpc_service call {address}"), "");
    // The first line of the third round, which begins two seconds after the first.
    client.wait_for_lines("Response received", 11);
    assert!(begin.elapsed() >= Duration::from_secs(2));
    client.terminate();
    client.end();
    server.terminate();
    server.end();
}

#[test]
fn grpc_service_with_an_endpoint_delivers_before_it_ends() {
    let collector = Collector::start().unwrap();
    let (server, address) = grpc_server(&collector.endpoint());
    Example::start(&format!("grpc_service call {address} 1"), &collector.endpoint()).end();
    server.terminate();
    server.end();
    let received = collector.received();
    for kind in [SpanKind::Client, SpanKind::Server] {
        let calls = received.spans_named("myservice.MyService/ProcessRequest");
        assert_eq!(calls.iter().filter(|span| span.kind() == kind).count(), 4);
    }
}

#[test]
fn http_service_answers_as_its_documentation_shows() {
    let (mut services, address) = http_services("");
    services.line("telemetry started, nothing is exported");
    for (order, status) in [("tea", "200 OK"), ("moon", "404 Not Found"), ("broken-1", "502 Bad Gateway")] {
        let response = request(&address, &format!("POST /orders/{order}"));
        assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{order}: {response}");
        let id = header(&response, "x-trace-id").to_owned();
        let is_in_trace = |line: &Value| line["trace_id"] == *id;
        while !services.seen.iter().any(is_in_trace) {
            assert!(services.read_line(), "no line of the trace {id}: {:?}", services.seen);
        }
    }
    let progress = request(&address, "GET /orders/tea/progress");
    assert_eq!(header(&progress, "content-type"), "text/event-stream");
    services.terminate();
    services.end();
}

#[test]
fn http_service_with_an_endpoint_delivers_before_it_ends() {
    let collector = Collector::start().unwrap();
    let (services, address) = http_services(&collector.endpoint());
    let response = request(&address, "POST /orders/tea");
    services.terminate();
    services.end();
    let trace = collector.received().trace(header(&response, "x-trace-id"));
    assert!(trace.iter().any(|span| span.name() == "POST /orders/{item}"), "{trace:#?}");
    assert!(trace.iter().any(|span| span.name() == "myservice.MyService/ProcessRequest"), "{trace:#?}");
}

#[tokio::test]
async fn wrong_arguments_are_an_error_with_the_usage() {
    let usage = |ended: Result<(), Box<dyn Error>>| ended.unwrap_err().to_string();
    assert!(usage(grpc_service::run(&["server"]).await).starts_with("usage: grpc_service"));
    assert!(usage(http_service::run(&["serve", "a", "b"]).await).starts_with("usage: http_service"));
}

const ARGUMENTS: &str = "EXAMPLE_ARGUMENTS";
/// For whatever is waited for.
const LIMIT: Duration = Duration::from_secs(20);
