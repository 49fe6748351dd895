//! Builds the output for OTLP log records.
//!
//! Fields that the event does not have itself, baggage and fields of spans, are encoded here and handed to the output
//! as bytes: `subscriber::logs` needs no knowledge of their sources.
//!
//! | the user | a record goes |
//! |---|---|
//! | has no log processors | straight into the queue, without an object of the SDK |
//! | has log processors | through the SDK's logger, to the processors and then to the queue |

use std::sync::Arc;

use opentelemetry::Value;

use super::pipelines::Pipelines;
use crate::diagnostics::shared_level::SharedLevel;
use crate::export::encode::{self, LogFields};
use crate::lifecycle::guard::Providers;
use crate::lines::context_fields::{self, BaggageKeys};
use crate::lines::redaction::Redaction;
use crate::settings::secrets::REDACTED;
use crate::settings::{Settings, Signal};
use crate::subscriber::{LogOptions, OtlpLogs, Records, write_span_fields};

/// Returns the output for log records: straight into the queue, or through the processors that the user added.
///
/// `None` if log records are neither exported nor processed.
pub(super) fn records(
    settings: &Settings,
    pipelines: &Pipelines,
    providers: &Providers,
    has_processors: bool,
    around: RecordContext,
    minimum: SharedLevel,
) -> Option<Records> {
    let options = LogOptions {
        limits: settings.logs.limits,
        minimum,
        sampled_traces_only: settings.logs.sampled_traces_only,
        redaction: around.redaction.clone(),
    };
    let logs = match pipelines.queue(Signal::Logs) {
        _ if settings.disabled => return None,
        _ if has_processors => OtlpLogs::through(providers.logger.clone(), options),
        Some(queue) => OtlpLogs::direct(Arc::clone(queue), options),
        None => return None,
    };
    Some(around.with(logs))
}

/// The sources of fields that are not the event's own, for records.
#[derive(Default)]
pub(super) struct RecordContext {
    /// Applies to fields of the context as well.
    pub(super) redaction: Redaction,
    /// The entries of baggage that become attributes.
    pub(super) baggage: BaggageKeys,
    /// `true` if the fields of the surrounding spans become attributes.
    pub(super) has_span_fields: bool,
    /// The longest text of one value, in characters.
    pub(super) value_length: Option<usize>,
}

impl RecordContext {
    /// Adds the fields of the context, and those of the spans if requested, to each record.
    ///
    /// Runs on the thread that emits the event. The buffer allocates only if there is such a field.
    fn with(self, logs: OtlpLogs) -> Records {
        Box::new(move |event, moment, span, visit| {
            // Without any such fields nothing is allocated.
            let mut around = Vec::new();
            let (target, has_fields) = (event.metadata().target(), moment.has_context_fields);
            context_fields::for_each(target, has_fields, &self.baggage, &mut |key, value| {
                let redacted = Value::from(REDACTED);
                let value = if self.redaction.is_redacted(key) { &redacted } else { value };
                encode::attribute_value(&mut around, LogFields::ATTRIBUTE, key, value, self.value_length);
            });
            if let Some(span) = span.filter(|_| self.has_span_fields) {
                write_span_fields(span, self.value_length, &mut around);
            }
            logs.on_event(event, moment, &around, visit);
        })
    }
}
