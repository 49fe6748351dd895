//! One table for each backend: names, forms, and the values it refuses.

use super::encode::Numbers;
use super::keys::{Field, FieldNames};
use super::reserved::Role;
use crate::semconv as otel;

/// How lines are written for one backend.
#[derive(Debug)]
pub(super) struct Preset {
    /// In the order of [`Field::ALL`]; `None`: there is no such field.
    pub(super) fields: [Option<&'static str>; 7],
    /// Of `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`.
    pub(super) levels: [&'static str; 5],
    pub(super) exception: [&'static str; 3],
    pub(super) service: ServiceNames,
    pub(super) constants: &'static [(&'static str, &'static str)],
    pub(super) ids: IdForm,
    pub(super) numbers: Numbers,
    /// Names that fields of the program may not take, or only in some form.
    pub(super) owned: &'static [(Role, &'static [&'static str])],
    /// Whether `a.b` is the member `b` of an object `a`, so that `a` cannot be a value as well.
    pub(super) unfolds: bool,
}

/// Where name, version and environment of the service go.
#[derive(Debug)]
pub(super) enum ServiceNames {
    Flat([&'static str; 3]),
    /// Name and version as members of an object.
    Object {
        key: &'static str,
        members: [&'static str; 2],
        environment: &'static str,
    },
}

/// How ids are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum IdForm {
    Hex,
    /// Hexadecimal ids, and flags as a truth value.
    HexAndSampled,
    /// The lower 64 bits as a decimal number.
    Decimal,
}

impl FieldNames {
    pub(super) const fn preset(self) -> &'static Preset {
        match self {
            Self::OpenTelemetry => &OPENTELEMETRY,
            Self::ElasticCommonSchema => &ECS,
            Self::GoogleCloudLogging => &GOOGLE_CLOUD,
            Self::Datadog => &DATADOG,
        }
    }
}

impl Preset {
    pub(super) fn name(&self, field: Field) -> Option<&'static str> {
        self.fields[field as usize]
    }

    /// Returns `true` if the backend gives `name` a meaning of its own.
    pub(super) fn owns(&self, name: &str) -> bool {
        self.constants.iter().any(|(key, _)| *key == name)
            || self.owned.iter().any(|(_, names)| names.contains(&name))
    }

    /// Returns `true` if another field than `field` has this name, even if it is left out of lines.
    pub(super) fn is_name_of_another(&self, field: Field, name: &str) -> bool {
        Field::ALL.into_iter().any(|other| other != field && self.name(other) == Some(name))
    }

    /// Returns the preset's name for a field of an event that describes an error. `is_text` is `false` for numbers and
    /// truth values, which a message cannot be.
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

const ERROR: &str = "error";

const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

const EXCEPTION: [&str; 3] = [otel::EXCEPTION_TYPE, otel::EXCEPTION_MESSAGE, otel::EXCEPTION_STACKTRACE];

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
    owned: &[],
    unfolds: false,
};

/// <https://www.elastic.co/guide/en/ecs/8.11/ecs-field-reference.html>, and the names that Elasticsearch keeps for
/// itself.
static ECS: Preset = Preset {
    fields: [
        Some("@timestamp"),
        Some("log.level"),
        Some("message"),
        Some("trace.id"),
        Some("span.id"),
        None,
        Some("log.logger"),
    ],
    levels: LEVELS,
    exception: ["error.type", "error.message", "error.stack_trace"],
    service: ServiceNames::Flat(["service.name", "service.version", "service.environment"]),
    constants: &[("ecs.version", "8.11.0")],
    ids: IdForm::Hex,
    numbers: Numbers::FLOAT_32,
    owned: &[
        (
            Role::Object,
            &[
                "agent",
                "as",
                "client",
                "cloud",
                "code_signature",
                "container",
                "data_stream",
                "destination",
                "device",
                "dll",
                "dns",
                "ecs",
                "elf",
                "email",
                "error",
                "event",
                "faas",
                "field",
                "file",
                "geo",
                "group",
                "hash",
                "host",
                "http",
                "interface",
                "labels",
                "log",
                "macho",
                "network",
                "observer",
                "orchestrator",
                "organization",
                "os",
                "package",
                "pe",
                "process",
                "registry",
                "related",
                "risk",
                "rule",
                "server",
                "service",
                "source",
                "span",
                "threat",
                "tls",
                "trace",
                "transaction",
                "url",
                "user",
                "user_agent",
                "vlan",
                "volume",
                "vulnerability",
                "x509",
            ],
        ),
        (
            Role::Object,
            &[
                "client.as",
                "client.geo",
                "client.nat",
                "client.user",
                "cloud.account",
                "cloud.instance",
                "cloud.machine",
                "cloud.origin",
                "cloud.project",
                "cloud.service",
                "cloud.target",
                "container.cpu",
                "container.disk",
                "container.image",
                "container.memory",
                "container.network",
                "destination.as",
                "destination.geo",
                "destination.nat",
                "destination.user",
                "device.model",
                "dns.answers",
                "dns.question",
                "faas.trigger",
                "file.hash",
                "host.boot",
                "host.cpu",
                "host.disk",
                "host.geo",
                "host.network",
                "host.os",
                "host.risk",
                "http.request",
                "http.request.body",
                "http.response",
                "http.response.body",
                "log.file",
                "log.origin",
                "log.origin.file",
                "log.syslog",
                "network.inner",
                "network.vlan",
                "observer.os",
                "orchestrator.cluster",
                "orchestrator.resource",
                "process.entry_leader",
                "process.hash",
                "process.parent",
                "process.thread",
                "process.tty",
                "process.user",
                "server.as",
                "server.geo",
                "server.nat",
                "server.user",
                "service.node",
                "service.origin",
                "service.target",
                "source.as",
                "source.geo",
                "source.nat",
                "source.user",
                "tls.client",
                "tls.server",
                "user.changes",
                "user.effective",
                "user.group",
                "user.target",
                "user_agent.device",
                "user_agent.os",
            ],
        ),
        (
            Role::Number,
            &[
                "client.bytes",
                "client.packets",
                "client.port",
                "container.cpu.usage",
                "destination.bytes",
                "destination.packets",
                "destination.port",
                "event.duration",
                "event.risk_score",
                "event.risk_score_norm",
                "event.sequence",
                "event.severity",
                "file.size",
                "host.cpu.usage",
                "host.uptime",
                "http.request.body.bytes",
                "http.request.bytes",
                "http.response.body.bytes",
                "http.response.bytes",
                "http.response.status_code",
                "log.origin.file.line",
                "network.bytes",
                "network.packets",
                "process.args_count",
                "process.exit_code",
                "process.parent.pid",
                "process.parent.thread.id",
                "process.pgid",
                "process.pid",
                "process.thread.id",
                "process.uptime",
                "server.bytes",
                "server.packets",
                "server.port",
                "source.bytes",
                "source.packets",
                "source.port",
                "url.port",
            ],
        ),
        (
            Role::Address,
            &[
                "client.ip",
                "client.nat.ip",
                "destination.ip",
                "destination.nat.ip",
                "dns.resolved_ip",
                "host.ip",
                "observer.ip",
                "related.ip",
                "server.ip",
                "server.nat.ip",
                "source.ip",
                "source.nat.ip",
            ],
        ),
        (
            Role::Owned,
            &[
                "_data_stream_timestamp",
                "_doc_count",
                "_feature",
                "_field_names",
                "_id",
                "_ignored",
                "_ignored_source",
                "_index",
                "_inference_fields",
                "_meta",
                "_nested_path",
                "_primary_term",
                "_routing",
                "_seq_no",
                "_size",
                "_source",
                "_tier",
                "_tsid",
                "_type",
                "_version",
                "@metadata",
                "container.image.hash",
                "container.labels",
                "event.created",
                "event.end",
                "event.ingested",
                "event.start",
                "file.accessed",
                "file.created",
                "file.ctime",
                "file.mtime",
                "process.end",
                "process.start",
                "tags",
            ],
        ),
    ],
    unfolds: true,
};

/// <https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields>,
/// <https://cloud.google.com/error-reporting/docs/formatting-error-messages>
static GOOGLE_CLOUD: Preset = Preset {
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
    owned: &[(
        Role::Owned,
        &[
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
            "logging.googleapis.com/insertId",
            "logging.googleapis.com/labels",
            "logging.googleapis.com/operation",
            "logging.googleapis.com/sourceLocation",
        ],
    )],
    unfolds: false,
};

/// <https://docs.datadoghq.com/logs/log_configuration/attributes_naming_convention/>,
/// <https://docs.datadoghq.com/logs/log_configuration/pipelines/#preprocessing>
static DATADOG: Preset = Preset {
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
            &["contextMap", "db", "dd", "error", "field", "http", "logger", "network", "syslog", "usr"],
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
