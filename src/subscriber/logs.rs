//! `tracing` events, and records of the `log` crate, as OTLP log records.
//!
//! | in the record | comes from |
//! |---|---|
//! | time, observed time | the moment that the caller gives, which the log line shows too |
//! | severity | the level: its number, and its name as text |
//! | body | the message; a second field `message` is the attribute `field.message` |
//! | scope | the target |
//! | ids, flags | what the caller found; no ids, no trace |
//! | event name | the field `otel.event.name` or `event.name`, or the `name:` of the macro; without one the record is no event |
//! | `exception.*` | the field `error` if it is an error value, or else the first field that is one; fields of these names win |
//! | `code.file.path`, `code.line.number` | the place of the macro |
//! | other attributes | the other fields, then those that the caller has encoded already |
//!
//! Numbers stay numbers where OTLP has a type for them; those beyond 64 signed bits become text. Of fields with one
//! name the last wins, and an event's own fields win over the caller's. A field whose `Debug` or `Display` panics
//! becomes `[panicked]`; the rest of the record is not touched by that. A field without a name is dropped, and
//! counted as a dropped attribute.
//!
//! Records go as bytes straight into the queue, without an allocation once the thread's buffers have grown. What all
//! events of a callsite have in common is encoded once ([`EncodedCallsite`]). Only where the user has added log processors they take the longer way through the SDK, with the same content.

mod encoded;
mod fields;
mod sdk;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use opentelemetry::logs::Severity;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use tracing_core::{Event, Level, Metadata};

use self::encoded::EncodedRecord;
use self::fields::{CallsiteRecord, EncodedParts, EventFields, Record as _};
use self::sdk::SdkLogs;
use crate::diagnostics::shared_level::SharedLevel;
use crate::export::Queue;
use crate::export::encode::{self, LogFields};
use crate::lines::event_context::EventContext;
use crate::lines::event_field::FieldOutput;
use crate::lines::field_visit::visit_event;
use crate::lines::redaction::Redaction;
use crate::lines::span::{SpanChain, scope};
use crate::lines::static_cache::StaticCache;
use crate::settings::AttributeLimits;
use crate::trace_ids::TraceIds;

/// Turns events into OTLP log records.
#[derive(Debug)]
pub(crate) struct OtlpLogs {
    /// Decided at the start: by whether the user has added log processors.
    way: Way,
    /// The same on both ways, but for the limits.
    options: LogOptions,
}

/// Path of a record to the queue.
#[derive(Debug)]
enum Way {
    /// Encoded directly. The cache has the encoded parts of each callsite, which never change.
    Direct(Arc<Queue>, StaticCache<EncodedCallsite>),
    /// Converted to the SDK's type, for the processors of the user.
    Sdk(SdkLogs),
}

/// Options for log records.
#[derive(Clone, Debug)]
pub(crate) struct LogOptions {
    /// Number and length of attributes. The body is not limited by them.
    pub(crate) limits: AttributeLimits,
    /// The most verbose level that becomes a record.
    pub(crate) minimum: SharedLevel,
    /// Leaves out records of traces that are not sampled.
    pub(crate) sampled_traces_only: bool,
    /// Fields whose values must not leave the process.
    pub(crate) redaction: Redaction,
}

/// Shows the fields of an event to a record, and to the other outputs.
pub(crate) type VisitEvent<'a> = dyn FnMut(Option<&mut dyn FieldOutput>) + 'a;

impl OtlpLogs {
    /// Records go straight into the queue.
    pub(crate) fn direct(queue: Arc<Queue>, options: LogOptions) -> Self {
        Self { way: Way::Direct(queue, StaticCache::default()), options }
    }

    /// Records go through the processors of this provider, of which the last should be a
    /// [`LogQueue`](crate::export::LogQueue). That one keeps the limits.
    pub(crate) fn through(provider: SdkLoggerProvider, options: LogOptions) -> Self {
        let limits = AttributeLimits { count: u32::MAX, value_length: None };
        Self { way: Way::Sdk(SdkLogs::new(provider)), options: LogOptions { limits, ..options } }
    }

    /// Makes a record of the event. `extra` are attributes of a `LogRecord`, encoded: fields of spans and contexts.
    ///
    /// The caller has filtered, and does not come here from the I/O thread or a suppressed context. If it has other
    /// outputs, it shows the fields to what `visit` is called with, which is called once, record or not.
    pub(crate) fn on_event(
        &self,
        event: &Event<'_>,
        moment: &EventContext<'_>,
        extra: &[u8],
        visit: Option<&mut VisitEvent<'_>>,
    ) {
        let EventContext { time, ids, metadata, .. } = *moment;
        if !self.options.wants(*metadata.level(), ids) {
            return visit.into_iter().for_each(|visit| visit(None));
        }
        let severity = severity(*metadata.level());
        let is_log_record = moment.is_log_record;
        match &self.way {
            Way::Direct(queue, callsites) => encode::with_scratch(|scratch| {
                let new = || EncodedCallsite::new(event.metadata(), &self.options);
                // Records of the `log` crate share a callsite, and have a target and a place of their own.
                let known = if is_log_record { None } else { callsites.for_value(event.metadata(), new) };
                let unknown = known.is_none().then(|| CallsiteRecord::new(event.metadata(), is_log_record));
                let Some(callsite) = known.map(|known| &known.record).or(unknown.as_ref()) else { return };
                LogFields::write_header(&mut scratch.item, time, ids);
                if known.is_none() {
                    LogFields::severity(&mut scratch.item, severity);
                }
                let mut record = EncodedRecord::new(&mut scratch.item, self.options.limits.value_length);
                let mut fields = EventFields::new(event, is_log_record, callsite, &self.options, &mut record);
                match visit {
                    Some(visit) => visit(Some(&mut fields)),
                    None => visit_event(event, is_log_record, &mut fields, &self.options.redaction),
                }
                fields.finish(extra, metadata, known.map(|known| &known.parts));
                match known {
                    Some(known) => queue.push(&known.scope, &scratch.item),
                    None => {
                        encode::scope_name(&mut scratch.scope, metadata.target());
                        queue.push(&scratch.scope, &scratch.item);
                    }
                }
            }),
            Way::Sdk(sdk) => sdk.emit(metadata.target(), time, severity, ids, |record| {
                let callsite = CallsiteRecord::new(event.metadata(), is_log_record);
                let mut fields = EventFields::new(event, is_log_record, &callsite, &self.options, record);
                match visit {
                    Some(visit) => visit(Some(&mut fields)),
                    None => visit_event(event, is_log_record, &mut fields, &self.options.redaction),
                }
                fields.finish(extra, metadata, None);
            }),
        }
    }
}

/// The encoded parts that the records of a callsite have in common.
#[derive(Debug)]
struct EncodedCallsite {
    /// The properties of the callsite's fields.
    record: CallsiteRecord,
    /// The encoded scope: the target as its name.
    scope: Vec<u8>,
    /// Severity, event name and place.
    parts: EncodedParts,
}

impl EncodedCallsite {
    /// Encodes the parts once for a callsite of `tracing`. Not for those of the `log` crate, which many places share.
    fn new(metadata: &'static Metadata<'static>, options: &LogOptions) -> Self {
        let record = CallsiteRecord::new(metadata, false);
        let (mut scope, mut parts) = (Vec::new(), EncodedParts::default());
        encode::scope_name(&mut scope, metadata.target());
        LogFields::severity(&mut parts.fields, severity(*metadata.level()));
        record.name().into_iter().for_each(|name| LogFields::event_name(&mut parts.fields, name));
        parts.place_start = parts.fields.len();
        let mut encoded = EncodedRecord::new(&mut parts.fields, options.limits.value_length);
        record.write_place(metadata, |key, value| {
            encoded.attribute(key, value);
            parts.place_count += 1;
        });
        Self { record, scope, parts }
    }
}

/// Appends the fields of the spans around an event as attributes of its record, from the innermost to the outermost.
/// `value_length` is the limit of a text, in characters.
pub(crate) fn write_span_fields(span: &dyn SpanChain, value_length: Option<usize>, out: &mut Vec<u8>) {
    let mut record = EncodedRecord::new(out, value_length);
    for span in scope(span).filter(|span| span.is_in_records) {
        for (name, value) in span.fields().iter() {
            record.attribute(name, value.in_otlp(&mut itoa::Buffer::new()));
        }
    }
}

impl LogOptions {
    /// Returns `true` if an event of this level becomes a record. Outside of traces, `sampled_traces_only` has no
    /// effect.
    fn wants(&self, level: Level, ids: Option<TraceIds>) -> bool {
        self.minimum.allows(level)
            && !(self.sampled_traces_only && ids.is_some_and(|ids| !ids.flags.is_sampled()))
    }
}

/// Returns the first of the four numbers that OTLP has for a level: 1, 5, 9, 13, 17.
fn severity(level: Level) -> Severity {
    match level {
        Level::TRACE => Severity::Trace,
        Level::DEBUG => Severity::Debug,
        Level::INFO => Severity::Info,
        Level::WARN => Severity::Warn,
        Level::ERROR => Severity::Error,
    }
}
