//! The tracer provider and the logger provider.
//!
//! A file has a processor for each destination. Here destinations of a signal share the limits of a queue, so that each
//! processor repeats them.
//!
//! | setting | in the file |
//! |---|---|
//! | `max_queue_size`, `max_export_batch_size` | the keys of these names |
//! | `scheduled_delay` | `schedule_delay`, in milliseconds |
//! | the exporter's timeout | `export_timeout` of the processor and `timeout` of the exporter |
//! | `max_queue_bytes` | below `distribution` |
//!
//! # Samplers
//!
//! | setting | in the file |
//! |---|---|
//! | `AlwaysOn`, `AlwaysOff` | `always_on:`, `always_off:` |
//! | `TraceIdRatio` | `trace_id_ratio_based` with `ratio` |
//! | `ParentBasedAlwaysOn` and its siblings | `parent_based` with `root` |
//! | `ParentBased` | `parent_based` with all five samplers |
//! | `Custom` | none: the one in code counts if the file has none |

use std::time::Duration;

use super::Writer;
use super::yaml::{Map, Yaml};
use crate::settings::exporter::{DestinationSettings, LOGS, SignalExporter, TRACES};
use crate::settings::limits::{
    EVENT_ATTRIBUTE_COUNT, LINK_ATTRIBUTE_COUNT, RECORD_ATTRIBUTE_COUNT, RECORD_VALUE_LENGTH,
    SPAN_ATTRIBUTE_COUNT, SPAN_EVENT_COUNT, SPAN_LINK_COUNT, SPAN_VALUE_LENGTH,
};
use crate::settings::queue::{LOG_QUEUE, QueueSetting, QueueSettings, SPAN_QUEUE};
use crate::settings::traces::SAMPLER;
use crate::settings::types::{ParentSampling, SamplerSetting};
use crate::settings::value_kind::YEAR;
use crate::settings::{Signal, SpanLimitSettings};

impl Writer<'_> {
    /// Returns the tracer provider, or `None` and a note if traces are not exported.
    ///
    /// Without exporters, a program still makes spans, so that its lines have ids. The schema cannot express that: a
    /// file without a tracer provider makes none.
    ///
    /// Limits are always written, apart from that of the length of values, for which the schema has no word for "none".
    pub(super) fn tracer_provider(&mut self) -> Option<Map> {
        let traces = &self.settings.traces;
        if traces.destinations.is_empty() {
            self.note_absent(
                Signal::Traces,
                "with this file no spans are made either, so that lines have no ids",
            );
            return None;
        }
        let mut provider = Map::default();
        let processors = self.processors(&TRACES, &SPAN_QUEUE, traces.queue, &traces.destinations);
        provider.set("processors", processors);
        let SpanLimitSettings { attributes, events, links, attributes_per_event, attributes_per_link } =
            traces.limits;
        let mut limits = Map::default();
        if let Some(length) = attributes.value_length {
            limits.set_from("attribute_value_length_limit", length, self.origin(SPAN_VALUE_LENGTH.key()));
        }
        for (key, limit, setting) in [
            ("attribute_count_limit", attributes.count, SPAN_ATTRIBUTE_COUNT.key()),
            ("event_count_limit", events, SPAN_EVENT_COUNT.key()),
            ("link_count_limit", links, SPAN_LINK_COUNT.key()),
            ("event_attribute_count_limit", attributes_per_event, EVENT_ATTRIBUTE_COUNT.key()),
            ("link_attribute_count_limit", attributes_per_link, LINK_ATTRIBUTE_COUNT.key()),
        ] {
            limits.set_from(key, limit, self.origin(setting));
        }
        provider.set("limits", limits);
        if let Some(sampler) = sampler(&traces.sampler) {
            provider.set_from("sampler", sampler, self.origin(SAMPLER.key()));
        }
        if traces.requires_random_ids {
            provider.set("id_generator", Map::from_entry("random", Yaml::Null));
        }
        Some(provider)
    }

    /// Returns the logger provider, or `None` and a note if log records are not exported.
    pub(super) fn logger_provider(&mut self) -> Option<Map> {
        let logs = &self.settings.logs;
        if logs.destinations.is_empty() {
            self.note_absent(Signal::Logs, "the file has no `logger_provider`");
            return None;
        }
        let mut limits = Map::default();
        if let Some(length) = logs.limits.value_length {
            limits.set_from("attribute_value_length_limit", length, self.origin(RECORD_VALUE_LENGTH.key()));
        }
        let count = self.origin(RECORD_ATTRIBUTE_COUNT.key());
        limits.set_from("attribute_count_limit", logs.limits.count, count);
        let processors = self.processors(&LOGS, &LOG_QUEUE, logs.queue, &logs.destinations);
        Some(Map::from_entry("processors", processors).with("limits", limits))
    }

    /// One processor for each destination, all with the limits of the queue that they share.
    ///
    /// All of them are `batch`: a simple processor of a file has become batches of one without delay.
    fn processors(
        &mut self,
        signal: &SignalExporter,
        settings: &QueueSetting,
        queue: QueueSettings,
        destinations: &[DestinationSettings],
    ) -> Vec<Map> {
        let mut processors = Vec::new();
        for (index, destination) in destinations.iter().enumerate() {
            let mut batch = Map::default();
            let origin = self.origin(settings.scheduled_delay.key());
            batch.set_from("schedule_delay", queue.delay, origin);
            if let DestinationSettings::Otlp(export) = destination {
                batch.set("export_timeout", limit(export.timeout));
            }
            let origin = self.origin(settings.max_queue_size.key());
            batch.set_from("max_queue_size", queue.max_items, origin);
            let origin = self.origin(settings.max_export_batch_size.key());
            batch.set_from("max_export_batch_size", queue.max_export_batch_size, origin);
            let (name, exporter) = self.exporter(signal, index, destination);
            batch.set("exporter", component(name, exporter));
            processors.push(Map::from_entry("batch", batch));
        }
        processors
    }
}

/// A component with its options, or the bare name of one without any.
///
/// The schema takes null for all defaults.
pub(super) fn component(name: &str, options: Map) -> Map {
    let options = if options.is_empty() { Yaml::Null } else { options.into() };
    Map::from_entry(name, options)
}

/// In a file, zero stands for no limit.
///
/// A year or more is how settings hold "no limit".
pub(super) fn limit(timeout: Duration) -> Duration {
    if timeout >= YEAR { Duration::ZERO } else { timeout }
}

/// Returns a sampler. `None` for one in code, which counts if the file names none.
///
/// The environment's `parentbased_…` names become `parent_based` with a root alone: the schema's defaults for its other
/// parts are the same.
fn sampler(setting: &SamplerSetting) -> Option<Map> {
    let parent_based = |root: &SamplerSetting| {
        Some(Map::from_entry("parent_based", Map::from_entry("root", sampler(root)?)))
    };
    match setting {
        SamplerSetting::AlwaysOn => Some(component("always_on", Map::default())),
        SamplerSetting::AlwaysOff => Some(component("always_off", Map::default())),
        SamplerSetting::TraceIdRatio(ratio) => {
            Some(Map::from_entry("trace_id_ratio_based", Map::from_entry("ratio", *ratio)))
        }
        SamplerSetting::ParentBasedAlwaysOn => parent_based(&SamplerSetting::AlwaysOn),
        SamplerSetting::ParentBasedAlwaysOff => parent_based(&SamplerSetting::AlwaysOff),
        SamplerSetting::ParentBasedTraceIdRatio(ratio) => parent_based(&SamplerSetting::TraceIdRatio(*ratio)),
        SamplerSetting::ParentBased(samplers) => {
            let ParentSampling { root, remote_sampled, remote_not_sampled, local_sampled, local_not_sampled } =
                &**samplers;
            let mut options = Map::default();
            for (key, setting) in [
                ("root", root),
                ("remote_parent_sampled", remote_sampled),
                ("remote_parent_not_sampled", remote_not_sampled),
                ("local_parent_sampled", local_sampled),
                ("local_parent_not_sampled", local_not_sampled),
            ] {
                options.set_some(key, sampler(setting));
            }
            Some(Map::from_entry("parent_based", options))
        }
        SamplerSetting::Custom => None,
    }
}
