//! Exporters.
//!
//! The four OTLP models of the schema (gRPC and HTTP, each with and without the preferences of metrics) have the same
//! fields but for a few. They become one [`Otlp`], whose values are then checked by the settings of the environment: an
//! endpoint or a timeout is right or wrong for the same reasons, wherever it comes from.
//!
//! | in the file | becomes |
//! |---|---|
//! | `otlp_grpc`, `otlp_http` | [`Otlp`], then [`DestinationSettings::Otlp`] |
//! | `otlp_file/development` | [`DestinationSettings::Output`]: standard output or a file |
//! | `console` | [`DestinationSettings::Console`] |
//!
//! A destination of a file is complete in itself: nothing comes from the environment or from setters, so that no header
//! reaches a receiver that it is not for. What the schema has no place for (proxy, header files, size of requests)
//! comes from `distribution`, for one signal or for all.
//!
//! A mistake in an exporter has the position of the value. A value that the schema accepts and the settings refuse,
//! such as an endpoint with a scheme that does not exist, is found by the resolver and reported at the same position.
//!
//! # Keys and settings
//!
//! `E` is the exporter; settings are those of its signal.
//!
//! | key | key of the setting | checked by |
//! |---|---|---|
//! | `E.endpoint` | `traces.endpoint`, … | [`endpoint`] |
//! | `E.headers`, `E.headers_list` | `traces.header`, … | at least one valid header; others are left out |
//! | `E.compression` | `traces.compression`, … | `none`, `gzip` or `zstd`, and its feature |
//! | `E.timeout` | `traces.timeout`, … | at most a year; under 100 ms is a warning |
//! | `E.tls.ca_file`, `key_file`, `cert_file` | `traces.tls/certificate`, … | PEM files that can be read |
//! | `E.tls.insecure` | `OTEL_EXPORTER_OTLP_TRACES_INSECURE`, … | – |
//! | the name, and `encoding` | `traces.protocol`, … | the features of the protocols |
//!
//! # Messages
//!
//! | mistake | message |
//! |---|---|
//! | `output_stream: file.jsonl` | `"file.jsonl" is not allowed here: must be stdout or file:///path` |
//! | a folder that does not exist | `the file cannot be written: its folder is not there, or it is a folder` |
//! | `headers_list: a` | `[redacted] …: must be name=value,name=value` |
//! | `ca_file: ca.pem` | `"ca.pem" is not an absolute path` |
//! | `key_file` alone | `` `cert_file` is missing: a key needs its certificate `` |
//! | `endpoint: collector:4318` for HTTP | `"collector:4318" is not a URL: must begin with http:// or https://` |

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::Apply;
use crate::settings::endpoint;
use crate::settings::env::Env;
use crate::settings::exporter::{DestinationSettings, ExporterSetting, OTLP, OutputTarget, SignalExporter};
use crate::settings::file::model::{
    At, Encoding, Header, List, Located, LogRecordExporter, OtlpGrpc, OtlpGrpcMetrics, OtlpHttp,
    OtlpHttpMetrics, PushMetricExporter, Secret, SpanExporter, Unsigned,
};
use crate::settings::file::values::FileValues;
use crate::settings::proxy::{HTTPS_PROXY, NO_PROXY};
use crate::settings::resolve::Resolver;
use crate::settings::secrets::quoted;
use crate::settings::value_kind::{header, pairs};

/// The exporter of a processor or reader.
///
/// The schema has a type for each signal; the conversions are the same and made by a macro.
pub(super) enum Exporter<'a> {
    /// OTLP over gRPC or HTTP.
    Otlp(Box<Otlp<'a>>),
    /// OTLP as lines of JSON: `stdout`, the default, or `file:///path`.
    ///
    /// `None` if `output_stream` is absent.
    File(Option<&'a Located<String>>),
    /// Standard output, for people.
    Console,
}

/// Implements the conversion for the exporters of a signal.
macro_rules! exporters {
    ($($model:ident),*) => {$(
        impl<'a> From<&'a $model> for Exporter<'a> {
            fn from(model: &'a $model) -> Self {
                match model {
                    $model::OtlpHttp(otlp) => Self::Otlp(Box::new(otlp.into())),
                    $model::OtlpGrpc(otlp) => Self::Otlp(Box::new(otlp.into())),
                    $model::OtlpFile(file) => Self::File(file.output_stream.as_ref()),
                    $model::Console(_) => Self::Console,
                }
            }
        }
    )*};
}

exporters!(SpanExporter, LogRecordExporter, PushMetricExporter);

/// What the OTLP exporters of all signals have.
///
/// It borrows from the document, with the positions of all values.
///
/// The preferences for metrics are not part of it: the reader takes them from the model.
pub(super) struct Otlp<'a> {
    /// The node of the exporter; mistakes without a place of their own are reported there.
    at: &'a At,
    /// As `OTEL_EXPORTER_OTLP_PROTOCOL` names it.
    ///
    /// `grpc`, `http/protobuf` or `http/json`.
    protocol: &'static str,
    /// A whole URL for HTTP, scheme and authority for gRPC, or `unix:` with a path.
    ///
    /// `None` for the schema's default.
    endpoint: Option<&'a Located<String>>,
    /// Only gRPC has it: HTTP says it with the scheme.
    ///
    /// `None` counts as `false`.
    insecure: Option<bool>,
    /// PEM files, by absolute paths.
    ///
    /// The certificates of authorities.
    ca_file: Option<&'a Located<String>>,
    /// The private key of the client.
    key_file: Option<&'a Located<String>>,
    /// The certificates of the client.
    cert_file: Option<&'a Located<String>>,
    /// Headers one by one, with their positions.
    headers: Option<&'a List<Header>>,
    /// The same as the variable has them: `name=value,name=value`.
    headers_list: Option<&'a Located<Secret>>,
    /// `gzip`, `zstd` or `none`.
    compression: Option<&'a Located<String>>,
    /// Milliseconds; 0 is no limit.
    ///
    /// `None` for 10 s, the default of the setting and of the schema.
    timeout: Option<&'a Located<Unsigned>>,
}

/// Implements the conversion for exporters over HTTP.
macro_rules! otlp {
    ($($model:ident, |$otlp:ident| $protocol:expr, $insecure:expr;)*) => {$(
        impl<'a> From<&'a $model> for Otlp<'a> {
            fn from($otlp: &'a $model) -> Self {
                let tls = $otlp.tls.as_ref();
                Self {
                    at: &$otlp.at,
                    protocol: $protocol,
                    endpoint: $otlp.endpoint.as_ref(),
                    insecure: $insecure,
                    ca_file: tls.and_then(|tls| tls.ca_file.as_ref()),
                    key_file: tls.and_then(|tls| tls.key_file.as_ref()),
                    cert_file: tls.and_then(|tls| tls.cert_file.as_ref()),
                    headers: $otlp.headers.as_ref(),
                    headers_list: $otlp.headers_list.as_ref(),
                    compression: $otlp.compression.as_ref(),
                    timeout: $otlp.timeout.as_ref(),
                }
            }
        }
    )*};
}

otlp! {
    OtlpHttp, |otlp| http_protocol(otlp.encoding.as_ref()), None;
    OtlpHttpMetrics, |otlp| http_protocol(otlp.encoding.as_ref()), None;
    OtlpGrpc, |otlp| "grpc", otlp.tls.as_ref().and_then(|tls| tls.insecure);
    OtlpGrpcMetrics, |otlp| "grpc", otlp.tls.as_ref().and_then(|tls| tls.insecure);
}

/// Returns the protocol of an exporter over HTTP. Protobuf is the schema's default.
fn http_protocol(encoding: Option<&Located<Encoding>>) -> &'static str {
    match encoding.map(|encoding| encoding.value) {
        Some(Encoding::Json) => "http/json",
        Some(Encoding::Protobuf) | None => "http/protobuf",
    }
}

impl Otlp<'_> {
    /// Returns `true` for protobuf and JSON over HTTP.
    ///
    /// The endpoint is then a whole URL.
    fn is_http(&self) -> bool {
        self.protocol != "grpc"
    }
}

impl Apply<'_> {
    /// Returns where a signal is sent, if the exporter can be used. `limit` is that of the processor for one batch.
    ///
    /// The limit of one request is that of the exporter, within that of the processor. `None` after a mistake, which is
    /// reported.
    ///
    /// `signal` selects the settings and the path of the default endpoint. A reader of metrics has one limit for a
    /// collection, and a processor one for a batch.
    pub(super) fn destination(
        &mut self,
        signal: &SignalExporter,
        exporter: &Exporter<'_>,
        limit: Duration,
    ) -> Option<DestinationSettings> {
        match exporter {
            Exporter::Console => Some(DestinationSettings::Console),
            Exporter::File(None) => Some(DestinationSettings::Output(OutputTarget::Stdout)),
            Exporter::File(Some(stream)) => self.output(stream).map(DestinationSettings::Output),
            Exporter::Otlp(otlp) => self.otlp(signal, otlp).map(|destination| destination.within(limit)),
        }
    }

    /// Reads `stdout` or `file:///path`. A file that is not there is created at the first export, so that a document
    /// with mistakes leaves nothing behind.
    ///
    /// The path may be percent-encoded. `None` after a mistake: another scheme, a relative path, bytes that are not
    /// UTF-8, a folder that does not exist.
    fn output(&mut self, stream: &Located<String>) -> Option<OutputTarget> {
        if stream.value == "stdout" {
            return Some(OutputTarget::Stdout);
        }
        let path = stream.value.strip_prefix("file://").map(|path| percent_decode_str(path).decode_utf8());
        let Some(Ok(path)) = path.filter(|path| path.as_ref().is_ok_and(|path| path.starts_with('/'))) else {
            let shown = quoted(&stream.value);
            self.mistake(&stream.at, format!("{shown} is not allowed here: must be stdout or file:///path"));
            return None;
        };
        let path = PathBuf::from(path.into_owned());
        let folder = path.parent().unwrap_or(&path);
        if path.is_dir() || !folder.is_dir() {
            self.mistake(
                &stream.at,
                "the file cannot be written: its folder is not there, or it is a folder",
            );
            return None;
        }
        Some(OutputTarget::File(path))
    }

    /// Returns the settings of an OTLP exporter: those of the environment, given by the file.
    ///
    /// Each exporter has values and a resolver of its own, since several exporters of one signal give the same settings
    /// different values.
    ///
    /// `None` after a mistake in the endpoint. The defaults of the settings hold for what neither the exporter nor
    /// `distribution` gives.
    fn otlp(&mut self, signal: &SignalExporter, exporter: &Otlp<'_>) -> Option<DestinationSettings> {
        let mut values = FileValues::new(self.values.name.clone());
        let otlp = &signal.otlp;
        values.set(otlp.protocol.key(), exporter.protocol, exporter.at);
        self.endpoint(&mut values, signal, exporter);
        self.headers(&mut values, otlp, exporter);
        self.tls_files(&mut values, otlp, exporter);
        if let Some(compression) = exporter.compression {
            values.set(otlp.compression.key(), &*compression.value, &compression.at);
        }
        if let Some(timeout) = exporter.timeout {
            values.set(otlp.timeout.key(), timeout.value.unsigned().to_string(), &timeout.at);
        }
        // What the schema has no place for is under `distribution`, for all signals or for one.
        values.copy(&self.values, &[otlp.proxy.key(), OTLP.proxy.key()], HTTPS_PROXY.key());
        values.copy(&self.values, &[NO_PROXY.key()], NO_PROXY.key());
        let sizes = [otlp.max_request_size.key(), OTLP.max_request_size.key()];
        values.copy(&self.values, &sizes, otlp.max_request_size.key());
        let none = Env::none();
        let mut resolver = Resolver::new(&none).with_file(&values);
        let settings = resolver.destination_of_file(signal);
        let mistakes = resolver.take_file_mistakes();
        let (warnings, ..) = resolver.finish();
        self.warnings.extend(warnings);
        for (at, reason) in mistakes {
            self.mistake(&at, reason);
        }
        let scope = otlp.proxy.key().split('.').next().unwrap_or_default();
        settings.map(|mut export| {
            export.credentials.sources = self.header_sources(scope, &export.headers);
            export.target.tls.from_env = false;
            DestinationSettings::Otlp(Box::new(export))
        })
    }

    /// Gives the endpoint, or the schema's default, to the settings of the exporter.
    ///
    /// The endpoint of HTTP is a whole URL: nothing is added to it. One without a scheme is a mistake there, while gRPC
    /// takes `insecure` for it.
    ///
    /// `insecure` is set in any case: without it, an address without a scheme would be a warning.
    fn endpoint(&mut self, values: &mut FileValues, signal: &SignalExporter, exporter: &Otlp<'_>) {
        let otlp = &signal.otlp;
        values.set(otlp.insecure.key(), exporter.insecure.unwrap_or_default().to_string(), exporter.at);
        let Some(given) = exporter.endpoint else {
            let default = match exporter.is_http() {
                true => format!("http://localhost:4318/{}", signal.path),
                false => "http://localhost:4317".to_owned(),
            };
            values.set(otlp.endpoint.key(), default, exporter.at);
            return;
        };
        if exporter.is_http() && !given.value.contains("://") && !given.value.starts_with("unix:") {
            let shown = endpoint::redacted(&given.value);
            self.mistake(&given.at, format!("{shown:?} is not a URL: must begin with http:// or https://"));
        }
        values.set(otlp.endpoint.key(), &*given.value, &given.at);
    }

    /// Gives the headers to the settings of the exporter, as the variable has them: percent-encoded, with commas.
    ///
    /// Headers of `headers` win over those of `headers_list`; one without a value leaves the header out.
    ///
    /// Names are compared without regard to case. The position is that of the first header, or of the list. The list
    /// replaces the headers of code, also if it is empty. Each header that cannot be sent is a mistake.
    fn headers(&mut self, values: &mut FileValues, otlp: &ExporterSetting, exporter: &Otlp<'_>) {
        let mut headers: Vec<(String, String)> = Vec::new();
        if let Some(list) = exporter.headers_list {
            match pairs(&list.value.0) {
                Ok(listed) => headers = listed,
                Err(reason) => {
                    self.mistake(&list.at, format!("[redacted] {reason}: must be name=value,name=value"))
                }
            }
        }
        let given = exporter.headers.into_iter().flat_map(|headers| &headers.0);
        for Header { name, value, .. } in given.clone() {
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            if let Some(value) = &value.0 {
                headers.push((name.clone(), value.0.clone()));
            }
        }
        let first = exporter.headers.and_then(|headers| headers.0.first()).map(|first| &first.at);
        let at = first.or(exporter.headers_list.map(|list| &list.at)).unwrap_or(exporter.at);
        headers.retain(|(name, value)| match header(name, value) {
            Ok(_) => true,
            Err(reason) => {
                let own = given.clone().find(|own| own.name.eq_ignore_ascii_case(name));
                self.mistake(own.map_or(at, |own| &own.at), reason.to_string());
                false
            }
        });
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let list: Vec<_> =
            headers.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        values.set(otlp.headers.key(), list.join(","), at);
    }

    /// Gives the paths of certificates and keys to the settings. They must be absolute, and key and certificate come
    /// together.
    ///
    /// Whether the files can be read is checked by the settings.
    fn tls_files(&mut self, values: &mut FileValues, otlp: &ExporterSetting, exporter: &Otlp<'_>) {
        let files = [
            (otlp.certificate.key(), exporter.ca_file),
            (otlp.client_key.key(), exporter.key_file),
            (otlp.client_certificate.key(), exporter.cert_file),
        ];
        for (key, file) in files {
            let Some(file) = file else { continue };
            match std::path::Path::new(&file.value).is_absolute() {
                true => values.set(key, &*file.value, &file.at),
                false => self.mistake(&file.at, format!("{} is not an absolute path", quoted(&file.value))),
            }
        }
        match (exporter.key_file, exporter.cert_file) {
            (Some(key), None) => self.mistake(&key.at, "`cert_file` is missing: a key needs its certificate"),
            (None, Some(cert)) => {
                self.mistake(&cert.at, "`key_file` is missing: a certificate needs its key")
            }
            _ => {}
        }
    }
}
