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
//!
//! # The document
//!
//! `P` stands for `tracer_provider.processors[].batch` and `logger_provider.processors[].batch`, `E` for an OTLP
//! exporter, `R` for `meter_provider.readers[].periodic`.
//!
//! | key | type | default of the schema | variable for the same setting |
//! |---|---|---|---|
//! | `file_format` | text, required | – | – |
//! | `disabled` | boolean | `false` | `OTEL_SDK_DISABLED` |
//! | `log_level` | [`SeverityNumber`] | `info` | `OTEL_LOG_LEVEL` |
//! | `attribute_limits` | [`AttributeLimits`] | 128 attributes, no limit of length | `OTEL_ATTRIBUTE_…_LIMIT` |
//! | `resource` | [`Resource`] | – | `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME` |
//! | `propagator` | [`Propagator`] | none | `OTEL_PROPAGATORS` |
//! | `tracer_provider` | [`TracerProvider`] | absent: no spans | `OTEL_TRACES_EXPORTER` and others |
//! | `meter_provider` | [`MeterProvider`] | absent: no metrics | `OTEL_METRICS_EXPORTER` and others |
//! | `logger_provider` | [`LoggerProvider`] | absent: no records | `OTEL_LOGS_EXPORTER` and others |
//! | `P.schedule_delay` | ms, from 0 | 5,000 for spans, 1,000 for records | `OTEL_BSP_…`, `OTEL_BLRP_SCHEDULE_DELAY` |
//! | `P.export_timeout` | ms, from 0 | 30,000 | `OTEL_BSP_…`, `OTEL_BLRP_EXPORT_TIMEOUT` |
//! | `P.max_queue_size` | items, from 1 | 2,048 | `OTEL_BSP_…`, `OTEL_BLRP_MAX_QUEUE_SIZE` |
//! | `P.max_export_batch_size` | items, from 1 | 512 | `OTEL_BSP_…`, `OTEL_BLRP_MAX_EXPORT_BATCH_SIZE` |
//! | `R.interval` | ms, from 0 | 60,000 | `OTEL_METRIC_EXPORT_INTERVAL` |
//! | `R.timeout` | ms, from 0 | 30,000 | `OTEL_METRIC_EXPORT_TIMEOUT` |
//! | `E.endpoint` | URL | `http://localhost:4318/v1/…`, gRPC: `http://localhost:4317` | `OTEL_EXPORTER_OTLP_ENDPOINT` |
//! | `E.timeout` | ms, from 0 | 10,000 | `OTEL_EXPORTER_OTLP_TIMEOUT` |
//! | `E.headers`, `E.headers_list` | list, text | none | `OTEL_EXPORTER_OTLP_HEADERS` |
//! | `E.compression` | `none`, `gzip`, `zstd` | `none` | `OTEL_EXPORTER_OTLP_COMPRESSION` |
//! | `instrumentation/development` | [`Instrumentation`] | – | `OTEL_SEMCONV_STABILITY_OPT_IN` and others |
//! | `distribution` | [`Named`] mappings | – | those of this crate |
//!
//! # Messages
//!
//! | mistake | message |
//! |---|---|
//! | a value of another type, or out of its range | `… is not allowed here: must be …` |
//! | null where a value is needed | `null is not allowed here: a value must be given` |
//! | a required key is missing | ``` `…` is missing: it is required ``` |
//! | an unknown key | ``` the key `…` is not known; did you mean `…`? ```, or a list of those that are allowed |
//! | no key, or several, where one chooses a component | `exactly one key is allowed, of …` |
//! | an empty list | `the list is empty: at least one item is required` |
//! | a component that this crate does not have | `not supported: …` |
//! | another major version | `version 2.0 is not supported: must be 1.0 or 1.1` |
//!
//! Keys of the document itself that are not known are warnings, because the schema allows them. An unknown key is a
//! warning everywhere in a file whose minor version is newer than 1.1.
//!
//! The types are private to the configuration file. [`apply`](super::apply) reads them, and nothing stores them: after
//! a file is read, only [`Settings`](crate::settings::Settings) remain.

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
        ///
        /// The file must have it. [`check_version`] decides which versions are read; a suffix such as `-rc.1` does not
        /// count.
        file_format: String,
        /// Default: `false`.
        ///
        /// If it is `true`, nothing is exported. Log lines and the propagation of contexts stay on, as with
        /// `OTEL_SDK_DISABLED=true`. Mistakes in the rest of the file are reported all the same.
        disabled: Option<bool>,
        /// The least severe of this crate's own log lines. Default: `info`.
        ///
        /// It has no effect on the lines of the program: those have `log_filter` below `distribution`. The counterpart
        /// of `OTEL_LOG_LEVEL`. A reload applies it at once.
        log_level: Option<SeverityNumber>,
        /// Limits where a provider has none of its own.
        ///
        /// The counterpart of `OTEL_ATTRIBUTE_COUNT_LIMIT` and `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`.
        attribute_limits: Option<AttributeLimits>,
        /// Without it, no log records are exported.
        ///
        /// Log lines do not depend on it.
        logger_provider: Option<LoggerProvider>,
        /// Without it, no metrics are exported.
        ///
        /// Its readers send metrics at intervals, or serve them to Prometheus.
        meter_provider: Option<MeterProvider>,
        /// Without it, no context is propagated, apart from what code adds.
        propagator: Option<Propagator>,
        /// Without it, no spans are recorded.
        ///
        /// Log lines then have no trace and span ids. Contexts that arrive with requests are passed on unchanged, if
        /// there is a propagator.
        tracer_provider: Option<TracerProvider>,
        /// Attributes of the process; those of code are used beside them.
        resource: Option<Resource>,
        /// Options of the layers for gRPC and HTTP.
        ///
        /// Experimental in the schema: its form may change in a later version.
        instrumentation["instrumentation/development"]: Option<Instrumentation>,
        /// Settings of vendors; `telemetry_bootstrap` is this crate's.
        ///
        /// At least one vendor must be named: `distribution: {}` is a mistake. The values of this crate are checked by
        /// [`apply`](super::apply), because the schema does not define them.
        distribution: Option<Named<1>>,
    }
}

object! {
    /// Limits of the attributes of all signals.
    AttributeLimits = "AttributeLimits", null refused {
        /// Characters of one text. Default: no limit.
        ///
        /// Counted in Unicode scalar values. Longer texts are cut; 0 leaves empty texts.
        attribute_value_length_limit: Option<Unsigned>,
        /// Attributes of one span, event, link or record. Default: 128.
        ///
        /// Further attributes are dropped and counted. 0 drops all of them.
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
