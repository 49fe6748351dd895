//! Which resource detectors run.

use std::borrow::Cow;

use super::builder_config::BuilderConfig;
use super::choices;
use super::resolve::Resolver;
use super::setting::settings;
use super::types::ResourceDetector;
use super::value_kind::{Kind, any, plain};

settings! {
    /// Detectors of attributes of the resource. The specification's experimental variable; other languages have it too.
    RESOURCE_DETECTORS: Cow<'static, [ResourceDetector]> =
        "resource_detectors", ["OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"], DETECTOR_LIST, Cow::Borrowed(&[]);
}

impl Resolver<'_> {
    /// Returns the detectors in the order in which they run. None by default: each attribute costs bytes in every
    /// request.
    pub(super) fn resource_detectors(&mut self, config: &BuilderConfig) -> Vec<ResourceDetector> {
        self.choices(&RESOURCE_DETECTORS, &NAMES, &config.common.values)
    }
}

/// Returns the name of a detector.
#[cfg(feature = "config-file")]
pub(super) fn name(detector: &ResourceDetector) -> &'static str {
    choices::name(detector, &NAMES)
}

/// A list of names, separated by commas.
const DETECTOR_LIST: Kind<Cow<'static, [ResourceDetector]>> = Kind {
    parse: |list| choices::parse_known(list, &NAMES).map(Into::into),
    check: any,
    show: |detectors| choices::show(detectors, &NAMES),
    quote: plain,
};

/// `service` is always there; `env` and `otel` name in other languages what `OTEL_RESOURCE_ATTRIBUTES` is here.
static NAMES: [(&str, &[ResourceDetector]); 12] = [
    ("process", &[ResourceDetector::Process]),
    ("host", &[ResourceDetector::Host]),
    ("os", &[ResourceDetector::Os]),
    ("container", &[ResourceDetector::Container]),
    ("k8s", &[ResourceDetector::Kubernetes]),
    ("kubernetes", &[ResourceDetector::Kubernetes]),
    ("service", &[]),
    ("env", &[]),
    ("otel", &[]),
    ("all", &ResourceDetector::ALL),
    ("*", &ResourceDetector::ALL),
    ("none", &[]),
];
