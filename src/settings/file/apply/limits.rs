//! Limits of attributes.
//!
//! | limit | of the provider | else of `attribute_limits` | else |
//! |---|---|---|---|
//! | attributes of a span, event, link, record | yes | yes | 128 |
//! | length of values | yes | yes | none |
//! | events and links of a span | yes | – | 128 |
//!
//! The number of attributes is a count; the length of values is in characters, counted as Unicode scalar values. A
//! limit of zero discards everything it counts.
//!
//! | key | of `tracer_provider.limits` | of `logger_provider.limits` |
//! |---|---|---|
//! | `attribute_count_limit` | `traces.max_attributes` | `logs.max_attributes` |
//! | `attribute_value_length_limit` | `traces.max_value_length` | `logs.max_value_length` |
//! | `event_count_limit` | `traces.max_events` | – |
//! | `link_count_limit` | `traces.max_links` | – |
//! | `event_attribute_count_limit` | `traces.max_attributes_per_event` | – |
//! | `link_attribute_count_limit` | `traces.max_attributes_per_link` | – |
//!
//! The variables are `OTEL_SPAN_…_LIMIT`, `OTEL_EVENT_…_LIMIT`, `OTEL_LINK_…_LIMIT` and `OTEL_LOGRECORD_…_LIMIT`. No
//! value is a mistake here: the model has refused negative numbers, and a count beyond 32 bits becomes the largest one.

use super::Apply;
use crate::settings::file::model::{AttributeLimits, Document, Unsigned};
use crate::settings::limits::{
    EVENT_ATTRIBUTE_COUNT, LINK_ATTRIBUTE_COUNT, RECORD_ATTRIBUTE_COUNT, RECORD_VALUE_LENGTH,
    SPAN_ATTRIBUTE_COUNT, SPAN_EVENT_COUNT, SPAN_LINK_COUNT, SPAN_VALUE_LENGTH,
};

impl Apply<'_> {
    /// Gives all eight limits to their settings, whether the file has them or not: it replaces the environment and the
    /// defaults.
    ///
    /// A limit that is absent has the position of the limits that lack it. No limit of length is the largest number,
    /// which the setting reads as none.
    pub(super) fn limit_values(&mut self) {
        let Document { attribute_limits, tracer_provider, logger_provider, at, .. } = self.document;
        let general = attribute_limits.as_ref();
        let count = general.and_then(|limits| limits.attribute_count_limit);
        let length = general.and_then(|limits| limits.attribute_value_length_limit);
        let at = general.map_or(at, |AttributeLimits { at, .. }| at);

        let spans = tracer_provider.as_ref().and_then(|provider| provider.limits.as_ref());
        let span = |limit: fn(&_) -> Option<Unsigned>| spans.and_then(limit);
        let records = logger_provider.as_ref().and_then(|provider| provider.limits.as_ref());
        let record = |limit: fn(&_) -> Option<Unsigned>| records.and_then(limit);
        let (span_at, record_at) =
            (spans.map_or(at, |limits| &limits.at), records.map_or(at, |limits| &limits.at));
        let limits = [
            (SPAN_ATTRIBUTE_COUNT.key(), span(|limits| limits.attribute_count_limit).or(count), span_at),
            (SPAN_VALUE_LENGTH.key(), span(|limits| limits.attribute_value_length_limit).or(length), span_at),
            (SPAN_EVENT_COUNT.key(), span(|limits| limits.event_count_limit), span_at),
            (SPAN_LINK_COUNT.key(), span(|limits| limits.link_count_limit), span_at),
            (
                EVENT_ATTRIBUTE_COUNT.key(),
                span(|limits| limits.event_attribute_count_limit).or(count),
                span_at,
            ),
            (LINK_ATTRIBUTE_COUNT.key(), span(|limits| limits.link_attribute_count_limit).or(count), span_at),
            (
                RECORD_ATTRIBUTE_COUNT.key(),
                record(|limits| limits.attribute_count_limit).or(count),
                record_at,
            ),
            (
                RECORD_VALUE_LENGTH.key(),
                record(|limits| limits.attribute_value_length_limit).or(length),
                record_at,
            ),
        ];
        for (key, limit, at) in limits {
            let is_length = key == SPAN_VALUE_LENGTH.key() || key == RECORD_VALUE_LENGTH.key();
            match limit {
                Some(limit) if is_length => self.values.set(key, limit.unsigned().to_string(), at),
                Some(limit) => self.values.set(key, limit.unsigned().min(MAX_LIMIT).to_string(), at),
                None if is_length => self.values.set(key, usize::MAX.to_string(), at),
                None => self.values.set(key, DEFAULT_COUNT.to_string(), at),
            }
        }
    }
}

/// The schema's.
///
/// It is also the specification's for spans and records.
const DEFAULT_COUNT: u32 = 128;
/// Settings hold counts in 32 bits; more cannot be reached.
const MAX_LIMIT: u64 = u32::MAX as u64;
