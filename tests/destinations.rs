//! Several destinations of each signal, through the public interface.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod local;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use telemetry_bootstrap::Signal;
use telemetry_bootstrap::opentelemetry_sdk::metrics::Temporality;
use telemetry_bootstrap::testing::{CollectedMetric, Collector};
use telemetry_bootstrap::{Destination, Protocol, SignalStats};

use self::local::{Local, numbers, own};

#[test]
fn every_destination_gets_everything_and_has_counts_of_its_own() {
    let collectors = [(); 3].map(|()| Collector::start().unwrap());
    let [first, second, third] = collectors.each_ref().map(Collector::endpoint);
    let local = Local::with(&first, |builder| {
        let over_http = Destination::otlp(&second).protocol(Protocol::HttpJson).header("x-token", "S3CRET");
        builder.destination(over_http).traces(|traces| traces.destination(Destination::otlp(&third)))
    });
    local.record(0..200);
    let (stats, lines) = local.shutdown();

    let all: HashSet<_> = (0..200).collect();
    for (number, collector) in collectors.iter().enumerate() {
        let received = collector.received();
        let expected = if number == 2 { HashSet::new() } else { all.clone() };
        assert_eq!(numbers(&received), (all.clone(), expected), "{number}");
        let token = received.requests(Signal::Traces).next().unwrap().metadata.get("x-token").cloned();
        assert_eq!(token.is_some(), number == 1, "{number}: {token:?}");
    }
    // Each item counts once for each destination.
    assert_eq!((stats.traces.accepted, stats.traces.delivered), (600, 600));
    assert_eq!((stats.logs.accepted, stats.logs.delivered), (400, 400));
    assert_eq!(stats.lost(), 0);
    let places: Vec<_> =
        stats.destinations.iter().map(|destination| (destination.signal, &*destination.name)).collect();
    assert_eq!(
        places,
        [
            (Signal::Traces, &*first),
            (Signal::Traces, &*second),
            (Signal::Traces, &*third),
            (Signal::Metrics, &*first),
            (Signal::Metrics, &*second),
            (Signal::Logs, &*first),
            (Signal::Logs, &*second),
        ]
    );
    for destination in &stats.destinations {
        let counts = destination.counts;
        assert_eq!(counts.accepted, counts.delivered, "{destination:?}");
    }
    assert!(!format!("{stats:?} {lines:?}").contains("S3CRET"));
}

#[test]
fn destination_that_is_down_is_named_and_does_not_affect_the_others() {
    let collector = Collector::start().unwrap();
    let closed = Collector::closed_endpoint().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| builder.destination(Destination::otlp(&closed)));
    local.record(0..200);
    local.wait_until(|stats| {
        let up = stats.destinations.iter().filter(|destination| destination.name != closed);
        up.filter(|destination| destination.signal != Signal::Metrics).all(|up| up.counts.delivered == 200)
    });
    let (stats, lines) = local.shutdown();
    let all: HashSet<_> = (0..200).collect();
    assert_eq!(numbers(&collector.received()), (all.clone(), all));
    let of = |signal, is_down| {
        let mut found = stats.destinations.iter();
        let found = found.find(|found| found.signal == signal && (found.name == closed) == is_down);
        found.unwrap().counts
    };
    for signal in [Signal::Traces, Signal::Logs] {
        let SignalStats { accepted, delivered, failed, pending, .. } = of(signal, true);
        assert_eq!((accepted, delivered, failed, pending), (200, 0, 200, 0), "{signal}");
        let SignalStats { accepted, delivered, .. } = of(signal, false);
        assert_eq!((accepted, delivered), (200, 200), "{signal}");
    }
    let lost = own(&lines).into_iter().find(|line| line["message"] == "telemetry was lost").unwrap();
    let places = lost["destinations"].as_str().unwrap();
    assert!(places.contains(&format!("traces to {closed}: 0 of 200 delivered, 200 failed")), "{places}");
    assert!(!places.contains(&collector.endpoint()), "{places}");
}

/// The sums of a metric that arrived, one after the other, and whether each is a delta.
fn sums(collector: &Collector, name: &str) -> Vec<(i64, bool)> {
    let metrics = collector.received().metrics().into_iter().filter(|metric| metric.name() == name);
    let sum = |metric: CollectedMetric| match metric.metric.data {
        Some(Data::Sum(sum)) => {
            let is_delta = sum.aggregation_temporality() == AggregationTemporality::Delta;
            match sum.data_points[0].value {
                Some(Value::AsInt(value)) => (value, is_delta),
                _ => panic!("an integer"),
            }
        }
        _ => panic!("a sum"),
    };
    metrics.map(sum).collect()
}

#[test]
fn each_destination_has_its_own_temporality() {
    let [totals, deltas, also_deltas] = [(); 3].map(|()| Collector::start().unwrap());
    let silent = Collector::silent().unwrap();
    let local = Local::with(&totals.endpoint(), |builder| {
        builder.shutdown_timeout(Duration::from_secs(2)).metrics(|metrics| {
            let to = |endpoint: String| Destination::otlp(endpoint).protocol(Protocol::Grpc);
            metrics
                .interval(Duration::from_secs(3600))
                .destination(to(deltas.endpoint()).temporality(Temporality::Delta))
                .destination(to(also_deltas.endpoint()).temporality(Temporality::Delta))
                .destination(to(silent.endpoint()).temporality(Temporality::LowMemory))
        })
    });
    let meter = local.guard.meter("shop");
    let counter = meter.u64_counter("orders").build();
    let visits = Arc::new(AtomicU64::new(0));
    let observed = Arc::clone(&visits);
    let _observed = meter
        .u64_observable_counter("visits")
        .with_callback(move |visits| visits.observe(observed.load(Ordering::Relaxed), &[]))
        .build();
    for round in 1..=2 {
        counter.add(2, &[]);
        visits.fetch_add(2, Ordering::Relaxed);
        // One of them does not answer, the others have got everything.
        local.guard.force_flush(Duration::from_millis(200)).unwrap_err();
        local.wait_until(|stats| {
            let of_metrics = stats.destinations.iter().filter(|one| one.signal == Signal::Metrics);
            of_metrics.filter(|one| one.counts.delivered == 2 * round).count() == 3
        });
    }
    counter.add(2, &[]);
    visits.fetch_add(2, Ordering::Relaxed);
    let (stats, _) = local.shutdown();
    for name in ["orders", "visits"] {
        assert_eq!(sums(&totals, name), [(2, false), (4, false), (6, false)], "{name}");
        assert_eq!(sums(&deltas, name), [(2, true); 3], "{name}");
        assert_eq!(sums(&also_deltas, name), [(2, true); 3], "{name}");
    }
    let metrics = stats.destinations.iter().filter(|destination| destination.signal == Signal::Metrics);
    let accepted: Vec<_> = metrics.map(|destination| destination.counts.accepted).collect();
    assert_eq!(accepted, [6; 4]);
}

#[test]
fn a_file_gets_all_signals_as_lines_of_json() {
    let collector = Collector::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("telemetry.jsonl");
    let local =
        Local::with(&collector.endpoint(), |builder| builder.destination(Destination::otlp_file(&path)));
    local.record(0..200);
    let (stats, _) = local.shutdown();
    assert_eq!(stats.lost(), 0);
    let text = std::fs::read_to_string(&path).unwrap();
    let requests: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |signal: &str, scopes: &str, items: &str| {
        let resources = requests.iter().filter_map(|request| request[signal].as_array()).flatten();
        let scopes = resources.filter_map(|resource| resource[scopes].as_array()).flatten();
        scopes.map(|scope| scope[items].as_array().unwrap().len()).sum::<usize>()
    };
    assert_eq!(count("resourceSpans", "scopeSpans", "spans"), 200);
    assert_eq!(count("resourceLogs", "scopeLogs", "logRecords"), 200);
    assert!(count("resourceMetrics", "scopeMetrics", "metrics") > 0);
    let name = path.display().to_string();
    assert!(stats.destinations.iter().filter(|destination| destination.name == name).count() == 3);
}
