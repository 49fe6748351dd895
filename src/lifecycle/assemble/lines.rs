//! The log output: destination and format of log lines.
//!
//! | format setting | output is a terminal | lines |
//! |---|---|---|
//! | `auto` | yes | text |
//! | `auto` | no | JSON |
//! | `json`, `pretty` | either | as set |
//! | `off` | either | none; no writer is started |

use crate::diagnostics::Diagnostics;
use crate::error::InitError;
use crate::export::render::terminal::Colors;
use crate::lifecycle::Additions;
use crate::lines::context_fields::BaggageKeys;
use crate::lines::json::JsonLayer;
use crate::lines::pretty::PrettyLayer;
use crate::lines::writer::{LogDestination, NonBlockingWriter};
use crate::settings::secrets::shown_path;
use crate::settings::{LogFormat, Settings};
use crate::subscriber::{Lines, shared};

/// An open log output.
///
/// `writer` and `format` are either both set or both `None`: a format without a writer would not take part in the
/// shutdown.
///
/// Opened before everything else, so that all warnings of startup can be written.
pub(crate) struct LineOutput {
    /// The writer, which the shutdown flushes and stops.
    pub(crate) writer: Option<NonBlockingWriter>,
    /// The layer that formats events as lines.
    pub(crate) format: Option<Lines>,
    /// `true` if lines go to standard error or standard output.
    pub(crate) writes_to_console: bool,
    /// A description for the start line, such as `JSON to standard error`.
    pub(crate) description: String,
}

impl LineOutput {
    /// Opens the output selected by the settings. `diagnostics` are written to it as well.
    ///
    /// # Errors
    ///
    /// [`InitError::InvalidSetting`] if the log file cannot be opened.
    pub(crate) fn open(
        settings: &Settings,
        additions: &mut Additions,
        diagnostics: &Diagnostics,
    ) -> Result<Self, InitError> {
        let output = additions.log_destination.take().unwrap_or_default();
        let is_terminal = output.is_terminal();
        let is_json = match settings.lines.format {
            LogFormat::Off => {
                return Ok(Self {
                    writer: None,
                    format: None,
                    writes_to_console: false,
                    description: "off".to_owned(),
                });
            }
            LogFormat::Auto => !is_terminal,
            LogFormat::Json => true,
            LogFormat::Pretty => false,
        };
        let description = format!("{} to {output}", if is_json { "JSON" } else { "text" });
        let writes_to_console = matches!(output, LogDestination::Stderr | LogDestination::Stdout);
        let writer = start(output, additions)?;
        let (format, write) = if is_json {
            shared(json(writer.clone(), additions))
        } else {
            shared(pretty(writer.clone(), Colors::new(is_terminal, settings.lines.no_color), additions))
        };
        diagnostics.write_with(write);
        Ok(Self { writer: Some(writer), format: Some(format), writes_to_console, description })
    }
}

/// Starts the line writer.
///
/// # Errors
///
/// [`InitError::InvalidSetting`] if the log file cannot be opened.
fn start(output: LogDestination, additions: &Additions) -> Result<NonBlockingWriter, InitError> {
    let path = match &output {
        LogDestination::File(path) => shown_path(path),
        _ => String::new(),
    };
    NonBlockingWriter::new(output, additions.overflow, NonBlockingWriter::DEFAULT_MAX_BYTES).map_err(
        |error| InitError::InvalidSetting {
            setting: "destination",
            value: path,
            origin: ".log_output(|o| o.destination())".to_owned(),
            reason: "the file cannot be opened".to_owned(),
            source: Some(error.into()),
        },
    )
}

/// Returns the layer for JSON lines. The user's options are applied last, so that they can override everything that
/// the settings decided.
fn json(writer: NonBlockingWriter, additions: &mut Additions) -> JsonLayer<NonBlockingWriter> {
    let layer = JsonLayer::new(writer)
        .redact(additions.redaction.clone())
        .baggage_keys(additions.baggage_keys.clone());
    match additions.json.take() {
        Some(options) => options(layer),
        None => layer,
    }
}

/// Returns the layer for human-readable lines.
fn pretty(
    writer: NonBlockingWriter,
    colors: Colors,
    additions: &Additions,
) -> PrettyLayer<NonBlockingWriter> {
    PrettyLayer::new(writer, colors)
        .redact(additions.redaction.clone())
        .baggage_keys(BaggageKeys::new(additions.baggage_keys.iter().cloned()))
}
