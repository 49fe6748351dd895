//! Google Cloud Logging, and Error Reporting behind it.

use std::sync::LazyLock;

use super::{EXCEPTION, IdForm, Preset, ServiceNames};
use crate::lines::json::encode::Numbers;
use crate::lines::json::owned_names::OwnedNames;
use crate::lines::json::shape::Role;
use crate::semconv as otel;

/// <https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields>,
/// <https://cloud.google.com/error-reporting/docs/formatting-error-messages>
pub(super) static PRESET: Preset = Preset {
    fields: [
        Some("time"),
        Some("severity"),
        Some("message"),
        Some("logging.googleapis.com/trace"),
        Some("logging.googleapis.com/spanId"),
        Some("logging.googleapis.com/trace_sampled"),
        Some("target"),
    ],
    levels: ["DEBUG", "DEBUG", "INFO", "WARNING", "ERROR"],
    exception: EXCEPTION,
    service: ServiceNames::Object {
        key: "serviceContext",
        members: ["service", "version"],
        environment: otel::DEPLOYMENT_ENVIRONMENT_NAME,
    },
    constants: &[],
    ids: IdForm::HexAndSampled,
    numbers: Numbers::FLOAT_64,
    owned: LazyLock::new(|| OwnedNames::new(false, OWNED.map(|name| (name, Role::Owned)))),
    unfolds: false,
    is_typed: false,
};

/// Names that the agent or a service behind it reads.
const OWNED: [&str; 19] = [
    "@type",
    "context",
    "eventTime",
    "exception",
    "httpRequest",
    "log",
    "reportLocation",
    "serviceContext",
    "stack_trace",
    "timestamp",
    "timestampNanos",
    "timestampSeconds",
    "logging.googleapis.com/httpRequest",
    "logging.googleapis.com/http_request",
    "logging.googleapis.com/insertId",
    "logging.googleapis.com/labels",
    "logging.googleapis.com/operation",
    "logging.googleapis.com/severity",
    "logging.googleapis.com/sourceLocation",
];
