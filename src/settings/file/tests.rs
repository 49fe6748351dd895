//! From a file to settings.

use std::time::Duration;

use opentelemetry::{StringValue, Value};
use opentelemetry_sdk::metrics::Temporality;

use super::*;
use crate::settings::{
    BuiltInMetrics, DestinationSettings, ExportSettings, HistogramAggregation, OutputTarget, Propagator,
    Protocol, ResourceDetector, SamplerSetting,
};

mod distribution;
mod instrumentation;
mod mistakes;
mod mutated;
mod nodes;
#[cfg(feature = "prometheus")]
mod prometheus;
mod readers;

fn resolve(text: &str) -> (Result<Settings, Vec<String>>, Env) {
    resolve_over(text, crate::init())
}

fn resolve_over(text: &str, builder: crate::Builder) -> (Result<Settings, Vec<String>>, Env) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    std::fs::write(&path, format!("file_format: \"1.1\"\n{text}")).unwrap();
    let file = ConfigFile::new(path, ".config_file()");
    let errors = match LoadedFile::load(file, builder.into_parts().0, None) {
        Ok((_, Resolved { settings, layers, errors, .. })) if errors.is_empty() => {
            return (Ok(settings), layers);
        }
        Ok((_, Resolved { errors, .. })) | Err(errors) => errors,
    };
    let errors = errors.iter().flat_map(|error| match error {
        InitError::ConfigFile { mistakes, .. } => mistakes.iter().map(ToString::to_string).collect(),
        other => vec![other.to_string()],
    });
    (Err(errors.collect()), Env::none())
}

fn settings(text: &str) -> Settings {
    resolve(text).0.unwrap()
}

fn mistakes(text: &str) -> Vec<String> {
    resolve(text).0.err().unwrap_or_default()
}

fn otlp(destinations: &[DestinationSettings]) -> &ExportSettings {
    let [DestinationSettings::Otlp(export)] = destinations else { panic!("{destinations:?}") };
    export
}

#[test]
fn credentials_of_the_code_do_not_reach_the_receivers_of_a_file() {
    let source = || crate::HeaderSource::from_fn(String::new);
    let builder = crate::init()
        .header_source("authorization", source())
        .traces(|traces| traces.request_signer(|_| Ok::<_, io::Error>(())));
    let settings = resolve_over(MINIMAL, builder).0.unwrap();
    assert!(otlp(&settings.traces.destinations).credentials.is_empty());
    let [first, second] = &settings.warnings[..] else { panic!("{:?}", settings.warnings) };
    assert!(first.starts_with(".header_source(): not used by the exporters"), "{first}");
    assert!(second.starts_with(".traces(|t| t.request_signer()): not used by the exporters"), "{second}");
    assert!(settings.origins.iter().all(|origin| !origin.contains("signer")), "{:?}", settings.origins);
}

/// A file with all three providers, in which everything else has its default.
const MINIMAL: &str = "
tracer_provider: {processors: [{batch: {exporter: {otlp_http: }}}]}
meter_provider: {readers: [{periodic: {exporter: {otlp_grpc: }}}]}
logger_provider: {processors: [{batch: {exporter: {otlp_http: {}}}}]}
";

#[test]
fn defaults_are_those_of_the_schema() {
    let settings = settings(MINIMAL);
    let traces = otlp(&settings.traces.destinations);
    assert_eq!(
        (traces.target.uri.to_string(), traces.http_path.as_str()),
        ("http://localhost:4318/".into(), "/v1/traces")
    );
    assert_eq!(traces.protocol.first, Protocol::HttpProtobuf);
    assert!(!traces.protocol.may_switch);
    assert_eq!(traces.timeout, Duration::from_secs(10));
    let logs = otlp(&settings.logs.destinations);
    assert_eq!(logs.http_path.as_str(), "/v1/logs");
    let metrics = otlp(&settings.metrics.destinations);
    assert_eq!(
        (metrics.target.uri.to_string(), metrics.protocol.first),
        ("http://localhost:4317/".into(), Protocol::Grpc)
    );
    for (queue, delay) in [(settings.traces.queue, 5_000), (settings.logs.queue, 1_000)] {
        assert_eq!((queue.max_items, queue.max_export_batch_size), (2_048, 512));
        assert_eq!(queue.delay, Duration::from_millis(delay));
    }
    assert_eq!(settings.metrics.interval, Duration::from_secs(60));
    assert_eq!(otlp(&settings.metrics.destinations).timeout, Duration::from_secs(10), "the shorter of both");
    assert_eq!(settings.metrics.temporality, Temporality::Cumulative);
    assert_eq!(settings.metrics.histograms, HistogramAggregation::ExplicitBuckets);
    assert_eq!(settings.traces.sampler, SamplerSetting::ParentBasedAlwaysOn);
    assert_eq!((settings.traces.limits.attributes.count, settings.traces.limits.events), (128, 128));
    assert!(settings.propagators.is_empty(), "no propagator is named");
    assert!(!settings.disabled && settings.has_spans());
}

#[test]
fn an_absent_provider_is_a_no_op() {
    let (settings, _) = resolve_over("resource: {}", crate::init().endpoint("http://collector:4318"));
    let settings = settings.unwrap();
    assert!(settings.destinations().iter().all(|(_, destinations)| destinations.is_empty()));
    assert!(!settings.has_spans());
}

#[test]
fn a_file_wins_over_code_and_code_over_what_the_file_leaves_out() {
    let builder = crate::init()
        .service_name("of-code")
        .resource_attribute("team", "payments")
        .resource_attribute("region", "code")
        .endpoint("http://of-code:4317")
        .header("x-code", "1")
        .log_filter("trace")
        .span_filter("debug")
        .traces(|traces| traces.max_queue_size(7).max_events(7).max_queue_bytes(1_000_000))
        .metrics(|metrics| metrics.interval(Duration::from_secs(7)));
    let text = format!(
        "{MINIMAL}resource: {{attributes: [{{name: region, value: file}}]}}
distribution: {{telemetry_bootstrap: {{log_filter: warn}}}}\n"
    );
    let settings = resolve_over(&text, builder).0.unwrap();
    let resource = |key: &str| {
        settings
            .resource
            .iter()
            .find(|attribute| attribute.key.as_str() == key)
            .map(|found| found.value.to_string())
    };
    assert_eq!(resource("service.name").as_deref(), Some("of-code"));
    assert_eq!(resource("team").as_deref(), Some("payments"));
    assert_eq!(resource("region").as_deref(), Some("file"));
    let traces = otlp(&settings.traces.destinations);
    assert_eq!((traces.target.uri.host(), traces.headers.len()), (Some("localhost"), 0));
    assert_eq!((settings.traces.queue.max_items, settings.traces.limits.events), (2_048, 128));
    assert_eq!(settings.metrics.interval, Duration::from_secs(60));
    assert_eq!(settings.lines.filter.text, "warn");
    assert!(settings.lines.filter.origin.starts_with("line 7 of "), "{}", settings.lines.filter.origin);
    assert_eq!(settings.span_filter.text, "debug");
    assert_eq!(settings.traces.queue.max_bytes, 1_000_000);
}

#[test]
fn everything_about_an_exporter_is_used() {
    let settings = settings(
        "
tracer_provider:
  processors:
    - batch:
        schedule_delay: 0
        export_timeout: 3000
        max_queue_size: 100
        exporter:
          otlp_http:
            endpoint: https://example.com/base/traces?x=1
            headers: [{name: A, value: '1'}, {name: b, value: 'x,y=z '}, {name: c, value: }]
            headers_list: a=2,c=3,d=%204
            compression: gzip
            timeout: 5000
            encoding: json
meter_provider:
  readers:
    - periodic:
        interval: 1000
        timeout: 0
        exporter:
          otlp_grpc:
            endpoint: collector:1234
            tls: {insecure: true}
            timeout: 0
            temporality_preference: low_memory
            default_histogram_aggregation: base2_exponential_bucket_histogram
logger_provider:
  processors:
    - simple: {exporter: {otlp_grpc: {endpoint: 'collector:1234'}}}
",
    );
    let traces = otlp(&settings.traces.destinations);
    assert_eq!(traces.target.uri.to_string(), "https://example.com/");
    assert_eq!(traces.http_path.as_str(), "/base/traces?x=1");
    assert_eq!(traces.protocol.first, Protocol::HttpJson);
    assert_eq!(traces.timeout, Duration::from_secs(3), "the shorter of both");
    let headers: Vec<_> =
        traces.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, [("d", " 4"), ("a", "1"), ("b", "x,y=z ")]);
    assert_eq!(settings.traces.queue.delay, Duration::ZERO);
    assert_eq!(settings.traces.queue.max_export_batch_size, 100, "never more than the queue holds");
    let metrics = otlp(&settings.metrics.destinations);
    assert_eq!(metrics.target.uri.to_string(), "http://collector:1234/");
    assert!(metrics.timeout > Duration::from_secs(86_400), "no limit");
    assert_eq!(settings.metrics.temporality, Temporality::LowMemory);
    assert_eq!(settings.metrics.histograms, HistogramAggregation::Base2Exponential);
    let logs = otlp(&settings.logs.destinations);
    assert_eq!(logs.target.uri.to_string(), "https://collector:1234/", "TLS unless insecure");
    assert_eq!((settings.logs.queue.max_export_batch_size, settings.logs.queue.delay), (1, Duration::ZERO));
}

#[test]
fn samplers_can_be_nested() {
    let text = "tracer_provider: {processors: [{simple: {exporter: {otlp_http: }}}], sampler: {parent_based: {
        root: {trace_id_ratio_based: {ratio: 0.25}},
        remote_parent_sampled: {parent_based: {root: {always_off: }, local_parent_sampled: {trace_id_ratio_based: }}},
        local_parent_not_sampled: {always_on: {}}}}}";
    let SamplerSetting::ParentBased(outer) = settings(text).traces.sampler else { panic!() };
    assert_eq!(outer.root, SamplerSetting::TraceIdRatio(0.25));
    let SamplerSetting::ParentBased(inner) = &outer.remote_sampled else { panic!() };
    assert_eq!(
        (&inner.root, &inner.local_sampled),
        (&SamplerSetting::AlwaysOff, &SamplerSetting::TraceIdRatio(1.0))
    );
    assert_eq!(inner.remote_sampled, SamplerSetting::AlwaysOn);
    assert_eq!(outer.remote_not_sampled, SamplerSetting::AlwaysOff);
    assert_eq!(outer.local_sampled, SamplerSetting::AlwaysOn);
    assert_eq!(outer.local_not_sampled, SamplerSetting::AlwaysOn);
}

#[test]
fn general_limits_apply_where_a_provider_has_none() {
    let settings = settings(
        "
attribute_limits: {attribute_count_limit: 5, attribute_value_length_limit: 6}
tracer_provider:
  processors: [{simple: {exporter: {otlp_http: }}}]
  limits: {attribute_count_limit: 7, event_count_limit: 8, link_count_limit: 9, link_attribute_count_limit: 10}
logger_provider:
  processors: [{simple: {exporter: {otlp_http: }}}]
  limits: {attribute_value_length_limit: 0}
",
    );
    let spans = settings.traces.limits;
    assert_eq!((spans.attributes.count, spans.attributes.value_length), (7, Some(6)));
    assert_eq!((spans.events, spans.links), (8, 9));
    assert_eq!((spans.attributes_per_event, spans.attributes_per_link), (5, 10));
    assert_eq!((settings.logs.limits.count, settings.logs.limits.value_length), (5, Some(0)));
}

#[test]
fn attributes_have_their_types() {
    let settings = settings(
        "
resource:
  schema_url: https://example.com/schema
  attributes_list: a=list,only.list=%20x,service.name=of%20list
  attributes:
    - {name: a, value: '1'}
    - {name: b, value: true}
    - {name: c, value: 12}
    - {name: d, value: 1.5}
    - {name: e, value: 3, type: double}
    - {name: f, value: [x, y]}
    - {name: g, value: [1, 2], type: double_array}
    - {name: h, value: [1, 2.5]}
    - {name: i, value: [true]}
    - {name: j, value: }
    - {name: k, value: [1], type: int_array}
",
    );
    assert_eq!(settings.schema_url.as_deref(), Some("https://example.com/schema"));
    let value = |key: &str| {
        settings
            .resource
            .iter()
            .find(|attribute| attribute.key.as_str() == key)
            .map(|found| found.value.clone())
    };
    assert_eq!(value("a"), Some("1".into()));
    assert_eq!(value("only.list"), Some(" x".into()));
    assert_eq!(value("service.name"), Some("of list".into()));
    assert_eq!(value("b"), Some(true.into()));
    assert_eq!(value("c"), Some(12.into()));
    assert_eq!(value("d"), Some(1.5.into()));
    assert_eq!(value("e"), Some(3.0.into()));
    assert_eq!(value("f"), Some(Value::Array(vec![StringValue::from("x"), "y".into()].into())));
    assert_eq!(value("g"), Some(Value::Array(vec![1.0, 2.0].into())));
    assert_eq!(value("h"), Some(Value::Array(vec![1.0, 2.5].into())));
    assert_eq!(value("i"), Some(Value::Array(vec![true].into())));
    assert_eq!(value("j"), None);
    assert_eq!(value("k"), Some(Value::Array(vec![1].into())));
}

#[test]
fn propagators_are_merged_without_duplicates() {
    let text = "propagator: {composite: [{b3: }, {tracecontext: {}}], composite_list: 'tracecontext,jaeger,baggage'}";
    assert_eq!(
        settings(text).propagators,
        [Propagator::B3, Propagator::TraceContext, Propagator::Jaeger, Propagator::Baggage]
    );
    assert!(settings("propagator: {composite_list: none}").propagators.is_empty());
}

#[test]
fn a_signal_has_as_many_destinations_as_processors() {
    let processor = |batch: &str, endpoint: &str| {
        format!(
            "{{batch: {{{batch}, exporter: {{otlp_http: {{endpoint: 'http://{endpoint}/v1/traces'}}}}}}}}"
        )
    };
    let text = |first: &str, second: &str| {
        format!("tracer_provider: {{processors: [{}, {}]}}", processor(first, "a"), processor(second, "b"))
    };
    let settings = settings(&text("export_timeout: 1000", "schedule_delay: 5000"));
    let names: Vec<_> = settings.traces.destinations.iter().map(|destination| destination.name()).collect();
    assert_eq!(names, ["http://a:80", "http://b:80"]);
    let found = mistakes(&text("max_queue_size: 1000", "schedule_delay: 5000"));
    assert!(
        found.len() == 1
            && found[0].contains("processors[1].batch: not supported: the processors of a signal share"),
        "{found:?}"
    );
}

#[test]
fn log_level_limits_our_own_lines() {
    use tracing_core::LevelFilter;
    for (text, expected) in [
        ("", LevelFilter::INFO),
        ("log_level: trace", LevelFilter::TRACE),
        ("log_level: debug", LevelFilter::DEBUG),
        ("log_level: debug2", LevelFilter::INFO),
        ("log_level: info", LevelFilter::INFO),
        ("log_level: info2", LevelFilter::WARN),
        ("log_level: warn", LevelFilter::WARN),
        ("log_level: error", LevelFilter::ERROR),
        ("log_level: fatal", LevelFilter::OFF),
    ] {
        assert_eq!(settings(text).diagnostic_level, expected, "{text}");
    }
}

#[test]
fn outputs_are_written_by_all_signals() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a b.jsonl");
    let stream = format!("file://{}", path.display()).replace(' ', "%20");
    let settings = settings(&format!(
        "
tracer_provider: {{processors: [{{batch: {{exporter: {{otlp_file/development: }}}}}}, {{batch: {{exporter: {{console: }}}}}}]}}
meter_provider: {{readers: [{{periodic: {{exporter: {{console: {{temporality_preference: delta}}}}}}}}]}}
logger_provider: {{processors: [{{batch: {{exporter: {{otlp_file/development: {{output_stream: '{stream}'}}}}}}}}]}}
"
    ));
    let stdout = DestinationSettings::Output(OutputTarget::Stdout);
    assert_eq!(settings.traces.destinations, [stdout, DestinationSettings::Console]);
    assert_eq!(settings.metrics.destinations, [DestinationSettings::Console]);
    assert_eq!(settings.metrics.temporality, Temporality::Delta);
    assert_eq!(settings.logs.destinations, [DestinationSettings::Output(OutputTarget::File(path.clone()))]);
    assert!(!path.exists(), "reading a file leaves nothing behind");
}

#[test]
fn detectors_run_and_their_attributes_are_chosen() {
    let found = settings(
        "
resource:
  detection/development:
    detectors: [{host: }, {process: {}}, {container: }, {service: }]
    attributes: {included: ['process.*', host.name], excluded: [process.owner]}
distribution: {telemetry_bootstrap: {resource_detectors: [k8s, process]}}
",
    );
    let mut detectors = found.resource_detectors.clone();
    detectors.sort_by_key(|detector| format!("{detector:?}"));
    let expected = [
        ResourceDetector::Container,
        ResourceDetector::Host,
        ResourceDetector::Kubernetes,
        ResourceDetector::Os,
        ResourceDetector::Process,
    ];
    assert_eq!(detectors, expected);
    for (key, is_kept) in
        [("process.pid", true), ("process.owner", false), ("host.name", true), ("host.id", false)]
    {
        assert_eq!(found.detected_attributes.keeps(key), is_kept, "{key}");
    }
    assert!(settings("").detected_attributes.keeps("host.id"));
}

#[test]
fn network_settings_are_under_distribution() {
    let text = format!(
        "{MINIMAL}
distribution:
  telemetry_bootstrap:
    proxy: http://proxy:3128
    no_proxy: [other.example.com, 10.0.0.0/8]
    max_request_size: 1000000
    header_files: {{authorization: {{file: /var/run/token, prefix: 'Bearer '}}, x-tenant: {{file: /tenant}}}}
    traces: {{proxy: 'http://user:hunter2@traces:3128', max_request_size: 5000, header_files: {{x-tenant: {{file: /own}}}}}}
"
    )
    .replace("otlp_http: }", "otlp_http: {endpoint: 'https://collector.example.com/v1/traces', headers: [{name: a, value: b}]}}")
    .replace("otlp_grpc: }", "otlp_grpc: {endpoint: 'http://collector.example.com:4317'}}")
    .replace("otlp_http: {}", "otlp_http: {endpoint: 'https://other.example.com/v1/logs'}");
    let settings = settings(&text);
    let (traces, metrics, logs) = (
        otlp(&settings.traces.destinations),
        otlp(&settings.metrics.destinations),
        otlp(&settings.logs.destinations),
    );
    let proxy = |export: &ExportSettings| export.target.proxy.as_ref().map(|proxy| proxy.uri.to_string());
    assert_eq!(proxy(traces).as_deref(), Some("http://traces:3128/"));
    assert!(traces.target.proxy.as_ref().unwrap().authorization().is_some());
    assert_eq!(proxy(metrics).as_deref(), Some("http://proxy:3128/"));
    assert_eq!(proxy(logs), None);
    assert_eq!((traces.max_request_size, metrics.max_request_size), (5_000, 1_000_000));
    let names = |export: &ExportSettings| {
        export.credentials.sources.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(traces), ["x-tenant", "authorization"]);
    assert_eq!(names(logs), ["authorization", "x-tenant"]);
    assert!(!traces.credentials.sources[0].1.is_same(&logs.credentials.sources[1].1));
}
