use opentelemetry::trace::{SpanId, TraceFlags, TraceId};
use opentelemetry_sdk::trace::SamplingDecision;

use super::*;
use crate::provider::SharedSampler;

fn parent(flags: u8) -> SpanContext {
    let flags = TraceFlags::new(flags);
    SpanContext::new(TraceId::from(1), SpanId::from(2), flags, true, "a=1".parse().unwrap())
}

fn dropped(setting: &SamplerSetting, custom: Option<&CustomSampler>) -> Dropped {
    SamplingShortcut::new(setting, custom).dropped
}

fn custom(sampler: impl ShouldSample + 'static) -> Dropped {
    dropped(&SamplerSetting::Custom, Some(&CustomSampler::new(sampler)))
}

const DROP_ALL: SamplingShortcut = SamplingShortcut { dropped: Dropped::All, kept: Kept::None };

#[test]
fn built_in_samplers_have_a_shortcut() {
    assert_eq!(custom(Sampler::AlwaysOff), Dropped::All);
    assert_eq!(custom(parent_based(Sampler::AlwaysOn)), Dropped::UnsampledParent);
    assert_eq!(custom(Sampler::AlwaysOn), Dropped::None);
    assert_eq!(custom(Sampler::TraceIdRatioBased(0.0)), Dropped::None);
    assert_eq!(dropped(&SamplerSetting::AlwaysOn, None), Dropped::None);
    // The environment takes precedence.
    let replaced = CustomSampler::new(Sampler::AlwaysOff);
    assert_eq!(dropped(&SamplerSetting::TraceIdRatio(0.5), Some(&replaced)), Dropped::None);
}

#[test]
fn a_shortcut_is_the_one_of_its_number() {
    for dropped in [Dropped::None, Dropped::UnsampledParent, Dropped::All] {
        for kept in [Kept::None, Kept::SampledParent, Kept::SampledParentAndRoots] {
            let shortcut = SamplingShortcut { dropped, kept };
            assert_eq!(SamplingShortcut::from_number(shortcut.to_number()), shortcut);
        }
    }
    assert_eq!(SamplingShortcut::default().to_number(), 0);
}

#[test]
fn shortcuts_decide_only_what_is_certain() {
    let sampled = parent(1);
    for (dropped, parent, decided) in [
        (Dropped::None, &parent(0), false),
        (Dropped::UnsampledParent, &parent(0), true),
        (Dropped::UnsampledParent, &sampled, false),
        (Dropped::UnsampledParent, &SpanContext::NONE, false),
        (Dropped::All, &sampled, true),
        (Dropped::All, &SpanContext::NONE, true),
    ] {
        let shortcut = SamplingShortcut { dropped, kept: Kept::None };
        assert_eq!(shortcut.unsampled_child_of(parent).is_some(), decided, "{shortcut:?}, {parent:?}");
    }
}

#[test]
fn shortcut_agrees_with_the_sampler() {
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
            let shortcut = sampler.shortcut();
            let sampler = sampler.current();
            let result = sampler.should_sample(Some(&around), id, "", &kind, &[], &[]);
            if shortcut.keeps_child_of(&parent) {
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

/// Samplers of a user, whose `Debug` forms are those of the SDK's.
mod of_the_user {
    use super::*;

    #[derive(Clone, Debug)]
    pub(super) struct AlwaysOn;
    #[derive(Clone, Debug)]
    #[expect(dead_code, reason = "shown by `Debug`")]
    pub(super) struct TraceIdRatioBased(pub(super) f64);

    macro_rules! implement {
        ($($sampler:ty),*) => {$(
            impl ShouldSample for $sampler {
                fn should_sample(
                    &self,
                    _: Option<&Context>,
                    _: TraceId,
                    _: &str,
                    _: &SpanKind,
                    _: &[KeyValue],
                    _: &[Link],
                ) -> SamplingResult {
                    panic!("not called")
                }
            }
        )*};
    }
    implement!(AlwaysOn, TraceIdRatioBased);
}

#[test]
fn a_root_sampler_of_the_user_is_not_taken_for_one_of_the_sdk() {
    let is_built_in = |sampler| CustomSampler::new(sampler).is_built_in;
    let with_root = |root: Box<dyn ShouldSample>| is_built_in(Sampler::ParentBased(root));
    for root in [Sampler::AlwaysOn, Sampler::AlwaysOff, Sampler::TraceIdRatioBased(0.5)] {
        assert!(with_root(Box::new(root)));
    }
    assert!(!with_root(Box::new(of_the_user::AlwaysOn)));
    assert!(!with_root(Box::new(of_the_user::TraceIdRatioBased(0.5))));
    assert!(!with_root(Box::new(parent_based(Sampler::AlwaysOn))));
}

#[test]
fn ratios_decide_by_the_last_64_bits_of_the_trace_id_as_in_go_and_python() {
    // The ratio as a part of 2^64: trace ids below it are sampled, whatever their other bits are.
    for (ratio, bound) in [
        (0.5, 1_u128 << 63),
        (0.25, 1 << 62),
        (0.1, 0x1999_9999_9999_9a00),
        (0.001, 0x0041_8937_4bc6_a7f0),
        (1.0 / 3.0, 0x5555_5555_5555_5400),
        (1e-9, 0x0000_0004_4b82_fa08),
    ] {
        let sampler = built_in(&SamplerSetting::TraceIdRatio(ratio));
        let is_sampled = |low: u128| {
            [0, 1 << 64, u128::MAX << 64].map(|high| {
                let result =
                    sampler.should_sample(None, TraceId::from(high | low), "", &SpanKind::Internal, &[], &[]);
                result.decision == SamplingDecision::RecordAndSample
            })
        };
        assert_eq!(is_sampled(bound - 2), [true; 3], "{ratio}");
        assert_eq!(is_sampled(bound + 2), [false; 3], "{ratio}");
    }
}

#[test]
fn a_child_belongs_to_its_parents_trace() {
    let child = DROP_ALL.unsampled_child_of(&parent(3)).unwrap();
    assert_eq!((child.trace_id(), child.trace_flags()), (TraceId::from(1), TraceFlags::new(2)));
    assert_eq!((child.trace_state().header().as_str(), child.is_remote()), ("a=1", false));
    assert_ne!(child.span_id(), SpanId::from(2));
    let root = DROP_ALL.unsampled_child_of(&SpanContext::NONE).unwrap();
    assert!(root.is_valid() && !root.is_sampled());
    assert_eq!(root.trace_flags(), TraceFlags::new(2));
}
