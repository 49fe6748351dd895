//! Metrics about the program itself: their names, kinds, units and values at the collector.

#![expect(clippy::panic, clippy::unwrap_used, reason = "test code")]

mod local;

use std::collections::BTreeMap;
use std::time::Duration;

use local::{Local, PATIENCE};
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
    TracerProvider as _,
};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, ShouldSample, Span, SpanData, SpanProcessor,
};
use telemetry_bootstrap::Signal;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::common::v1::KeyValue;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::Metric;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use telemetry_bootstrap::testing::{CollectedTelemetry, Collector, Fault};
use telemetry_bootstrap::{
    BuiltInMetrics, Destination, GrpcCode, Protocol, ResourceDetector, opentelemetry, opentelemetry_sdk,
    tracing,
};

/// Instrument, unit, type and the attributes of every metric, as the semantic conventions have them (for tokio, which
/// they do not know, as ours).
const EXPECTED: [(&str, &str, &str, &str, &[&str]); 26] = [
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
    ("otel.sdk.span.started", "counter", "{span}", "int", STARTED),
    ("otel.sdk.span.live", "updowncounter", "{span}", "int", &["otel.span.sampling_result"]),
    ("otel.sdk.metric_reader.collection.duration", "histogram", "s", "double", COMPONENT),
    ("otel.sdk.exporter.operation.duration", "histogram", "s", "double", EXPORTER),
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

const STARTED: &[&str] = &["otel.span.parent.origin", "otel.span.sampling_result"];

type Shape = (&'static str, String, &'static str, Vec<String>);

/// What each metric looks like, by its name.
fn shapes(received: &CollectedTelemetry) -> BTreeMap<String, Shape> {
    let shape = |data: &Data| {
        let (instrument, points) = match data {
            Data::Gauge(gauge) => ("gauge", &gauge.data_points),
            Data::Sum(sum) if sum.is_monotonic => ("counter", &sum.data_points),
            Data::Sum(sum) => ("updowncounter", &sum.data_points),
            Data::Histogram(histogram) => {
                let keys = histogram.data_points[0].attributes.iter().map(|attribute| attribute.key.clone());
                // The status of an answer is that of the protocol.
                let mut keys: Vec<_> = keys.filter(|key| !key.ends_with("status_code")).collect();
                keys.sort_unstable();
                return ("histogram", "double", keys);
            }
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
        let of_the_sdk = |name: &str| name.starts_with("otel.sdk.");
        let missing: Vec<_> =
            known.keys().filter(|name| of_the_sdk(name) && !found.contains_key(**name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let takes = registry("takes");
        for metric in received.metrics().iter().filter(|metric| of_the_sdk(metric.name())) {
            let known: Vec<_> = takes.get(metric.name()).map_or("", |keys| *keys).split(' ').collect();
            for key in attributes_of(&metric.metric).flatten().map(|attribute| &*attribute.key) {
                assert!(known.contains(&key), "{}: {key}", metric.name());
            }
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

/// The attributes of each point.
fn attributes_of(metric: &Metric) -> impl Iterator<Item = &[KeyValue]> {
    let points: Vec<&[KeyValue]> = match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => gauge.data_points.iter().map(|point| &*point.attributes).collect(),
        Data::Sum(sum) => sum.data_points.iter().map(|point| &*point.attributes).collect(),
        Data::Histogram(histogram) => histogram.data_points.iter().map(|point| &*point.attributes).collect(),
        other => panic!("{other:?}"),
    };
    points.into_iter()
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

#[cfg(unix)]
#[test]
fn an_exporter_to_a_unix_socket_names_its_path_and_no_port() {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder
            .traces(|traces| traces.destination(Destination::otlp("unix:/nowhere/otel.sock")))
            .metrics(|metrics| metrics.built_in([BuiltInMetrics::Sdk]))
    });
    local.record(0..10);
    local.wait_until(|stats| stats.traces.delivered == 10);
    local.guard.meter_provider().force_flush().unwrap();
    let received = collector.received();
    let inflight = ("otel.component.name", "otlp_grpc_span_exporter/1");
    let at_socket = ("server.address", "/nowhere/otel.sock");
    let name = "otel.sdk.exporter.span.inflight";
    assert!(received.value(name, &[inflight, at_socket]).is_some());
    let port = ("server.port", "80");
    assert_eq!(received.value(name, &[inflight, port]), None);
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

/// Spans that a sampler of the user decides on by their names.
#[derive(Clone, Debug)]
struct ByName;

impl ShouldSample for ByName {
    fn should_sample(
        &self,
        _parent: Option<&opentelemetry::Context>,
        _trace_id: TraceId,
        name: &str,
        _kind: &SpanKind,
        _attributes: &[opentelemetry::KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let decision = match name {
            "dropped" => SamplingDecision::Drop,
            "recorded" => SamplingDecision::RecordOnly,
            _ => SamplingDecision::RecordAndSample,
        };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

#[derive(Debug)]
struct Idle;

impl SpanProcessor for Idle {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}
    fn on_end(&self, _: SpanData) {}
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// What `otel.sdk.span.started` and `otel.sdk.span.live` show.
fn span_counts(local: &Local, collector: &Collector) -> BTreeMap<(String, String, String), f64> {
    local.guard.force_flush(PATIENCE).unwrap();
    let received = collector.received();
    let results = ["DROP", "RECORD_ONLY", "RECORD_AND_SAMPLE"];
    let mut counts = BTreeMap::new();
    for result in results {
        let sampled = ("otel.span.sampling_result", result);
        for origin in ["none", "local", "remote"] {
            let value =
                received.value("otel.sdk.span.started", &[sampled, ("otel.span.parent.origin", origin)]);
            if let Some(value) = value {
                counts.insert(("started".to_owned(), result.to_owned(), origin.to_owned()), value);
            }
        }
        if let Some(value) = received.value("otel.sdk.span.live", &[sampled]) {
            counts.insert(("live".to_owned(), result.to_owned(), String::new()), value);
        }
    }
    counts
}

#[test]
fn spans_of_every_form_are_counted_when_they_start_and_when_they_end() {
    for has_processor in [false, true] {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), |builder| {
            let builder = builder.metrics(|metrics| metrics.built_in([BuiltInMetrics::Sdk]));
            builder.traces(|traces| match has_processor {
                true => traces.sampler(ByName).span_processor(Idle),
                false => traces.sampler(ByName),
            })
        });
        let caller = SpanContext::new(
            TraceId::from(1),
            SpanId::from(1),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let open = tracing::dispatcher::with_default(&local.subscriber, || {
            let root = tracing::info_span!("root");
            root.in_scope(|| {
                tracing::info_span!("dropped").in_scope(|| tracing::info_span!("recorded").in_scope(|| {}))
            });
            let remote = opentelemetry::Context::new().with_remote_span_context(caller.clone());
            let _attached = remote.attach();
            tracing::info_span!("sampled").in_scope(|| {});
            root
        });
        // Of the API, whose spans are always of the SDK.
        let tracer = local.guard.tracer_provider().tracer("other");
        let api = tracer.start("recorded");
        let count = |kind: &str, result: &str, origin: &str, count: f64| {
            ((kind.to_owned(), result.to_owned(), origin.to_owned()), count)
        };
        let mut expected = BTreeMap::from([
            count("started", "DROP", "local", 1.0),
            count("started", "RECORD_ONLY", "local", 1.0),
            count("started", "RECORD_ONLY", "none", 1.0),
            count("started", "RECORD_AND_SAMPLE", "none", 1.0),
            count("started", "RECORD_AND_SAMPLE", "remote", 1.0),
            count("live", "RECORD_ONLY", "", 1.0),
            count("live", "RECORD_AND_SAMPLE", "", 1.0),
        ]);
        assert_eq!(span_counts(&local, &collector), expected, "has_processor={has_processor}");
        tracing::dispatcher::with_default(&local.subscriber, || drop(open));
        drop(api);
        expected.extend([count("live", "RECORD_ONLY", "", 0.0), count("live", "RECORD_AND_SAMPLE", "", 0.0)]);
        assert_eq!(span_counts(&local, &collector), expected, "has_processor={has_processor}");
    }
}

#[test]
fn spans_that_are_dropped_without_a_call_of_the_sampler_are_counted() {
    for has_processor in [false, true] {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), |builder| {
            let builder = builder.metrics(|metrics| metrics.built_in([BuiltInMetrics::Sdk]));
            builder.traces(|traces| {
                let traces = traces.sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)));
                if has_processor { traces.span_processor(Idle) } else { traces }
            })
        });
        tracing::dispatcher::with_default(&local.subscriber, || {
            for _ in 0..3 {
                // One that is entered, and one that never is.
                tracing::info_span!("root").in_scope(|| {
                    tracing::info_span!("child").in_scope(|| drop(tracing::info_span!("grandchild")));
                });
            }
        });
        let dropped = |origin: &str| ("started".to_owned(), "DROP".to_owned(), origin.to_owned());
        let live = ("live".to_owned(), "RECORD_AND_SAMPLE".to_owned(), String::new());
        let expected = BTreeMap::from([(dropped("none"), 3.0), (dropped("local"), 6.0), (live, 0.0)]);
        assert_eq!(span_counts(&local, &collector), expected, "has_processor={has_processor}");
    }
}

#[test]
fn an_export_is_measured_once_from_its_first_try_to_its_end() {
    const DURATION: &str = "otel.sdk.exporter.operation.duration";
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), |builder| {
            builder.protocol(protocol).metrics(|metrics| metrics.built_in([BuiltInMetrics::Sdk]))
        });
        let (status, fine, wrong) = match protocol {
            Protocol::Grpc => ("rpc.status_code", "OK", "INVALID_ARGUMENT"),
            _ => ("http.response.status_code", "200", "400"),
        };
        let histogram = |attributes: &[(&str, &str)]| {
            local.guard.force_flush(PATIENCE).unwrap();
            collector.received().histogram(DURATION, attributes)
        };
        let of_logs = |rest: &[(&'static str, &'static str)]| {
            let kind = match protocol {
                Protocol::Grpc => "otlp_grpc_log_exporter",
                _ => "otlp_http_log_exporter",
            };
            [&[("otel.component.type", kind)], rest].concat()
        };
        // A try that fails, and one that succeeds: one operation.
        collector.inject_fault(Fault::http(503).on(Signal::Logs).times(1));
        local.record(0..1);
        local.wait_until(|stats| stats.logs.pending == 0);
        let one = histogram(&of_logs(&[(status, fine)])).unwrap();
        assert_eq!(one.count, 1, "{protocol:?}");
        assert!(one.sum >= 0.05, "{one:?}: the pause between the tries counts");
        let refusal = match protocol {
            Protocol::Grpc => Fault::status(GrpcCode::InvalidArgument, "no"),
            _ => Fault::http(400),
        };
        collector.inject_fault(refusal.on(Signal::Logs).times(1));
        local.record(0..1);
        local.wait_until(|stats| stats.logs.failed == 1);
        let refused = histogram(&of_logs(&[(status, wrong), ("error.type", "_OTHER")]));
        assert_eq!(refused.map(|value| value.count), Some(1), "{protocol:?}");
        collector.inject_fault(Fault::partial_success(1, "no").on(Signal::Logs).times(1));
        local.record(0..1);
        local.wait_until(|stats| stats.logs.rejected == 1);
        let rejected = histogram(&of_logs(&[(status, fine), ("error.type", "rejected")]));
        assert_eq!(rejected.map(|value| value.count), Some(1), "{protocol:?}");
        let all = histogram(&of_logs(&[]));
        assert_eq!(all.map(|value| value.count), Some(3), "{protocol:?}");
    }
}

#[test]
fn collections_are_measured() {
    const DURATION: &str = "otel.sdk.metric_reader.collection.duration";
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder.metrics(|metrics| metrics.interval(Duration::from_secs(3600)).built_in([BuiltInMetrics::Sdk]))
    });
    (0..3).for_each(|_| local.guard.force_flush(PATIENCE).unwrap());
    let reader = [
        ("otel.component.type", "periodic_metric_reader"),
        ("otel.component.name", "periodic_metric_reader/0"),
    ];
    // A collection is in the next one.
    let count = collector.received().histogram(DURATION, &reader).map(|value| value.count);
    assert_eq!(count, Some(2));
}

#[test]
fn metrics_of_tokio_begin_once_the_runtime_is_known() {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder.metrics(|metrics| metrics.built_in([BuiltInMetrics::Tokio]))
    });
    let workers = || {
        local.guard.force_flush(PATIENCE).unwrap();
        collector.received().value("tokio.runtime.worker.count", &[])
    };
    assert_eq!(workers(), None);
    let runtime =
        |workers| tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().unwrap();
    let (first, second) = (runtime(2), runtime(3));
    local.guard.observe_runtime(first.handle());
    assert_eq!(workers(), Some(2.0));
    local.guard.observe_runtime(second.handle());
    assert_eq!(workers(), Some(3.0));
    let (_, lines) = local.shutdown();
    assert!(lines.iter().all(|line| line["level"] != "WARN"), "{lines:#?}");
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
