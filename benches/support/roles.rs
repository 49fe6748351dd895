//! The telemetry of the servers that are compared with one that has none.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::expect_used,
    reason = "a program for people, each of which uses its part"
)]

use std::time::Duration;

use opentelemetry_sdk::trace::Sampler;
use telemetry_bootstrap::{Builder, LogDestination, LogFormat, TelemetryGuard};

/// Spans, lines, records and metrics.
pub(crate) fn everything(endpoint: &str) -> TelemetryGuard {
    install(
        telemetry_bootstrap::init().endpoint(endpoint).log_output(|output| output.format(LogFormat::Json)),
    )
}

pub(crate) fn traces(endpoint: &str) -> TelemetryGuard {
    install(only_traces(endpoint))
}

pub(crate) fn unsampled(endpoint: &str) -> TelemetryGuard {
    install(only_traces(endpoint).traces(|traces| traces.sampler(Sampler::AlwaysOff)))
}

pub(crate) fn traces_without_child(endpoint: &str) -> TelemetryGuard {
    install(only_traces(endpoint).span_filter("off"))
}

pub(crate) fn unsampled_without_child(endpoint: &str) -> TelemetryGuard {
    install(only_traces(endpoint).span_filter("off").traces(|traces| traces.sampler(Sampler::AlwaysOff)))
}

/// Waits until what was recorded has left.
pub(crate) fn flush(telemetry: &TelemetryGuard) {
    telemetry.force_flush(Duration::from_secs(10)).expect("a live collector");
}

fn only_traces(endpoint: &str) -> Builder {
    telemetry_bootstrap::init()
        .endpoint(endpoint)
        .metrics(|metrics| metrics.export(false))
        .logs(|logs| logs.export(false))
        .log_output(|output| output.format(LogFormat::Off))
}

fn install(builder: Builder) -> TelemetryGuard {
    let builder = builder
        .ignore_env()
        .service_name("bench")
        .log_output(|output| output.destination(LogDestination::File(NOWHERE.into())));
    builder.build().expect("telemetry")
}

/// Lines are made and discarded.
pub(crate) const NOWHERE: &str = "/dev/null";
