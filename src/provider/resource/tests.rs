use std::collections::BTreeMap;

use opentelemetry::Key;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;

use super::*;
use crate::export::encode;
use crate::settings::{BuilderConfig, Env, SERVICE_NAME, resolve};

fn settings(config: &BuilderConfig, env: &Env) -> Settings {
    resolve(config, env).0
}

fn text(resource: &Resource, key: &'static str) -> String {
    resource.get(&Key::new(key)).unwrap_or_else(|| panic!("no {key}")).to_string()
}

#[test]
fn resource_names_the_service_the_sdk_and_this_crate() {
    let mut config = BuilderConfig {
        resource: vec![("service.version".into(), "1.2.3".into())],
        ..BuilderConfig::default()
    };
    config.common.values.set(&SERVICE_NAME, "greeter".to_owned());
    let resource = resource(&settings(&config, &Env::none()));
    assert_eq!(text(&resource, "service.name"), "greeter");
    assert_eq!(text(&resource, "service.version"), "1.2.3");
    assert_eq!(text(&resource, "telemetry.sdk.language"), "rust");
    assert_eq!(text(&resource, "telemetry.sdk.name"), "opentelemetry");
    assert!(text(&resource, "telemetry.sdk.version").starts_with("0.33."));
    assert_eq!(text(&resource, "telemetry.distro.name"), "telemetry-bootstrap");
    assert_eq!(text(&resource, "telemetry.distro.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(resource.schema_url(), Some("https://opentelemetry.io/schemas/1.45.0"));
    assert_eq!(resource.len(), 8);
}

#[test]
fn the_instance_is_a_random_uuid_that_stays_the_same_in_a_process() {
    let settings = settings(&BuilderConfig::default(), &Env::none());
    let id = text(&resource(&settings), "service.instance.id");
    assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 4);
    assert_eq!(text(&resource(&settings), "service.instance.id"), id);
}

#[test]
fn the_environment_may_name_the_instance() {
    let env = Env::from_pairs([("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-7,host.name=a%20b")]);
    let resource = resource(&settings(&BuilderConfig::default(), &env));
    assert_eq!(text(&resource, "service.instance.id"), "pod-7");
    assert_eq!(text(&resource, "host.name"), "a b");
}

#[test]
fn the_encoded_message_holds_every_attribute_with_its_type() {
    let mut config = BuilderConfig {
        resource: vec![
            ("flag".into(), true.into()),
            ("count".into(), 7_i64.into()),
            ("ratio".into(), 0.5.into()),
        ],
        ..BuilderConfig::default()
    };
    config.common.values.set(&SERVICE_NAME, "greeter".to_owned());
    let resource = resource(&settings(&config, &Env::none()));
    // What is encoded is the beginning of each request's only entry.
    let message = ResourceSpans::decode(encode::resource(&resource).as_slice()).unwrap().resource.unwrap();
    assert_eq!(message.attributes.len(), resource.len());
    let values: BTreeMap<_, _> = message
        .attributes
        .iter()
        .map(|a| (a.key.as_str(), a.value.clone().unwrap().value.unwrap()))
        .collect();
    assert_eq!(values["service.name"], Any::StringValue("greeter".into()));
    assert_eq!(values["flag"], Any::BoolValue(true));
    assert_eq!(values["count"], Any::IntValue(7));
    assert_eq!(values["ratio"], Any::DoubleValue(0.5));
}

#[test]
fn detected_attributes_are_opt_in_and_yield_to_explicit_ones() {
    let none = resource(&settings(&BuilderConfig::default(), &Env::none()));
    assert!(none.get(&"process.pid".into()).is_none(), "{none:?}");
    let env = Env::from_pairs([
        ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "all"),
        ("OTEL_RESOURCE_ATTRIBUTES", "host.arch=own"),
    ]);
    let all = resource(&settings(&BuilderConfig::default(), &env));
    assert_eq!(all.get(&"process.pid".into()), Some(i64::from(std::process::id()).into()));
    assert_eq!(text(&all, "host.arch"), "own");
    assert_eq!(Uuid::parse_str(&text(&all, "service.instance.id")).unwrap().get_version_num(), 4);
}
