//! The logger provider.
//!
//! | key | default | variable or setter |
//! |---|---|---|
//! | `processors` | required, at least one | `OTEL_LOGS_EXPORTER`, `OTEL_BLRP_…` |
//! | `limits.attribute_count_limit` | that of `attribute_limits`, or 128 | `OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT` |
//! | `limits.attribute_value_length_limit` | as above, or none | `OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT` |
//! | `logger_configurator/development` | refused | filters below `distribution` |
//!
//! Which events become log records is not part of the schema: see `log_filter` and `logs` below `distribution`.

use super::macros::{component, object, unsupported};
use super::processors::{BatchLogRecordProcessor, SimpleLogRecordProcessor};
use super::values::{List, Unsigned};

object! {
    /// Where log records go.
    LoggerProvider = "LoggerProvider", null refused {
        /// At least one; all of them share the queue of log records.
        ///
        /// Each is a destination. A record is encoded once and sent to all of them.
        processors: List<LogRecordProcessor>,
        /// Where it leaves something open, `attribute_limits` of the document hold.
        limits: Option<LogRecordLimits>,
        /// Refused: there are no settings of single loggers.
        configurator["logger_configurator/development"]: Option<LoggerConfigurator>,
    }
}

component! {
    /// A processor of log records.
    LogRecordProcessor = "LogRecordProcessor", open {
        /// Sends records in batches.
        "batch" => Batch(Box<BatchLogRecordProcessor>),
        /// Sends each record at once, on the thread that exports.
        "simple" => Simple(Box<SimpleLogRecordProcessor>),
        /// Refused: in code, `events_on_spans` has the same effect.
        "event_to_span_event_bridge/development" => EventToSpanEvent(EventToSpanEventBridge),
    }
}

object! {
    /// Limits of one log record.
    LogRecordLimits = "LogRecordLimits", null refused {
        /// Characters of one text. Default: no limit.
        ///
        /// Longer texts are cut.
        attribute_value_length_limit: Option<Unsigned>,
        /// Attributes of one record. Default: 128.
        ///
        /// Further attributes are dropped and counted in the record.
        attribute_count_limit: Option<Unsigned>,
    }
}

unsupported! {
    /// Events as span events.
    EventToSpanEventBridge = "ExperimentalEventToSpanEventBridgeLogRecordProcessor":
        "use `events_on_spans` in code";
    /// Settings of single loggers.
    LoggerConfigurator = "ExperimentalLoggerConfigurator":
        "the SDK has no logger configurator; use the filters under `distribution`";
}
