//! The `tracestate` header, by the rules of Level 2.
//!
//! The API's [`TraceState`] supports the keys of Level 1 alone. Other members travel in the context, beside the span,
//! and are written again after the members of the span's own state.
//!
//! | received | kept |
//! |---|---|
//! | several headers | joined, in their order |
//! | keys of Level 2 that Level 1 lacks (`foo@@bar`, `9key`, 256 characters) | beside the API's state |
//! | more than 32 members, a member without `=`, an invalid key or value | nothing |
//! | empty members, blanks around members | the rest |
//!
//! If the program changes the state of a span, its members come first, as the specification demands for what was
//! changed last.

use std::borrow::Cow;

use opentelemetry::trace::{SpanContext, TraceId, TraceState};

/// A received `tracestate` with members that [`TraceState`] cannot hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReceivedTraceState {
    /// The trace that the header belongs to; it is not sent on with a span of another one.
    trace_id: TraceId,
    /// The whole header, normalized.
    header: String,
    /// The members that [`TraceState`] can hold, and those that it cannot.
    held: TraceState,
    others: String,
}

impl ReceivedTraceState {
    /// Returns the header for a span: the received one if the span's state was not changed on the way.
    pub(super) fn header_for(&self, span: &SpanContext) -> String {
        let state = span.trace_state();
        if span.trace_id() != self.trace_id {
            return state.header();
        }
        if *state == self.held {
            return self.header.clone();
        }
        let mut members = vec![state.header(), self.others.clone()];
        members.retain(|members| !members.is_empty());
        members.join(",").split(',').take(MAX_MEMBERS).collect::<Vec<_>>().join(",")
    }
}

/// Parses all `tracestate` headers together. The state is empty if any of them is not valid.
pub(super) fn parse(trace_id: TraceId, headers: &[&str]) -> (TraceState, Option<ReceivedTraceState>) {
    let header = match headers {
        [] => return (TraceState::NONE, None),
        [header] => Cow::Borrowed(*header),
        headers => Cow::Owned(headers.join(",")),
    };
    let Some(members) = members(&header) else {
        return (TraceState::NONE, None);
    };
    if let Ok(state) = TraceState::from_key_value(members.iter().copied()) {
        return (state, None);
    }
    let (held, others): (Vec<_>, Vec<_>) = members.iter().copied().partition(|member| is_held(*member));
    let held = TraceState::from_key_value(held).unwrap_or_default();
    let received =
        ReceivedTraceState { trace_id, header: write(&members), held: held.clone(), others: write(&others) };
    (held, Some(received))
}

/// Returns the members of a header, or `None` if the header is not valid.
fn members(header: &str) -> Option<Vec<(&str, &str)>> {
    let mut members = Vec::new();
    for member in header.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        if members.len() == MAX_MEMBERS || !is_key(key.as_bytes()) || !is_value(value.as_bytes()) {
            return None;
        }
        members.push((key, value));
    }
    Some(members)
}

/// Keys of Level 2: a lower-case letter or a digit, then 255 characters at most.
fn is_key(key: &[u8]) -> bool {
    let rest = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    matches!(key, [b'a'..=b'z' | b'0'..=b'9', ..]) && key.len() <= MAX_LENGTH && key.iter().all(rest)
}

/// A comma would have ended the value, and the blanks around it are not part of it. Control characters must not travel
/// on: a line feed that some carrier let in would end the header.
fn is_value(value: &[u8]) -> bool {
    let is_allowed = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'=';
    !value.is_empty() && value.len() <= MAX_LENGTH && value.iter().all(is_allowed)
}

/// Returns `true` if [`TraceState`] can hold the member.
fn is_held(member: (&str, &str)) -> bool {
    TraceState::from_key_value([member]).is_ok()
}

/// Writes members without blanks around them.
fn write(members: &[(&str, &str)]) -> String {
    members.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Members of one header; the specification drops those with more.
const MAX_MEMBERS: usize = 32;
/// The maximum length of a key, and of a value.
const MAX_LENGTH: usize = 256;
