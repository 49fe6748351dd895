#![cfg(all(feature = "tls", feature = "gzip", feature = "otlp-grpc", feature = "otlp-http"))]

use http::uri::PathAndQuery;

use super::*;
use crate::settings::{Compression, Credentials, DestinationSettings, ProtocolSetting, Target};

fn settings(host: &str, protocol: Protocol, headers: &[&str]) -> ExportSettings {
    let header = |name: &&str| (name.parse().unwrap(), "secret".parse().unwrap());
    ExportSettings {
        target: Target::new(format!("https://{host}/").parse().unwrap()),
        headers: headers.iter().map(header).collect(),
        timeout: std::time::Duration::from_secs(10),
        compression: Compression::None,
        protocol: ProtocolSetting { first: protocol, may_switch: false },
        credentials: Credentials::default(),
        max_request_size: 64 << 20,
        temporality: None,
        http_path: PathAndQuery::from_static("/"),
    }
}

#[test]
fn low_memory_temporality_is_not_delta() {
    let settings = settings("abc.live.dynatrace.com", Protocol::HttpProtobuf, &["authorization"]);
    let hints = |temporality| hints(Signal::Metrics, &settings, temporality).len();
    let all = [Temporality::Cumulative, Temporality::LowMemory, Temporality::Delta];
    assert_eq!(all.map(hints), [1, 1, 0]);
}

/// The destination and the setting of a hint.
fn said(host: &str, signal: Signal, protocol: Protocol, headers: &[&str]) -> Vec<String> {
    let hints = hints(signal, &settings(host, protocol, headers), Temporality::Cumulative);
    hints.iter().map(|hint| format!("{}: {}", hint.destination, hint.setting)).collect()
}

#[test]
fn impossible_configuration_names_the_setting_to_change() {
    use Protocol::{Grpc, HttpJson, HttpProtobuf};
    use Signal::{Logs, Metrics, Traces};
    let authorized = &["authorization"][..];
    for (host, signal, protocol, headers, expected) in [
        (
            "abc.live.dynatrace.com",
            Metrics,
            HttpJson,
            authorized,
            &[
                "Dynatrace: OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf",
                "Dynatrace: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta",
            ][..],
        ),
        ("abc.live.dynatrace.com", Traces, HttpProtobuf, authorized, &[]),
        (
            "ABC.live.dynatrace.com",
            Traces,
            HttpProtobuf,
            &[],
            &["Dynatrace: OTEL_EXPORTER_OTLP_TRACES_HEADERS=authorization=…"],
        ),
        (
            "otlp.us3.datadoghq.com",
            Metrics,
            HttpProtobuf,
            &["dd-api-key"],
            &["Datadog: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta"],
        ),
        ("otlp.datadoghq.com", Logs, HttpProtobuf, &["dd-api-key"], &[]),
        (
            "otlp.datadoghq.com",
            Logs,
            Grpc,
            &["dd-api-key"],
            &["Datadog: OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/protobuf"],
        ),
        ("monitoring.eu-west-1.amazonaws.com", Metrics, HttpProtobuf, authorized, &[]),
        (
            "monitoring.eu-west-1.amazonaws.com",
            Logs,
            HttpProtobuf,
            authorized,
            &["AWS CloudWatch metrics: OTEL_LOGS_EXPORTER=none"],
        ),
        (
            "o1.ingest.us.sentry.io",
            Metrics,
            HttpProtobuf,
            &["x-sentry-auth"],
            &["Sentry: OTEL_METRICS_EXPORTER=none"],
        ),
        ("us.cloud.langfuse.com", Logs, HttpProtobuf, authorized, &["Langfuse: OTEL_LOGS_EXPORTER=none"]),
        (
            "logfire-eu.pydantic.dev",
            Traces,
            Grpc,
            authorized,
            &["Logfire: OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"],
        ),
        ("xray.eu-west-1.amazonaws.com", Traces, HttpProtobuf, authorized, &[]),
        (
            "logs.eu-west-1.amazonaws.com",
            Traces,
            HttpProtobuf,
            &["x-aws-log-group", "x-aws-log-stream", "authorization"],
            &["AWS CloudWatch Logs: OTEL_TRACES_EXPORTER=none"],
        ),
        ("api.honeycomb.io", Traces, Grpc, &["x-honeycomb-team"], &[]),
        (
            "otlp.eu01.nr-data.net",
            Traces,
            Grpc,
            &[],
            &["New Relic: OTEL_EXPORTER_OTLP_TRACES_HEADERS=api-key=…"],
        ),
        ("collector", Metrics, Grpc, &[], &[]),
        ("notsentry.io", Metrics, Grpc, &[], &[]),
        ("sentry.io.example.com", Metrics, Grpc, &[], &[]),
    ] {
        assert_eq!(said(host, signal, protocol, headers), expected, "{host} {signal}");
    }
}

#[test]
fn every_destination_has_hosts_limits_and_a_source() {
    for destination in DESTINATIONS {
        assert!(destination.source.starts_with("https://"), "{}", destination.name);
        assert!(
            !destination.hosts.is_empty()
                && !destination.signals.is_empty()
                && !destination.limits.is_empty()
        );
    }
}

/// The blocks of variables in the chapter on destinations, each with the title above it.
fn documented() -> Vec<(String, Vec<(String, String)>)> {
    let (mut title, mut block, mut blocks) = ("", None, Vec::new());
    for line in include_str!("../../../../docs/destinations.md").lines() {
        match (line, &mut block) {
            ("```sh", None) => block = Some(Vec::new()),
            ("```", Some(lines)) => {
                blocks.push((title.to_owned(), std::mem::take(lines)));
                block = None;
            }
            (line, Some(lines)) => {
                let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{title}: {line}"));
                lines.push((name.to_owned(), value.replace(['<', '>', ' '], "")));
            }
            (line, None) => title = line.strip_prefix("## ").unwrap_or(title),
        }
    }
    blocks
}

#[test]
fn the_documented_environments_are_read_without_a_warning_and_fit_their_destinations() {
    let blocks = documented();
    assert!(blocks.len() >= 16, "{}", blocks.len());
    for (title, variables) in blocks {
        assert!((2..=10).contains(&variables.len()), "{title}: {} lines", variables.len());
        let pairs = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let env = crate::settings::Env::from_pairs(pairs);
        let builder = crate::builder::init();
        // The signer that AWS needs is given in code.
        let builder =
            if title == "AWS" { builder.request_signer(|_| Ok::<_, std::io::Error>(())) } else { builder };
        let (settings, errors) = crate::settings::resolve(&builder.into_parts().0, &env);
        assert!(errors.is_empty() && settings.warnings.is_empty(), "{title}: {:?}", settings.warnings);
        let destinations = settings.destinations();
        let is_scraped = settings.metrics.prometheus.is_some();
        let is_sent = destinations.iter().any(|(_, some)| !some.is_empty());
        assert!(is_sent || is_scraped || cfg!(not(feature = "prometheus")), "{title}: nothing is sent");
        let known = crate::settings::known_variables();
        assert!(variables.iter().all(|(name, _)| known.contains(&name.as_str())), "{title}");
        for (signal, destination) in
            destinations.iter().flat_map(|(signal, some)| some.iter().map(move |one| (signal, one)))
        {
            let DestinationSettings::Otlp(export) = destination else { continue };
            assert_eq!(
                hints(signal, export, settings.metrics.temporality_of(destination)),
                [],
                "{title}: {signal}"
            );
        }
    }
}
