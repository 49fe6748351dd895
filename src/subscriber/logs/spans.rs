//! The fields of spans, for records that are to carry them.
//!
//! A span keeps its fields as encoded attributes, which each record inside it copies. An inner span's field wins over
//! an outer span's, and what is recorded later over what was there.
//!
//! Values are formatted by code of the program, which may log and so come back here: no lock on a span is held while
//! that happens.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing_core::field::Field;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::encoded::EncodedRecord;
use super::fields::Record as _;
use super::value::{Each, Value, Values, plain};
use crate::exception::PANICKED;
use crate::export::encode;
use crate::semconv::PANIC_TARGET;

/// Keeps the fields of spans for the records inside them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanAttributes {
    /// Characters of one text.
    pub(crate) value_length: Option<usize>,
}

/// Attributes of a `LogRecord`, no key twice.
struct Kept(Vec<u8>);

impl SpanAttributes {
    /// Keeps the fields that a span was made with.
    pub(crate) fn keep<S>(self, attributes: &Attributes<'_>, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(span) = ctx.span(id) else { return };
        let mut fields = self.visitor();
        attributes.record(&mut Each(&mut fields));
        span.extensions_mut().replace(Kept(fields.encoded));
    }

    /// Keeps fields that were recorded later, for a span that is known.
    pub(crate) fn keep_later<S>(self, values: &Record<'_>, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(span) = ctx.span(id) else { return };
        let mut fields = self.visitor();
        values.record(&mut Each(&mut fields));
        if let Some(Kept(kept)) = span.extensions_mut().get_mut::<Kept>() {
            encode::encoded_attributes(&fields.encoded).for_each(|(_, attribute)| replace(kept, attribute));
        }
    }

    /// Appends the fields of the spans around an event, from the innermost to the outermost.
    pub(crate) fn write<S>(self, event: &Event<'_>, ctx: &Context<'_, S>, out: &mut Vec<u8>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // The panic hook must not wait for a span's lock: this thread may hold it.
        let is_panic = event.metadata().target() == PANIC_TARGET;
        for span in ctx.event_scope(event).into_iter().flatten().filter(|_| !is_panic) {
            if let Some(Kept(kept)) = span.extensions().get::<Kept>() {
                out.extend_from_slice(kept);
            }
        }
    }

    fn visitor(self) -> Fields {
        Fields { encoded: Vec::new(), one: Vec::new(), value_length: self.value_length }
    }
}

/// Appends an attribute, in the place of one with the same key.
fn replace(kept: &mut Vec<u8>, attribute: &[u8]) {
    let key_of = |attribute| encode::encoded_attributes(attribute).next().map(|(key, _)| key);
    let mut end = 0;
    let old = encode::encoded_attributes(kept).find_map(|(key, whole)| {
        end += whole.len();
        (Some(key) == key_of(attribute)).then(|| end - whole.len()..end)
    });
    if let Some(old) = old {
        kept.drain(old);
    }
    kept.extend_from_slice(attribute);
}

struct Fields {
    encoded: Vec<u8>,
    /// The attribute being encoded.
    one: Vec<u8>,
    value_length: Option<usize>,
}

impl Values for Fields {
    fn value(&mut self, field: &Field, value: Value<'_>) {
        let name = plain(field.name());
        self.one.clear();
        let mut record = EncodedRecord::new(&mut self.one, self.value_length);
        record.begin();
        // Formatting a value is the user's code.
        if catch_unwind(AssertUnwindSafe(|| record.attribute(name, value))).is_err() {
            record.undo();
            record.attribute(name, Value::Str(PANICKED));
        }
        replace(&mut self.encoded, &self.one);
    }
}
