//! The sampler that was asked for.

use opentelemetry_sdk::trace::{Sampler, ShouldSample};

use crate::settings::SamplerSetting;

pub(super) fn sampler(
    setting: &SamplerSetting,
    custom: Option<Box<dyn ShouldSample>>,
) -> Box<dyn ShouldSample> {
    let sampler = match setting {
        SamplerSetting::AlwaysOn => Sampler::AlwaysOn,
        SamplerSetting::AlwaysOff => Sampler::AlwaysOff,
        SamplerSetting::TraceIdRatio(ratio) => Sampler::TraceIdRatioBased(*ratio),
        SamplerSetting::ParentBasedAlwaysOn => parent_based(Sampler::AlwaysOn),
        SamplerSetting::ParentBasedAlwaysOff => parent_based(Sampler::AlwaysOff),
        SamplerSetting::ParentBasedTraceIdRatio(ratio) => parent_based(Sampler::TraceIdRatioBased(*ratio)),
        SamplerSetting::Custom => return custom.unwrap_or_else(|| Box::new(parent_based(Sampler::AlwaysOn))),
    };
    Box::new(sampler)
}

fn parent_based(root: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(root))
}
