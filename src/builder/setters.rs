//! Setters that several of the option structs have.

/// Where and how one signal is sent.
macro_rules! exporter_setters {
    ($options:ident, $signal:literal, $variables:literal) => {
        impl $options {
            #[doc = concat!("Turns the export of ", $signal, " on or off.")]
            ///
            #[doc = concat!("Overridden by `OTEL_", $variables, "_EXPORTER`: `otlp` or `none`. Default: on once an")]
            /// endpoint is named; when turned on without one, it is `http://localhost:4317`.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.export(false));")]
            /// ```
            pub fn export(mut self, on: bool) -> Self {
                self.config.otlp.export = Some(on);
                self
            }

            #[doc = concat!("Where ", $signal, " are sent; see [`Builder::endpoint`](crate::Builder::endpoint).")]
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_ENDPOINT`, then")]
            /// `OTEL_EXPORTER_OTLP_ENDPOINT`. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.endpoint(\"http://collector:4317\"));")]
            /// ```
            pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
                self.config.otlp.endpoint = Some(endpoint.into());
                self
            }

            #[doc = concat!("Adds a header to the requests that carry ", $signal, ". One header here, and those for all")]
            /// signals are not sent.
            ///
            #[doc = concat!("Overridden, all together, by `OTEL_EXPORTER_OTLP_", $variables, "_HEADERS`, then")]
            /// `OTEL_EXPORTER_OTLP_HEADERS`. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.header(\"x-tenant\", \"acme\"));")]
            /// ```
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.config.otlp.headers.push((name.into(), value.into()));
                self
            }

            /// Limit for one export of one batch. Zero: none.
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_TIMEOUT`, then")]
            /// `OTEL_EXPORTER_OTLP_TIMEOUT` (milliseconds). Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.timeout(std::time::Duration::from_secs(5)));")]
            /// ```
            pub fn timeout(mut self, timeout: Duration) -> Self {
                self.config.otlp.timeout = Some(timeout);
                self
            }

            /// How requests are compressed.
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_COMPRESSION`, then")]
            /// `OTEL_EXPORTER_OTLP_COMPRESSION`. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.compression(telemetry_bootstrap::Compression::Gzip));")]
            /// ```
            pub fn compression(mut self, compression: Compression) -> Self {
                self.config.otlp.compression = Some(compression);
                self
            }

            #[doc = concat!("The protocol in which ", $signal, " are sent.")]
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_PROTOCOL`, then")]
            /// `OTEL_EXPORTER_OTLP_PROTOCOL`: `grpc`, `http/protobuf`, `http/json`. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.protocol(telemetry_bootstrap::Protocol::HttpProtobuf));")]
            /// ```
            pub fn protocol(mut self, protocol: Protocol) -> Self {
                self.config.otlp.protocol = Some(protocol);
                self
            }

            /// PEM files of an `https` connection.
            ///
            #[doc = concat!("Overridden, each file for itself, by `OTEL_EXPORTER_OTLP_", $variables, "_CERTIFICATE`,")]
            /// `…_CLIENT_KEY` and `…_CLIENT_CERTIFICATE`, then by those for all signals. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.tls(telemetry_bootstrap::TlsSettings::new()));")]
            /// ```
            pub fn tls(mut self, tls: TlsSettings) -> Self {
                self.config.otlp.tls = Some(tls);
                self
            }
        }
    };
}

/// What waits to be sent.
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
            /// is slow or away.
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

pub(super) use exporter_setters;
pub(super) use queue_setters;
