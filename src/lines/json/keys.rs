//! The names of what stands in every line, by the backend that reads it.

/// A name that is this crate's to write, see [`JsonLayer::key`](super::JsonLayer::key).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// When the event happened.
    Timestamp,
    /// Its level.
    Level,
    /// Its text.
    Message,
    /// The trace it belongs to.
    TraceId,
    /// The span it belongs to.
    SpanId,
    /// The W3C flags of that trace: whether it is sampled.
    TraceFlags,
    /// Its target: by default the module that logged.
    Target,
}

impl Key {
    /// All of them, in the order of the line.
    pub(super) const ALL: [Self; 7] = [
        Self::Timestamp,
        Self::Level,
        Self::Message,
        Self::TraceId,
        Self::SpanId,
        Self::TraceFlags,
        Self::Target,
    ];
}

/// Names and forms as one backend documents them.
///
/// | | OpenTelemetry | ECS | Google Cloud | Datadog |
/// |---|---|---|---|---|
/// | time | `timestamp` | `@timestamp` | `time` | `timestamp` |
/// | level | `level` | `log.level` | `severity`: `DEBUG` (also for `TRACE`), `INFO`, `WARNING`, `ERROR` | `status` |
/// | text | `message` | `message` | `message` | `message` |
/// | trace | `trace_id` | `trace.id` | `logging.googleapis.com/trace` | `dd.trace_id`: the lower 64 bits, decimal |
/// | span | `span_id` | `span.id` | `logging.googleapis.com/spanId` | `dd.span_id`: decimal |
/// | flags | `trace_flags` | – | `logging.googleapis.com/trace_sampled`: `true`, `false` | – |
/// | target | `target` | `log.logger` | `target` | `logger.name` |
/// | errors | `exception.type`, `.message`, `.stacktrace` | `error.type`, `.message`, `.stack_trace` | as OpenTelemetry | `error.kind`, `.message`, `.stack` |
/// | service | `service.name`, `service.version`, `deployment.environment.name` | `service.name`, `service.version`, `service.environment` | `serviceContext`, `deployment.environment.name` | `dd.service`, `dd.version`, `dd.env` |
/// | constant | – | `ecs.version` | – | – |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldNames {
    /// The names of the [OpenTelemetry specification](https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/)
    /// for trace context in logs that are not OTLP.
    #[default]
    OpenTelemetry,
    /// [Elastic Common Schema](https://www.elastic.co/guide/en/ecs-logging/overview/current/intro.html), with dotted
    /// names. A field called `error`, `log`, `trace`, `span`, `service` or `ecs` would be a value where the schema
    /// has an object, and make Elasticsearch refuse the line: it gets the prefix `field.`.
    ElasticCommonSchema,
    /// [Structured logging](https://cloud.google.com/logging/docs/structured-logging) of Google Cloud. Name the
    /// project with [`google_cloud_project`](super::JsonLayer::google_cloud_project), so that the trace is a full
    /// resource name.
    GoogleCloudLogging,
    /// [Datadog](https://docs.datadoghq.com/tracing/other_telemetry/connect_logs_and_traces/opentelemetry/). The ids
    /// have the form that every version of its intake correlates; those that know 128-bit ids match them by their
    /// lower half.
    Datadog,
}

/// What stands in place of the ids of an event that belongs to no OpenTelemetry span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingIds {
    /// Nothing: the keys are left out, as the specification wants it.
    #[default]
    Omit,
    /// `"0"` for trace and span, and no flags.
    Zero,
    /// `null`.
    Null,
}

/// Whether and how the fields of the spans around an event stand in its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanFields {
    /// Beside the event's own; an inner span's field wins over an outer span's.
    #[default]
    Merged,
    /// As a list of objects under `spans`, from the outermost to the innermost, each with the span's `name`.
    Nested,
    /// Not at all.
    Off,
}

/// The names of one style.
pub(super) struct Names {
    /// In the order of [`Key::ALL`]; `None`: the style has no such key.
    pub(super) keys: [Option<&'static str>; 7],
    /// Of `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`.
    pub(super) levels: [&'static str; 5],
    pub(super) exception: [&'static str; 3],
    pub(super) service: ServiceNames,
    pub(super) constants: &'static [(&'static str, &'static str)],
    /// First parts of dotted names: in a backend that unfolds them, a plain value there is an error.
    pub(super) objects: &'static [&'static str],
}

/// Where name, version and environment of the service go.
pub(super) enum ServiceNames {
    Flat([&'static str; 3]),
    /// Name and version as members of an object.
    Object {
        key: &'static str,
        members: [&'static str; 2],
        environment: &'static str,
    },
}

impl FieldNames {
    pub(super) fn names(self) -> Names {
        use crate::semconv as otel;
        const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];
        const EXCEPTION: [&str; 3] =
            [otel::EXCEPTION_TYPE, otel::EXCEPTION_MESSAGE, otel::EXCEPTION_STACKTRACE];
        match self {
            Self::OpenTelemetry => Names {
                keys: ["timestamp", "level", "message", "trace_id", "span_id", "trace_flags", "target"]
                    .map(Some),
                levels: LEVELS,
                exception: EXCEPTION,
                service: ServiceNames::Flat([
                    otel::SERVICE_NAME,
                    otel::SERVICE_VERSION,
                    otel::DEPLOYMENT_ENVIRONMENT_NAME,
                ]),
                constants: &[],
                objects: &[],
            },
            Self::ElasticCommonSchema => Names {
                keys: [
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
                objects: &["log", "trace", "span", "error", "service", "ecs"],
            },
            Self::GoogleCloudLogging => Names {
                keys: [
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
                objects: &[],
            },
            Self::Datadog => Names {
                keys: [
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
                objects: &["dd", "logger", "error"],
            },
        }
    }
}
