//! `distribution.telemetry_bootstrap`: this crate's own settings.
//!
//! Keys are the paths of the setters, `log_output.format` as `log_output: {format: …}`. A setting without a setter has
//! a name of its own here. What the schema has a place for is not a key.

use super::Apply;
use crate::settings::file::model::{At, Raw, describe, unknown_key};
use crate::settings::file::report::Path;
use crate::settings::file::yaml::{Entry, Node, Typed, Value};

impl Apply<'_> {
    pub(super) fn distribution_values(&mut self) {
        let own = self.document.distribution.iter().flat_map(|named| &named.0).find(|(name, _)| name == NAME);
        let Some((_, Raw(node))) = own else { return };
        let mut path = Path::default();
        path.push_key("distribution");
        path.push_key(NAME);
        let keys = keys();
        self.distribution_map(node, "", &mut path, &keys);
    }

    fn distribution_map(&mut self, node: &Node, scope: &str, path: &mut Path, keys: &[(String, String)]) {
        let Value::Map(entries) = &node.value else { return };
        for Entry { key, key_at, value } in entries {
            let full = if scope.is_empty() { key.clone() } else { format!("{scope}.{key}") };
            let outer = path.push_key(key);
            let at = At { position: value.at, path: path.clone() };
            let is_scope = keys.iter().any(|(known, _)| known.starts_with(&format!("{full}.")));
            match keys.iter().find(|(known, _)| *known == full) {
                Some((_, setting)) => self.distribution_value(setting, value, &at),
                None if is_scope && matches!(value.value, Value::Map(_)) => {
                    self.distribution_map(value, &full, path, keys);
                }
                None if is_scope => {
                    self.mistake(&at, format!("{} is not allowed here: must be a mapping", describe(value)));
                }
                None => {
                    let known = siblings(scope, keys);
                    let known: Vec<_> = known.iter().map(String::as_str).collect();
                    path.pop(outer);
                    let at = At { position: *key_at, path: path.clone() };
                    self.mistake(&at, unknown_key(key, &known));
                    continue;
                }
            }
            path.pop(outer);
        }
    }

    fn distribution_value(&mut self, setting: &str, node: &Node, at: &At) {
        match &node.value {
            Value::Scalar(scalar) => match scalar.typed() {
                // As if the key were not there.
                Typed::Null => {}
                _ => self.values.set(setting, &*scalar.text, at),
            },
            Value::List(_) | Value::Map(_) => {
                self.mistake(at, format!("{} is not allowed here: must be a single value", describe(node)));
            }
        }
    }
}

/// Returns the keys of a scope.
fn siblings(scope: &str, keys: &[(String, String)]) -> Vec<String> {
    let prefix = if scope.is_empty() { String::new() } else { format!("{scope}.") };
    let mut names: Vec<_> = keys
        .iter()
        .filter_map(|(key, _)| key.strip_prefix(&prefix))
        .filter_map(|rest| rest.split('.').next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Returns the keys of the own settings, each with the key of its setting.
pub(in crate::settings) fn keys() -> Vec<(String, String)> {
    let all = crate::settings::all_keys();
    all.into_iter()
        .filter(|key| !is_standard(key))
        .map(|key| {
            let renamed = RENAMED.iter().find(|(setting, _)| *setting == key);
            (renamed.map_or(key, |(_, name)| name).to_owned(), key.to_owned())
        })
        .collect()
}

/// Returns `true` for settings that the schema has a place for.
pub(in crate::settings::file) fn is_standard(key: &str) -> bool {
    let scopes = ["traces.", "metrics.", "logs.", "destination."];
    let setter = scopes.iter().find_map(|scope| key.strip_prefix(scope)).unwrap_or(key);
    let is_exporter = EXPORTER_SETTERS.contains(&setter);
    // One of a destination in code has neither setter nor variable.
    key.is_empty()
        || is_exporter
        || STANDARD.contains(&key)
        || WITHOUT_PLACE.contains(&setter)
        || (key.starts_with("OTEL_EXPORTER_OTLP_") && key.ends_with("INSECURE"))
}

/// The vendor's name under `distribution`.
const NAME: &str = "telemetry_bootstrap";

/// Settings without a setter, with their names here.
const RENAMED: [(&str, &str); 3] = [
    ("NO_COLOR", "no_color"),
    ("OTEL_LOG_LEVEL", "diagnostic_level"),
    ("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "exception_signal"),
];

/// Settings that a file cannot have yet: of the network between, about the program, and those that only code can give.
const WITHOUT_PLACE: [&str; 7] = [
    "max_request_size",
    "proxy",
    "NO_PROXY",
    "header_source",
    "request_signer",
    "resource_detectors",
    "built_in",
];

const EXPORTER_SETTERS: [&str; 9] = [
    "endpoint",
    "export",
    "header",
    "timeout",
    "compression",
    "protocol",
    "tls/certificate",
    "tls/client_key",
    "tls/client_certificate",
];

pub(in crate::settings::file) const STANDARD: &[&str] = &[
    "service_name",
    "resource_attribute",
    "propagators",
    "traces.sampler",
    "OTEL_TRACES_SAMPLER_ARG",
    "destination.otlp_file",
    "destination.temporality",
    "OTEL_SDK_DISABLED",
    "OTEL_SEMCONV_STABILITY_OPT_IN",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BLRP_EXPORT_TIMEOUT",
    "traces.max_attributes",
    "traces.max_value_length",
    "traces.max_events",
    "traces.max_links",
    "traces.max_attributes_per_event",
    "traces.max_attributes_per_link",
    "traces.max_queue_size",
    "traces.max_export_batch_size",
    "traces.scheduled_delay",
    "logs.max_attributes",
    "logs.max_value_length",
    "logs.max_queue_size",
    "logs.max_export_batch_size",
    "logs.scheduled_delay",
    "metrics.interval",
    "metrics.export_timeout",
    "metrics.temporality",
    "metrics.histogram_aggregation",
    "metrics.prometheus",
    "metrics.prometheus/host",
    "metrics.prometheus/port",
    "metrics.prometheus/server",
];
