//! Metrics about the program itself: their names, kinds, units and values at the collector.

#![expect(clippy::panic, clippy::unwrap_used, reason = "test code")]

mod local;

use std::collections::BTreeMap;

use local::{Local, PATIENCE};
use telemetry_bootstrap::Signal;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::common::v1::KeyValue;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::Metric;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use telemetry_bootstrap::testing::{CollectedTelemetry, Collector, Fault};
use telemetry_bootstrap::{BuiltInMetrics, Destination, Protocol, ResourceDetector, tracing};

/// Instrument, unit, type and the attributes of every metric, as the semantic conventions have them (for tokio, which
/// they do not know, as ours).
const EXPECTED: [(&str, &str, &str, &str, &[&str]); 22] = [
    ("otel.sdk.exporter.span.exported", "counter", "{span}", "int", EXPORTER),
    ("otel.sdk.exporter.log.exported", "counter", "{log_record}", "int", EXPORTER),
    ("otel.sdk.exporter.metric_data_point.exported", "counter", "{data_point}", "int", EXPORTER),
    ("otel.sdk.exporter.span.inflight", "updowncounter", "{span}", "int", EXPORTER),
    ("otel.sdk.exporter.log.inflight", "updowncounter", "{log_record}", "int", EXPORTER),
    ("otel.sdk.exporter.metric_data_point.inflight", "updowncounter", "{data_point}", "int", EXPORTER),
    ("otel.sdk.processor.span.processed", "counter", "{span}", "int", COMPONENT),
    ("otel.sdk.processor.span.queue.size", "updowncounter", "{span}", "int", COMPONENT),
    ("otel.sdk.processor.span.queue.capacity", "updowncounter", "{span}", "int", COMPONENT),
    ("otel.sdk.processor.log.processed", "counter", "{log_record}", "int", COMPONENT),
    ("otel.sdk.processor.log.queue.size", "updowncounter", "{log_record}", "int", COMPONENT),
    ("otel.sdk.processor.log.queue.capacity", "updowncounter", "{log_record}", "int", COMPONENT),
    ("otel.sdk.log.created", "counter", "{log_record}", "int", &[]),
    ("process.cpu.time", "counter", "s", "double", &["cpu.mode"]),
    ("process.memory.usage", "updowncounter", "By", "int", &[]),
    ("process.memory.virtual", "updowncounter", "By", "int", &[]),
    ("process.thread.count", "updowncounter", "{thread}", "int", &[]),
    ("process.unix.file_descriptor.count", "updowncounter", "{file_descriptor}", "int", &[]),
    ("process.paging.faults", "counter", "{fault}", "int", &["system.paging.fault.type"]),
    ("tokio.runtime.worker.count", "updowncounter", "{worker}", "int", &[]),
    ("tokio.runtime.task.count", "updowncounter", "{task}", "int", &[]),
    ("tokio.runtime.global_queue.size", "updowncounter", "{task}", "int", &[]),
];
const UPTIME: (&str, &str, &str, &str, &[&str]) = ("process.uptime", "gauge", "s", "double", &[]);
const COMPONENT: &[&str] = &["otel.component.name", "otel.component.type"];
const EXPORTER: &[&str] = &["otel.component.name", "otel.component.type", "server.address", "server.port"];

type Shape = (&'static str, String, &'static str, Vec<String>);

/// What each metric looks like, by its name.
fn shapes(received: &CollectedTelemetry) -> BTreeMap<String, Shape> {
    let shape = |data: &Data| {
        let (instrument, points) = match data {
            Data::Gauge(gauge) => ("gauge", &gauge.data_points),
            Data::Sum(sum) if sum.is_monotonic => ("counter", &sum.data_points),
            Data::Sum(sum) => ("updowncounter", &sum.data_points),
            other => panic!("{other:?}"),
        };
        let number = match points[0].value.unwrap() {
            Value::AsInt(_) => "int",
            Value::AsDouble(_) => "double",
        };
        let mut keys: Vec<_> = points[0].attributes.iter().map(|attribute| attribute.key.clone()).collect();
        keys.sort_unstable();
        (instrument, number, keys)
    };
    let metrics = received.metrics().into_iter().filter(|metric| !metric.scope.version.is_empty());
    metrics
        .map(|metric| {
            let (instrument, number, keys) = shape(metric.metric.data.as_ref().unwrap());
            (metric.name().to_owned(), (instrument, metric.unit().to_owned(), number, keys))
        })
        .collect()
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn every_metric_has_the_name_unit_and_kind_of_the_conventions() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), |builder| {
            builder.protocol(protocol).metrics(|metrics| metrics.built_in(BuiltInMetrics::ALL))
        });
        local.record(0..10);
        // What the first one has delivered, the second one reports.
        local.guard.force_flush_async(PATIENCE).await.unwrap();
        local.guard.force_flush_async(PATIENCE).await.unwrap();
        let received = collector.received();
        let found = shapes(&received);
        let expected = EXPECTED.into_iter().chain([UPTIME]).map(|(name, instrument, unit, number, keys)| {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            (name.to_owned(), (instrument, unit.to_owned(), number, keys))
        });
        assert_eq!(found, expected.collect::<BTreeMap<_, _>>(), "{protocol:?}");
        for (name, least) in [
            ("process.memory.usage", 1e6),
            ("process.memory.virtual", 1e6),
            ("process.thread.count", 2.0),
            ("process.unix.file_descriptor.count", 3.0),
            ("process.paging.faults", 1.0),
            ("process.uptime", 0.0),
            ("tokio.runtime.worker.count", 1.0),
        ] {
            assert!(received.value(name, &[]).unwrap() >= least, "{name}: {:?}", received.value(name, &[]));
        }
        assert!(received.value("process.uptime", &[]).unwrap() < 3600.0);
        let (delivery, lines) = tokio::task::spawn_blocking(|| local.shutdown()).await.unwrap();
        assert_eq!(delivery.lost(), 0, "{delivery}");
        assert!(lines.iter().all(|line| line["level"] != "WARN"), "{lines:#?}");
    }
}

/// Lines of the registry of this kind: a name, and what follows it.
fn registry(kind: &str) -> BTreeMap<&'static str, &'static str> {
    let lines = include_str!("conventions/registry.txt").lines();
    lines.filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' ')?.split_once(' ')).collect()
}

/// Checks that attributes are in the registry, with their types, and that those that are a choice have a value of it.
#[track_caller]
fn check_attributes(attributes: &[KeyValue]) {
    let (known, values) = (registry("attribute"), registry("values"));
    for KeyValue { key, value, .. } in attributes {
        let value = value.clone().unwrap().value.unwrap();
        let kind = known.get(&**key).unwrap_or_else(|| panic!("{key} is not in the registry"));
        match (&value, *kind) {
            (Any::StringValue(value), "string") => {
                assert!(!value.is_empty(), "{key}");
                let is_choice = |values: &&str| values.split(' ').any(|known| known == value);
                assert!(values.get(&**key).is_none_or(is_choice), "{key}={value}");
            }
            (Any::IntValue(_), "int") => {}
            _ => panic!("{key} is no {kind}: {value:?}"),
        }
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn everything_about_the_program_is_in_the_registry_of_the_conventions() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), |builder| {
            builder
                .protocol(protocol)
                .resource_detectors(ResourceDetector::ALL)
                .metrics(|metrics| metrics.built_in(BuiltInMetrics::ALL))
        });
        local.record(0..10);
        local.guard.force_flush_async(PATIENCE).await.unwrap();
        local.guard.force_flush_async(PATIENCE).await.unwrap();
        let received = collector.received();
        let (known, required) = (registry("metric"), registry("required"));
        let found = shapes(&received);
        for (name, (instrument, unit, _, keys)) in
            found.iter().filter(|(name, _)| !name.starts_with("tokio."))
        {
            let expected = known.get(&**name).unwrap_or_else(|| panic!("{name} is not in the registry"));
            assert_eq!(*expected, format!("{instrument} {unit}"), "{name}");
            let required = required.get(&**name).map(|key| (*key).to_owned());
            assert!(required.is_none_or(|key| keys.contains(&key)), "{name}: {keys:?}");
        }
        for metric in received.metrics() {
            check_attributes(&metric.resource.attributes);
            for attributes in attributes_of(&metric.metric).filter(|_| metric.name() != "recorded") {
                check_attributes(attributes);
            }
        }
        tokio::task::spawn_blocking(|| local.shutdown()).await.unwrap();
    }
}

/// The attributes of each point; the built-in metrics have no histograms.
fn attributes_of(metric: &Metric) -> impl Iterator<Item = &[KeyValue]> {
    let points = match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => &gauge.data_points,
        Data::Sum(sum) => &sum.data_points,
        other => panic!("{other:?}"),
    };
    points.iter().map(|point| &*point.attributes)
}

#[test]
fn numbers_of_the_sdk_are_those_of_the_collector() {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder
            .traces(|traces| traces.max_queue_size(100).max_export_batch_size(10))
            .metrics(|metrics| metrics.built_in([BuiltInMetrics::Sdk]))
    });
    collector.inject_fault(Fault::partial_success(3, "no").on(Signal::Traces).times(1));
    local.record(0..10);
    local.wait_until(|stats| stats.traces.pending == 0 && stats.logs.pending == 0);
    local.guard.force_flush(PATIENCE).unwrap();
    let received = collector.received();
    let failed = |error| received.value("otel.sdk.exporter.span.exported", &[("error.type", error)]);
    let kept = received.span_count() as f64;
    assert_eq!(failed("rejected"), Some(10.0 - kept));
    assert_eq!(received.value("otel.sdk.exporter.span.exported", &[]), Some(10.0));
    assert_eq!(failed("timeout"), None, "errors that did not happen have no series");
    let endpoint = [
        ("otel.component.type", "otlp_grpc_log_exporter"),
        ("otel.component.name", "otlp_grpc_log_exporter/0"),
        ("server.address", "127.0.0.1"),
        ("server.port", &*collector.port().to_string()),
    ];
    assert_eq!(received.value("otel.sdk.exporter.log.exported", &endpoint), Some(10.0));
    assert_eq!(received.value("otel.sdk.log.created", &[]), Some(10.0));
    assert_eq!(received.value("otel.sdk.processor.span.processed", &[]), Some(10.0));
    assert_eq!(received.value("otel.sdk.processor.span.queue.size", &[]), Some(0.0));
    assert_eq!(received.value("otel.sdk.processor.span.queue.capacity", &[]), Some(100.0));
}

#[test]
fn spans_are_processed_once_they_are_handed_to_the_exporter_whatever_becomes_of_them() {
    let (collector, outage) = (Collector::start().unwrap(), Collector::start().unwrap());
    outage.inject_fault(Fault::http(503));
    let local = Local::with(&collector.endpoint(), |builder| {
        builder
            .traces(|traces| traces.endpoint(outage.endpoint()))
            .metrics(|metrics| metrics.built_in([BuiltInMetrics::Sdk]))
    });
    local.record(0..10);
    // The request is tried again and again.
    let value = |received: &CollectedTelemetry, name: &str| received.value(name, &[]);
    collector
        .wait_for(PATIENCE, |received| {
            value(received, "otel.sdk.processor.span.processed") == Some(10.0)
                && value(received, "otel.sdk.processor.span.queue.size") == Some(0.0)
                && value(received, "otel.sdk.exporter.span.inflight") == Some(10.0)
                && value(received, "otel.sdk.exporter.span.exported") == Some(0.0)
        })
        .unwrap();
    outage.clear_faults();
    collector
        .wait_for(PATIENCE, |received| {
            value(received, "otel.sdk.processor.span.processed") == Some(10.0)
                && value(received, "otel.sdk.exporter.span.inflight") == Some(0.0)
                && value(received, "otel.sdk.exporter.span.exported") == Some(10.0)
        })
        .unwrap();
}

#[test]
fn every_destination_has_its_own_numbers() {
    let (first, second) = (Collector::start().unwrap(), Collector::start().unwrap());
    let local = Local::with(&first.endpoint(), |builder| {
        builder
            .traces(|traces| traces.destination(Destination::otlp(second.endpoint())))
            .metrics(|metrics| metrics.built_in([BuiltInMetrics::Sdk]))
    });
    local.record(0..10);
    local.wait_until(|stats| stats.traces.pending == 0);
    local.guard.force_flush(PATIENCE).unwrap();
    for (index, port) in [(0, first.port()), (1, second.port())] {
        let name = format!("otlp_grpc_span_exporter/{index}");
        let of = [("otel.component.name", &*name), ("server.port", &*port.to_string())];
        assert_eq!(first.received().value("otel.sdk.exporter.span.exported", &of), Some(10.0), "{name}");
    }
    assert_eq!(first.received().value("otel.sdk.log.created", &[]), Some(10.0));
}

#[test]
fn dropped_spans_are_processed_with_an_error() {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::http(503).on(Signal::Traces));
    let local = Local::with(&collector.endpoint(), |builder| {
        builder
            .traces(|traces| traces.max_queue_size(10).max_export_batch_size(10))
            .metrics(|metrics| metrics.built_in([BuiltInMetrics::Sdk]))
    });
    local.record(0..100);
    let dropped = local.guard.stats().traces.dropped;
    assert!(dropped > 0);
    let full = [("error.type", "queue_full")];
    collector
        .wait_for(PATIENCE, |received| {
            received.value("otel.sdk.processor.span.processed", &full) == Some(dropped as f64)
        })
        .unwrap();
}

#[test]
fn metrics_of_tokio_outside_of_a_runtime_are_a_warning() {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder.metrics(|metrics| metrics.built_in([BuiltInMetrics::Tokio]))
    });
    tracing::dispatcher::with_default(&local.subscriber, || tracing::info!("seen"));
    let (_, lines) = local.shutdown();
    let warnings: Vec<_> = lines.iter().filter(|line| line["level"] == "WARN").collect();
    assert_eq!(warnings.len(), 1, "{lines:#?}");
    assert!(warnings[0]["message"].as_str().unwrap().contains("tokio"), "{lines:#?}");
}

#[test]
fn nothing_about_the_program_is_exported_by_default() {
    let collector = Collector::start().unwrap();
    let local = Local::start(&collector.endpoint());
    local.record(0..1);
    local.guard.force_flush(PATIENCE).unwrap();
    let names: Vec<_> = collector.metrics().iter().map(|metric| metric.name().to_owned()).collect();
    assert!(names.iter().all(|name| name == "recorded"), "{names:?}");
}
