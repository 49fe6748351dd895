//! The types of the configuration schema, version 1.1, and how they are read.
//!
//! Each type is declared once, in the words of the schema; a test compares the declarations with the official one.

mod exporters;
mod instrumentation;
mod logs;
mod macros;
mod metrics;
mod nullable;
mod processors;
mod read;
mod resource;
#[cfg(test)]
mod shape;
#[cfg(test)]
mod tests;
mod traces;
mod values;
mod version;

pub(super) use exporters::*;
pub(super) use instrumentation::*;
pub(super) use logs::*;
pub(super) use metrics::*;
pub(super) use nullable::*;
pub(super) use read::{At, Null, Property, Read, Reader, describe, one_of, unknown_key};
pub(super) use resource::*;
pub(super) use traces::*;
pub(super) use values::*;

use self::macros::{choice, object};
use self::version::check_version;
use super::report::Report;
use super::yaml::{Node, Value};

object! {
    /// A whole file. The schema allows further keys.
    Document = "OpenTelemetryConfiguration", null refused {
        file_format: String,
        disabled: Option<bool>,
        log_level: Option<SeverityNumber>,
        attribute_limits: Option<AttributeLimits>,
        logger_provider: Option<LoggerProvider>,
        meter_provider: Option<MeterProvider>,
        propagator: Option<Propagator>,
        tracer_provider: Option<TracerProvider>,
        resource: Option<Resource>,
        instrumentation["instrumentation/development"]: Option<Instrumentation>,
        distribution: Option<Named<1>>,
    }
}

object! {
    /// Limits of the attributes of all signals.
    AttributeLimits = "AttributeLimits", null refused {
        attribute_value_length_limit: Option<Unsigned>,
        attribute_count_limit: Option<Unsigned>,
    }
}

choice! {
    /// A severity.
    SeverityNumber = "SeverityNumber" {
        "trace" => Trace, "trace2" => Trace2, "trace3" => Trace3, "trace4" => Trace4,
        "debug" => Debug, "debug2" => Debug2, "debug3" => Debug3, "debug4" => Debug4,
        "info" => Info, "info2" => Info2, "info3" => Info3, "info4" => Info4,
        "warn" => Warn, "warn2" => Warn2, "warn3" => Warn3, "warn4" => Warn4,
        "error" => Error, "error2" => Error2, "error3" => Error3, "error4" => Error4,
        "fatal" => Fatal, "fatal2" => Fatal2, "fatal3" => Fatal3, "fatal4" => Fatal4,
    }
}

/// Reads a document. Returns `None` after a mistake, and what is worth a warning.
pub(super) fn read(root: &Node, report: &mut Report) -> (Option<Document>, Vec<String>) {
    let mut reader = Reader::default();
    reader.is_newer = check_version(root, &mut reader);
    let document = match &root.value {
        Value::Map(_) => Document::read(root, &mut reader),
        _ => reader.unexpected(root, "a mapping with the key `file_format`"),
    };
    let is_valid = reader.report.is_empty();
    report.extend(reader.report);
    (document.filter(|_| is_valid), reader.warnings)
}
