//! The fields of spans, for records that include them.
//!
//! A span keeps its fields as encoded attributes, which each record inside it copies. An inner span's field wins over
//! an outer span's, and what is recorded later over what was there.
//!
//! Values are formatted by code of the program, which may log and so come back here: no lock on a span is held while
//! that happens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_core::field::{Field, Visit};
use tracing_core::span::Id;
use tracing_core::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::encoded::EncodedRecord;
use super::fields::Record as _;
use super::value::{Each, Value, Values, plain};
use crate::exception::PANICKED;
use crate::export::encode;
use crate::lines::span_table::SpanTable;

/// Keeps the fields of spans for the records inside them.
#[derive(Debug)]
pub(crate) struct SpanAttributes {
    /// Characters of one text.
    value_length: Option<usize>,
    /// Attributes of a `LogRecord`, no key twice.
    spans: SpanTable<Mutex<Vec<u8>>>,
}

impl SpanAttributes {
    pub(crate) fn new(value_length: Option<usize>) -> Self {
        Self { value_length, spans: SpanTable::new() }
    }

    /// Keeps the fields that a span was created with.
    pub(crate) fn keep(&self, id: &Id, fields: RecordFields) {
        self.spans.insert(id, Arc::new(Mutex::new(fields.0.encoded)));
    }

    /// Returns `true` if the fields of a span are kept.
    pub(crate) fn knows(&self, id: &Id) -> bool {
        self.spans.get(id).is_some()
    }

    /// Keeps fields that were recorded later, for a span that is known.
    pub(crate) fn add(&self, id: &Id, fields: &RecordFields) {
        let Some(span) = self.spans.get(id) else { return };
        let mut kept = lock(&span);
        encode::encoded_attributes(&fields.0.encoded)
            .for_each(|(_, attribute)| replace(&mut kept, attribute));
    }

    pub(crate) fn on_close(&self, id: &Id) {
        self.spans.remove(id);
    }

    /// Appends the fields of the spans around an event, from the innermost to the outermost.
    pub(crate) fn write<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>, out: &mut Vec<u8>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        for span in ctx.event_scope(event).into_iter().flatten() {
            if let Some(kept) = self.spans.get(&span.id()) {
                out.extend_from_slice(&lock(&kept));
            }
        }
    }

    /// Returns what collects the fields of a span.
    pub(crate) fn fields(&self) -> RecordFields {
        RecordFields(Fields { encoded: Vec::new(), one: Vec::new(), value_length: self.value_length })
    }
}

fn lock(attributes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    attributes.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Fields of a span, as attributes of a `LogRecord`, no key twice.
pub(crate) struct RecordFields(Fields);

impl RecordFields {
    pub(crate) fn visitor(&mut self) -> impl Visit + '_ {
        Each(&mut self.0)
    }
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
