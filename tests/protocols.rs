//! What happens where the protocol is not configured and the peer speaks the other one, and what a gateway in front of
//! the collector may answer over each.

#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "test code")]

mod local;

use std::future::ready;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use local::{Local, own};
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use telemetry_bootstrap::testing::{Collector, Fault, HttpAnswer};
use telemetry_bootstrap::{Destination, GrpcCode, Protocol, Signal};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

const SWITCHING: &str = "the collector speaks another protocol than expected, switched";

/// A receiver of HTTP/1.1 alone, which counts the spans that it gets.
fn http_only() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let spans = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&spans);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let spans = Arc::clone(&counted);
            std::thread::spawn(move || serve_http(stream, &spans));
        }
    });
    (endpoint, spans)
}

fn serve_http(stream: TcpStream, spans: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        if first.starts_with("PRI") {
            let _ = writer
                .write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            // As common servers do: closed at once, the answer would be discarded with what was not read.
            let _ = writer.shutdown(std::net::Shutdown::Write);
            let _ = reader.read_to_end(&mut Vec::new());
            return;
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            match line.trim().to_ascii_lowercase().split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        if first.starts_with("POST /v1/traces ") {
            let request: ExportTraceServiceRequest = prost::Message::decode(&body[..]).unwrap();
            let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
            spans.fetch_add(scopes.map(|scope| scope.spans.len()).sum(), Ordering::Relaxed);
        }
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    }
}

#[test]
fn a_peer_that_speaks_http_gets_everything_after_one_switch() {
    let (endpoint, spans) = http_only();
    let local = Local::with(&endpoint, |builder| builder);
    local.record(0..50);
    let (stats, lines) = local.shutdown();
    assert_eq!((stats.traces.delivered, stats.lost()), (50, 0), "{stats}");
    assert_eq!(spans.load(Ordering::Relaxed), 50, "each of them once");
    let own = own(&lines);
    assert!(own.iter().all(|line| line["message"] == SWITCHING && line["level"] == "INFO"), "{own:#?}");
    assert_eq!(own.len(), 1, "one line for all signals: {own:#?}");
    assert_eq!(own[0]["setting"], "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf");
}

/// A web server answers a TLS handshake in plain HTTP.
#[cfg(feature = "tls")]
#[test]
fn an_https_endpoint_that_speaks_no_tls_is_no_other_protocol() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let local = Local::with(&endpoint, |builder| builder);
    local.record(0..5);
    let (_, lines) = local.shutdown();
    let own = own(&lines);
    assert_eq!(own[0]["error"], "the peer does not answer in TLS", "{own:#?}");
    assert!(own[0]["check"].as_str().unwrap().contains("write http://"), "{own:#?}");
    assert!(own.iter().all(|line| line["message"] != SWITCHING), "{own:#?}");
}

/// A receiver of gRPC alone, which counts the spans that it gets.
struct GrpcOnly(Arc<AtomicUsize>);

#[tonic::async_trait]
impl TraceService for GrpcOnly {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let resources = request.into_inner().resource_spans;
        let scopes = resources.iter().flat_map(|resource| &resource.scope_spans);
        self.0.fetch_add(scopes.map(|scope| scope.spans.len()).sum(), Ordering::Relaxed);
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

#[test]
fn a_peer_that_speaks_grpc_gets_everything_after_one_switch() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let spans = Arc::new(AtomicUsize::new(0));
    let incoming = {
        let _inside = runtime.enter();
        TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap()
    };
    // A path means HTTP at first.
    let endpoint = format!("http://{}/otlp", incoming.local_addr().unwrap());
    let service = TraceServiceServer::new(GrpcOnly(Arc::clone(&spans)));
    runtime.spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    let local = Local::with(&endpoint, |builder| {
        builder.metrics(|metrics| metrics.export(false)).logs(|logs| logs.export(false))
    });
    local.record(0..50);
    let (stats, lines) = local.shutdown();
    assert_eq!((stats.traces.delivered, stats.lost()), (50, 0), "{stats}: {lines:?}");
    assert_eq!(spans.load(Ordering::Relaxed), 50, "each of them once");
    let own = own(&lines);
    assert_eq!((own.len(), &own[0]["message"]), (1, &SWITCHING.into()), "{own:#?}");
    assert_eq!(own[0]["setting"], "OTEL_EXPORTER_OTLP_PROTOCOL=grpc");
}

/// A gateway has only pages until the receiver behind it is there.
#[test]
fn a_guess_that_pages_have_made_wrong_is_corrected() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let spans = Arc::new(AtomicUsize::new(0));
    let incoming = {
        let _inside = runtime.enter();
        TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap()
    };
    let endpoint = format!("http://{}", incoming.local_addr().unwrap());
    let is_starting = Arc::new(AtomicBool::new(true));
    let is_page = Arc::clone(&is_starting);
    let gateway = tower::layer::layer_fn(move |inner| Gateway { inner, is_starting: Arc::clone(&is_page) });
    let service = TraceServiceServer::new(GrpcOnly(Arc::clone(&spans)));
    let server = Server::builder().accept_http1(true).layer(gateway).add_service(service);
    runtime.spawn(server.serve_with_incoming(incoming));
    let local = Local::with(&endpoint, |builder| {
        builder.metrics(|metrics| metrics.export(false)).logs(|logs| logs.export(false))
    });
    for _ in 0..3 {
        local.record(0..5);
        local.guard.force_flush(Duration::from_secs(5)).unwrap_err();
    }
    is_starting.store(false, Ordering::Relaxed);
    local.record(0..50);
    let (stats, lines) = local.shutdown();
    assert_eq!((stats.traces.delivered, stats.traces.failed), (50, 15), "{stats}: {lines:?}");
    assert_eq!(spans.load(Ordering::Relaxed), 50, "each of them once");
    let own = own(&lines);
    assert!(own.iter().all(|line| line["message"] != SWITCHING), "it speaks what was expected: {own:#?}");
}

/// Answers with pages at first.
#[derive(Clone)]
struct Gateway<S> {
    inner: S,
    is_starting: Arc<AtomicBool>,
}

impl<S, B> tower::Service<http::Request<B>> for Gateway<S>
where
    S: tower::Service<http::Request<B>, Response = http::Response<tonic::body::Body>>,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if self.is_starting.load(Ordering::Relaxed) {
            let page = http::Response::builder().status(404).header("content-type", "text/html");
            return Box::pin(ready(Ok(page.body(tonic::body::Body::empty()).unwrap())));
        }
        Box::pin(self.inner.call(request))
    }
}

/// Both signals meet the wrong protocol. The answer to metrics comes after traces were delivered by the other one.
#[test]
fn request_that_is_answered_after_the_switch_is_sent_again() {
    const NEVER: Duration = Duration::from_secs(3600);
    for status in [404, 200] {
        let collector = Collector::start().unwrap();
        let page = HttpAnswer::new(status).header("content-type", "text/html").body("<h1>nginx</h1>");
        for (signal, delay) in [(Signal::Traces, 200), (Signal::Metrics, 600)] {
            collector.inject_fault(Fault::Delay(Duration::from_millis(delay)).on(signal).times(1));
            collector.inject_fault(page.clone().times(1).on(signal));
        }
        let local = Local::with(&collector.endpoint(), |builder| {
            builder
                .traces(|traces| traces.scheduled_delay(NEVER))
                .metrics(|metrics| metrics.interval(NEVER))
                .logs(|logs| logs.export(false))
        });
        local.record(0..5);
        let (stats, lines) = local.shutdown();
        assert_eq!((stats.traces.delivered, stats.metrics.delivered, stats.lost()), (5, 1, 0), "{stats}");
        let own = own(&lines);
        assert_eq!((own.len(), &own[0]["message"]), (1, &SWITCHING.into()), "{own:#?}");
    }
}

#[test]
fn a_configured_protocol_stays_where_another_destination_has_switched() {
    let (endpoint, spans) = http_only();
    let local = Local::with(&endpoint, |builder| {
        builder.destination(Destination::otlp(&endpoint).protocol(Protocol::Grpc))
    });
    local.record(0..5);
    let (stats, _) = local.shutdown();
    assert_eq!((stats.traces.delivered, stats.traces.failed), (5, 5), "{stats}");
    assert_eq!(spans.load(Ordering::Relaxed), 5);
}

#[test]
fn a_configured_protocol_is_not_switched_and_the_advice_names_the_other_one() {
    let (endpoint, spans) = http_only();
    let local = Local::with(&endpoint, |builder| builder.protocol(Protocol::Grpc));
    local.record(0..5);
    let (stats, lines) = local.shutdown();
    assert_eq!((stats.traces.failed, spans.load(Ordering::Relaxed)), (5, 0), "{stats}");
    let failing = own(&lines)[0];
    let check = failing["check"].as_str().unwrap();
    assert!(check.contains("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"), "{failing}");
}

#[test]
fn a_gateway_that_is_busy_loses_nothing_over_any_protocol() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
        let collector = Collector::start().unwrap();
        for status in [502, 503, 504, 429, 413] {
            let page = HttpAnswer::new(status).header("content-type", "text/html").body("<h1>nginx</h1>");
            // A collection of one point cannot be split.
            collector.inject_fault(page.times(2).on(Signal::Traces));
        }
        let local = Local::with(&collector.endpoint(), |builder| builder.protocol(protocol));
        local.record(0..100);
        let (stats, _) = local.shutdown();
        assert_eq!((stats.traces.delivered, stats.lost()), (100, 0), "{protocol:?}: {stats}");
        assert_eq!(collector.received().span_count(), 100, "{protocol:?}");
    }
}

#[test]
fn what_a_receiver_repeats_of_a_request_is_not_logged() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
        for fault in [
            Fault::status(GrpcCode::InvalidArgument, "no tenant for key hunter2!, only for Bearer abcdefgh"),
            Fault::partial_success(1, "key hunter2! is over its limit"),
            Fault::Http(HttpAnswer::new(400).body("<p>key hunter2! Bearer abcdefgh</p>")),
        ] {
            let collector = Collector::start().unwrap();
            collector.inject_fault(fault.times(1).on(Signal::Traces));
            let local = Local::with(&collector.endpoint(), |builder| {
                builder
                    .protocol(protocol)
                    .header("x-api-key", "hunter2!")
                    .header("authorization", "Bearer abcdefgh")
            });
            local.record(0..5);
            let (_, lines) = local.shutdown();
            let text = format!("{:?}", own(&lines));
            assert!(text.contains("key [redacted]"), "{protocol:?}: {text}");
            assert!(!text.contains("hunter2") && !text.contains("abcdefgh"), "{protocol:?}: {text}");
        }
    }
}
