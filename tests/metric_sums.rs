//! Sums of integers that overflow, at the collector.

#![expect(clippy::unwrap_used, reason = "test code")]

mod local;

use std::time::Duration;

use local::{Local, PATIENCE, with_message};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::{
    Aggregation, InMemoryMetricExporter, Instrument, PeriodicReader, Stream, Temporality,
};
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{Builder, opentelemetry, opentelemetry_sdk};

const NEVER: Duration = Duration::from_secs(3600);
const OVERFLOW: &str =
    "a sum of integers would overflow: this measurement, and further ones that do not fit, are cut";
const U64: Option<f64> = Some(u64::MAX as f64);
const I64: Option<f64> = Some(i64::MAX as f64);

fn start(collector: &Collector, temporality: Temporality, adjust: impl FnOnce(Builder) -> Builder) -> Local {
    Local::with(&collector.endpoint(), |builder| {
        adjust(builder.metrics(|metrics| metrics.interval(NEVER).temporality(temporality)))
    })
}

fn flush(local: &Local) {
    local.guard.force_flush(PATIENCE).unwrap();
}

#[test]
fn sums_of_integers_saturate_and_are_reported_once() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let collector = Collector::start().unwrap();
        let local = start(&collector, temporality, |builder| builder);
        let meter = local.guard.meter("test");
        let (a, b) = ([KeyValue::new("set", "a")], [KeyValue::new("set", "b")]);

        let counter = meter.u64_counter("counter").build();
        counter.add(5, &a);
        for measurement in [u64::MAX, 1, u64::MAX, 1 << 40] {
            counter.add(measurement, &a);
            counter.add(measurement, &[KeyValue::new("set", "b"), KeyValue::new("set", "a")]);
        }
        counter.add(7, &b);
        counter.add(1 << 40, &b);

        let bound = meter.u64_counter("bound").build().bind(&a);
        let same = meter.u64_counter("bound").build();
        bound.add(u64::MAX);
        same.add(u64::MAX, &a);
        bound.add(1);

        let (up, down) = (meter.i64_up_down_counter("up").build(), meter.i64_up_down_counter("down").build());
        for measurement in [i64::MAX, 1, i64::MAX, -1] {
            up.add(measurement, &b);
            up.bind(&a).add(measurement);
            down.add(-measurement, &[]);
        }
        let back = meter.i64_up_down_counter("back").build();
        for measurement in [i64::MAX / 2, -i64::MAX / 2, i64::MAX / 4, 3] {
            back.add(measurement, &[]);
        }
        let (_, lines) = local.shutdown();

        let received = collector.received();
        let value = |name, set| received.value(name, &[("set", set)]);
        assert_eq!(value("counter", "a"), U64, "{temporality:?}");
        assert_eq!(value("counter", "b"), Some(7.0 + (1_u64 << 40) as f64), "{temporality:?}");
        assert_eq!(value("bound", "a"), U64, "{temporality:?}");
        assert_eq!((value("up", "a"), value("up", "b")), (I64, I64), "{temporality:?}");
        assert_eq!(received.value("down", &[]), Some(i64::MIN as f64), "{temporality:?}");
        assert_eq!(received.value("back", &[]), Some((i64::MAX / 4 + 3) as f64), "{temporality:?}");
        let mut reported: Vec<_> =
            with_message(&lines, OVERFLOW).iter().map(|line| line["instrument"].clone()).collect();
        reported.sort_by_key(ToString::to_string);
        assert_eq!(reported, ["bound", "counter", "down", "up"], "{lines:#?}");
    }
}

/// A delta is counted from zero after each collection, a total goes on.
#[test]
fn a_sum_that_has_overflowed_begins_again_where_the_collector_takes_deltas() {
    for (temporality, second) in [(Temporality::Cumulative, U64), (Temporality::Delta, Some(7.0))] {
        let collector = Collector::start().unwrap();
        let local = start(&collector, temporality, |builder| builder);
        let counter = local.guard.meter("test").u64_counter("counter").build();
        let mut last = Vec::new();
        for measurements in [&[u64::MAX, 1][..], &[7], &[1 << 40, u64::MAX]] {
            collector.clear();
            measurements.iter().for_each(|measurement| counter.add(*measurement, &[]));
            flush(&local);
            last.push(collector.received().value("counter", &[]));
        }
        assert_eq!(last, [U64, second, U64], "{temporality:?}");
    }
}

/// It is called inside of the SDK, while an instrument is created.
#[test]
fn a_view_that_panics_fits_nothing() {
    let collector = Collector::start().unwrap();
    let local = start(&collector, Temporality::Cumulative, |builder| {
        builder.metrics(|metrics| metrics.view(|_: &Instrument| panic!("on purpose")))
    });
    local.guard.meter("test").u64_counter("counter").build().add(1, &[]);
    assert_eq!(local.shutdown().0.lost(), 0);
    assert_eq!(collector.received().value("counter", &[]), Some(1.0));
}

/// The SDK adds the measurements of such a histogram up as integers.
#[test]
fn a_counter_that_a_view_makes_a_histogram_does_not_overflow() {
    let buckets = |_: &Instrument| {
        let aggregation =
            Aggregation::ExplicitBucketHistogram { boundaries: vec![1.0], record_min_max: true };
        Some(Stream::builder().with_aggregation(aggregation).build().unwrap())
    };
    let collector = Collector::start().unwrap();
    let local = start(&collector, Temporality::Cumulative, |builder| {
        builder.metrics(|metrics| metrics.view(buckets))
    });
    let counter = local.guard.meter("test").u64_counter("counter").build();
    for id in 0..3 {
        counter.add(u64::MAX, &[]);
        counter.add(1, &[KeyValue::new("id", id)]);
    }
    local.shutdown();
    assert_eq!(collector.received().histogram("counter", &[]).unwrap().sum, u64::MAX as f64 + 3.0);
}

/// Nothing in front of a view can know which sums it makes.
#[test]
fn attribute_sets_that_a_view_merges_saturate_together() {
    let merge = |instrument: &Instrument| {
        let merged = instrument.name().starts_with("merged");
        merged.then(|| Stream::builder().with_allowed_attribute_keys([]).build().unwrap())
    };
    let collector = Collector::start().unwrap();
    let local =
        start(&collector, Temporality::Cumulative, |builder| builder.metrics(|metrics| metrics.view(merge)));
    let meter = local.guard.meter("test");
    let counter = meter.u64_counter("merged").build();
    for id in 0..5 {
        counter.add(u64::MAX, &[KeyValue::new("id", id)]);
    }
    local.shutdown();
    assert_eq!(collector.received().value("merged", &[]), U64);
}

/// As a program does that adds the end of a span of time and subtracts its start, in nanoseconds.
#[test]
fn large_measurements_that_balance_each_other_go_on_where_there_are_views() {
    let collector = Collector::start().unwrap();
    let local = start(&collector, Temporality::Cumulative, |builder| {
        builder.metrics(|metrics| metrics.view(|_: &Instrument| None))
    });
    let busy = local.guard.meter("test").i64_up_down_counter("busy").build();
    let start_ns = 1_800_000_000_000_000_000;
    for _ in 0..20 {
        busy.add(start_ns + 7, &[]);
        busy.add(-start_ns, &[]);
    }
    let (_, lines) = local.shutdown();
    assert_eq!(collector.received().value("busy", &[]), Some(140.0));
    assert_eq!(with_message(&lines, OVERFLOW).len(), 0, "{lines:#?}");
}

#[test]
fn a_histogram_of_integers_for_a_reader_of_the_user_does_not_wrap() {
    let collector = Collector::start().unwrap();
    let reader = PeriodicReader::builder(InMemoryMetricExporter::default()).with_interval(NEVER).build();
    let local = start(&collector, Temporality::Cumulative, |builder| {
        builder.metrics(|metrics| metrics.reader(reader))
    });
    let histogram = local.guard.meter("test").u64_histogram("sizes").build();
    for _ in 0..3_000 {
        // Just below what is cut.
        histogram.record((1 << 53) - 1, &[]);
    }
    let (_, lines) = local.shutdown();
    let received = collector.received().histogram("sizes", &[]).unwrap();
    assert_eq!(received.sum, u64::MAX as f64);
    assert!(received.count > 1_900, "{received:?}");
    assert_eq!(with_message(&lines, OVERFLOW)[0]["instrument"], "sizes", "{lines:#?}");
}
