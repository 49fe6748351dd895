//! The fields of every line, and their names.

/// A field that is part of every line; see [`JsonLayer::rename`](super::JsonLayer::rename) and
/// [`JsonLayer::without`](super::JsonLayer::without).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The time of the event.
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

impl Field {
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
/// | integers that become text | – | outside of 64 signed bits | beyond 2⁵³ − 1 | outside of 64 signed bits |
/// | `NaN`, infinities | text | `null` | `null` | `null` |
///
/// A backend reads some names in its own way, and some of them only in one form. A field with such a name is written
/// with the prefix `field.`, so it neither replaces what the backend needs nor makes it refuse the line. Where dots
/// make objects (ECS, Datadog), the rest of such a name has underscores in their place, `field.http_request`:
///
/// | | names with the prefix |
/// |---|---|
/// | OpenTelemetry | those of the table above |
/// | ECS | a value where schema 8.11 has an object (`user`, `host`, `url`, `http.request`); a value of another type than the schema has (`source.port = "abc"`, `event.start = "now"`); members of a field that is no object (`source.port.name`); names of Elasticsearch (`_id`); in one line, also in the list [`spans`](SpanFields::Nested), `a.b` beside a value `a`, and values of two types in one field of that list |
/// | Google Cloud | `time`, `timestamp`, `httpRequest`, `stack_trace`, `logging.googleapis.com/…`, … |
/// | Datadog | `service`, `host`, `hostname`, `date`, `source`, `ddsource`, `ddtags`, `level`, … |
///
/// ```
/// use telemetry_bootstrap::json::{FieldNames, JsonLayer};
///
/// let layer = JsonLayer::new(std::io::stderr).field_names(FieldNames::Datadog);
/// # drop(layer);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldNames {
    /// The names of the [OpenTelemetry specification](https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/)
    /// for trace context in logs that are not OTLP.
    #[default]
    OpenTelemetry,
    /// [Elastic Common Schema](https://www.elastic.co/guide/en/ecs-logging/overview/current/intro.html), with dotted
    /// names. A text field `error` of an event is written as `error.message`.
    ElasticCommonSchema,
    /// [Structured logging](https://cloud.google.com/logging/docs/structured-logging) of Google Cloud. Name the
    /// project with [`google_cloud_project`](super::JsonLayer::google_cloud_project), so the trace is a full resource
    /// name.
    GoogleCloudLogging,
    /// [Datadog](https://docs.datadoghq.com/tracing/other_telemetry/connect_logs_and_traces/opentelemetry/). The ids
    /// have the form that every version of its intake correlates; those that know 128-bit ids match them by their
    /// lower half.
    Datadog,
}

/// Representation of missing trace ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingIds {
    /// Omits the keys, as the specification requires.
    #[default]
    Omit,
    /// `"0"` for trace and span, and no flags.
    Zero,
    /// `null`.
    Null,
}

/// Representation of span fields in a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanFields {
    /// Beside the event's own; an inner span's field overrides an outer span's.
    #[default]
    Merged,
    /// Written as a list of objects under `spans`, from the outermost to the innermost, each with the span's `name`.
    Nested,
    /// Not at all.
    Off,
}
