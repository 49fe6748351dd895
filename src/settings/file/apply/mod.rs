//! From the model to settings.
//!
//! What the environment could say is handed to the same settings as text ([`FileValues`]), so that values are checked
//! and shown in one way. What only a file can say becomes data directly.
//!
//! Two passes: the first collects values for settings that the environment has too ([`Apply::collect_values`]) and
//! resolves them together; the second sets what has a structure of its own: exporters, samplers, views, the resource.
//!
//! What the schema allows and this crate does not have is a mistake with its position, not a warning: an operator who
//! wrote it relies on it.
//!
//! | pass | reads | writes |
//! |---|---|---|
//! | 1 | limits, processors, the periodic reader, `distribution` | [`FileValues`], then all settings at once |
//! | 2 | exporters, samplers, views, resource, propagators | single fields of [`Settings`] |
//! | 3 | `instrumentation` | an [`Env`] for the layers, which are built later by the program |
//!
//! The resolver runs with an empty environment: a file replaces it. What the file gives wins over code, as a variable
//! would.
//!
//! Each exporter is resolved by a resolver of its own, because the same settings (endpoint, headers, timeout) have
//! another value for each.
//!
//! # Mistakes that are found here
//!
//! | message | found by |
//! |---|---|
//! | `not supported: …` | every part, for what the schema allows and this crate does not have |
//! | `… is more than max_queue_size, …` | `processors` |
//! | `… is not an absolute path` | `exporters` |
//! | `` `cert_file` is missing: a key needs its certificate `` | `exporters` |
//! | `… is not a URL: must begin with http:// or https://` | `exporters` |
//! | `a name needs a selector for one instrument: …` | `views` |
//! | `` `value` does not have the type that `type` says `` | `resource` |
//! | `is the former name of …, which is there as well` | `prometheus` |
//! | ``the key `…` is not known; …`` below `distribution` | `distribution` |
//! | `"…": …`, a value with its reason | the kind of the setting |
//!
//! A warning begins with the name of the file and the position: `otel.yaml, line 3, column 5:
//! meter_provider.exemplar_filter: has no effect: …`. Warnings are logged when telemetry has started.

mod distribution;
mod exporters;
mod header_files;
mod instrumentation;
mod limits;
mod logs;
mod metrics;
mod processors;
mod prometheus;
mod resource;
mod traces;
mod views;

#[cfg(test)]
pub(in crate::settings) use self::distribution::keys as distribution_keys;
#[cfg(test)]
pub(super) use self::distribution::{STANDARD, is_standard};

use tracing_core::LevelFilter;

use self::header_files::HeaderFile;
use super::model::{At, Document, SeverityNumber};
use super::report::Report;
use super::values::FileValues;
use super::yaml::Variable;
use crate::settings::builder_config::BuilderConfig;
use crate::settings::env::Env;
use crate::settings::exporter::{LOGS, METRICS, OTLP, TRACES};
use crate::settings::resolve::Resolver;
use crate::settings::{Settings, settings};

/// What is collected while the model is turned into settings.
///
/// Each file of this module implements a part of it.
pub(super) struct Apply<'a> {
    /// The model of the whole file.
    ///
    /// It outlives this value, so that parts of it can be borrowed while mistakes are added.
    document: &'a Document,
    /// Values for settings, as text.
    ///
    /// The first pass fills them; they do not change afterwards.
    values: FileValues,
    /// Mistakes, with their positions.
    ///
    /// Those of the settings are added after the first pass.
    report: Report,
    /// What is ignored, but does no harm.
    ///
    /// Logged at the start, with those of the settings.
    warnings: Vec<String>,
    /// The headers whose values are read from files, for all signals or for one. Exporters take theirs from here.
    header_files: Vec<HeaderFile>,
    /// Looks a variable of the environment up.
    ///
    /// Called for `OTEL_SERVICE_NAME` alone, if the file has the detector `service`.
    env: &'a dyn Fn(&str) -> Variable,
}

/// The settings of a file, and what is wrong with it.
///
/// The settings are to be used only if `report` is empty.
pub(super) struct Applied {
    /// What the program is started with.
    pub(super) settings: Settings,
    /// Mistakes of the file that this step has found.
    pub(super) report: Report,
    /// Mistakes in code.
    ///
    /// For settings that the file leaves out.
    pub(super) errors: Vec<crate::error::InitError>,
    /// What the layers for calls read instead of the environment.
    ///
    /// It has no variable that the file does not give.
    pub(super) layers: Env,
}

/// Returns the settings of a document. What it cannot say is taken from code.
///
/// `name` is the path of the file, for origins. `env` serves the one detector that reads a variable.
///
/// Settings are returned even if there are mistakes; the caller discards them then.
pub(super) fn apply(
    document: &Document,
    name: &str,
    config: &BuilderConfig,
    env: &dyn Fn(&str) -> Variable,
) -> Applied {
    let mut apply = Apply {
        document,
        values: FileValues::new(name.to_owned()),
        report: Report::default(),
        warnings: Vec::new(),
        header_files: Vec::new(),
        env,
    };
    apply.collect_values();
    let none = Env::none();
    let mut resolver = Resolver::new(&none).with_file(&apply.values);
    let mut settings = settings(&mut resolver, config);
    let mistakes = resolver.take_file_mistakes();
    let (warnings, mut origins, errors) = resolver.finish();
    let unused = unused_credentials(config);
    origins.retain(|origin| origin.starts_with('.') && !unused.contains(origin));
    apply.warnings.extend(unused.iter().map(|origin| {
        format!(
            "{origin}: not used by the exporters of the configuration file {name}, whose receivers may be others; a \
             header can come from a file, by header_files"
        )
    }));
    origins.insert(0, name.to_owned());
    for (at, reason) in mistakes {
        apply.mistake(&at, reason);
    }
    settings.disabled = document.disabled.unwrap_or_default();
    apply.resource(&mut settings);
    apply.propagators(&mut settings);
    apply.traces(&mut settings);
    apply.metrics(&mut settings);
    apply.logs(&mut settings);
    let layers = apply.layers();
    settings.warnings = warnings;
    settings.diagnostic_level = document.log_level.map_or(LevelFilter::INFO, least_severe);
    settings.warnings.append(&mut apply.warnings);
    settings.origins = origins;
    Applied { settings, report: apply.report, errors, layers }
}

/// Returns the setters of credentials that change, in code: those of a receiver must not reach the one that a file
/// names.
fn unused_credentials(config: &BuilderConfig) -> Vec<String> {
    let signals = [(&TRACES, &config.traces), (&METRICS, &config.metrics), (&LOGS, &config.logs)];
    let scopes = signals.map(|(signal, config)| (&signal.otlp, &config.values));
    let mut unused = Vec::new();
    for (otlp, values) in [(&OTLP, &config.common.values)].into_iter().chain(scopes) {
        unused.extend(values.get(&otlp.header_sources).map(|_| otlp.header_sources.origin()));
        unused.extend(values.get(&otlp.request_signer).map(|_| otlp.request_signer.origin()));
    }
    unused
}

/// Returns the level of the least severe lines of a severity. Lines have the first number of their level, so that
/// `info2` leaves out those of INFO.
///
/// The result is the most verbose level that is still written. `fatal` turns the lines off: this crate writes none at
/// that severity.
fn least_severe(severity: SeverityNumber) -> LevelFilter {
    match severity as u8 + 1 {
        1 => LevelFilter::TRACE,
        2..=5 => LevelFilter::DEBUG,
        6..=9 => LevelFilter::INFO,
        10..=13 => LevelFilter::WARN,
        14..=17 => LevelFilter::ERROR,
        _ => LevelFilter::OFF,
    }
}

impl Apply<'_> {
    /// The first pass.
    ///
    /// The order does not matter: no key is set by two of these functions, except by `distribution`, which has no keys
    /// that the schema has.
    fn collect_values(&mut self) {
        self.limit_values();
        self.trace_values();
        self.metric_values();
        self.log_values();
        self.distribution_values();
    }

    /// Reports a value that cannot be used.
    ///
    /// `reason` follows the path in the message. It is lower case and has no full stop.
    fn mistake(&mut self, at: &At, reason: impl Into<String>) {
        self.report.add(at.position, &at.path, reason.into());
    }

    /// Reports what the schema allows and this crate does not have.
    ///
    /// `reason` gives the cause, and the way out if there is one.
    fn unsupported(&mut self, at: &At, reason: &str) {
        self.mistake(at, format!("not supported: {reason}"));
    }

    /// Notes that a node has no effect, or not the whole of it.
    ///
    /// `reason` follows the path in the line, as `has no effect: …`.
    fn warn(&mut self, at: &At, reason: impl std::fmt::Display) {
        let At { position, path } = at;
        self.warnings.push(format!("{}, {position}: {}: {reason}", self.values.name, path.as_str()));
    }

    /// Hands a number to a setting: the one in the file, or the default of the schema.
    ///
    /// `owner` is the node that leaves the number out; a mistake in the default would be reported there.
    fn number(&mut self, key: &str, given: Option<(&At, u64)>, default: u64, owner: &At) {
        let (at, number) = given.unwrap_or((owner, default));
        self.values.set(key, number.to_string(), at);
    }
}
