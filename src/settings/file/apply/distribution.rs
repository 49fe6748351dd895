//! `distribution.telemetry_bootstrap`: this crate's own settings.
//!
//! Keys are the paths of the setters, `log_output.format` as `log_output: {format: …}`. A setting without a setter has
//! a name of its own here. What the schema has a place for is not a key.
//!
//! ```yaml
//! distribution:
//!   telemetry_bootstrap:
//!     log_output:
//!       format: json
//!     span_filter: info,noisy=off
//!     header_files:
//!       authorization: {file: /run/secrets/token, prefix: "Bearer "}
//! ```
//!
//! The keys are not listed anywhere: they are computed from the settings ([`keys`]), without those for which the schema
//! has a place ([`STANDARD`]), so that a new setting can be given in a file as soon as it exists. A test checks that
//! `docs/configuration-file.md` names each of them. The variables of these settings have no effect beside a file, and
//! their defaults hold only if code has no value either.
//!
//! # Messages
//!
//! | mistake | message |
//! |---|---|
//! | an unknown key | ``the key `…` is not known; did you mean `…`?``, or the keys of that place |
//! | a scalar where keys are expected | `… is not allowed here: must be a mapping` |
//! | a list or mapping where a value is expected | `… is not allowed here: must be a single value` |
//! | a list with lists or null in it | `must be a list of single values` |
//! | `no_color: yes` | `"yes" is not allowed here: must be true or false` |
//! | a header file without an absolute path | ``must be a mapping with the key `file`, an absolute path, …`` |

use super::Apply;
use crate::settings::descriptions;
#[cfg(feature = "grpc")]
use crate::settings::env::names;
use crate::settings::file::model::{At, Raw, describe, unknown_key};
use crate::settings::file::report::Path;
use crate::settings::file::yaml::{Entry, Node, Typed, Value};
use crate::settings::log_output::NO_COLOR;

impl Apply<'_> {
    /// Collects the values under `distribution.telemetry_bootstrap`. Sections of other vendors are left alone.
    ///
    /// Without that section nothing is set, and all of these settings come from code or have their defaults.
    pub(super) fn distribution_values(&mut self) {
        let own = self.document.distribution.iter().flat_map(|named| &named.0).find(|(name, _)| name == NAME);
        let Some((_, Raw(node))) = own else { return };
        let mut path = Path::default();
        path.push_key("distribution");
        path.push_key(NAME);
        let keys = keys();
        self.distribution_map(node, "", &mut path, &keys);
    }

    /// Reads one mapping. `scope` is its key with those above it, `keys` all that are known.
    ///
    /// A key is the name of a setting, a scope with settings below it, `header_files`, or a mistake. A list of the keys
    /// that would be right at this place goes with the mistake.
    ///
    /// `path` leads to the mapping, for messages. A node that is no mapping is ignored: the callers have checked it.
    fn distribution_map(&mut self, node: &Node, scope: &str, path: &mut Path, keys: &[(String, String)]) {
        let Value::Map(entries) = &node.value else { return };
        for Entry { key, key_at, value } in entries {
            let full = if scope.is_empty() { key.clone() } else { format!("{scope}.{key}") };
            let outer = path.push_key(key);
            let at = At { position: value.at, path: path.clone() };
            let is_scope = keys.iter().any(|(known, _)| known.starts_with(&format!("{full}.")));
            if key == HEADER_FILES && HEADER_FILE_SCOPES.contains(&scope) {
                self.header_files(value, scope, path);
                path.pop(outer);
                continue;
            }
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

    /// Hands one value to its setting. A list becomes the text that a variable would hold.
    ///
    /// `no_color` is the exception among the values: its variable has an effect whatever it holds, but in a file
    /// `false` must mean what it says.
    ///
    /// `setting` is the key of the setting, and `at` the place of the value. Null leaves the setting to code. Items of
    /// a list are joined by commas.
    fn distribution_value(&mut self, setting: &str, node: &Node, at: &At) {
        match &node.value {
            Value::Scalar(scalar) => match scalar.typed() {
                // As if the key were not there.
                Typed::Null => {}
                // The variable counts whatever its value, so that its setting takes `false` for set.
                Typed::Bool(false) if setting == NO_COLOR.key() => {}
                Typed::Bool(true) if setting == NO_COLOR.key() => self.values.set(setting, "true", at),
                _ if setting == NO_COLOR.key() => {
                    let found = describe(node);
                    self.mistake(at, format!("{found} is not allowed here: must be true or false"));
                }
                _ => self.values.set(setting, &*scalar.text, at),
            },
            Value::List(items) if LISTS.contains(&setting) || is_capture(setting) => {
                let texts = items.iter().map(|item| match &item.value {
                    Value::Scalar(scalar) if !item.is_null() => Some(scalar.text.as_str()),
                    _ => None,
                });
                match texts.collect::<Option<Vec<_>>>() {
                    Some(texts) => self.values.set(setting, texts.join(","), at),
                    None => self.mistake(at, "must be a list of single values"),
                }
            }
            Value::List(_) | Value::Map(_) => {
                self.mistake(at, format!("{} is not allowed here: must be a single value", describe(node)));
            }
        }
    }
}

/// Returns `true` for the headers and trailers of gRPC calls that are recorded.
///
/// Their values may be lists. Without the feature `grpc` there are none.
fn is_capture(setting: &str) -> bool {
    setting.starts_with("OTEL_RUST_GRPC_CAPTURE_")
}

/// Returns the keys of a scope.
///
/// They are listed when a key is unknown: each once, in alphabetical order, `header_files` among them where it is
/// allowed.
///
/// `keys` are all that are known; only the next part of each is returned, such as `filter` and `format` for the scope
/// `log_output`.
fn siblings(scope: &str, keys: &[(String, String)]) -> Vec<String> {
    let prefix = if scope.is_empty() { String::new() } else { format!("{scope}.") };
    let mut names: Vec<_> = keys
        .iter()
        .filter_map(|(key, _)| key.strip_prefix(&prefix))
        .filter_map(|rest| rest.split('.').next())
        .map(str::to_owned)
        .collect();
    if HEADER_FILE_SCOPES.contains(&scope) {
        names.push(HEADER_FILES.to_owned());
    }
    names.sort();
    names.dedup();
    names
}

/// Returns the keys of the own settings, each with the key of its setting.
///
/// The path of a setter is the key, except for the settings that only the environment has: those are [`RENAMED`].
///
/// The first text of a pair is the key in the file, with dots, and the second that of the setting.
pub(in crate::settings) fn keys() -> Vec<(String, String)> {
    #[cfg(feature = "grpc")]
    let captures = names::GRPC_CAPTURES;
    #[cfg(not(feature = "grpc"))]
    let captures: [&str; 0] = [];
    descriptions()
        .into_iter()
        .map(|setting| setting.key)
        .filter(|key| !is_standard(key))
        .chain(captures)
        .map(|key| {
            let renamed = RENAMED.iter().find(|(setting, _)| *setting == key);
            (renamed.map_or(key, |(_, name)| name).to_owned(), key.to_owned())
        })
        .collect()
}

/// Returns `true` for settings that the schema has a place for.
///
/// They are refused below `distribution`, so that no value can be given in two places that contradict each other.
///
/// `key` is that of a setting. Settings that are closures count as well: no file can give them.
pub(in crate::settings::file) fn is_standard(key: &str) -> bool {
    let scopes = ["traces.", "metrics.", "logs.", "destination."];
    let setter = scopes.iter().find_map(|scope| key.strip_prefix(scope)).unwrap_or(key);
    let is_exporter = EXPORTER_SETTERS.contains(&setter);
    // One of a destination in code has neither setter nor variable.
    key.is_empty()
        || is_exporter
        || STANDARD.contains(&key)
        || CODE_ONLY.contains(&setter)
        || key.starts_with("destination.")
        || (key.starts_with("OTEL_EXPORTER_OTLP_") && key.ends_with("INSECURE"))
}

/// The vendor's name under `distribution`.
///
/// Sections with another name are not read.
const NAME: &str = "telemetry_bootstrap";

/// Settings without a setter, with their names here.
///
/// The first text is the key of the setting, and the second the key in the file.
const RENAMED: [(&str, &str); 9] = [
    ("NO_COLOR", "no_color"),
    ("NO_PROXY", "no_proxy"),
    ("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "exception_signal"),
    ("OTEL_RUST_GRPC_CAPTURE_SERVER_REQUEST_HEADERS", "grpc.server.request_captured_headers"),
    ("OTEL_RUST_GRPC_CAPTURE_SERVER_RESPONSE_HEADERS", "grpc.server.response_captured_headers"),
    ("OTEL_RUST_GRPC_CAPTURE_SERVER_RESPONSE_TRAILERS", "grpc.server.response_captured_trailers"),
    ("OTEL_RUST_GRPC_CAPTURE_CLIENT_REQUEST_HEADERS", "grpc.client.request_captured_headers"),
    ("OTEL_RUST_GRPC_CAPTURE_CLIENT_RESPONSE_HEADERS", "grpc.client.response_captured_headers"),
    ("OTEL_RUST_GRPC_CAPTURE_CLIENT_RESPONSE_TRAILERS", "grpc.client.response_captured_trailers"),
];

/// Headers from files; the only key that holds a mapping of any names.
///
/// It is no setting, so that [`keys`] does not have it.
const HEADER_FILES: &str = "header_files";
/// Where header files are allowed: for all signals, or for one.
///
/// The empty text stands for all signals.
const HEADER_FILE_SCOPES: [&str; 4] = ["", "traces", "metrics", "logs"];

/// Settings whose values are lists, in YAML or as the variables have them. So are the captured headers of gRPC.
///
/// By the keys of the settings.
const LISTS: [&str; 3] = ["resource_detectors", "metrics.built_in", "NO_PROXY"];

/// Settings that are closures.
///
/// By the names of their setters.
const CODE_ONLY: [&str; 2] = ["header_source", "request_signer"];

/// Setters whose values the schema's exporters hold, whatever the signal.
///
/// By the paths of the setters, without the signal.
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

/// The keys of settings that the schema has a place for, apart from those of exporters.
///
/// A key that is neither here nor below `distribution` could not be given in a file; a test compares the lists.
pub(in crate::settings::file) const STANDARD: &[&str] = &[
    "service_name",
    "resource_attribute",
    "propagators",
    "traces.sampler",
    "OTEL_TRACES_SAMPLER_ARG",
    "destination.otlp_file",
    "destination.temporality",
    "OTEL_SDK_DISABLED",
    "OTEL_LOG_LEVEL",
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
    "metrics.prometheus/created_series",
    "metrics.prometheus/server",
];
