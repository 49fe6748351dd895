//! The encoded fields of spans, and the line's share of them.
//!
//! A span keeps its own fields, and those of itself and all its ancestors merged. The merged ones are made by the first
//! event inside the span and hold as long as nothing is recorded in that tree of spans: every tree has a generation,
//! which [`SpanLine::record`] raises.
//!
//! Nothing is kept in the extensions of a span, whose lock can be held by other layers, and is poisoned when one of them
//! panics. The locks here are held while bytes are copied, never while a value is formatted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::encode;
use super::fields::Fields;
use super::format::{Format, SPAN_NAME, SPANS};
use super::keys::SpanFields;
use super::reserved::Reserved;

/// The state that a layer keeps of one span.
#[derive(Debug)]
pub(super) struct SpanLine {
    name: &'static str,
    parent: Option<Arc<Self>>,
    own: Mutex<Fields>,
    merged: Mutex<Merged>,
    tree: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Merged {
    fields: Fields,
    /// Generation of the tree that `fields` were merged in.
    generation: u64,
}

impl SpanLine {
    /// Keeps the fields that a span is created with. `parent` is the nearest span around it that the layer knows.
    pub(super) fn new(name: &'static str, parent: Option<Arc<Self>>, own: &Fields) -> Self {
        let tree = parent.as_ref().map(|parent| Arc::clone(&parent.tree));
        Self {
            name,
            parent,
            own: Mutex::new(own.clone()),
            merged: Mutex::default(),
            tree: tree.unwrap_or_else(|| Arc::new(AtomicU64::new(FIRST_GENERATION))),
        }
    }

    /// Keeps fields that are recorded later.
    pub(super) fn record(&self, values: &Fields, reserved: &Reserved) {
        lock(&self.own).replace_with(values, reserved);
        self.tree.fetch_add(1, Ordering::Release);
    }

    /// Appends to `line` the fields of the span and its ancestors, except those whose keys are in `event`.
    pub(super) fn write(&self, format: &Format, event: &Fields, line: &mut Vec<u8>, scratch: &mut Fields) {
        let reserved = &format.span_reserved;
        let generation = self.tree.load(Ordering::Acquire);
        let merged = lock(&self.merged);
        if merged.generation == generation {
            return merged.fields.write_missing_in(event, reserved, line);
        }
        drop(merged);
        match format.span_fields {
            SpanFields::Nested => scratch.set_opaque(|text| self.nest(text)),
            _ => self.merge(scratch, reserved),
        }
        scratch.write_missing_in(event, reserved, line);
        // If anything is recorded meanwhile, the generation is out of date, and the next event merges again.
        let mut merged = lock(&self.merged);
        merged.fields.copy_from(scratch);
        merged.generation = generation;
    }

    /// From the innermost to the outermost: the first one with a key wins.
    fn merge(&self, merged: &mut Fields, reserved: &Reserved) {
        merged.clear();
        self.scope().for_each(|span| merged.add_missing(&lock(&span.own), reserved));
    }

    /// `,"spans":[{"name":"outer","a":1},{"name":"inner"}]`
    fn nest(&self, text: &mut Vec<u8>) {
        let spans: Vec<&Self> = self.scope().collect();
        text.push(b',');
        encode::string(text, SPANS);
        text.push(b':');
        let mut separator = b'[';
        for span in spans.into_iter().rev() {
            text.extend_from_slice(&[separator, b'{']);
            encode::string(text, SPAN_NAME);
            text.push(b':');
            encode::string(text, span.name);
            text.extend_from_slice(lock(&span.own).text());
            text.push(b'}');
            separator = b',';
        }
        text.push(b']');
    }

    fn scope(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |span| span.parent.as_deref())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Zero is the generation of nothing merged yet.
const FIRST_GENERATION: u64 = 1;
