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
                /// Milliseconds from one batch to the next. Default: 5 000 for spans, 1 000 for records.
                schedule_delay: Option<Located<Unsigned>>,
                /// Milliseconds for one batch. Default: 30 000.
                export_timeout: Option<Located<Unsigned>>,
                /// Items that may wait. Default: 2 048.
                max_queue_size: Option<Located<Positive>>,
                /// Items of one request, at most `max_queue_size`. Default: 512.
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
