//! Processors of spans and log records, which have the same properties.
//!
//! The schema has a type for each signal. The two differ in the exporters and in the default of `schedule_delay`.
//!
//! | key of `batch` | unit | default | bounds | variables |
//! |---|---|---|---|---|
//! | `schedule_delay` | ms | 5,000 (spans), 1,000 (records) | 0 to a year | `OTEL_BSP_…`, `OTEL_BLRP_SCHEDULE_DELAY` |
//! | `export_timeout` | ms | 30,000 | 0 is no limit | `OTEL_BSP_…`, `OTEL_BLRP_EXPORT_TIMEOUT` |
//! | `max_queue_size` | items | 2,048 | from 1 | `OTEL_BSP_…`, `OTEL_BLRP_MAX_QUEUE_SIZE` |
//! | `max_export_batch_size` | items | 512 | 1 to `max_queue_size` | `OTEL_BSP_…`, `OTEL_BLRP_MAX_EXPORT_BATCH_SIZE` |
//! | `exporter` | – | required | one exporter | `OTEL_TRACES_EXPORTER`, `OTEL_LOGS_EXPORTER` |
//!
//! `simple` has the key `exporter` alone. The defaults are those of the schema; without a file this crate has a larger
//! queue, see [`queue`](crate::settings::queue).

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
                ///
                /// 0 sends at once what is in the queue. More than a year is a mistake.
                schedule_delay: Option<Located<Unsigned>>,
                /// Milliseconds for one batch. Default: 30 000.
                ///
                /// It includes all tries of a request. The exporter's own `timeout` counts if it is shorter.
                export_timeout: Option<Located<Unsigned>>,
                /// Items that may wait. Default: 2 048.
                ///
                /// If the queue is full, new items are dropped and counted. The bytes of the queue are limited as well,
                /// by `max_queue_bytes` below `distribution`.
                max_queue_size: Option<Located<Positive>>,
                /// Items of one request, at most `max_queue_size`. Default: 512.
                ///
                /// A larger value than `max_queue_size` is a mistake. The default is `max_queue_size` if that is
                /// smaller than 512.
                max_export_batch_size: Option<Located<Positive>>,
                /// Where batches are sent.
                exporter: $exporter,
            }
        }

        object! {
            /// Sends each item at once.
            $simple = $simple_schema, null refused {
                /// Where items are sent.
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
