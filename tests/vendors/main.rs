//! The variables that `docs/destinations.md` gives for each vendor, used by a program against a receiver that enforces
//! what the vendor has published. Only scheme, host and port are replaced.
//!
//! Each run is a process of its own, because the variables are read once. What a vendor would refuse is refused here, too:
//! each has variables that break one of its rules.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod page;
mod stand_in;

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use telemetry_bootstrap::Signal::{self, Logs, Metrics, Traces};
use telemetry_bootstrap::opentelemetry::global;
use telemetry_bootstrap::tracing::{info, info_span};
use telemetry_bootstrap::{Builder, HeaderSource, HeaderToken, SignalStats};

use self::stand_in::Rule::{self, *};
use self::stand_in::StandIn;

/// A vendor: the title and the number of the block on the page, what it takes, and its rules.
struct Vendor {
    title: &'static str,
    block: usize,
    signals: &'static [Signal],
    rules: &'static [Rule],
    /// Variables that break a rule, with the signals that are refused then.
    mistakes: &'static [(&'static str, &'static str, &'static [Signal])],
}

const ALL: &[Signal] = &[Traces, Metrics, Logs];

impl Vendor {
    /// Everything arrives with the variables of the page, and nothing of a signal with a mistake in them.
    fn check(&self) -> StandIn {
        let (stand_in, counts) = self.run(None);
        for signal in ALL {
            let SignalStats { accepted, delivered, .. } = counts.of(*signal);
            assert_eq!(accepted, delivered, "{}, {signal}: {:?}", self.title, stand_in.refusals());
            assert_eq!(delivered > 0, self.signals.contains(signal), "{}, {signal}", self.title);
            assert_eq!(stand_in.taken(*signal) > 0, delivered > 0, "{}, {signal}", self.title);
        }
        for (variable, value, refused) in self.mistakes {
            let (stand_in, counts) = self.run(Some((variable, value)));
            for signal in *refused {
                let SignalStats { accepted, delivered, .. } = counts.of(*signal);
                assert!(accepted > 0 && delivered == 0, "{} with {variable}={value}: {signal}", self.title);
            }
            assert!(!stand_in.refusals().is_empty(), "{} with {variable}={value}", self.title);
        }
        stand_in
    }

    /// Runs a program with the variables of the page, and one more.
    fn run(&self, other: Option<(&str, &str)>) -> (StandIn, Counts) {
        let stand_in = StandIn::start(self.rules);
        let mut block = page::blocks(self.title).remove(self.block);
        page::redirect(&mut block, &stand_in.address);
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env_clear()
            .envs(block)
            .envs(other)
            .env(VENDOR, self.title)
            .env("OTEL_RUST_SHUTDOWN_TIMEOUT", "5000")
            .output()
            .unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success() && stdout.contains("running 1 test\n"), "{stdout}{stderr}");
        let counts = stdout.lines().find_map(|line| line.strip_prefix("counts "));
        let counts = counts.unwrap_or_else(|| panic!("{stdout}{stderr}"));
        (stand_in, Counts(serde_json::from_str(counts).unwrap()))
    }
}

/// Accepted and delivered items of traces, metrics and logs.
struct Counts([(u64, u64); 3]);

impl Counts {
    fn of(&self, signal: Signal) -> SignalStats {
        let (accepted, delivered) = self.0[ALL.iter().position(|known| *known == signal).unwrap()];
        let mut stats = SignalStats::default();
        (stats.accepted, stats.delivered) = (accepted, delivered);
        stats
    }
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    println!();
    let vendor = std::env::var(VENDOR).unwrap();
    let telemetry = with_credentials(telemetry_bootstrap::init(), &vendor).build().unwrap();
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
                $vendor.check();
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
        mistakes: &[("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "authorization=Bearer%20token", &[Logs])],
    };
    aws_takes_signed_traces_and_logs: Vendor {
        title: "AWS",
        block: 0,
        signals: &[Traces, Logs],
        rules: &[
            Path(Traces, "/v1/traces"),
            Path(Logs, "/v1/logs"),
            HeaderBegins("authorization", "AWS4-HMAC-SHA256 "),
            HeaderOf(Logs, "x-aws-log-group", "group"),
            HeaderOf(Logs, "x-aws-log-stream", "stream"),
            MaxBytes(5_000_000),
        ],
        mistakes: &[],
    };
    datadog_takes_metrics_as_deltas: Vendor {
        title: "Datadog",
        block: 0,
        signals: &[Metrics],
        rules: &[Path(Metrics, "/v1/metrics"), Header("dd-api-key", "key"), ProtobufOnly(415), Delta],
        mistakes: &[
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative", &[Metrics]),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "dd-api-key=other", &[Metrics]),
        ],
    };
    datadog_agent_takes_everything: Vendor {
        title: "Datadog",
        block: 1,
        signals: ALL,
        rules: &[Delta],
        mistakes: &[],
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
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", ALL),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative", &[Metrics]),
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
        mistakes: &[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20d3Jvbmc6a2V5", ALL)],
    };
    honeycomb_takes_its_header: Vendor {
        title: "Honeycomb",
        block: 0,
        signals: ALL,
        rules: &[Header("x-honeycomb-team", "key")],
        mistakes: &[("OTEL_EXPORTER_OTLP_HEADERS", "x-honeycomb-team=other", ALL)],
    };
    langfuse_takes_traces: Vendor {
        title: "Langfuse",
        block: 0,
        signals: &[Traces],
        rules: &[Path(Traces, "/api/public/otel/v1/traces"), BasicAuth, ProtobufOnly(415)],
        mistakes: &[("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=Basic%20d3Jvbmc6a2V5", &[Traces])],
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
        mistakes: &[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=other", ALL)],
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
        mistakes: &[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5000", &[Traces])],
    };
    prometheus_takes_totals: Vendor {
        title: "Prometheus",
        block: 0,
        signals: &[Metrics],
        rules: &[Path(Metrics, "/api/v1/otlp/v1/metrics"), ProtobufOnly(415), Cumulative],
        mistakes: &[("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", &[Metrics])],
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
        mistakes: &[("OTEL_EXPORTER_OTLP_HEADERS", "x-sentry-auth=sentry%20sentry_key%3Dother", &[Traces, Logs])],
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
        mistakes: &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", ALL)],
    };
}

#[test]
fn google_cloud_takes_tokens_that_expire() {
    let google = Vendor {
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
        mistakes: &[],
    };
    assert!(google.check().tokens() > 1);
}

/// For the child: whose variables it has.
const VENDOR: &str = "VENDOR";
/// How often the program flushes.
const ROUNDS: u64 = 3;
/// Spans in each round: with their comments, more than a megabyte.
const SPANS: u64 = 300;
