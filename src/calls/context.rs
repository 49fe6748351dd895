//! The trace context in the headers of a call: extracted from a request, injected into a request.
//!
//! There are two ways. If all propagators are standard ones, `traceparent` and `tracestate` are read from and written
//! to bytes directly, which saves the texts and the maps between; with propagators of the user, or without installed
//! telemetry, the global one is called with [`Incoming`] and [`Outgoing`] as its carriers. Tests compare both.

use std::cell::OnceCell;

use bytes::{Bytes, BytesMut};
use http::header::ValueIter;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{Link, SpanContext, TraceContextExt as _};
use opentelemetry::{Context, global};

use super::thread_cache;
use crate::propagation::{self, Baggage, JAEGER_HEADER, RemoteSpan, is_jaeger_baggage};
use crate::provider::installed::Installed;

/// Policy for the trace context received from a caller.
///
/// ```
/// # #[cfg(feature = "grpc")] {
/// use telemetry_bootstrap::RemoteContext;
/// use telemetry_bootstrap::grpc::ServerLayer;
///
/// let public_edge = ServerLayer::new().remote_context(|_method| RemoteContext::Link);
/// # let _ = public_edge; }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteContext {
    /// The caller's span becomes the parent, and the caller's baggage is kept.
    #[default]
    Parent,
    /// A new trace starts, with a link to the caller's span; the caller's baggage is dropped. For public endpoints,
    /// where callers must not decide on trace ids and sampling.
    Link,
    /// The caller's context is ignored.
    Ignore,
}

impl RemoteContext {
    /// The parent of a server's call, and its link to the caller's span if there is one.
    ///
    /// The local context is current on the calling thread: what an outer layer has attached is kept, and its baggage as
    /// well. An entry of the caller's baggage takes the place of a local one with the same key.
    ///
    /// | choice | parent | link | baggage of the caller |
    /// |---|---|---|---|
    /// | [`Parent`](Self::Parent) | the caller's span, or else the local one | – | kept |
    /// | [`Link`](Self::Link) | the local one, mostly none | to the caller's span | dropped |
    /// | [`Ignore`](Self::Ignore) | the local one, mostly none | – | dropped |
    pub(super) fn resolve(self, headers: &HeaderMap) -> (Parent, Option<Link>) {
        let current = Context::current();
        match self {
            Self::Parent => (extract(headers, current), None),
            Self::Link => {
                let remote = extract(headers, Context::new()).with_span(Clone::clone);
                (Parent::local(current), remote.is_valid().then(|| Link::with_context(remote)))
            }
            Self::Ignore => (Parent::local(current), None),
        }
    }
}

/// The parent of a call's span, and the rest of the context that the call inherits.
pub(super) struct Parent {
    /// Everything but the remote span: baggage, values, the local parent.
    context: Context,
    /// The caller's span. It is not in `context` yet, because that takes an allocation which not every call needs.
    remote: Option<SpanContext>,
}

impl Parent {
    /// A parent in this process, which may be no span at all.
    pub(super) fn local(context: Context) -> Self {
        Self { context, remote: None }
    }

    /// Runs `read` with the parent's span context, which is invalid if there is no parent.
    pub(super) fn with_span<T>(&self, read: impl FnOnce(&SpanContext) -> T) -> T {
        match &self.remote {
            Some(remote) => read(remote),
            None => read(self.context.span().span_context()),
        }
    }

    /// The context without the remote parent.
    pub(super) fn local_context(&self) -> &Context {
        &self.context
    }

    /// Returns the context in which the span is started.
    pub(super) fn context(&self) -> Context {
        match &self.remote {
            Some(remote) => self.context.with_remote_span_context(remote.clone()),
            None => self.context.clone(),
        }
    }
}

/// Extracts the caller's context on top of the current one.
fn extract(headers: &HeaderMap, current: Context) -> Parent {
    let carrier = Incoming { headers, tracestate: OnceCell::new() };
    let Some(standard) = Installed::propagators() else {
        return Parent::local(global::get_text_map_propagator(|propagator| {
            propagator.extract_with_context(&current, &carrier)
        }));
    };
    let found = StandardHeaders::find(headers);
    let (remote, current) = match found.remote_span().filter(|_| standard.trace_context) {
        Some(remote) => {
            let (span, context) = remote.split(current);
            (Some(span), context)
        }
        None => (None, current),
    };
    let context = match standard.baggage && found.has_baggage {
        true => Baggage.extract_with_context(&current, &carrier),
        false => current,
    };
    Parent { context, remote }
}

/// The headers of the standard propagators in a request. They are found in one pass: most requests have few headers,
/// and to look one up means to hash its name.
#[derive(Default)]
struct StandardHeaders<'a> {
    /// The one `traceparent`.
    parent: Option<&'a HeaderValue>,
    /// There are more: none of them counts.
    has_other_parents: bool,
    /// All `tracestate`, which are one list.
    states: Vec<&'a HeaderValue>,
    /// There is a `baggage`.
    has_baggage: bool,
}

impl<'a> StandardHeaders<'a> {
    /// Finds the headers.
    fn find(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            if *name == TRACEPARENT {
                found.has_other_parents |= found.parent.replace(value).is_some();
            } else if *name == TRACESTATE {
                found.states.push(value);
            } else if *name == BAGGAGE {
                found.has_baggage = true;
            }
        }
        found
    }

    /// Reads the caller's span from `traceparent` and `tracestate`. `None` if there is no valid one.
    fn remote_span(&self) -> Option<RemoteSpan> {
        let parent = self.parent.filter(|_| !self.has_other_parents);
        // One list, which is invalid if a part of it is.
        let states = || self.states.iter().map(|value| value.to_str()).collect::<Result<_, _>>();
        propagation::remote_span(parent.into_iter().map(HeaderValue::as_bytes), || {
            states().unwrap_or_default()
        })
    }
}

/// Injects the context into a request's headers. Other headers stay as they are.
///
/// The headers of the propagators belong to the context: those that the request has already, such as the ones of a
/// first attempt or of a request that a proxy passes on, are replaced, and removed if there is nothing in their place
/// (Propagators API, "Fields"). Without a span, as where telemetry is not installed, they stay.
pub(super) fn inject(context: &Context, headers: &mut HeaderMap) {
    let has_span = context.span().span_context().is_valid();
    let Some(standard) = Installed::propagators() else {
        return global::get_text_map_propagator(|propagator| {
            if has_span {
                remove_fields(propagator.fields(), headers);
            }
            propagator.inject_context(context, &mut Outgoing { headers });
        });
    };
    if standard.trace_context && has_span {
        inject_span(context, headers);
    }
    if standard.baggage {
        if has_span {
            headers.remove(&BAGGAGE);
        }
        if !context.baggage().is_empty() {
            Baggage.inject_context(context, &mut Outgoing { headers });
        }
    }
}

/// Removes the headers of propagators, of Jaeger's also those of its baggage: their names are not known beforehand.
fn remove_fields(fields: FieldIter<'_>, headers: &mut HeaderMap) {
    let mut has_jaeger = false;
    for name in fields.filter_map(header_name) {
        has_jaeger |= name == JAEGER_HEADER;
        headers.remove(name);
    }
    if has_jaeger {
        let names = headers.keys().filter(|name| is_jaeger_baggage(name.as_str()));
        let names: Vec<_> = names.cloned().collect();
        names.into_iter().for_each(|name| drop(headers.remove(name)));
    }
}

/// Writes `traceparent` and `tracestate` without intermediate strings.
fn inject_span(context: &Context, headers: &mut HeaderMap) {
    let span = context.span();
    let span = span.span_context();
    headers.remove(&TRACESTATE);
    if let Ok(parent) = HeaderValue::from_maybe_shared(shared(&propagation::format_traceparent(span))) {
        headers.insert(&TRACEPARENT, parent);
    }
    // An empty value is not written.
    Outgoing { headers }.set(TRACESTATE.as_str(), propagation::tracestate_header(context, span));
}

/// Copies bytes into a buffer that many calls share: one allocation serves dozens of headers.
///
/// The slice keeps the buffer alive until its request is sent. Then the buffer is written again from its beginning.
fn shared(bytes: &[u8]) -> Bytes {
    let shared = thread_cache::with(|cache| {
        let mut buffer = cache.headers.borrow_mut();
        if buffer.capacity() < bytes.len() && !buffer.try_reclaim(bytes.len()) {
            *buffer = BytesMut::with_capacity(SHARED_BUFFER);
        }
        buffer.extend_from_slice(bytes);
        buffer.split().freeze()
    });
    shared.unwrap_or_else(|| Bytes::copy_from_slice(bytes))
}

/// Small, because one header that is kept alive keeps the whole buffer alive.
const SHARED_BUFFER: usize = 2048;

/// The headers of a request, for propagators.
struct Incoming<'a> {
    /// The headers of the request.
    headers: &'a HeaderMap,
    /// Several `tracestate` headers are one list (W3C Trace Context, 3.3.1.1).
    tracestate: OnceCell<String>,
}

impl Incoming<'_> {
    /// Returns all values of a header. Names of the standard propagators are looked up without parsing them.
    fn values(&self, key: &str) -> ValueIter<'_, HeaderValue> {
        match standard_name(key) {
            Some(name) => self.headers.get_all(name).iter(),
            None => self.headers.get_all(key).iter(),
        }
    }

    /// Returns the values that are text.
    fn texts(&self, key: &str) -> Vec<&str> {
        self.values(key).filter_map(|value| value.to_str().ok()).collect()
    }

    /// Returns the values as one list, which is kept for the time of the extraction. It is empty if one of them is not
    /// text.
    fn joined(&self, key: &str) -> &str {
        let join =
            || Some(self.values(key).map(|value| value.to_str().ok()).collect::<Option<Vec<_>>>()?.join(","));
        self.tracestate.get_or_init(|| join().unwrap_or_default())
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

/// The headers of an outgoing request, for propagators.
struct Outgoing<'a> {
    /// The headers of the request. Other headers are not changed.
    headers: &'a mut HeaderMap,
}

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        // Some propagators write an empty `tracestate`, which is not worth a header.
        if value.is_empty() {
            return;
        }
        if let (Some(name), Ok(value)) =
            (header_name(key), HeaderValue::from_maybe_shared(Bytes::from(value)))
        {
            self.headers.insert(name, value);
        }
    }
}

/// Returns the name of a header, or `None` for a key that no header can have: such a propagator writes nothing.
fn header_name(key: &str) -> Option<HeaderName> {
    standard_name(key).cloned().or_else(|| HeaderName::try_from(key).ok())
}

/// The standard names. A lookup by a parsed name takes half the time.
fn standard_name(key: &str) -> Option<&'static HeaderName> {
    [&TRACEPARENT, &TRACESTATE, &BAGGAGE].into_iter().find(|name| name.as_str() == key)
}

/// W3C Trace Context: version, trace id, span id, flags.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// W3C Trace Context: entries of vendors.
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// W3C Baggage: pairs of keys and values.
static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

#[cfg(test)]
mod tests {
    use opentelemetry::propagation::TextMapPropagator as _;

    use super::*;
    use crate::settings::Propagator;

    /// The names of headers that stay when a request is sent on with these propagators.
    fn kept(propagators: &[Propagator]) -> Vec<String> {
        let names = [
            "accept",
            "b3",
            "x-b3-traceid",
            "x-b3-parentspanid",
            "x-b3-flags",
            "uber-trace-id",
            "uberctx-tenant",
            "uberctx-user",
            "x-amzn-trace-id",
            "traceparent",
        ];
        let mut headers: HeaderMap = names
            .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1")))
            .into_iter()
            .collect();
        remove_fields(propagation::propagator(propagators, Vec::new()).fields(), &mut headers);
        let mut names: Vec<_> = headers.keys().map(ToString::to_string).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn headers_of_an_earlier_context_are_removed_in_every_form_of_their_format() {
        let rest = |removed: &[&str]| {
            let mut all = kept(&[]);
            all.retain(|name| !removed.contains(&name.as_str()));
            all
        };
        let b3 = ["b3", "x-b3-traceid", "x-b3-parentspanid", "x-b3-flags"];
        assert_eq!(kept(&[Propagator::B3]), rest(&b3));
        assert_eq!(kept(&[Propagator::B3Multi]), rest(&b3));
        assert_eq!(kept(&[Propagator::Jaeger]), rest(&["uber-trace-id", "uberctx-tenant", "uberctx-user"]));
        assert_eq!(kept(&[Propagator::XRay]), rest(&["x-amzn-trace-id"]));
        assert_eq!(kept(&[Propagator::TraceContext]), rest(&["traceparent"]));
    }
}
