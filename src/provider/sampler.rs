//! The sampler, and its decisions that are known in advance.
//!
//! | sampler | needs no call for | runs user code |
//! |---|---|---|
//! | `always_off` | any span | no |
//! | parent-based, with unsampled parents dropped | children of an unsampled span | no |
//! | one of the SDK's, set in code | the same, found by its type | no |
//! | any other, set in code | nothing | yes: a panic drops the span |
//!
//! A shortcut must never decide otherwise than the sampler would; what is not certain is left to the sampler.

use std::any::Any;
use std::sync::Arc;

use opentelemetry::trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator as _, Sampler, SamplingResult, ShouldSample};

use super::ids::RandomIds;
use crate::export::RANDOM_TRACE_ID;
use crate::settings::{ParentSampling, SamplerSetting};

/// Which spans are known not to be sampled, without a call of the sampler. Such a span costs only its ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SamplingShortcut {
    /// No span: the sampler is called for all.
    #[default]
    None,
    /// Children of a span that is not sampled.
    DropUnsampledParent,
    /// All spans.
    DropAll,
}

impl SamplingShortcut {
    /// Returns the shortcut of a setting. `custom` is the sampler that was set in code, and counts only if the
    /// setting says so: the environment can replace it.
    pub(crate) fn new(setting: &SamplerSetting, custom: Option<&CustomSampler>) -> Self {
        match setting {
            SamplerSetting::AlwaysOn | SamplerSetting::TraceIdRatio(_) => Self::None,
            SamplerSetting::Custom => custom.map_or(Self::DropUnsampledParent, |custom| custom.shortcut),
            SamplerSetting::AlwaysOff => Self::DropAll,
            SamplerSetting::ParentBasedAlwaysOn
            | SamplerSetting::ParentBasedAlwaysOff
            | SamplerSetting::ParentBasedTraceIdRatio(_) => Self::DropUnsampledParent,
            SamplerSetting::ParentBased(samplers) => {
                let is_off = |setting| matches!(setting, &SamplerSetting::AlwaysOff);
                match is_off(&samplers.local_not_sampled) && is_off(&samplers.remote_not_sampled) {
                    true => Self::DropUnsampledParent,
                    false => Self::None,
                }
            }
        }
    }

    /// Returns the shortcut of a sampler that was set in code.
    fn from_custom(sampler: &dyn Any) -> Self {
        match sampler.downcast_ref() {
            Some(Sampler::ParentBased(_)) => Self::DropUnsampledParent,
            Some(Sampler::AlwaysOff) => Self::DropAll,
            _ => Self::None,
        }
    }

    /// Returns `true` if no child of this span is sampled; for an invalid span context, if no root is sampled.
    pub(crate) fn drops_child_of(self, parent: &SpanContext) -> bool {
        match self {
            Self::None => false,
            Self::DropUnsampledParent => parent.is_valid() && !parent.is_sampled(),
            Self::DropAll => true,
        }
    }

    /// Returns the context of a child that is known not to be sampled. Unlike the SDK's, it keeps the *random* flag of
    /// its trace.
    pub(crate) fn unsampled_child_of(self, parent: &SpanContext) -> Option<SpanContext> {
        if !self.drops_child_of(parent) {
            return None;
        }
        let ids = RandomIds;
        let span_id = ids.new_span_id();
        let child = if parent.is_valid() {
            let flags = parent.trace_flags().with_sampled(false);
            SpanContext::new(parent.trace_id(), span_id, flags, false, parent.trace_state().clone())
        } else {
            SpanContext::new(ids.new_trace_id(), span_id, RANDOM_TRACE_ID, false, TraceState::default())
        };
        Some(child)
    }
}

/// Which spans are known to be sampled, with the trace state of their parent and without further attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kept {
    #[default]
    None,
    /// Children of a sampled span.
    SampledParent,
    /// Those and roots.
    SampledParentAndRoots,
}

impl Kept {
    /// Of a setting; in place of a custom sampler the default.
    pub(super) fn from_setting(setting: &SamplerSetting) -> Self {
        match setting {
            SamplerSetting::AlwaysOn | SamplerSetting::ParentBasedAlwaysOn | SamplerSetting::Custom => {
                Self::SampledParentAndRoots
            }
            SamplerSetting::ParentBasedAlwaysOff | SamplerSetting::ParentBasedTraceIdRatio(_) => {
                Self::SampledParent
            }
            SamplerSetting::AlwaysOff | SamplerSetting::TraceIdRatio(_) | SamplerSetting::ParentBased(_) => {
                Self::None
            }
        }
    }

    /// Of a sampler that was set in code.
    fn from_custom(sampler: &dyn Any) -> Self {
        match sampler.downcast_ref() {
            Some(Sampler::AlwaysOn) => Self::SampledParentAndRoots,
            // Which the sampler of roots is shows in its `Debug` form alone.
            Some(Sampler::ParentBased(_)) => Self::SampledParent,
            _ => Self::None,
        }
    }

    /// Returns `true` if each child of this span is known to be sampled; for an invalid span context, each root.
    pub(super) fn includes_child_of(self, parent: &SpanContext) -> bool {
        match self {
            Self::None => false,
            Self::SampledParent => parent.is_valid() && parent.is_sampled(),
            Self::SampledParentAndRoots => !parent.is_valid() || parent.is_sampled(),
        }
    }
}

/// A sampler that was set in code.
#[derive(Debug)]
pub(crate) struct CustomSampler {
    pub(super) sampler: Arc<dyn ShouldSample>,
    shortcut: SamplingShortcut,
    pub(super) kept: Kept,
    /// It is one of the SDK's.
    pub(super) is_built_in: bool,
}

impl CustomSampler {
    /// Keeps the sampler, and finds out whether it is one of the SDK's while its type is still known.
    pub(crate) fn new(sampler: impl ShouldSample + 'static) -> Self {
        let any: &dyn Any = &sampler;
        let is_built_in = match any.downcast_ref() {
            Some(Sampler::ParentBased(root)) => is_built_in_root(root.as_ref()),
            built_in => built_in.is_some(),
        };
        let shortcut = SamplingShortcut::from_custom(any);
        Self { is_built_in, shortcut, kept: Kept::from_custom(any), sampler: Arc::new(sampler) }
    }
}

/// The root sampler of a `ParentBased` one is a trait object, which shows its type only in its `Debug` form.
fn is_built_in_root(root: &dyn ShouldSample) -> bool {
    let name = format!("{root:?}");
    ["AlwaysOn", "AlwaysOff"].contains(&name.as_str()) || name.starts_with("TraceIdRatioBased(")
}

/// Returns the sampler of a setting; in place of a custom one the default.
pub(super) fn built_in(setting: &SamplerSetting) -> Arc<dyn ShouldSample> {
    Arc::new(match setting {
        SamplerSetting::AlwaysOn => Sampler::AlwaysOn,
        SamplerSetting::AlwaysOff => Sampler::AlwaysOff,
        SamplerSetting::TraceIdRatio(ratio) => Sampler::TraceIdRatioBased(*ratio),
        SamplerSetting::ParentBasedAlwaysOn | SamplerSetting::Custom => parent_based(Sampler::AlwaysOn),
        SamplerSetting::ParentBasedAlwaysOff => parent_based(Sampler::AlwaysOff),
        SamplerSetting::ParentBasedTraceIdRatio(ratio) => parent_based(Sampler::TraceIdRatioBased(*ratio)),
        SamplerSetting::ParentBased(samplers) => return Arc::new(ParentBasedSampler::new(samplers)),
    })
}

/// A sampler for each kind of parent, as `parent_based` of a configuration file describes them. The SDK's own type
/// has no choice for remote and local parents.
#[derive(Clone, Debug)]
struct ParentBasedSampler {
    /// Without a valid parent.
    root: Arc<dyn ShouldSample>,
    remote_sampled: Arc<dyn ShouldSample>,
    remote_not_sampled: Arc<dyn ShouldSample>,
    local_sampled: Arc<dyn ShouldSample>,
    local_not_sampled: Arc<dyn ShouldSample>,
}

impl ParentBasedSampler {
    /// Creates the five samplers, each of which may be parent-based itself.
    fn new(samplers: &ParentSampling) -> Self {
        let ParentSampling { root, remote_sampled, remote_not_sampled, local_sampled, local_not_sampled } =
            samplers;
        Self {
            root: built_in(root),
            remote_sampled: built_in(remote_sampled),
            remote_not_sampled: built_in(remote_not_sampled),
            local_sampled: built_in(local_sampled),
            local_not_sampled: built_in(local_not_sampled),
        }
    }
}

impl ShouldSample for ParentBasedSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let span_context = parent
            .filter(|parent| parent.has_active_span())
            .map(|parent| parent.span().span_context().clone());
        let sampler = match span_context.filter(SpanContext::is_valid) {
            None => &self.root,
            Some(parent) => match (parent.is_remote(), parent.is_sampled()) {
                (true, true) => &self.remote_sampled,
                (true, false) => &self.remote_not_sampled,
                (false, true) => &self.local_sampled,
                (false, false) => &self.local_not_sampled,
            },
        };
        sampler.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}

/// The SDK's parent-based sampler with its usual rules: children follow their parents.
fn parent_based(root: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(root))
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId};
    use opentelemetry_sdk::trace::SamplingDecision;

    use super::*;
    use crate::provider::SharedSampler;

    fn parent(flags: u8) -> SpanContext {
        let flags = TraceFlags::new(flags);
        SpanContext::new(TraceId::from(1), SpanId::from(2), flags, true, "a=1".parse().unwrap())
    }

    fn custom(sampler: impl ShouldSample + 'static) -> SamplingShortcut {
        SamplingShortcut::new(&SamplerSetting::Custom, Some(&CustomSampler::new(sampler)))
    }

    #[test]
    fn built_in_samplers_have_a_shortcut() {
        assert_eq!(custom(Sampler::AlwaysOff), SamplingShortcut::DropAll);
        assert_eq!(custom(parent_based(Sampler::AlwaysOn)), SamplingShortcut::DropUnsampledParent);
        assert_eq!(custom(Sampler::AlwaysOn), SamplingShortcut::None);
        assert_eq!(custom(Sampler::TraceIdRatioBased(0.0)), SamplingShortcut::None);
        assert_eq!(SamplingShortcut::new(&SamplerSetting::AlwaysOn, None), SamplingShortcut::None);
        // The environment takes precedence.
        let replaced = CustomSampler::new(Sampler::AlwaysOff);
        assert_eq!(
            SamplingShortcut::new(&SamplerSetting::TraceIdRatio(0.5), Some(&replaced)),
            SamplingShortcut::None
        );
    }

    #[test]
    fn shortcuts_decide_only_what_is_certain() {
        let sampled = parent(1);
        for (shortcut, parent, decided) in [
            (SamplingShortcut::None, &parent(0), false),
            (SamplingShortcut::DropUnsampledParent, &parent(0), true),
            (SamplingShortcut::DropUnsampledParent, &sampled, false),
            (SamplingShortcut::DropUnsampledParent, &SpanContext::NONE, false),
            (SamplingShortcut::DropAll, &sampled, true),
            (SamplingShortcut::DropAll, &SpanContext::NONE, true),
        ] {
            assert_eq!(shortcut.unsampled_child_of(parent).is_some(), decided, "{shortcut:?}, {parent:?}");
        }
    }

    #[test]
    fn spans_that_are_known_to_be_sampled_are_those_that_the_sampler_samples() {
        let settings = [
            SamplerSetting::AlwaysOn,
            SamplerSetting::AlwaysOff,
            SamplerSetting::TraceIdRatio(0.0),
            SamplerSetting::ParentBasedAlwaysOn,
            SamplerSetting::ParentBasedAlwaysOff,
            SamplerSetting::ParentBasedTraceIdRatio(0.0),
            SamplerSetting::Custom,
        ];
        let of_settings = settings.map(|setting| SharedSampler::new(&setting, None));
        let of_code = [
            Sampler::AlwaysOn,
            Sampler::AlwaysOff,
            Sampler::TraceIdRatioBased(0.0),
            parent_based(Sampler::AlwaysOn),
            parent_based(Sampler::AlwaysOff),
        ]
        .map(|it| SharedSampler::new(&SamplerSetting::Custom, Some(CustomSampler::new(it))));
        let mut known = 0;
        for sampler in of_settings.iter().chain(&of_code) {
            for parent in [parent(0), parent(1), SpanContext::NONE] {
                let around = Context::new().with_remote_span_context(parent.clone());
                let (id, kind) = (TraceId::from(1), SpanKind::Internal);
                let sampler = sampler.current();
                let result = sampler.should_sample(Some(&around), id, "", &kind, &[], &[]);
                if sampler.keeps_child_of(&parent) {
                    known += 1;
                    assert_eq!(result.decision, SamplingDecision::RecordAndSample, "{sampler:?}, {parent:?}");
                    assert_eq!(result.trace_state, *parent.trace_state(), "{sampler:?}, {parent:?}");
                    assert!(result.attributes.is_empty());
                }
            }
        }
        // Sampled parents of eight samplers, roots of four.
        assert_eq!(known, 12);
    }

    #[test]
    fn a_child_belongs_to_its_parents_trace() {
        let child = SamplingShortcut::DropAll.unsampled_child_of(&parent(3)).unwrap();
        assert_eq!((child.trace_id(), child.trace_flags()), (TraceId::from(1), TraceFlags::new(2)));
        assert_eq!((child.trace_state().header().as_str(), child.is_remote()), ("a=1", false));
        assert_ne!(child.span_id(), SpanId::from(2));
        let root = SamplingShortcut::DropAll.unsampled_child_of(&SpanContext::NONE).unwrap();
        assert!(root.is_valid() && !root.is_sampled());
        assert_eq!(root.trace_flags(), TraceFlags::new(2));
    }
}
