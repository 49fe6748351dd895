//! Unsigned numbers of spans, which the bridge turns into text: they keep their type.
//!
//! The bridge asks a value for its text when it is no `i64`. So [`SpanGate`](super::spans::SpanGate), which is shown
//! the same values just before, keeps those that fit into OTLP's type for whole numbers, and what the bridge made of
//! them is replaced. Larger ones stay text, as do those that are recorded late on a span that was never entered.

use std::cell::RefCell;
use std::fmt;

use opentelemetry::{KeyValue, Value};
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Record};

/// Keeps the numbers of a new span for the builder that the bridge asks for next.
pub(super) fn keep_of_new(attributes: &Attributes<'_>) {
    keep(|visitor| attributes.record(visitor));
}

/// Keeps the numbers that are recorded on a span, until [`forget`].
pub(super) fn keep_of_record(values: &Record<'_>) {
    keep(|visitor| values.record(visitor));
}

/// What is kept, which is then forgotten.
pub(super) fn take() -> Vec<KeyValue> {
    KEPT.take()
}

pub(super) fn forget() {
    KEPT.with_borrow_mut(Vec::clear);
}

/// Replaces the text of each of `numbers` by the number.
pub(super) fn restore(attributes: &mut [KeyValue], numbers: &[KeyValue]) {
    for attribute in attributes {
        if let Some(number) = numbers.iter().find(|number| is_text_of(attribute, number)) {
            attribute.value = number.value.clone();
        }
    }
}

/// [`restore`] for one attribute, with what is kept.
pub(super) fn restore_kept(attribute: &mut KeyValue) {
    KEPT.with_borrow(|kept| restore(std::slice::from_mut(attribute), kept));
}

fn keep(record: impl FnOnce(&mut dyn Visit)) {
    let mut visitor = Unsigned(take());
    visitor.0.clear();
    record(&mut visitor);
    KEPT.set(visitor.0);
}

fn is_text_of(attribute: &KeyValue, number: &KeyValue) -> bool {
    match (&attribute.value, &number.value) {
        (Value::String(text), Value::I64(whole)) => {
            attribute.key == number.key && text.as_str().parse() == Ok(*whole)
        }
        _ => false,
    }
}

struct Unsigned(Vec<KeyValue>);

impl Visit for Unsigned {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if let Ok(value) = i64::try_from(value) {
            self.0.push(KeyValue::new(field.name(), value));
        }
    }

    // Nothing is formatted for this.
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

thread_local! {
    static KEPT: RefCell<Vec<KeyValue>> = const { RefCell::new(Vec::new()) };
}
