//! The tracer provider.

use super::macros::{component, object, unsupported};
use super::processors::{BatchSpanProcessor, SimpleSpanProcessor};
use super::values::{List, Ratio, Unsigned};

object! {
    /// Where spans go, and which are recorded.
    TracerProvider = "TracerProvider", null refused {
        /// At least one; all of them share the queue of spans.
        processors: List<SpanProcessor>,
        /// Where it leaves something open, `attribute_limits` of the document hold.
        limits: Option<SpanLimits>,
        /// Default: parent based, with all roots sampled.
        sampler: Option<Sampler>,
        /// Default: random ids, unless code has a generator. Naming `random` leaves that one out.
        id_generator: Option<IdGenerator>,
        configurator["tracer_configurator/development"]: Option<TracerConfigurator>,
    }
}

component! {
    /// A processor of spans.
    SpanProcessor = "SpanProcessor", open {
        "batch" => Batch(Box<BatchSpanProcessor>),
        "simple" => Simple(Box<SimpleSpanProcessor>),
    }
}

object! {
    /// Limits of one span.
    SpanLimits = "SpanLimits", null refused {
        /// Characters of one text. Default: no limit.
        attribute_value_length_limit: Option<Unsigned>,
        /// Attributes of one span. Default: 128.
        attribute_count_limit: Option<Unsigned>,
        /// Events of one span. Default: 128.
        event_count_limit: Option<Unsigned>,
        /// Links of one span. Default: 128.
        link_count_limit: Option<Unsigned>,
        /// Attributes of one event. Default: 128.
        event_attribute_count_limit: Option<Unsigned>,
        /// Attributes of one link. Default: 128.
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
        ratio: Option<Ratio>,
    }
}

object! {
    /// Decides by the parent of a span.
    ParentBased = "ParentBasedSampler", null default {
        /// For spans without a parent. Default: `always_on`.
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
