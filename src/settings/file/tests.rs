//! From a file to settings.

use std::time::Duration;

use opentelemetry::{StringValue, Value};
use opentelemetry_sdk::metrics::Temporality;

use super::*;
use crate::settings::{
    DestinationSettings, ExportSettings, HistogramAggregation, Propagator, Protocol, SamplerSetting,
};

fn resolve(text: &str) -> (Result<Settings, Vec<String>>, Env) {
    resolve_over(text, crate::init())
}

fn resolve_over(text: &str, builder: crate::Builder) -> (Result<Settings, Vec<String>>, Env) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    std::fs::write(&path, format!("file_format: \"1.1\"\n{text}")).unwrap();
    let file = ConfigFile::new(path, ".config_file()");
    let (resolved, errors) = file.resolve(&builder.into_parts().0, None);
    match resolved {
        Some((settings, layers)) if errors.is_empty() => (Ok(settings), layers),
        _ => {
            let errors = errors.iter().flat_map(|error| match error {
                InitError::ConfigFile { mistakes, .. } => mistakes.iter().map(ToString::to_string).collect(),
                other => vec![other.to_string()],
            });
            (Err(errors.collect()), Env::none())
        }
    }
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
    assert_eq!(settings.traces.queue.delay, Duration::from_millis(1));
    assert_eq!(settings.traces.queue.max_export_batch_size, 100, "never more than the queue holds");
    let metrics = otlp(&settings.metrics.destinations);
    assert_eq!(metrics.target.uri.to_string(), "http://collector:1234/");
    assert!(metrics.timeout > Duration::from_secs(86_400), "no limit");
    assert_eq!(settings.metrics.temporality, Temporality::LowMemory);
    assert_eq!(settings.metrics.histograms, HistogramAggregation::Base2Exponential);
    let logs = otlp(&settings.logs.destinations);
    assert_eq!(logs.target.uri.to_string(), "https://collector:1234/", "TLS unless insecure");
    assert_eq!(
        (settings.logs.queue.max_export_batch_size, settings.logs.queue.delay),
        (1, Duration::from_millis(1))
    );
}

#[test]
fn samplers_nest_at_will() {
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
fn general_limits_hold_where_a_provider_has_none_of_its_own() {
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
fn own_settings_are_under_distribution() {
    let settings = settings(
        "
distribution:
  another_vendor: {anything: [1]}
  telemetry_bootstrap:
    log_filter: ${UNDEFINED_FILTER:-debug}
    span_filter: 'info,shop=debug'
    shutdown_timeout: 1500
    no_color: true
    exception_signal: logs
    log_output: {format: json, filter: error}
    traces: {max_queue_bytes: 1000}
    logs: {filter: warn, minimum_severity: error, sampled_traces_only: true, include_span_fields: true, max_queue_bytes: }
",
    );
    assert_eq!(settings.span_filter.text, "info,shop=debug");
    assert_eq!(settings.shutdown_timeout, Duration::from_millis(1500));
    assert_eq!(settings.lines.format, crate::LogFormat::Json);
    assert_eq!((settings.lines.filter.text.as_str(), settings.logs.filter.text.as_str()), ("error", "warn"));
    assert!(settings.logs.sampled_traces_only && settings.logs.span_fields && settings.lines.no_color);
    assert_eq!(settings.logs.minimum_severity, tracing_core::LevelFilter::ERROR);
    assert_eq!(settings.traces.queue.max_bytes, 1000);
}

#[test]
fn every_setting_has_a_place_in_a_file() {
    let keys = distribution_keys();
    let all: BTreeSet<_> = crate::settings::all_keys().into_iter().collect();
    for key in &all {
        let is_own = keys.iter().any(|(_, setting)| setting == key);
        assert_ne!(is_own, apply::is_standard(key), "{key}");
    }
    for (name, _) in &keys {
        assert!(!name.starts_with("OTEL_") && !name.contains('/'), "{name} needs a name for files");
    }
    assert!(apply::STANDARD.iter().all(|key| all.contains(key)), "all of these are settings");
}

#[test]
fn mistakes_beyond_the_schema_have_their_place() {
    let exporter =
        |text: &str| format!("tracer_provider: {{processors: [{{simple: {{exporter: {text}}}}}]}}");
    let view = |text: &str| {
        format!(
            "meter_provider: {{readers: [{{periodic: {{exporter: {{otlp_http: }}}}}}], views: [{{{text}}}]}}"
        )
    };
    for (text, expected) in [
        (exporter("{otlp_http: {endpoint: 'ftp://x'}}"), "line 2, column 75: tracer_provider.processors[0].simple.exporter.otlp_http.endpoint: \"ftp://x\": the scheme is neither http nor https"),
        (exporter("{otlp_http: {endpoint: 'collector:4318'}}"), "is not a URL: must begin with http:// or https://"),
        (exporter("{otlp_http: {endpoint: 'http://user:hunter2@collector'}}"), "credentials do not belong in the address"),
        (exporter("{otlp_http: {compression: deflate}}"), "otlp_http.compression: \"deflate\": not one of none, gzip, zstd"),
        (exporter("{otlp_http: {tls: {ca_file: ca.pem}}}"), "tls.ca_file: \"ca.pem\" is not an absolute path"),
        (exporter("{otlp_http: {endpoint: 'https://x', tls: {ca_file: /nowhere/ca.pem}}}"), "the file cannot be read"),
        (exporter("{otlp_http: {tls: {key_file: /nowhere/key.pem}}}"), "tls.key_file: `cert_file` is missing: a key needs its certificate"),
        (exporter("{otlp_http: {headers: [{name: 'a b', value: hunter2}]}}"), "a header's name is not valid"),
        (exporter("{otlp_http: {headers_list: hunter2}}"), "headers_list: [redacted] entry 1 has no `=`"),
        ("tracer_provider: {processors: [{batch: {exporter: {otlp_http: }, max_queue_size: 5, max_export_batch_size: 6}}]}".into(), "max_export_batch_size: 6 is more than max_queue_size, 5"),
        ("resource: {attributes: [{name: a, value: x, type: int}]}".into(), "resource.attributes[0]: `value` does not have the type that `type` says"),
        ("resource: {attributes: [{name: '', value: x}]}".into(), "`name` is empty"),
        ("resource: {attributes_list: 'a'}".into(), "resource.attributes_list: \"a\" entry 1 has no `=`"),
        ("propagator: {composite_list: 'tracecontext,ot-trace'}".into(), "composite_list: \"ot-trace\" is not known; allowed are tracecontext, "),
        ("distribution: {telemetry_bootstrap: {log_filtr: x}}".into(), "distribution.telemetry_bootstrap: the key `log_filtr` is not known; did you mean `log_filter`?"),
        ("distribution: {telemetry_bootstrap: {log_output: json}}".into(), "log_output: \"json\" is not allowed here: must be a mapping"),
        ("distribution: {telemetry_bootstrap: {log_output: {format: xml}}}".into(), "log_output.format: \"xml\": not one of auto, json"),
        ("distribution: {telemetry_bootstrap: {log_filter: [a]}}".into(), "log_filter: a list is not allowed here: must be a single value"),
        ("distribution: {telemetry_bootstrap: {shutdown_timeout: 0}}".into(), "shutdown_timeout: \"0\": must be at least 1 ms"),
        (view("selector: {instrument_name: 'a*'}, stream: {name: b}"), "stream.name: a name needs a selector for one instrument"),
        (view("selector: {}, stream: {aggregation: {explicit_bucket_histogram: {boundaries: [2, 1]}}}"), "views[0].stream: the aggregation cannot be used"),
        ("meter_provider: {readers: [{periodic: {exporter: {otlp_http: }}}], exemplar_filter: always_on}".into(), "exemplar_filter: not supported"),
        ("meter_provider: {readers: [{periodic: {interval: 0, exporter: {otlp_http: }}}]}".into(), "interval: \"0\": must be at least 1 ms"),
        ("instrumentation/development: {general: {http: {server: {request_captured_headers: ['a b']}}}}".into(), "\"a b\" is not the name of a header"),
    ] {
        let mut found = mistakes(&text);
        // The files are looked at all the same.
        found.retain(|mistake| !mistake.contains("cannot be read") || expected.contains("cannot be read"));
        assert!(found.len() == 1 && found[0].contains(expected), "{text}\n{found:#?}");
        assert!(!found[0].contains("hunter2"), "{found:?}");
    }
}

#[test]
fn layers_read_the_file_in_place_of_the_environment() {
    let text = "
instrumentation/development:
  general:
    stability_opt_in_list: http/dup,database
    rpc: {semconv: {dual_emit: true}}
    http:
      server: {request_captured_headers: [X-Tenant, accept], known_methods: [GET, QUERY]}
      client: {response_captured_headers: [content-type]}
";
    let (settings, layers) = resolve(text);
    settings.unwrap();
    assert_eq!(
        crate::settings::rpc_conventions(&layers, &mut Vec::new()),
        crate::settings::RpcConventions::Both
    );
    #[cfg(feature = "http")]
    {
        use crate::settings::{http_captured_headers, http_known_methods};
        assert_eq!(http_known_methods(&layers).unwrap(), ["GET", "QUERY"]);
        let [server_request, server_response, client_request, client_response] =
            http_captured_headers(&layers, &mut Vec::new());
        assert_eq!(server_request, ["x-tenant", "accept"]);
        assert_eq!(client_response, ["content-type"]);
        assert!(server_response.is_empty() && client_request.is_empty());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_the_reason() {
    let read = |path: &str| {
        let (resolved, errors) =
            ConfigFile::new(path.into(), "OTEL_CONFIG_FILE").resolve(&BuilderConfig::default(), None);
        assert!(resolved.is_none());
        format!("{:?}", errors[0])
    };
    let missing = read("/nowhere/otel.yaml");
    assert!(
        missing.contains("\"/nowhere/otel.yaml\" (set by OTEL_CONFIG_FILE): the file cannot be read: "),
        "{missing}"
    );
    let directory = read("/");
    assert!(directory.contains("not a regular file"), "{directory}");
}

#[test]
fn the_error_lists_each_mistake_in_a_line_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    std::fs::write(&path, "file_format: \"1.1\"\ndisabled: 1\nlog_level: x\n").unwrap();
    let (_, errors) = ConfigFile::new(path, ".config_file()").resolve(&BuilderConfig::default(), None);
    let text = errors[0].to_string();
    assert!(
        text.contains("(set by .config_file()) cannot be used: \n  line 2, column 11: disabled: "),
        "{text}"
    );
    assert_eq!(text.lines().count(), 3, "{text}");
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

/// Bytes that mean something in YAML, or nothing anywhere.
const MARKS: &[u8] = b"{}[]:,-#&*!|>'\"%@`$ \n\t\xff0~";

/// The official examples with bytes exchanged, removed, doubled and moved.
#[test]
fn mutated_files_are_settings_or_mistakes_with_places() {
    let examples = ["otel-sdk-config", "otel-sdk-migration-config", "otel-getting-started"].map(|name| {
        let path = format!("{}/tests/configuration/v1.1.0/examples/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        // Comments are most of it.
        text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
    });
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let (mut settings, mut mistakes) = (0, 0);
    for round in 0..600 {
        let mut bytes = examples[round % 3].clone().into_bytes();
        for _ in 0..=random(3) {
            let place = random(bytes.len());
            match random(5) {
                0 => bytes[place] = MARKS[random(MARKS.len())],
                1 => _ = bytes.remove(place),
                2 => bytes.insert(place, bytes[place]),
                3 => bytes.truncate(place.max(1)),
                _ => {
                    let other = random(bytes.len());
                    bytes.swap(place, other);
                }
            }
        }
        match settings_of(&bytes, &|_| None) {
            Ok(shown) => settings += usize::from(!shown.is_empty()),
            Err(found) => {
                mistakes += 1;
                assert!(found.iter().all(|mistake| mistake.line() > 0 && mistake.column() > 0), "{found:?}");
                assert!(!found.is_empty());
            }
        }
    }
    assert!(settings > 20 && mistakes > 200, "{settings} {mistakes}");
}

#[test]
fn a_level_of_own_messages_that_is_not_supported_is_a_warning() {
    assert!(settings("log_level: info").warnings.is_empty());
    let warnings = settings("log_level: debug2").warnings;
    assert!(warnings[0].contains("log_level: Debug2 is not supported"), "{warnings:?}");
}
