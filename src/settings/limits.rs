//! Limits of attributes, events and links.

use super::resolve::Resolver;
use super::setting::settings;
use super::value_kind::{LENGTH, LIMIT};
use super::values::Values;

/// Limits of one span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SpanLimitSettings {
    /// Of the span itself.
    pub(crate) attributes: AttributeLimits,
    /// Further events are dropped and counted.
    pub(crate) events: u32,
    /// Further links are dropped and counted.
    pub(crate) links: u32,
    /// Keys of one event; further ones are dropped and counted in the event.
    pub(crate) attributes_per_event: u32,
    /// Keys of one link; further ones are dropped and counted in the link.
    pub(crate) attributes_per_link: u32,
}

/// Limits of one set of attributes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AttributeLimits {
    /// Keys; further ones are dropped and counted.
    pub(crate) count: u32,
    /// In characters; longer strings are cut.
    pub(crate) value_length: Option<usize>,
}

impl AttributeLimits {
    /// For what is not the program's data, such as points of metrics.
    pub(crate) const UNLIMITED: Self = Self { count: u32::MAX, value_length: None };
}

// The defaults are the specification's.
settings! {
    /// Attributes of one span.
    SPAN_ATTRIBUTE_COUNT: u32 =
        "traces.max_attributes", ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"], LIMIT, 128;
    /// Characters of one attribute of a span.
    SPAN_VALUE_LENGTH: Option<usize> =
        "traces.max_value_length",
        ["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"],
        LENGTH,
        None;
    /// Events of one span.
    SPAN_EVENT_COUNT: u32 = "traces.max_events", ["OTEL_SPAN_EVENT_COUNT_LIMIT"], LIMIT, 128;
    /// Links of one span.
    SPAN_LINK_COUNT: u32 = "traces.max_links", ["OTEL_SPAN_LINK_COUNT_LIMIT"], LIMIT, 128;
    /// Attributes of one event of a span.
    EVENT_ATTRIBUTE_COUNT: u32 =
        "traces.max_attributes_per_event",
        ["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"],
        LIMIT,
        128;
    /// Attributes of one link of a span.
    LINK_ATTRIBUTE_COUNT: u32 =
        "traces.max_attributes_per_link",
        ["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"],
        LIMIT,
        128;
    /// Attributes of one log record.
    RECORD_ATTRIBUTE_COUNT: u32 =
        "logs.max_attributes", ["OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"], LIMIT, 128;
    /// Characters of one attribute of a log record.
    RECORD_VALUE_LENGTH: Option<usize> =
        "logs.max_value_length",
        ["OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"],
        LENGTH,
        None;
}

/// Resolves the limits of spans; `values` are those of `Builder::traces`.
pub(super) fn span_limits(resolver: &mut Resolver<'_>, values: &Values) -> SpanLimitSettings {
    SpanLimitSettings {
        attributes: AttributeLimits {
            count: resolver.resolve(&SPAN_ATTRIBUTE_COUNT, values),
            value_length: resolver.resolve(&SPAN_VALUE_LENGTH, values),
        },
        events: resolver.resolve(&SPAN_EVENT_COUNT, values),
        links: resolver.resolve(&SPAN_LINK_COUNT, values),
        attributes_per_event: resolver.resolve(&EVENT_ATTRIBUTE_COUNT, values),
        attributes_per_link: resolver.resolve(&LINK_ATTRIBUTE_COUNT, values),
    }
}

/// Resolves the limits of log records; `values` are those of `Builder::logs`.
pub(super) fn record_limits(resolver: &mut Resolver<'_>, values: &Values) -> AttributeLimits {
    AttributeLimits {
        count: resolver.resolve(&RECORD_ATTRIBUTE_COUNT, values),
        value_length: resolver.resolve(&RECORD_VALUE_LENGTH, values),
    }
}
