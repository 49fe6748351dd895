//! Which resource detectors run.

use std::borrow::Cow;

use super::builder_config::BuilderConfig;
use super::choices::list_of;
use super::resolve::Resolver;
use super::setting::settings;
use super::types::ResourceDetector;

settings! {
    /// Detectors of attributes of the resource. The specification's experimental variable; other languages have it too.
    RESOURCE_DETECTORS: Cow<'static, [ResourceDetector]> =
        "resource_detectors", ["OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"], list_of!(NAMES), Cow::Borrowed(&[]);
}

impl Resolver<'_> {
    /// Returns the detectors in the order in which they run. None by default: each attribute costs bytes in every
    /// request.
    pub(super) fn resource_detectors(&mut self, config: &BuilderConfig) -> Vec<ResourceDetector> {
        self.choices(&RESOURCE_DETECTORS, &NAMES, &config.common.values)
    }
}

/// `service` is always there; `env` and `otel` name in other languages what `OTEL_RESOURCE_ATTRIBUTES` is here.
pub(super) static NAMES: [(&str, &[ResourceDetector]); 12] = [
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
