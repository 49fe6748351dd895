use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::subscriber::with_default;
use tracing::{error, info, info_span, warn};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::diagnostics::FieldValue;
use crate::subscriber::filter::{Filter, FilterHandle};
use crate::subscriber::{LayerParts, Marks, shared};

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl io::Write for Output {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Returns the output of `work`, without the times of day.
fn text(configure: impl FnOnce(PrettyLayer<Output>) -> PrettyLayer<Output>, work: impl FnOnce()) -> String {
    let output = Output::default();
    let (lines, _) = shared(configure(PrettyLayer::new(output.clone(), Colors::Off)));
    let everything = FilterHandle::new(Filter::parse("trace").0);
    let parts = LayerParts {
        lines: Some((lines, everything)),
        records: None,
        has_span_fields_in_records: false,
        spans: None,
        marks: Marks::default(),
    };
    with_default(tracing_subscriber::registry().with(parts.into_only_layer()), work);
    let text = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
    let without_time = |line: &str| match line.split_once("Z ") {
        Some((time, rest)) if time.len() == "14:20:44.123".len() => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(without_time).collect()
}

fn plain(work: impl FnOnce()) -> String {
    text(|layer| layer, work)
}

#[test]
fn a_line_has_message_fields_and_place() {
    let text = plain(|| {
        let span = SpanContext::new(
            TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
            SpanId::from(1_u64),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        );
        let _ids = opentelemetry::Context::new().with_remote_span_context(span).attach();
        let _fields = crate::with_fields([KeyValue::new("region", "eu"), KeyValue::new("items", 0)]).attach();
        let outer = info_span!("request", tenant = "acme", late = tracing::field::Empty).entered();
        let _inner = info_span!("query").entered();
        outer.record("late", 1);
        outer.record("late", 2);
        info!(target: "shop", items = 3, paid = true, "order placed");
    });
    assert_eq!(
        text,
        " INFO order placed  items=3 paid=true region=eu  shop  request{tenant=acme late=2}:query  0af76519\n"
    );
}

#[test]
fn levels_are_aligned() {
    let text = plain(|| {
        warn!(target: "t", "a");
        error!(target: "t", "b");
    });
    assert_eq!(text, " WARN a  t\nERROR b  t\n");
}

#[test]
fn the_causes_of_an_error_follow() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot pay")]
    struct PayError(#[source] std::num::ParseIntError);

    let error = PayError("x".parse::<i32>().unwrap_err());
    let text = plain(|| error!(target: "t", error = &error as &dyn Error, "failed"));
    assert_eq!(text, "ERROR failed  error=cannot pay  t\n    │ caused by: invalid digit found in string\n");
}

#[test]
fn an_error_that_is_the_message_is_shown_once() {
    let error = "x".parse::<i32>().unwrap_err();
    let text = plain(|| error!(target: "t", error = &error as &dyn Error, items = 1, "{error}"));
    assert_eq!(text, "ERROR invalid digit found in string  items=1  t\n");
}

#[test]
fn values_can_neither_control_the_terminal_nor_fake_a_line() {
    let hostile = "\x1b[2Jgone\r\u{9b}31m\u{202e}\n14:20:44.123Z ERROR forged";
    let text = plain(|| info!(target: "t", value = hostile, "{hostile}"));
    let escaped = "\\u{1b}[2Jgone\\u{d}\\u{9b}31m\\u{202e}\n    │ 14:20:44.123Z ERROR forged";
    assert_eq!(text, format!(" INFO {escaped}  value={escaped}  t\n"));
}

#[test]
fn redacted_values_are_not_shown() {
    let redaction = Redaction::keys(["password", "error"]);
    let text = text(
        |layer| layer.redact(redaction),
        || {
            let _span = info_span!("span", password = "4711").entered();
            let error = io::Error::other(io::Error::other("4711"));
            info!(target: "t", password = 4711, error = &error as &dyn Error);
        },
    );
    assert_eq!(text, " INFO  password=[redacted] error=[redacted]  t  span{password=[redacted]}\n");
}

#[test]
fn a_value_that_panics_does_not_stop_the_program() {
    struct Panics;
    impl fmt::Debug for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("in Debug")
        }
    }
    assert_eq!(plain(|| info!(target: "t", value = ?Panics, "text")), " INFO text  value=[panicked]  t\n");
}

#[test]
fn colours_can_be_turned_on_and_off() {
    let output = Output::default();
    let layer = PrettyLayer::new(output.clone(), Colors::On);
    layer.write_own(Level::WARN, "collector is away", &[("attempt", FieldValue::Count(3))]);
    let text = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
    let rest = "\x1b[33m WARN\x1b[0m collector is away  \x1b[2mattempt=\x1b[0m3  \x1b[2mtelemetry_bootstrap\x1b[0m\n";
    assert!(text.ends_with(rest), "{text:?}");
    let plain = Output::default();
    PrettyLayer::new(plain.clone(), Colors::Off).write_own(Level::WARN, "collector is away", &[]);
    assert!(!plain.0.lock().unwrap().contains(&0x1b));
}
