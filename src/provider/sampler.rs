//! The sampler, and its decisions that are known in advance.
//!
//! | sampler | needs no call for | runs user code |
//! |---|---|---|
//! | `always_off` | any span | no |
//! | `always_on` | children of a sampled span, and roots | no |
//! | `parentbased_always_on` | any span | no |
//! | `parentbased_always_off`, `parentbased_traceidratio` | children of any span | no |
//! | `parent_based` of a file, with unsampled parents dropped | children of an unsampled span | no |
//! | one of the SDK's, set in code | the same, found by its type, but no roots of a parent-based one | no, unless the root sampler is the user's |
//! | any other, set in code | nothing | yes: a panic drops the span |
//!
//! A shortcut must agree with the sampler; if in doubt, the sampler is called.
//!
//! # Parents
//!
//! | parent of the span | `parentbased_*` | other samplers |
//! |---|---|---|
//! | none, an invalid span context, or a caller that left the decision open (B3, X-Ray) | the root sampler decides | the sampler decides |
//! | local or remote, sampled | sampled | the sampler decides |
//! | local or remote, not sampled | not sampled | the sampler decides |
//!
//! A configuration file can choose another sampler for each of the four kinds of parents ([`ParentBasedSampler`]).
//!
//! # What is known in advance
//!
//! A [`SamplingShortcut`] knows two kinds of spans: those that are dropped ([`Dropped`]), for which the bridge prepares
//! nothing, and those that are sampled ([`Kept`]), for which it does not build the arguments of a call whose result is
//! certain.

use std::any::Any;
use std::sync::Arc;

use opentelemetry::trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator as _, Sampler, SamplingResult, ShouldSample};

use super::ids::RandomIds;
use crate::export::RANDOM_TRACE_ID;
use crate::settings::{ParentSampling, SamplerSetting};

/// Sampling decisions known without calling the sampler. A span that is known not to be sampled costs only its ids.
///
/// Stored as a number by [`SharedSampler`](super::SharedSampler), and read at the start of each span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SamplingShortcut {
    /// The spans that are known not to be sampled.
    pub(super) dropped: Dropped,
    /// The spans that are known to be sampled.
    pub(super) kept: Kept,
}

/// The spans that are known not to be sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Dropped {
    /// No span: the sampler is called.
    #[default]
    None,
    /// Children of a span that is not sampled.
    UnsampledParent,
    /// Every span.
    All,
}

/// The spans that are known to be sampled, with the trace state of their parent and without further attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kept {
    /// No span: the sampler is called.
    #[default]
    None,
    /// Children of a sampled span.
    SampledParent,
    /// Children of a sampled span, and roots.
    SampledParentAndRoots,
}

impl SamplingShortcut {
    /// Returns the shortcut of a setting. `custom` is the sampler that was set in code, and counts only if the
    /// setting says so: the environment can replace it.
    pub(crate) fn new(setting: &SamplerSetting, custom: Option<&CustomSampler>) -> Self {
        match (setting, custom) {
            (SamplerSetting::Custom, Some(custom)) => custom.shortcut,
            _ => Self { dropped: Dropped::from_setting(setting), kept: Kept::from_setting(setting) },
        }
    }

    /// Returns the shortcut of a sampler that was set in code.
    fn from_custom(sampler: &dyn Any) -> Self {
        let (dropped, kept) = match sampler.downcast_ref() {
            // The root sampler can be recognised by its `Debug` form only.
            Some(Sampler::ParentBased(_)) => (Dropped::UnsampledParent, Kept::SampledParent),
            Some(Sampler::AlwaysOff) => (Dropped::All, Kept::None),
            Some(Sampler::AlwaysOn) => (Dropped::None, Kept::SampledParentAndRoots),
            _ => (Dropped::None, Kept::None),
        };
        Self { dropped, kept }
    }

    /// Returns `true` if no child of this span is sampled; for an invalid span context, if no root is sampled.
    #[inline]
    pub(crate) fn drops_child_of(self, parent: &SpanContext) -> bool {
        match self.dropped {
            Dropped::None => false,
            Dropped::UnsampledParent => parent.is_valid() && !parent.is_sampled(),
            Dropped::All => true,
        }
    }

    /// Returns `true` if each child of this span is sampled, with its trace state and without further attributes; for
    /// an invalid span context, each root.
    #[inline]
    pub(crate) fn keeps_child_of(self, parent: &SpanContext) -> bool {
        match self.kept {
            Kept::None => false,
            Kept::SampledParent => parent.is_valid() && parent.is_sampled(),
            Kept::SampledParentAndRoots => !parent.is_valid() || parent.is_sampled(),
        }
    }

    /// Returns the context of a child that is known not to be sampled. Unlike the SDK's, it keeps the *random* flag of
    /// its trace. `None` if the sampler has to decide.
    ///
    /// The child has a new span id, and the trace state of its parent; a root has a new trace id.
    #[inline]
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

    /// Returns the shortcut as a number, for an atomic value: two bits for each part.
    pub(super) fn to_number(self) -> u8 {
        self.dropped as u8 | (self.kept as u8) << 2
    }

    /// Returns the shortcut of a number that [`to_number`](Self::to_number) made.
    #[inline]
    pub(super) fn from_number(number: u8) -> Self {
        let dropped = match number & 3 {
            1 => Dropped::UnsampledParent,
            2 => Dropped::All,
            _ => Dropped::None,
        };
        let kept = match number >> 2 {
            1 => Kept::SampledParent,
            2 => Kept::SampledParentAndRoots,
            _ => Kept::None,
        };
        Self { dropped, kept }
    }
}

impl Dropped {
    /// Returns what is known of the sampler of a setting. A custom sampler is treated as the default.
    fn from_setting(setting: &SamplerSetting) -> Self {
        match setting {
            SamplerSetting::AlwaysOn | SamplerSetting::TraceIdRatio(_) => Self::None,
            SamplerSetting::AlwaysOff => Self::All,
            SamplerSetting::Custom
            | SamplerSetting::ParentBasedAlwaysOn
            | SamplerSetting::ParentBasedAlwaysOff
            | SamplerSetting::ParentBasedTraceIdRatio(_) => Self::UnsampledParent,
            SamplerSetting::ParentBased(samplers) => {
                let is_off = |setting| matches!(setting, &SamplerSetting::AlwaysOff);
                match is_off(&samplers.local_not_sampled) && is_off(&samplers.remote_not_sampled) {
                    true => Self::UnsampledParent,
                    false => Self::None,
                }
            }
        }
    }
}

impl Kept {
    /// Returns what is known of the sampler of a setting. A custom sampler is treated as the default.
    fn from_setting(setting: &SamplerSetting) -> Self {
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
}

/// A sampler that was set in code.
#[derive(Debug)]
pub(crate) struct CustomSampler {
    /// The sampler itself.
    pub(super) sampler: Arc<dyn ShouldSample>,
    /// Decisions that are known without calling the sampler.
    shortcut: SamplingShortcut,
    /// `true` if it is one of the SDK's, which run no code of the user, and so is the root sampler of a parent-based
    /// one.
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
        Self { is_built_in, shortcut, sampler: Arc::new(sampler) }
    }
}

/// Returns `true` if the root sampler of a `ParentBased` one is one of the SDK's.
///
/// It is a trait object without a way to its type. The SDK's has the size of its type and one of these `Debug` forms; a
/// sampler of the user that has both would have to wrap it.
fn is_built_in_root(root: &dyn ShouldSample) -> bool {
    if size_of_val(root) != size_of::<Sampler>() || align_of_val(root) != align_of::<Sampler>() {
        return false;
    }
    let name = format!("{root:?}");
    ["AlwaysOn", "AlwaysOff"].contains(&name.as_str()) || name.starts_with("TraceIdRatioBased(")
}

/// Creates the sampler of a setting. For a custom sampler it creates the default, `parentbased_always_on`.
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

/// A sampler for each kind of parent, as `parent_based` of a configuration file describes them. The SDK's own type does
/// not distinguish remote and local parents.
#[derive(Clone, Debug)]
struct ParentBasedSampler {
    /// Decides on spans without a valid parent.
    root: Arc<dyn ShouldSample>,
    /// Decides on children of a sampled span of another process.
    remote_sampled: Arc<dyn ShouldSample>,
    /// Decides on children of an unsampled span of another process.
    remote_not_sampled: Arc<dyn ShouldSample>,
    /// Decides on children of a sampled span of this process.
    local_sampled: Arc<dyn ShouldSample>,
    /// Decides on children of an unsampled span of this process.
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

/// Returns the SDK's parent-based sampler with its usual rules: children follow their parents.
fn parent_based(root: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(root))
}

#[cfg(test)]
mod tests;
