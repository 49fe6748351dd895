//! Settings of a batch processor: what may wait to be sent, and how it is batched.
//!
//! | setting | variable for spans | for records |
//! |---|---|---|
//! | `max_queue_size`, in items | `OTEL_BSP_MAX_QUEUE_SIZE` | `OTEL_BLRP_…` |
//! | `max_queue_bytes` | `OTEL_RUST_BSP_MAX_QUEUE_BYTES` | `OTEL_RUST_BLRP_…` |
//! | `max_export_batch_size`, in items | `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` | `OTEL_BLRP_…` |
//! | `scheduled_delay` | `OTEL_BSP_SCHEDULE_DELAY` | `OTEL_BLRP_…` |
//! | – | `OTEL_BSP_EXPORT_TIMEOUT` | `OTEL_BLRP_…` |
//!
//! More items may wait than the 2,048 of the specification.
//!
//! Memory is allocated as items come, so that a large limit costs nothing until it is needed.

use std::time::Duration;

use super::resolve::Resolver;
use super::setting::{Setting, settings};
use super::value_kind::{COUNT, DELAY, TIMEOUT};
use super::values::Values;

/// Resolved limits of one signal's queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct QueueSettings {
    /// Items waiting; the newest are dropped when full.
    pub(crate) max_items: usize,
    /// Bytes waiting.
    pub(crate) max_bytes: usize,
    /// Items in one request.
    pub(crate) max_export_batch_size: usize,
    /// Bytes in one request, apart from those of the resource; one item may be larger.
    pub(crate) max_batch_bytes: usize,
    /// The longest wait before a batch that is not full is sent. If zero, the first item is sent at once, and those
    /// that come meanwhile are the next batch.
    pub(crate) delay: Duration,
}

/// The settings of one signal's queue.
pub(crate) struct QueueSetting {
    /// Items that may wait.
    pub(crate) max_queue_size: Setting<usize>,
    /// Bytes that may wait.
    pub(crate) max_queue_bytes: Setting<usize>,
    /// Items in one request.
    pub(crate) max_export_batch_size: Setting<usize>,
    /// The longest wait of an item before its batch is sent.
    pub(crate) scheduled_delay: Setting<Duration>,
    /// The limit for one batch, which only the environment has.
    pub(crate) export_timeout: Setting<Duration>,
}

/// The queue of spans.
pub(crate) const SPAN_QUEUE: QueueSetting = QueueSetting {
    max_queue_size: spans::MAX_QUEUE_SIZE,
    max_queue_bytes: spans::MAX_QUEUE_BYTES,
    max_export_batch_size: spans::MAX_EXPORT_BATCH_SIZE,
    scheduled_delay: spans::SCHEDULED_DELAY,
    export_timeout: spans::EXPORT_TIMEOUT,
};

/// The queue of log records.
pub(crate) const LOG_QUEUE: QueueSetting = QueueSetting {
    max_queue_size: records::MAX_QUEUE_SIZE,
    max_queue_bytes: records::MAX_QUEUE_BYTES,
    max_export_batch_size: records::MAX_EXPORT_BATCH_SIZE,
    scheduled_delay: records::SCHEDULED_DELAY,
    export_timeout: records::EXPORT_TIMEOUT,
};

/// Defines the settings of one signal's queue. `$processor` is the part of the variables' names that stands for the
/// processor.
macro_rules! queue_settings {
    ($module:ident, $scope:literal, $processor:literal, $delay:expr) => {
        pub(super) mod $module {
            use super::*;

            settings! {
                /// Items that may wait.
                MAX_QUEUE_SIZE: usize =
                    concat!($scope, ".max_queue_size"),
                    [concat!("OTEL_", $processor, "_MAX_QUEUE_SIZE")],
                    COUNT,
                    DEFAULT_QUEUE_ITEMS;
                /// Bytes that may wait. The specification has no such limit.
                MAX_QUEUE_BYTES: usize =
                    concat!($scope, ".max_queue_bytes"),
                    [concat!("OTEL_RUST_", $processor, "_MAX_QUEUE_BYTES")],
                    COUNT,
                    DEFAULT_QUEUE_BYTES;
                /// Items in one request; the default is the specification's.
                MAX_EXPORT_BATCH_SIZE: usize =
                    concat!($scope, ".max_export_batch_size"),
                    [concat!("OTEL_", $processor, "_MAX_EXPORT_BATCH_SIZE")],
                    COUNT,
                    512;
                /// The longest wait before a batch that is not full is sent; the default is the specification's.
                SCHEDULED_DELAY: Duration =
                    concat!($scope, ".scheduled_delay"),
                    [concat!("OTEL_", $processor, "_SCHEDULE_DELAY")],
                    DELAY,
                    $delay;
                /// The limit for one export of one batch, if it is shorter than that of the exporter.
                EXPORT_TIMEOUT: Duration =
                    "", [concat!("OTEL_", $processor, "_EXPORT_TIMEOUT")], TIMEOUT, Duration::ZERO;
            }
        }
    };
}

queue_settings!(spans, "traces", "BSP", Duration::from_secs(5));
queue_settings!(records, "logs", "BLRP", Duration::from_secs(1));

impl QueueSettings {
    /// Builds batches that fit into requests of this size.
    pub(crate) fn within(self, max_request_size: usize) -> Self {
        // The rest is for the resource.
        let room = max_request_size - max_request_size / 8;
        Self { max_batch_bytes: self.max_batch_bytes.min(room), ..self }
    }
}

impl Resolver<'_> {
    /// Resolves the limits of one signal's queue.
    pub(super) fn queue(&mut self, setting: &QueueSetting, values: &Values) -> QueueSettings {
        self.check_batch_in_code(setting, values);
        let max_items = self.resolve(&setting.max_queue_size, values);
        QueueSettings {
            max_items,
            max_bytes: self.resolve(&setting.max_queue_bytes, values),
            max_export_batch_size: self.batch_size(setting, values, max_items),
            max_batch_bytes: DEFAULT_BATCH_BYTES,
            delay: self.resolve(&setting.scheduled_delay, values),
        }
    }

    /// Items in one request: never more than may wait.
    fn batch_size(&mut self, setting: &QueueSetting, values: &Values, max_items: usize) -> usize {
        let Some(batch) = self.find(&setting.max_export_batch_size, values) else {
            return setting.max_export_batch_size.default.min(max_items);
        };
        if batch.value > max_items && !batch.is_from_code {
            let words = format!("{} is more than the queue holds; using {max_items}", batch.value);
            self.warn_once(&batch.origin, words);
        }
        batch.value.min(max_items)
    }

    /// Returns an error in code for batches that are larger than the queue. Which of the two was meant is unknown.
    fn check_batch_in_code(&mut self, setting: &QueueSetting, values: &Values) {
        let setter = &setting.max_export_batch_size;
        if let (Some(batch), Some(queue)) = (values.get(setter), values.get(&setting.max_queue_size))
            && batch > queue
        {
            let reason = format!("more than max_queue_size, {queue}");
            self.invalid_value(setter.name(), setter.origin(), batch.to_string(), &reason);
        }
    }
}

/// The memory of a signal's queue while the collector is slow or unreachable; this is the limit that counts.
const DEFAULT_QUEUE_BYTES: usize = 32 << 20;
/// Items beyond this wait for the next request: servers commonly refuse messages over 4 MiB.
pub(crate) const DEFAULT_BATCH_BYTES: usize = 2 << 20;
/// The specification's 2048 last for 7 ms at 300 000 spans a second. An item is hardly ever under 128 bytes, so the
/// limit in bytes is reached first.
const DEFAULT_QUEUE_ITEMS: usize = DEFAULT_QUEUE_BYTES / 128;
