//! What the load tests share: telemetry that drops nothing, what a collector took of it, and the memory in use.
#![allow(unreachable_pub, clippy::allow_attributes, clippy::unwrap_used, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::time::Duration;

use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use telemetry_bootstrap::testing::{CollectedTelemetry, Collector, SpanKind};
use telemetry_bootstrap::{LogFormat, TelemetryGuard};

pub fn init(collector: &Collector) -> TelemetryGuard {
    telemetry_bootstrap::init()
        .ignore_env()
        .service_name("load")
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Off))
        .traces(|traces| traces.max_queue_size(1_000_000).max_queue_bytes(1 << 30))
        .logs(|logs| logs.max_queue_size(1_000_000).max_queue_bytes(1 << 30))
        .metrics(|metrics| metrics.interval(Duration::from_secs(1)))
        .build()
        .unwrap()
}

/// What the collector took so far.
pub struct Seen {
    /// The text of an access log's records.
    access: &'static str,
    pub spans: BTreeMap<&'static str, u64>,
    pub records: u64,
    /// The last of each metric: they are cumulative.
    pub measured: BTreeMap<String, u64>,
    pub active: BTreeMap<String, i64>,
}

impl Seen {
    pub fn of_lines(access: &'static str) -> Self {
        Self {
            access,
            spans: BTreeMap::new(),
            records: 0,
            measured: BTreeMap::new(),
            active: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, received: &CollectedTelemetry) {
        for span in received.spans() {
            let side = if span.kind() == SpanKind::Server { "server" } else { "client" };
            *self.spans.entry(side).or_default() += 1;
        }
        self.records += received.logs().iter().filter(|record| record.body() == self.access).count() as u64;
        for metric in received.metrics() {
            let name = metric.name().to_owned();
            match metric.metric.data {
                Some(Data::Histogram(histogram)) => {
                    self.measured.insert(name, histogram.data_points.iter().map(|point| point.count).sum());
                }
                Some(Data::Sum(sum)) => {
                    let values = sum.data_points.iter().map(|point| match point.value {
                        Some(Value::AsInt(value)) => value,
                        _ => 0,
                    });
                    self.active.insert(name, values.sum());
                }
                _ => {}
            }
        }
    }
}

pub fn duration() -> Duration {
    let seconds = std::env::var("TELEMETRY_LOAD_SECONDS").map_or(2, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

pub fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// The peak of the last quarter against that of the second: by then everything is warm.
pub fn does_not_grow(memory: &[u64]) {
    if duration() < Duration::from_secs(30) {
        return;
    }
    let quarter = memory.len() / 4;
    let peak = |part: &[u64]| part.iter().copied().max().unwrap_or(0);
    let (early, late) = (peak(&memory[quarter..2 * quarter]), peak(&memory[3 * quarter..]));
    assert!(late <= early + early / 5, "{early} KiB became {late} KiB: {memory:?}");
}
