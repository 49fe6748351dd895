//! The fields of a `tracing` span, sorted into what they mean for an OpenTelemetry span.
//!
//! | field | meaning |
//! |---|---|
//! | `otel.name` | the span's name, unless it is empty |
//! | `otel.kind` | `internal`, `server`, `client`, `producer`, `consumer` |
//! | `otel.status_code` | `ok`, `error`, `unset`, also as `STATUS_CODE_OK` |
//! | `otel.status_description`, `otel.status_message` | status Error with this description |
//! | others, and those of the above with an unknown value | attributes |

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use opentelemetry::trace::{SpanKind, Status};
use tracing_core::field::{Field, Visit};

use super::attributes::AttributeBuffer;
use super::status::SpanStatus;
use crate::semconv::ERROR_TYPE;
use crate::settings::AttributeLimits;

/// The parsed fields of a span, or of one `record` call.
#[derive(Debug)]
pub(in crate::subscriber) struct SpanFields {
    pub(super) attributes: AttributeBuffer,
    pub(super) name: Option<String>,
    pub(super) kind: Option<SpanKind>,
    pub(super) status: SpanStatus,
}

impl SpanFields {
    /// Fields of an event, whose limits apply later.
    pub(in crate::subscriber) fn for_event() -> Self {
        Self::new(AttributeLimits { count: u32::MAX, value_length: None })
    }

    pub(super) fn new(limits: AttributeLimits) -> Self {
        Self {
            attributes: AttributeBuffer::new(limits),
            name: None,
            kind: None,
            status: SpanStatus::default(),
        }
    }

    /// Adds fields that were recorded later. Their values count.
    pub(super) fn append(&mut self, later: Self) {
        self.attributes.append(&later.attributes);
        self.name = later.name.or_else(|| self.name.take());
        self.kind = later.kind.or_else(|| self.kind.take());
        self.status.append(later.status);
    }

    fn field(&mut self, field: &Field, value: &FieldValue<'_>) {
        let key = field.name();
        let key = key.strip_prefix("r#").unwrap_or(key);
        if key.starts_with(SPECIAL_PREFIX) && is_special(key) {
            if let Some(text) = value.to_text()
                && !self.special(key, &text)
            {
                self.attributes.set_str(key, &text);
            }
            return;
        }
        if key == ERROR_TYPE {
            self.status.set_own_type();
        }
        self.attributes.set_field(key, value);
    }

    /// Returns `false` if the value is unknown.
    fn special(&mut self, key: &str, text: &str) -> bool {
        match key {
            NAME if text.is_empty() => {}
            NAME => self.name = Some(text.to_owned()),
            KIND => match parse_kind(text) {
                Some(kind) => self.kind = Some(kind),
                None => return false,
            },
            STATUS_CODE => match parse_status(text) {
                Some(status) => self.status.set(status),
                None => return false,
            },
            _ => self.status.set(Status::error(text.to_owned())),
        }
        true
    }
}

fn is_special(key: &str) -> bool {
    [NAME, KIND, STATUS_CODE, STATUS_DESCRIPTION, STATUS_MESSAGE].contains(&key)
}

fn parse_kind(text: &str) -> Option<SpanKind> {
    Some(match without_prefix(text, "SPAN_KIND_").to_ascii_lowercase().as_str() {
        "internal" => SpanKind::Internal,
        "server" => SpanKind::Server,
        "client" => SpanKind::Client,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        _ => return None,
    })
}

fn parse_status(text: &str) -> Option<Status> {
    Some(match without_prefix(text, "STATUS_CODE_").to_ascii_lowercase().as_str() {
        "ok" => Status::Ok,
        "error" => Status::error(""),
        "unset" => Status::Unset,
        _ => return None,
    })
}

/// Strips a prefix of the protocol's enum names, in whatever case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> &'a str {
    let text = text.trim();
    match text.split_at_checked(prefix.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(prefix) => rest,
        _ => text,
    }
}

/// The value of a field, as a span can hold it.
#[derive(Clone, Copy)]
pub(super) enum FieldValue<'a> {
    Str(&'a str),
    Bool(bool),
    I64(i64),
    F64(f64),
    /// Formatted by code of the user.
    Text(fmt::Arguments<'a>),
}

impl FieldValue<'_> {
    /// `None` if formatting it panics.
    fn to_text(self) -> Option<String> {
        catch_unwind(AssertUnwindSafe(|| match self {
            Self::Str(text) => text.to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::I64(value) => value.to_string(),
            Self::F64(value) => value.to_string(),
            Self::Text(value) => value.to_string(),
        }))
        .ok()
    }
}

impl Visit for SpanFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, &FieldValue::Str(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, &FieldValue::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, &FieldValue::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.field(field, &FieldValue::I64(value)),
            // OTLP has no type for it.
            Err(_) => self.field(field, &FieldValue::Text(format_args!("{value}"))),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, &FieldValue::F64(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.field(field, &FieldValue::Text(format_args!("{value}")));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, &FieldValue::Text(format_args!("{value:?}")));
    }
}

const SPECIAL_PREFIX: &str = "otel.";
const NAME: &str = "otel.name";
const KIND: &str = "otel.kind";
const STATUS_CODE: &str = "otel.status_code";
const STATUS_DESCRIPTION: &str = "otel.status_description";
/// The older name of the description, which many programs still use.
const STATUS_MESSAGE: &str = "otel.status_message";
