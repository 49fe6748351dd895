//! Exporters, and the places of their secrets.
//!
//! A secret never reaches the text. It is replaced in this order:
//!
//! 1. by a reference to the variable that holds it now, if the whole value came from one:
//!    `${OTEL_EXPORTER_OTLP_HEADERS}`;
//! 2. by a reference to a new variable with a name made from the header or the signal: `${OTLP_HEADER_AUTHORIZATION}`.
//!    A comment asks the user to set it.
//!
//! Every header's value counts as a secret, and so does an endpoint that `Debug` would redact (credentials, a query, a
//! token in its path).
//!
//! # Comments behind values
//!
//! | value | comment |
//! |---|---|
//! | of a variable or setter | its name: `OTEL_EXPORTER_OTLP_TIMEOUT`, `.timeout()` |
//! | the default | `default` |
//! | of a destination in code | `.destination()` |
//! | a reference to a variable that holds a secret now | [`SECRET`] |
//! | a reference to a variable that has to be set first | [`TO_BE_SET`] |
//!
//! # Names of new variables
//!
//! | secret | name |
//! |---|---|
//! | the header `x-api-key` | `OTLP_HEADER_X_API_KEY` |
//! | the endpoint of traces | `OTLP_TRACES_ENDPOINT` |
//! | the proxy | `OTLP_PROXY` |
//! | the text before the header `authorization` that is read from a file | `OTLP_PREFIX_AUTHORIZATION` |
//! | another value for the same name | the name with `_2`, `_3`, … |

use std::path::{Path, PathBuf};

use http::uri::Scheme;
use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::Writer;
use super::traces_and_logs::limit;
use super::yaml::{Map, Yaml};
use crate::settings::endpoint;
use crate::settings::exporter::{
    DestinationSettings, ExportSettings, OTLP, OutputTarget, SignalExporter, TlsFiles,
};
use crate::settings::types::{Compression, Protocol};
use crate::settings::value_kind::{header, header_list};

/// Variables that are named in the place of secrets that have none.
///
/// Each name with the secret that it stands for. The secrets are compared and never written.
#[derive(Default)]
pub(super) struct Placeholders(Vec<(String, Vec<u8>)>);

impl Placeholders {
    /// Returns a reference to the variable of a secret: the same one for the same value.
    ///
    /// `name` is the name to begin with. A name that already stands for another secret gets a number.
    pub(super) fn reference(&mut self, name: &str, secret: &[u8]) -> Yaml {
        let same =
            |known: &str| known == name || known.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
        let known =
            self.0.iter().find(|(known, value)| same(known) && value == secret).map(|(known, _)| known);
        let variable = known.cloned().unwrap_or_else(|| {
            let names =
                (1..).map(|number| if number == 1 { name.to_owned() } else { format!("{name}_{number}") });
            let is_free = |variable: &String| self.0.iter().all(|(known, _)| known != variable);
            names.into_iter().find(is_free).unwrap_or_default()
        });
        if known.is_none() {
            self.0.push((variable.clone(), secret.to_owned()));
        }
        Yaml::Reference(format!("${{{variable}}}"))
    }
}

impl Writer<'_> {
    /// Returns the name of an exporter and its options. `index` is the place among the destinations of the signal.
    pub(super) fn exporter(
        &mut self,
        signal: &SignalExporter,
        index: usize,
        destination: &DestinationSettings,
    ) -> (&'static str, Map) {
        match destination {
            DestinationSettings::Console => ("console", Map::default()),
            DestinationSettings::Output(target) => {
                let stream = match target {
                    OutputTarget::Stdout => "stdout".to_owned(),
                    OutputTarget::File(path) => file_url(path),
                };
                ("otlp_file/development", Map::from_entry("output_stream", stream))
            }
            DestinationSettings::Otlp(export) => {
                let name = if export.protocol.first == Protocol::Grpc { "otlp_grpc" } else { "otlp_http" };
                (name, self.otlp(signal, index, export))
            }
        }
    }

    /// Returns the options of an OTLP exporter.
    ///
    /// Only the first destination can have its values from variables or from setters of the builder; those of the
    /// others come from [`Destination::otlp`](crate::Destination::otlp), which their comments say.
    ///
    /// The protocol is written as the name of the exporter, and as `encoding` for HTTP. `compression` is left out if
    /// there is none.
    fn otlp(&mut self, signal: &SignalExporter, index: usize, export: &ExportSettings) -> Map {
        let otlp = &signal.otlp;
        let is_standard =
            index == 0 && (self.is_given(otlp.endpoint.key()) || self.is_given(signal.exporters.key()));
        let origin = |writer: &Self, key| if is_standard { writer.origin(key) } else { IN_CODE.to_owned() };
        let mut map = Map::default();
        let (address, comment) = self.endpoint(signal, export);
        let comment = comment.map_or_else(|| origin(self, otlp.endpoint.key()), str::to_owned);
        map.set_from("endpoint", address, comment);
        map.set_some("tls", Some(tls(&export.target.tls)));
        self.headers(&mut map, signal, &export.headers);
        if export.compression != Compression::None {
            let name = (otlp.compression.kind.show)(&export.compression);
            map.set_from("compression", name, origin(self, otlp.compression.key()));
        }
        map.set_from("timeout", limit(export.timeout), origin(self, otlp.timeout.key()));
        let encoding = match export.protocol.first {
            Protocol::HttpJson => "json",
            Protocol::HttpProtobuf => "protobuf",
            Protocol::Grpc | Protocol::Auto => return map,
        };
        map.set_from("encoding", encoding, origin(self, otlp.protocol.key()));
        map
    }

    /// Returns the address, or a reference to its variable, with a comment, if it may hold a secret.
    ///
    /// A file has the whole URL of each signal. A variable for all signals lacks the signal's part of the path, which
    /// is written behind the reference, unless a query or a fragment would come to stand before it.
    ///
    /// `None` as the comment leaves the origin of the setting in its place. A variable is referred to only if the file
    /// then means the same address.
    fn endpoint(&mut self, signal: &SignalExporter, export: &ExportSettings) -> (Yaml, Option<&'static str>) {
        let ExportSettings { target, http_path, .. } = export;
        if let Some(socket) = &target.socket {
            return (format!("unix:{}", absolute(socket).display()).into(), None);
        }
        let mut address = target.uri.to_string().trim_end_matches('/').to_owned();
        if export.protocol.first != Protocol::Grpc {
            address.push_str(http_path.as_str());
        }
        if endpoint::redacted(&address) == address {
            return (address.into(), None);
        }
        let is_same = |text: &str, part: Option<&str>| {
            let endpoint = endpoint::parse(text, Scheme::HTTPS).ok();
            endpoint.is_some_and(|endpoint| {
                endpoint.uri == target.uri && endpoint.http_path(part).as_ref() == Some(http_path)
            })
        };
        let given = |variable: &str| self.env.get(variable).filter(|text| text.contains("://"));
        let own = signal.otlp.endpoint.variables;
        if let Some(variable) =
            own.iter().find(|variable| given(variable).is_some_and(|text| is_same(text, None)))
        {
            return (Yaml::Reference(format!("${{{variable}}}")), Some(SECRET));
        }
        for variable in OTLP.endpoint.variables {
            let Some(text) = given(variable).filter(|text| !text.contains(['?', '#'])) else { continue };
            let separator = if text.ends_with('/') { "" } else { "/" };
            let whole = format!("{text}{separator}{}", signal.path);
            if is_same(&whole, None) {
                let reference = format!("${{{variable}}}{separator}{}", signal.path);
                return (Yaml::Reference(reference), Some(SECRET));
            }
        }
        let name = format!("OTLP_{}_ENDPOINT", variable_name(signal.path.trim_start_matches("v1/")));
        (self.placeholders.reference(&name, address.as_bytes()), Some(TO_BE_SET))
    }

    /// Sets the headers: `headers_list` with a reference, if one variable holds all of them, or else `headers` with a
    /// reference for each value.
    fn headers(&mut self, map: &mut Map, signal: &SignalExporter, headers: &[(HeaderName, HeaderValue)]) {
        if headers.is_empty() {
            return;
        }
        // Of a list with mistakes a file would use nothing.
        let is_same = |text: &str| {
            let (listed, mistakes) = header_list(text);
            let listed = listed.iter().map(|(name, value)| header(name, value).ok());
            mistakes.is_empty() && listed.eq(headers.iter().cloned().map(Some))
        };
        let mut variables = signal.otlp.headers.variables.iter().chain(OTLP.headers.variables);
        let same = variables.find(|variable| self.env.get(variable).is_some_and(is_same));
        if let Some(variable) = same {
            return map.set_from("headers_list", Yaml::Reference(format!("${{{variable}}}")), SECRET);
        }
        let mut list = Vec::new();
        for (name, value) in headers {
            let variable = format!("OTLP_HEADER_{}", variable_name(name.as_str()));
            let value = self.placeholders.reference(&variable, value.as_bytes());
            list.push(Map::from_entry("name", name.as_str()).with("value", value));
        }
        map.set_from("headers", list, TO_BE_SET);
    }
}

/// Returns the paths of certificates and keys. Their contents are never written.
///
/// Empty if no file is given. Relative paths become absolute, as the schema requires.
fn tls(TlsFiles { certificate, client_key, client_certificate, .. }: &TlsFiles) -> Map {
    let mut map = Map::default();
    for (key, file) in [("ca_file", certificate), ("key_file", client_key), ("cert_file", client_certificate)]
    {
        map.set_some(key, file.as_ref().map(|file| absolute(file).to_string_lossy().into_owned()));
    }
    map
}

/// Files of a configuration file do not depend on the working directory.
///
/// A path that cannot be made absolute, such as an empty one, stays as it is.
///
/// The working directory is that of the process which writes the file.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns a path as a `file:` URL, as the schema has it for `output_stream`. Bytes that a path in a URL cannot have
/// are percent-encoded.
fn file_url(path: &Path) -> String {
    format!("file://{}", percent_encode(absolute(path).as_os_str().as_encoded_bytes(), IN_PATHS))
}

/// Returns a part of a variable's name.
///
/// Every other character becomes `_`: `x-api-key` gives `X_API_KEY`.
fn variable_name(text: &str) -> String {
    text.replace(|character: char| !character.is_ascii_alphanumeric(), "_").to_ascii_uppercase()
}

/// Characters that RFC 3986 reserves in paths or does not allow; `/` separates segments and stays.
const IN_PATHS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The comment behind a reference to a variable that is set.
///
/// The variable has the value in this process; it must have it where the file is read.
pub(super) const SECRET: &str = "may hold a secret";
/// The comment behind a reference to a variable that does not exist yet.
pub(super) const TO_BE_SET: &str = "may hold a secret: set the variable to what the program has";
/// The origin of every value of a destination that was added in code.
///
/// All setters of a destination have this one.
const IN_CODE: &str = ".destination()";
