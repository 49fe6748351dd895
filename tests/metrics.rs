//! What programs measure, at the collector: over each protocol, cumulative and delta.

#![expect(clippy::panic, clippy::unwrap_used, reason = "test code")]

mod local;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use local::{Local, PATIENCE};
use opentelemetry::metrics::{AsyncInstrument, MeterProvider as _};
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::metrics::{
    Aggregation, InMemoryMetricExporter, Instrument, PeriodicReader, Stream, Temporality,
};
use serde_json::Value;
use telemetry_bootstrap::Signal;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::{
    NumberDataPoint, number_data_point,
};
use telemetry_bootstrap::testing::{CollectedTelemetry, Collector, Fault};
use telemetry_bootstrap::{
    Builder, LogDestination, LogFormat, Protocol, opentelemetry, opentelemetry_sdk, tracing,
};

/// Every combination that metrics are exported in.
const KINDS: [(Protocol, Temporality); 4] = [
    (Protocol::Grpc, Temporality::Cumulative),
    (Protocol::Grpc, Temporality::Delta),
    (Protocol::HttpProtobuf, Temporality::Cumulative),
    (Protocol::HttpProtobuf, Temporality::Delta),
];
/// Collections are made by flushes and at the shutdown.
const NEVER: Duration = Duration::from_secs(3600);

fn start(collector: &Collector, (protocol, temporality): (Protocol, Temporality)) -> Local {
    start_with(collector, (protocol, temporality), NEVER, |builder| builder)
}

fn start_with(
    collector: &Collector,
    (protocol, temporality): (Protocol, Temporality),
    interval: Duration,
    adjust: impl FnOnce(Builder) -> Builder,
) -> Local {
    Local::with(&collector.endpoint(), |builder| {
        let builder = builder.protocol(protocol);
        adjust(builder.metrics(|metrics| metrics.interval(interval).temporality(temporality)))
    })
}

fn flush(local: &Local) {
    local.guard.force_flush(PATIENCE).unwrap();
}

/// Lines with this beginning.
fn lines_of<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"].as_str().unwrap().starts_with(message)).collect()
}

fn wait_for_line(local: &Local, message: &str) -> Value {
    let begin = Instant::now();
    loop {
        if let [line, ..] = lines_of(&local.lines(), message)[..] {
            return line.clone();
        }
        assert!(begin.elapsed() < PATIENCE, "no line {message:?} in {:#?}", local.lines());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn wait_for(collector: &Collector, condition: impl Fn(&CollectedTelemetry) -> bool) {
    collector.wait_for(PATIENCE, condition).unwrap();
}

/// The points of the last collection of a gauge or sum.
fn points(received: &CollectedTelemetry, name: &str) -> Vec<NumberDataPoint> {
    let metrics = received.metrics();
    let last = metrics.iter().rfind(|metric| metric.name() == name).unwrap();
    match last.metric.data.clone().unwrap() {
        Data::Gauge(gauge) => gauge.data_points,
        Data::Sum(sum) => sum.data_points,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_callback_may_create_instruments() {
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local = start(&collector, kind);
        let provider = local.guard.meter_provider().clone();
        local
            .guard
            .meter("test")
            .u64_observable_gauge("outer")
            .with_callback(move |gauge| {
                gauge.observe(1, &[]);
                provider.meter("test").u64_counter("inner").build().add(1, &[]);
                let nested = |gauge: &dyn AsyncInstrument<u64>| gauge.observe(2, &[]);
                provider.meter("other").u64_observable_gauge("nested").with_callback(nested).build();
            })
            .build();
        flush(&local);
        flush(&local);
        local.guard.meter("test").u64_counter("afterwards").build().add(1, &[]);
        let (delivery, _) = local.shutdown();
        assert_eq!(delivery.lost(), 0, "{delivery}");
        let received = collector.received();
        assert_eq!(received.value("outer", &[]), Some(1.0), "{kind:?}");
        assert_eq!(received.value("inner", &[]), Some(3.0), "{kind:?}");
        assert_eq!(received.value("nested", &[]), Some(2.0), "{kind:?}");
        assert_eq!(received.value("afterwards", &[]), Some(1.0), "{kind:?}");
    }
}

#[test]
fn a_slow_callback_is_reported_and_holds_up_neither_threads_nor_other_metrics() {
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local = start_with(&collector, kind, Duration::from_millis(250), |builder| builder);
        let meter = local.guard.meter("test");
        let (began, has_begun) = channel();
        let (release, released) = channel::<()>();
        let released = Mutex::new(released);
        meter
            .u64_observable_gauge("slow")
            .with_callback(move |gauge| {
                let _ = began.send(());
                let _ = released.lock().unwrap().recv();
                gauge.observe(7, &[]);
            })
            .build();
        meter.u64_observable_gauge("quick").with_callback(|gauge| gauge.observe(1, &[])).build();
        has_begun.recv_timeout(PATIENCE).unwrap();
        // It blocks now, and goes on to: creating instruments must not wait for it.
        let (created, was_created) = channel();
        let meter = local.guard.meter("test");
        std::thread::spawn(move || {
            meter.u64_counter("created").build().add(1, &[]);
            created.send(()).unwrap();
        });
        was_created.recv_timeout(PATIENCE).unwrap();
        let line = wait_for_line(&local, "a callback of an observable instrument is slow");
        assert_eq!((&line["level"], &line["instrument"]), (&"WARN".into(), &"slow".into()));
        let has = |received: &CollectedTelemetry, name: &str| received.value(name, &[]).is_some();
        wait_for(&collector, |received| has(received, "created") && has(received, "quick"));
        assert!(!has(&collector.received(), "slow"), "{kind:?}");
        // What it observed late is part of a later collection.
        release.send(()).unwrap();
        wait_for(&collector, |received| received.value("slow", &[]) == Some(7.0));
        drop(release);
        let (delivery, lines) = local.shutdown();
        assert_eq!(delivery.lost(), 0, "{delivery}");
        assert_eq!(lines_of(&lines, "a callback").len(), 1, "{lines:#?}");
    }
}

#[test]
fn panicking_callback_loses_its_observations_and_is_reported_once() {
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local = start(&collector, kind);
        let panics = |_: &dyn AsyncInstrument<u64>| panic!("on purpose");
        local.guard.meter("test").u64_observable_gauge("panics").with_callback(panics).build();
        local
            .guard
            .meter("test")
            .u64_observable_gauge("quick")
            .with_callback(|gauge| gauge.observe(1, &[]))
            .build();
        flush(&local);
        flush(&local);
        let (delivery, lines) = local.shutdown();
        assert_eq!(delivery.lost(), 0, "{delivery}");
        assert_eq!(collector.received().value("quick", &[]), Some(1.0));
        let [line] = lines_of(&lines, "a callback of an observable instrument panicked")[..] else {
            panic!("{lines:#?}")
        };
        assert_eq!(line["instrument"], "panics");
    }
}

#[test]
fn measurements_above_i64_keep_their_magnitude() {
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local = start(&collector, kind);
        let meter = local.guard.meter("test");
        meter.u64_counter("counter").build().add(u64::MAX, &[]);
        meter.u64_gauge("gauge").build().record(u64::MAX, &[]);
        meter.u64_observable_gauge("observed").with_callback(|gauge| gauge.observe(u64::MAX, &[])).build();
        meter
            .u64_observable_counter("counted")
            .with_callback(|counter| counter.observe(u64::MAX, &[]))
            .build();
        let histogram = meter.u64_histogram("histogram").build();
        // The sum does not fit into an integer.
        histogram.record(u64::MAX, &[]);
        histogram.record(u64::MAX, &[]);
        histogram.bind(&[]).record(u64::MAX);
        let (delivery, _) = local.shutdown();
        assert_eq!(delivery.lost(), 0, "{delivery}");
        let received = collector.received();
        for name in ["counter", "gauge", "observed", "counted"] {
            assert_eq!(received.value(name, &[]), Some(u64::MAX as f64), "{name} {kind:?}");
        }
        let histogram = received.histogram("histogram", &[]).unwrap();
        assert_eq!((histogram.count, histogram.sum), (3, u64::MAX as f64 * 3.0), "{kind:?}");
    }
}

#[test]
fn the_last_value_of_a_key_makes_the_series() {
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local = start(&collector, kind);
        let meter = local.guard.meter("test");
        let twice = || [KeyValue::new("key", "first"), KeyValue::new("b", 1), KeyValue::new("key", "last")];
        let once = || [KeyValue::new("b", 1), KeyValue::new("key", "last")];
        let counter = meter.u64_counter("counter").build();
        let histogram = meter.f64_histogram("histogram").build();
        let up_down = meter.i64_up_down_counter("up_down").build();
        let gauge = meter.f64_gauge("gauge").build();
        // In whatever order they come.
        for attributes in [&twice()[..], &once()[..], &twice()[..]] {
            counter.add(1, attributes);
            counter.bind(attributes).add(1);
            up_down.add(2, attributes);
            histogram.record(1.0, attributes);
            histogram.bind(attributes).record(1.0);
            gauge.record(6.0, attributes);
        }
        meter
            .u64_observable_counter("observed")
            .with_callback(move |counter| {
                counter.observe(1, &twice());
                counter.observe(6, &once());
            })
            .build();
        local.shutdown();
        let received = collector.received();
        for name in ["counter", "up_down", "gauge", "observed"] {
            let points = points(&received, name);
            assert_eq!(points.len(), 1, "{name} {kind:?}: {points:#?}");
            assert_eq!(points[0].attributes.len(), 2, "{name} {kind:?}: {points:#?}");
            assert_eq!(received.value(name, &[("key", "last"), ("b", "1")]), Some(6.0), "{name} {kind:?}");
        }
        assert_eq!(received.histogram("histogram", &[("key", "last")]).unwrap().count, 6);
        let histograms = received.metrics().into_iter().filter(|metric| metric.name() == "histogram");
        assert!(histograms.map(|metric| metric.series().len()).all(|series| series == 1));
    }
}

#[test]
fn an_observed_counter_that_goes_down_was_reset() {
    for (protocol, temporality) in KINDS {
        let collector = Collector::start().unwrap();
        let local = start(&collector, (protocol, temporality));
        let value = std::sync::Arc::new(AtomicU64::new(100));
        let observed = std::sync::Arc::clone(&value);
        local
            .guard
            .meter("test")
            .u64_observable_counter("observed")
            .with_callback(move |counter| counter.observe(observed.load(Ordering::Relaxed), &[]))
            .build();
        let observed = std::sync::Arc::clone(&value);
        local
            .guard
            .meter("test")
            .f64_observable_counter("float")
            .with_callback(move |counter| counter.observe(observed.load(Ordering::Relaxed) as f64, &[]))
            .build();
        let mut exported = Vec::new();
        for next in [100, 30, 45] {
            value.store(next, Ordering::Relaxed);
            flush(&local);
            let received = collector.received();
            let number = |name| match points(&received, name)[0].value.unwrap() {
                number_data_point::Value::AsInt(value) => value as f64,
                number_data_point::Value::AsDouble(value) => value,
            };
            assert_eq!(number("observed"), number("float"));
            exported.push(number("observed"));
        }
        let expected = match temporality {
            Temporality::Delta => [100.0, 30.0, 15.0],
            _ => [100.0, 30.0, 45.0],
        };
        assert_eq!(exported, expected, "{protocol:?}");
        let (delivery, _) = local.shutdown();
        assert_eq!(delivery.lost(), 0, "{delivery}");
    }
}

/// The lines of telemetry that has no endpoint.
fn lines_without_endpoint(use_it: impl FnOnce(&telemetry_bootstrap::TelemetryGuard)) -> Vec<Value> {
    let lines = std::sync::Arc::new(Mutex::new(Vec::new()));
    let output = std::sync::Arc::clone(&lines);
    struct Output(std::sync::Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let builder = telemetry_bootstrap::init().ignore_env().log_output(|lines| {
        lines.format(LogFormat::Json).destination(LogDestination::writer(move || Output(output.clone())))
    });
    let (layer, guard) = builder.build_local().unwrap();
    use tracing_subscriber::layer::SubscriberExt as _;
    let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&subscriber, || use_it(&guard));
    let _ = guard.shutdown();
    let bytes = lines.lock().unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn observable_instruments_without_an_endpoint_are_silent() {
    let lines = lines_without_endpoint(|guard| {
        for meter in [guard.meter("test"), guard.meter_provider().meter("other")] {
            let observe = |instrument: &dyn AsyncInstrument<u64>| instrument.observe(1, &[]);
            meter.u64_observable_counter("counter").with_callback(observe).build();
            meter.u64_observable_gauge("gauge").with_callback(observe).build();
            meter.i64_observable_up_down_counter("up_down").build();
            meter.u64_counter("counter").build().add(1, &[KeyValue::new("a", 1), KeyValue::new("a", 2)]);
        }
        tracing::info!("seen");
    });
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages.iter().filter(|message| **message == "seen").count(), 1, "{lines:#?}");
    assert!(!messages.iter().any(|message| message.contains("allback")), "{lines:#?}");
    assert!(lines.iter().all(|line| line["level"] != "ERROR"), "{lines:#?}");
}

#[test]
fn instruments_of_one_name_that_differ_are_reported_once() {
    const MESSAGE: &str = "two instruments have the same name and differ";
    let collector = Collector::start().unwrap();
    let local = start(&collector, KINDS[0]);
    let meter = local.guard.meter("test");
    let warnings = || lines_of(&local.lines(), MESSAGE).len();
    let same = || meter.f64_histogram("same").with_unit("ms").with_boundaries(vec![1.0]).build();
    let _pair = (same(), same());
    meter.f64_histogram("same").with_unit("ms").build();
    // Other meters have names of their own.
    local.guard.meter("other").u64_counter("same").build();
    assert_eq!(warnings(), 0, "{:#?}", local.lines());
    type Create<'a> = &'a dyn Fn(&'static str);
    let differ: [(&str, Create<'_>, Create<'_>); 6] = [
        ("unit", &|name| drop(meter.u64_counter(name).with_unit("s").build()), &|name| {
            drop(meter.u64_counter(name).with_unit("ms").build());
        }),
        ("kind", &|name| drop(meter.u64_counter(name).build()), &|name| drop(meter.u64_gauge(name).build())),
        ("number", &|name| drop(meter.u64_counter(name).build()), &|name| {
            drop(meter.f64_counter(name).build());
        }),
        ("boundaries", &|name| drop(meter.f64_histogram(name).build()), &|name| {
            drop(meter.f64_histogram(name).with_boundaries(vec![1.0]).build());
        }),
        ("description", &|name| drop(meter.u64_counter(name).with_description("a").build()), &|name| {
            drop(meter.u64_counter(name).with_description("b").build());
        }),
        (
            "observable",
            &|name| {
                let _ = meter.u64_observable_gauge(name).build();
            },
            &|name| {
                let _ = meter.u64_observable_counter(name).build();
            },
        ),
    ];
    for (count, (name, first, second)) in differ.iter().enumerate() {
        first(name);
        second(name);
        second(name);
        let begin = Instant::now();
        while warnings() <= count && begin.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        assert_eq!(warnings(), count + 1, "{name}: {:#?}", local.lines());
        let lines = local.lines();
        let line = *lines_of(&lines, MESSAGE).last().unwrap();
        assert_eq!(line["level"], "WARN");
        assert!(line["first"].as_str().unwrap().starts_with(name), "{line}");
        assert_ne!(line["first"], line["second"]);
    }
}

/// Returns the lines once there are as many with this message, or after a while.
fn lines_with(local: &Local, message: &str, count: usize) -> Vec<Value> {
    let begin = Instant::now();
    loop {
        let lines = local.lines();
        if lines_of(&lines, message).len() >= count || begin.elapsed() > PATIENCE {
            return lines;
        }
        std::thread::yield_now();
    }
}

#[test]
fn readers_of_the_user_leave_instruments_to_be_compared_when_they_are_created() {
    let collector = Collector::start().unwrap();
    let reader = PeriodicReader::builder(InMemoryMetricExporter::default()).with_interval(NEVER).build();
    let local =
        start_with(&collector, KINDS[0], NEVER, |builder| builder.metrics(|metrics| metrics.reader(reader)));
    let meter = local.guard.meter("test");
    meter.f64_histogram("size").with_boundaries(vec![1.0]).build();
    meter.f64_histogram("size").with_boundaries(vec![2.0]).build();
    let lines = lines_with(&local, "two instruments have the same name and differ", 1);
    assert_eq!(lines_of(&lines, "two instruments have the same name and differ").len(), 1, "{lines:#?}");
}

#[test]
fn instruments_that_differ_in_their_description_alone_are_one_metric() {
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local = start_with(&collector, kind, NEVER, |builder| builder);
        let meter = local.guard.meter("test");
        for (name, description) in [("sent", "a"), ("sent", "b"), ("Sent", "b, longer")] {
            meter.u64_counter(name).with_description(description).build().add(1, &[]);
            meter
                .f64_histogram(format!("{name}.size"))
                .with_description(description)
                .build()
                .record(1.0, &[]);
        }
        local.guard.force_flush(PATIENCE).unwrap();
        let metrics = collector.metrics();
        let shown: Vec<_> =
            metrics.iter().map(|metric| (metric.name(), &*metric.metric.description)).collect();
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert_eq!(collector.received().value("sent", &[]), Some(3.0));
        assert_eq!(collector.received().histogram("sent.size", &[]).unwrap().count, 3);
    }
}

#[test]
fn metrics_of_one_name_are_reported_as_views_make_them() {
    const AT_CREATION: &str = "two instruments have the same name and differ";
    const BEHIND_VIEWS: &str = "two metrics have the same name after the views";
    let view = |instrument: &Instrument| {
        let name = match (instrument.name(), instrument.unit()) {
            // Two instruments become one metric's name.
            ("first", _) => "merged",
            ("second", _) => "Merged",
            // Two of one name get different ones.
            ("renamed", "ms") => "renamed.milliseconds",
            // One of two is left as it is, so that they stay in conflict.
            _ => return None,
        };
        Stream::builder().with_name(name).build().ok()
    };
    let collector = Collector::start().unwrap();
    let local =
        start_with(&collector, KINDS[0], NEVER, |builder| builder.metrics(|metrics| metrics.view(view)));
    let meter = local.guard.meter("test");
    meter.u64_counter("first").build().add(1, &[]);
    meter.f64_gauge("second").with_unit("s").build().record(1.0, &[]);
    meter.u64_counter("renamed").with_unit("s").build().add(1, &[]);
    meter.u64_counter("renamed").with_unit("ms").build().add(1, &[]);
    meter.u64_counter("same").with_unit("s").build().add(1, &[]);
    meter.u64_counter("same").with_unit("ms").build().add(1, &[]);
    // One metric, whichever instrument records.
    (0..2).for_each(|_| meter.u64_counter("equal").build().add(1, &[]));
    (0..2).for_each(|_| local.guard.force_flush(PATIENCE).unwrap());
    let lines = lines_with(&local, BEHIND_VIEWS, 2);
    assert!(lines_of(&lines, AT_CREATION).is_empty(), "{lines:#?}");
    let warnings = lines_of(&lines, BEHIND_VIEWS);
    let mut shown: Vec<_> = warnings
        .iter()
        .map(|line| [&line["first"], &line["second"]].map(|metric| metric.as_str().unwrap().to_owned()))
        .collect();
    shown.iter_mut().for_each(|pair| pair.sort_unstable());
    shown.sort_unstable();
    assert_eq!(
        shown,
        [
            [
                "Merged (gauge of f64, unit \"s\", description \"\")".to_owned(),
                "merged (sum of u64, unit \"\", description \"\")".to_owned(),
            ],
            [
                "same (sum of u64, unit \"ms\", description \"\")".to_owned(),
                "same (sum of u64, unit \"s\", description \"\")".to_owned(),
            ],
        ],
        "{lines:#?}"
    );
}

#[test]
fn histograms_in_seconds_have_boundaries_for_seconds() {
    let view = |instrument: &Instrument| {
        let aggregation =
            Aggregation::ExplicitBucketHistogram { boundaries: vec![1.0, 60.0], record_min_max: true };
        let is_viewed = instrument.name() == "viewed";
        let renamed = instrument.name() == "old";
        match (is_viewed, renamed) {
            (true, _) => Stream::builder().with_aggregation(aggregation).build().ok(),
            (_, true) => Stream::builder().with_name("renamed").build().ok(),
            _ => None,
        }
    };
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local =
            start_with(&collector, kind, NEVER, |builder| builder.metrics(|metrics| metrics.view(view)));
        let meter = local.guard.meter("test");
        meter.f64_histogram("float").with_unit("s").build().record(0.015, &[]);
        meter.u64_histogram("integer").with_unit("s").build().record(3, &[]);
        meter.f64_histogram("milliseconds").with_unit("ms").build().record(15.0, &[]);
        meter.f64_histogram("own").with_unit("s").with_boundaries(vec![1.0]).build().record(0.015, &[]);
        meter.f64_histogram("viewed").with_unit("s").build().record(0.015, &[]);
        meter.f64_histogram("old").with_unit("s").build().record(0.015, &[]);
        local.shutdown();
        let received = collector.received();
        let boundaries = |name| received.histogram(name, &[]).unwrap().boundaries;
        for name in ["float", "integer", "renamed"] {
            let boundaries = boundaries(name);
            assert_eq!((boundaries[0], boundaries.last()), (0.005, Some(&10.0)), "{name} {kind:?}");
        }
        assert_eq!(boundaries("milliseconds").last(), Some(&10_000.0));
        assert_eq!(boundaries("own"), [1.0]);
        assert_eq!(boundaries("viewed"), [1.0, 60.0]);
    }
}

#[test]
fn too_many_attribute_sets_are_reported_once_with_the_instrument() {
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local = start(&collector, kind);
        let counter = local.guard.meter("test").u64_counter("requests").build();
        for _ in 0..2 {
            (0..3000).for_each(|id| counter.add(1, &[KeyValue::new("user.id", id)]));
            flush(&local);
        }
        let (_, lines) = local.shutdown();
        let [line] = lines_of(&lines, "an instrument has more attribute sets than its limit")[..] else {
            panic!("{lines:#?}")
        };
        let expected = (&"requests".into(), &"test".into(), &"WARN".into());
        assert_eq!((&line["instrument"], &line["scope"], &line["level"]), expected);
        assert_eq!(collector.received().value("requests", &[]), Some(6000.0), "{kind:?}");
    }
}

#[test]
fn a_reader_of_the_user_collects_too_and_its_callbacks_do_not_hang() {
    let collector = Collector::start().unwrap();
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).with_interval(NEVER).build();
    let local =
        start_with(&collector, KINDS[0], NEVER, |builder| builder.metrics(|metrics| metrics.reader(reader)));
    let provider = local.guard.meter_provider().clone();
    let meter = local.guard.meter("test");
    meter
        .u64_observable_gauge("outer")
        .with_callback(move |gauge| {
            gauge.observe(1, &[KeyValue::new("a", 1), KeyValue::new("a", 2)]);
            provider.meter("test").u64_counter("inner").build().add(1, &[]);
        })
        .build();
    let panics = |_: &dyn AsyncInstrument<u64>| panic!("on purpose");
    meter.u64_observable_gauge("panics").with_callback(panics).build();
    flush(&local);
    flush(&local);
    let (delivery, lines) = local.shutdown();
    assert_eq!(delivery.lost(), 0, "{delivery}");
    let received = collector.received();
    assert_eq!(received.value("outer", &[("a", "2")]), Some(1.0));
    assert!(received.value("inner", &[]) >= Some(1.0));
    let line = lines_of(&lines, "an instrument that a callback creates is discarded");
    assert_eq!(line[0]["instrument"], "inner", "{lines:#?}");
    let collected = exporter.get_finished_metrics().unwrap();
    let names: Vec<_> = collected
        .iter()
        .flat_map(|metrics| metrics.scope_metrics())
        .flat_map(|scope| scope.metrics())
        .map(|metric| metric.name().to_owned())
        .collect();
    assert!(names.iter().any(|name| name == "outer"), "{names:?}");
}

/// Runs a test that waits for each kind at the same time.
fn for_each_kind(test: impl Fn((Protocol, Temporality)) + Sync) {
    let test = &test;
    std::thread::scope(|scope| {
        for kind in KINDS {
            scope.spawn(move || test(kind));
        }
    });
}

#[test]
fn collections_stay_in_order_during_shutdown_with_a_slow_collector() {
    for_each_kind(|kind| {
        let collector = Collector::start().unwrap();
        let local = start_with(&collector, kind, Duration::from_millis(20), |builder| {
            builder.shutdown_timeout(Duration::from_secs(6)).timeout(Duration::from_secs(10))
        });
        let counter = local.guard.meter("test").u64_counter("counter").build();
        counter.add(1, &[]);
        wait_for(&collector, |received| received.value("counter", &[]).is_some());
        // The first of these is held back, beyond the three quarters of the time for the flush of the providers.
        collector.inject_fault(Fault::Delay(Duration::from_millis(4700)).on(Signal::Metrics).times(1));
        let before = collector.received().requests(Signal::Metrics).count();
        let begin = Instant::now();
        while local.guard.stats().metrics.pending < 3 {
            counter.add(1, &[]);
            assert!(begin.elapsed() < PATIENCE, "{}", local.guard.stats());
            std::thread::sleep(Duration::from_millis(1));
        }
        counter.add(5, &[]);
        let (delivery, _) = local.shutdown();
        assert_eq!(delivery.lost(), 0, "{kind:?}: {delivery}");
        let received = collector.received();
        let times: Vec<_> = received
            .metrics()
            .iter()
            .filter(|metric| metric.name() == "counter")
            .map(|metric| match metric.metric.data.as_ref().unwrap() {
                Data::Sum(sum) => sum.data_points[0].time_unix_nano,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(times.len() > before, "{kind:?}");
        assert!(times.is_sorted(), "{kind:?}: {times:?}");
    });
}

#[test]
fn the_last_collections_leave_before_the_deadline_although_an_earlier_one_hangs() {
    for_each_kind(|(protocol, temporality)| {
        let collector = Collector::start().unwrap();
        let local = start_with(&collector, (protocol, temporality), Duration::from_millis(20), |builder| {
            builder.shutdown_timeout(Duration::from_secs(4)).timeout(Duration::from_secs(10))
        });
        let counter = local.guard.meter("test").u64_counter("counter").build();
        collector.inject_fault(Fault::Silence.on(Signal::Metrics).times(1));
        let begin = Instant::now();
        let mut added = 0.0;
        while local.guard.stats().metrics.pending < 3 {
            counter.add(1, &[]);
            added += 1.0;
            assert!(begin.elapsed() < PATIENCE, "{}", local.guard.stats());
            std::thread::sleep(Duration::from_millis(1));
        }
        let (delivery, _) = local.shutdown();
        let counts = delivery.metrics;
        let received = collector.received();
        let points: usize =
            received.requests(Signal::Metrics).map(|request| request.export.item_count()).sum();
        assert_eq!(points as u64, counts.delivered, "{protocol:?} {temporality:?}: {delivery}");
        assert_eq!(counts.accepted, counts.delivered + counts.failed, "{delivery}");
        match temporality {
            // The one that hung is sent once more, on another connection.
            Temporality::Delta => assert_eq!(counts.failed, 0, "{delivery}"),
            _ => assert!(counts.delivered >= 1, "{delivery}"),
        }
        assert_eq!(received.value("counter", &[]), Some(added), "{protocol:?} {temporality:?}: {delivery}");
    });
}

#[test]
fn an_interval_of_a_millisecond_drops_nothing_at_a_healthy_collector() {
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local = start_with(&collector, kind, Duration::from_millis(1), |builder| builder);
        let counter = local.guard.meter("test").u64_counter("counter").build();
        let begin = Instant::now();
        let mut added = 0;
        while begin.elapsed() < Duration::from_millis(500) {
            counter.add(1, &[]);
            added += 1;
            std::thread::sleep(Duration::from_micros(100));
        }
        let (delivery, lines) = local.shutdown();
        assert_eq!(delivery.lost(), 0, "{kind:?}: {delivery}");
        assert_eq!(delivery.metrics.accepted, delivery.metrics.delivered);
        assert!(delivery.metrics.delivered > 5, "{delivery}");
        assert_eq!(collector.received().value("counter", &[]), Some(f64::from(added)), "{kind:?}");
        assert!(lines.iter().all(|line| line["level"] != "WARN"), "{lines:#?}");
    }
}

#[test]
fn deltas_survive_an_outage_that_is_longer_than_the_queue() {
    let collector = Collector::start().unwrap();
    let local = start_with(&collector, KINDS[1], Duration::from_millis(1), |builder| builder);
    let counter = local.guard.meter("test").u64_counter("counter").build();
    collector.inject_fault(Fault::http(503).on(Signal::Metrics));
    let begin = Instant::now();
    let mut added = 0;
    while begin.elapsed() < Duration::from_millis(700) {
        counter.add(1, &[]);
        added += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    collector.clear_faults();
    let (delivery, _) = local.shutdown();
    assert_eq!(delivery.lost(), 0, "{delivery}");
    assert_eq!(collector.received().value("counter", &[]), Some(f64::from(added)));
    let _ = global::meter("unused");
}

#[test]
fn unexported_observable_instrument_is_not_an_error() {
    let drops = |instrument: &Instrument| {
        let is_dropped = instrument.name() == "dropped";
        is_dropped.then(|| Stream::builder().with_aggregation(Aggregation::Drop).build().unwrap())
    };
    let without_metrics = |builder: Builder| builder.metrics(|metrics| metrics.export(false));
    let with_view = move |builder: Builder| builder.metrics(|metrics| metrics.view(drops));
    let adjustments: [Box<dyn Fn(Builder) -> Builder>; 2] = [Box::new(without_metrics), Box::new(with_view)];
    for adjust in adjustments {
        let collector = Collector::start().unwrap();
        let local = start_with(&collector, KINDS[0], NEVER, &*adjust);
        tracing::dispatcher::with_default(&local.subscriber, || {
            let meter = local.guard.meter("shop");
            meter.u64_observable_counter("dropped").with_callback(|counter| counter.observe(1, &[])).build();
            meter.i64_observable_gauge("dropped").with_callback(|gauge| gauge.observe(1, &[])).build();
            meter.i64_observable_up_down_counter("dropped").with_callback(|it| it.observe(1, &[])).build();
        });
        let (_, lines) = local.shutdown();
        let of_sdk = |line: &&Value| line["target"].as_str().unwrap().starts_with("opentelemetry");
        assert_eq!(lines.iter().filter(of_sdk).count(), 0, "{lines:#?}");
    }
    // A mistake in the name is still reported.
    let collector = Collector::start().unwrap();
    let local = start(&collector, KINDS[0]);
    tracing::dispatcher::with_default(&local.subscriber, || {
        local.guard.meter("shop").u64_observable_counter("").with_callback(|it| it.observe(1, &[])).build();
    });
    let (_, lines) = local.shutdown();
    assert!(lines.iter().any(|line| line.to_string().contains("will not be invoked")), "{lines:#?}");
}

#[test]
fn huge_measurements_do_not_panic_where_a_reader_of_the_user_gets_integers() {
    let collector = Collector::start().unwrap();
    let reader = PeriodicReader::builder(InMemoryMetricExporter::default()).with_interval(NEVER).build();
    let local =
        start_with(&collector, KINDS[0], NEVER, |builder| builder.metrics(|metrics| metrics.reader(reader)));
    let histogram = local.guard.meter("test").u64_histogram("sizes").build();
    let bound = histogram.bind(&[]);
    for _ in 0..3_000 {
        histogram.record(u64::MAX, &[]);
        bound.record(u64::MAX);
    }
    histogram.record(5, &[]);
    local.shutdown();
    let histogram = collector.received().histogram("sizes", &[]).unwrap();
    assert!(histogram.count > 1_000 && histogram.sum > 9e18, "{histogram:?}");
}

#[test]
fn a_flush_without_time_does_not_hold_up_the_shutdown() {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder
            .metrics(|metrics| metrics.interval(Duration::from_secs(600)))
            .shutdown_timeout(Duration::from_secs(600))
    });
    local.record(0..1);
    for _ in 0..10 {
        // It is over before it begins.
        local.guard.force_flush(Duration::ZERO).unwrap_err();
    }
    let begin = Instant::now();
    let (delivery, _) = local.shutdown();
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    assert_eq!(delivery.lost(), 0, "{delivery}");
    assert_eq!(collector.received().value("recorded", &[]), Some(1.0));
}

#[test]
fn each_view_that_matches_makes_a_stream() {
    let named = |name: &'static str, matching: &'static str| {
        move |instrument: &Instrument| {
            let matches = instrument.name().starts_with(matching);
            matches.then(|| Stream::builder().with_name(name).build().unwrap())
        }
    };
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local = start_with(&collector, kind, NEVER, |builder| {
            builder.metrics(|metrics| {
                let panics = |_: &Instrument| -> Option<Stream> { panic!("a view panics on purpose") };
                metrics.view(named("first", "viewed")).view(panics).view(named("second", "viewed"))
            })
        });
        let meter = local.guard.meter("test");
        meter.u64_counter("viewed").build().add(1, &[]);
        meter.u64_counter("other").build().add(2, &[]);
        let (delivery, _) = local.shutdown();
        assert_eq!(delivery.lost(), 0, "{delivery}");
        let received = collector.received();
        let value = |name| received.value(name, &[]);
        let values = (value("first"), value("second"), value("viewed"), value("other"));
        assert_eq!(values, (Some(1.0), Some(1.0), None, Some(2.0)), "{kind:?}");
    }
}

#[test]
fn the_least_and_the_greatest_number_fit_into_one_exponential_histogram() {
    let view = |_: &Instrument| {
        let aggregation =
            Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
        Some(Stream::builder().with_aggregation(aggregation).build().unwrap())
    };
    for kind in KINDS {
        let collector = Collector::start().unwrap();
        let local =
            start_with(&collector, kind, NEVER, |builder| builder.metrics(|metrics| metrics.view(view)));
        let meter = local.guard.meter("test");
        let histogram = meter.f64_histogram("recorded").build();
        histogram.record(f64::MAX, &[]);
        histogram.record(5e-324, &[]);
        histogram.record(f64::MIN_POSITIVE, &[]);
        let bound = meter.f64_histogram("bound").build().bind(&[]);
        bound.record(f64::MAX);
        bound.record(5e-324);
        let (delivery, _) = local.shutdown();
        assert_eq!(delivery.lost(), 0, "{delivery}");
        for (name, expected) in [("recorded", (3, 1)), ("bound", (2, 1))] {
            let received = collector.received();
            let metrics = received.metrics();
            let found = metrics.iter().find(|metric| metric.name() == name).unwrap();
            let Some(Data::ExponentialHistogram(histogram)) = &found.metric.data else { panic!("{found:?}") };
            let point = &histogram.data_points[0];
            assert_eq!((point.count, point.zero_count), expected, "{name} {kind:?}");
        }
    }
}
