//! The context of a trace, from and to the headers of a message.
//!
//! [W3C Trace Context Level 2](https://www.w3.org/TR/trace-context-2/): the SDK's own propagator knows Level 1, so it
//! loses the *random* flag, and it sends an empty `tracestate` with every request.
//!
//! | received | what is done |
//! |---|---|
//! | no `traceparent`, a broken one, or two | a new trace |
//! | version `ff` | a new trace |
//! | a version above `00` | what Level 2 knows is read; what follows it is passed over |
//! | flags | *sampled* and *random* are kept, others cleared |
//! | several `tracestate` headers | joined, in their order |
//! | a `tracestate` that is broken | dropped; `traceparent` counts |
//! | `baggage` with control characters, or longer than 8192 bytes | none |
//!
//! [`parse_traceparent`] and [`format_traceparent`] work on bytes and do not allocate.

mod baggage;

use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

pub(crate) use self::baggage::Baggage;
use crate::settings::Propagator;

#[cfg(test)]
mod tests;

type Boxed = Box<dyn TextMapPropagator + Send + Sync>;

/// All that were chosen, as one. `custom` are those given in code; they are used if they were chosen too.
pub(crate) fn propagator(chosen: &[Propagator], custom: Vec<Boxed>) -> TextMapCompositePropagator {
    let mut custom = Some(custom);
    let propagators = chosen.iter().flat_map(|propagator| match propagator {
        Propagator::TraceContext => vec![Box::new(TraceContext) as Boxed],
        Propagator::Baggage => vec![Box::new(Baggage) as Boxed],
        Propagator::Custom => custom.take().unwrap_or_default(),
    });
    TextMapCompositePropagator::new(propagators.collect())
}

/// Which of the standard propagators are in use, where no other is: carriers of known type need not go through
/// the traits for them, which pass every name and value as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standard {
    pub(crate) trace_context: bool,
    pub(crate) baggage: bool,
}

impl Standard {
    pub(crate) fn of(chosen: &[Propagator]) -> Option<Self> {
        let has = |propagator| chosen.contains(&propagator);
        (!has(Propagator::Custom))
            .then(|| Self { trace_context: has(Propagator::TraceContext), baggage: has(Propagator::Baggage) })
    }
}

/// W3C Trace Context, Level 2.
#[derive(Clone, Copy, Debug)]
struct TraceContext;

impl TextMapPropagator for TraceContext {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let span = context.span();
        let span = span.span_context();
        if !span.is_valid() {
            return;
        }
        let header = format_traceparent(span);
        injector.set(TRACEPARENT, String::from_utf8_lossy(&header).into_owned());
        let state = span.trace_state().header();
        if !state.is_empty() {
            injector.set(TRACESTATE, state);
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        match extract(extractor) {
            Some(span) => context.with_remote_span_context(span),
            None => context.clone(),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: LazyLock<[String; 2]> = LazyLock::new(|| [TRACEPARENT.into(), TRACESTATE.into()]);
        FieldIter::new(&*FIELDS)
    }
}

fn extract(extractor: &dyn Extractor) -> Option<SpanContext> {
    let parents = extractor.get_all(TRACEPARENT)?;
    let states = || extractor.get_all(TRACESTATE).unwrap_or_default();
    remote_span(parents.iter().map(|parent| parent.as_bytes()), states)
}

/// The caller's span: of all `traceparent` headers, and of all `tracestate` headers if those are good.
pub(crate) fn remote_span<'a>(
    mut parents: impl Iterator<Item = &'a [u8]>,
    states: impl FnOnce() -> Vec<&'a str>,
) -> Option<SpanContext> {
    // Of two parents neither can be trusted.
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let (trace_id, span_id, flags) = parse_traceparent(parent)?;
    Some(SpanContext::new(trace_id, span_id, flags, true, parse_tracestate(&states())))
}

/// The state of all its headers together; none if any of them is broken.
pub(crate) fn parse_tracestate(headers: &[&str]) -> TraceState {
    let parsed = match headers {
        [] => None,
        [header] => checked_tracestate(header),
        headers => checked_tracestate(&headers.join(",")),
    };
    parsed.unwrap_or_default()
}

fn checked_tracestate(header: &str) -> Option<TraceState> {
    // The API lets members without a key or a value pass, takes `==` for `=`, and any character for printable ASCII:
    // a line feed that some carrier let in would end the header where it is sent on.
    let mut members =
        header.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty());
    let whole = members.all(|member| {
        member
            .split_once('=')
            .is_some_and(|(key, value)| !key.is_empty() && !value.is_empty() && value.bytes().all(is_allowed))
    });
    if whole { header.parse().ok() } else { None }
}

/// In a value of `tracestate`; a comma would have ended it.
fn is_allowed(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'='
}

/// The ids and flags of a `traceparent` header. `None`: it is not a valid one.
pub(crate) fn parse_traceparent(header: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let header = header.trim_ascii();
    let (known, unknown) = header.split_at_checked(TRACEPARENT_LENGTH)?;
    let [version] = hex(&known[..2])?;
    let fits_version = match version {
        0 => unknown.is_empty(),
        0xff => false,
        _ => matches!(unknown, [] | [b'-', ..]),
    };
    if !fits_version || [known[2], known[35], known[52]] != [b'-'; 3] {
        return None;
    }
    let trace_id = TraceId::from_bytes(hex(&known[3..35])?);
    let span_id = SpanId::from_bytes(hex(&known[36..52])?);
    let [flags] = hex(&known[53..])?;
    let valid = trace_id != TraceId::INVALID && span_id != SpanId::INVALID;
    valid.then(|| (trace_id, span_id, TraceFlags::new(flags & KNOWN_FLAGS)))
}

/// The `traceparent` header of a valid span context.
pub(crate) fn format_traceparent(span: &SpanContext) -> [u8; TRACEPARENT_LENGTH] {
    let mut header = *b"00-00000000000000000000000000000000-0000000000000000-00";
    write_hex(&mut header[3..35], &span.trace_id().to_bytes());
    write_hex(&mut header[36..52], &span.span_id().to_bytes());
    write_hex(&mut header[53..], &[span.trace_flags().to_u8() & KNOWN_FLAGS]);
    header
}

/// Bytes of their hexadecimal form; upper case is not allowed.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut all = 0;
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(digits[0])], VALUES[usize::from(digits[1])]);
        all |= high | low;
        *byte = high << 4 | low;
    }
    (all != NO_DIGIT).then_some(bytes)
}

fn write_hex(text: &mut [u8], bytes: &[u8]) {
    for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 0xf)];
    }
}

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const TRACEPARENT_LENGTH: usize = 55;
/// Sampled, and random (Level 2).
const KNOWN_FLAGS: u8 = 0x03;
const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// What each character stands for. A look at a table costs less than to compare, 54 times for each call.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};
/// All bits, so that it shows through in any union.
const NO_DIGIT: u8 = 0xff;
