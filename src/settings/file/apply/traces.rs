//! The tracer provider.
//!
//! | sampler in the file | here |
//! |---|---|
//! | none | `parentbased_always_on`, or the one in code |
//! | `always_on`, `always_off`, `trace_id_ratio_based` | the same; the ratio is 1 by default |
//! | `parent_based` | five samplers, or the environment's name if children follow their parents |
//! | `composite/development`, `jaeger_remote/development`, `probability/development` | refused by the model, with their positions |
//!
//! | key | setting |
//! |---|---|
//! | `processors` | `destinations` of [`Settings::traces`], and the limits of the queue |
//! | `limits` | see [`limits`](super::limits) |
//! | `sampler` | `traces.sampler`, `OTEL_TRACES_SAMPLER` |
//! | `id_generator: {random: }` | a generator of code is not used |
//! | `tracer_provider` absent | `is_off`: no spans are made, and log lines have no ids |

use super::Apply;
use super::processors::Processor;
use crate::settings::file::model::{ParentBased, Sampler, TraceIdRatio};
use crate::settings::queue::SPAN_QUEUE;
use crate::settings::types::{ParentSampling, SamplerSetting};
use crate::settings::{Settings, exporter};

impl Apply<'_> {
    /// The first pass: limits of the queue.
    pub(super) fn trace_values(&mut self) {
        let processors = self.span_processors();
        self.queue_values(&SPAN_QUEUE, &processors);
    }

    /// The second pass: exporters and sampler. Without a provider in the file, traces are off.
    ///
    /// Destinations of code and the environment are replaced, also by none.
    pub(super) fn traces(&mut self, settings: &mut Settings) {
        let processors = self.span_processors();
        settings.traces.destinations = self.processor_destinations(&exporter::TRACES, &processors);
        let Some(provider) = &self.document.tracer_provider else {
            settings.traces.is_off = true;
            return;
        };
        settings.traces.requires_random_ids = provider.id_generator.is_some();
        match &provider.sampler {
            Some(given) => settings.traces.sampler = sampler(given),
            // The file cannot name a sampler that is code.
            None if settings.traces.sampler == SamplerSetting::Custom => {}
            None => settings.traces.sampler = SamplerSetting::ParentBasedAlwaysOn,
        }
    }
}

impl<'a> Apply<'a> {
    /// Returns the processors of spans, which live as long as the document.
    ///
    /// Empty without a tracer provider. Both passes convert them anew; a conversion copies nothing but references.
    fn span_processors(&self) -> Vec<Processor<'a>> {
        let document = self.document;
        let processors = document.tracer_provider.iter().flat_map(|provider| &provider.processors.0);
        processors.map(Processor::from).collect()
    }
}

/// Converts a sampler. Where a part is missing, the schema's default holds.
///
/// Types of samplers that are not supported have no values: the model has reported them.
fn sampler(model: &Sampler) -> SamplerSetting {
    match model {
        Sampler::AlwaysOn(_) => SamplerSetting::AlwaysOn,
        Sampler::AlwaysOff(_) => SamplerSetting::AlwaysOff,
        Sampler::TraceIdRatio(TraceIdRatio { ratio, .. }) => {
            SamplerSetting::TraceIdRatio(ratio.map_or(1.0, |ratio| ratio.0))
        }
        Sampler::ParentBased(parent_based) => {
            let ParentBased {
                root,
                remote_parent_sampled,
                remote_parent_not_sampled,
                local_parent_sampled,
                local_parent_not_sampled,
                ..
            } = &**parent_based;
            let or = |given: &Option<Sampler>, default| given.as_ref().map_or(default, sampler);
            usual(ParentSampling {
                root: or(root, SamplerSetting::AlwaysOn),
                remote_sampled: or(remote_parent_sampled, SamplerSetting::AlwaysOn),
                remote_not_sampled: or(remote_parent_not_sampled, SamplerSetting::AlwaysOff),
                local_sampled: or(local_parent_sampled, SamplerSetting::AlwaysOn),
                local_not_sampled: or(local_parent_not_sampled, SamplerSetting::AlwaysOff),
            })
        }
        Sampler::Composite(never) => match *never {},
        Sampler::JaegerRemote(never) => match *never {},
        Sampler::Probability(never) => match *never {},
    }
}

/// Returns the sampler by the name that the environment has for it, if children follow their parents.
///
/// The start line then shows `parentbased_traceidratio` instead of five samplers, and the sampler's shortcut applies.
fn usual(samplers: ParentSampling) -> SamplerSetting {
    let ParentSampling { root, remote_sampled, remote_not_sampled, local_sampled, local_not_sampled } =
        &samplers;
    let follows = [remote_sampled, local_sampled].iter().all(|sampled| **sampled == SamplerSetting::AlwaysOn)
        && [remote_not_sampled, local_not_sampled].iter().all(|not| **not == SamplerSetting::AlwaysOff);
    match root {
        SamplerSetting::AlwaysOn if follows => SamplerSetting::ParentBasedAlwaysOn,
        SamplerSetting::AlwaysOff if follows => SamplerSetting::ParentBasedAlwaysOff,
        SamplerSetting::TraceIdRatio(ratio) if follows => SamplerSetting::ParentBasedTraceIdRatio(*ratio),
        _ => SamplerSetting::ParentBased(Box::new(samplers)),
    }
}
