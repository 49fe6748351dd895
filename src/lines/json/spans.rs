//! The line's share of the spans around its event.
//!
//! The fields of a span are kept as values ([`KeptSpan`]) and encoded by the first event inside it, merged with those of
//! the spans around it. The text holds as long as nothing is recorded in these spans. Spans without events cost nothing.
//!
//! ```text
//! event in inner in outer:   line ◀─ own fields of inner ◀─ merged with those of outer
//!                                    └ cached in inner, valid while version(inner) + version(outer) stays the same
//! ```
//!
//! A span's version grows with each `record`, so the sum of the versions, the *generation*, tells whether the cached
//! text still holds. It cannot come back to an earlier value.

use super::encode;
use super::fields::Fields;
use super::format::{SPAN_NAME, SPANS};
use super::listed::ListedKeys;
use super::reserved::Reserved;
use crate::lines::kept_fields::KeptFields;
use crate::lines::span::{KeptSpan, SpanChain, scope};

/// The encoded fields of a span and of those around it.
#[derive(Debug, Default)]
pub(crate) struct SpanCache {
    /// Those of the span itself, and those of the spans around it whose keys it does not have.
    fields: Fields,
    /// The generation of the spans whose fields these are. Zero: there are none.
    generation: u64,
}

impl SpanCache {
    /// Discards the text and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.generation = 0;
    }

    /// Returns the memory in use, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.fields.capacity()
    }
}

/// Buffers for encoding.
#[derive(Debug, Default)]
pub(super) struct SpanScratch {
    /// A copy of a span's fields, so no lock is held while code of the program decides about them.
    kept: KeptFields,
    /// The encoded fields of one span.
    own: Fields,
}

impl SpanScratch {
    /// Empties both buffers and keeps their memory.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.own.clear();
    }

    /// Returns the memory of both buffers, in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.kept.capacity() + self.own.capacity()
    }

    /// Encodes the own fields of a span.
    fn own(&mut self, span: &KeptSpan, text: &SpanText<'_>) -> &Fields {
        self.own.clear();
        text.encode_own(span, &mut self.kept, &mut self.own);
        &self.own
    }
}

/// Encodes the kept fields of one span.
pub(super) type EncodeKept<'a> = dyn Fn(&KeptFields, &mut Fields) + 'a;

/// Representation of the fields of spans in a line.
pub(super) struct SpanText<'a> {
    /// Encodes with the names and the redaction of the layer.
    pub(super) encode: &'a EncodeKept<'a>,
    /// Keys that merged fields may not take.
    pub(super) reserved: &'a Reserved,
    /// Redaction runs code of the program.
    pub(super) runs_rule: bool,
    /// A list of spans instead of merged fields.
    pub(super) is_nested: bool,
    /// All values of a key in that list must have one type.
    pub(super) is_typed: bool,
    /// The text holds for later events, too. What a rule of redaction logs is redacted as a whole.
    pub(super) is_cached: bool,
}

impl SpanText<'_> {
    /// Appends to `line` the fields of the spans, except those whose keys are in `event`.
    pub(super) fn write(
        &self,
        innermost: &dyn SpanChain,
        event: &Fields,
        line: &mut Vec<u8>,
        merged: &mut Fields,
        scratch: &mut SpanScratch,
    ) {
        // Whenever a field is recorded, the sum grows.
        let generation = 1 + scope(innermost).map(KeptSpan::version).sum::<u64>();
        let cache = innermost.kept().json();
        if cache.generation == generation {
            return self.append(&cache.fields, event, line);
        }
        drop(cache);
        match self.is_nested {
            true => self.nest(innermost, merged, scratch),
            false => self.merge(innermost, generation, merged, scratch),
        }
        self.append(merged, event, line);
        if !self.is_cached {
            return;
        }
        // If anything is recorded meanwhile, the generation is out of date, and the next event merges again.
        let mut cache = innermost.kept().json();
        std::mem::swap(&mut cache.fields, merged);
        cache.generation = generation;
    }

    /// Appends the fields that the event does not have. The list is always appended: the event has no field of its key.
    fn append(&self, fields: &Fields, event: &Fields, line: &mut Vec<u8>) {
        match self.is_nested {
            true => line.extend_from_slice(fields.text()),
            false => fields.write_missing_in(event, self.reserved, line),
        }
    }

    /// Goes from the innermost to the outermost span: the first one with a key wins.
    fn merge(
        &self,
        innermost: &dyn SpanChain,
        mut generation: u64,
        merged: &mut Fields,
        scratch: &mut SpanScratch,
    ) {
        merged.clear();
        for span in scope(innermost) {
            let cache = span.json();
            if cache.generation == generation {
                // Those of the spans around it are there, too.
                return merged.add_missing(&cache.fields, self.reserved);
            }
            drop(cache);
            match merged.text().is_empty() {
                _ if !span.is_in_lines => {}
                true => self.encode_own(span, &mut scratch.kept, merged),
                false => merged.add_missing(scratch.own(span, self), self.reserved),
            }
            generation = generation.saturating_sub(span.version());
        }
    }

    /// Encodes the own fields of a span, with no lock held if that runs code of the program.
    fn encode_own(&self, span: &KeptSpan, copy: &mut KeptFields, out: &mut Fields) {
        if !self.runs_rule {
            return (self.encode)(&span.fields(), out);
        }
        copy.clear();
        copy.append(&span.fields());
        (self.encode)(copy, out);
    }

    /// `,"spans":[{"name":"outer","a":1},{"name":"inner"}]`
    fn nest(&self, innermost: &dyn SpanChain, list: &mut Fields, scratch: &mut SpanScratch) {
        list.clear();
        let spans: Vec<&KeptSpan> = scope(innermost).filter(|span| span.is_in_lines).collect();
        if spans.is_empty() {
            return;
        }
        let text = list.begin(SPANS, &Reserved::default());
        let mut keys = ListedKeys::new(self.is_typed);
        let mut separator = b'[';
        for span in spans.into_iter().rev() {
            text.extend_from_slice(&[separator, b'{']);
            encode::string(text, SPAN_NAME);
            text.push(b':');
            encode::string(text, &span.name);
            let own = scratch.own(span, self);
            match self.reserved.unfolds() {
                true => keys.write(own, self.reserved, text),
                false => text.extend_from_slice(own.text()),
            }
            text.push(b'}');
            separator = b',';
        }
        text.push(b']');
    }
}
