//! From resolved settings to a configuration file.
//!
//! What is written has the same settings when it is read, so that a program can be moved from variables to a file.
//! Comments at the end of lines name the variable or setter of each value. What a file cannot hold is listed at its
//! top.
//!
//! Secrets are not written. A reference to a variable takes their place: to the one that the value came from, or else
//! to a new one, which a comment asks the user to set.
//!
//! | file | writes |
//! |---|---|
//! | `traces_and_logs`, `metrics`, `views` | the providers with their processors, readers, limits and views |
//! | `exporters` | an exporter with its endpoint, headers, TLS files |
//! | `resource` | the resource's attributes, and the propagators |
//! | `instrumentation` | what the layers for calls read |
//! | `distribution` | `distribution.telemetry_bootstrap` |
//! | `yaml` | a tree, as text |
//!
//! The functions of these files return [`Map`]s, in the order in which their keys are written. Nothing here validates:
//! settings were valid when they were resolved.
//!
//! # What a file can hold
//!
//! | setting | in the file |
//! |---|---|
//! | endpoints, limits, samplers, attributes | yes, with the value in effect |
//! | headers, credentials of proxies, tokens in paths of endpoints | a reference to a variable |
//! | certificates and keys | absolute paths, never contents |
//! | the protocol `auto` | the one that is tried first |
//! | sources of headers that are files | `header_files` below `distribution` |
//! | other sources of headers, signers, samplers and processors in code | no; a note at the top |
//! | views in code | no; the head lists them as what stays in code |
//! | what detectors found | no; the names of the detectors |
//! | a signal that is not exported | no provider, and a note |
//!
//! # An example
//!
//! ```text
//! # The settings in effect. Comments at the end of a line name the variable or the setter of its value.
//! # Stays in code: …
//! file_format: "1.1"
//! disabled: false  # default
//! log_level: info  # default
//! ```
//!
//! The file is of version 1.1, so that any reader of that version of the schema accepts it. What the schema lacks is
//! below `distribution`, which other readers ignore.

mod distribution;
mod exporters;
mod instrumentation;
mod metrics;
mod resource;
#[cfg(test)]
mod tests;
mod traces_and_logs;
mod views;
mod yaml;

use tracing_core::LevelFilter;

use self::exporters::Placeholders;
use self::yaml::Map;
use crate::settings::env::Env;
use crate::settings::lifecycle::{DIAGNOSTIC_LEVEL, SDK_DISABLED};
use crate::settings::{Settings, Signal};

/// The settings of a program, and what is beside them.
///
/// Made by [`Builder::effective_configuration`](crate::Builder::effective_configuration), which starts nothing.
pub(crate) struct EffectiveConfiguration<'a> {
    /// The settings in effect, as [`resolve`](crate::settings::resolve()) or a file has made them.
    pub(crate) settings: &'a Settings,
    /// The variables that a file can refer to.
    ///
    /// A secret that one of them holds now is written as a reference to it. Empty if the builder ignores the
    /// environment.
    pub(crate) env: &'a Env,
    /// What the layers for calls read.
    ///
    /// The variables of the process, or what a file gave in their place.
    pub(crate) layers: &'a Env,
    /// What the program added in code and a file has no place for, in words.
    ///
    /// Listed in one line at the top.
    pub(crate) in_code: Vec<&'static str>,
}

impl EffectiveConfiguration<'_> {
    /// Returns the file.
    ///
    /// Comments at the top say what the program does in code, and what a file cannot express.
    ///
    /// Never fails. The text ends with a line end.
    pub(crate) fn to_file(&self) -> String {
        let mut writer = Writer {
            settings: self.settings,
            env: self.env,
            layers: self.layers,
            notes: Vec::new(),
            placeholders: Placeholders::default(),
        };
        let document = writer.document();
        let mut text = String::from(HEAD);
        if !self.in_code.is_empty() {
            text.push_str(&format!("# Stays in code: {}\n", self.in_code.join(", ")));
        }
        for note in &writer.notes {
            text.push_str(&format!("# {note}\n"));
        }
        text.push_str(&document.to_text());
        text
    }
}

/// What is known while a file is written.
struct Writer<'a> {
    /// What is written.
    settings: &'a Settings,
    /// The variables that secrets may have come from; references to them take the secrets' places.
    env: &'a Env,
    /// The variables of the layers for calls, or what a file gave in their place.
    layers: &'a Env,
    /// What the file cannot say, each a comment at its top.
    ///
    /// In the order in which they were found, each once.
    notes: Vec<String>,
    /// Names in the place of secrets that came from code.
    ///
    /// One name stands for the same secret in the whole file.
    placeholders: Placeholders,
}

impl Writer<'_> {
    /// Returns the whole document. Keys stand in the order of the schema's examples; `distribution` comes last.
    ///
    /// Sections without content are left out, except `distribution`, which always has the filters.
    fn document(&mut self) -> Map {
        let mut document = Map::from_entry("file_format", "1.1");
        document.set_from("disabled", self.settings.disabled, self.origin(SDK_DISABLED.key()));
        let level = log_level(self.settings.diagnostic_level);
        document.set_from("log_level", level, self.origin(DIAGNOSTIC_LEVEL.key()));
        document.set_some("resource", Some(self.resource()));
        document.set_some("propagator", self.propagator());
        document.set_some("tracer_provider", self.tracer_provider());
        document.set_some("meter_provider", self.meter_provider());
        document.set_some("logger_provider", self.logger_provider());
        document.set_some("instrumentation/development", self.instrumentation());
        document.set("distribution", Map::from_entry("telemetry_bootstrap", self.distribution()));
        document
    }

    /// Returns the variable, the setter or the line of a file that a setting has its value from.
    ///
    /// It becomes the comment behind the value, and is `default` if the setting has its default.
    fn origin(&self, key: &str) -> String {
        self.settings.value_origins.get(key).map_or("default", |origin| origin).to_owned()
    }

    /// Returns `true` unless the value of a setting is the default.
    ///
    /// A value that was given and is the same as the default counts as given.
    fn is_given(&self, key: &str) -> bool {
        self.settings.value_origins.contains_key(key)
    }

    /// Adds a comment at the top of the file, once: several destinations can have the same reason for it.
    ///
    /// The text is one line, without `#`.
    fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Notes that a signal is not exported.
    ///
    /// `effect` is what follows from it in a file.
    fn note_absent(&mut self, signal: Signal, effect: &str) {
        self.note(format!("{signal} are not exported: {effect}"));
    }
}

/// The severity of the first lines that a level lets pass.
///
/// `OFF` becomes `fatal`, a severity that no line of this crate has.
fn log_level(level: LevelFilter) -> &'static str {
    match level {
        LevelFilter::TRACE => "trace",
        LevelFilter::DEBUG => "debug",
        LevelFilter::INFO => "info",
        LevelFilter::WARN => "warn",
        LevelFilter::ERROR => "error",
        LevelFilter::OFF => "fatal",
    }
}

/// The first line of each file.
const HEAD: &str = "\
# The settings in effect. Comments at the end of a line name the variable or the setter of its value.
";
