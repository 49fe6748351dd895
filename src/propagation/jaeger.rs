//! [Jaeger](https://www.jaegertracing.io/docs/1.76/sdk-migration/#propagation-format), for services that do not speak W3C
//! Trace Context yet.
//!
//! | header | content |
//! |---|---|
//! | `uber-trace-id` | `{trace id}:{span id}:{parent id}:{flags}`; leading zeros may be missing, and `:` may be `%3A` |
//! | `uberctx-{key}` | one entry of the baggage, percent-encoded |
//!
//! Flags are 1 (sampled) and 2 (debug). The parent id is ignored, and sent as zero. Baggage has the limits of W3C
//! Baggage: 64 entries, 8192 bytes.

use std::borrow::Cow;
use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::baggage::{BaggageExt as _, KeyValueMetadata};
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::baggage::with_received;
use super::remote_parent::{Decision, RemoteParent, is_debug, parse_span_id, parse_trace_id, single_value};

#[cfg(test)]
mod tests;

/// The Jaeger propagator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jaeger;

impl TextMapPropagator for Jaeger {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let span = context.span();
        let span = span.span_context();
        if span.is_valid() {
            let debug = if is_debug(context, span) { DEBUG } else { 0 };
            let flags = u8::from(span.is_sampled()) | debug;
            injector.set(UBER_TRACE_ID, format!("{}:{}:0:{flags:02x}", span.trace_id(), span.span_id()));
        }
        inject_baggage(context, injector);
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let context = extract_baggage(context, extractor);
        match single_value(extractor, UBER_TRACE_ID).and_then(parse) {
            Some(parent) => parent.into_context(&context),
            None => context,
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: LazyLock<[String; 1]> = LazyLock::new(|| [UBER_TRACE_ID.into()]);
        FieldIter::new(&*FIELDS)
    }
}

/// Parses `uber-trace-id`. Debug counts only together with *sampled*, as Jaeger's own clients read it.
fn parse(header: &str) -> Option<RemoteParent> {
    if header.len() > MAX_HEADER {
        return None;
    }
    let header: Cow<'_, str> = percent_decode_str(header).decode_utf8().ok()?;
    let mut parts = header.split(':');
    let mut part = || parts.next();
    let (trace_id, span_id) = (parse_trace_id(part()?)?, parse_span_id(part()?)?);
    let (_parent, flags) = (part()?, part()?);
    if part().is_some() || flags.len() > 2 || flags.starts_with('+') {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    let decision = match flags {
        flags if flags & DEBUG != 0 && flags & SAMPLED != 0 => Decision::Debug,
        flags if flags & SAMPLED != 0 => Decision::Accepted,
        _ => Decision::Denied,
    };
    Some(RemoteParent { trace_id, span_id, decision })
}

/// Sends entries that a header can hold, until the limits are reached.
fn inject_baggage(context: &Context, injector: &mut dyn Injector) {
    let mut bytes = 0;
    for (key, (value, _)) in context.baggage().into_iter().take(MAX_ENTRIES) {
        let value = utf8_percent_encode(value.as_str(), &BAGGAGE_VALUE).to_string();
        let length = key.as_str().len() + value.len();
        if is_header_name(key.as_str()) && bytes + length <= MAX_BYTES {
            bytes += length;
            injector.set(&format!("{UBERCTX}{key}"), value);
        }
    }
}

/// Adds the received entries to those of the context.
fn extract_baggage(context: &Context, extractor: &dyn Extractor) -> Context {
    let mut bytes = 0;
    let mut received = Vec::new();
    let keys = extractor.keys().into_iter().filter_map(|header| Some((header, baggage_key(header)?)));
    for (header, key) in keys.take(MAX_ENTRIES) {
        let Some(value) = extractor.get(header) else { continue };
        if bytes + key.len() + value.len() <= MAX_BYTES {
            bytes += key.len() + value.len();
            let value = percent_decode_str(value.trim_matches([' ', '\t'])).decode_utf8_lossy();
            received.push(KeyValueMetadata::new(key.to_owned(), value.into_owned(), ""));
        }
    }
    with_received(context, received)
}

/// Returns `true` for a header that carries an entry of the baggage.
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) fn is_jaeger_baggage(header: &str) -> bool {
    baggage_key(header).is_some()
}

/// Returns the key of the baggage that a header carries; header names are compared in any case.
fn baggage_key(header: &str) -> Option<&str> {
    let (prefix, key) = header.split_at_checked(UBERCTX.len())?;
    (prefix.eq_ignore_ascii_case(UBERCTX) && !key.is_empty()).then_some(key)
}

/// A key becomes a part of the header's name, so not every key of the baggage can be sent.
fn is_header_name(key: &str) -> bool {
    http::HeaderName::from_bytes(key.as_bytes()).is_ok()
}

/// The header of the span.
pub(crate) const UBER_TRACE_ID: &str = "uber-trace-id";
/// Prefix of the headers of the baggage.
const UBERCTX: &str = "uberctx-";
/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;
/// The flag of a trace that every service should record.
const DEBUG: u8 = 2;
/// Two ids of a trace, two of spans, flags, and each separator percent-encoded: with room to spare.
const MAX_HEADER: usize = 128;
/// Entries of the baggage that are read or sent.
const MAX_ENTRIES: usize = 64;
/// Bytes of all keys and values together.
const MAX_BYTES: usize = 8192;
/// The same as in other languages: letters, digits and `-_.~` stay.
const BAGGAGE_VALUE: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
