//! Makes records of events, either way, and reads them back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanId, TraceFlags, TraceId};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue as ProtoValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs};
use prost::Message;
use tracing_core::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::Registry;

use super::super::*;
use crate::export::{Consumer, LogQueue, Workers};
use crate::lines::event_context::log_record_metadata;
use crate::lines::field_visit::SharedVisit;
use crate::settings::QueueSettings;

/// Hands events to the logs as `TelemetryLayer` does.
pub(super) struct ToLogs {
    pub(super) logs: Arc<OtlpLogs>,
    pub(super) ids: Option<TraceIds>,
    pub(super) extra: Vec<u8>,
}

impl<S: tracing::Subscriber> Layer<S> for ToLogs {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(NANOS);
        let normalized = log_record_metadata(event);
        let moment = EventContext {
            time,
            ids: self.ids,
            has_context_fields: false,
            metadata: normalized.as_ref().unwrap_or_else(|| event.metadata()),
            is_log_record: normalized.is_some(),
        };
        let mut visit = |record: Option<&mut dyn FieldOutput>| {
            let outputs = [record.map(|record| record as _), None, None];
            SharedVisit::new(outputs, &self.logs.options.redaction)
                .visit_without_line(event, moment.is_log_record);
        };
        self.logs.on_event(event, &moment, &self.extra, Some(&mut visit));
    }
}

pub(super) type Path = fn(Arc<Queue>, &LogOptions) -> OtlpLogs;

pub(super) fn direct(queue: Arc<Queue>, options: &LogOptions) -> OtlpLogs {
    OtlpLogs::direct(queue, options.clone())
}

pub(super) fn through(queue: Arc<Queue>, options: &LogOptions) -> OtlpLogs {
    let processor = LogQueue::new(queue, Workers::default(), options.limits);
    let provider = SdkLoggerProvider::builder().with_log_processor(processor).build();
    OtlpLogs::through(provider, options.clone())
}

pub(super) fn run(
    path: Path,
    options: &LogOptions,
    ids: Option<TraceIds>,
    extra: &[u8],
    events: impl FnOnce(),
) -> Vec<(String, LogRecord)> {
    let _alone = alone();
    let (queue, consumer) = queue();
    let logs = Arc::new(path(Arc::clone(&queue), options));
    let subscriber = Registry::default().with(ToLogs { logs, ids, extra: extra.to_vec() });
    tracing::subscriber::with_default(subscriber, events);
    let requests = consumer.drain();
    let scopes = requests.iter().flat_map(|request| {
        let request = ExportLogsServiceRequest::decode(&**request).unwrap();
        request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs)
    });
    scopes
        .flat_map(|ScopeLogs { scope, log_records, .. }| {
            let name = scope.unwrap_or_default().name;
            log_records.into_iter().map(move |record| (name.clone(), record))
        })
        .collect()
}

/// The interest in callsites is global, and changes whenever a subscriber is created or dropped.
pub(super) fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn all(events: impl FnOnce()) -> Vec<(String, LogRecord)> {
    run(direct, &options(), None, &[], events)
}

pub(super) fn one(event: impl FnOnce()) -> (String, LogRecord) {
    one_with(&options(), None, &[], event)
}

pub(super) fn one_with(
    options: &LogOptions,
    ids: Option<TraceIds>,
    extra: &[u8],
    event: impl FnOnce(),
) -> (String, LogRecord) {
    let mut records = run(direct, options, ids, extra, event);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

pub(super) fn extra(attributes: &[(&str, opentelemetry::Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in attributes {
        encode::attribute_value(&mut out, LogFields::ATTRIBUTE, key, value, None);
    }
    out
}

pub(super) fn body(record: &LogRecord) -> &str {
    match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(any_value::Value::StringValue(body)) => body,
        other => panic!("{other:?}"),
    }
}

pub(super) fn value_of(
    attribute: &opentelemetry_proto::tonic::common::v1::KeyValue,
) -> (&str, any_value::Value) {
    (&attribute.key, attribute.value.clone().unwrap().value.unwrap())
}

pub(super) fn texts(record: &LogRecord) -> BTreeMap<String, String> {
    let text = |value: &ProtoValue| match value.value.as_ref().unwrap() {
        any_value::Value::StringValue(value) => value.clone(),
        any_value::Value::IntValue(value) => value.to_string(),
        other => format!("{other:?}"),
    };
    let attributes = record.attributes.iter();
    attributes.map(|attribute| (attribute.key.clone(), text(attribute.value.as_ref().unwrap()))).collect()
}

pub(super) fn queue() -> (Arc<Queue>, Consumer) {
    let limits = QueueSettings {
        max_items: 10_000,
        max_bytes: 10 << 20,
        max_export_batch_size: 512,
        max_batch_bytes: 1 << 20,
        delay: Duration::from_secs(600),
    };
    let (queue, mut consumers) = Queue::new(limits, 1);
    (queue, consumers.remove(0))
}

pub(super) fn options() -> LogOptions {
    let limits = AttributeLimits { count: 128, value_length: None };
    LogOptions {
        limits,
        minimum: SharedLevel::new(LevelFilter::TRACE),
        sampled_traces_only: false,
        redaction: Redaction::default(),
    }
}

pub(super) const NANOS: u64 = 1_700_000_000_123_456_789;
pub(super) const IDS: TraceIds = TraceIds {
    trace_id: TraceId::from_bytes([7; 16]),
    span_id: SpanId::from_bytes([9; 8]),
    flags: TraceFlags::SAMPLED,
};
