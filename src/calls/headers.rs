//! Headers that are recorded as attributes.
//!
//! No header is recorded unless it is listed, because headers hold credentials. Names come from code, or from
//! `OTEL_INSTRUMENTATION_…_CAPTURE_…_HEADERS`, which replaces the list in code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{Array, Key, KeyValue, StringValue, Value};

use crate::diagnostics::FieldValue;
use crate::provider::installed::Installed;
use crate::user_code::bounded_text::beginning;

/// The names of the headers to capture, as they were listed.
#[derive(Clone, Debug, Default)]
pub(super) struct CapturedNames {
    /// Headers of requests, in any case of letters.
    pub(super) request: Vec<String>,
    /// Headers of responses.
    pub(super) response: Vec<String>,
    /// Trailers of responses, for gRPC only.
    pub(super) trailers: Vec<String>,
}

impl CapturedNames {
    /// Returns these names of the environment, each list replaced by that in code if it is empty.
    pub(super) fn or(self, code: &Self) -> Self {
        let or =
            |listed: Vec<String>, code: &[String]| if listed.is_empty() { code.to_vec() } else { listed };
        Self {
            request: or(self.request, &code.request),
            response: or(self.response, &code.response),
            trailers: or(self.trailers, &code.trailers),
        }
    }
}

/// The headers that a layer records as attributes, by an allow-list.
///
/// Keys are made once, `rpc.request.header.<name>` or `http.request.header.<name>`: a call clones them without
/// a copy.
#[derive(Clone, Debug, Default)]
pub(super) struct HeaderCapture(Vec<(HeaderName, Key)>);

impl HeaderCapture {
    /// Creates a capture list. Invalid header names are ignored and logged.
    pub(super) fn new<N: AsRef<str>>(prefix: &str, names: impl IntoIterator<Item = N>) -> Self {
        let parse = |name: N| {
            let Ok(header) = HeaderName::try_from(name.as_ref().trim()) else {
                warn_invalid_name(name.as_ref());
                return None;
            };
            let key = Key::new(format!("{prefix}{header}"));
            Some((header, key))
        };
        Self(names.into_iter().filter_map(parse).collect())
    }

    /// Returns one attribute for each listed header that is present: an array of its values, in their order.
    pub(super) fn attributes(&self, headers: &HeaderMap) -> impl Iterator<Item = KeyValue> {
        self.0.iter().filter_map(|(name, key)| {
            let values: Vec<StringValue> = headers.get_all(name).iter().map(text).collect();
            (!values.is_empty()).then(|| KeyValue::new(key.clone(), Value::Array(Array::String(values))))
        })
    }
}

/// Logs an invalid name that was set in code. Names in the environment were checked by `build()`.
fn warn_invalid_name(name: &str) {
    if let Some(installed) = Installed::get() {
        let message = "ignoring invalid header name in the capture list of a layer";
        installed.diagnostics.warn(message, &[("name", FieldValue::Text(&name))]);
    }
}

/// The value as text. Binary metadata (`-bin`) travels as base64 and is left as it is; other bytes that are not UTF-8
/// are encoded as base64.
fn text(value: &HeaderValue) -> StringValue {
    let bytes = value.as_bytes();
    match str::from_utf8(bytes) {
        Ok(text) => StringValue::from(beginning(text, MAX_CALLER_TEXT).to_owned()),
        Err(_) => StringValue::from(STANDARD.encode(&bytes[..bytes.len().min(MAX_CALLER_TEXT)])),
    }
}

/// Bytes of a header, a path or a query of a caller that are recorded. A few long ones would displace the spans of others.
pub(super) const MAX_CALLER_TEXT: usize = 8 << 10;
