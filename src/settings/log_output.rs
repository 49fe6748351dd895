//! Settings of the log output: lines for people and log shippers.

use std::borrow::Cow;

use super::builder_config::BuilderConfig;
use super::resolve::Resolver;
use super::setting::settings;
use super::types::{Directives, LogFormat};
use super::value_kind::{ANYTHING, DIRECTIVES, LOG_FORMAT};

/// Resolved settings of the log output.
#[derive(Clone, Debug)]
pub(crate) struct LineSettings {
    /// JSON or text, or the choice by the kind of output.
    pub(crate) format: LogFormat,
    /// Text for people is not coloured, on any output.
    pub(crate) no_color: bool,
    /// Which events become lines.
    pub(crate) filter: Directives,
}

settings! {
    /// How log lines look.
    LINE_FORMAT: LogFormat = "log_output.format", ["OTEL_RUST_LOG_FORMAT"], LOG_FORMAT, LogFormat::Auto;
    /// Directives that decide which events are written as lines and exported as records.
    LOG_FILTER: Cow<'static, str> = "log_filter", ["RUST_LOG"], DIRECTIVES, DEFAULT_LOG_FILTER;
    /// Directives for lines alone; those of lines and records unless set.
    LINE_FILTER: Cow<'static, str> =
        "log_output.filter", ["OTEL_RUST_LOG_OUTPUT_FILTER"], DIRECTIVES, DEFAULT_LOG_FILTER;
    /// Turns colours off. Anything but an empty value counts: <https://no-color.org>.
    NO_COLOR: bool = "", ["NO_COLOR"], ANYTHING, false;
}

/// For lines and exported records alike.
pub(super) const DEFAULT_LOG_FILTER: Cow<'static, str> = Cow::Borrowed("info");

impl Resolver<'_> {
    /// Resolves the settings of the log output.
    pub(super) fn lines(&mut self, config: &BuilderConfig) -> LineSettings {
        LineSettings {
            format: self.resolve(&LINE_FORMAT, &config.log_output),
            no_color: self.resolve_env(&NO_COLOR),
            filter: self
                .directives(&[(&LINE_FILTER, &config.log_output), (&LOG_FILTER, &config.common.values)]),
        }
    }
}
