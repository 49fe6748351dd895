//! The whole way from the queue to a collector, with its faults.

mod credentials;
mod delivery;
mod endings;
mod failures;
mod ledger;
mod meter_flush;
mod network;
mod output;
mod proxies;
mod restarts;
mod sdk;
mod several;
mod sizes;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;

use super::encode;
use super::*;
use crate::collector::Collector;
use crate::diagnostics::Diagnostics;
use crate::export::SignalStats;
use crate::settings::Signal;
use crate::settings::{
    Compression, Credentials, DEFAULT_BATCH_BYTES, DestinationSettings, ExportSettings, Protocol,
    ProtocolSetting, QueueSettings, Target,
};

/// One signal's queue with an I/O thread behind it.
struct Pipeline {
    queue: Arc<Queue>,
    ledger: Arc<Ledger>,
    exporter: Exporter,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Pipeline {
    fn to(collector: &Collector, protocol: Protocol) -> Self {
        Self::with(Signal::Traces, QUEUE, export_settings(&collector.endpoint(), protocol))
    }

    /// To an endpoint at which nothing listens.
    fn to_nowhere(protocol: Protocol) -> Self {
        Self::with(Signal::Traces, QUEUE, export_settings(&Collector::closed_endpoint().unwrap(), protocol))
    }

    fn with(signal: Signal, limits: QueueSettings, settings: ExportSettings) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let pipeline = Self::with_diagnostics(signal, limits, settings, &diagnostics(&lines));
        Self { lines, ..pipeline }
    }

    fn with_diagnostics(
        signal: Signal,
        limits: QueueSettings,
        settings: ExportSettings,
        diagnostics: &Diagnostics,
    ) -> Self {
        let (queue, consumer) = queue(limits);
        let ledger = Arc::clone(consumer.ledger());
        let settings = DestinationSettings::Otlp(Box::new(settings));
        let route = Route { signal, settings, queue: consumer, delay: limits.delay };
        let exporter = Exporter::start(vec![route], resource(), false, diagnostics).unwrap();
        Self { queue, ledger, exporter, lines: Arc::default() }
    }

    /// Spans `first..first + count`, named by their numbers.
    fn push_spans(&self, first: usize, count: usize) {
        (first..first + count).for_each(|number| push_span(&self.queue, &number.to_string()));
    }

    fn flush(&self) -> Result<(), ExportError> {
        self.exporter.workers().flush(None, PATIENCE)
    }

    /// The duration and the final counts.
    fn shutdown(&mut self, limit: Duration) -> (Duration, SignalStats) {
        let begin = Instant::now();
        self.exporter.shutdown(begin + limit);
        let took = begin.elapsed();
        let counts = self.counts();
        assert_eq!(counts.pending, 0, "{counts:?}");
        (took, counts)
    }

    fn counts(&self) -> SignalStats {
        self.ledger.snapshot()
    }

    /// Waits until the counts are so.
    fn wait_until(&self, condition: impl Fn(SignalStats) -> bool) {
        let begin = Instant::now();
        while !condition(self.counts()) {
            assert!(begin.elapsed() < PATIENCE, "still {:?}", self.counts());
            std::thread::yield_now();
        }
    }

    /// The first line. The thread may write it after the shutdown, if it got no processor before.
    fn first_line(&self) -> String {
        let begin = Instant::now();
        loop {
            if let Some(line) = self.lines().into_iter().next() {
                return line;
            }
            assert!(begin.elapsed() < PATIENCE, "no line within {PATIENCE:?}");
            std::thread::yield_now();
        }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// A queue with one destination.
fn queue(limits: QueueSettings) -> (Arc<Queue>, Consumer) {
    let (queue, mut consumers) = Queue::new(limits, 1);
    (queue, consumers.remove(0))
}

fn push_span(queue: &Queue, name: &str) {
    encode::with_scratch(|scratch| {
        encode::scope_name(&mut scratch.scope, "tests");
        // The name is field 5 of a span.
        scratch.item.extend([5 << 3 | 2, u8::try_from(name.len()).unwrap()]);
        scratch.item.extend(name.bytes());
        queue.push(&scratch.scope, &scratch.item);
    });
}

/// For traces.
fn export_settings(uri: &str, protocol: Protocol) -> ExportSettings {
    ExportSettings {
        protocol: ProtocolSetting { first: protocol, may_switch: false },
        http_path: PathAndQuery::from_static("/v1/traces"),
        target: Target::new(uri.parse().unwrap()),
        headers: Vec::new(),
        timeout: Duration::from_secs(10),
        compression: Compression::None,
        credentials: Credentials::default(),
        max_request_size: 64 << 20,
        temporality: None,
    }
}

fn diagnostics(lines: &Arc<Mutex<Vec<String>>>) -> Diagnostics {
    let diagnostics = Diagnostics::default();
    let lines = Arc::clone(lines);
    diagnostics.write_with(Box::new(move |level, message, fields| {
        let fields: String = fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        lines.lock().unwrap().push(format!("{level} {message}{fields}"));
    }));
    diagnostics
}

fn resource() -> Arc<[u8]> {
    let resource = opentelemetry_sdk::Resource::builder_empty().with_service_name("tests").build();
    encode::resource(&resource).into()
}

fn settings_for(signal: Signal, uri: &str) -> ExportSettings {
    let http_path = format!("/v1/{signal}").parse().unwrap();
    ExportSettings { http_path, ..export_settings(uri, Protocol::Grpc) }
}

/// Names of the spans that the collector has kept, in the order of arrival.
fn spans(collector: &Collector) -> Vec<String> {
    collector.spans().iter().map(|span| span.name().to_owned()).collect()
}

fn sorted_spans(collector: &Collector) -> Vec<String> {
    let mut spans = spans(collector);
    spans.sort_by_key(|name| name.parse::<usize>().unwrap());
    spans
}

fn wait_for_spans(collector: &Collector, count: usize) {
    collector.wait_for(PATIENCE, |received| received.span_count() >= count).unwrap();
}

fn wait_for_requests(collector: &Collector, count: usize) {
    let begin = Instant::now();
    while collector.request_count() < count {
        assert!(begin.elapsed() < PATIENCE, "no {count} requests within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// Runs each of the tests over gRPC, HTTP/protobuf and HTTP/JSON.
macro_rules! over_each_protocol {
    ($($name:ident),* $(,)?) => {
        mod grpc { $( #[test] fn $name() { super::$name(crate::settings::Protocol::Grpc); } )* }
        mod http_protobuf { $( #[test] fn $name() { super::$name(crate::settings::Protocol::HttpProtobuf); } )* }
        mod http_json { $( #[test] fn $name() { super::$name(crate::settings::Protocol::HttpJson); } )* }
    };
}
use over_each_protocol;

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

const QUEUE: QueueSettings = QueueSettings {
    max_items: 2048,
    max_bytes: 1 << 20,
    max_export_batch_size: 100,
    max_batch_bytes: DEFAULT_BATCH_BYTES,
    // Longer than any test: what is sent earlier was full, or was flushed.
    delay: Duration::from_secs(600),
};
const PATIENCE: Duration = Duration::from_secs(20);
