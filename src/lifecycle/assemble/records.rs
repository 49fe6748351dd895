//! Builds the output for OTLP log records.
//!
//! Fields from outside the event, such as baggage and span fields, are encoded here and passed to the output as
//! bytes, so `subscriber::logs` does not depend on their sources.
//!
//! | the user | a record goes |
//! |---|---|
//! | has no log processors | directly into the queue, without an SDK object |
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

/// Returns the output for log records: directly into the queue, or through the user's processors.
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

/// Sources of record fields other than the event itself.
#[derive(Default)]
pub(super) struct RecordContext {
    /// Applies to fields of the context as well.
    pub(super) redaction: Redaction,
    /// Baggage entries that become attributes.
    pub(super) baggage: BaggageKeys,
    /// `true` if the fields of the surrounding spans become attributes.
    pub(super) has_span_fields: bool,
    /// The maximum length of a string value, in characters.
    pub(super) value_length: Option<usize>,
}

impl RecordContext {
    /// Adds context fields, and span fields if enabled, to each record.
    ///
    /// Runs on the thread that emits the event. The buffer allocates only if there is such a field.
    fn with(self, logs: OtlpLogs) -> Records {
        Box::new(move |event, moment, span, visit| {
            // Nothing is allocated if there are no such fields.
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
