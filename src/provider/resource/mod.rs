//! The resource, which describes this process on all signals.
//!
//! | precedence | attributes | source |
//! |---|---|---|
//! | lowest | `telemetry.sdk.*` | the SDK |
//! | | `process.*`, `host.*`, `os.*`, `container.*`, `k8s.*` | detectors that the settings choose |
//! | | `service.instance.id`, `telemetry.distro.*` | this module |
//! | highest | everything else, `service.name` among it | the settings: environment over code |
//!
//! It is made once, at the start, and encoded once. A reload of the configuration file does not change it: backends
//! would see another process.

use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use uuid::Uuid;

use super::ids::random_bits;
use crate::semconv;
use crate::settings::Settings;

mod detect;
#[cfg(test)]
mod tests;

/// Returns the resource of all providers: the attributes of the settings, and those that are set automatically.
pub(crate) fn resource(settings: &Settings) -> Resource {
    let own = [
        KeyValue::new(semconv::SERVICE_INSTANCE_ID, instance_id()),
        KeyValue::new(semconv::TELEMETRY_DISTRO_NAME, semconv::SCOPE_NAME),
        KeyValue::new(semconv::TELEMETRY_DISTRO_VERSION, semconv::SCOPE_VERSION),
    ];
    let mut detected = detect::detect(&settings.resource_detectors);
    detected.retain(|attribute| settings.detected_attributes.keeps(attribute.key.as_str()));
    // The SDK's own detector of variables is left out: it does not decode, and lets OTEL_SERVICE_NAME lose.
    Resource::builder_empty()
        .with_schema_url([], settings.schema_url.clone().unwrap_or_else(|| semconv::SCHEMA_URL.to_owned()))
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(detected)
        .with_attributes(own)
        .with_attributes(settings.resource.iter().cloned())
        .build()
}

/// Returns `service.instance.id`: a UUID that distinguishes this process from others of the same service.
///
/// It stays the same if telemetry is built again. A forked child has one of its own, made of its parent's and its
/// process id.
fn instance_id() -> String {
    static ID: LazyLock<(Uuid, u32)> = LazyLock::new(|| (random_id(), std::process::id()));
    let (id, made_in) = *ID;
    Uuid::from_u128(id.as_u128() ^ u128::from(made_in ^ std::process::id())).to_string()
}

/// Returns a random UUID (version 4).
fn random_id() -> Uuid {
    uuid::Builder::from_random_bytes(random_bits().to_be_bytes()).into_uuid()
}
