//! The logger provider.

use super::exporters::LogRecordExporter;
use super::macros::{component, object, unsupported};
use super::values::{List, Located, Positive, Unsigned};

object! {
    /// Where log records go.
    LoggerProvider = "LoggerProvider", null refused {
        processors: List<LogRecordProcessor>,
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
    /// Sends log records in batches.
    BatchLogRecordProcessor = "BatchLogRecordProcessor", null refused {
        schedule_delay: Option<Located<Unsigned>>,
        export_timeout: Option<Located<Unsigned>>,
        max_queue_size: Option<Located<Positive>>,
        max_export_batch_size: Option<Located<Positive>>,
        exporter: LogRecordExporter,
    }
}

object! {
    /// Sends each log record at once.
    SimpleLogRecordProcessor = "SimpleLogRecordProcessor", null refused {
        exporter: LogRecordExporter,
    }
}

object! {
    /// Limits of one log record.
    LogRecordLimits = "LogRecordLimits", null refused {
        attribute_value_length_limit: Option<Unsigned>,
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
