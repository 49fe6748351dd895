//! The fields of a `tracing` span, sorted into what they mean for an OpenTelemetry span.
//!
//! | field | meaning |
//! |---|---|
//! | `otel.name` | the span's name, unless it is empty |
//! | `otel.kind` | `internal`, `server`, `client`, `producer`, `consumer` |
//! | `otel.status_code` | `ok`, `error`, `unset`, also as `STATUS_CODE_OK` |
//! | `otel.status_description`, `otel.status_message` | status Error with this description |
//! | others, and those of the above with an unknown value | attributes |
//!
//! The names and values are those of `tracing-opentelemetry`, so programs can change from one bridge to the other. A
//! value that is unknown makes the field an attribute: a mistake stays visible at the backend.

use std::borrow::Cow;

use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use tracing_core::Metadata;

use super::status::SpanStatus;
use crate::lines::event_field::FieldValue;
use crate::lines::kept_fields::KeptFields;
use crate::semconv::{CODE_FILE_PATH, CODE_LINE_NUMBER, CODE_MODULE_NAME, ERROR_TYPE};
use crate::user_code::bounded_text::{MAX_TEXT, beginning};

/// Span properties set by `otel.*` fields.
#[derive(Debug, Default)]
pub(super) struct SpanMeaning {
    /// The name from `otel.name`, if it is not that of the callsite.
    pub(super) name: Option<String>,
    /// The kind from `otel.kind`; INTERNAL if there is none.
    pub(super) kind: Option<SpanKind>,
    /// The status from `otel.status_code` and its description, which is treated as set by the user.
    pub(super) status: SpanStatus,
}

impl SpanMeaning {
    /// Takes the name and the kind that a span starts with.
    pub(super) fn take_name_and_kind(
        &mut self,
        metadata: &Metadata<'static>,
    ) -> (Cow<'static, str>, SpanKind) {
        let name = self.name.take().map_or(Cow::Borrowed(metadata.name()), Cow::Owned);
        (name, self.kind.take().unwrap_or(SpanKind::Internal))
    }

    /// Takes over what the fields say.
    pub(super) fn read(&mut self, fields: &KeptFields) {
        if !fields.has_special() {
            return;
        }
        for (key, value) in fields.iter() {
            if key == ERROR_TYPE {
                self.status.set_own_type();
            }
            match Special::parse(key, value) {
                Some(Special::Name(name)) if name.is_empty() => {}
                Some(Special::Name(name)) => self.name = Some(name.into_owned()),
                Some(Special::Kind(kind)) => self.kind = Some(kind),
                Some(Special::Status(status)) => self.status.set(status),
                Some(Special::Description(text)) => self.status.set(Status::error(text.into_owned())),
                None => {}
            }
        }
    }
}

/// The fields that are attributes.
pub(super) fn attributes(fields: &KeptFields) -> impl Iterator<Item = (&'static str, FieldValue<'_>)> {
    let has_special = fields.has_special();
    fields.iter().filter(move |(key, value)| !has_special || Special::parse(key, *value).is_none())
}

/// An attribute of the API.
pub(super) fn key_value(key: &'static str, value: FieldValue<'_>) -> KeyValue {
    match value.in_otlp(&mut itoa::Buffer::new()) {
        FieldValue::Bool(value) => KeyValue::new(key, value),
        FieldValue::I64(value) => KeyValue::new(key, value),
        FieldValue::F64(value) => KeyValue::new(key, value),
        other => KeyValue::new(key, beginning(&other.text(), MAX_TEXT).to_owned()),
    }
}

/// Passes fields to a span that has started.
pub(super) fn record_late(context: &Context, fields: &KeptFields) {
    let span = context.span();
    let mut meaning = SpanMeaning::default();
    meaning.read(fields);
    if let Some(name) = meaning.name {
        span.update_name(name);
    }
    if let Some(kind) = meaning.kind {
        span.set_attribute(KeyValue::new("otel.kind", format!("{kind:?}").to_ascii_lowercase()));
    }
    for (key, value) in attributes(fields) {
        span.set_attribute(key_value(key, value));
    }
    let (status, _) = meaning.status.finish();
    span.set_status(status);
}

/// Returns the code location attributes of a span.
pub(super) fn code_location(metadata: &'static Metadata<'static>) -> Vec<KeyValue> {
    let file = metadata.file().map(|file| KeyValue::new(CODE_FILE_PATH, file));
    let line = metadata.line().map(|line| KeyValue::new(CODE_LINE_NUMBER, i64::from(line)));
    let module = metadata.module_path().map(|module| KeyValue::new(CODE_MODULE_NAME, module));
    [file, line, module].into_iter().flatten().collect()
}

/// The value of a field that is no attribute.
enum Special<'a> {
    Name(Cow<'a, str>),
    Kind(SpanKind),
    Status(Status),
    /// The description of a status Error.
    Description(Cow<'a, str>),
}

impl<'a> Special<'a> {
    /// `None` for other fields, and if the value is unknown.
    fn parse(key: &str, value: FieldValue<'a>) -> Option<Self> {
        if !key.starts_with(SPECIAL_PREFIX) || !is_special(key) {
            return None;
        }
        let text = value.text();
        match key {
            NAME => Some(Self::Name(text)),
            KIND => parse_kind(&text).map(Self::Kind),
            STATUS_CODE => parse_status(&text).map(Self::Status),
            _ => Some(Self::Description(text)),
        }
    }
}

/// Returns `true` for fields that can have a meaning.
fn is_special(key: &str) -> bool {
    [NAME, KIND, STATUS_CODE, STATUS_DESCRIPTION, STATUS_MESSAGE].contains(&key)
}

/// Reads a kind, in any case, with or without the prefix of the protocol.
fn parse_kind(text: &str) -> Option<SpanKind> {
    let kinds = [
        ("internal", SpanKind::Internal),
        ("server", SpanKind::Server),
        ("client", SpanKind::Client),
        ("producer", SpanKind::Producer),
        ("consumer", SpanKind::Consumer),
    ];
    named(without_prefix(text, "SPAN_KIND_"), kinds)
}

/// Reads a status, in any case, with or without the prefix of the protocol.
fn parse_status(text: &str) -> Option<Status> {
    let statuses = [("ok", Status::Ok), ("error", Status::error("")), ("unset", Status::Unset)];
    named(without_prefix(text, "STATUS_CODE_"), statuses)
}

/// The value of this name, in whatever case.
fn named<T, const N: usize>(name: &str, values: [(&str, T); N]) -> Option<T> {
    values.into_iter().find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
}

/// Strips a prefix of the protocol's enum names, in whatever case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> &'a str {
    let text = text.trim();
    match text.split_at_checked(prefix.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(prefix) => rest,
        _ => text,
    }
}

/// Tested first: hardly any field has it.
const SPECIAL_PREFIX: &str = "otel.";
const NAME: &str = "otel.name";
const KIND: &str = "otel.kind";
const STATUS_CODE: &str = "otel.status_code";
const STATUS_DESCRIPTION: &str = "otel.status_description";
/// The older name of the description, which many programs still use.
const STATUS_MESSAGE: &str = "otel.status_message";
