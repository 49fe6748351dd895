//! OTLP exporters.
//!
//! The four models of the schema (gRPC and HTTP, each with and without the preferences of metrics) have the same fields but
//! for a few. They become one [`Exporter`], whose values are then checked by the settings of the environment: an endpoint
//! or a timeout is right or wrong for the same reasons, wherever it comes from.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Apply;
use crate::settings::endpoint;
use crate::settings::env::Env;
use crate::settings::exporter::{DestinationSettings, ExporterSetting, SignalExporter};
use crate::settings::file::model::{
    At, Encoding, Header, List, Located, OtlpGrpc, OtlpGrpcMetrics, OtlpHttp, OtlpHttpMetrics, Secret,
    Unsigned,
};
use crate::settings::file::values::FileValues;
use crate::settings::resolve::Resolver;
use crate::settings::secrets::quoted;
use crate::settings::value_kind::pairs;

/// What the OTLP exporters of all signals have.
pub(super) struct Exporter<'a> {
    /// The node of the exporter; mistakes without a place of their own are reported there.
    at: &'a At,
    /// As `OTEL_EXPORTER_OTLP_PROTOCOL` names it.
    protocol: &'static str,
    endpoint: Option<&'a Located<String>>,
    /// Only gRPC has it: HTTP says it with the scheme.
    insecure: Option<bool>,
    ca_file: Option<&'a Located<String>>,
    key_file: Option<&'a Located<String>>,
    cert_file: Option<&'a Located<String>>,
    headers: Option<&'a List<Header>>,
    headers_list: Option<&'a Located<Secret>>,
    compression: Option<&'a Located<String>>,
    /// Milliseconds; 0 is no limit.
    timeout: Option<&'a Located<Unsigned>>,
}

macro_rules! http {
    ($($model:ident),*) => {$(
        impl<'a> From<&'a $model> for Exporter<'a> {
            fn from(model: &'a $model) -> Self {
                let tls = model.tls.as_ref();
                Self {
                    at: &model.at,
                    protocol: match model.encoding.as_ref().map(|encoding| encoding.value) {
                        Some(Encoding::Json) => "http/json",
                        Some(Encoding::Protobuf) | None => "http/protobuf",
                    },
                    endpoint: model.endpoint.as_ref(),
                    insecure: None,
                    ca_file: tls.and_then(|tls| tls.ca_file.as_ref()),
                    key_file: tls.and_then(|tls| tls.key_file.as_ref()),
                    cert_file: tls.and_then(|tls| tls.cert_file.as_ref()),
                    headers: model.headers.as_ref(),
                    headers_list: model.headers_list.as_ref(),
                    compression: model.compression.as_ref(),
                    timeout: model.timeout.as_ref(),
                }
            }
        }
    )*};
}

macro_rules! grpc {
    ($($model:ident),*) => {$(
        impl<'a> From<&'a $model> for Exporter<'a> {
            fn from(model: &'a $model) -> Self {
                let tls = model.tls.as_ref();
                Self {
                    at: &model.at,
                    protocol: "grpc",
                    endpoint: model.endpoint.as_ref(),
                    insecure: tls.and_then(|tls| tls.insecure),
                    ca_file: tls.and_then(|tls| tls.ca_file.as_ref()),
                    key_file: tls.and_then(|tls| tls.key_file.as_ref()),
                    cert_file: tls.and_then(|tls| tls.cert_file.as_ref()),
                    headers: model.headers.as_ref(),
                    headers_list: model.headers_list.as_ref(),
                    compression: model.compression.as_ref(),
                    timeout: model.timeout.as_ref(),
                }
            }
        }
    )*};
}

http!(OtlpHttp, OtlpHttpMetrics);
grpc!(OtlpGrpc, OtlpGrpcMetrics);

impl Exporter<'_> {
    /// Returns `true` for protobuf and JSON over HTTP.
    fn is_http(&self) -> bool {
        self.protocol != "grpc"
    }
}

impl Apply<'_> {
    /// Returns the settings of an OTLP exporter: those of the environment, given by the file.
    pub(super) fn otlp(
        &mut self,
        signal: &SignalExporter,
        exporter: &Exporter<'_>,
    ) -> Option<DestinationSettings> {
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
        let none = Env::none();
        let mut resolver = Resolver::new(&none).with_file(&values);
        let settings = resolver.destination_of_file(signal);
        let mistakes = resolver.take_file_mistakes();
        let (warnings, ..) = resolver.finish();
        self.warnings.extend(warnings);
        for (at, reason) in mistakes {
            self.mistake(&at, reason);
        }
        settings
    }

    /// The endpoint of HTTP is a whole URL: nothing is added to it.
    fn endpoint(&mut self, values: &mut FileValues, signal: &SignalExporter, exporter: &Exporter<'_>) {
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
        if exporter.is_http() && !given.value.contains("://") {
            let shown = endpoint::redacted(&given.value);
            self.mistake(&given.at, format!("{shown:?} is not a URL: must begin with http:// or https://"));
        }
        values.set(otlp.endpoint.key(), &*given.value, &given.at);
    }

    /// Headers of `headers` win over those of `headers_list`.
    fn headers(&mut self, values: &mut FileValues, otlp: &ExporterSetting, exporter: &Exporter<'_>) {
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
        for Header { name, value, .. } in given {
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            if let Some(value) = &value.0 {
                headers.push((name.clone(), value.0.clone()));
            }
        }
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let list: Vec<_> =
            headers.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let first = exporter.headers.and_then(|headers| headers.0.first()).map(|header| &header.at);
        let at = first.or(exporter.headers_list.map(|list| &list.at)).unwrap_or(exporter.at);
        values.set(otlp.headers.key(), list.join(","), at);
    }

    fn tls_files(&mut self, values: &mut FileValues, otlp: &ExporterSetting, exporter: &Exporter<'_>) {
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
