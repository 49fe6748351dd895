//! Methods, by their known names.
//!
//! Methods are case-sensitive, and any token is one, so a peer can invent as many as it likes. Only known ones are
//! reported by name; all others are `_OTHER` on metrics and in attributes, and `HTTP` in the names of spans. Source:
//! "Semantic conventions for HTTP spans", `http.request.method`.

use std::sync::Arc;

use http::Method;
use opentelemetry::{StringValue, Value};

use crate::semconv;
use crate::subscriber::CallAttributes;

/// The methods that are reported by their name.
pub(super) struct KnownMethods(Vec<(Arc<str>, ReportedMethod)>);

/// The method of a request as it is reported.
#[derive(Clone)]
pub(super) enum ReportedMethod {
    /// The index in [`STANDARD`].
    Standard(usize),
    /// Known by a list of the program or the environment, and none of [`STANDARD`].
    Listed(Arc<str>),
    /// Not known.
    Other,
}

impl KnownMethods {
    /// Creates the list: the given one, or that of the conventions.
    pub(super) fn new(listed: Option<&[String]>) -> Self {
        let known = |name: &str| {
            let name = Arc::from(name);
            let reported = match STANDARD.iter().position(|standard| **standard == *name) {
                Some(place) => ReportedMethod::Standard(place),
                None => ReportedMethod::Listed(Arc::clone(&name)),
            };
            (name, reported)
        };
        Self(match listed {
            Some(listed) => listed.iter().map(|name| known(name)).collect(),
            None => STANDARD.iter().map(|name| known(name)).collect(),
        })
    }

    /// Returns how a method is reported. The lists are short: comparing takes less than hashing.
    pub(super) fn get(&self, method: &Method) -> ReportedMethod {
        let known = self.0.iter().find(|(known, _)| **known == *method.as_str());
        known.map_or(ReportedMethod::Other, |(_, reported)| reported.clone())
    }
}

impl ReportedMethod {
    /// The value of `http.request.method`.
    pub(super) fn value(&self) -> Value {
        Value::String(match self {
            Self::Standard(place) => StringValue::from(STANDARD[*place]),
            Self::Listed(name) => StringValue::from(Arc::clone(name)),
            Self::Other => StringValue::from(semconv::OTHER),
        })
    }

    /// Sets `http.request.method` of a span.
    pub(super) fn set_attribute(&self, attributes: &mut CallAttributes) {
        match self {
            Self::Standard(place) => attributes.push_static(semconv::HTTP_REQUEST_METHOD, STANDARD[*place]),
            Self::Listed(name) => attributes.push_shared(semconv::HTTP_REQUEST_METHOD, name),
            Self::Other => attributes.push_static(semconv::HTTP_REQUEST_METHOD, semconv::OTHER),
        }
    }

    /// The same value as text.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Other => semconv::OTHER,
            known => known.in_span_name(),
        }
    }

    /// Returns the key of the method within its layer.
    pub(super) fn key(&self) -> usize {
        match self {
            Self::Standard(place) => place + 1,
            Self::Listed(name) => name.as_ptr().addr(),
            Self::Other => 0,
        }
    }

    /// The method in the name of a span.
    pub(super) fn in_span_name(&self) -> &str {
        match self {
            Self::Standard(place) => STANDARD[*place],
            Self::Listed(name) => name,
            Self::Other => "HTTP",
        }
    }

    /// The name of a span.
    pub(super) fn span_name(&self, target: Option<&str>) -> std::borrow::Cow<'static, str> {
        match (self, target) {
            (Self::Standard(place), None) => std::borrow::Cow::Borrowed(STANDARD[*place]),
            (_, None) => self.in_span_name().to_owned().into(),
            (_, Some(target)) => {
                let method = self.in_span_name();
                let mut name = String::with_capacity(method.len() + 1 + target.len());
                name.push_str(method);
                name.push(' ');
                name.push_str(target);
                name.into()
            }
        }
    }
}

/// The methods of the conventions, the frequent ones first.
pub(super) const STANDARD: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "QUERY", "CONNECT", "TRACE"];
