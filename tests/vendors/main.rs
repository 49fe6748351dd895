//! The variables that `docs/destinations.md` gives for each vendor, used by a program against a receiver that enforces
//! what the vendor has published. Only scheme, host and port are replaced.
//!
//! Each run is a process of its own, because the variables are read once. What a vendor would refuse is refused here, too:
//! each has variables that break one of its rules.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod page;
mod stand_in;
mod vendor;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use telemetry_bootstrap::Signal::{Logs, Metrics, Traces};
use telemetry_bootstrap::opentelemetry::global;
use telemetry_bootstrap::tracing::{info, info_span};
use telemetry_bootstrap::{Builder, HeaderSource, HeaderToken};

use self::stand_in::Rule::*;
use self::vendor::{
    ALL, BAD, BAD_JSON, NO_CODE, UNAUTHORIZED, UNSUPPORTED, VENDOR, Vendor, nothing_in_code, wrong,
};

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    println!();
    let vendor = std::env::var(VENDOR).unwrap();
    let builder = telemetry_bootstrap::init();
    let has_code = std::env::var_os(NO_CODE).is_none();
    let builder = if has_code { with_credentials(builder, &vendor) } else { builder };
    let telemetry = builder.build().unwrap();
    let meter = global::meter("shop");
    let (counter, histogram) = (meter.u64_counter("orders").build(), meter.f64_histogram("sums").build());
    let comment = "x".repeat(5000);
    for number in 0..ROUNDS {
        for _ in 0..SPANS {
            let order = info_span!("order", number, comment);
            order.in_scope(|| info!(number, "paid"));
        }
        counter.add(1, &[]);
        histogram.record(1.5, &[]);
        let _ = telemetry.force_flush(Duration::from_secs(10));
    }
    let stats = telemetry.shutdown().unwrap_or_else(|error| error.stats());
    let counts = [stats.traces, stats.metrics, stats.logs].map(|counts| (counts.accepted, counts.delivered));
    println!("counts {}", serde_json::to_string(&counts).unwrap());
}

/// What the page says to give in code.
fn with_credentials(builder: Builder, vendor: &str) -> Builder {
    match vendor {
        "Google Cloud" => {
            let count = AtomicUsize::new(0);
            let token = HeaderSource::from_token(move || {
                let token = format!("token-{}", count.fetch_add(1, Ordering::Relaxed));
                Ok::<_, std::io::Error>(HeaderToken::new(token).valid_for(Duration::from_secs(3600)))
            });
            builder.header_source("authorization", token.prefix("Bearer "))
        }
        // That signatures are right is tested in `examples/sigv4`.
        "AWS" => builder.request_signer(|request| {
            request.headers_mut().insert("authorization", "AWS4-HMAC-SHA256 Credential=id".parse()?);
            Ok::<_, http::header::InvalidHeaderValue>(())
        }),
        _ => builder,
    }
}

macro_rules! vendors {
    ($($name:ident: $vendor:expr;)*) => {
        $(
            #[test]
            fn $name() {
                const VENDOR: Vendor = $vendor;
                VENDOR.check();
            }
        )*
    };
}

vendors! {
    axiom_has_a_dataset_for_each_signal: Vendor {
        title: "Axiom",
        block: 0,
        signals: ALL,
        rules: &[
            Path(Traces, "/v1/traces"),
            Path(Metrics, "/v1/metrics"),
            Path(Logs, "/v1/logs"),
            Header("authorization", "Bearer token"),
            HeaderOf(Traces, "x-axiom-dataset", "traces"),
            HeaderOf(Logs, "x-axiom-dataset", "logs"),
            HeaderOf(Metrics, "x-axiom-metrics-dataset", "metrics"),
            ProtobufOnly(415),
        ],
        mistakes: &[
            wrong(
                "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
                "authorization=Bearer%20token",
                &[Logs],
                "x-axiom-dataset",
                UNAUTHORIZED,
            ),
            wrong(PROTOCOL, "http/json", ALL, "not protobuf over HTTP", UNSUPPORTED),
        ],
    };
    aws_takes_signed_requests: Vendor {
        title: "AWS",
        block: 0,
        signals: ALL,
        rules: &[
            Path(Traces, "/v1/traces"),
            Path(Metrics, "/v1/metrics"),
            Path(Logs, "/v1/logs"),
            HeaderBegins("authorization", "AWS4-HMAC-SHA256 "),
            HeaderOf(Logs, "x-aws-log-group", "group"),
            HeaderOf(Logs, "x-aws-log-stream", "stream"),
            MaxBytes(5_000_000),
        ],
        mistakes: &[
            nothing_in_code(ALL, "authorization"),
            wrong(
                "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
                "x-aws-log-group=group",
                &[Logs],
                "x-aws-log-stream",
                UNAUTHORIZED,
            ),
        ],
    };
    datadog_takes_metrics_as_deltas: Vendor {
        title: "Datadog",
        block: 0,
        signals: &[Metrics],
        rules: &[Path(Metrics, "/v1/metrics"), Header("dd-api-key", "key"), ProtobufOnly(415), Delta],
        mistakes: &[
            wrong(TEMPORALITY, "cumulative", &[Metrics], "not delta", BAD),
            wrong(
                "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
                "dd-api-key=other",
                &[Metrics],
                "dd-api-key",
                UNAUTHORIZED,
            ),
        ],
    };
    datadog_agent_takes_everything: Vendor {
        title: "Datadog",
        block: 1,
        signals: ALL,
        rules: &[Delta],
        mistakes: &[wrong(TEMPORALITY, "", &[Metrics], "not delta", BAD)],
    };
    dynatrace_takes_protobuf_and_deltas: Vendor {
        title: "Dynatrace",
        block: 0,
        signals: ALL,
        rules: &[
            Path(Traces, "/api/v2/otlp/v1/traces"),
            Path(Metrics, "/api/v2/otlp/v1/metrics"),
            Path(Logs, "/api/v2/otlp/v1/logs"),
            Header("authorization", "Api-Token token"),
            ProtobufOnly(415),
            Delta,
        ],
        mistakes: &[
            wrong(PROTOCOL, "http/json", ALL, "not protobuf over HTTP", UNSUPPORTED),
            wrong(TEMPORALITY, "cumulative", &[Metrics], "not delta", BAD),
        ],
    };
    grafana_cloud_takes_basic_authentication_below_its_path: Vendor {
        title: "Grafana Cloud",
        block: 0,
        signals: ALL,
        rules: &[
            Path(Traces, "/otlp/v1/traces"),
            Path(Metrics, "/otlp/v1/metrics"),
            Path(Logs, "/otlp/v1/logs"),
            BasicAuth,
        ],
        mistakes: &[wrong(HEADERS, "authorization=Basic%20d3Jvbmc6a2V5", ALL, "authorization", UNAUTHORIZED)],
    };
    honeycomb_takes_its_header: Vendor {
        title: "Honeycomb",
        block: 0,
        signals: ALL,
        rules: &[Header("x-honeycomb-team", "key")],
        mistakes: &[wrong(HEADERS, "x-honeycomb-team=other", ALL, "x-honeycomb-team", UNAUTHORIZED)],
    };
    langfuse_takes_traces: Vendor {
        title: "Langfuse",
        block: 0,
        signals: &[Traces],
        rules: &[Path(Traces, "/api/public/otel/v1/traces"), BasicAuth, ProtobufOnly(415)],
        mistakes: &[
            wrong(
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                "authorization=Basic%20d3Jvbmc6a2V5",
                &[Traces],
                "authorization",
                UNAUTHORIZED,
            ),
        ],
    };
    logfire_takes_its_token: Vendor {
        title: "Logfire",
        block: 0,
        signals: ALL,
        rules: &[
            Path(Traces, "/v1/traces"),
            Path(Metrics, "/v1/metrics"),
            Path(Logs, "/v1/logs"),
            Header("authorization", "token"),
        ],
        mistakes: &[wrong(HEADERS, "authorization=other", ALL, "authorization", UNAUTHORIZED)],
    };
    new_relic_takes_requests_of_a_megabyte_and_values_of_4095_characters: Vendor {
        title: "New Relic",
        block: 0,
        signals: ALL,
        rules: &[
            Path(Traces, "/v1/traces"),
            Path(Metrics, "/v1/metrics"),
            Path(Logs, "/v1/logs"),
            Header("api-key", "key"),
            MaxBytes(1_000_000),
            MaxValue(4095),
        ],
        mistakes: &[
            wrong("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5000", &[Traces], "a value is too long", BAD),
        ],
    };
    prometheus_takes_totals: Vendor {
        title: "Prometheus",
        block: 0,
        signals: &[Metrics],
        rules: &[Path(Metrics, "/api/v1/otlp/v1/metrics"), ProtobufOnly(415), Cumulative],
        mistakes: &[wrong(TEMPORALITY, "delta", &[Metrics], "not cumulative", BAD)],
    };
    sentry_takes_traces_and_logs: Vendor {
        title: "Sentry",
        block: 0,
        signals: &[Traces, Logs],
        rules: &[
            Path(Traces, "/api/project/integration/otlp/v1/traces"),
            Path(Logs, "/api/project/integration/otlp/v1/logs"),
            Header("x-sentry-auth", "sentry sentry_key=key"),
        ],
        mistakes: &[
            wrong(
                HEADERS,
                "x-sentry-auth=sentry%20sentry_key%3Dother",
                &[Traces, Logs],
                "x-sentry-auth",
                UNAUTHORIZED,
            ),
        ],
    };
    victoria_takes_protobuf: Vendor {
        title: "VictoriaMetrics, VictoriaLogs, VictoriaTraces",
        block: 0,
        signals: ALL,
        rules: &[
            Path(Traces, "/insert/opentelemetry/v1/traces"),
            Path(Metrics, "/opentelemetry/v1/metrics"),
            Path(Logs, "/insert/opentelemetry/v1/logs"),
            ProtobufOnly(400),
        ],
        mistakes: &[wrong(PROTOCOL, "http/json", ALL, "not protobuf over HTTP", BAD_JSON)],
    };
}

#[test]
fn google_cloud_takes_tokens_that_expire() {
    const GOOGLE: Vendor = Vendor {
        title: "Google Cloud",
        block: 0,
        signals: ALL,
        rules: &[
            Path(Traces, "/v1/traces"),
            Path(Metrics, "/v1/metrics"),
            Path(Logs, "/v1/logs"),
            BearerToken,
            Header("x-goog-user-project", "project"),
        ],
        mistakes: &[
            nothing_in_code(ALL, "no valid token"),
            wrong(HEADERS, "", ALL, "x-goog-user-project", UNAUTHORIZED),
        ],
    };
    assert!(GOOGLE.check().tokens() > 1);
}

/// How often the program flushes.
const ROUNDS: u64 = 3;
/// Spans in each round: with their comments, more than a megabyte.
const SPANS: u64 = 300;

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
