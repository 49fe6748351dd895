//! Settings of traces.

use std::time::Duration;

use opentelemetry_sdk::trace::{IdGenerator, ShouldSample, SpanProcessor, TracerProviderBuilder};

use crate::provider::{BuilderHooks, CustomSampler, PanicGuard};
use crate::settings::{
    self, Compression, Destination, HeaderSource, Protocol, SamplerSetting, SignalConfig, TlsSettings,
};

/// Settings of traces only, passed to the closure of [`Builder::traces`](crate::Builder::traces).
///
/// They replace the builder's settings for all signals.
///
/// ```
/// use opentelemetry_sdk::trace::Sampler;
///
/// # let _ =
/// telemetry_bootstrap::init()
///     .traces(|traces| traces.sampler(Sampler::TraceIdRatioBased(0.1)).max_events(32));
/// ```
#[derive(Debug, Default)]
#[must_use = "return it from the closure"]
pub struct Traces {
    pub(super) config: SignalConfig,
    pub(super) sampler: Option<CustomSampler>,
    pub(super) custom_ids: bool,
    pub(super) events_on_spans: bool,
    pub(super) records_code_location: bool,
    pub(super) uses_stock_bridge: bool,
    pub(super) hooks: BuilderHooks<TracerProviderBuilder>,
}

super::exporter_setters!(Traces, TRACES_EXPORTER, OTLP_TRACES, "traces", "TRACES");
super::queue_setters!(Traces, SPAN_QUEUE, "traces", "spans", "BSP", "5 s");

impl Traces {
    /// Sets the sampler, which decides which traces are recorded.
    ///
    /// Overridden by `OTEL_TRACES_SAMPLER` with `OTEL_TRACES_SAMPLER_ARG`. Default: every trace, unless the caller
    /// decided otherwise (`parentbased_always_on`).
    ///
    /// ```
    /// use telemetry_bootstrap::opentelemetry_sdk::trace::Sampler;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.sampler(Sampler::TraceIdRatioBased(0.1)));
    /// ```
    pub fn sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.config.values.set(&settings::SAMPLER, SamplerSetting::Custom);
        self.sampler = Some(CustomSampler::new(sampler));
        self
    }

    /// Sets the maximum number of attributes per span. Further attributes are dropped and counted.
    ///
    /// Overridden by `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`, then `OTEL_ATTRIBUTE_COUNT_LIMIT`. Default: 128.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.max_attributes(64));
    /// ```
    pub fn max_attributes(mut self, count: u32) -> Self {
        self.config.values.set(&settings::SPAN_ATTRIBUTE_COUNT, count);
        self
    }

    /// Sets the maximum length of string attribute values, in characters. Longer strings are truncated.
    ///
    /// Overridden by `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`, then `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`.
    /// Default: only the limit of 4 MiB that applies to every string.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.max_value_length(1024));
    /// ```
    pub fn max_value_length(mut self, characters: usize) -> Self {
        self.config.values.set(&settings::SPAN_VALUE_LENGTH, Some(characters));
        self
    }

    /// Sets the maximum number of events per span. Further events are dropped and counted.
    ///
    /// Overridden by `OTEL_SPAN_EVENT_COUNT_LIMIT`. Default: 128.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.max_events(32));
    /// ```
    pub fn max_events(mut self, count: u32) -> Self {
        self.config.values.set(&settings::SPAN_EVENT_COUNT, count);
        self
    }

    /// Sets the maximum number of links per span. Further links are dropped and counted.
    ///
    /// Overridden by `OTEL_SPAN_LINK_COUNT_LIMIT`. Default: 128.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.max_links(32));
    /// ```
    pub fn max_links(mut self, count: u32) -> Self {
        self.config.values.set(&settings::SPAN_LINK_COUNT, count);
        self
    }

    /// Sets the maximum number of attributes per span event. Further attributes are dropped and counted.
    ///
    /// Overridden by `OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT`, then `OTEL_ATTRIBUTE_COUNT_LIMIT`. Default: 128.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.max_attributes_per_event(32));
    /// ```
    pub fn max_attributes_per_event(mut self, count: u32) -> Self {
        self.config.values.set(&settings::EVENT_ATTRIBUTE_COUNT, count);
        self
    }

    /// Sets the maximum number of attributes per link. Further attributes are dropped and counted.
    ///
    /// Overridden by `OTEL_LINK_ATTRIBUTE_COUNT_LIMIT`, then `OTEL_ATTRIBUTE_COUNT_LIMIT`. Default: 128.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.max_attributes_per_link(32));
    /// ```
    pub fn max_attributes_per_link(mut self, count: u32) -> Self {
        self.config.values.set(&settings::LINK_ATTRIBUTE_COUNT, count);
        self
    }

    /// Adds an SDK span processor, in addition to the built-in export. Processors are called in the order in
    /// which they were added, before the export, so their changes are exported. If a processor panics, the
    /// span is exported without its changes.
    ///
    /// ```
    /// use telemetry_bootstrap::opentelemetry_sdk::trace::SpanProcessor;
    ///
    /// # fn with(processor: impl SpanProcessor + 'static) {
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.span_processor(processor));
    /// # }
    /// ```
    pub fn span_processor(mut self, processor: impl SpanProcessor + 'static) -> Self {
        self.hooks.push(move |builder| builder.with_span_processor(PanicGuard(processor)));
        self
    }

    /// Adds each `tracing` event that passes the span filter to its span, as a span event with level, target
    /// and fields, for backends without logs. By default, events are exported as log records only.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.events_on_spans());
    /// ```
    pub fn events_on_spans(mut self) -> Self {
        self.events_on_spans = true;
        self
    }

    /// Records the code location of each `tracing` span: `code.file.path`, `code.line.number` and
    /// `code.module.name`. By default, only log records have it.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.record_code_location());
    /// ```
    pub fn record_code_location(mut self) -> Self {
        self.records_code_location = true;
        self
    }

    /// Uses `tracing_opentelemetry::layer()` to turn `tracing` spans into OpenTelemetry spans: a fallback for
    /// programs that depend on the behaviour of that crate. By default, this crate's own bridge is used.
    ///
    /// The span filter, the sampler, the limits and the export stay the same. The other differences of that
    /// crate apply:
    /// - An error event sets the status of its span, with an empty description, and is added to the span as
    ///   an event. `error.type` is not set, and a panic does not change the status.
    /// - Unsigned numbers become strings, and a repeated attribute takes up several places of the limit. An
    ///   unknown `otel.status_code` and an empty `otel.name` are not corrected.
    /// - A field whose `Debug` or `Display` panics can crash the program.
    /// - The end time of spans is read from the wall clock.
    /// - Links to an invalid span context are dropped even if they have attributes.
    /// - The context of a root has no *random* flag. The exported span has it.
    /// - In a handler under a server layer, `Span::current()` is disabled.
    /// - [`record_code_location`](Self::record_code_location) has no effect.
    /// - [`ExportStats::open_spans`](crate::ExportStats::open_spans) only counts spans that have started.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.use_tracing_opentelemetry());
    /// ```
    pub fn use_tracing_opentelemetry(mut self) -> Self {
        self.uses_stock_bridge = true;
        self
    }

    /// Sets the id generator. If it panics, a random id is used. Default: random ids.
    ///
    /// ```
    /// use telemetry_bootstrap::opentelemetry_sdk::trace::RandomIdGenerator;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.id_generator(RandomIdGenerator::default()));
    /// ```
    pub fn id_generator(mut self, generator: impl IdGenerator + 'static) -> Self {
        self.custom_ids = true;
        self.hooks.push(move |builder| builder.with_id_generator(PanicGuard(generator)));
        self
    }
}
