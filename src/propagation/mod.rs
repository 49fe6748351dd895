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
//! | a `tracestate` that is broken, or has more than 32 members | dropped; `traceparent` counts |
//! | `tracestate` keys of Level 2 (`foo@@bar`) | sent on as they came |
//! | `baggage` with control characters, or longer than 8192 bytes | none |
//!
//! The other formats have a module each: `b3`, `jaeger`, `xray`.
//!
//! [`parse_traceparent`] and [`format_traceparent`] work on bytes and do not allocate.

mod b3;
mod baggage;
mod custom;
mod headers;
mod jaeger;
mod remote_parent;
mod spawn;
mod tracestate;
mod xray;

use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId};

use self::b3::B3;
pub(crate) use self::baggage::Baggage;
use self::custom::Custom;
pub use self::headers::{context_from_headers, context_headers};
use self::jaeger::Jaeger;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) use self::jaeger::{UBER_TRACE_ID as JAEGER_HEADER, is_jaeger_baggage};
pub(crate) use self::remote_parent::is_deferred;
pub use self::spawn::{spawn, spawn_blocking};
use self::tracestate::ReceivedTraceState;
use self::xray::XRay;
use crate::settings::Propagator;

#[cfg(test)]
mod tests;

type Boxed = Box<dyn TextMapPropagator + Send + Sync>;

/// Joins the chosen propagators and those of the user into one.
///
/// They are called in this order, to read as to write. Each writes headers of its own; of those that read, the last one
/// that finds a context wins.
pub(crate) fn propagator(chosen: &[Propagator], custom: Vec<Boxed>) -> TextMapCompositePropagator {
    let chosen = chosen.iter().map(|propagator| -> Boxed {
        match propagator {
            Propagator::TraceContext => Box::new(TraceContext),
            Propagator::Baggage => Box::new(Baggage),
            Propagator::B3 => Box::new(B3::SingleHeader),
            Propagator::B3Multi => Box::new(B3::MultipleHeaders),
            Propagator::Jaeger => Box::new(Jaeger),
            Propagator::XRay => Box::new(XRay),
        }
    });
    let custom = custom.into_iter().map(|propagator| -> Boxed { Box::new(Custom(propagator)) });
    TextMapCompositePropagator::new(chosen.chain(custom).collect())
}

/// The standard propagators in use, if there is no other one: carriers of known type need not go through the traits
/// for them, which pass every name and value as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standard {
    /// `traceparent` and `tracestate`.
    pub(crate) trace_context: bool,
    /// The header `baggage`.
    pub(crate) baggage: bool,
}

impl Standard {
    /// Returns `None` if any other propagator is in use.
    pub(crate) fn from_propagators(chosen: &[Propagator], custom: &[Boxed]) -> Option<Self> {
        let has = |propagator| chosen.contains(&propagator);
        let is_standard =
            |propagator: &Propagator| matches!(propagator, Propagator::TraceContext | Propagator::Baggage);
        (custom.is_empty() && chosen.iter().all(is_standard))
            .then(|| Self { trace_context: has(Propagator::TraceContext), baggage: has(Propagator::Baggage) })
    }
}

/// The propagator of W3C Trace Context, Level 2. The SDK's, in version 0.33, implements Level 1.
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
        let state = tracestate_header(context, span);
        if !state.is_empty() {
            injector.set(TRACESTATE, state);
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        match extract(extractor) {
            Some(remote) => remote.into_context(context),
            None => context.clone(),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: LazyLock<[String; 2]> = LazyLock::new(|| [TRACEPARENT.into(), TRACESTATE.into()]);
        FieldIter::new(&*FIELDS)
    }
}

/// Reads the caller's span from a carrier of any type.
fn extract(extractor: &dyn Extractor) -> Option<RemoteSpan> {
    let parents = extractor.get_all(TRACEPARENT)?;
    let states = || extractor.get_all(TRACESTATE).unwrap_or_default();
    remote_span(parents.iter().map(|parent| parent.as_bytes()), states)
}

/// The caller's span as it was received.
pub(crate) struct RemoteSpan {
    /// Remote and valid. Its state has the members that [`TraceState`](opentelemetry::trace::TraceState) can hold.
    pub(crate) span: SpanContext,
    /// The members of `tracestate` that the type of the API cannot hold.
    received: Option<ReceivedTraceState>,
}

impl RemoteSpan {
    /// Stores the parts that do not fit into the span context in `context`.
    pub(crate) fn split(self, context: Context) -> (SpanContext, Context) {
        match self.received {
            Some(received) => (self.span, context.with_value(received)),
            None => (self.span, context),
        }
    }

    /// Returns a copy of `context` in which this is the current span.
    fn into_context(self, context: &Context) -> Context {
        let (span, context) = self.split(context.clone());
        context.with_remote_span_context(span)
    }
}

/// Parses the caller's span from all `traceparent` headers, and from all `tracestate` headers if those are valid.
pub(crate) fn remote_span<'a>(
    mut parents: impl Iterator<Item = &'a [u8]>,
    states: impl FnOnce() -> Vec<&'a str>,
) -> Option<RemoteSpan> {
    // Of two parents neither can be trusted.
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let (trace_id, span_id, flags) = parse_traceparent(parent)?;
    let (state, received) = tracestate::parse(trace_id, &states());
    Some(RemoteSpan { span: SpanContext::new(trace_id, span_id, flags, true, state), received })
}

/// Returns the `tracestate` header of a span in its context; empty if there is no state.
///
/// An empty header is never sent: receivers must treat it like none, and some do not.
pub(crate) fn tracestate_header(context: &Context, span: &SpanContext) -> String {
    match context.get::<ReceivedTraceState>() {
        Some(received) => received.header_for(span),
        None => span.trace_state().header(),
    }
}

/// Parses the ids and flags of a `traceparent` header. Returns `None` if it is not valid.
///
/// Ids are lower case and not zero; unknown flags are cleared, as Level 2 requires.
pub(crate) fn parse_traceparent(header: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let header = header.trim_ascii();
    let (known, unknown) = header.split_at_checked(TRACEPARENT_LENGTH)?;
    let version = two_digits([known[0], known[1]])?;
    let fits_version = match version {
        0 => unknown.is_empty(),
        0xff => false,
        _ => matches!(unknown, [] | [b'-', ..]),
    };
    if !fits_version || [known[2], known[35], known[52]] != [b'-'; 3] {
        return None;
    }
    let trace_id = TraceId::from(hex(&known[3..35])?);
    let span_id = SpanId::from(hex(&known[36..52])? as u64);
    let flags = two_digits([known[53], known[54]])?;
    let valid = trace_id != TraceId::INVALID && span_id != SpanId::INVALID;
    valid.then(|| (trace_id, span_id, TraceFlags::new(flags & KNOWN_FLAGS)))
}

/// Returns the `traceparent` header of a valid span context, in version `00`.
pub(crate) fn format_traceparent(span: &SpanContext) -> [u8; TRACEPARENT_LENGTH] {
    let mut header = *b"00-00000000000000000000000000000000-0000000000000000-00";
    write_hex(&mut header[3..35], &span.trace_id().to_bytes());
    write_hex(&mut header[36..52], &span.span_id().to_bytes());
    write_hex(&mut header[53..], &[span.trace_flags().to_u8() & KNOWN_FLAGS]);
    header
}

/// Reads groups of eight lower-case digits, 32 at most. Returns `None` if any character is not one.
#[inline]
fn hex(text: &[u8]) -> Option<u128> {
    let (groups, _) = text.as_chunks();
    groups.iter().try_fold(0, |number, digits| Some(number << 32 | u128::from(eight_digits(*digits)?)))
}

/// Reads two lower-case digits.
#[inline]
fn two_digits([high, low]: [u8; 2]) -> Option<u8> {
    eight_digits([b'0', b'0', b'0', b'0', b'0', b'0', high, low]).map(|number| number as u8)
}

/// Reads eight lower-case digits at once, each in a byte of one number. Returns `None` if any character is not one.
#[inline]
fn eight_digits(text: [u8; 8]) -> Option<u32> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let text = u64::from_be_bytes(text);
    // `0` to `9` are 0x30 to 0x39, `a` to `f` are 0x61 to 0x66.
    let letters = text >> 6 & EACH;
    let values = (text & (0x0f * EACH)) + 9 * letters;
    let high_parts = text & (0xf0 * EACH);
    // Of a letter, and of nothing else, the value is 10 to 15.
    let is_letter = (values + 6 * EACH) >> 4 & EACH;
    if high_parts != 0x30 * EACH + 0x30 * letters || is_letter != letters || values & (0x10 * EACH) != 0 {
        return None;
    }
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    Some((fours | fours >> 16) as u32)
}

/// Writes two lower-case digits for each byte. `text` is twice as long as `bytes`.
fn write_hex(text: &mut [u8], bytes: &[u8]) {
    for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 0xf)];
    }
}

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// Two digits of version, 32 of the trace, 16 of the span and two of flags, with three dashes between them.
const TRACEPARENT_LENGTH: usize = 55;
/// Sampled, and random (Level 2).
const KNOWN_FLAGS: u8 = 0x03;
/// Lower case: the specification forbids others.
const DIGITS: &[u8; 16] = b"0123456789abcdef";
