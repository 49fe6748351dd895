//! Which resource detectors run.

use super::{from_env, resolved};
use crate::builder::{Builder, init};
use crate::settings::ResourceDetector::{self, Container, Host, Kubernetes, Os, Process};
use crate::settings::{Env, Settings};

fn settings_of(builder: Builder, list: &str) -> Settings {
    resolved(builder, &Env::from_pairs([("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", list)]))
}

#[test]
fn detectors_of_the_environment_replace_those_in_code() {
    let of = |list: &str| from_env([("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", list)]).resource_detectors;
    assert_eq!(of(""), []);
    assert_eq!(of("none"), []);
    assert_eq!(of("all"), ResourceDetector::ALL);
    assert_eq!(of("*"), ResourceDetector::ALL);
    assert_eq!(of(" process, Host,process , "), [Process, Host]);
    assert_eq!(of("otel,os,container,kubernetes,k8s"), [Os, Container, Kubernetes]);
    let code = || init().resource_detectors([Host, Host, Os]);
    let settings = |list| settings_of(code(), list);
    assert_eq!(settings("").resource_detectors, [Host, Os]);
    assert_eq!(settings("process").resource_detectors, [Process]);
    assert_eq!(settings("none").resource_detectors, []);
}

#[test]
fn unknown_detectors_are_left_out_with_a_warning() {
    let settings = from_env([("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "ec2,process,gcp")]);
    assert_eq!(settings.resource_detectors, [Process]);
    let [warning] = &settings.warnings[..] else { panic!("{:?}", settings.warnings) };
    for part in ["OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "ec2, gcp", "k8s", "using process"] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    let settings = settings_of(init().resource_detectors([Host]), "ec2");
    assert_eq!(settings.resource_detectors, [Host]);
    assert!(settings.warnings[0].ends_with("using host"), "{:?}", settings.warnings);
}
