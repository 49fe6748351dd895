//! Which traces are recorded.

use super::decide::{Resolver, Sources};
use crate::settings::env::names;
use crate::settings::types::SamplerSetting;
use crate::settings::value_kind::{Kind, RATIO, any, one_of, plain};

impl Resolver<'_> {
    pub(super) fn sampler(&mut self, custom: bool) -> SamplerSetting {
        let sources = Sources::new("sampler", &[names::OTEL_TRACES_SAMPLER], []);
        let sampler = if custom {
            let chosen = self.choose(&SAMPLER, sources, GIVEN_IN_CODE);
            chosen.map_or(SamplerSetting::Custom, |chosen| chosen.value)
        } else {
            self.decide(&SAMPLER, sources, SamplerSetting::ParentBasedAlwaysOn)
        };
        self.with_argument(sampler)
    }

    fn with_argument(&mut self, sampler: SamplerSetting) -> SamplerSetting {
        match sampler {
            SamplerSetting::TraceIdRatio(_) => SamplerSetting::TraceIdRatio(self.ratio()),
            SamplerSetting::ParentBasedTraceIdRatio(_) => {
                SamplerSetting::ParentBasedTraceIdRatio(self.ratio())
            }
            other => {
                self.warn_of_unused_argument(&other);
                other
            }
        }
    }

    fn ratio(&mut self) -> f64 {
        let sources = Sources::new("sampler", &[names::OTEL_TRACES_SAMPLER_ARG], []);
        self.decide(&RATIO, sources, DEFAULT_RATIO)
    }

    /// Somebody believes that traces are thinned out.
    fn warn_of_unused_argument(&mut self, sampler: &SamplerSetting) {
        if self.env.get(names::OTEL_TRACES_SAMPLER_ARG).is_some() {
            let sampler = (SAMPLER.show)(sampler);
            self.warn_of(
                names::OTEL_TRACES_SAMPLER_ARG,
                format!("ignored, since the sampler is {sampler}, which takes no argument"),
            );
        }
    }
}

const SAMPLER: Kind<SamplerSetting> = Kind {
    parse: |text| one_of(text, &SAMPLERS),
    check: any,
    show: |sampler| {
        let found = SAMPLERS
            .iter()
            .find(|(_, known)| std::mem::discriminant(known) == std::mem::discriminant(sampler));
        found.map_or(GIVEN_IN_CODE, |(name, _)| name).to_owned()
    },
    quote: plain,
};

const SAMPLERS: [(&str, SamplerSetting); 6] = [
    ("always_on", SamplerSetting::AlwaysOn),
    ("always_off", SamplerSetting::AlwaysOff),
    ("traceidratio", SamplerSetting::TraceIdRatio(DEFAULT_RATIO)),
    ("parentbased_always_on", SamplerSetting::ParentBasedAlwaysOn),
    ("parentbased_always_off", SamplerSetting::ParentBasedAlwaysOff),
    ("parentbased_traceidratio", SamplerSetting::ParentBasedTraceIdRatio(DEFAULT_RATIO)),
];

const GIVEN_IN_CODE: &str = "the one given in code";

/// The specification's.
const DEFAULT_RATIO: f64 = 1.0;
