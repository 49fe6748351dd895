//! The encoded fields of spans, and the line's share of them.
//!
//! A span keeps its own fields, and those of itself and all its ancestors merged. The merged ones are made by the first
//! event inside the span and hold as long as nothing is recorded in that tree of spans: every tree has a generation,
//! which [`record`] raises.
//!
//! Values are formatted by code of the program, which may log and so come back here: no lock on a span is held while
//! that happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_core::Subscriber;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::encode;
use super::fields::Fields;
use super::format::{SPAN_NAME, SPANS};
use super::keys::SpanFields;

/// What one layer keeps in a span. Each layer of a subscriber has its own, and its own way to encode.
#[derive(Debug)]
struct State {
    layer: LayerId,
    own: Fields,
    merged: Fields,
    /// Generation of the tree that `merged` was made in.
    merged_in: u64,
    tree: Arc<AtomicU64>,
    /// Of another layer.
    next: Option<Box<Self>>,
}

/// Tells the layers of one subscriber apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LayerId(u64);

impl LayerId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl State {
    fn of(&self, layer: LayerId) -> Option<&Self> {
        std::iter::successors(Some(self), |state| state.next.as_deref()).find(|state| state.layer == layer)
    }

    fn of_mut(&mut self, layer: LayerId) -> Option<&mut Self> {
        if self.layer == layer { Some(self) } else { self.next.as_mut()?.of_mut(layer) }
    }

    fn merged_if_current(&self) -> Option<&Fields> {
        (self.merged_in == self.tree.load(Ordering::Acquire)).then_some(&self.merged)
    }
}

/// Keeps the fields that a span was made with.
pub(super) fn insert<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, layer: LayerId, own: &Fields) {
    let tree = ancestors(span).find_map(|ancestor| {
        let extensions = ancestor.extensions();
        Some(extensions.get::<State>()?.of(layer)?.tree.clone())
    });
    let mut extensions = span.extensions_mut();
    let next = extensions.remove::<State>().map(Box::new);
    let tree = tree.unwrap_or_else(|| Arc::new(AtomicU64::new(FIRST_GENERATION)));
    let own = own.clone();
    extensions.insert(State { layer, own, merged: Fields::default(), merged_in: NEVER, tree, next });
}

/// Keeps fields that were recorded later.
pub(super) fn record<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, layer: LayerId, values: &Fields) {
    let mut extensions = span.extensions_mut();
    if let Some(state) = extensions.get_mut::<State>().and_then(|state| state.of_mut(layer)) {
        state.own.replace_with(values);
        state.tree.fetch_add(1, Ordering::Release);
    }
}

/// Appends to `line` the fields of `span` and its ancestors, but for those whose keys are in `event`.
///
/// A span that this layer does not know (a filter hid it, or it is older than the layer) counts as its parent.
pub(super) fn write<'a, S>(
    span: &SpanRef<'a, S>,
    (layer, how): (LayerId, SpanFields),
    event: &Fields,
    line: &mut Vec<u8>,
    scratch: &mut Fields,
) where
    S: Subscriber + LookupSpan<'a>,
{
    if write_known(span, layer, event, line, scratch, how) {
        return;
    }
    let known = ancestors(span)
        .find(|ancestor| ancestor.extensions().get::<State>().and_then(|state| state.of(layer)).is_some());
    if let Some(known) = known {
        write_known(&known, layer, event, line, scratch, how);
    }
}

/// The same; `false` when the layer does not know the span.
fn write_known<'a, S: LookupSpan<'a>>(
    span: &SpanRef<'a, S>,
    layer: LayerId,
    event: &Fields,
    line: &mut Vec<u8>,
    scratch: &mut Fields,
    how: SpanFields,
) -> bool {
    let generation = {
        let extensions = span.extensions();
        let Some(state) = extensions.get::<State>().and_then(|state| state.of(layer)) else { return false };
        if let Some(merged) = state.merged_if_current() {
            merged.write_missing_in(event, line);
            return true;
        }
        state.tree.load(Ordering::Acquire)
    };
    match how {
        SpanFields::Nested => scratch.set_opaque(|text| nest(span, layer, text)),
        _ => merge(span, layer, scratch),
    }
    scratch.write_missing_in(event, line);
    // Were anything recorded meanwhile, then the generation is out of date, and the next event merges again.
    if let Some(state) = span.extensions_mut().get_mut::<State>().and_then(|state| state.of_mut(layer)) {
        state.merged.copy_from(scratch);
        state.merged_in = generation;
    }
    true
}

/// From the innermost to the outermost: whoever comes first wins.
fn merge<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, layer: LayerId, merged: &mut Fields) {
    merged.clear();
    for span in span.scope() {
        if let Some(state) = span.extensions().get::<State>().and_then(|state| state.of(layer)) {
            merged.add_missing(&state.own);
        }
    }
}

/// `,"spans":[{"name":"outer","a":1},{"name":"inner"}]`
fn nest<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, layer: LayerId, text: &mut Vec<u8>) {
    text.push(b',');
    encode::string(text, SPANS);
    text.push(b':');
    let mut separator = b'[';
    for span in span.scope().from_root() {
        if let Some(state) = span.extensions().get::<State>().and_then(|state| state.of(layer)) {
            text.extend_from_slice(&[separator, b'{']);
            encode::string(text, SPAN_NAME);
            text.push(b':');
            encode::string(text, span.name());
            text.extend_from_slice(state.own.text());
            text.push(b'}');
            separator = b',';
        }
    }
    text.push(b']');
}

fn ancestors<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> impl Iterator<Item = SpanRef<'a, S>> {
    span.scope().skip(1)
}

/// Generation of nothing merged yet.
const NEVER: u64 = 0;
const FIRST_GENERATION: u64 = 1;
