//! The standard configuration file of OpenTelemetry ("declarative configuration").
//!
//! | step | where |
//! |---|---|
//! | bytes to a tree with positions, references to variables replaced | [`yaml`] |
//! | the caller's changes | [`ConfigDocument`] |
//! | a tree to the types of the schema, all mistakes at once | [`model`] |
//! | the types to settings | [`apply`] |
//! | settings to a file, the way back | [`mod@write`] |
//!
//! [`LoadedFile`] keeps what a later version of the file is compared with ([`changes`]).
//!
//! A file replaces the environment as a whole. Where a node of the schema is present, the schema's defaults hold.
//!
//! ```text
//! bytes ─ yaml::parse ─▶ Node ─ ConfigDocument ─▶ Node ─ model::read ─▶ Document ─ apply::apply ─▶ Settings, Env
//!             │                                               │                        │
//!             └──────────── mistakes with line, column and path ───────────────────────┘─▶ InitError::ConfigFile
//! ```
//!
//! Each step reports all the mistakes that it can find, and the next one begins only if there were none: an operator
//! mends a file in as few rounds as possible, and no message follows from an earlier one.
//!
//! A file with a mistake is refused as a whole. Starting with the part that is right would send telemetry somewhere
//! else than the operator wrote, and show it in one line among many.
//!
//! The schema is that of `opentelemetry-configuration`, version 1.1; a test compares the declared types with the
//! official JSON schema. The fuzz target runs all steps (`settings_of`).
//!
//! # Sections of the file
//!
//! `I` stands for `instrumentation`.
//!
//! | key | schema type | `model` | `apply` | `write` |
//! |---|---|---|---|---|
//! | `disabled`, `log_level` | `OpenTelemetryConfiguration` | `mod` | `mod` | `mod` |
//! | `attribute_limits` | `AttributeLimits` | `mod` | `limits` | – (as limits of each provider) |
//! | `resource` | `Resource` | `resource` | `resource` | `resource` |
//! | `propagator` | `Propagator` | `resource` | `resource` | `resource` |
//! | `tracer_provider` | `TracerProvider` | `traces` | `traces` | `traces_and_logs` |
//! | `logger_provider` | `LoggerProvider` | `logs` | `logs` | `traces_and_logs` |
//! | `meter_provider` | `MeterProvider` | `metrics` | `metrics`, `views` | `metrics`, `views` |
//! | exporters | `SpanExporter` and others | `exporters` | `exporters` | `exporters` |
//! | `instrumentation/development` | `ExperimentalInstrumentation` | `I` | `I` | `I` |
//! | `distribution` | `Distribution` | `values` | `distribution` | `distribution` |
//!
//! # What counts if several sources give a value
//!
//! 1. The file.
//! 2. Code, for what the file leaves out and what it has no place for.
//! 3. The default: of the schema for keys of a node that is present, of this crate for keys below `distribution`.
//!
//! Variables count only where the file has a reference to them. The exception is the resource detector `service`, which
//! reads `OTEL_SERVICE_NAME`.
//!
//! # Which step reports which mistake
//!
//! | mistake | step | position |
//! |---|---|---|
//! | the file is absent, no regular file, or a FIFO | [`LoadedFile`] | none: [`InitError::InvalidSetting`] |
//! | not UTF-8, more than 1 MiB, invalid YAML, a duplicate key | [`yaml`] | where the text is wrong |
//! | a malformed reference, a variable that is not Unicode | [`yaml`] | the scalar |
//! | an unknown key, a wrong type, a value out of range, a missing key | [`model`] | the node, or the key |
//! | what the schema allows and this crate does not have | [`model`], [`apply`] | the node |
//! | values that contradict each other | [`apply`] | the second one |
//! | an endpoint, a file or a filter that cannot be used | the settings | the value |
//! | a mistake in code, for a setting that the file leaves out | the settings | none: [`InitError::InvalidSetting`] |
//!
//! # Messages
//!
//! All mistakes are shown by one error, each on a line of its own:
//!
//! ```text
//! the configuration file /etc/otel.yaml (set by OTEL_CONFIG_FILE) cannot be used:
//!   line 7, column 25: tracer_provider.processors[0].batch.schedule_delay: "5s" is not allowed here: must be …
//!   line 9, column 9: tracer_provider.processors[0].batch: `exporter` is missing: it is required
//! ```
//!
//! A message names what was found and what is allowed. Values that may hold a secret are shown as `[redacted]`.

mod apply;
mod changes;
mod document;
mod loaded;
mod model;
mod report;
#[cfg(test)]
mod tests;
mod values;
mod write;
mod yaml;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

#[cfg(test)]
pub(super) use self::apply::distribution_keys;
pub use self::document::ConfigDocument;
pub(crate) use self::loaded::{ConfigChange, LoadedFile, read_config_file};
pub(super) use self::report::At;
use self::report::Report;
pub(super) use self::values::FileValues;
pub(crate) use self::write::EffectiveConfiguration;
use self::yaml::{Node, Variable};
use super::Settings;
use super::builder_config::BuilderConfig;
use super::env::Env;
use super::env::names::CONFIG_FILE;
use super::misspelt::known_variables;
use super::secrets::shown_path;
use crate::error::InitError;

/// A configuration file that was named, not yet read.
///
/// It is read when the settings are resolved, so that a builder can be made, cloned and tested without the file.
///
/// [`LoadedFile`] keeps it, so that a later version of the file is read in the same way.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    /// As it was given: relative to the working directory of the process.
    pub(crate) path: PathBuf,
    /// The variable or setter that named it.
    ///
    /// `OTEL_CONFIG_FILE` or `.config_file()`. Errors about the file as a whole name it.
    pub(crate) origin: &'static str,
    /// Variables that the file refers to.
    ///
    /// Filled while the file is parsed. A variable that is referred to is not reported as ignored.
    referenced: RefCell<BTreeSet<String>>,
}

impl ConfigFile {
    /// Names a file without reading it.
    pub(crate) fn new(path: PathBuf, origin: &'static str) -> Self {
        Self { path, origin, referenced: RefCell::default() }
    }

    /// Checks and resolves what the file holds. `change` sees the document before it is checked.
    ///
    /// Errors beside the settings are mistakes in code, for settings that the file has no place for.
    ///
    /// `content` are the bytes of the file, and `config` is what code gives. The closure is not called if the bytes
    /// cannot be parsed.
    ///
    /// # Errors
    ///
    /// One [`InitError::ConfigFile`] with all mistakes of the first step that has any. Mistakes in code come before it,
    /// if the last step has found some.
    fn resolve(
        &self,
        content: &[u8],
        config: &BuilderConfig,
        change: Option<&(dyn Fn(&mut ConfigDocument) + Send + Sync)>,
    ) -> Result<Resolved, Vec<InitError>> {
        let mut document = ConfigDocument::new(self.parse(content).map_err(|error| vec![error])?);
        if let Some(change) = change {
            change(&mut document);
        }
        let mut report = Report::default();
        let (model, warnings) = model::read(&document.root, &mut report);
        let Some(model) = model else { return Err(vec![self.invalid(report)]) };
        let applied = apply::apply(&model, &self.name(), config, &|name| self.variable(name));
        let mut errors = applied.errors;
        if !applied.report.is_empty() {
            errors.push(self.invalid(applied.report));
            return Err(errors);
        }
        let mut settings = applied.settings;
        let warnings = warnings.into_iter().map(|warning| format!("{}, {warning}", self.name()));
        settings.warnings.extend(warnings);
        Ok(Resolved { settings, layers: applied.layers, errors, root: document.root })
    }

    /// Returns a warning about variables that the file replaces and does not refer to.
    ///
    /// `None` if there are none. Only variables that this crate would read without a file are named, in alphabetical
    /// order and without their values. `env` is the environment of the process.
    fn ignored_variables(&self, env: &Env) -> Option<String> {
        let known = known_variables();
        let referenced = self.referenced.borrow();
        let mut names: Vec<_> = env
            .names()
            .filter(|name| known.contains(name) && *name != CONFIG_FILE && !referenced.contains(*name))
            .collect();
        names.sort_unstable();
        let names = names.join(", ");
        (!names.is_empty()).then(|| {
            format!("{}: replaces the environment; these variables are ignored: {names}", self.name())
        })
    }

    /// Returns the path, as messages show it.
    fn name(&self) -> String {
        shown_path(&self.path)
    }

    /// Returns the error for a file that cannot be read.
    ///
    /// The cause is its source: it does not exist, cannot be opened, or is no regular file.
    fn unreadable(&self, error: io::Error) -> InitError {
        InitError::InvalidSetting {
            setting: "config_file",
            value: self.name(),
            origin: self.origin.to_owned(),
            reason: "the file cannot be read".to_owned(),
            source: Some(error.into()),
        }
    }

    /// Parses a file and replaces references to variables, of which it takes note.
    ///
    /// # Errors
    ///
    /// One error with all mistakes that the parser has found; a document is then not returned.
    fn parse(&self, content: &[u8]) -> Result<Node, InitError> {
        let mut report = Report::default();
        let root = yaml::parse(content, &|name| self.variable(name), &mut report);
        root.filter(|_| report.is_empty()).ok_or_else(|| self.invalid(report))
    }

    /// Looks a variable up that the file refers to.
    ///
    /// The detector `service` uses it as well, so that `OTEL_SERVICE_NAME` is not reported as ignored.
    fn variable(&self, name: &str) -> Variable {
        self.referenced.borrow_mut().insert(name.to_owned());
        variable(name)
    }

    /// Returns the error that lists all mistakes.
    ///
    /// The mistakes are sorted by their positions.
    fn invalid(&self, report: Report) -> InitError {
        InitError::ConfigFile {
            path: self.name(),
            origin: self.origin.to_owned(),
            mistakes: report.into_mistakes(),
        }
    }
}

/// What a valid file says.
///
/// A file whose mistakes are in code alone is resolved as well: the caller decides.
pub(crate) struct Resolved {
    pub(crate) settings: Settings,
    /// What the layers for calls read instead of the environment.
    ///
    /// It has variables with the captured headers, known methods and conventions of the file, and nothing of the
    /// process.
    pub(crate) layers: Env,
    /// Mistakes in code.
    ///
    /// They concern settings for which the file has no value.
    pub(crate) errors: Vec<InitError>,
    /// The document, with the caller's changes.
    ///
    /// The next version is compared with it.
    root: Node,
}

/// Returns the mistakes in a file with these bytes, or its settings as `Debug` shows them.
///
/// It reads no file and no variable of the process: `env` gives the value of each variable, or `None`. The fuzz target
/// and tests call it.
#[cfg(any(test, fuzzing))]
pub(crate) fn settings_of(
    bytes: &[u8],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Vec<crate::error::ConfigMistake>> {
    let lookup = |name: &str| env(name).map_or(Variable::Unset, Variable::Set);
    let mut report = Report::default();
    let root = yaml::parse(bytes, &lookup, &mut report).filter(|_| report.is_empty());
    let model = root.and_then(|root| model::read(&root, &mut report).0);
    let Some(model) = model else { return Err(report.into_mistakes()) };
    let applied = apply::apply(&model, "otel.yaml", &BuilderConfig::default(), &lookup);
    match applied.report.is_empty() {
        true => Ok(format!("{:?}", applied.settings)),
        false => Err(applied.report.into_mistakes()),
    }
}

/// Looks a reference up in the environment of the process.
///
/// It is read each time: a reload sees variables that the program has changed.
fn variable(name: &str) -> Variable {
    match std::env::var_os(name).map(std::ffi::OsString::into_string) {
        None => Variable::Unset,
        Some(Ok(value)) => Variable::Set(value),
        Some(Err(_)) => Variable::NotUnicode,
    }
}
