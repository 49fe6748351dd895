//! What is written has the same settings when it is read.

use std::time::Duration;

use super::*;
use crate::settings::builder_config::BuilderConfig;
use crate::settings::exporter::DestinationSettings;
use crate::settings::file::report::Report;
use crate::settings::file::yaml::{self, Variable};
use crate::settings::file::{apply, model};
use crate::settings::logs::LogSettings;
use crate::settings::types::Protocol;
use crate::settings::{self, Directives};
use crate::{Builder, init};

mod environments;

/// Settings as a text that is the same for the same telemetry.
///
/// No field is left out by `..`: one that is added has to be compared as well.
fn shown(mut settings: Settings) -> String {
    let Settings { lines, logs, span_filter, traces, metrics, .. } = &mut settings;
    for Directives { origin, .. } in [&mut lines.filter, &mut logs.filter, span_filter] {
        *origin = "".into();
    }
    if let Some(server) = metrics.prometheus.as_mut().and_then(|prometheus| prometheus.server.as_mut()) {
        server.origin.clear();
    }
    let temporality = metrics.temporality;
    let destinations = [&mut traces.destinations, &mut metrics.destinations, &mut logs.destinations];
    let mut hidden = Vec::new();
    for destination in destinations.into_iter().flatten() {
        let DestinationSettings::Otlp(export) = destination else { continue };
        // A file names the protocol.
        export.protocol.may_switch = false;
        if let Some(proxy) = &mut export.target.proxy {
            proxy.origin = "".into();
        }
        let is_grpc = export.protocol.first == Protocol::Grpc;
        let path = if is_grpc { String::new() } else { export.http_path.to_string() };
        let proxy = export.target.proxy.as_ref().map(|proxy| (proxy.address(), proxy.secret()));
        let values: Vec<_> = export.headers.iter().map(|(_, value)| value.as_bytes().to_owned()).collect();
        let sources: Vec<_> = export
            .credentials
            .sources
            .iter()
            .map(|(_, source)| (source.file().map(ToOwned::to_owned), source.prefix_text().to_owned()))
            .collect();
        hidden.push(format!(
            "{path} {proxy:?} {values:?} {sources:?} {:?}",
            export.temporality.unwrap_or(temporality)
        ));
    }
    let Settings {
        disabled,
        resource,
        schema_url,
        resource_detectors,
        detected_attributes,
        propagators,
        // Those in code stay there.
        uses_custom_propagators: _,
        traces,
        metrics,
        logs,
        lines,
        span_filter,
        shutdown_timeout,
        reload_interval,
        diagnostic_level,
        exception_signal,
        warnings: _,
        origins: _,
        value_origins: _,
    } = &settings;
    let LogSettings {
        destinations,
        filter,
        minimum_severity,
        sampled_traces_only,
        span_fields,
        limits,
        queue,
    } = logs;
    // Without destinations there is no provider in the file.
    let traces = (!traces.destinations.is_empty()).then_some(traces);
    let has_metrics = !metrics.destinations.is_empty() || metrics.prometheus.is_some();
    let metrics = has_metrics.then_some(metrics);
    let log_limits = (!destinations.is_empty()).then_some((limits, queue));
    let rest = (
        (disabled, resource, schema_url, resource_detectors, detected_attributes, propagators),
        (lines, span_filter, shutdown_timeout, reload_interval, diagnostic_level, exception_signal),
        (destinations, filter, minimum_severity, sampled_traces_only, span_fields),
    );
    let text = format!("{traces:#?}\n{metrics:#?}\n{log_limits:#?}\n{rest:#?}\n{hidden:#?}");
    // Of keys and values the text counts, not who owns it.
    text.replace("Static(", "Owned(")
}

/// What the layers for calls read.
fn shown_layers(layers: &Env) -> String {
    let none = &mut Vec::new();
    let rpc = settings::rpc_conventions(layers, none);
    #[cfg(feature = "grpc")]
    let grpc = settings::grpc_captured_headers(layers, none);
    #[cfg(not(feature = "grpc"))]
    let grpc = ();
    #[cfg(feature = "http")]
    let http = (settings::http_captured_headers(layers, none), settings::http_known_methods(layers));
    #[cfg(not(feature = "http"))]
    let http = ();
    format!("{rpc:?} {grpc:?} {http:?}")
}

fn write(settings: &Settings, env: &Env, layers: &Env) -> String {
    EffectiveConfiguration { settings, env, layers, in_code: Vec::new() }.to_file()
}

/// Reads a file in an environment.
fn read(text: &str, variables: &[(&str, &str)], config: &BuilderConfig) -> (Settings, Env) {
    let lookup = |name: &str| match variables.iter().find(|(known, _)| *known == name) {
        Some((_, value)) => Variable::Set((*value).to_owned()),
        None => Variable::Unset,
    };
    let mut report = Report::default();
    let root = yaml::parse(text.as_bytes(), &lookup, &mut report);
    let model = root.and_then(|root| model::read(&root, &mut report).0);
    let Some(model) = model else { panic!("{text}\n{:?}", report.into_mistakes()) };
    let applied = apply::apply(&model, "otel.yaml", config, &lookup);
    let mistakes = applied.report.into_mistakes();
    assert!(mistakes.is_empty(), "{text}\n{mistakes:?}");
    (applied.settings, applied.layers)
}

/// Writes the settings of an environment and of code, and reads them back.
fn check(variables: &[(&str, &str)], builder: impl Fn() -> Builder) -> String {
    let env = Env::from_pairs(variables.iter().copied());
    let config = builder().into_parts().0;
    let (settings, errors) = settings::resolve(&config, &env);
    assert!(errors.is_empty(), "{errors:?}");
    let text = write(&settings, &env, &env);
    let (again, layers) = read(&text, variables, &builder().into_parts().0);
    assert_same_lines(&shown(settings), &shown(again), &text);
    assert_eq!(shown_layers(&env), shown_layers(&layers), "{text}");
    text
}

/// Shows the first line that differs.
fn assert_same_lines(expected: &str, found: &str, text: &str) {
    let lines = expected.lines().zip(found.lines()).enumerate();
    for (number, (expected_line, found_line)) in lines {
        let before: Vec<_> = expected.lines().skip(number.saturating_sub(4)).take(4).collect();
        assert_eq!(expected_line, found_line, "{text}\n{}", before.join("\n"));
    }
    assert_eq!(expected, found, "{text}");
}

#[test]
fn code_is_written_as_well() {
    use crate::settings::{HeaderSource, Propagator, ResourceDetector};
    use crate::{BuiltInMetrics, Compression, Destination, HistogramAggregation, LogFormat};
    use opentelemetry_sdk::metrics::Temporality;
    let builder = || {
        init()
            .service_name("shop: $PRICE")
            .resource_attribute("double", 3.0)
            .resource_attribute("many", i64::MAX)
            .resource_attribute("yes", true)
            .resource_attribute("list", opentelemetry::Value::Array(vec![1.0, 2.5].into()))
            .endpoint("http://collector:4318")
            .compression(Compression::Gzip)
            .timeout(Duration::ZERO)
            .proxy("socks5://proxy:3128")
            .header_source("x.token", HeaderSource::from_file("/var/run/token").prefix("Bearer "))
            .propagators([Propagator::XRay, Propagator::TraceContext])
            .resource_detectors([ResourceDetector::Host, ResourceDetector::Kubernetes])
            .span_filter("info,shop=debug")
            .log_filter("warn")
            .shutdown_timeout(Duration::from_millis(1_500))
            .log_output(|output| output.format(LogFormat::Json).filter("error"))
            .traces(|traces| {
                traces
                    .max_value_length(7)
                    .max_events(3)
                    .max_queue_size(9)
                    .max_queue_bytes(1_000_000)
                    .scheduled_delay(Duration::ZERO)
                    .destination(Destination::console())
                    .destination(Destination::otlp_file("/tmp/with blank%.jsonl"))
            })
            .metrics(|metrics| {
                metrics
                    .interval(Duration::from_secs(7))
                    .temporality(Temporality::Delta)
                    .histogram_aggregation(HistogramAggregation::Base2Exponential)
                    .built_in([BuiltInMetrics::Sdk, BuiltInMetrics::Tokio])
                    .destination(Destination::otlp_stdout())
            })
            .logs(|logs| {
                logs.filter("debug")
                    .minimum_severity(tracing_core::Level::INFO)
                    .sampled_traces_only()
                    .include_span_fields()
                    .max_attributes(5)
            })
    };
    let text = check(&[], builder);
    for line in [
        "max_queue_size: 9  # .traces(|t| t.max_queue_size())",
        "endpoint: http://collector:4318/v1/traces  # .endpoint()",
        "composite_list: xray,tracecontext  # .propagators()",
        "value: \"shop: $$PRICE\"",
        "max_export_batch_size: 9  # default",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[cfg(feature = "prometheus")]
#[test]
fn the_exporter_for_prometheus_is_written() {
    use crate::PrometheusExporter;
    let text =
        check(&[], || init().metrics(|metrics| metrics.prometheus(PrometheusExporter::new().port(9100))));
    assert!(text.contains("port: 9100  # .metrics(|m| m.prometheus())"), "{text}");
    let without = || init().metrics(|metrics| metrics.prometheus(PrometheusExporter::new().without_server()));
    assert!(check(&[], without).contains("keep `without_server` in code"));
}

#[test]
fn secrets_are_references_and_never_written() {
    let secret = "hunter2";
    let given = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318/hunter2/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2,x-a=1"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://logs:1/x?key=hunter2"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-b=hunter2"),
        ("HTTPS_PROXY", "http://user:hunter2@proxy:3128"),
    ];
    let text = check(&given, init);
    assert!(!text.contains(secret), "{text}");
    for line in [
        "endpoint: \"${OTEL_EXPORTER_OTLP_ENDPOINT}v1/traces\"  # may hold a secret\n",
        "headers_list: \"${OTEL_EXPORTER_OTLP_HEADERS}\"",
        "endpoint: \"${OTEL_EXPORTER_OTLP_LOGS_ENDPOINT}\"",
        "headers_list: \"${OTEL_EXPORTER_OTLP_LOGS_HEADERS}\"",
        "proxy: \"${HTTPS_PROXY}\"  # may hold a secret\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    // In code they have no variable yet: a new one, the same for the same secret.
    let in_code = || {
        init()
            .endpoint("https://collector:4318/hunter2")
            .header("authorization", "hunter2")
            .proxy("http://user:hunter2@proxy:3128")
            .logs(|logs| logs.header("authorization", "hunter2 of logs"))
    };
    let set = [
        ("OTLP_HEADER_AUTHORIZATION", "hunter2"),
        ("OTLP_HEADER_AUTHORIZATION_2", "hunter2 of logs"),
        ("OTLP_TRACES_ENDPOINT", "https://collector:4318/hunter2/v1/traces"),
        ("OTLP_METRICS_ENDPOINT", "https://collector:4318/hunter2/v1/metrics"),
        ("OTLP_LOGS_ENDPOINT", "https://collector:4318/hunter2/v1/logs"),
        ("OTLP_PROXY", "http://user:hunter2@proxy:3128"),
    ];
    let text = check(&set, in_code);
    assert!(!text.contains(secret), "{text}");
    assert_eq!(text.matches("\"${OTLP_HEADER_AUTHORIZATION}\"").count(), 2, "{text}");
    assert_eq!(text.matches("\"${OTLP_HEADER_AUTHORIZATION_2}\"").count(), 1, "{text}");
}

#[test]
fn settings_that_a_file_cannot_hold_are_listed() {
    use crate::settings::HeaderSource;
    let builder = || {
        init()
            .endpoint("http://collector:4318")
            .header_source("x-token", HeaderSource::from_fn(String::new))
            .request_signer(|_| Ok::<_, std::io::Error>(()))
            .traces(|traces| traces.sampler(opentelemetry_sdk::trace::Sampler::AlwaysOn))
            .layer(tracing_subscriber::layer::Identity::new())
    };
    let (settings, additions) = builder().ignore_env().resolve().unwrap();
    let env = Env::none();
    let in_code = additions.describe(&settings);
    let text = EffectiveConfiguration { settings: &settings, env: &env, layers: &env, in_code }.to_file();
    for line in [
        "# Stays in code: the sampler, layers\n",
        "# the header x-token has a source in code, which a file replaces",
        "# requests are signed in code",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("sampler:"), "{text}");
    let nothing = check(&[], init);
    assert!(nothing.contains("# traces are not exported"), "{nothing}");
}

#[test]
fn destinations_of_one_signal_may_differ() {
    use crate::Destination;
    use opentelemetry_sdk::metrics::Temporality;
    let builder = || {
        init().endpoint("http://collector:4317").metrics(|metrics| {
            metrics
                .destination(
                    Destination::otlp("https://other:1/x").header("a", "1").temporality(Temporality::Delta),
                )
                .destination(Destination::console())
        })
    };
    let text =
        check(&[("OTLP_METRICS_ENDPOINT", "https://other:1/x/v1/metrics"), ("OTLP_HEADER_A", "1")], builder);
    assert!(!text.contains("different proxies"), "{text}");
    let with_proxy = || builder().proxy("proxy:3128");
    let (settings, _) = settings::resolve(&with_proxy().into_parts().0, &Env::none());
    let text = write(&settings, &Env::none(), &Env::none());
    assert!(text.contains("# the destinations for v1/metrics have different proxies"), "{text}");
}

#[test]
fn settings_of_the_official_files_are_written() {
    for folder in ["examples", "snippets"] {
        let path = format!("{}/tests/configuration/v1.1.0/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut written = 0;
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let env = Env::none();
            let lookup = |_: &str| Variable::Unset;
            let mut report = Report::default();
            let root = yaml::parse(&bytes, &lookup, &mut report).unwrap();
            let Some(model) = model::read(&root, &mut report).0 else { continue };
            let applied = apply::apply(&model, "otel.yaml", &BuilderConfig::default(), &lookup);
            if !applied.report.is_empty() {
                continue;
            }
            let text = write(&applied.settings, &env, &applied.layers);
            // Of what is hidden, each place has a variable of its own.
            let hidden = applied.settings.destinations();
            let hidden: Vec<_> = hidden
                .iter()
                .flat_map(|(_, destinations)| *destinations)
                .filter_map(|destination| match destination {
                    DestinationSettings::Otlp(export) => Some(&export.headers),
                    _ => None,
                })
                .flatten()
                .map(|(name, value)| {
                    (name.as_str().to_ascii_uppercase().replace('-', "_"), value.to_str().unwrap())
                })
                .map(|(name, value)| (format!("OTLP_HEADER_{name}"), value))
                .collect();
            let hidden: Vec<_> = hidden.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            let (again, layers) = read(&text, &hidden, &BuilderConfig::default());
            let shown_path = path.display();
            let before = shown(applied.settings);
            assert_same_lines(&before, &shown(again), &format!("{shown_path}\n{text}"));
            assert_eq!(shown_layers(&applied.layers), shown_layers(&layers), "{shown_path}\n{text}");
            written += 1;
        }
        assert!(written >= 2, "{folder}: {written}");
    }
}

/// Returns `true` if a file has this key, with dots, below `distribution.telemetry_bootstrap`.
fn has_own_key(text: &str, key: &str) -> bool {
    let root = yaml::parse(text.as_bytes(), &|_: &str| Variable::Unset, &mut Report::default()).unwrap();
    let mut path = ["distribution", "telemetry_bootstrap"].into_iter().chain(key.split('.'));
    path.try_fold(&root, |node, key| node.get(key)).is_some()
}

/// The chapter sets every key, so that a new setting is in this test as soon as it can be given in a file.
#[test]
fn own_settings_of_the_chapter_are_written() {
    let chapter = include_str!("../../../../docs/configuration-file.md");
    let own =
        chapter.split("## Settings of this crate").nth(1).and_then(|rest| rest.split("```yaml\n").nth(1));
    let own = own.and_then(|rest| rest.split("```").next()).unwrap();
    let exporter = "{otlp_http: {endpoint: 'http://collector:4318/x'}}";
    let text = format!(
        "file_format: '1.1'
tracer_provider: {{processors: [{{batch: {{exporter: {exporter}}}}}]}}
meter_provider: {{readers: [{{periodic: {{exporter: {exporter}}}}}]}}
logger_provider: {{processors: [{{batch: {{exporter: {exporter}}}}}]}}
{own}"
    );
    let (settings, layers) = read(&text, &[], &BuilderConfig::default());
    let written = write(&settings, &Env::none(), &layers);
    // The path may hold a secret.
    let endpoints = ["OTLP_TRACES_ENDPOINT", "OTLP_METRICS_ENDPOINT", "OTLP_LOGS_ENDPOINT"];
    let variables = endpoints.map(|name| (name, "http://collector:4318/x"));
    let (again, layers_again) = read(&written, &variables, &BuilderConfig::default());
    assert_same_lines(&shown(settings), &shown(again), &written);
    assert_eq!(shown_layers(&layers), shown_layers(&layers_again), "{written}");
    for (key, _) in apply::distribution_keys() {
        let signals = ["traces", "metrics", "logs"];
        let (scope, last) = key.rsplit_once('.').unwrap_or(("", &key));
        let is_of_exporters = ["proxy", "max_request_size"].contains(&last);
        let in_chapter = if is_of_exporters && signals.contains(&scope) { last } else { &key };
        assert!(has_own_key(own, in_chapter), "the chapter does not set {key}");
        // What all signals share is written for each. Which hosts are reached directly shows in the proxy of each
        // destination. Lines and records have filters of their own.
        let is_not_written =
            (is_of_exporters && scope.is_empty()) || ["no_proxy", "log_filter"].contains(&last);
        assert!(is_not_written || has_own_key(&written, &key), "{key}\n{written}");
    }
}
