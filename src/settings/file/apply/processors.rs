//! Processors of spans and log records: batches, and where they go.
//!
//! Processors do not become threads with a queue each, as in the SDK, but destinations of one queue: an item is encoded
//! once, however many processors there are. So delay and sizes must be the same for all processors of a signal; only
//! the limit of one export is the destination's own.
//!
//! A simple processor has batches of one item and no delay. It does not block the thread that ends a span, as the SDK's
//! does.
//!
//! | key | setting | must be the same for all processors of a signal |
//! |---|---|---|
//! | `schedule_delay` | `traces.scheduled_delay`, `logs.scheduled_delay` | yes |
//! | `max_queue_size` | `traces.max_queue_size`, `logs.max_queue_size` | yes |
//! | `max_export_batch_size` | `traces.max_export_batch_size`, `logs.max_export_batch_size` | yes |
//! | `export_timeout` | the limit of the destination | no |
//! | `exporter` | the destination | no |
//!
//! A signal with a batch processor and a simple one is therefore refused: the message is `not supported: the processors
//! of a signal share a queue: its delay and sizes must be those of the first`.

use std::time::Duration;

use super::Apply;
use super::exporters::Exporter;
use crate::settings::exporter::{DestinationSettings, SignalExporter};
use crate::settings::file::model::{At, Int, Located, LogRecordProcessor, SpanProcessor};
use crate::settings::queue::QueueSetting;
use crate::settings::value_kind::or_unlimited;

/// A processor of any signal.
pub(super) struct Processor<'a> {
    /// How items are batched.
    ///
    /// For a simple processor, that of batches of one.
    batch: Batch<'a>,
    /// Where batches are sent.
    exporter: Exporter<'a>,
}

/// Implements the conversion for the processors of a signal, whose default delay is that of the schema in milliseconds.
macro_rules! processors {
    ($($model:ident, $default_delay:literal $(, $never:ident)?;)*) => {$(
        impl<'a> From<&'a $model> for Processor<'a> {
            fn from(model: &'a $model) -> Self {
                match model {
                    $model::Simple(simple) => {
                        Self { batch: Batch::simple(&simple.at), exporter: Exporter::from(&simple.exporter) }
                    }
                    $model::Batch(batch) => Self {
                        batch: Batch {
                            at: &batch.at,
                            delay: located(&batch.schedule_delay),
                            export_timeout: located(&batch.export_timeout),
                            queue_size: located(&batch.max_queue_size),
                            batch_size: located(&batch.max_export_batch_size),
                            default_delay: $default_delay,
                            is_simple: false,
                        },
                        exporter: Exporter::from(&batch.exporter),
                    },
                    $($model::$never(never) => match *never {},)?
                }
            }
        }
    )*};
}

processors! {
    SpanProcessor, 5_000;
    LogRecordProcessor, 1_000, EventToSpanEvent;
}

/// The properties of a processor that have to do with batches.
///
/// Each number has its place, so that a mistake in it is reported there.
struct Batch<'a> {
    /// The node of the processor.
    ///
    /// Stands for numbers that are absent.
    at: &'a At,
    /// Milliseconds from one batch to the next.
    ///
    /// `None` for the default, as for the other numbers.
    delay: Option<(&'a At, u64)>,
    /// Milliseconds; 0 is no limit.
    ///
    /// Not compared between processors.
    export_timeout: Option<(&'a At, u64)>,
    /// Items.
    ///
    /// The capacity of the queue.
    queue_size: Option<(&'a At, u64)>,
    /// Items.
    ///
    /// The most items of one request.
    batch_size: Option<(&'a At, u64)>,
    /// The schema's.
    ///
    /// In milliseconds: 5,000 for spans, 1,000 for records, 0 for simple processors.
    default_delay: u64,
    /// A simple processor: its queue is sent item by item, at once.
    ///
    /// The size of the queue then has the default of this crate, not that of the schema.
    is_simple: bool,
}

impl<'a> Batch<'a> {
    /// Describes a simple processor as a batch processor with batches of one.
    fn simple(at: &'a At) -> Self {
        let batch_size = Some((at, 1));
        let (delay, export_timeout, queue_size) = (None, None, None);
        Self { at, delay, export_timeout, queue_size, batch_size, default_delay: 0, is_simple: true }
    }

    /// What the processors of a signal must have in common: delay, size of the queue, size of a batch.
    ///
    /// In milliseconds, items and items. Absent numbers have their defaults, so that a default that is written out
    /// equals one that is not.
    fn limits(&self) -> [u64; 3] {
        let number = |given: Option<(&At, u64)>, default| given.map_or(default, |(_, number)| number);
        [
            number(self.delay, self.default_delay),
            number(self.queue_size, DEFAULT_QUEUE_SIZE),
            number(self.batch_size, DEFAULT_BATCH_SIZE),
        ]
    }

    /// The limit for one batch.
    ///
    /// A year, if there is none.
    fn export_timeout(&self) -> Duration {
        or_unlimited(Duration::from_millis(
            self.export_timeout.map_or(DEFAULT_EXPORT_TIMEOUT, |(_, limit)| limit),
        ))
    }
}

impl Apply<'_> {
    /// The limits of a signal's queue, which all of its processors share.
    ///
    /// Those of the first processor are used; each other processor that differs is a mistake. Without processors
    /// nothing is set.
    pub(super) fn queue_values(&mut self, queue: &QueueSetting, processors: &[Processor<'_>]) {
        let Some(Processor { batch: first, .. }) = processors.first() else { return };
        self.batch_values(queue, first);
        for Processor { batch: other, .. } in processors {
            if other.limits() != first.limits() {
                self.unsupported(
                    other.at,
                    "the processors of a signal share a queue: its delay and sizes must be those of the first",
                );
            }
        }
    }

    /// The limits of a queue. Both batch processors have the same.
    ///
    /// A batch that is larger than the queue is a mistake. The default of the batch is lowered to the size of the queue
    /// instead.
    fn batch_values(&mut self, queue: &QueueSetting, batch: &Batch<'_>) {
        let (_, size) = batch.queue_size.unwrap_or((batch.at, DEFAULT_QUEUE_SIZE));
        if let Some((at, batch_size)) = batch.batch_size
            && batch_size > size
        {
            self.mistake(at, format!("{batch_size} is more than max_queue_size, {size}"));
        }
        self.number(queue.scheduled_delay.key(), batch.delay, batch.default_delay, batch.at);
        if !batch.is_simple {
            self.number(queue.max_queue_size.key(), batch.queue_size, DEFAULT_QUEUE_SIZE, batch.at);
        }
        let batch_size = batch.batch_size.or(Some((batch.at, DEFAULT_BATCH_SIZE.min(size))));
        self.number(queue.max_export_batch_size.key(), batch_size, DEFAULT_BATCH_SIZE, batch.at);
    }

    /// Returns where the processors of a signal send, one destination each.
    ///
    /// In the order of the file. A processor whose exporter has a mistake is left out; the file is refused then.
    pub(super) fn processor_destinations(
        &mut self,
        signal: &SignalExporter,
        processors: &[Processor<'_>],
    ) -> Vec<DestinationSettings> {
        let destination = |processor: &Processor<'_>| {
            self.destination(signal, &processor.exporter, processor.batch.export_timeout())
        };
        processors.iter().filter_map(destination).collect()
    }
}

/// Returns a number with its place.
///
/// `MIN` is not negative for the numbers of processors and readers.
///
/// `None` if the value is absent.
pub(super) fn located<const MIN: i64>(value: &Option<Located<Int<MIN>>>) -> Option<(&At, u64)> {
    value.as_ref().map(|located| (&located.at, located.value.unsigned()))
}

// The schema's defaults.
/// Items.
const DEFAULT_QUEUE_SIZE: u64 = 2_048;
/// Items.
const DEFAULT_BATCH_SIZE: u64 = 512;
/// Milliseconds for one batch.
const DEFAULT_EXPORT_TIMEOUT: u64 = 30_000;
