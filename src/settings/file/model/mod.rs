//! The types of the configuration schema, version 1.1, and how they are read.
//!
//! Each type is declared once, in the words of the schema; a test compares the declarations with the official one.
//!
//! | macro | declares | in YAML |
//! |---|---|---|
//! | `object!` | a struct | a mapping with fixed keys |
//! | `component!` | an enum with contents | a mapping with exactly one key, which chooses the variant |
//! | `choice!` | an enum without contents | one of several texts |
//! | `unsupported!` | a type without values | a mistake, with the reason and the way out |
//!
//! A type without values makes what is not supported visible to the compiler: a `match` on a sampler has an arm `match
//! *never {}` for each, and becomes a real one when it is supported.
//!
//! Field documentation gives the unit and the schema's default; what this crate makes of a value is in
//! [`apply`](super::apply).

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
        /// `"1.1"`: quoted, since `1.1` alone is a number.
        file_format: String,
        /// Default: `false`.
        disabled: Option<bool>,
        /// The least severe of this crate's own log lines. Default: `info`.
        log_level: Option<SeverityNumber>,
        /// Limits where a provider has none of its own.
        attribute_limits: Option<AttributeLimits>,
        /// Without it, no log records are exported.
        logger_provider: Option<LoggerProvider>,
        /// Without it, no metrics are exported.
        meter_provider: Option<MeterProvider>,
        /// Without it, no context is propagated, apart from what code adds.
        propagator: Option<Propagator>,
        /// Without it, no spans are recorded.
        tracer_provider: Option<TracerProvider>,
        /// Attributes of the process; those of code are used beside them.
        resource: Option<Resource>,
        /// Options of the layers for gRPC and HTTP.
        instrumentation["instrumentation/development"]: Option<Instrumentation>,
        /// Settings of vendors; `telemetry_bootstrap` is this crate's.
        distribution: Option<Named<1>>,
    }
}

object! {
    /// Limits of the attributes of all signals.
    AttributeLimits = "AttributeLimits", null refused {
        /// Characters of one text. Default: no limit.
        attribute_value_length_limit: Option<Unsigned>,
        /// Attributes of one span, event, link or record. Default: 128.
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
///
/// Unknown keys of the document itself are warnings, and so are all unknown keys in a file of a newer minor version.
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
