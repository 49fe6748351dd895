//! The logger provider.

use super::macros::{component, object, unsupported};
use super::processors::{BatchLogRecordProcessor, SimpleLogRecordProcessor};
use super::values::{List, Unsigned};

object! {
    /// Where log records go.
    LoggerProvider = "LoggerProvider", null refused {
        /// At least one; all of them share the queue of log records.
        processors: List<LogRecordProcessor>,
        /// Where it leaves something open, `attribute_limits` of the document hold.
        limits: Option<LogRecordLimits>,
        configurator["logger_configurator/development"]: Option<LoggerConfigurator>,
    }
}

component! {
    /// A processor of log records.
    LogRecordProcessor = "LogRecordProcessor", open {
        "batch" => Batch(Box<BatchLogRecordProcessor>),
        "simple" => Simple(Box<SimpleLogRecordProcessor>),
        "event_to_span_event_bridge/development" => EventToSpanEvent(EventToSpanEventBridge),
    }
}

object! {
    /// Limits of one log record.
    LogRecordLimits = "LogRecordLimits", null refused {
        /// Characters of one text. Default: no limit.
        attribute_value_length_limit: Option<Unsigned>,
        /// Attributes of one record. Default: 128.
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
