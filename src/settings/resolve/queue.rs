//! What of one signal may wait to be sent.

use std::time::Duration;

use super::decide::{Resolver, Sources};
use crate::settings::builder_config::QueueRequested;
use crate::settings::env::names::Batch;
use crate::settings::types::QueueSettings;
use crate::settings::value_kind::{COUNT, DURATION};

impl Resolver<'_> {
    pub(super) fn queue(
        &mut self,
        scope: &'static str,
        variables: &Batch,
        requested: QueueRequested,
        default_delay: Duration,
    ) -> QueueSettings {
        let max_items = self.decide_own(
            &COUNT,
            (scope, "max_queue_size", requested.max_items),
            &[variables.max_queue_size],
            DEFAULT_QUEUE_ITEMS,
        );
        QueueSettings {
            max_items,
            max_bytes: self.decide_own(
                &COUNT,
                (scope, "max_queue_bytes", requested.max_bytes),
                &[variables.max_queue_bytes],
                DEFAULT_QUEUE_BYTES,
            ),
            max_export_batch_size: self.batch(scope, variables, requested, max_items),
            delay: self.decide_own(
                &DURATION,
                (scope, "scheduled_delay", requested.delay),
                &[variables.schedule_delay],
                default_delay,
            ),
        }
    }

    /// Items in one request: never more than may wait.
    fn batch(
        &mut self,
        scope: &'static str,
        variables: &Batch,
        requested: QueueRequested,
        max_items: usize,
    ) -> usize {
        self.check_batch_in_code(scope, requested);
        let variables = [variables.max_export_batch_size];
        let sources = Sources::new(
            "max_export_batch_size",
            &variables,
            [(Some(scope), requested.max_export_batch_size)],
        );
        let otherwise = format!("the default, {DEFAULT_BATCH_ITEMS}");
        let Some(batch) = self.choose(&COUNT, sources, &otherwise) else {
            return DEFAULT_BATCH_ITEMS.min(max_items);
        };
        if batch.value > max_items && !batch.is_from_code {
            let words = format!("{} is more than the queue holds; using {max_items}", batch.value);
            self.warn_of(&batch.origin, words);
        }
        batch.value.min(max_items)
    }

    fn check_batch_in_code(&mut self, scope: &'static str, requested: QueueRequested) {
        if let (Some(batch), Some(queue)) = (requested.max_export_batch_size, requested.max_items)
            && batch > queue
        {
            let reason = format!("more than max_queue_size, {queue}");
            self.invalid("max_export_batch_size", Some(scope), batch.to_string(), &reason);
        }
    }
}

/// What a signal may hold in memory while the collector is slow or away; this is the limit that counts.
const DEFAULT_QUEUE_BYTES: usize = 32 << 20;
/// The specification's 2048 are gone in 7 ms at 300 000 spans a second. An item is hardly ever under 128 bytes, so
/// that the limit in bytes is reached first.
const DEFAULT_QUEUE_ITEMS: usize = DEFAULT_QUEUE_BYTES / 128;
/// The specification's.
const DEFAULT_BATCH_ITEMS: usize = 512;
