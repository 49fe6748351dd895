//! Datadog Log Management.
//!
//! Datadog reads some attributes of a line as those of the log itself: host, service, status, date, message. A field of
//! the program with such a name would replace them silently; it is renamed instead, to `field.host`, `field.service`,
//! and so on.
//!
//! Ids are decimal numbers of 64 bits, which is how Datadog connects a line with its trace; the upper half of a trace
//! id is left out.

use std::sync::LazyLock;

use super::{IdForm, LEVELS, Preset, ServiceNames};
use crate::lines::json::encode::Numbers;
use crate::lines::json::owned_names::OwnedNames;
use crate::lines::json::shape::Role;

/// <https://docs.datadoghq.com/logs/log_configuration/attributes_naming_convention/>,
/// <https://docs.datadoghq.com/logs/log_configuration/pipelines/#preprocessing>
pub(super) static PRESET: Preset = Preset {
    fields: [
        Some("timestamp"),
        Some("status"),
        Some("message"),
        Some("dd.trace_id"),
        Some("dd.span_id"),
        None,
        Some("logger.name"),
    ],
    levels: LEVELS,
    exception: ["error.kind", "error.message", "error.stack"],
    service: ServiceNames::Flat(["dd.service", "dd.version", "dd.env"]),
    constants: &[],
    ids: IdForm::Decimal,
    numbers: Numbers::SIGNED_64,
    owned: LazyLock::new(|| {
        let objects = OBJECTS.map(|name| (name, Role::Object));
        OwnedNames::new(true, objects.into_iter().chain(OWNED.map(|name| (name, Role::Owned))))
    }),
    unfolds: true,
    is_typed: false,
};

/// Attributes with members, beside those in which a member is owned.
const OBJECTS: [&str; 7] = ["db", "error", "field", "http", "logger", "network", "usr"];

/// Attributes that the intake or its pipelines read.
const OWNED: [&str; 30] = [
    "@timestamp",
    "Timestamp",
    "_timestamp",
    "contextMap.dd.span_id",
    "contextMap.dd.trace_id",
    "dd.env",
    "dd.service",
    "dd.version",
    "date",
    "ddsource",
    "ddtags",
    "eventTime",
    "host",
    "hostname",
    "level",
    "log",
    "msg",
    "named_tags.dd.span_id",
    "named_tags.dd.trace_id",
    "published_date",
    "service",
    "severity",
    "source",
    "span_id",
    "syslog.appname",
    "syslog.hostname",
    "syslog.severity",
    "syslog.timestamp",
    "tags",
    "trace_id",
];
