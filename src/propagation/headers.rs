//! The trace context in the headers of messages, for queues and everything else that is neither HTTP nor gRPC.

use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::{Context, global};

/// Returns the current context as headers, for a message that another service receives: `traceparent`, `tracestate`,
/// `baggage`, or what the installed propagators use.
///
/// A message that is passed on, as to a retry queue, can have such headers already. Leave them out: a receiver takes
/// neither of two `traceparent` headers.
///
/// The receiver passes the headers to [`context_from_headers`]. Outside of a span it is the baggage alone, if there is
/// any. `OTEL_PROPAGATORS` and [`Builder::propagators`](crate::Builder::propagators) choose the propagators.
///
/// ```
/// let mut message: Vec<(String, String)> = vec![("tenant".to_owned(), "acme".to_owned())];
/// let context = telemetry_bootstrap::context_headers();
/// message.retain(|(name, _)| context.iter().all(|(other, _)| !other.eq_ignore_ascii_case(name)));
/// message.extend(context);
/// ```
#[must_use = "the headers belong into a message"]
pub fn context_headers() -> Vec<(String, String)> {
    let mut headers = Outgoing(Vec::new());
    global::get_text_map_propagator(|propagator| propagator.inject(&mut headers));
    headers.0
}

/// Extracts a context from message headers, based on the current context: the span of the sender, and its baggage.
///
/// Takes names in any case and values as text or bytes. Values that are not text are skipped, as are the headers that
/// belong to no propagator. If there is no valid context, the current one is returned.
///
/// ```
/// use telemetry_bootstrap::SpanExt as _;
///
/// # let headers = std::collections::HashMap::<String, String>::new();
/// let span = tracing::info_span!("process order", otel.kind = "consumer");
/// let _ = span.set_parent(telemetry_bootstrap::context_from_headers(&headers));
/// span.in_scope(|| tracing::info!("processing")); // in the sender's trace
/// ```
pub fn context_from_headers<N, V>(headers: impl IntoIterator<Item = (N, V)>) -> Context
where
    N: AsRef<str>,
    V: AsRef<[u8]>,
{
    let text = |(name, value): (N, V)| {
        let value = std::str::from_utf8(value.as_ref()).ok()?.to_owned();
        Some((name.as_ref().to_ascii_lowercase(), value))
    };
    let headers = Incoming(headers.into_iter().filter_map(text).collect());
    global::get_text_map_propagator(|propagator| propagator.extract(&headers))
}

/// Collects the headers that propagators set.
struct Outgoing(Vec<(String, String)>);

impl Injector for Outgoing {
    fn set(&mut self, key: &str, value: String) {
        // Some propagators write an empty `tracestate`, which is not worth a header.
        if !value.is_empty() {
            self.0.push((key.to_ascii_lowercase(), value));
        }
    }
}

/// The headers of a message, with names in lower case, in their order.
struct Incoming(Vec<(String, String)>);

impl Incoming {
    /// Returns all values of a header, of which a propagator may want more than the first.
    fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| &**value)
    }
}

impl Extractor for Incoming {
    fn get(&self, key: &str) -> Option<&str> {
        self.values(key).next()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| &**name).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values: Vec<_> = self.values(key).collect();
        (!values.is_empty()).then_some(values)
    }
}
