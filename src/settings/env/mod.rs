//! The environment: a snapshot of the variables, and typed readers for parts that work without `init()`.

use std::collections::HashMap;
use std::ffi::OsString;

use super::types::RpcConventions;

pub(in crate::settings) mod names;

#[cfg(test)]
mod tests;

/// A snapshot of the variables that this crate may read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env {
    variables: HashMap<String, String>,
    not_unicode: Vec<String>,
}

impl Env {
    /// The variables of this process.
    pub(crate) fn process() -> Self {
        Self::from_os(std::env::vars_os())
    }

    /// No variables at all.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// The given variables, and no others.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::from_os(variables.into_iter().map(|(name, value)| (name.into(), value.into())))
    }

    fn from_os(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut env = Self::default();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            if !name.starts_with("OTEL_") && ![names::RUST_LOG, names::NO_COLOR].contains(&&*name) {
                continue;
            }
            match value.into_string() {
                Ok(value) => _ = env.variables.insert(name, value),
                Err(_) => env.not_unicode.push(name),
            }
        }
        env.not_unicode.sort();
        env
    }

    /// The value of a variable, without white space around it. An empty one counts as not set.
    pub(in crate::settings) fn get(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// Variables whose values cannot be read, in alphabetical order.
    pub(in crate::settings) fn not_unicode(&self) -> &[String] {
        &self.not_unicode
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.get(name).map(|value| items(value).map(str::to_ascii_lowercase).collect()).unwrap_or_default()
    }
}

/// The items of a comma-separated list; empty ones are skipped.
pub(in crate::settings) fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Which names RPC telemetry carries.
///
/// The variable is a list that other instrumentation reads too: what is not about RPC is passed over.
pub(crate) fn rpc_conventions(env: &Env, warnings: &mut Vec<String>) -> RpcConventions {
    let mut conventions = None;
    for item in env.list(names::OTEL_SEMCONV_STABILITY_OPT_IN) {
        match item.as_str() {
            // The specification: of both, the one that emits both wins.
            "rpc/dup" => conventions = Some(RpcConventions::Both),
            "rpc" => conventions = conventions.or(Some(RpcConventions::Stable)),
            "rpc/old" => conventions = conventions.or(Some(RpcConventions::Old)),
            other if other.starts_with("rpc/") => warnings.push(format!(
                "{}: {other:?} is not one of rpc, rpc/dup, rpc/old; it is ignored",
                names::OTEL_SEMCONV_STABILITY_OPT_IN
            )),
            _ => {}
        }
    }
    conventions.unwrap_or_default()
}

/// Names of the metadata that gRPC spans shall show, in lower case.
#[cfg(feature = "grpc")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CapturedHeaders {
    pub(crate) server_request: Vec<String>,
    pub(crate) server_response: Vec<String>,
    pub(crate) server_trailers: Vec<String>,
    pub(crate) client_request: Vec<String>,
    pub(crate) client_response: Vec<String>,
    pub(crate) client_trailers: Vec<String>,
}

/// What the environment says about captured metadata: comma-separated names. Those that no header can have are left out.
#[cfg(feature = "grpc")]
pub(crate) fn grpc_captured_headers(env: &Env, warnings: &mut Vec<String>) -> CapturedHeaders {
    let mut list = |variable| {
        let mut listed = env.list(variable);
        listed.retain(|name| {
            let is_name = http::HeaderName::try_from(name).is_ok();
            if !is_name {
                warnings.push(format!("{variable}: {name:?} is not the name of a header; it is ignored"));
            }
            is_name
        });
        listed
    };
    CapturedHeaders {
        server_request: list(names::OTEL_RUST_GRPC_CAPTURE_SERVER_REQUEST_HEADERS),
        server_response: list(names::OTEL_RUST_GRPC_CAPTURE_SERVER_RESPONSE_HEADERS),
        server_trailers: list(names::OTEL_RUST_GRPC_CAPTURE_SERVER_RESPONSE_TRAILERS),
        client_request: list(names::OTEL_RUST_GRPC_CAPTURE_CLIENT_REQUEST_HEADERS),
        client_response: list(names::OTEL_RUST_GRPC_CAPTURE_CLIENT_RESPONSE_HEADERS),
        client_trailers: list(names::OTEL_RUST_GRPC_CAPTURE_CLIENT_RESPONSE_TRAILERS),
    }
}
