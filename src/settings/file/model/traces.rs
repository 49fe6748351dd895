//! The tracer provider.
//!
//! | key | default | variable or setter |
//! |---|---|---|
//! | `processors` | required, at least one | `OTEL_TRACES_EXPORTER`, `OTEL_BSP_…` |
//! | `limits` | 128 of each, no limit of length | `OTEL_SPAN_…_LIMIT`, `OTEL_EVENT_…`, `OTEL_LINK_…` |
//! | `sampler` | `parent_based` with `always_on` | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` |
//! | `id_generator` | random ids | in code |
//! | `tracer_configurator/development` | refused | `span_filter` below `distribution` |
//!
//! # Samplers
//!
//! | in the file | `OTEL_TRACES_SAMPLER` |
//! |---|---|
//! | `always_on:` | `always_on` |
//! | `always_off:` | `always_off` |
//! | `trace_id_ratio_based: {ratio: 0.1}` | `traceidratio` |
//! | `parent_based: {root: {always_on: }}`, `parent_based:` | `parentbased_always_on` |
//! | `parent_based: {root: {always_off: }}` | `parentbased_always_off` |
//! | `parent_based: {root: {trace_id_ratio_based: {ratio: 0.1}}}` | `parentbased_traceidratio` |
//!
//! A sampler takes effect at a reload; every other key of the provider takes effect at the next start.

use super::macros::{component, object, unsupported};
use super::processors::{BatchSpanProcessor, SimpleSpanProcessor};
use super::values::{List, Ratio, Unsigned};

object! {
    /// Where spans go, and which are recorded.
    TracerProvider = "TracerProvider", null refused {
        /// At least one; all of them share the queue of spans.
        ///
        /// Each is a destination. A span is encoded once and sent to all of them.
        processors: List<SpanProcessor>,
        /// Where it leaves something open, `attribute_limits` of the document hold.
        limits: Option<SpanLimits>,
        /// Default: parent based, with all roots sampled.
        ///
        /// A sampler that code has is used if the file has none.
        sampler: Option<Sampler>,
        /// Default: random ids, unless code has a generator. Naming `random` leaves that one out.
        id_generator: Option<IdGenerator>,
        /// Refused: there are no settings of single tracers.
        configurator["tracer_configurator/development"]: Option<TracerConfigurator>,
    }
}

component! {
    /// A processor of spans.
    SpanProcessor = "SpanProcessor", open {
        /// Sends spans in batches.
        "batch" => Batch(Box<BatchSpanProcessor>),
        /// Sends each span at once, on the thread that exports.
        "simple" => Simple(Box<SimpleSpanProcessor>),
    }
}

object! {
    /// Limits of one span.
    SpanLimits = "SpanLimits", null refused {
        /// Characters of one text. Default: no limit.
        ///
        /// Longer texts are cut, those of events and links too.
        attribute_value_length_limit: Option<Unsigned>,
        /// Attributes of one span. Default: 128.
        ///
        /// Further attributes are dropped and counted in the span.
        attribute_count_limit: Option<Unsigned>,
        /// Events of one span. Default: 128.
        ///
        /// Further events are dropped and counted in the span.
        event_count_limit: Option<Unsigned>,
        /// Links of one span. Default: 128.
        ///
        /// Further links are dropped and counted in the span.
        link_count_limit: Option<Unsigned>,
        /// Attributes of one event. Default: 128.
        ///
        /// Further attributes are dropped and counted in the event. `attribute_limits` of the document hold if it is
        /// absent.
        event_attribute_count_limit: Option<Unsigned>,
        /// Attributes of one link. Default: 128.
        ///
        /// Further attributes are dropped and counted in the link. `attribute_limits` of the document hold if it is
        /// absent.
        link_attribute_count_limit: Option<Unsigned>,
    }
}

component! {
    /// Decides which traces are recorded.
    Sampler = "Sampler", open {
        "always_off" => AlwaysOff(AlwaysOff),
        "always_on" => AlwaysOn(AlwaysOn),
        "composite/development" => Composite(CompositeSampler),
        "jaeger_remote/development" => JaegerRemote(JaegerRemoteSampler),
        "parent_based" => ParentBased(Box<ParentBased>),
        "probability/development" => Probability(ProbabilitySampler),
        "trace_id_ratio_based" => TraceIdRatio(TraceIdRatio),
    }
}

object! {
    /// Records all traces.
    AlwaysOn = "AlwaysOnSampler", null default {}
}

object! {
    /// Records no trace.
    AlwaysOff = "AlwaysOffSampler", null default {}
}

object! {
    /// Records a part of all traces.
    TraceIdRatio = "TraceIdRatioBasedSampler", null default {
        /// The part that is recorded. Default: 1.0.
        ///
        /// The decision depends on the trace id alone, so that services with the same ratio record the same traces.
        ratio: Option<Ratio>,
    }
}

object! {
    /// Decides by the parent of a span.
    ParentBased = "ParentBasedSampler", null default {
        /// For spans without a parent. Default: `always_on`.
        ///
        /// It may itself be `parent_based`, up to the depth that the parser allows.
        root: Option<Sampler>,
        /// For a sampled parent in another process. Default: `always_on`.
        remote_parent_sampled: Option<Sampler>,
        /// For a parent in another process that is not sampled. Default: `always_off`.
        remote_parent_not_sampled: Option<Sampler>,
        /// For a sampled parent in this process. Default: `always_on`.
        local_parent_sampled: Option<Sampler>,
        /// For a parent in this process that is not sampled. Default: `always_off`.
        local_parent_not_sampled: Option<Sampler>,
    }
}

component! {
    /// Where ids come from.
    IdGenerator = "IdGenerator", open {
        /// The only generator of the schema.
        "random" => Random(RandomIds),
    }
}

object! {
    /// Random ids.
    RandomIds = "RandomIdGenerator", null default {}
}

unsupported! {
    /// Samplers with thresholds.
    CompositeSampler = "ExperimentalComposableSampler":
        "composite samplers are experimental; use parent_based and trace_id_ratio_based";
    /// Sampling strategies from a Jaeger agent.
    JaegerRemoteSampler = "ExperimentalJaegerRemoteSampler":
        "remote sampling is experimental; give a sampler of your own in code";
    /// A sampler with thresholds.
    ProbabilitySampler = "ExperimentalProbabilitySampler":
        "the probability sampler is experimental; use trace_id_ratio_based";
    /// Settings of single tracers.
    TracerConfigurator = "ExperimentalTracerConfigurator":
        "the SDK has no tracer configurator; use `span_filter` under `distribution`";
}
