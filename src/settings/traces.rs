//! Settings of traces.

use std::borrow::Cow;
use std::fmt;

use super::builder_config::BuilderConfig;
use super::exporter::{self, DestinationSettings};
use super::limits::{self, SpanLimitSettings};
use super::queue::{QueueSettings, SPAN_QUEUE};
use super::resolve::Resolver;
use super::setting::settings;
use super::types::SamplerSetting;
use super::value_kind::{DIRECTIVES, Kind, RATIO, any, one_of, plain};

/// Resolved settings of traces.
#[derive(Clone, Debug)]
pub(crate) struct TraceSettings {
    /// None: spans are created, so that lines carry their ids, but not exported.
    pub(crate) destinations: Vec<DestinationSettings>,
    /// No spans are made at all: contexts pass through as they come.
    pub(crate) is_off: bool,
    /// Decides on roots and on children of remote parents.
    pub(crate) sampler: SamplerSetting,
    /// A file names the generator of random ids, which then replaces one that was given in code.
    pub(crate) requires_random_ids: bool,
    /// Applied when a span is encoded.
    pub(crate) limits: SpanLimitSettings,
    /// Shared by the destinations, each with limits of its own.
    pub(crate) queue: QueueSettings,
}

settings! {
    /// Decides which traces are recorded.
    SAMPLER: SamplerSetting =
        "traces.sampler", ["OTEL_TRACES_SAMPLER"], SAMPLER_KIND, SamplerSetting::ParentBasedAlwaysOn;
    /// The argument of the samplers that take one; 1.0 is the default of the specification.
    SAMPLER_ARG: f64 = "", ["OTEL_TRACES_SAMPLER_ARG"], RATIO, 1.0;
    /// Directives that decide which `tracing` spans become OpenTelemetry spans. The default keeps out the DEBUG and
    /// TRACE spans of HTTP and gRPC libraries; `#[instrument]` creates INFO spans.
    ///
    /// The target in it is that of `axum-tracing-opentelemetry` and its companions, whose spans have the level TRACE.
    SPAN_FILTER: Cow<'static, str> =
        "span_filter", ["OTEL_RUST_SPAN_FILTER"], DIRECTIVES, Cow::Borrowed("info,otel::tracing=trace");
}

impl Resolver<'_> {
    /// Resolves the settings of traces.
    pub(super) fn traces(&mut self, config: &BuilderConfig) -> TraceSettings {
        let values = &config.traces.values;
        TraceSettings {
            destinations: self.batched_destinations(
                &exporter::TRACES,
                &config.traces,
                &config.common,
                &SPAN_QUEUE,
            ),
            is_off: false,
            sampler: self.sampler(config),
            requires_random_ids: false,
            limits: limits::span_limits(self, values),
            queue: self.queue(&SPAN_QUEUE, values),
        }
    }

    /// Returns the sampler, with its argument if it takes one.
    fn sampler(&mut self, config: &BuilderConfig) -> SamplerSetting {
        match self.resolve(&SAMPLER, &config.traces.values) {
            SamplerSetting::TraceIdRatio(_) => SamplerSetting::TraceIdRatio(self.sampler_arg()),
            SamplerSetting::ParentBasedTraceIdRatio(_) => {
                SamplerSetting::ParentBasedTraceIdRatio(self.sampler_arg())
            }
            other => {
                self.warn_unused_sampler_arg(&other);
                other
            }
        }
    }

    /// Returns the argument of a sampler, which is a variable of its own.
    fn sampler_arg(&mut self) -> f64 {
        self.resolve_env(&SAMPLER_ARG)
    }

    /// Warns about an argument without effect: the operator probably expects sampling.
    fn warn_unused_sampler_arg(&mut self, sampler: &SamplerSetting) {
        let [variable] = SAMPLER_ARG.variables else { return };
        if self.env.get(variable).is_some() {
            let sampler = (SAMPLER_KIND.show)(sampler);
            self.warn_once(
                variable,
                format!("ignored, since the sampler is {sampler}, which takes no argument"),
            );
        }
    }
}

impl fmt::Display for SamplerSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom => f.write_str("custom"),
            Self::ParentBased(samplers) => write!(f, "parent_based ({})", samplers.root),
            Self::TraceIdRatio(ratio) | Self::ParentBasedTraceIdRatio(ratio) => {
                write!(f, "{} {ratio}", (SAMPLER_KIND.show)(self))
            }
            _ => f.write_str(&(SAMPLER_KIND.show)(self)),
        }
    }
}

/// A sampler by its name in the specification.
const SAMPLER_KIND: Kind<SamplerSetting> = Kind {
    parse: |text| one_of(text, &SAMPLERS),
    check: any,
    show: |sampler| {
        let same = |known: &SamplerSetting| std::mem::discriminant(known) == std::mem::discriminant(sampler);
        let found = SAMPLERS.iter().find(|(_, known)| same(known));
        found.map_or("the sampler", |(name, _)| name).to_owned()
    },
    quote: plain,
};

/// The names that `OTEL_TRACES_SAMPLER` can have.
const SAMPLERS: [(&str, SamplerSetting); 6] = [
    ("always_on", SamplerSetting::AlwaysOn),
    ("always_off", SamplerSetting::AlwaysOff),
    ("traceidratio", SamplerSetting::TraceIdRatio(1.0)),
    ("parentbased_always_on", SamplerSetting::ParentBasedAlwaysOn),
    ("parentbased_always_off", SamplerSetting::ParentBasedAlwaysOff),
    ("parentbased_traceidratio", SamplerSetting::ParentBasedTraceIdRatio(1.0)),
];
