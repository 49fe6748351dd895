//! One table for each backend: names, forms, and the values it refuses.
//!
//! | | OpenTelemetry | ECS | Google Cloud | Datadog |
//! |---|---|---|---|---|
//! | ids | hexadecimal | hexadecimal | hexadecimal, `sampled` | decimal, lower 64 bits |
//! | levels | `INFO` | `INFO` | `INFO`, `WARNING` | `INFO` |
//! | dots in keys | part of the name | members of objects | part of the name | members of objects |
//!
//! Names that a backend gives a meaning to are listed with the [`Role`](super::shape::Role) in which a field of the
//! program may take them: an object may not become a text, or the backend refuses the line or the field. The lists are
//! those of the documentation named at each table.

mod datadog;
mod ecs;
mod google_cloud;

use std::sync::LazyLock;

use super::encode::Numbers;
use super::keys::{Field, FieldNames};
use super::owned_names::OwnedNames;
use super::reserved::{Reserved, hash};
use super::shape::Shape;
use crate::semconv as otel;

/// Line format of one backend.
#[derive(Debug)]
pub(super) struct Preset {
    /// In the order of [`Field::ALL`]; `None`: there is no such field.
    pub(super) fields: [Option<&'static str>; 7],
    /// The names of `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`.
    pub(super) levels: [&'static str; 5],
    /// Type, message and stack trace of an exception.
    pub(super) exception: [&'static str; 3],
    /// Keys for service attributes.
    pub(super) service: ServiceNames,
    /// Fields of each line, such as the version of the schema.
    pub(super) constants: &'static [(&'static str, &'static str)],
    /// The encoding of trace and span ids.
    pub(super) ids: IdForm,
    /// Numbers that the backend can hold; others are text.
    pub(super) numbers: Numbers,
    /// Names that fields of the program may not take, or only in some form.
    pub(super) owned: LazyLock<OwnedNames>,
    /// `true` if `a.b` is the member `b` of an object `a`, so `a` cannot be a value as well.
    pub(super) unfolds: bool,
    /// `true` if all values of a key in one line must have one type, which the first of them decides.
    pub(super) is_typed: bool,
}

/// Keys for name, version and environment of the service.
#[derive(Debug)]
pub(super) enum ServiceNames {
    /// Three keys.
    Flat([&'static str; 3]),
    /// Name and version as members of an object.
    Object { key: &'static str, members: [&'static str; 2], environment: &'static str },
}

/// Encoding of ids.
#[derive(Clone, Copy, Debug)]
pub(super) enum IdForm {
    /// Hexadecimal ids and flags.
    Hex,
    /// Hexadecimal ids, and flags as a boolean.
    HexAndSampled,
    /// The lower 64 bits as a decimal number.
    Decimal,
}

impl FieldNames {
    /// Returns the table of a backend.
    pub(super) const fn preset(self) -> &'static Preset {
        match self {
            Self::OpenTelemetry => &OPENTELEMETRY,
            Self::ElasticCommonSchema => &ecs::PRESET,
            Self::GoogleCloudLogging => &google_cloud::PRESET,
            Self::Datadog => &datadog::PRESET,
        }
    }
}

impl Preset {
    /// Returns the name of a fixed field, or `None` if the backend has none.
    pub(super) fn name(&self, field: Field) -> Option<&'static str> {
        self.fields[field as usize]
    }

    /// Returns `true` if `field` cannot have this name: another field has it, even if that is left out of lines, or the
    /// backend gives it a meaning that the values of `field` do not have.
    pub(super) fn refuses(&'static self, field: Field, name: &str) -> bool {
        let shape = match field {
            Field::Timestamp => Shape::Text(EXAMPLE_TIMESTAMP),
            _ => Shape::Other,
        };
        let mut owned = Reserved::new(self.unfolds);
        owned.add_owned(&self.owned);
        Field::ALL.into_iter().any(|other| other != field && self.name(other) == Some(name))
            || self.constants.iter().any(|(key, _)| *key == name)
            || owned.refuses(hash(name.as_bytes()), name.as_bytes(), shape)
    }

    /// Returns the preset's name for a field of an event that describes an error. `is_text` is `false` for numbers and
    /// booleans, which a message cannot be.
    pub(super) fn error_field(&self, name: &str, is_text: bool) -> Option<&'static str> {
        let [kind, message, stacktrace] = self.exception;
        match name {
            otel::EXCEPTION_TYPE => Some(kind),
            otel::EXCEPTION_MESSAGE => Some(message),
            otel::EXCEPTION_STACKTRACE => Some(stacktrace),
            ERROR if is_text && message.starts_with(ERROR) => Some(message),
            _ => None,
        }
    }
}

/// The field that `#[instrument(err)]` and many programs put an error into.
const ERROR: &str = "error";

/// Timestamps of lines have this form.
const EXAMPLE_TIMESTAMP: &str = "2026-11-24T14:20:44.123456Z";

/// The words for TRACE to ERROR, most verbose first.
const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

/// Type, message and stack trace, by the semantic conventions.
const EXCEPTION: [&str; 3] = [otel::EXCEPTION_TYPE, otel::EXCEPTION_MESSAGE, otel::EXCEPTION_STACKTRACE];

/// The default: names of the OpenTelemetry data model and of its conventions. It owns no names beyond those of the
/// line.
static OPENTELEMETRY: Preset = Preset {
    fields: [
        Some("timestamp"),
        Some("level"),
        Some("message"),
        Some("trace_id"),
        Some("span_id"),
        Some("trace_flags"),
        Some("target"),
    ],
    levels: LEVELS,
    exception: EXCEPTION,
    service: ServiceNames::Flat([
        otel::SERVICE_NAME,
        otel::SERVICE_VERSION,
        otel::DEPLOYMENT_ENVIRONMENT_NAME,
    ]),
    constants: &[],
    ids: IdForm::Hex,
    numbers: Numbers::ALL,
    owned: LazyLock::new(|| OwnedNames::new(false, [])),
    unfolds: false,
    is_typed: false,
};
