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

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing_core::field::{Field, Visit};

use crate::bounded_text::{BoundedText, MAX_TEXT, beginning, room_beside};
use crate::exception::{PANICKED, describe};
use crate::lines::event_field::{LATER_MESSAGE, MESSAGE};
use crate::semconv::ERROR_TYPE;

/// The fields of a span in the order in which they were recorded, no name twice: the last value counts.
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
    /// A second `message` is kept under another name.
    is_event: bool,
    /// A field says more about a span than an attribute does.
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

/// The value of a kept field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum KeptValue<'a> {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Error { display: &'a str, message: &'a str },
}

impl KeptFields {
    /// Returns a place for the fields of an event, of which the first `message` is the text.
    pub(crate) fn for_event() -> Self {
        Self { is_event: true, ..Self::default() }
    }

    /// Runs `work` with empty fields in memory of this thread. While it runs that memory is away: a value that logs while
    /// it is being formatted gets other memory.
    pub(crate) fn with_buffer<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        let mut fields = BUFFER.try_with(Cell::take).ok().flatten().unwrap_or_default();
        let outcome = work(&mut fields);
        if fields.capacity() <= MAX_KEPT_BYTES {
            fields.clear();
            let _ = BUFFER.try_with(|buffer| buffer.set(Some(fields)));
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
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, KeptValue<'_>)> {
        self.fields.iter().map(|field| (field.name, self.value(&field.value)))
    }

    /// Adds fields that were recorded later. Their values count.
    pub(crate) fn append(&mut self, later: &Self) {
        for &KeptField { name, ref value } in &later.fields {
            self.remove(name);
            let mut moved = |range: &Range<usize>| self.keep(later.text(range));
            let value = match value {
                Kept::Text(text) => Kept::Text(moved(text)),
                Kept::Error(display, message) => Kept::Error(moved(display), moved(message)),
                other => other.clone(),
            };
            self.set(name, value);
        }
    }

    /// A visitor that keeps what it is shown.
    pub(crate) fn visitor(&mut self) -> impl Visit + '_ {
        KeepEach(self)
    }

    /// Returns a value with its text.
    fn value<'a>(&'a self, value: &'a Kept) -> KeptValue<'a> {
        match value {
            Kept::Bool(value) => KeptValue::Bool(*value),
            Kept::I64(value) => KeptValue::I64(*value),
            Kept::U64(value) => KeptValue::U64(*value),
            Kept::F64(value) => KeptValue::F64(*value),
            Kept::Text(text) => KeptValue::Text(self.text(text)),
            Kept::Bytes(bytes) => KeptValue::Bytes(bytes),
            Kept::Error(display, message) => {
                KeptValue::Error { display: self.text(display), message: self.text(message) }
            }
        }
    }

    /// Returns a text. A place that is not there, which no code produces, is empty.
    fn text(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// Appends a text and returns its place.
    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(beginning(text, room_beside(start, MAX_TEXT)));
        start..self.text.len()
    }

    /// Returns the name of a field, after an earlier value of this name was removed. The names of a callsite differ, unless
    /// a macro repeats one.
    #[inline]
    fn begin(&mut self, field: &Field) -> &'static str {
        let mut name = name_of(field);
        if self.is_event && name == MESSAGE && self.fields.iter().any(|field| field.name == MESSAGE) {
            name = LATER_MESSAGE;
        }
        self.remove(name);
        name
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

thread_local! {
    static BUFFER: Cell<Option<Box<KeptFields>>> = const { Cell::new(None) };
}

/// One huge value must not hold its memory for as long as the thread lives.
const MAX_KEPT_BYTES: usize = 16 << 10;

/// A raw identifier stands for the name without its prefix.
fn name_of(field: &Field) -> &'static str {
    let name = field.name();
    name.strip_prefix("r#").unwrap_or(name)
}

/// Whether a field of this name can say more about a span than an attribute does, as `otel.name` and `error.type` do.
fn is_special(name: &str) -> bool {
    name.starts_with("otel.") || name == ERROR_TYPE
}

/// Keeps each value that it visits.
struct KeepEach<'a>(&'a mut KeptFields);

impl KeepEach<'_> {
    #[inline]
    fn set(&mut self, field: &Field, value: Kept) {
        let name = self.0.begin(field);
        self.0.set(name, value);
    }

    /// Formats a value, which runs code of the user. It may panic; what it logs must not need these fields.
    fn formatted(&mut self, value: fmt::Arguments<'_>) -> Range<usize> {
        let start = self.0.text.len();
        // The text that a failing implementation has written until then is kept.
        let write = || _ = BoundedText::new(&mut self.0.text, room_beside(start, MAX_TEXT)).write_fmt(value);
        if catch_unwind(AssertUnwindSafe(write)).is_err() {
            self.0.text.truncate(start);
            self.0.text.push_str(PANICKED);
        }
        start..self.0.text.len()
    }
}

impl Visit for KeepEach<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Kept::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Kept::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Kept::U64(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Kept::F64(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let name = self.0.begin(field);
        let text = self.0.keep(value);
        self.0.set(name, Kept::Text(text));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.set(field, Kept::Bytes(value[..value.len().min(MAX_TEXT)].into()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let name = self.0.begin(field);
        let text = describe(value);
        let message = self.0.keep(&text.message);
        let error = match &text.display {
            None => Kept::Error(message.clone(), message),
            Some(display) => {
                let display = self.0.keep(display);
                Kept::Error(display, message)
            }
        };
        self.0.set(name, error);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = self.0.begin(field);
        let text = self.formatted(format_args!("{value:?}"));
        self.0.set(name, Kept::Text(text));
    }
}

/// Bytes as `tracing` shows them to visitors that have no form of their own: `[0a ff]`.
pub(crate) struct HexBytes<'a>(pub(crate) &'a [u8]);

impl fmt::Display for HexBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (index, byte) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{byte:02x}")?;
        }
        f.write_char(']')
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(HexBytes(&[10, 255]).to_string(), "[0a ff]");
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
