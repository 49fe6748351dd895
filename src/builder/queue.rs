//! Setters of the queues, which traces and logs have.

/// Queued telemetry.
macro_rules! queue_setters {
    ($options:ident, $queue:ident, $signal:literal, $items:literal, $processor:literal, $delay:literal) => {
        impl $options {
            #[doc = concat!("Number of ", $items, " that may wait to be sent; the newest are dropped, and counted, when")]
            /// it is reached.
            ///
            #[doc = concat!("Overridden by `OTEL_", $processor, "_MAX_QUEUE_SIZE`. Default: 262 144, so that")]
            /// [`max_queue_bytes`](Self::max_queue_bytes) is the limit that counts. (The specification's 2 048 last for
            /// milliseconds under load.)
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.max_queue_size(100_000));")]
            /// ```
            pub fn max_queue_size(mut self, count: usize) -> Self {
                self.config.values.set(&settings::$queue.max_queue_size, count);
                self
            }

            #[doc = concat!("Bytes of ", $items, " that may wait to be sent, encoded: the bound on memory when the collector")]
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

            #[doc = concat!("Number of ", $items, " in one request.")]
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

            /// Longest wait before a batch that is not full is sent.
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
