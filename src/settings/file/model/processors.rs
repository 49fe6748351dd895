//! Processors of spans and log records, which have the same properties.

use super::exporters::{LogRecordExporter, SpanExporter};
use super::macros::object;
use super::values::{Located, Positive, Unsigned};

/// Declares the two processors of a signal.
macro_rules! processors {
    ($($batch:ident = $batch_schema:literal, $simple:ident = $simple_schema:literal: $exporter:ident;)*) => {$(
        object! {
            /// Sends items in batches. Times are in milliseconds; an export timeout of 0 means none.
            $batch = $batch_schema, null refused {
                schedule_delay: Option<Located<Unsigned>>,
                export_timeout: Option<Located<Unsigned>>,
                max_queue_size: Option<Located<Positive>>,
                max_export_batch_size: Option<Located<Positive>>,
                exporter: $exporter,
            }
        }

        object! {
            /// Sends each item at once.
            $simple = $simple_schema, null refused {
                exporter: $exporter,
            }
        }
    )*};
}

processors! {
    BatchSpanProcessor = "BatchSpanProcessor", SimpleSpanProcessor = "SimpleSpanProcessor": SpanExporter;
    BatchLogRecordProcessor = "BatchLogRecordProcessor",
        SimpleLogRecordProcessor = "SimpleLogRecordProcessor": LogRecordExporter;
}
