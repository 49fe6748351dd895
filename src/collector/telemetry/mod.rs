//! Spans, log records and metrics, each with its resource and scope.
//!
//! A [`CollectedSpan`] and its siblings combine the OTLP message with the resource and the scope, which OTLP states
//! once for many messages. The methods cover what tests usually check; everything else is in the public fields.

mod metric;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::logs::AnyValue;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

pub use self::metric::{CollectedMetric, HistogramValue};
pub(super) use self::metric::{histogram, metrics, points, table, value};
pub(super) use super::attributes::hex;

use super::attributes;
use super::export::Export;
use crate::export::render;
use crate::export::render::terminal::Colors;

/// A span as it was exported.
///
/// ```
/// use telemetry_bootstrap::testing::{self, SpanKind, StatusCode};
/// use telemetry_bootstrap::tracing::info_span;
///
/// let telemetry = testing::capture();
/// let outer = info_span!("checkout").entered();
/// info_span!("query", otel.kind = "client", rows = 3).in_scope(|| ());
/// drop(outer);
///
/// let (checkout, query) = (telemetry.span("checkout"), telemetry.span("query"));
/// assert!(checkout.is_parent_of(&query));
/// assert_eq!((query.kind(), query.status()), (SpanKind::Client, StatusCode::Unset));
/// assert_eq!(query.attribute("rows"), Some(3.into()));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CollectedSpan {
    /// The resource that recorded it.
    pub resource: Arc<Resource>,
    /// The instrumentation that recorded it.
    pub scope: Arc<InstrumentationScope>,
    /// The OTLP message.
    pub span: Span,
}

impl CollectedSpan {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.span.name
    }

    /// Returns the trace id, in 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    /// Returns the span id, in 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// Returns the span id of the parent, in 16 hexadecimal digits. `None` for the root of a trace.
    #[must_use]
    pub fn parent_span_id(&self) -> Option<String> {
        Some(hex(&self.span.parent_span_id)).filter(|id| !id.is_empty())
    }

    /// Returns `true` if this span is the other's parent.
    #[must_use]
    pub fn is_parent_of(&self, child: &Self) -> bool {
        self.span.trace_id == child.span.trace_id && self.span.span_id == child.span.parent_span_id
    }

    /// Returns the kind: internal, server, client, producer or consumer.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        self.span.kind()
    }

    /// Returns the time from start to end.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.span.end_time_unix_nano.saturating_sub(self.span.start_time_unix_nano))
    }

    /// Returns the value of an attribute; compare it with `Some(42.into())` or `Some("text".into())`.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<AnyValue> {
        attributes::find(&self.span.attributes, key)
    }

    /// Returns the printed form of an attribute's value.
    #[must_use]
    pub fn attribute_text(&self, key: &str) -> Option<String> {
        attributes::find_text(&self.span.attributes, key)
    }

    /// Returns the value of a resource attribute.
    #[must_use]
    pub fn resource_attribute(&self, key: &str) -> Option<AnyValue> {
        attributes::find(&self.resource.attributes, key)
    }

    /// Returns the status; compare it with [`StatusCode::Error`].
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.span.status.as_ref().map_or(StatusCode::Unset, |status| status.code())
    }

    /// Returns the status description, empty if there is none.
    #[must_use]
    pub fn status_message(&self) -> &str {
        self.span.status.as_ref().map_or("", |status| &status.message)
    }

    /// Returns the events with this name, in the order in which they were added.
    pub fn events<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Event> {
        self.span.events.iter().filter(move |event| event.name == name)
    }
}

/// A log record as it was exported.
///
/// ```
/// use telemetry_bootstrap::testing;
/// use telemetry_bootstrap::tracing::info;
///
/// let telemetry = testing::capture();
/// info!(items = 3, "paid");
///
/// let log = telemetry.log("paid");
/// assert_eq!((log.severity(), log.trace_id()), ("INFO", None));
/// assert_eq!(log.attribute_text("items").as_deref(), Some("3"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CollectedLog {
    /// The resource that recorded it.
    pub resource: Arc<Resource>,
    /// The scope, whose name is the target.
    pub scope: Arc<InstrumentationScope>,
    /// The OTLP message.
    pub record: LogRecord,
}

impl CollectedLog {
    /// Returns the message as a string.
    #[must_use]
    pub fn body(&self) -> String {
        attributes::text(self.record.body.as_ref())
    }

    /// Returns the level as a string: `INFO`, `ERROR`, …
    #[must_use]
    pub fn severity(&self) -> &str {
        &self.record.severity_text
    }

    /// Returns the time of the event.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.record.time_unix_nano)
    }

    /// Returns the trace id, in 32 hexadecimal digits. `None` outside of spans.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        Some(hex(&self.record.trace_id)).filter(|id| !id.is_empty())
    }

    /// Returns the span id, in 16 hexadecimal digits. `None` outside of spans.
    #[must_use]
    pub fn span_id(&self) -> Option<String> {
        Some(hex(&self.record.span_id)).filter(|id| !id.is_empty())
    }

    /// Returns the value of an attribute; compare it with `Some(42.into())` or `Some("text".into())`.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<AnyValue> {
        attributes::find(&self.record.attributes, key)
    }

    /// Returns the printed form of an attribute's value.
    #[must_use]
    pub fn attribute_text(&self, key: &str) -> Option<String> {
        attributes::find_text(&self.record.attributes, key)
    }

    /// Returns the value of a resource attribute.
    #[must_use]
    pub fn resource_attribute(&self, key: &str) -> Option<AnyValue> {
        attributes::find(&self.resource.attributes, key)
    }
}

/// Returns the spans of a request, in its order. Empty for other signals.
pub(super) fn spans(export: &Export) -> Vec<CollectedSpan> {
    let Export::Traces(request) = export else { return Vec::new() };
    let mut spans = Vec::new();
    for of_resource in &request.resource_spans {
        let resource = Arc::new(of_resource.resource.clone().unwrap_or_default());
        for of_scope in &of_resource.scope_spans {
            let scope = Arc::new(of_scope.scope.clone().unwrap_or_default());
            spans.extend(of_scope.spans.iter().map(|span| CollectedSpan {
                resource: Arc::clone(&resource),
                scope: Arc::clone(&scope),
                span: span.clone(),
            }));
        }
    }
    spans
}

/// Returns the log records of a request, in its order. Empty for other signals.
pub(super) fn logs(export: &Export) -> Vec<CollectedLog> {
    let Export::Logs(request) = export else { return Vec::new() };
    let mut logs = Vec::new();
    for of_resource in &request.resource_logs {
        let resource = Arc::new(of_resource.resource.clone().unwrap_or_default());
        for of_scope in &of_resource.scope_logs {
            let scope = Arc::new(of_scope.scope.clone().unwrap_or_default());
            logs.extend(of_scope.log_records.iter().map(|record| CollectedLog {
                resource: Arc::clone(&resource),
                scope: Arc::clone(&scope),
                record: record.clone(),
            }));
        }
    }
    logs
}

/// Returns the spans and log records of one trace as a tree.
pub(super) fn tree(spans: &[CollectedSpan], logs: &[CollectedLog]) -> String {
    let spans: Vec<_> = spans.iter().map(|span| render::Span::decode(&span.span.encode_to_vec())).collect();
    let records: Vec<_> =
        logs.iter().map(|log| render::LogRecord::decode(&log.record.encode_to_vec())).collect();
    render::tree(&spans, &records, Colors::Off)
}
