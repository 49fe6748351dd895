//! The environment: a snapshot of the variables, and typed readers for parts that work without `init()`.
//!
//! The process's variables are read once, at the start of `build()`: another thread may change them, and two settings
//! must not see two environments. Only values that can be settings are copied (`OTEL_…` and a few shared ones), so that
//! a password in another variable is never in our memory. Of the others the names are, as some may be misspelt.
//!
//! | variable | counts as |
//! |---|---|
//! | absent, empty, only white space | not set |
//! | not Unicode | not set, with a warning |
//! | anything else | its value without white space around it |
//!
//! The same type holds what a configuration file says to the layers for calls, under the names of their variables.

use std::collections::HashMap;
use std::ffi::OsString;

#[cfg(any(feature = "grpc", feature = "http"))]
use super::secrets::quoted;

pub(in crate::settings) mod names;

#[cfg(test)]
mod tests;

/// A snapshot of the variables that this crate may read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env {
    /// By name, values as they were found.
    variables: HashMap<String, String>,
    /// Names of variables that were set and could not be read.
    not_unicode: Vec<String>,
    /// Names of all others.
    others: Vec<String>,
    /// `REQUEST_METHOD` is set, which is how a web server starts a CGI program.
    is_cgi: bool,
}

impl Env {
    /// The variables of this process.
    pub(crate) fn process() -> Self {
        Self::from_os(std::env::vars_os())
    }

    /// An empty environment.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Sets a variable that layers read.
    #[cfg(feature = "config-file")]
    pub(in crate::settings) fn set(&mut self, name: &str, value: String) {
        self.variables.insert(name.to_owned(), value);
    }

    /// The given variables, and no others.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_pairs<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::from_os(variables.into_iter().map(|(name, value)| (name.into(), value.into())))
    }

    /// Copies what can be a setting. A name that is not Unicode is no variable of ours.
    fn from_os(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut env = Self::default();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            if name == "REQUEST_METHOD" {
                env.is_cgi = true;
            }
            if !name.starts_with("OTEL_") && !names::OF_OTHERS.contains(&&*name) {
                env.others.push(name);
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

    /// Returns the path in a variable.
    #[cfg(feature = "config-file")]
    pub(crate) fn config_file(&self, name: &str) -> Option<std::path::PathBuf> {
        self.get(name).map(Into::into)
    }

    /// The names of all variables, those without a value that can be read included.
    pub(in crate::settings) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().chain(&self.not_unicode).chain(&self.others).map(String::as_str)
    }

    /// Returns `true` if a web server has started this program as the answer to a request.
    pub(in crate::settings) fn is_cgi(&self) -> bool {
        self.is_cgi
    }

    /// Variables whose values cannot be read, in alphabetical order.
    pub(in crate::settings) fn not_unicode(&self) -> &[String] {
        &self.not_unicode
    }

    /// Returns the items of a variable in lower case; none if it is not set.
    #[cfg(any(feature = "grpc", feature = "http"))]
    fn list(&self, name: &str) -> Vec<String> {
        self.get(name).map(|value| items(value).map(str::to_ascii_lowercase).collect()).unwrap_or_default()
    }
}

/// The items of a comma-separated list; empty ones are skipped.
pub(in crate::settings) fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Names of the metadata that gRPC spans capture, in lower case.
#[cfg(feature = "grpc")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CapturedHeaders {
    /// Of requests to a server.
    pub(crate) server_request: Vec<String>,
    /// Of its answers: the metadata before the first message.
    pub(crate) server_response: Vec<String>,
    /// Of its answers: the metadata behind the last message.
    pub(crate) server_trailers: Vec<String>,
    /// The same three of a client.
    pub(crate) client_request: Vec<String>,
    pub(crate) client_response: Vec<String>,
    pub(crate) client_trailers: Vec<String>,
}

/// Returns the captured metadata of the environment: comma-separated names. Invalid header names are left out.
#[cfg(feature = "grpc")]
pub(crate) fn grpc_captured_headers(env: &Env, warnings: &mut Vec<String>) -> CapturedHeaders {
    let [server_request, server_response, server_trailers, client_request, client_response, client_trailers] =
        names::GRPC_CAPTURES.map(|variable| header_names(env, variable, warnings));
    CapturedHeaders {
        server_request,
        server_response,
        server_trailers,
        client_request,
        client_response,
        client_trailers,
    }
}

/// Returns the captured headers of the environment: of a server's requests and responses, then of a client's.
#[cfg(feature = "http")]
pub(crate) fn http_captured_headers(env: &Env, warnings: &mut Vec<String>) -> [Vec<String>; 4] {
    names::HTTP_CAPTURES.map(|variable| header_names(env, variable, warnings))
}

/// Returns the names in a variable that headers can have. Each other name adds a warning.
#[cfg(any(feature = "grpc", feature = "http"))]
fn header_names(env: &Env, variable: &str, warnings: &mut Vec<String>) -> Vec<String> {
    let mut listed = env.list(variable);
    listed.retain(|name| {
        // Other languages accept patterns. As a name, one would never match.
        let is_name = http::HeaderName::try_from(name).is_ok() && !name.contains('*');
        if !is_name {
            warnings.push(format!("{variable}: {} is not the name of a header; it is ignored", quoted(name)));
        }
        is_name
    });
    listed
}

/// Returns the HTTP methods that are reported by their name, if the environment lists them.
#[cfg(feature = "http")]
pub(crate) fn http_known_methods(env: &Env) -> Option<Vec<String>> {
    let listed: Vec<_> = items(env.get(names::HTTP_KNOWN_METHODS)?).map(str::to_owned).collect();
    (!listed.is_empty()).then_some(listed)
}
