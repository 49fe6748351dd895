//! The sampler that a provider and everything before it share, replaceable while the program runs.
//!
//! A span is decided by the sampler or by its shortcut. Both change together, but not at one moment: a span that starts
//! meanwhile is decided by one of the two samplers, never by a mixture. So the shortcut is off while the sampler
//! changes.
//!
//! ```text
//! set():   shortcut = none ─▶ current = new sampler ─▶ shortcut = that of the new sampler
//! a span:  shortcut? ─ none ─▶ current.should_sample()
//! ```
//!
//! Between the first step and the last every span is decided by the one sampler that is current, which costs a call and
//! nothing else.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use opentelemetry::trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

use super::sampler::{CustomSampler, SamplingShortcut, built_in};
use super::span_counts::SpanCounts;
use crate::propagation::is_deferred;
use crate::settings::SamplerSetting;
use crate::user_code::catch_panic;

/// The sampler of a provider. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct SharedSampler {
    shared: Arc<Shared>,
    /// Counts the spans, if the metrics of the SDK are chosen.
    counts: Option<Arc<SpanCounts>>,
}

/// State shared by all clones of a sampler.
#[derive(Debug)]
struct Shared {
    /// The [`SamplingShortcut`] of the current sampler, as a number.
    shortcut: AtomicU8,
    /// The sampler that decides, replaced as a whole.
    current: ArcSwap<CurrentSampler>,
    /// The sampler that was set in code, used while the settings choose it.
    custom: Option<CustomSampler>,
    /// `false` with an id generator of the user: ids of spans that are not recorded come from it as well.
    has_shortcuts: bool,
    /// Held while `shortcut` and `current` change, so two changes do not mix.
    changing: Mutex<()>,
}

impl SharedSampler {
    /// Creates the sampler of a setting. `custom` is the one that was set in code.
    #[cfg(test)]
    pub(crate) fn new(setting: &SamplerSetting, custom: Option<CustomSampler>) -> Self {
        Self::with_shortcuts(setting, custom, true)
    }

    /// Creates the sampler of a setting, which decides on all spans itself unless it has shortcuts.
    pub(crate) fn with_shortcuts(
        setting: &SamplerSetting,
        custom: Option<CustomSampler>,
        has_shortcuts: bool,
    ) -> Self {
        let shared = Shared {
            shortcut: AtomicU8::new(SamplingShortcut::default().to_number()),
            current: ArcSwap::from_pointee(CurrentSampler::new(setting, custom.as_ref())),
            custom,
            has_shortcuts,
            changing: Mutex::new(()),
        };
        shared.set_shortcut(setting);
        Self { shared: Arc::new(shared), counts: None }
    }

    /// Counts the spans that are decided.
    pub(crate) fn with_counts(self, counts: Arc<SpanCounts>) -> Self {
        Self { counts: Some(counts), ..self }
    }

    /// Returns the counters, if spans are counted.
    pub(crate) fn counts(&self) -> Option<&Arc<SpanCounts>> {
        self.counts.as_ref()
    }

    /// Counts a span that starts without a call of [`should_sample`](ShouldSample::should_sample), which is treated
    /// as well.
    #[inline]
    pub(crate) fn count(&self, parent: &SpanContext, decision: &SamplingDecision) {
        if let Some(counts) = &self.counts {
            counts.start(parent, decision);
        }
    }

    /// Replaces the sampler for every span that starts from now on.
    ///
    /// Called when the configuration file has changed. Spans that have started keep their decision.
    #[cfg_attr(
        not(any(test, feature = "config-file")),
        expect(dead_code, reason = "only a file can change it")
    )]
    pub(crate) fn set(&self, setting: &SamplerSetting) {
        let shared = &self.shared;
        let current = Arc::new(CurrentSampler::new(setting, shared.custom.as_ref()));
        let _changing = shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
        shared.shortcut.store(SamplingShortcut::default().to_number(), Ordering::Release);
        shared.current.store(current);
        shared.set_shortcut(setting);
    }

    /// Returns what is known of the decisions. Costs the load of a byte.
    #[inline]
    pub(crate) fn shortcut(&self) -> SamplingShortcut {
        SamplingShortcut::from_number(self.shared.shortcut.load(Ordering::Acquire))
    }

    /// Returns `true` if a call can run code of the user, now or after a change. Nothing may be locked or borrowed then
    /// while a span is sampled.
    pub(crate) fn may_run_user_code(&self) -> bool {
        self.shared.custom.as_ref().is_some_and(|custom| !custom.is_built_in)
    }

    /// Returns the sampler as it is now.
    pub(crate) fn current(&self) -> Guard<Arc<CurrentSampler>> {
        self.shared.current.load()
    }
}

impl Shared {
    /// Stores the shortcut of a setting, which must be that of the current sampler.
    fn set_shortcut(&self, setting: &SamplerSetting) {
        let shortcut = match self.has_shortcuts {
            true => SamplingShortcut::new(setting, self.custom.as_ref()),
            false => SamplingShortcut::default(),
        };
        self.shortcut.store(shortcut.to_number(), Ordering::Release);
    }
}

/// Called by the SDK alone, for its spans, which it counts. What starts spans itself calls [`SharedSampler::current`].
impl ShouldSample for SharedSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let result = self.current().should_sample(parent, trace_id, name, kind, attributes, links);
        if self.counts.is_some() {
            let around = parent.map(|parent| parent.span().span_context().clone());
            self.count(&around.unwrap_or(SpanContext::NONE), &result.decision);
        }
        result
    }
}

/// The sampler as it is between two changes.
///
/// A parent whose span context is invalid is no parent, and one that has left the decision to this service is treated
/// as none: the root sampler decides. A sampler that panics drops the span.
#[derive(Clone, Debug)]
pub(crate) struct CurrentSampler {
    /// Decides on spans that are not known in advance.
    sampler: Arc<dyn ShouldSample>,
    /// `true` if it runs no code of the user, and looks at neither attributes nor links.
    pub(crate) is_built_in: bool,
}

impl CurrentSampler {
    /// Creates the sampler of a setting, or takes the one that was set in code if the setting says so.
    fn new(setting: &SamplerSetting, custom: Option<&CustomSampler>) -> Self {
        match (setting, custom) {
            (SamplerSetting::Custom, Some(CustomSampler { sampler, is_built_in, .. })) => {
                Self { sampler: Arc::clone(sampler), is_built_in: *is_built_in }
            }
            _ => Self { sampler: built_in(setting), is_built_in: true },
        }
    }
}

impl ShouldSample for CurrentSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let parent = parent.filter(|parent| !parent.has_active_span() || has_decided(parent));
        let decide = || self.sampler.should_sample(parent, trace_id, name, kind, attributes, links);
        if self.is_built_in {
            return decide();
        }
        catch_panic(decide).unwrap_or_else(|| SamplingResult {
            decision: SamplingDecision::Drop,
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        })
    }
}

/// Returns `true` if the span of the context has made a decision that a child can follow.
fn has_decided(parent: &Context) -> bool {
    let span = parent.span();
    let span = span.span_context();
    span.is_valid() && !is_deferred(parent, span)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use opentelemetry::propagation::TextMapPropagator as _;
    use opentelemetry_sdk::trace::Sampler;

    use super::*;
    use crate::propagation::propagator;
    use crate::provider::sampler::Dropped;
    use crate::settings::Propagator;

    fn decision(sampler: &SharedSampler) -> SamplingDecision {
        sampler.should_sample(None, TraceId::from(1), "span", &SpanKind::Internal, &[], &[]).decision
    }

    #[test]
    fn a_change_replaces_the_decision_and_its_shortcut() {
        let sampler = SharedSampler::new(&SamplerSetting::AlwaysOff, None);
        let clone = sampler.clone();
        let dropped = |sampler: &SharedSampler| sampler.shortcut().dropped;
        assert_eq!((decision(&clone), dropped(&clone)), (SamplingDecision::Drop, Dropped::All));
        sampler.set(&SamplerSetting::AlwaysOn);
        let recorded = SamplingDecision::RecordAndSample;
        assert_eq!((decision(&clone), dropped(&clone)), (recorded, Dropped::None));
        sampler.set(&SamplerSetting::ParentBasedAlwaysOff);
        assert_eq!((decision(&clone), dropped(&clone)), (SamplingDecision::Drop, Dropped::UnsampledParent));
    }

    #[test]
    fn user_sampler_is_restored() {
        #[derive(Clone, Debug)]
        struct Own;
        impl ShouldSample for Own {
            fn should_sample(
                &self,
                _: Option<&Context>,
                _: TraceId,
                _: &str,
                _: &SpanKind,
                _: &[KeyValue],
                _: &[Link],
            ) -> SamplingResult {
                panic!("costs the span alone")
            }
        }
        let sampler = SharedSampler::new(&SamplerSetting::AlwaysOn, Some(CustomSampler::new(Own)));
        assert!(sampler.may_run_user_code() && sampler.current().is_built_in);
        sampler.set(&SamplerSetting::Custom);
        assert!(!sampler.current().is_built_in);
        assert_eq!(decision(&sampler), SamplingDecision::Drop);
        let of_the_sdk =
            SharedSampler::new(&SamplerSetting::Custom, Some(CustomSampler::new(Sampler::AlwaysOn)));
        assert!(!of_the_sdk.may_run_user_code());
    }

    #[test]
    fn root_sampler_decides_on_a_span_whose_parent_left_the_decision_open() {
        let headers = HashMap::from([(
            "b3".to_owned(),
            "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1".to_owned(),
        )]);
        let parent = propagator(&[Propagator::B3], Vec::new()).extract(&headers);
        assert!(parent.span().span_context().is_valid());
        for (setting, expected) in [
            (SamplerSetting::ParentBasedAlwaysOff, SamplingDecision::Drop),
            (SamplerSetting::ParentBasedTraceIdRatio(0.0), SamplingDecision::Drop),
            (SamplerSetting::ParentBasedTraceIdRatio(1.0), SamplingDecision::RecordAndSample),
            (SamplerSetting::ParentBasedAlwaysOn, SamplingDecision::RecordAndSample),
            (SamplerSetting::AlwaysOff, SamplingDecision::Drop),
        ] {
            let sampler = SharedSampler::new(&setting, None);
            let result =
                sampler.should_sample(Some(&parent), TraceId::from(1), "span", &SpanKind::Server, &[], &[]);
            assert_eq!(result.decision, expected, "{setting:?}");
        }
    }

    #[test]
    fn custom_id_generator_disables_the_shortcut() {
        let sampler = SharedSampler::with_shortcuts(&SamplerSetting::AlwaysOff, None, false);
        assert_eq!(sampler.shortcut(), SamplingShortcut::default());
        sampler.set(&SamplerSetting::ParentBasedAlwaysOff);
        assert_eq!(sampler.shortcut(), SamplingShortcut::default());
    }
}
