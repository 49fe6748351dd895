//! What the collector has, each item once, compared with the ledger.

use std::collections::HashSet;

use telemetry_bootstrap::Signal;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry_bootstrap::testing::{CollectedMetric, CollectedTelemetry};
use telemetry_bootstrap::{ExportStats, SignalStats};

/// Distinct items: a request whose answer was lost is sent again, so the collector may have it twice.
#[derive(Default)]
pub(crate) struct Seen {
    spans: HashSet<u64>,
    logs: HashSet<u64>,
    points: HashSet<u64>,
    arrivals: [u64; 3],
}

impl Seen {
    pub(crate) fn add(&mut self, received: &CollectedTelemetry) {
        self.spans.extend(received.spans().iter().map(|span| number(span.attribute_text("number"))));
        self.logs.extend(received.logs().iter().map(|log| number(log.attribute_text("number"))));
        self.points.extend(received.metrics().iter().flat_map(times));
        for (arrivals, signal) in self.arrivals.iter_mut().zip(SIGNALS) {
            *arrivals +=
                received.requests(signal).map(|request| request.export.item_count() as u64).sum::<u64>();
        }
    }

    /// Says and checks where everything went.
    pub(crate) fn balances(&self, recorded: u64, delivery: &ExportStats) -> bool {
        let distinct = [self.spans.len(), self.points.len(), self.logs.len()].map(|distinct| distinct as u64);
        let counts = [delivery.traces, delivery.metrics, delivery.logs];
        // Data points are made by each collection: only the ledger has their number.
        let recorded = [recorded, delivery.metrics.accepted, recorded];
        let mut balanced = true;
        for signal in 0..3 {
            let repeated = self.arrivals[signal] - distinct[signal];
            let is_balanced = is_balanced(recorded[signal], counts[signal], distinct[signal], repeated);
            let verdict = if is_balanced { "balanced" } else { "NOT BALANCED" };
            println!(
                "{}: {} recorded = {} at the collector + {} reported lost: {verdict} ({}; {} came twice)",
                SIGNALS[signal],
                recorded[signal],
                distinct[signal],
                counts[signal].lost(),
                counts[signal],
                repeated,
            );
            balanced &= is_balanced;
        }
        balanced
    }
}

fn is_balanced(recorded: u64, counts: SignalStats, seen: u64, repeated: u64) -> bool {
    // Of what was sent without an answer, nothing is known. It may be there although it was rejected when it was repeated.
    let unknown = counts.unanswered + counts.rejected.min(repeated);
    recorded == counts.accepted
        && counts.pending == 0
        && (counts.delivered..=counts.delivered + unknown).contains(&seen)
        && recorded == counts.delivered + counts.lost()
}

fn number(text: Option<String>) -> u64 {
    text.and_then(|text| text.parse().ok()).expect("each item has its number")
}

/// The program has one series: a point is known by the time of its collection.
fn times(metric: &CollectedMetric) -> Vec<u64> {
    let Some(Data::Sum(sum)) = &metric.metric.data else { return Vec::new() };
    sum.data_points.iter().map(|point| point.time_unix_nano).collect()
}

const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];
