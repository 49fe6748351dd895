//! Records through the SDK, for the log processors that the user has added.
//!
//! With log processors of the user, a record must be the SDK's type: processors change it, and its last processor is
//! ours, which encodes it. It costs more than the direct way, and is used only then.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption};
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger, LoggerProvider, Severity};
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};

use super::fields::Record;
use crate::export::encode;
use crate::lines::event_field::FieldValue;
use crate::trace_ids::TraceIds;
use crate::user_code::bounded_text::{MAX_TEXT, beginning};

/// The loggers of one provider.
pub(super) struct SdkLogs {
    /// The provider with the user's processors and ours.
    provider: SdkLoggerProvider,
    /// One for each target: a record's scope is that of its logger. Without a lock, which could stay locked in a forked
    /// child.
    loggers: ArcSwap<HashMap<String, SdkLogger>>,
}

impl SdkLogs {
    /// Creates the output of a provider, without loggers yet.
    pub(super) fn new(provider: SdkLoggerProvider) -> Self {
        Self { provider, loggers: ArcSwap::default() }
    }

    /// Makes a record, has `write` add body and attributes, and gives it to the processors.
    pub(super) fn emit(
        &self,
        target: &str,
        time: SystemTime,
        severity: Severity,
        ids: Option<TraceIds>,
        write: impl FnOnce(&mut SdkLogRecord),
    ) {
        let logger = self.logger(target);
        let mut record = logger.create_log_record();
        record.set_timestamp(time);
        record.set_observed_timestamp(time);
        record.set_severity_number(severity);
        record.set_severity_text(severity.name());
        match ids {
            Some(ids) => record.set_trace_context(ids.trace_id, ids.span_id, Some(ids.flags)),
            // Otherwise the SDK would take the ids of the current context, which are not the event's.
            None => record.set_trace_context(TraceId::INVALID, SpanId::INVALID, None),
        }
        write(&mut record);
        logger.emit(record);
    }

    /// Returns the logger of a target.
    fn logger(&self, target: &str) -> SdkLogger {
        let known = self.loggers.load().get(target).cloned();
        known.unwrap_or_else(|| self.new_logger(target))
    }

    /// Makes a logger, and keeps it as long as there are fewer than [`MAX_KEPT`]: targets of `log` records can be made
    /// at run time.
    fn new_logger(&self, target: &str) -> SdkLogger {
        let logger = self.provider.logger(target.to_owned());
        if self.loggers.load().len() < MAX_KEPT {
            self.loggers.rcu(|loggers| {
                let mut loggers = HashMap::clone(loggers);
                loggers.insert(target.to_owned(), logger.clone());
                loggers
            });
        }
        logger
    }
}

impl Record for SdkLogRecord {
    fn body(&mut self, text: &str) {
        self.set_body(beginning(text, MAX_TEXT).to_owned().into());
    }

    fn event_name(&mut self, name: &str) {
        let name = beginning(name, MAX_TEXT);
        match interned(name) {
            Some(name) => self.set_event_name(name),
            None => self.add_attribute("event.name", name.to_owned()),
        }
    }

    fn attribute(&mut self, key: &str, value: FieldValue<'_>) {
        self.add_attribute(key.to_owned(), any_value(value));
    }

    fn encoded(&mut self, attribute: &[u8]) {
        if let Some((key, value)) = encode::decoded_attribute(attribute) {
            self.add_attribute(key, value);
        }
    }

    /// Limits apply, and are counted, where the record is encoded.
    fn dropped_attributes(&mut self, _count: u32) {}
}

/// Converts to the SDK's type. Other types of Rust become text.
fn any_value(value: FieldValue<'_>) -> AnyValue {
    match value {
        FieldValue::Bool(value) => AnyValue::Boolean(value),
        FieldValue::I64(value) => AnyValue::Int(value),
        FieldValue::F64(value) => AnyValue::Double(value),
        FieldValue::Bytes(value) => AnyValue::Bytes(Box::new(value[..value.len().min(MAX_TEXT)].to_vec())),
        other => AnyValue::String(beginning(&other.text(), MAX_TEXT).to_owned().into()),
    }
}

/// The name with a `'static` lifetime, as the SDK requires it. Names of events are few, by their definition; a
/// program that generates them gets no more than [`MAX_KEPT`].
fn interned(name: &str) -> Option<&'static str> {
    /// Names of all providers of the process. They are leaked, which [`MAX_KEPT`] bounds, but for names that threads
    /// use for the first time at once. Without a lock, which could stay locked in a forked child.
    static NAMES: ArcSwapOption<HashSet<&'static str>> = ArcSwapOption::const_empty();
    let known = NAMES.load();
    let (found, count) = known.as_ref().map_or((None, 0), |names| (names.get(name).copied(), names.len()));
    if found.is_some() || count >= MAX_KEPT {
        return found;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    NAMES.rcu(|names| {
        let mut names = names.as_deref().cloned().unwrap_or_default();
        names.insert(kept);
        Some(Arc::new(names))
    });
    Some(kept)
}

impl fmt::Debug for SdkLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SdkLogs").finish_non_exhaustive()
    }
}

/// Targets and event names beyond this many are not remembered.
const MAX_KEPT: usize = 1000;
