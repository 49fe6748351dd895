//! What arrives at a collector under the official examples: each says what its values stand for, and telemetry must be so.

#![cfg(all(feature = "testing", feature = "config-file"))]
#![expect(clippy::unwrap_used, reason = "test code")]

mod child_process;
mod config_support;

use opentelemetry::logs::{AnyValue as LogValue, LogRecord as _, Logger as _, LoggerProvider as _};
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry_bootstrap::Signal;
use telemetry_bootstrap::testing::{CollectedTelemetry, Collector};
use telemetry_bootstrap::{init, tracing};

use self::config_support::{Run, aim, official, start};

/// Starts telemetry under a snippet. What it prints to the console goes to the collector instead.
fn snippet(name: &str) -> (Run, Collector) {
    let collector = Collector::start().unwrap();
    let text = official(&format!("v1.1.0/snippets/{name}.yaml"));
    let signal = match () {
        () if text.contains("tracer_provider") => "traces",
        () if text.contains("logger_provider") => "logs",
        () => "metrics",
    };
    let exporter = format!("otlp_http: {{endpoint: 'http://localhost:4318/v1/{signal}'}}");
    let text = aim(&text.replace("console:", &exporter), &collector);
    (start(&text, |builder| builder).unwrap(), collector)
}

/// More attributes than any limit, each with a text of this length.
fn attributes(length: usize) -> Vec<KeyValue> {
    (0..200).map(|number| KeyValue::new(format!("key.{number}"), "x".repeat(length))).collect()
}

fn remote(id: u128, flags: TraceFlags) -> SpanContext {
    SpanContext::new(TraceId::from(id), SpanId::from(7), flags, true, TraceState::default())
}

/// The number of characters, of text.
fn length(value: Option<&AnyValue>) -> usize {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.len(),
        _ => 0,
    }
}

#[test]
fn a_span_has_the_limits_of_the_snippet() {
    let (run, collector) = snippet("SpanLimits_kitchen_sink");
    let tracer = run.guard.tracer_provider().tracer("test");
    let links = (1..=200).map(|id| Link::new(remote(id, TraceFlags::SAMPLED), attributes(1), 0)).collect();
    let mut span =
        tracer.span_builder("limited").with_attributes(attributes(5_000)).with_links(links).start(&tracer);
    for _ in 0..200 {
        span.add_event("event", attributes(1));
    }
    span.end();
    run.guard.shutdown().unwrap();
    let span = &collector.spans()[0].span;
    assert_eq!((span.attributes.len(), span.events.len(), span.links.len()), (128, 128, 128));
    assert_eq!((span.events[0].attributes.len(), span.links[0].attributes.len()), (128, 128));
    // Its own limits, not the general ones.
    assert_eq!(length(span.attributes[0].value.as_ref()), 4_096);
    assert_eq!(span.dropped_attributes_count, 72);
}

#[test]
fn a_record_has_the_limits_of_the_snippet() {
    let (run, collector) = snippet("LogRecordLimits_kitchen_sink");
    let logger = run.guard.logger_provider().logger("test");
    let mut record = logger.create_log_record();
    for attribute in attributes(5_000) {
        record.add_attribute(attribute.key, LogValue::from(attribute.value.to_string()));
    }
    logger.emit(record);
    run.guard.shutdown().unwrap();
    let record = &collector.logs()[0].record;
    assert_eq!((record.attributes.len(), record.dropped_attributes_count), (128, 72));
    assert_eq!(length(record.attributes[0].value.as_ref()), 4_096);
}

#[test]
fn one_in_a_hundred_roots_is_sampled_and_children_follow_their_parents() {
    let (run, collector) = snippet("Sampler_parent_based_typical");
    let tracer = run.guard.tracer_provider().tracer("test");
    for _ in 0..10_000 {
        tracer.start("root").end();
    }
    for (id, flags) in [(1, TraceFlags::SAMPLED), (2, TraceFlags::default())] {
        let parent = Context::new().with_remote_span_context(remote(id, flags));
        for _ in 0..5 {
            tracer.start_with_context("child", &parent).end();
        }
    }
    run.guard.shutdown().unwrap();
    let received = collector.received();
    let roots = received.spans_named("root").len();
    // Six standard deviations around 100.
    assert!((40..=160).contains(&roots), "{roots}");
    let children = received.spans_named("child");
    assert_eq!(children.len(), 5);
    assert!(children.iter().all(|child| child.trace_id().ends_with('1')), "{children:?}");
}

#[test]
fn attributes_of_the_resource_have_the_types_of_the_snippet() {
    let collector = Collector::start().unwrap();
    let exporter = "{otlp_http: {endpoint: 'http://localhost:4318/v1/logs'}}";
    let text = format!(
        "{}\nlogger_provider: {{processors: [{{simple: {{exporter: {exporter}}}}}]}}\n",
        official("v1.1.0/snippets/Resource_kitchen_sink.yaml")
    );
    start(&aim(&text, &collector), |builder| builder).unwrap().record_and_end();
    let log = &collector.logs()[0];
    let find = |key: &str| log.resource.attributes.iter().find(|attribute| attribute.key == key);
    let value = |key: &str| find(key).and_then(|attribute| attribute.value.clone()?.value);
    let text = |text: &str| Value::StringValue(text.to_owned());
    for (key, expected) in [
        ("service.name", text("unknown_service")),
        ("string_key", text("value")),
        ("bool_key", Value::BoolValue(true)),
        ("int_key", Value::IntValue(1)),
        ("double_key", Value::DoubleValue(1.1)),
        ("service.namespace", text("my-namespace")),
        ("service.version", text("1.0.0")),
    ] {
        assert_eq!(value(key), Some(expected), "{key}");
    }
    for (key, first) in [
        ("string_array_key", text("value1")),
        ("bool_array_key", Value::BoolValue(true)),
        ("int_array_key", Value::IntValue(1)),
        ("double_array_key", Value::DoubleValue(1.1)),
    ] {
        let Some(Value::ArrayValue(array)) = value(key) else { panic!("{key}: {:?}", value(key)) };
        assert_eq!((array.values.len(), array.values[0].value.clone()), (2, Some(first)), "{key}");
    }
    // Of what is detected, `process.*` alone is included.
    assert!(value("process.pid").is_some() && value("process.command_args").is_none());
    assert!(value("host.name").is_none() && value("os.type").is_none(), "{:?}", log.resource);
}

#[test]
fn histograms_have_the_buckets_of_the_snippets() {
    let (run, collector) = snippet("View_override_default_histogram_buckets");
    let meter = run.guard.meter("test");
    meter.f64_histogram("my.instrument.name").build().record(7.0, &[]);
    meter.f64_histogram("other").build().record(7.0, &[]);
    run.guard.shutdown().unwrap();
    let bounds = |collector: &Collector, name: &str| {
        let metrics = collector.metrics();
        let found =
            metrics.iter().find(|metric| metric.name() == name).and_then(|found| found.metric.data.clone());
        let Some(Data::Histogram(histogram)) = found else { panic!("{name}: {found:?}") };
        histogram.data_points[0].explicit_bounds.clone()
    };
    assert_eq!(bounds(&collector, "my.instrument.name"), [0.0, 5.0, 10.0]);
    assert_eq!(bounds(&collector, "other").len(), 15);

    let (run, collector) = snippet("OtlpHttpMetricExporter_use_base2_exponential_histogram");
    run.guard.meter("test").f64_histogram("adapts").build().record(7.0, &[]);
    run.guard.shutdown().unwrap();
    assert!(matches!(collector.metrics()[0].metric.data, Some(Data::ExponentialHistogram(_))));
}

#[test]
fn a_metric_has_as_many_series_as_the_snippet_allows() {
    let (run, collector) = snippet("CardinalityLimits_kitchen_sink");
    let counter = run.guard.meter("test").u64_counter("many").build();
    for number in 0..2_500 {
        counter.add(1, &[KeyValue::new("number", number)]);
    }
    run.guard.shutdown().unwrap();
    let Some(Data::Sum(sum)) = &collector.metrics()[0].metric.data else { panic!() };
    // One more for what overflows.
    assert_eq!(sum.data_points.len(), 2_001);
}

#[cfg(feature = "prometheus")]
#[test]
fn prometheus_scrapes_what_the_snippet_says() {
    use std::io::{Read as _, Write as _};
    let text = official("v1.1.0/snippets/ExperimentalPrometheusMetricExporter_kitchen_sink.yaml");
    let text = text.replace("port: 9464", "port: 0");
    let resource = "resource: {attributes_list: 'service.name=shop,service.attr1=x,team=a'}";
    let run = start(&format!("{text}\n{resource}\n"), |builder| builder).unwrap();
    run.guard.meter("test").u64_counter("orders").build().add(1, &[]);
    let address = run.guard.prometheus().and_then(|prometheus| prometheus.address()).unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let line = answer.lines().find(|line| line.starts_with("orders_total")).unwrap();
    assert!(line.contains("otel_scope_name=\"test\"") && line.contains("service_name=\"shop\""), "{line}");
    assert!(!line.contains("service_attr1") && !line.contains("team"), "{line}");
    assert!(answer.contains("\ntarget_info{"), "{answer}");
}

/// Runs `child` under the example that names a variable for each value.
fn migrated(variables: &[(&str, &str)]) -> CollectedTelemetry {
    let collector = Collector::start().unwrap();
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/configuration/v1.1.0/examples/otel-sdk-migration-config.yaml"
    );
    let endpoint = collector.endpoint();
    let of_all = [("OTEL_CONFIG_FILE", file), ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint)];
    child_process::passed("child", &[&of_all, variables].concat());
    collector.received()
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn child() {
    let telemetry = init().build().unwrap();
    {
        let _span = tracing::info_span!("work", one = "abcdef", two = 2, three = 3).entered();
        tracing::info!(text = "abcdef", "event");
    }
    telemetry.meter("test").f64_histogram("took").build().record(1.0, &[]);
    telemetry.shutdown().unwrap();
}

#[test]
fn every_variable_of_the_migration_example_has_its_effect() {
    let plain = migrated(&[]);
    assert_eq!((plain.span_count(), plain.log_count()), (1, 1));
    assert_eq!(plain.spans()[0].resource_attribute("service.name"), Some("unknown_service".into()));
    let received = migrated(&[
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "region=north"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2"),
        ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-key=of%20traces"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"),
    ]);
    let (span, log) = (&received.spans()[0], &received.logs()[0]);
    assert_eq!(span.resource_attribute("service.name"), Some("shop".into()));
    assert_eq!(log.resource_attribute("region"), Some("north".into()));
    assert_eq!(span.span.attributes.len(), 2);
    assert_eq!(span.attribute_text("one").as_deref(), Some("abc"));
    assert_eq!(log.attribute_text("text").as_deref(), Some("abcd"));
    let header = |signal, name| received.requests(signal).next().unwrap().header(name).map(str::to_owned);
    assert_eq!(header(Signal::Traces, "x-key").as_deref(), Some("of traces"));
    assert_eq!(header(Signal::Metrics, "x-key"), None);
    assert_eq!(header(Signal::Metrics, "content-encoding").as_deref(), Some("gzip"));
    assert_eq!(header(Signal::Logs, "content-encoding"), None);
    let Some(Data::ExponentialHistogram(histogram)) = &received.metrics()[0].metric.data else {
        panic!("{:?}", received.metrics())
    };
    assert_eq!(histogram.aggregation_temporality, 1, "delta");
    assert_eq!(migrated(&[("OTEL_SDK_DISABLED", "true")]).span_count(), 0);
}
