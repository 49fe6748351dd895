//! The fields of a span, as they were recorded, for every output that shows them.
//!
//! Three outputs show the fields of a span: lines, log records, and the span itself. Each value is visited once and
//! stored in a form that all of them can encode: numbers as they are, texts in one buffer. A `Debug` value is formatted
//! here, since it cannot be kept; it runs code of the user once, however many outputs there are.
//!
//! ```text
//! fields: [ (name, I64 3), (name, Text 0..5), (name, Error 5..9, 9..14) ]
//! text:   "first" "gone" "other"
//! ```

use std::error::Error;
use std::fmt;
use std::ops::Range;

use tracing_core::field::{Field, Visit};

use super::event_field::{EventField, FieldOutput, FieldValue, plain};
use super::field_visit::span_visitor;
use super::thread_buffers::ThreadBuffers;
use crate::semconv::ERROR_TYPE;
use crate::user_code::bounded_text::{MAX_TEXT, beginning, room_beside};

/// The fields of a span in the order in which they were recorded, no name twice: the last value wins.
///
/// Values are stored and texts are formatted once, when the span is created or the field recorded. Every output then
/// writes them in its own form, and only if it has something to write.
///
/// A span that records a field again and again does not grow: the earlier value is removed with its text. Clearing
/// keeps the memory, which the next span of the thread uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptFields {
    /// Names and values, without their texts.
    fields: Vec<KeptField>,
    /// The texts of all fields.
    text: String,
    /// `true` if a field has a special meaning for the span, such as `otel.name`.
    has_special: bool,
}

/// One field.
#[derive(Clone, Debug)]
struct KeptField {
    name: &'static str,
    value: Kept,
}

/// A value as it is stored: texts are places in the buffer.
#[derive(Clone, Debug)]
enum Kept {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    /// A place in the texts.
    Text(Range<usize>),
    Bytes(Box<[u8]>),
    /// The error as `Display` shows it, and the message that stands in log lines.
    Error(Range<usize>, Range<usize>),
}

impl KeptFields {
    /// Runs `work` with empty fields in memory of this thread. While it runs that memory is away: a value that logs
    /// while it is being formatted gets other memory.
    pub(crate) fn with_buffer<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        let mut fields = ThreadBuffers::take(|buffers| &buffers.fields).unwrap_or_default();
        let outcome = work(&mut fields);
        if fields.capacity() <= MAX_KEPT_BYTES {
            fields.clear();
            ThreadBuffers::put(|buffers| &buffers.fields, Some(fields));
        }
        outcome
    }

    /// Removes all fields and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.text.clear();
        self.has_special = false;
    }

    /// Returns `false` if no field says more about a span than an attribute does.
    pub(crate) fn has_special(&self) -> bool {
        self.has_special
    }

    /// The memory that is kept when the fields are cleared, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.text.capacity() + self.fields.capacity() * size_of::<KeptField>()
    }

    /// Each field with its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, FieldValue<'_>)> {
        self.fields.iter().map(|field| (field.name, self.value(&field.value)))
    }

    /// Adds fields that were recorded later. Their values count.
    pub(crate) fn append(&mut self, later: &Self) {
        for &KeptField { name, ref value } in &later.fields {
            self.remove(name);
            let mut moved = |range: &Range<usize>| self.keep_text(later.text(range));
            let value = match value {
                Kept::Text(text) => Kept::Text(moved(text)),
                Kept::Error(display, message) => Kept::Error(moved(display), moved(message)),
                other => other.clone(),
            };
            self.set(name, value);
        }
    }

    /// A visitor that keeps the fields of a span.
    pub(crate) fn visitor(&mut self) -> impl Visit + '_ {
        SpanVisitor(self)
    }

    /// Keeps a field. The names of a callsite differ, unless a macro repeats one.
    #[inline(always)]
    fn keep(&mut self, name: &'static str, value: FieldValue<'_>) {
        self.remove(name);
        let value = match value {
            FieldValue::Bool(value) => Kept::Bool(value),
            FieldValue::I64(value) => Kept::I64(value),
            FieldValue::U64(value) => Kept::U64(value),
            FieldValue::F64(value) => Kept::F64(value),
            FieldValue::Text(text) => Kept::Text(self.keep_text(text)),
            FieldValue::Bytes(value) => Kept::Bytes(value[..value.len().min(MAX_TEXT)].into()),
            FieldValue::Error { display, message } => {
                let message_place = self.keep_text(message);
                let display =
                    if display == message { message_place.clone() } else { self.keep_text(display) };
                Kept::Error(display, message_place)
            }
        };
        self.set(name, value);
    }

    /// Returns a value with its text.
    fn value<'a>(&'a self, value: &'a Kept) -> FieldValue<'a> {
        match value {
            Kept::Bool(value) => FieldValue::Bool(*value),
            Kept::I64(value) => FieldValue::I64(*value),
            Kept::U64(value) => FieldValue::U64(*value),
            Kept::F64(value) => FieldValue::F64(*value),
            Kept::Text(text) => FieldValue::Text(self.text(text)),
            Kept::Bytes(bytes) => FieldValue::Bytes(bytes),
            Kept::Error(display, message) => {
                FieldValue::Error { display: self.text(display), message: self.text(message) }
            }
        }
    }

    /// Returns a text. A place that is not there, which no code produces, is empty.
    fn text(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// Appends a text and returns its place.
    fn keep_text(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(beginning(text, room_beside(start, MAX_TEXT)));
        start..self.text.len()
    }

    /// Appends a field whose name is not there.
    #[inline]
    fn set(&mut self, name: &'static str, value: Kept) {
        self.has_special |= is_special(name);
        self.fields.push(KeptField { name, value });
    }

    /// Removes an earlier value of a field, with its text: a field that is recorded again and again must not grow.
    #[inline]
    fn remove(&mut self, name: &str) {
        if let Some(place) = self.fields.iter().position(|field| field.name == name) {
            self.remove_at(place);
        }
    }

    /// Removes a field with its text, and moves the places of later texts.
    #[inline(never)]
    fn remove_at(&mut self, place: usize) {
        let texts = match self.fields.remove(place).value {
            Kept::Text(text) => text,
            // They were kept one after the other.
            Kept::Error(display, message) => display.start.min(message.start)..display.end.max(message.end),
            _ => return,
        };
        let length = texts.len();
        let start = texts.start;
        self.text.drain(texts);
        let shift = |range: &mut Range<usize>| {
            if range.start >= start + length {
                *range = range.start - length..range.end - length;
            }
        };
        for field in &mut self.fields {
            match &mut field.value {
                Kept::Text(text) => shift(text),
                Kept::Error(display, message) => {
                    shift(display);
                    shift(message);
                }
                _ => {}
            }
        }
    }
}

/// One huge value must not hold its memory for as long as the thread lives.
const MAX_KEPT_BYTES: usize = 16 << 10;

/// Returns `true` for field names with a special meaning for spans, as `otel.name` and `error.type` do.
fn is_special(name: &str) -> bool {
    name.starts_with("otel.") || name == ERROR_TYPE
}

impl FieldOutput for KeptFields {
    fn value(&mut self, field: &EventField, value: &FieldValue<'_>) {
        self.keep(field.name, *value);
    }
}

/// Keeps the fields of a span. The usual values need nothing of what those of an event go through.
struct SpanVisitor<'a>(&'a mut KeptFields);

impl Visit for SpanVisitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.keep(plain(field.name()), FieldValue::F64(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.keep(plain(field.name()), FieldValue::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.keep(plain(field.name()), FieldValue::U64(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        span_visitor(self.0).record_i128(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        span_visitor(self.0).record_u128(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.keep(plain(field.name()), FieldValue::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.keep(plain(field.name()), FieldValue::Text(value));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        span_visitor(self.0).record_bytes(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        span_visitor(self.0).record_error(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        span_visitor(self.0).record_debug(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use tracing::span::{Attributes, Id, Record};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    use super::*;

    /// Keeps the fields of all spans as those of one.
    #[derive(Clone, Default)]
    struct Keeper(Arc<Mutex<KeptFields>>);

    impl<S: tracing::Subscriber> Layer<S> for Keeper {
        fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
            attributes.record(&mut self.0.lock().unwrap().visitor());
        }

        fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
            let mut later = KeptFields::default();
            values.record(&mut later.visitor());
            self.0.lock().unwrap().append(&later);
        }
    }

    fn kept(work: impl FnOnce()) -> KeptFields {
        let keeper = Keeper::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(keeper.clone()), work);
        keeper.0.lock().unwrap().clone()
    }

    fn shown(fields: &KeptFields) -> Vec<String> {
        fields.iter().map(|(name, value)| format!("{name}={value:?}")).collect()
    }

    #[test]
    fn values_keep_their_types() {
        let error = std::io::Error::other("gone");
        let fields = kept(|| {
            let error: &(dyn Error + 'static) = &error;
            drop(tracing::info_span!(
                "span",
                a = 1,
                b = u64::MAX,
                c = 0.5,
                d = true,
                r#type = "text",
                e = ?Some(1),
                f = u128::MAX,
                g = &[10_u8, 255][..],
                error
            ));
        });
        let expected = [
            "a=I64(1)",
            "b=U64(18446744073709551615)",
            "c=F64(0.5)",
            "d=Bool(true)",
            "type=Text(\"text\")",
            "e=Text(\"Some(1)\")",
            "f=Text(\"340282366920938463463374607431768211455\")",
            "g=Bytes([10, 255])",
            "error=Error { display: \"gone\", message: \"gone\" }",
        ];
        assert_eq!(shown(&fields), expected);
    }

    #[test]
    fn later_values_replace_earlier_ones_with_their_texts() {
        let fields = kept(|| {
            let span = tracing::info_span!("span", a = "first", b = "second", c = 3);
            for text in ["x", "a longer text", "y"] {
                span.record("a", text);
            }
            span.record("c", "third");
        });
        assert_eq!(shown(&fields), ["b=Text(\"second\")", "a=Text(\"y\")", "c=Text(\"third\")"]);
        assert_eq!(fields.text, "secondythird");
    }

    #[test]
    fn a_value_that_panics_leaves_the_others() {
        struct Panics;
        impl fmt::Debug for Panics {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half")?;
                panic!("a value panics on purpose")
            }
        }
        let fields = kept(|| drop(tracing::info_span!("span", a = "before", b = ?Panics, c = "after")));
        assert_eq!(shown(&fields), ["a=Text(\"before\")", "b=Text(\"[panicked]\")", "c=Text(\"after\")"]);
    }
}
