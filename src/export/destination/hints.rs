//! Known restrictions of well-known destinations, used to report at startup a configuration that cannot work there.
//!
//! Only facts that the operators of the destinations have published are here; each row names the page. What a
//! destination merely advises against is not.
//!
//! A hint is logged once, after the start line, and changes nothing: the exporter sends what it was configured to send,
//! because a destination may have changed, or a proxy in front of it may translate.
//!
//! | the settings | the destination | hint |
//! |---|---|---|
//! | gRPC | takes HTTP only | the protocol to set |
//! | cumulative metrics | takes deltas only | the temporality to set |
//! | a signal that it does not take | – | turn the exporter off |
//! | no header with credentials | requires one | the name of the header, never a value |
//!
//! Headers are not checked where requests are signed: a signer can add any header.
//!
//! A new destination is a row of [`DESTINATIONS`], with the page that says so. A name may have several rows, for
//! different signals or sources.

use opentelemetry_sdk::metrics::Temporality;

use crate::settings::{ExportSettings, Protocol, Signal};

#[cfg(test)]
mod tests;

/// A row of the table: what a destination takes, where it does not take everything.
struct KnownDestination {
    /// The name that people know it by.
    name: &'static str,
    /// Hosts, each with all names below it. A `*` stands for one label.
    hosts: &'static [&'static str],
    /// The signals that the row is about. A destination may have one row for each.
    signals: &'static [Signal],
    /// Everything that it does not take or that it requires.
    limits: &'static [Limit],
    /// The page that says so, logged with the hint.
    source: &'static str,
}

/// Something that a destination does not take, or requires.
enum Limit {
    /// No gRPC.
    HttpOnly,
    /// Neither gRPC nor JSON.
    HttpProtobufOnly,
    /// No cumulative sums and histograms.
    DeltaOnly,
    /// Nothing but this signal, or these.
    Signals(&'static [Signal]),
    /// A header that must be there.
    Header(&'static str),
}

/// Something that cannot work at a destination, and the setting that would.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    /// The name of the destination.
    pub(crate) destination: &'static str,
    /// The telemetry that the destination accepts: `metrics of delta temporality only`.
    pub(crate) takes: String,
    /// The variable and the value to set. A header has no value here.
    pub(crate) setting: String,
    /// The page that says so.
    pub(crate) source: &'static str,
}

/// Returns what cannot work at the destination of a signal. `temporality` is that of metrics.
pub(crate) fn hints(signal: Signal, settings: &ExportSettings, temporality: Temporality) -> Vec<Hint> {
    let host = settings.target.uri.host().unwrap_or_default().to_ascii_lowercase();
    let rows = DESTINATIONS.iter().filter(|destination| {
        destination.signals.contains(&signal) && destination.hosts.iter().any(|name| is_below(&host, name))
    });
    let hint = |destination: &KnownDestination, limit: &Limit| {
        let (takes, setting) = limit.violated_by(signal, settings, temporality)?;
        Some(Hint { destination: destination.name, takes, setting, source: destination.source })
    };
    rows.flat_map(|row| row.limits.iter().filter_map(move |limit| hint(row, limit))).collect()
}

impl Limit {
    /// Returns what the destination takes, and what to set instead. `None` if the settings fit.
    fn violated_by(
        &self,
        signal: Signal,
        settings: &ExportSettings,
        temporality: Temporality,
    ) -> Option<(String, String)> {
        let protocol = settings.protocol.first;
        let upper = signal.to_string().to_ascii_uppercase();
        let to_http = || format!("OTEL_EXPORTER_OTLP_{upper}_PROTOCOL=http/protobuf");
        match self {
            Self::HttpOnly => {
                (protocol == Protocol::Grpc).then(|| ("HTTP only, no gRPC".to_owned(), to_http()))
            }
            Self::HttpProtobufOnly => (protocol != Protocol::HttpProtobuf)
                .then(|| ("protobuf over HTTP only, no gRPC and no JSON".to_owned(), to_http())),
            Self::DeltaOnly => (signal == Signal::Metrics && temporality != Temporality::Delta).then(|| {
                let setting = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta";
                ("metrics of delta temporality only".to_owned(), setting.to_owned())
            }),
            Self::Signals(signals) => (!signals.contains(&signal)).then(|| {
                let names: Vec<_> = signals.iter().map(Signal::to_string).collect();
                (format!("{} only", names.join(" and ")), format!("OTEL_{upper}_EXPORTER=none"))
            }),
            Self::Header(name) => {
                let is_static = settings.headers.iter().any(|(header, _)| header == name);
                let is_changing = settings.credentials.sources.iter().any(|(header, _)| header == name);
                let may_be_signed = settings.credentials.signer.is_some();
                (!is_static && !is_changing && !may_be_signed).then(|| {
                    let setting = format!("OTEL_EXPORTER_OTLP_{upper}_HEADERS={name}=…");
                    (format!("requests with the header {name} only"), setting)
                })
            }
        }
    }
}

/// Returns `true` if `host` is `pattern`, or a name below it. A `*` in the pattern stands for one label.
fn is_below(host: &str, pattern: &str) -> bool {
    let mut labels = host.rsplit('.');
    pattern.rsplit('.').all(|wanted| labels.next().is_some_and(|label| wanted == "*" || wanted == label))
}

/// Every signal.
const ALL: &[Signal] = &[Signal::Traces, Signal::Metrics, Signal::Logs];

/// The destinations, by name.
const DESTINATIONS: &[KnownDestination] = &[
    KnownDestination {
        name: "Axiom",
        hosts: &["axiom.co"],
        signals: &[Signal::Traces, Signal::Logs],
        limits: &[Limit::HttpOnly, Limit::Header("x-axiom-dataset"), Limit::Header("authorization")],
        source: "https://axiom.co/docs/send-data/opentelemetry",
    },
    KnownDestination {
        name: "Axiom",
        hosts: &["axiom.co"],
        signals: &[Signal::Metrics],
        limits: &[
            Limit::HttpProtobufOnly,
            Limit::Header("x-axiom-metrics-dataset"),
            Limit::Header("authorization"),
        ],
        source: "https://axiom.co/docs/guides/opentelemetry-claude-code",
    },
    KnownDestination {
        name: "AWS X-Ray",
        hosts: &["xray.*.amazonaws.com"],
        signals: ALL,
        limits: &[Limit::Signals(&[Signal::Traces]), Limit::HttpOnly, Limit::Header("authorization")],
        source: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-OTLPEndpoint.html",
    },
    KnownDestination {
        name: "AWS CloudWatch Logs",
        hosts: &["logs.*.amazonaws.com"],
        signals: ALL,
        limits: &[
            Limit::Signals(&[Signal::Logs]),
            Limit::HttpOnly,
            Limit::Header("x-aws-log-group"),
            Limit::Header("x-aws-log-stream"),
            Limit::Header("authorization"),
        ],
        source: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-OTLPEndpoint.html",
    },
    KnownDestination {
        name: "AWS CloudWatch metrics",
        hosts: &["monitoring.*.amazonaws.com"],
        signals: ALL,
        limits: &[Limit::Signals(&[Signal::Metrics]), Limit::HttpOnly, Limit::Header("authorization")],
        source: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/metrics-otel-send.html",
    },
    KnownDestination {
        name: "Datadog",
        hosts: &["otlp.datadoghq.com", "otlp.*.datadoghq.com", "otlp.datadoghq.eu", "otlp.ddog-gov.com"],
        signals: &[Signal::Traces, Signal::Logs],
        limits: &[Limit::HttpOnly, Limit::Header("dd-api-key")],
        source: "https://docs.datadoghq.com/opentelemetry/setup/agentless",
    },
    KnownDestination {
        name: "Datadog",
        hosts: &["otlp.datadoghq.com", "otlp.*.datadoghq.com", "otlp.datadoghq.eu", "otlp.ddog-gov.com"],
        signals: &[Signal::Metrics],
        limits: &[Limit::DeltaOnly, Limit::HttpOnly, Limit::Header("dd-api-key")],
        source: "https://docs.datadoghq.com/opentelemetry/setup/otlp_ingest/metrics/",
    },
    KnownDestination {
        name: "Dynatrace",
        hosts: &["live.dynatrace.com"],
        signals: ALL,
        limits: &[Limit::HttpProtobufOnly, Limit::Header("authorization")],
        source: "https://docs.dynatrace.com/docs/ingest-from/opentelemetry/getting-started/otlp-export",
    },
    KnownDestination {
        name: "Dynatrace",
        hosts: &["live.dynatrace.com"],
        signals: &[Signal::Metrics],
        limits: &[Limit::DeltaOnly],
        source: "https://community.dynatrace.com/t5/Troubleshooting/Why-are-my-OpenTelemetry-metrics-not-ingested/ta-p/269428",
    },
    KnownDestination {
        name: "Honeycomb",
        hosts: &["api.honeycomb.io", "api.eu1.honeycomb.io"],
        signals: ALL,
        limits: &[Limit::Header("x-honeycomb-team")],
        source: "https://docs.honeycomb.io/send-data/opentelemetry/",
    },
    KnownDestination {
        name: "Langfuse",
        hosts: &["cloud.langfuse.com"],
        signals: ALL,
        limits: &[Limit::Signals(&[Signal::Traces]), Limit::HttpOnly, Limit::Header("authorization")],
        source: "https://langfuse.com/integrations/native/opentelemetry",
    },
    KnownDestination {
        name: "Logfire",
        hosts: &["logfire-us.pydantic.dev", "logfire-eu.pydantic.dev", "logfire-api.pydantic.dev"],
        signals: ALL,
        limits: &[Limit::HttpOnly, Limit::Header("authorization")],
        source: "https://logfire.pydantic.dev/docs/how-to-guides/alternative-clients",
    },
    KnownDestination {
        name: "New Relic",
        hosts: &["nr-data.net"],
        signals: ALL,
        limits: &[Limit::Header("api-key")],
        source: "https://docs.newrelic.com/docs/opentelemetry/best-practices/opentelemetry-otlp/",
    },
    KnownDestination {
        name: "Sentry",
        hosts: &["sentry.io"],
        signals: ALL,
        limits: &[
            Limit::Signals(&[Signal::Traces, Signal::Logs]),
            Limit::HttpOnly,
            Limit::Header("x-sentry-auth"),
        ],
        source: "https://docs.sentry.io/concepts/otlp/",
    },
];
