//! Makes [`Settings`] of what was asked for.

mod decide;
mod export;
mod lists;
mod queue;
mod resource;
mod sampler;
mod signals;

use std::time::Duration;

use self::decide::{Resolver, Sources};
use super::builder_config::BuilderConfig;
#[cfg(feature = "grpc")]
use super::env::grpc_captured_headers;
use super::env::{Env, names, rpc_conventions};
use super::types::{Directives, LineSettings, LogFormat, Settings};
use super::value_kind::{DURATION, LOG_FORMAT};
use crate::error::InitError;

/// Decides every setting. Beside them, everything that is wrong in code; mistakes in the environment are warnings in the
/// settings.
pub(crate) fn resolve(requested: &BuilderConfig, env: &Env) -> (Settings, Vec<InitError>) {
    let mut resolution = Resolver::new(env);
    resolution.warn_of_variables_without_effect();
    let mut settings = resolution.settings(requested);
    // The gRPC layers read these variables themselves, as they work without `init()` too; here they are only checked.
    rpc_conventions(env, resolution.warnings_mut());
    #[cfg(feature = "grpc")]
    grpc_captured_headers(env, resolution.warnings_mut());
    let errors;
    (settings.warnings, errors) = resolution.finish();
    (settings, errors)
}

impl Resolver<'_> {
    fn settings(&mut self, requested: &BuilderConfig) -> Settings {
        let shutdown = [(None, requested.shutdown_timeout)];
        Settings {
            disabled: self.flag(&[names::OTEL_SDK_DISABLED]).unwrap_or(false),
            resource: self.resource(requested),
            propagators: self.propagators(requested.custom_propagators),
            traces: self.traces(requested),
            metrics: self.metrics(requested),
            logs: self.logs(requested),
            lines: self.lines(requested),
            span_filter: self.directives(
                &[names::OTEL_RUST_SPAN_FILTER],
                &[(".span_filter()", requested.span_filter.as_deref())],
            ),
            shutdown_timeout: self.decide(
                &DURATION,
                Sources::new("shutdown_timeout", &[names::OTEL_RUST_SHUTDOWN_TIMEOUT], shutdown),
                DEFAULT_SHUTDOWN_TIMEOUT,
            ),
            exception_signal: self.exception_signal(),
            warnings: Vec::new(),
        }
    }

    fn lines(&mut self, requested: &BuilderConfig) -> LineSettings {
        let format =
            Sources::new("log_format", &[names::OTEL_RUST_LOG_FORMAT], [(None, requested.log_format)]);
        LineSettings {
            format: self.decide(&LOG_FORMAT, format, LogFormat::Auto),
            // Anything but nothing counts: no-color.org.
            no_color: self.env.get(names::NO_COLOR).is_some(),
            filter: self
                .directives(&[names::RUST_LOG], &[(".log_filter()", requested.log_filter.as_deref())]),
        }
    }

    /// Filter directives: the first that was given. Their syntax is the filter's business.
    fn directives(&self, variables: &[&'static str], code: &[(&'static str, Option<&str>)]) -> Directives {
        let variables = variables.iter().map(|&name| (name, self.env.get(name)));
        let given = variables.chain(code.iter().copied()).find_map(|(origin, text)| Some((origin, text?)));
        let (origin, text) = given.unwrap_or(("default", DEFAULT_FILTER));
        Directives { text: text.to_owned(), origin }
    }

    fn warn_of_variables_without_effect(&mut self) {
        for name in names::WITHOUT_EFFECT {
            if self.env.get(name).is_some() {
                self.warn_of(name, "this variable has no effect here");
            }
        }
    }
}

/// For lines, log records and spans alike. It keeps out the DEBUG and TRACE spans of HTTP and gRPC libraries;
/// `#[instrument]` makes INFO spans.
const DEFAULT_FILTER: &str = "info";
const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
