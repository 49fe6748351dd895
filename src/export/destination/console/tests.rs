use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::held::{MAX_HELD, MAX_HELD_BYTES};
use super::*;
use crate::export::SignalStats;
use crate::export::queue::Queue;
use crate::settings::OutputTarget;
use crate::settings::{DEFAULT_BATCH_BYTES, QueueSettings};

/// A console that prints into a file.
struct ToFile {
    directory: tempfile::TempDir,
    traces: Console,
    logs: Console,
}

impl ToFile {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::new(OutputTarget::File(directory.path().join("folder/text")));
        let printer = Printer::with_output(output, Colors::Off, Diagnostics::default());
        let console = |signal| Console::new(signal, queue(), printer.clone());
        let console = Self { directory, traces: console(Signal::Traces), logs: console(Signal::Logs) };
        console.let_in();
        console
    }

    fn let_in(&self) {
        std::fs::create_dir_all(self.directory.path().join("folder")).unwrap();
    }

    async fn spans(&self, spans: Vec<Span>) -> Outcome {
        let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
        let request = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        self.traces.send(request.into(), WRITE_TIMEOUT, Arc::default()).await
    }

    async fn logs(&self, log_records: Vec<LogRecord>) -> Outcome {
        let scope_logs = vec![ScopeLogs { log_records, ..Default::default() }];
        let resource_logs = vec![ResourceLogs { scope_logs, ..Default::default() }];
        let request = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
        self.logs.send(request.into(), WRITE_TIMEOUT, Arc::default()).await
    }

    async fn finish(&self) {
        let deadline = Instant::now() + WRITE_TIMEOUT;
        tokio::join!(self.traces.finish(deadline), self.logs.finish(deadline));
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("folder/text")).unwrap_or_default()
    }
}

/// A queue that is only there for its counts.
fn queue() -> Consumer {
    let limits = QueueSettings {
        max_items: 100,
        max_bytes: 1 << 20,
        max_export_batch_size: 100,
        max_batch_bytes: DEFAULT_BATCH_BYTES,
        delay: DELAY,
    };
    Queue::new(limits, 1).1.remove(0)
}

fn span(trace: u8, id: u8, parent: u8) -> Span {
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
        name: format!("span {id}"),
        start_time_unix_nano: u64::from(id),
        end_time_unix_nano: u64::from(id) + 1_500_000,
        ..Default::default()
    }
}

fn record(trace: u8, span: u8, body: &str) -> LogRecord {
    LogRecord {
        trace_id: if trace == 0 { Vec::new() } else { vec![trace; 16] },
        span_id: if span == 0 { Vec::new() } else { vec![span; 8] },
        severity_text: "INFO".to_owned(),
        time_unix_nano: 3_723_004_000_000,
        body: Some(text(body)),
        flags: 1,
        ..Default::default()
    }
}

fn text(text: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.to_owned())) }
}

fn is_delivered(outcome: &Outcome) -> bool {
    outcome.failure().is_none()
}

#[tokio::test]
async fn a_trace_is_printed_when_its_root_has_ended_with_its_records() {
    let console = ToFile::new();
    assert!(is_delivered(&console.spans(vec![span(1, 2, 1)]).await));
    assert_eq!(console.text(), "");
    // The records arrive while the trace settles, and after its root.
    let (spans, logs) =
        tokio::join!(console.spans(vec![span(1, 1, 0)]), console.logs(vec![record(1, 2, "inside")]));
    assert!(is_delivered(&spans) && is_delivered(&logs));
    assert_eq!(
        console.text(),
        "\n── trace 01010101010101010101010101010101  00:00:00.000Z\n\
         span 1  1.5 ms\n\
         └─ span 2  1.5 ms\n   \
         └─ · INFO inside\n"
    );
}

#[tokio::test]
async fn a_span_whose_parent_is_remote_ends_the_trace() {
    let console = ToFile::new();
    let server = Span { flags: 0x301, kind: 2, ..span(1, 2, 1) };
    assert!(is_delivered(&console.spans(vec![server]).await));
    assert!(console.text().ends_with("\nspan 2 [server]  1.5 ms\n"), "{}", console.text());
}

#[tokio::test]
async fn records_outside_of_printed_traces_are_lines() {
    let console = ToFile::new();
    let unsampled = LogRecord { flags: 0, ..record(7, 8, "unsampled") };
    assert!(is_delivered(&console.logs(vec![record(0, 0, "alone"), unsampled]).await));
    assert_eq!(
        console.text(),
        "01:02:03.004Z · INFO alone\n\
         01:02:03.004Z · INFO unsampled  trace 07070707070707070707070707070707\n"
    );
}

#[tokio::test]
async fn unfinished_traces_are_printed_at_shutdown() {
    let console = ToFile::new();
    assert!(is_delivered(&console.spans(vec![span(1, 2, 1), span(2, 3, 1)]).await));
    assert!(is_delivered(&console.logs(vec![record(3, 1, "late")]).await));
    assert_eq!(console.text(), "");
    console.finish().await;
    let text = console.text();
    assert_eq!(text.lines().filter(|line| line.starts_with("── trace")).count(), 3, "{text}");
    assert!(
        text.contains("\nspan 2") && text.contains("\nspan 3") && text.contains("\n· INFO late"),
        "{text}"
    );
}

#[tokio::test]
async fn failed_print_is_retried_together_with_later_requests() {
    let console = ToFile::new();
    let folder = console.directory.path().join("folder");
    std::fs::remove_dir(&folder).unwrap();
    // Nothing is to be written yet.
    assert!(!is_delivered(&console.spans(vec![span(1, 1, 0)]).await));
    assert!(!is_delivered(&console.spans(vec![span(2, 1, 0)]).await));
    console.let_in();
    assert!(is_delivered(&console.spans(vec![span(1, 1, 0), span(2, 1, 0)]).await));
    assert_eq!(console.text().matches("── trace").count(), 2);
    // A request that is sent again, because its answer was lost, is printed once.
    assert!(is_delivered(&console.spans(vec![span(3, 2, 1)]).await));
    assert!(is_delivered(&console.spans(vec![span(3, 2, 1), span(3, 1, 0)]).await));
    assert_eq!(console.text().matches("── trace 0303").count(), 1);
    assert_eq!(console.text().matches("span 2").count(), 1);
}

#[tokio::test]
async fn items_count_as_delivered_when_they_are_printed_and_as_failed_if_they_cannot_be() {
    for is_printed in [true, false] {
        let console = ToFile::new();
        let ledgers = [&console.traces, &console.logs].map(|console| console.queue.ledger());
        let counts = || ledgers.each_ref().map(|ledger| ledger.snapshot());
        ledgers.iter().for_each(|ledger| ledger.accept(2));
        // The second span is known, and the second record belongs to no trace.
        let outcome = console.spans(vec![span(1, 2, 1), span(1, 2, 1)]).await;
        assert!(matches!(outcome, Outcome::Held { items: 1, .. }), "{outcome:?}");
        let outcome = console.logs(vec![record(1, 2, "inside"), record(0, 0, "alone")]).await;
        assert!(matches!(outcome, Outcome::Held { items: 1, .. }), "{outcome:?}");
        // The worker counts those that are not held.
        ledgers.iter().for_each(|ledger| ledger.deliver(1));
        let expected = SignalStats { accepted: 2, delivered: 1, pending: 1, ..Default::default() };
        assert_eq!(counts(), [expected; 2]);
        if !is_printed {
            std::fs::remove_dir_all(console.directory.path().join("folder")).unwrap();
        }
        console.finish().await;
        [&console.traces, &console.logs].iter().for_each(|console| console.queue.abandon());
        let (delivered, failed) = if is_printed { (2, 0) } else { (1, 1) };
        assert_eq!(counts(), [SignalStats { accepted: 2, delivered, failed, ..Default::default() }; 2]);
    }
}

#[tokio::test]
async fn the_oldest_traces_are_printed_when_too_many_have_not_ended() {
    let console = ToFile::new();
    let spans = |count: usize| -> Vec<Span> {
        let id = |number: usize| number.to_be_bytes().to_vec();
        let span =
            |number| Span { trace_id: [id(number), id(0)].concat(), span_id: id(number), ..span(1, 1, 1) };
        (1..=count).map(span).collect()
    };
    assert!(is_delivered(&console.spans(spans(MAX_HELD)).await));
    assert!(is_delivered(&console.spans(Vec::new()).await));
    assert_eq!(console.text(), "");
    assert!(is_delivered(&console.spans(vec![span(255, 2, 1), span(254, 2, 1)]).await));
    assert!(is_delivered(&console.spans(Vec::new()).await));
    assert_eq!(console.text().matches("── trace").count(), 2);
}

#[tokio::test]
async fn trace_of_100_000_spans_is_printed_in_parts() {
    let console = ToFile::new();
    let begin = Instant::now();
    let mut longest = Duration::ZERO;
    for first in (1..=100_000_u64).step_by(500) {
        let id = |number: u64| number.to_be_bytes().to_vec();
        // Each is called by the one before it, and ends first.
        let spans = (first..first + 500).map(|number| Span {
            span_id: id(number),
            parent_span_id: id(number + 1),
            ..span(1, 1, 1)
        });
        let begin = Instant::now();
        assert!(is_delivered(&console.spans(spans.collect()).await));
        longest = longest.max(begin.elapsed());
        assert!(console.traces.printer.0.held().items <= MAX_HELD + 500);
    }
    console.finish().await;
    assert_eq!(console.text().matches("span 1").count(), 100_000);
    assert!(longest < Duration::from_secs(2) && begin.elapsed() < Duration::from_secs(60), "{longest:?}");
}

#[tokio::test]
async fn unfinished_traces_are_printed_at_the_limit_of_bytes() {
    let console = ToFile::new();
    for trace in 1..=40 {
        let attributes = vec![KeyValue {
            key: "body".to_owned(),
            value: Some(text(&"x".repeat(1 << 20))),
            ..Default::default()
        }];
        assert!(is_delivered(&console.spans(vec![Span { attributes, ..span(trace, 2, 1) }]).await));
        assert!(console.traces.printer.0.held().bytes <= MAX_HELD_BYTES + (2 << 20));
    }
    assert!(console.text().matches("── trace").count() >= 20);
}

#[tokio::test]
async fn names_and_values_cannot_control_the_terminal() {
    let console = ToFile::new();
    let attributes =
        vec![KeyValue { key: "k\u{1b}".to_owned(), value: Some(text("a\nb")), ..Default::default() }];
    let hostile = Span { name: "evil\u{1b}[2J".to_owned(), attributes, ..span(1, 1, 0) };
    assert!(is_delivered(&console.spans(vec![hostile]).await));
    assert!(console.text().ends_with("\nevil\\u{1b}[2J  1.5 ms  k\\u{1b}=a\\nb\n"), "{}", console.text());
}

#[tokio::test]
async fn slow_writes_of_traces_and_lines_that_succeed_are_not_repeated() {
    let console = ToFile::new();
    let printer = &console.traces.printer;
    let is_held_up = printer.0.output.is_held_up().await;
    let print = async |text: &str, limit| {
        is_delivered(&printer.print(Due::All, text.to_owned(), limit, &AtomicBool::new(false)).await)
    };
    assert!(is_delivered(&console.spans(vec![span(1, 2, 1)]).await));
    console.traces.queue.ledger().accept(2);
    // The traces are written at first, and the text after them.
    for _ in ["traces", "text"] {
        is_held_up.store(true, Ordering::Relaxed);
        assert!(!print("line\n", Duration::from_millis(20)).await);
        is_held_up.store(false, Ordering::Relaxed);
        // Its spans are those of another tree, since the first one may be printed.
        assert!(is_delivered(&console.logs(Vec::new()).await));
    }
    assert!(is_delivered(&console.spans(vec![span(1, 1, 1)]).await));
    assert!(print("line\n", WRITE_TIMEOUT).await);
    let text = console.text();
    assert_eq!(text.matches("line\n").count(), 1, "{text}");
    assert_eq!((text.matches("span 1 ").count(), text.matches("span 2 ").count()), (1, 1), "{text}");
    assert_eq!(console.traces.queue.ledger().snapshot().delivered, 2);
}
