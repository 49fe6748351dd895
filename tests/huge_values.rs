//! A huge value costs a bounded amount of memory, wherever it stands and whatever shows it.

#![expect(clippy::unwrap_used, reason = "a test, whose helpers fail it")]

use std::error::Error;
use std::fmt;
use std::sync::{LazyLock, Mutex, PoisonError};

use telemetry_bootstrap::testing::{Collector, capture};
use telemetry_bootstrap::{LogDestination, LogFormat, SpanExt as _, init, record_error, with_fields};
use telemetry_bootstrap::{opentelemetry, tracing_subscriber};
use tracing::field::Empty;
use tracing::subscriber::with_default;
use tracing::{error, info, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

use opentelemetry::KeyValue;

/// Bytes of each value, more than all copies together may have.
const HUGE: usize = 256 << 20;
/// The longest text in a log line.
const LINE_LIMIT: u64 = 16 << 20;
/// The longest text that is kept or exported.
const LIMIT: u64 = 4 << 20;
/// Copies for fields, line and writer, and buffers that double as they grow.
const LINE_COPIES: u64 = 8;
/// Copies for span and record.
const COPIES: u64 = 12;

/// The value, which is the program's and does not count.
static TEXT: LazyLock<String> = LazyLock::new(|| "y".repeat(HUGE));

/// Writes a huge text piece by piece.
struct Pieces;

impl fmt::Display for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let piece = "x".repeat(1024);
        (0..HUGE / piece.len()).try_for_each(|_| f.write_str(&piece))
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Pieces {}

/// An error with a cause.
#[derive(Debug)]
struct Wrapper;

impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrapped: {Pieces}")
    }
}

impl Error for Wrapper {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&Pieces)
    }
}

#[test]
fn huge_fields_of_spans_are_cut_while_they_are_copied() {
    let text = TEXT.as_str();
    in_every_format(|name| {
        check(name, "text", || drop(info_span!("span", text).entered()));
        check(name, "display", || drop(info_span!("span", value = %Pieces).entered()));
        check(name, "bytes", || drop(info_span!("span", value = text.as_bytes()).entered()));
        check(name, "otel.name", || drop(info_span!("span", otel.name = text).entered()));
        check(name, "otel.kind", || drop(info_span!("span", otel.kind = %Pieces).entered()));
        check(name, "status", || drop(info_span!("span", otel.status_description = %Pieces).entered()));
        for field in ["value", "otel.status_message"] {
            check(name, field, || {
                let span = info_span!("span", value = Empty, otel.status_message = Empty).entered();
                info!("started");
                span.record(field, text);
                info!("recorded");
            });
        }
    });
}

#[test]
fn huge_events_are_cut_while_they_are_copied() {
    let text = TEXT.as_str();
    in_every_format(|name| {
        let _span = info_span!("span").entered();
        check(name, "text", || info!(text, "event"));
        check(name, "display", || info!(value = %Pieces, "event"));
        check(name, "bytes", || info!(value = text.as_bytes(), "event"));
        check(name, "message", || info!("{Pieces}"));
        check(name, "event name", || info!(otel.event.name = text, "event"));
        check(name, "exception", || error!(exception.message = text, "event"));
        check(name, "error text", || error!(error = text, "event"));
        check(name, "error value", || error!(error = &Wrapper as &dyn Error, "event"));
        check(name, "recorded error", || record_error(&Wrapper));
        let status = tonic::Status::internal(text);
        check(name, "status", || record_error(&status));
    });
}

/// They share the limit, and leave room for short ones.
#[test]
fn many_huge_fields_are_cut_together() {
    let text = TEXT.as_str();
    in_every_format(|name| {
        check(name, "span", || {
            let span = info_span!("span", a = text, b = text, c = text, d = text, e = text, f = %Pieces);
            span.in_scope(|| info!("event"));
        });
        check(name, "event", || {
            info!(a = text, b = text, c = text, d = text, e = text, f = %Pieces, g = text.as_bytes(), "event");
        });
    });
    let capture = capture();
    info!(a = text, b = text, short = "short", "event");
    let record = capture.logs().remove(0);
    assert_eq!(record.attribute_text("short").as_deref(), Some("short"));
    let line: serde_json::Value = serde_json::from_str(&capture.lines()[0]).unwrap();
    assert_eq!(line["short"], "short");
    assert_eq!(line["a"].as_str().unwrap().trim_end_matches('…').len() as u64, LINE_LIMIT);
}

/// The values themselves are the program's, and are there already.
#[test]
fn huge_attributes_of_the_api_are_cut_while_they_are_copied() {
    let text = TEXT.as_str();
    in_every_format(|name| {
        let span = info_span!("span").entered();
        info!("started");
        let attribute = KeyValue::new("text", text);
        let value = attribute.value.clone();
        check(name, "attribute", || {
            span.set_attribute("text", value);
            drop(span);
        });
        let attached = with_fields([attribute]).attach();
        check(name, "context", || info!("event"));
        drop(attached);
    });
}

/// Fails if `work` needs much more memory than the limit at once. What it is given does not count.
fn check(format: &str, what: &str, work: impl FnOnce()) {
    let peak = allocation_counter::measure(work).bytes_max;
    let lines = if format == "off" { 0 } else { LINE_COPIES * LINE_LIMIT };
    assert!(peak < COPIES * LIMIT + lines, "{format}: {what}: {} MiB", peak >> 20);
}

/// Runs `work` below a subscriber with spans, records and lines of each format.
fn in_every_format(work: impl Fn(&str)) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, format) in [("json", LogFormat::Json), ("pretty", LogFormat::Pretty), ("off", LogFormat::Off)]
    {
        let collector = Collector::start().unwrap();
        let builder = init().ignore_env().endpoint(collector.endpoint());
        let output = LogDestination::writer(std::io::sink);
        let (layer, guard) =
            builder.log_output(|lines| lines.format(format).destination(output)).build_local().unwrap();
        with_default(tracing_subscriber::registry().with(layer), || work(name));
        drop(guard);
    }
}
