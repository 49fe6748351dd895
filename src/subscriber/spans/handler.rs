//! `tracing` spans for OpenTelemetry spans that have started already, as the layers for calls start them.

use std::borrow::Cow;

use opentelemetry::Context as OtelContext;
use opentelemetry::trace::TraceContextExt as _;
use tracing_core::Metadata;

use super::ext::SpanAccess;
use crate::subscriber::thread_state::with_thread;

/// Returns a `tracing` span whose OpenTelemetry span is the one of `context`, and which has its name.
///
/// Entering it makes `context` the current one; closing it does not end the OpenTelemetry span. Returns a disabled span
/// where the current subscriber is not ours, or where `context` has no valid span.
///
/// A callsite has a fixed list of fields, so `record` works for those of this list; for other attributes there is
/// [`SpanExt::set_attribute`](super::SpanExt::set_attribute).
#[cfg_attr(
    not(any(test, feature = "grpc", feature = "http")),
    expect(dead_code, reason = "only the layers for calls need it")
)]
pub(crate) fn handler_span(context: &OtelContext, name: Cow<'static, str>) -> tracing::Span {
    let is_ours =
        || tracing::dispatcher::get_default(|dispatch| dispatch.downcast_ref::<SpanAccess>().is_some());
    if !context.span().span_context().is_valid() || !is_ours() {
        return tracing::Span::none();
    }
    let adopted = Adopted { context: context.clone(), name };
    with_thread(|thread| thread.adopted.set(Some(adopted)));
    let span = tracing::error_span!(
        target: TARGET,
        NAME,
        client.id = tracing::field::Empty,
        customer.id = tracing::field::Empty,
        enduser.id = tracing::field::Empty,
        error.type = tracing::field::Empty,
        order.id = tracing::field::Empty,
        otel.kind = tracing::field::Empty,
        otel.name = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
        request.id = tracing::field::Empty,
        request_id = tracing::field::Empty,
        session.id = tracing::field::Empty,
        tenant = tracing::field::Empty,
        tenant.id = tracing::field::Empty,
        tenant_id = tracing::field::Empty,
        user = tracing::field::Empty,
        user.email = tracing::field::Empty,
        user.id = tracing::field::Empty,
        user.name = tracing::field::Empty,
        user.roles = tracing::field::Empty,
        user_id = tracing::field::Empty,
    );
    with_thread(|thread| thread.adopted.take());
    span
}

/// Returns `true` for spans of [`handler_span`], which no filter excludes.
#[inline]
pub(crate) fn is_handler_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == TARGET
}

/// The call for which a handler span is created.
pub(in crate::subscriber) struct Adopted {
    /// The context with the span of the call.
    pub(super) context: OtelContext,
    pub(super) name: Cow<'static, str>,
}

/// Returns what the handler span is for that is being created.
#[inline]
pub(super) fn take_adopted(metadata: &Metadata<'_>) -> Option<Adopted> {
    is_handler_span(metadata).then(|| with_thread(|thread| thread.adopted.take()).flatten()).flatten()
}

const TARGET: &str = "telemetry_bootstrap::call";
const NAME: &str = "call";
