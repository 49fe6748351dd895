//! What is read from and written to a call's metadata: context, deadline, captured headers.

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::ValueIter;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry::{Array, Context, Key, KeyValue, StringValue, Value, global};

use crate::diagnostics::FieldValue;
use crate::propagation::{self, Baggage};
use crate::provider::installed::Installed;

/// What a call happens in.
pub(super) struct Parent {
    context: Context,
    /// The caller's span, not put into the context yet: that takes an allocation, which not every call needs.
    remote: Option<SpanContext>,
}

impl Parent {
    pub(super) fn local(context: Context) -> Self {
        Self { context, remote: None }
    }

    /// Runs `look` with the parent's span, which is not valid if there is none.
    pub(super) fn with_span<T>(&self, look: impl FnOnce(&SpanContext) -> T) -> T {
        match &self.remote {
            Some(remote) => look(remote),
            None => look(self.context.span().span_context()),
        }
    }

    /// All of it but for the span.
    pub(super) fn around(&self) -> &Context {
        &self.context
    }

    pub(super) fn into_context(self) -> Context {
        match self.remote {
            Some(remote) => self.context.with_remote_span_context(remote),
            None => self.context,
        }
    }
}

/// The context that the caller sent, on top of the current one.
pub(super) fn extract(headers: &HeaderMap, current: Context) -> Parent {
    let carrier = Incoming { headers, tracestate: OnceCell::new() };
    let Some(standard) = Installed::propagators() else {
        return Parent::local(global::get_text_map_propagator(|propagator| {
            propagator.extract_with_context(&current, &carrier)
        }));
    };
    let remote = if standard.trace_context { remote_span(headers) } else { None };
    let context = match standard.baggage && headers.contains_key(&BAGGAGE) {
        true => Baggage.extract_with_context(&current, &carrier),
        false => current,
    };
    Parent { context, remote }
}

fn remote_span(headers: &HeaderMap) -> Option<SpanContext> {
    let parents = headers.get_all(&TRACEPARENT).iter().map(HeaderValue::as_bytes);
    let states = || headers.get_all(&TRACESTATE).iter().filter_map(|state| state.to_str().ok()).collect();
    propagation::remote_span(parents, states)
}

/// Sends the context along. The caller's own metadata stays as it is.
pub(super) fn inject(context: &Context, headers: &mut HeaderMap) {
    let Some(standard) = Installed::propagators() else {
        let mut carrier = Outgoing { headers };
        return global::get_text_map_propagator(|propagator| {
            propagator.inject_context(context, &mut carrier);
        });
    };
    if standard.trace_context {
        inject_span(context.span().span_context(), headers);
    }
    if standard.baggage && !context.baggage().is_empty() {
        Baggage.inject_context(context, &mut Outgoing { headers });
    }
}

fn inject_span(span: &SpanContext, headers: &mut HeaderMap) {
    if !span.is_valid() {
        return;
    }
    if let Ok(parent) = HeaderValue::from_maybe_shared(shared(&propagation::format_traceparent(span))) {
        headers.insert(&TRACEPARENT, parent);
    }
    // Empty where there is none: then nothing is sent.
    Outgoing { headers }.set(TRACESTATE.as_str(), span.trace_state().header());
}

/// The bytes in a buffer that many calls share: one allocation for dozens of headers, or none if those were sent.
fn shared(bytes: &[u8]) -> Bytes {
    thread_local! {
        static BUFFER: RefCell<BytesMut> = RefCell::default();
    }
    let shared = BUFFER.try_with(|buffer| {
        let mut buffer = buffer.borrow_mut();
        if buffer.capacity() < bytes.len() && !buffer.try_reclaim(bytes.len()) {
            *buffer = BytesMut::with_capacity(SHARED_BUFFER);
        }
        buffer.extend_from_slice(bytes);
        buffer.split().freeze()
    });
    // A thread that ends has lost its buffer.
    shared.unwrap_or_else(|_| Bytes::copy_from_slice(bytes))
}

/// Small, because one header that is kept keeps all of it.
const SHARED_BUFFER: usize = 2048;

struct Incoming<'a> {
    headers: &'a HeaderMap,
    /// Several `tracestate` headers are one list (W3C Trace Context, 3.3.1.1).
    tracestate: OnceCell<String>,
}

impl Incoming<'_> {
    fn values(&self, key: &str) -> ValueIter<'_, HeaderValue> {
        match known(key) {
            Some(name) => self.headers.get_all(name).iter(),
            None => self.headers.get_all(key).iter(),
        }
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        self.values(key).filter_map(|value| value.to_str().ok()).collect()
    }

    fn joined(&self, key: &str) -> &str {
        self.tracestate.get_or_init(|| self.texts(key).join(","))
    }
}

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.values(key);
        let first = values.next()?;
        if key == "tracestate" && values.next().is_some() {
            return Some(self.joined(key));
        }
        first.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.headers.keys().map(HeaderName::as_str).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values = self.texts(key);
        (!values.is_empty()).then_some(values)
    }
}

struct Outgoing<'a> {
    headers: &'a mut HeaderMap,
}

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        // Some propagators write `tracestate` although there is none: an empty header says nothing.
        if value.is_empty() {
            return;
        }
        if let (Some(name), Ok(value)) = (name_of(key), HeaderValue::from_maybe_shared(Bytes::from(value))) {
            self.headers.insert(name, value);
        }
    }
}

fn name_of(key: &str) -> Option<HeaderName> {
    known(key).cloned().or_else(|| HeaderName::try_from(key).ok())
}

/// The usual names: looked up by a name that is parsed already, a header is found in half the time.
fn known(key: &str) -> Option<&'static HeaderName> {
    [&TRACEPARENT, &TRACESTATE, &BAGGAGE].into_iter().find(|name| name.as_str() == key)
}

/// The time that the caller gives the call: `grpc-timeout`, at most eight digits and a unit.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// Headers that become attributes, by an allow-list.
#[derive(Clone, Debug, Default)]
pub(super) struct HeaderCapture(Vec<(HeaderName, Key)>);

impl HeaderCapture {
    /// Names that no header can have are left out, and told of: they would never match.
    pub(super) fn new<N: AsRef<str>>(prefix: &str, names: impl IntoIterator<Item = N>) -> Self {
        let named = |name: N| {
            let Ok(header) = HeaderName::try_from(name.as_ref().trim()) else {
                warn_of_name(name.as_ref());
                return None;
            };
            let key = Key::new(format!("{prefix}{header}"));
            Some((header, key))
        };
        Self(names.into_iter().filter_map(named).collect())
    }

    /// One attribute for each listed header that is there: an array of its values, in their order.
    pub(super) fn attributes(&self, headers: &HeaderMap) -> impl Iterator<Item = KeyValue> {
        self.0.iter().filter_map(|(name, key)| {
            let values: Vec<StringValue> = headers.get_all(name).iter().map(text).collect();
            (!values.is_empty()).then(|| KeyValue::new(key.clone(), Value::Array(Array::String(values))))
        })
    }
}

/// Of a name in code: those of the environment were looked through by `build()`.
fn warn_of_name(name: &str) {
    if let Some(installed) = Installed::get() {
        let message = "a gRPC layer is to capture a header by a name that no header can have: it is ignored";
        installed.diagnostics.warn(message, &[("name", FieldValue::Text(&name))]);
    }
}

/// Binary metadata (`-bin`) travels as base64 and is left so; other bytes that are not text are made so.
fn text(value: &HeaderValue) -> StringValue {
    match value.to_str() {
        Ok(text) => StringValue::from(text.to_owned()),
        Err(_) => StringValue::from(STANDARD.encode(value.as_bytes())),
    }
}

/// `application/grpc`, with or without a subtype: `+proto`. Not `application/grpc-web`, whose status is
/// in the body and which a translating service in front of this one turns into gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(http::header::CONTENT_TYPE) else {
        return false;
    };
    let Some(rest) = value.as_bytes().strip_prefix(b"application/grpc") else {
        return false;
    };
    matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
static BAGGAGE: HeaderName = HeaderName::from_static("baggage");
static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout_of(text: &str) -> Option<Duration> {
        timeout(&HeaderMap::from_iter([(HeaderName::from_static("grpc-timeout"), text.parse().unwrap())]))
    }

    #[test]
    fn timeouts_have_at_most_eight_digits_and_a_unit() {
        assert_eq!(timeout_of("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(timeout_of("3M"), Some(Duration::from_secs(180)));
        assert_eq!(timeout_of("4S"), Some(Duration::from_secs(4)));
        assert_eq!(timeout_of("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(timeout_of("5u"), Some(Duration::from_micros(5)));
        assert_eq!(timeout_of("6n"), Some(Duration::from_nanos(6)));
        for broken in ["", "m", "5", "5x", "+5m", "-5m", "5 m", "999999999m"] {
            assert_eq!(timeout_of(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn content_types_of_grpc() {
        let is = |text: &'static str| {
            is_grpc(&HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(text))]))
        };
        assert!(
            is("application/grpc") && is("application/grpc+proto") && is("application/grpc; charset=utf-8")
        );
        assert!(!is("application/grpc-web") && !is("application/grpc-web-text+proto") && !is("text/plain"));
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
