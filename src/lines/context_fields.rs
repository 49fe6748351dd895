//! Fields for everything within a scope, without a `tracing` span: a request id, a tenant.
//!
//! They live in the OpenTelemetry context and go where it goes: into spawned work by
//! [`FutureExt::with_context`](opentelemetry::context::FutureExt::with_context), into threads by
//! [`attach`](opentelemetry::Context::attach).

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::{Context, KeyValue, Value};

use crate::trace_ids::{may_touch_context, with_current};

/// Returns the current context with additional fields, which appear in every log line and record while it is
/// attached.
///
/// A field of the same key that an outer context has is replaced. Fields of an event win over fields of the context,
/// and those over fields of spans.
///
/// ```
/// use opentelemetry::KeyValue;
///
/// let context = telemetry_bootstrap::with_fields([KeyValue::new("tenant", "acme")]);
/// let _attached = context.attach();
/// tracing::info!("order placed"); // {…,"message":"order placed",…,"tenant":"acme"}
/// ```
///
/// For a future:
///
/// ```
/// use opentelemetry::KeyValue;
/// use opentelemetry::context::FutureExt as _;
///
/// # async fn serve() {}
/// # let id = "7";
/// let served = serve().with_context(telemetry_bootstrap::with_fields([KeyValue::new("request.id", id)]));
/// # drop(served);
/// ```
#[must_use = "the fields count while the context is attached"]
pub fn with_fields(fields: impl IntoIterator<Item = KeyValue>) -> Context {
    let fields: Vec<KeyValue> = fields.into_iter().collect();
    let extended = |context: &Context| {
        let outer = context.get::<Fields>().map_or(&[][..], |outer| &outer.0);
        let kept = outer.iter().filter(|old| fields.iter().all(|new| new.key != old.key));
        let all = fields.iter().chain(kept).cloned().collect();
        context.with_value(Fields(all))
    };
    // On a thread that is ending there may be no current context.
    with_current(extended).unwrap_or_else(|| extended(&Context::new()))
}

/// The fields in the context.
struct Fields(Arc<[KeyValue]>);

/// Keys of the baggage that become fields of lines and records.
#[derive(Clone, Debug, Default)]
pub(crate) struct BaggageKeys(Box<[Cow<'static, str>]>);

impl BaggageKeys {
    pub(crate) fn new<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self(keys.into_iter().map(|key| Cow::Owned(key.into())).collect())
    }
}

/// Returns `true` if the context has such fields.
#[inline]
pub(crate) fn are_in(context: &Context) -> bool {
    context.get::<Fields>().is_some()
}

/// Shows the fields of the current context, if `has_fields`, and of its baggage those that `baggage` names, for an event
/// of `target`.
///
/// A key may come twice: the first one wins.
#[inline]
pub(crate) fn for_each(
    target: &str,
    has_fields: bool,
    baggage: &BaggageKeys,
    visit: &mut dyn FnMut(&str, &Value),
) {
    if has_fields || !baggage.0.is_empty() {
        show(target, baggage, visit);
    }
}

/// Shows fields and baggage.
#[inline(never)]
fn show(target: &str, baggage: &BaggageKeys, visit: &mut dyn FnMut(&str, &Value)) {
    if !may_touch_context(target) {
        return;
    }
    // The context is borrowed no longer than that: a rule of redaction may enter a span.
    if let Some(fields) = Context::map_current(|context| context.get::<Fields>().map(|it| Arc::clone(&it.0)))
    {
        fields.iter().for_each(|field| visit(field.key.as_str(), &field.value));
    }
    for key in &baggage.0 {
        if let Some(value) = Context::map_current(|context| context.baggage().get(key).cloned()) {
            visit(key, &Value::String(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(baggage: &BaggageKeys) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        for_each("test", Context::map_current(are_in), baggage, &mut |key, value| {
            seen.push((key.to_owned(), value.to_string()))
        });
        seen
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn inner_fields_replace_outer_ones_until_they_end() {
        let none = BaggageKeys::default();
        assert_eq!(seen(&none), []);
        let _outer = with_fields([KeyValue::new("tenant", "acme"), KeyValue::new("region", "eu")]).attach();
        {
            let _inner = with_fields([KeyValue::new("tenant", "other")]).attach();
            assert_eq!(seen(&none), [pair("tenant", "other"), pair("region", "eu")]);
        }
        assert_eq!(seen(&none), [pair("tenant", "acme"), pair("region", "eu")]);
    }

    #[test]
    fn only_listed_baggage_becomes_fields() {
        let baggage = [KeyValue::new("tenant", "acme"), KeyValue::new("card", "4711")];
        let _attached = Context::current_with_baggage(baggage).attach();
        assert_eq!(seen(&BaggageKeys::default()), []);
        assert_eq!(seen(&BaggageKeys::new(["tenant", "absent"])), [pair("tenant", "acme")]);
    }

    #[test]
    fn events_of_the_sdk_see_nothing() {
        let _attached = with_fields([KeyValue::new("tenant", "acme")]).attach();
        for_each("opentelemetry_sdk", true, &BaggageKeys::default(), &mut |key, _| panic!("saw {key}"));
    }
}
