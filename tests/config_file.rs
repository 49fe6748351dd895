//! What arrives at a collector under a configuration file, and what a file that is wrong does.

#![cfg(all(feature = "testing", feature = "config-file"))]
#![expect(clippy::unwrap_used, reason = "test code")]

mod child_process;
mod config_support;

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader};
use telemetry_bootstrap::Signal;
use telemetry_bootstrap::testing::{CollectedMetric, CollectedTelemetry, Collector};
use telemetry_bootstrap::{BuiltInMetrics, InitError, SpanExt as _, init, tracing};

use self::config_support::{aim, official, start};

/// Runs a file and returns what arrived at the collector, which stands in place of `localhost:4318` and `4317`.
fn run(text: &str) -> CollectedTelemetry {
    let collector = Collector::start().unwrap();
    let stats = start(&aim(text, &collector), |builder| builder).unwrap().record_and_end();
    let received = collector.received();
    assert!(received.span_count() + received.log_count() + received.point_count() > 0, "{stats}");
    received
}

/// One provider after the other, all of them simple.
const ALL: &str = "file_format: \"1.1\"
tracer_provider: {processors: [{simple: {exporter: {otlp_http: {endpoint: 'http://localhost:4318/v1/traces'}}}}]}
meter_provider: {readers: [{periodic: {exporter: {otlp_http: {endpoint: 'http://localhost:4318/v1/metrics'}}}}]}
logger_provider: {processors: [{simple: {exporter: {otlp_http: {endpoint: 'http://localhost:4318/v1/logs'}}}}]}
";

#[test]
fn everything_arrives_under_the_official_examples() {
    for tag in ["v1.0.0", "v1.1.0"] {
        for name in ["otel-sdk-config", "otel-sdk-migration-config"] {
            let received = run(&official(&format!("{tag}/examples/{name}.yaml")));
            let (spans, logs) = (received.spans(), received.logs());
            assert_eq!((spans.len(), logs.len()), (1, 1), "{tag} {name}");
            assert_eq!(received.value("orders", &[("kind", "big")]), Some(1.0), "{tag} {name}");
            assert_eq!(spans[0].resource_attribute("service.name"), Some("unknown_service".into()));
            for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
                for request in received.requests(signal) {
                    assert_eq!(request.header("content-encoding"), Some("gzip"), "{tag} {name}");
                }
            }
        }
    }
}

#[test]
fn exporters_send_as_the_official_snippets_say() {
    for signal in ["logs", "traces"] {
        for protocol in ["Http", "Grpc"] {
            let text =
                official(&format!("v1.1.0/snippets/Otlp{protocol}Exporter_{signal}_kitchen_sink.yaml"));
            // The files name certificates that are not there, and TLS.
            let text: String = text
                .lines()
                .filter(|line| !line.contains("_file: /"))
                .flat_map(|line| [line, "\n"])
                .collect();
            let text = text
                .replace("tls:\n            headers", "headers")
                .replace("insecure: false", "insecure: true");
            let received = run(&text);
            let of_signal = if signal == "logs" { Signal::Logs } else { Signal::Traces };
            let request =
                received.requests(of_signal).next().unwrap_or_else(|| panic!("{protocol} {signal}"));
            assert_eq!(request.header("api-key"), Some("1234"), "{protocol} {signal}: {request:?}");
        }
    }
}

#[test]
fn a_provider_that_is_absent_records_nothing_and_passes_contexts_on() {
    let text = "file_format: \"1.1\"\npropagator: {composite: [{tracecontext: }]}\nlogger_provider: {processors: [{simple: {exporter: {otlp_http: {endpoint: 'http://localhost:4318/v1/logs'}}}}]}\n";
    let collector = Collector::start().unwrap();
    let run = start(&aim(text, &collector), |builder| builder).unwrap();
    let remote =
        SpanContext::new(TraceId::from(7), SpanId::from(8), TraceFlags::SAMPLED, true, TraceState::default());
    let parent = Context::new().with_remote_span_context(remote);
    let mut headers = std::collections::HashMap::new();
    run.with(|| {
        let _attached = parent.attach();
        let _span = tracing::info_span!("not made").entered();
        tracing::info!("a record");
        opentelemetry_sdk::propagation::TraceContextPropagator::new().inject(&mut headers);
    });
    assert_eq!(headers["traceparent"], "00-00000000000000000000000000000007-0000000000000008-01");
    run.record_and_end();
    let received = collector.received();
    assert_eq!((received.span_count(), received.point_count()), (0, 0));
    assert_eq!(received.log_count(), 2);
}

#[test]
fn a_disabled_file_records_nothing() {
    let collector = Collector::start().unwrap();
    let text = aim(&format!("{ALL}disabled: true\n"), &collector);
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let run = start(&text, |builder| {
        builder.metrics(|metrics| metrics.reader(reader).built_in(BuiltInMetrics::ALL))
    });
    run.unwrap().record_and_end();
    assert_eq!(collector.request_count(), 0);
    assert!(exporter.get_finished_metrics().unwrap().is_empty());
}

#[test]
fn nested_samplers_decide_by_the_kind_of_parent() {
    let sampler = "
  sampler:
    parent_based:
      root: {always_off: }
      remote_parent_sampled: {always_off: }
      remote_parent_not_sampled: {parent_based: {remote_parent_not_sampled: {always_on: }}}
      local_parent_sampled: {always_on: }
      local_parent_not_sampled: {always_off: }
";
    let collector = Collector::start().unwrap();
    let text = format!(
        "file_format: \"1.1\"\ntracer_provider:\n  processors: [{{simple: {{exporter: {{otlp_http: {{endpoint: 'http://localhost:4318/v1/traces'}}}}}}}}]{sampler}"
    );
    let run = start(&aim(&text, &collector), |builder| builder).unwrap();
    let remote = |id: u64, flags| {
        Context::new().with_remote_span_context(SpanContext::new(
            TraceId::from(u128::from(id)),
            SpanId::from(id),
            flags,
            true,
            TraceState::default(),
        ))
    };
    run.with(|| {
        let root = tracing::info_span!("root");
        root.in_scope(|| drop(tracing::info_span!("child of root").entered()));
        for (name, parent) in [
            ("of sampled", remote(1, TraceFlags::SAMPLED)),
            ("of unsampled", remote(2, TraceFlags::default())),
        ] {
            let span = tracing::info_span!("server", otel.name = name);
            span.set_parent(parent).unwrap();
            span.in_scope(|| {
                drop(tracing::info_span!("child", otel.name = format!("child {name}")).entered())
            });
        }
    });
    run.guard.shutdown().unwrap();
    let mut names: Vec<_> = collector.spans().iter().map(|span| span.name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["child of unsampled", "of unsampled"]);
}

fn metrics_under(views: &str, record: impl FnOnce(&Meter)) -> Vec<CollectedMetric> {
    let collector = Collector::start().unwrap();
    let text = format!(
        "file_format: \"1.1\"\nmeter_provider:\n  readers: [{{periodic: {{exporter: {{otlp_http: {{endpoint: 'http://localhost:4318/v1/metrics'}}}}, cardinality_limits: {{default: 50, histogram: 3}}}}}}]\n  views:\n{views}"
    );
    let run = start(&aim(&text, &collector), |builder| builder).unwrap();
    let scope = InstrumentationScope::builder("shop").with_version("1.2").build();
    record(&run.guard.meter_provider().meter_with_scope(scope));
    run.guard.shutdown().unwrap();
    collector.metrics()
}

#[test]
fn views_select_and_change_streams() {
    let views = "
    - selector: {instrument_name: renamed, meter_name: shop, meter_version: '1.2', unit: s, instrument_type: histogram}
      stream:
        name: new.name
        description: of the view
        aggregation: {explicit_bucket_histogram: {boundaries: [1, 2], record_min_max: false}}
        attribute_keys: {included: [kept, excluded], excluded: ['ex*']}
    - selector: {instrument_name: RENAMED}
      stream: {aggregation: {base2_exponential_bucket_histogram: {max_size: 4}}}
    - selector: {instrument_name: 'dropped.*'}
      stream: {aggregation: {drop: }}
    - selector: {instrument_name: renamed, meter_name: other}
      stream: {aggregation: {drop: }}
    - selector: {instrument_type: counter}
      stream: {aggregation_cardinality_limit: 2}
";
    let metrics = metrics_under(views, |meter| {
        let renamed = meter.f64_histogram("renamed").with_unit("s").build();
        for attribute in ["kept", "excluded", "other"] {
            renamed.record(1.5, &[KeyValue::new("kept", 1), KeyValue::new(attribute.to_owned(), 2)]);
        }
        meter.u64_counter("dropped.a").build().add(1, &[]);
        let counter = meter.u64_counter("counted").build();
        let plain = meter.f64_histogram("plain").build();
        for number in 0..10 {
            counter.add(1, &[KeyValue::new("number", number)]);
            plain.record(1.0, &[KeyValue::new("number", number)]);
        }
    });
    let find = |name: &str| metrics.iter().find(|metric| metric.name() == name);
    let Some(Data::Histogram(explicit)) = find("new.name").and_then(|found| found.metric.data.as_ref())
    else {
        panic!("{metrics:?}")
    };
    assert_eq!(find("new.name").unwrap().metric.description, "of the view");
    for point in &explicit.data_points {
        assert_eq!((point.explicit_bounds.as_slice(), point.min), (&[1.0, 2.0][..], None));
        assert!(point.attributes.iter().all(|attribute| attribute.key == "kept"), "{point:?}");
    }
    assert!(
        matches!(&find("renamed").unwrap().metric.data, Some(Data::ExponentialHistogram(_))),
        "a second stream"
    );
    assert!(find("dropped.a").is_none());
    // One more for what overflows.
    let Some(Data::Sum(sum)) = &find("counted").unwrap().metric.data else { panic!() };
    assert_eq!(sum.data_points.len(), 3);
    let Some(Data::Histogram(plain)) = &find("plain").unwrap().metric.data else { panic!() };
    assert_eq!(plain.data_points.len(), 4);
}

#[test]
fn headers_limits_temporality_and_encoding_arrive() {
    let text = "file_format: \"1.1\"
attribute_limits: {attribute_value_length_limit: 3}
tracer_provider:
  processors: [{batch: {exporter: {otlp_http: {endpoint: 'http://localhost:4318/v1/traces', encoding: json, headers: [{name: x-key, value: secret}]}}}}]
  limits: {attribute_count_limit: 1}
meter_provider:
  readers: [{periodic: {exporter: {otlp_grpc: {tls: {insecure: true}, endpoint: 'localhost:4317', temporality_preference: delta}}}}]
logger_provider: {processors: [{batch: {exporter: {otlp_http: {endpoint: 'http://localhost:4318/v1/logs', encoding: protobuf}}}}]}
";
    let collector = Collector::start().unwrap();
    let run = start(&aim(text, &collector), |builder| builder).unwrap();
    run.with(|| {
        let _span = tracing::info_span!("work", first = "abcdef", second = 2).entered();
        tracing::info!(text = "abcdef", "event");
    });
    run.guard.meter("test").u64_counter("orders").build().add(1, &[]);
    run.guard.shutdown().unwrap();
    let received = collector.received();
    let request = received.requests(Signal::Traces).next().unwrap();
    assert_eq!(
        (request.header("x-key"), request.header("content-type")),
        (Some("secret"), Some("application/json"))
    );
    let metrics = received.requests(Signal::Metrics).next().unwrap();
    assert_eq!(metrics.header("content-type"), Some("application/grpc"));
    let span = &received.spans()[0];
    assert_eq!(span.span.attributes.len(), 1);
    assert_eq!(span.span.dropped_attributes_count + 1, 2, "{span:?}");
    assert_eq!(received.logs()[0].attribute_text("text").as_deref(), Some("abc"));
    let Some(Data::Sum(sum)) = &received.metrics()[0].metric.data else { panic!() };
    assert_eq!(sum.aggregation_temporality, 1, "delta");
}

#[test]
fn a_wrong_file_starts_nothing_and_lists_every_mistake() {
    let collector = Collector::start().unwrap();
    let text = format!("{ALL}disabled: maybe\nresource: {{attributes: [{{name: a}}]}}\nlog_level: loud\n");
    let error = start(&aim(&text, &collector), |builder| builder).err().unwrap();
    let InitError::ConfigFile { mistakes, path, origin, .. } = &error else { panic!("{error:?}") };
    assert!(path.ends_with("otel.yaml") && origin == ".config_file()");
    let places: Vec<_> = mistakes
        .iter()
        .map(|mistake| (mistake.line(), mistake.column(), mistake.path().to_owned()))
        .collect();
    assert_eq!(places[0], (5, 11, "disabled".to_owned()));
    assert_eq!((places[1].0, places[2].0), (6, 7));
    assert!(mistakes.iter().all(|mistake| !mistake.reason().is_empty()));
    assert_eq!(collector.request_count(), 0);
}

#[test]
fn a_mistake_in_a_filter_is_an_error_with_its_line() {
    let text = format!("{ALL}distribution: {{telemetry_bootstrap: {{log_filter: 'info,a=b=c'}}}}\n");
    let error = start(&text, |builder| builder).err().unwrap().to_string();
    assert!(error.contains("a=b=c") && error.contains("line 5 of "), "{error}");
}

#[test]
fn code_changes_the_document_before_it_is_checked() {
    let collector = Collector::start().unwrap();
    let text = aim(&format!("{ALL}log_level: loud\n"), &collector);
    let run = start(&text, |builder| {
        builder.config_file_changes(|document| {
            assert_eq!(document.get("log_level").as_deref(), Some("loud"));
            document.remove("log_level");
            document.set("resource.attributes[0].name", "service.name");
            document.set_text("resource.attributes[0].value", 5);
        })
    });
    run.unwrap().record_and_end();
    assert_eq!(collector.spans()[0].resource_attribute("service.name"), Some("5".into()));
    let wrong = start(&text, |builder| {
        builder.config_file_changes(|document| {
            document.remove("log_level");
            document.set("tracer_provider.limits.event_count_limit", "many");
        })
    });
    let error = wrong.err().unwrap().to_string();
    assert!(
        error.contains("tracer_provider.limits.event_count_limit: \"many\" is not allowed here"),
        "{error}"
    );
}

/// Runs `child`, which builds telemetry; returns what it logged or failed with.
fn build_in_child(variables: &[(&str, &str)]) -> String {
    child_process::passed("child", variables).1
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    match init().service_name("of-code").endpoint("http://of-code:4317").build() {
        Ok(guard) => {
            tracing::info!("built");
            _ = guard.shutdown();
        }
        Err(error) => std::io::stderr().write_all(format!("{error:?}\n").as_bytes()).unwrap(),
    }
}

#[test]
fn a_variable_names_the_file_and_the_file_replaces_the_others() {
    let collector = Collector::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    let text = "file_format: \"1.1\"
logger_provider: {processors: [{simple: {exporter: {otlp_http: {endpoint: '${COLLECTOR}/v1/logs'}}}}]}
resource: {attributes: [{name: region, value: '${OTEL_SERVICE_NAME}'}]}
";
    fs::write(&path, text).unwrap();
    let lines = build_in_child(&[
        ("OTEL_CONFIG_FILE", path.to_str().unwrap()),
        ("COLLECTOR", &collector.endpoint()),
        ("OTEL_SERVICE_NAME", "referenced"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("RUST_LOG", "off"),
    ]);
    let log = &collector.logs()[0];
    assert_eq!(log.resource_attribute("region"), Some("referenced".into()));
    assert_eq!(log.resource_attribute("service.name"), Some("of-code".into()));
    assert!(lines.contains("built"), "{lines}");
    assert!(lines.contains("these variables are ignored: OTEL_EXPORTER_OTLP_ENDPOINT, RUST_LOG"), "{lines}");
}

#[test]
fn former_variable_is_reported_with_its_replacement() {
    let lines = build_in_child(&[("OTEL_EXPERIMENTAL_CONFIG_FILE", "/etc/otel.yaml")]);
    assert!(lines.contains("OTEL_EXPERIMENTAL_CONFIG_FILE"), "{lines}");
    assert!(lines.contains("this variable is no longer read: name the file by OTEL_CONFIG_FILE"), "{lines}");
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_the_variable() {
    let lines = build_in_child(&[("OTEL_CONFIG_FILE", "/nowhere/otel.yaml")]);
    assert!(
        lines.contains("\"/nowhere/otel.yaml\" (set by OTEL_CONFIG_FILE): the file cannot be read"),
        "{lines}"
    );
    let none = build_in_child(&[("OTEL_CONFIG_FILE", "")]);
    assert!(none.contains("built"), "an empty variable is not set: {none}");
}

#[test]
fn the_file_of_the_chapter_works() {
    let chapter = include_str!("../docs/configuration-file.md");
    let text = chapter.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let received = run(&text.replace("ratio: 0.1", "ratio: 1.0"));
    assert_eq!((received.span_count(), received.log_count()), (1, 1));
    let span = &received.spans()[0];
    assert_eq!(span.resource_attribute("service.name"), Some("shop".into()));
    assert_eq!(span.resource_attribute("deployment.environment.name"), Some("staging".into()));
    assert_eq!(received.value("orders", &[("kind", "big")]), Some(1.0));
}

#[test]
fn delays_of_the_file_are_kept() {
    let collector = Collector::start().unwrap();
    let text = "file_format: \"1.1\"\ntracer_provider: {processors: [{batch: {schedule_delay: 1, exporter: {otlp_http: {endpoint: 'http://localhost:4318/v1/traces'}}}}]}\n";
    let run = start(&aim(text, &collector), |builder| builder).unwrap();
    run.with(|| drop(tracing::info_span!("soon").entered()));
    // Without a flush: the default is five seconds.
    let arrived = collector.wait_for(Duration::from_secs(4), |received| received.span_count() == 1);
    assert!(arrived.is_ok(), "{arrived:?}");
}
