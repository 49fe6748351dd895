//! The sampler that was asked for.

use std::any::Any;

use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, Sampler, ShouldSample};

use crate::settings::SamplerSetting;

/// What is known of a sampler's decisions before it is asked: such spans need not be prepared at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SamplingShortcut {
    #[default]
    Nothing,
    /// Children of a span that is not sampled are not sampled.
    UnsampledParent,
    /// Nothing is sampled.
    Everything,
}

impl SamplingShortcut {
    pub(crate) fn of(setting: &SamplerSetting, custom: Option<&CustomSampler>) -> Self {
        match setting {
            SamplerSetting::AlwaysOn | SamplerSetting::TraceIdRatio(_) => Self::Nothing,
            SamplerSetting::Custom => custom.map_or(Self::UnsampledParent, |custom| custom.sampling_shortcut),
            SamplerSetting::AlwaysOff => Self::Everything,
            SamplerSetting::ParentBasedAlwaysOn
            | SamplerSetting::ParentBasedAlwaysOff
            | SamplerSetting::ParentBasedTraceIdRatio(_) => Self::UnsampledParent,
        }
    }

    fn of_custom(sampler: &dyn Any) -> Self {
        match sampler.downcast_ref() {
            Some(Sampler::ParentBased(_)) => Self::UnsampledParent,
            Some(Sampler::AlwaysOff) => Self::Everything,
            _ => Self::Nothing,
        }
    }

    /// Whether it is known that no child of this span, or no root if it is none, is sampled.
    fn drops_child_of(self, parent: &SpanContext) -> bool {
        match self {
            Self::Nothing => false,
            Self::UnsampledParent => parent.is_valid() && !parent.is_sampled(),
            Self::Everything => true,
        }
    }

    /// A child that is known not to be sampled: as the SDK makes it, but with the *random* flag of its trace.
    pub(crate) fn unsampled_child_of(self, parent: &SpanContext) -> Option<SpanContext> {
        if !self.drops_child_of(parent) {
            return None;
        }
        let ids = RandomIdGenerator::default();
        let span_id = ids.new_span_id();
        let child = if parent.is_valid() {
            let flags = parent.trace_flags().with_sampled(false);
            SpanContext::new(parent.trace_id(), span_id, flags, false, parent.trace_state().clone())
        } else {
            SpanContext::new(ids.new_trace_id(), span_id, TraceFlags::default(), false, TraceState::default())
        };
        Some(child)
    }
}

/// A sampler that was given in code.
#[derive(Debug)]
pub(crate) struct CustomSampler {
    sampler: Box<dyn ShouldSample>,
    sampling_shortcut: SamplingShortcut,
}

impl CustomSampler {
    pub(crate) fn new(sampler: impl ShouldSample + 'static) -> Self {
        Self { sampling_shortcut: SamplingShortcut::of_custom(&sampler), sampler: Box::new(sampler) }
    }
}

pub(super) fn sampler(setting: &SamplerSetting, custom: Option<CustomSampler>) -> Box<dyn ShouldSample> {
    let sampler = match setting {
        SamplerSetting::AlwaysOn => Sampler::AlwaysOn,
        SamplerSetting::AlwaysOff => Sampler::AlwaysOff,
        SamplerSetting::TraceIdRatio(ratio) => Sampler::TraceIdRatioBased(*ratio),
        SamplerSetting::ParentBasedAlwaysOn => parent_based(Sampler::AlwaysOn),
        SamplerSetting::ParentBasedAlwaysOff => parent_based(Sampler::AlwaysOff),
        SamplerSetting::ParentBasedTraceIdRatio(ratio) => parent_based(Sampler::TraceIdRatioBased(*ratio)),
        SamplerSetting::Custom => match custom {
            Some(custom) => return custom.sampler,
            None => parent_based(Sampler::AlwaysOn),
        },
    };
    Box::new(sampler)
}

fn parent_based(root: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(root))
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceId};

    use super::*;

    fn parent(flags: u8) -> SpanContext {
        let flags = TraceFlags::new(flags);
        SpanContext::new(TraceId::from(1), SpanId::from(2), flags, true, "a=1".parse().unwrap())
    }

    fn custom(sampler: impl ShouldSample + 'static) -> SamplingShortcut {
        SamplingShortcut::of(&SamplerSetting::Custom, Some(&CustomSampler::new(sampler)))
    }

    #[test]
    fn decisions_are_foreseen_where_the_sdk_makes_them() {
        assert_eq!(custom(Sampler::AlwaysOff), SamplingShortcut::Everything);
        assert_eq!(custom(parent_based(Sampler::AlwaysOn)), SamplingShortcut::UnsampledParent);
        assert_eq!(custom(Sampler::AlwaysOn), SamplingShortcut::Nothing);
        assert_eq!(custom(Sampler::TraceIdRatioBased(0.0)), SamplingShortcut::Nothing);
        assert_eq!(SamplingShortcut::of(&SamplerSetting::AlwaysOn, None), SamplingShortcut::Nothing);
        // The environment has the last word.
        let replaced = CustomSampler::new(Sampler::AlwaysOff);
        assert_eq!(
            SamplingShortcut::of(&SamplerSetting::TraceIdRatio(0.5), Some(&replaced)),
            SamplingShortcut::Nothing
        );
    }

    #[test]
    fn only_what_is_foreseen_is_decided_without_the_sampler() {
        let sampled = parent(1);
        for (sampling_shortcut, parent, decided) in [
            (SamplingShortcut::Nothing, &parent(0), false),
            (SamplingShortcut::UnsampledParent, &parent(0), true),
            (SamplingShortcut::UnsampledParent, &sampled, false),
            (SamplingShortcut::UnsampledParent, &SpanContext::NONE, false),
            (SamplingShortcut::Everything, &sampled, true),
            (SamplingShortcut::Everything, &SpanContext::NONE, true),
        ] {
            assert_eq!(
                sampling_shortcut.unsampled_child_of(parent).is_some(),
                decided,
                "{sampling_shortcut:?}, {parent:?}"
            );
        }
    }

    #[test]
    fn a_child_belongs_to_its_parents_trace() {
        let child = SamplingShortcut::Everything.unsampled_child_of(&parent(3)).unwrap();
        assert_eq!((child.trace_id(), child.trace_flags()), (TraceId::from(1), TraceFlags::new(2)));
        assert_eq!((child.trace_state().header().as_str(), child.is_remote()), ("a=1", false));
        assert_ne!(child.span_id(), SpanId::from(2));
        let root = SamplingShortcut::Everything.unsampled_child_of(&SpanContext::NONE).unwrap();
        assert!(root.is_valid() && !root.is_sampled());
    }
}
