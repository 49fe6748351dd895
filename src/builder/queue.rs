//! Setters of the queues of traces and logs.

/// Generates the settings of a signal's queue.
macro_rules! queue_setters {
    ($options:ident, $queue:ident, $signal:literal, $items:literal, $processor:literal, $delay:literal) => {
        impl $options {
            #[doc = concat!("Sets the maximum number of ", $items, " in the queue.")]
            /// When it is reached, new items are dropped and counted.
            ///
            #[doc = concat!("Overridden by `OTEL_", $processor, "_MAX_QUEUE_SIZE`. Default: 262,144, so that")]
            /// [`max_queue_bytes`](Self::max_queue_bytes) is the limit that matters. (The specification's
            /// default of 2,048 fills within milliseconds under load.)
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.max_queue_size(100_000));")]
            /// ```
            pub fn max_queue_size(mut self, count: usize) -> Self {
                self.config.values.set(&settings::$queue.max_queue_size, count);
                self
            }

            #[doc = concat!("Sets the maximum size of encoded ", $items, " in the queue, in bytes: the bound on memory if the collector")]
            /// is slow or unreachable.
            ///
            #[doc = concat!("Overridden by `OTEL_RUST_", $processor, "_MAX_QUEUE_BYTES`. Default: 32 MiB.")]
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.max_queue_bytes(8 << 20));")]
            /// ```
            pub fn max_queue_bytes(mut self, bytes: usize) -> Self {
                self.config.values.set(&settings::$queue.max_queue_bytes, bytes);
                self
            }

            #[doc = concat!("Sets the maximum number of ", $items, " in one request.")]
            ///
            #[doc = concat!("Overridden by `OTEL_", $processor, "_MAX_EXPORT_BATCH_SIZE`. Default: 512.")]
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.max_export_batch_size(1024));")]
            /// ```
            pub fn max_export_batch_size(mut self, count: usize) -> Self {
                self.config.values.set(&settings::$queue.max_export_batch_size, count);
                self
            }

            /// Sets the delay after which an incomplete batch is sent.
            ///
            #[doc = concat!("Overridden by `OTEL_", $processor, "_SCHEDULE_DELAY` (milliseconds). Default: ", $delay, ".")]
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.scheduled_delay(std::time::Duration::from_secs(1)));")]
            /// ```
            pub fn scheduled_delay(mut self, delay: Duration) -> Self {
                self.config.values.set(&settings::$queue.scheduled_delay, delay);
                self
            }
        }
    };
}

pub(super) use queue_setters;
