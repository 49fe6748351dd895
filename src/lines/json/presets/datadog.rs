//! Datadog Log Management.
//!
//! Datadog reads some attributes of a line as those of the log itself: host, service, status, date, message. A field of
//! the program with such a name would replace them silently; it is renamed instead, to `field.host`, `field.service`,
//! and so on.
//!
//! Ids are decimal numbers of 64 bits, which is how Datadog connects a line with its trace; the upper half of a trace
//! id is left out.

use super::{IdForm, LEVELS, Preset, ServiceNames};
use crate::lines::json::encode::Numbers;
use crate::lines::json::reserved::Role;

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
    owned: &[
        (
            Role::Object,
            &[
                "contextMap",
                "db",
                "dd",
                "error",
                "field",
                "http",
                "logger",
                "named_tags",
                "network",
                "syslog",
                "usr",
            ],
        ),
        (
            Role::Owned,
            &[
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
            ],
        ),
    ],
    unfolds: true,
};
