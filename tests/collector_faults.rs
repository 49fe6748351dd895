//! What the collector for tests does wrong on demand, and how exactly it counts meanwhile.

#![allow(clippy::unwrap_used, reason = "a test")]

mod otlp;

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use telemetry_bootstrap::testing::{Collector, Fault};
use telemetry_bootstrap::{GrpcCode, Signal};
use tonic::transport::Channel;
use tonic_types::StatusExt;

const LIMIT: Duration = Duration::from_secs(10);

async fn client(collector: &Collector) -> TraceServiceClient<Channel> {
    TraceServiceClient::connect(collector.endpoint()).await.unwrap()
}

#[tokio::test]
async fn status_fault_is_answered_as_often_as_requested_and_nothing_is_kept() {
    let collector = Collector::start().unwrap();
    let mut client = client(&collector).await;
    collector.inject_fault(Fault::status(GrpcCode::Unavailable, "try later").times(2));
    for _ in 0..2 {
        let status = client.export(otlp::spans(1)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (tonic::Code::Unavailable, "try later"));
    }
    client.export(otlp::spans(3)).await.unwrap();
    assert_eq!(collector.received().span_count(), 3);
}

#[tokio::test]
async fn a_fault_stays_until_it_is_cleared() {
    let collector = Collector::start().unwrap();
    let mut client = client(&collector).await;
    collector.inject_fault(Fault::status(GrpcCode::PermissionDenied, "no"));
    for _ in 0..3 {
        client.export(otlp::spans(1)).await.unwrap_err();
    }
    collector.clear_faults();
    client.export(otlp::spans(1)).await.unwrap();
}

#[tokio::test]
async fn a_fault_of_one_signal_leaves_the_others_alone() {
    let collector = Collector::start().unwrap();
    let mut clients = otlp::Clients::new(collector.endpoint());
    collector.inject_fault(Fault::status(GrpcCode::Unavailable, "").on(Signal::Logs));
    clients.traces.export(otlp::spans(1)).await.unwrap();
    clients.logs.export(otlp::logs(&["lost"])).await.unwrap_err();
}

#[tokio::test]
async fn retry_info_holds_the_pause() {
    let collector = Collector::start().unwrap();
    let mut client = client(&collector).await;
    collector.inject_fault(Fault::retry_after(Duration::from_millis(1_500)));
    let status = client.export(otlp::spans(1)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    let info = status.get_details_retry_info().unwrap();
    assert_eq!(info.retry_delay, Some(Duration::from_millis(1_500)));
}

#[tokio::test]
async fn partial_success_keeps_what_it_did_not_reject() {
    let collector = Collector::start().unwrap();
    let mut client = client(&collector).await;
    collector.inject_fault(Fault::partial_success(2, "too old").times(1));
    let answer = client.export(otlp::spans(5)).await.unwrap().into_inner().partial_success.unwrap();
    assert_eq!((answer.rejected_spans, &*answer.error_message), (2, "too old"));
    let kept: Vec<_> = collector.spans().iter().map(|span| span.attribute_text("number").unwrap()).collect();
    assert_eq!(kept, ["0", "1", "2"]);

    collector.inject_fault(Fault::partial_success(100, "all too old"));
    let answer = client.export(otlp::spans(5)).await.unwrap().into_inner().partial_success.unwrap();
    assert_eq!(answer.rejected_spans, 5);
    assert_eq!(collector.received().span_count(), 3);
}

#[tokio::test]
async fn requests_over_the_size_limit_are_refused_as_collectors_do() {
    let collector = Collector::start().unwrap();
    let mut client = client(&collector).await;
    collector.inject_fault(Fault::MaxMessageSize(500));
    let status = client.export(otlp::spans(100)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    assert!(status.message().contains("received message larger than max"), "{status}");
    client.export(otlp::spans(1)).await.unwrap();

    collector.clear_faults();
    let mut huge = otlp::span(1, 0, "huge");
    huge.name = "x".repeat(4 << 20);
    let status = client.export(otlp::traces(vec![huge])).await.unwrap_err();
    assert!(status.message().ends_with("vs. 4194304)"), "{status}");
    assert_eq!(collector.received().span_count(), 1);
}

#[tokio::test]
async fn a_late_answer_is_kept_unless_the_client_gave_up() {
    let collector = Collector::start().unwrap();
    let mut patient = client(&collector).await;
    collector.inject_fault(Fault::Delay(Duration::from_millis(50)).times(1));
    let start = Instant::now();
    patient.export(otlp::spans(1)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert_eq!(collector.received().span_count(), 1);

    collector.inject_fault(Fault::Delay(Duration::from_millis(200)).times(1));
    let mut request = tonic::Request::new(otlp::spans(1));
    request.set_timeout(Duration::from_millis(20));
    patient.export(request).await.unwrap_err();
    // The next request is answered after the delay of the first would have ended.
    collector.inject_fault(Fault::Delay(Duration::from_millis(300)).times(1));
    patient.export(otlp::spans(1)).await.unwrap();
    assert_eq!(collector.received().span_count(), 2);
}

#[tokio::test]
async fn a_delay_goes_together_with_another_fault() {
    let collector = Collector::start().unwrap();
    let mut client = client(&collector).await;
    collector.inject_fault(Fault::Delay(Duration::from_millis(30)));
    collector.inject_fault(Fault::status(GrpcCode::Internal, "late and wrong"));
    let start = Instant::now();
    let status = client.export(otlp::spans(1)).await.unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert_eq!(status.message(), "late and wrong");
}

#[tokio::test]
async fn silence_never_answers_but_ends_with_the_collector() {
    let collector = Collector::start().unwrap();
    let mut client = client(&collector).await;
    collector.inject_fault(Fault::Silence);
    let mut request = tonic::Request::new(otlp::spans(1));
    request.set_timeout(Duration::from_millis(30));
    client.export(request).await.unwrap_err();

    let collector = Arc::new(collector);
    let stopping = Arc::clone(&collector);
    let stop = tokio::task::spawn_blocking(move || stopping.stop());
    let (answer, stopped) = tokio::join!(client.export(otlp::spans(1)), stop);
    stopped.unwrap();
    answer.unwrap_err();
    assert_eq!(collector.received().span_count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_collector_refuses_connections_and_restarts_on_its_port() {
    let collector = Collector::start().unwrap();
    let endpoint = collector.endpoint();
    let mut first = client(&collector).await;
    first.export(otlp::spans(1)).await.unwrap();
    collector.stop();
    assert_eq!(connect(&endpoint).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    first.export(otlp::spans(1)).await.unwrap_err();

    collector.restart().unwrap();
    assert_eq!(collector.endpoint(), endpoint);
    first.export(otlp::spans(1)).await.unwrap();
    assert_eq!(collector.received().span_count(), 2);
    assert_eq!(collector.connections(), 2);
}

/// The heart of every test of delivery: what was acknowledged to clients, no more and no less, is what was kept.
#[test]
fn exactly_the_acknowledged_spans_are_kept_across_restarts_under_load() {
    let collector = Collector::start().unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let clients = [(); 4].map(|()| {
        let (endpoint, done) = (collector.endpoint(), Arc::clone(&done));
        std::thread::spawn(move || export_until(&done, endpoint))
    });
    for _ in 0..20 {
        let before = collector.received().span_count();
        collector.wait_for(LIMIT, |received| received.span_count() >= before + 20).unwrap();
        collector.restart().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let acknowledged: usize = clients.map(|client| client.join().unwrap()).iter().sum();
    assert_eq!(collector.received().span_count(), acknowledged);
}

#[test]
fn a_refused_endpoint_stays_refused() {
    let endpoint = Collector::closed_endpoint().unwrap();
    assert_eq!(connect(&endpoint).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(endpoint, Collector::closed_endpoint().unwrap());
}

#[test]
fn silent_endpoint_accepts_and_never_answers() {
    let silent = Collector::silent().unwrap();
    let mut stream = connect(&silent.endpoint()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
fn a_taken_port_is_an_error() {
    let first = Collector::start().unwrap();
    assert_eq!(Collector::start_on(first.port()).unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn dropping_the_collector_closes_listener_and_connections() {
    let collector = Collector::start().unwrap();
    let endpoint = collector.endpoint();
    let mut stream = connect(&endpoint).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    drop(collector);
    assert_eq!(connect(&endpoint).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // The end of the stream, or a reset; not a timeout.
    if let Err(error) = stream.read_to_end(&mut Vec::new()) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

/// As in a `current_thread` test whose client shares the thread that is blocked: it must not be waited for.
#[tokio::test]
async fn dropping_the_collector_does_not_wait_for_clients() {
    let collector = Collector::start().unwrap();
    let mut client = client(&collector).await;
    client.export(otlp::spans(1)).await.unwrap();
    let start = Instant::now();
    drop(collector);
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

/// Returns how many spans the collector acknowledged.
fn export_until(done: &AtomicBool, endpoint: String) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut traces = otlp::Clients::new(endpoint).traces;
        let mut acknowledged = 0;
        while !done.load(Ordering::Relaxed) {
            acknowledged += usize::from(traces.export(otlp::spans(1)).await.is_ok());
        }
        acknowledged
    })
}

fn connect(endpoint: &str) -> std::io::Result<TcpStream> {
    TcpStream::connect(endpoint.trim_start_matches("http://"))
}
