//! OTLP as lines of JSON.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use super::*;
use crate::export::encode::json;
use crate::settings::OutputTarget;

fn pipeline(path: &std::path::Path) -> Pipeline {
    let (queue, consumer) = queue(QUEUE);
    let ledger = Arc::clone(consumer.ledger());
    let settings = DestinationSettings::Output(OutputTarget::File(path.to_owned()));
    let route = Route { signal: Signal::Traces, settings, queue: consumer, delay: QUEUE.delay };
    let lines = Arc::default();
    let diagnostics = diagnostics(&lines);
    let exporter = Exporter::start(vec![route], resource(), false, &diagnostics).unwrap();
    Pipeline { queue, ledger, exporter, lines }
}

/// The names of the spans in each line.
fn lines(path: &std::path::Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let names = |line: &str| {
        let bytes = json::request_to_protobuf(Signal::Traces, line.as_bytes()).unwrap();
        let request = ExportTraceServiceRequest::decode(&*bytes).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).map(|span| span.name).collect()
    };
    text.lines().map(names).collect()
}

#[test]
fn each_request_is_a_line_that_can_be_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines");
    let mut pipeline = pipeline(&path);
    pipeline.push_spans(0, 250);
    pipeline.flush().unwrap();
    // Moved away, as log rotation does.
    std::fs::rename(&path, directory.path().join("lines.1")).unwrap();
    pipeline.push_spans(250, 10);
    let counts = pipeline.shutdown(PATIENCE).1;
    assert_eq!(counts, SignalStats { accepted: 260, delivered: 260, ..Default::default() });
    let mut first = lines(&directory.path().join("lines.1"));
    first.sort_by_key(|line| line[0].parse::<usize>().unwrap());
    assert_eq!(first.concat(), numbers(0..250));
    assert_eq!(lines(&path), [numbers(250..260)]);
}

#[test]
fn failed_write_is_retried_and_reported() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("folder");
    let mut pipeline = pipeline(&folder.join("lines"));
    pipeline.push_spans(0, 10);
    assert!(pipeline.flush().is_err());
    assert_eq!(pipeline.counts().pending, 10);
    assert!(pipeline.lines()[0].contains("the output cannot be written"), "{:?}", pipeline.lines());
    std::fs::create_dir(&folder).unwrap();
    let counts = pipeline.shutdown(PATIENCE).1;
    assert_eq!(counts, SignalStats { accepted: 10, delivered: 10, ..Default::default() });
    assert_eq!(lines(&folder.join("lines")), [numbers(0..10)]);
}
