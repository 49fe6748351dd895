//! A program that records traces, records and metrics at a steady rate, and prints what became of them. Started by
//! `interop/collector.py`; where to send comes from the environment.
//!
//! `collector_sender NAME TRACES PAUSE [KEYS]` joins so many traces, one each `PAUSE` milliseconds. Their ids are
//! numbered from 1, so that several senders join the same traces. In each it records a span with two children, a log
//! record that holds the number, and a measurement. The first sender (`NAME` is `first`) records an error in every
//! tenth trace, and keeps every tenth open for a second. `KEYS` names the preset of the log lines.

#![expect(clippy::print_stdout, reason = "another program reads it")]

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, global};
use telemetry_bootstrap::json::FieldNames;
use telemetry_bootstrap::{LogFormat, SignalStats, SpanExt as _, tracing};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, traces, pause, keys @ ..] = &arguments[..] else {
        return Err("usage: collector_sender NAME TRACES PAUSE [KEYS]".into());
    };
    let keys = field_names(keys.first().map_or("otel", String::as_str))?;
    let lines_of = name.clone();
    let telemetry = telemetry_bootstrap::init()
        .service_name(name.clone())
        .log_output(move |output| {
            output.format(LogFormat::Json).json(move |json| json.field_names(keys).service_name(lines_of))
        })
        .build()?;
    let counter = global::meter("sender").u64_counter("sender.traces").build();
    let pause = Duration::from_millis(pause.parse()?);
    let begin = Instant::now();
    let mut slow = Vec::new();
    for number in 1..=traces.parse::<u32>()? {
        let span = tracing::info_span!("request", number);
        span.set_parent(caller(number))?;
        let inside = span.enter();
        tracing::info_span!("query").in_scope(|| tracing::info!(number, "working"));
        tracing::info_span!("render").in_scope(|| {
            if number % 10 == 5 {
                tracing::warn!(number, "low on paper");
            }
            if name == "first" && number % 10 == 0 {
                tracing::error!(number, error = "out of paper", "cannot render");
            }
        });
        drop(inside);
        if name == "first" && number % 10 == 1 {
            slow.push((span, Instant::now()));
        }
        counter.add(1, &[]);
        slow.retain(|(_, begin)| begin.elapsed() < SLOW);
        thread::sleep((begin + pause * number).saturating_duration_since(Instant::now()));
    }
    while !slow.is_empty() {
        slow.retain(|(_, begin)| begin.elapsed() < SLOW);
        thread::sleep(Duration::from_millis(10));
    }
    let stats = telemetry.shutdown().unwrap_or_else(|error| error.stats());
    let counts = serde_json::json!({
        "traces": counts(stats.traces),
        "logs": counts(stats.logs),
        "metrics": counts(stats.metrics),
    });
    println!("{counts}");
    Ok(())
}

/// The context that a caller sent along, who is not there.
fn caller(number: u32) -> Context {
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)),
        SpanId::from(1),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    ))
}

fn field_names(name: &str) -> Result<FieldNames, String> {
    Ok(match name {
        "otel" => FieldNames::OpenTelemetry,
        "ecs" => FieldNames::ElasticCommonSchema,
        "gcp" => FieldNames::GoogleCloudLogging,
        "datadog" => FieldNames::Datadog,
        other => return Err(format!("no preset {other}")),
    })
}

fn counts(stats: SignalStats) -> serde_json::Value {
    serde_json::json!({
        "accepted": stats.accepted,
        "delivered": stats.delivered,
        "rejected": stats.rejected,
        "failed": stats.failed,
        "dropped": stats.dropped,
        "unanswered": stats.unanswered,
    })
}

/// How long a slow request takes.
const SLOW: Duration = Duration::from_secs(1);
