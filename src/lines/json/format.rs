//! What was asked for, rendered once: the constant parts of a line, ready to be copied.

use opentelemetry::Value;
use tracing_core::Level;

use super::encode;
use super::fields::{COLLISION_PREFIX, Fields, Reserved};
use super::keys::{FieldNames, Key, MissingIds, Names, ServiceNames, SpanFields};
use crate::trace_ids::TraceIds;

/// As it was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) style: FieldNames,
    /// Names that replace those of the style; `None`: the key is left out. The last one counts.
    pub(super) keys: Vec<(Key, Option<String>)>,
    /// Name, version and environment.
    pub(super) service: [Option<String>; 3],
    pub(super) constants: Vec<(String, Value)>,
    pub(super) google_cloud_project: Option<String>,
    pub(super) missing_ids: MissingIds,
    pub(super) span_fields: SpanFields,
}

/// The constant parts of a line. Each begins with a comma; the first one of a line is made its opening brace.
#[derive(Debug)]
pub(super) struct Format {
    /// `,"timestamp":"`, empty when left out, like the others.
    timestamp: Text,
    /// `,"level":"INFO"`, for each level.
    levels: [Text; 5],
    /// `,"message":`
    message: Text,
    /// `,"trace_id":"`
    trace_id: Text,
    /// `,"span_id":"`
    span_id: Text,
    /// `,"trace_flags":`
    trace_flags: Text,
    ids: IdForm,
    missing_ids: Text,
    /// `,"target":`
    target: Text,
    constants: Text,
    pub(super) exception: [&'static str; 3],
    /// Keys that fields of events may not take.
    pub(super) reserved: Reserved,
    /// Keys that fields of spans may not take.
    pub(super) span_reserved: Reserved,
    pub(super) span_fields: SpanFields,
}

type Text = Box<[u8]>;

#[derive(Clone, Copy, Debug)]
enum IdForm {
    Hex,
    /// Hexadecimal ids, and flags as a truth value.
    HexAndSampled,
    /// The lower 64 bits as a decimal number.
    Decimal,
}

impl Format {
    pub(super) fn new(options: &Options) -> Self {
        let names = options.style.names();
        let mut reserved = Reserved::default();
        let keys = Key::ALL.map(|key| key_text(key, options, &names, &mut reserved));
        for object in names.objects {
            reserved.insert(object);
        }
        if options.span_fields == SpanFields::Nested {
            reserved.insert(SPANS);
        }
        let constants = constants(options, &names, &mut reserved);
        let span_reserved = match options.span_fields {
            SpanFields::Nested => [SPAN_NAME].into_iter().collect(),
            SpanFields::Merged | SpanFields::Off => reserved.clone(),
        };
        let missing_ids = missing_ids(options.missing_ids, &keys);
        let [timestamp, level, message, mut trace_id, span_id, trace_flags, target] = keys;
        trace_id = opened(trace_id);
        if let Some(project) = &options.google_cloud_project
            && options.style == FieldNames::GoogleCloudLogging
            && !trace_id.is_empty()
        {
            encode::escaped(&mut trace_id, &format!("projects/{project}/traces/"));
        }
        Self {
            timestamp: opened(timestamp).into(),
            levels: names.levels.map(|word| with_string(&level, word)),
            message: message.into(),
            trace_id: trace_id.into(),
            span_id: opened(span_id).into(),
            trace_flags: trace_flags.into(),
            ids: match options.style {
                FieldNames::OpenTelemetry | FieldNames::ElasticCommonSchema => IdForm::Hex,
                FieldNames::GoogleCloudLogging => IdForm::HexAndSampled,
                FieldNames::Datadog => IdForm::Decimal,
            },
            missing_ids: missing_ids.into(),
            target: target.into(),
            constants: constants.into(),
            exception: names.exception,
            reserved,
            span_reserved,
            span_fields: options.span_fields,
        }
    }

    /// `write` appends the time itself.
    pub(super) fn timestamp(&self, line: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.timestamp.is_empty() {
            line.extend_from_slice(&self.timestamp);
            write(line);
            line.push(b'"');
        }
    }

    pub(super) fn level(&self, line: &mut Vec<u8>, level: Level) {
        let index = match level {
            Level::TRACE => 0,
            Level::DEBUG => 1,
            Level::INFO => 2,
            Level::WARN => 3,
            Level::ERROR => 4,
        };
        line.extend_from_slice(&self.levels[index]);
    }

    /// Writes the key of the message; `false` when lines have none.
    pub(super) fn message(&self, line: &mut Vec<u8>) -> bool {
        line.extend_from_slice(&self.message);
        !self.message.is_empty()
    }

    pub(super) fn ids(&self, line: &mut Vec<u8>, ids: Option<TraceIds>) {
        let Some(ids) = ids else {
            line.extend_from_slice(&self.missing_ids);
            return;
        };
        if !self.trace_id.is_empty() {
            line.extend_from_slice(&self.trace_id);
            self.ids.write(line, ids.trace_id.to_bytes());
            line.push(b'"');
        }
        if !self.span_id.is_empty() {
            line.extend_from_slice(&self.span_id);
            self.ids.write(line, ids.span_id.to_bytes());
            line.push(b'"');
        }
        if !self.trace_flags.is_empty() {
            line.extend_from_slice(&self.trace_flags);
            self.ids.write_flags(line, ids);
        }
    }

    pub(super) fn target(&self, line: &mut Vec<u8>, target: &str) {
        if !self.target.is_empty() {
            line.extend_from_slice(&self.target);
            encode::string(line, target);
        }
    }

    pub(super) fn constants(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(&self.constants);
    }
}

impl IdForm {
    fn write<const N: usize>(self, line: &mut Vec<u8>, id: [u8; N]) {
        match (self, id.last_chunk::<8>()) {
            (Self::Decimal, Some(low)) => encode::integer(line, u64::from_be_bytes(*low)),
            _ => encode::hex(line, id),
        }
    }

    fn write_flags(self, line: &mut Vec<u8>, ids: TraceIds) {
        match self {
            Self::HexAndSampled => encode::bool(line, ids.flags.is_sampled()),
            Self::Hex | Self::Decimal => {
                line.push(b'"');
                encode::hex(line, [ids.flags.to_u8()]);
                line.push(b'"');
            }
        }
    }
}

/// Key of the list of spans, and in it of the name of each.
pub(super) const SPANS: &str = "spans";
pub(super) const SPAN_NAME: &str = "name";

/// `,"key":`, or nothing when the key is left out.
fn key_text(key: Key, options: &Options, names: &Names, reserved: &mut Reserved) -> Vec<u8> {
    let chosen = options.keys.iter().rev().find(|(renamed, _)| *renamed == key);
    let name = match chosen {
        Some((_, name)) => name.as_deref(),
        None => names.keys[key as usize],
    };
    name.map(|name| fresh_key(name, reserved)).unwrap_or_default()
}

/// `,"name":`; a name that is taken gets the prefix that a user's field would get, so that no key stands twice.
fn fresh_key(name: &str, reserved: &mut Reserved) -> Vec<u8> {
    let mut name = name.to_owned();
    while !reserved.insert(&name) {
        name.insert_str(0, COLLISION_PREFIX);
    }
    let mut text = b",".to_vec();
    encode::string(&mut text, &name);
    text.push(b':');
    text
}

/// `,"key":"`
fn opened(mut key: Vec<u8>) -> Vec<u8> {
    if !key.is_empty() {
        key.push(b'"');
    }
    key
}

fn with_string(key: &[u8], value: &str) -> Text {
    let mut text = key.to_vec();
    if !key.is_empty() {
        encode::string(&mut text, value);
    }
    text.into()
}

fn missing_ids(absent: MissingIds, keys: &[Vec<u8>; 7]) -> Vec<u8> {
    let ids = [Key::TraceId, Key::SpanId, Key::TraceFlags];
    let (ids, value): (&[Key], &[u8]) = match absent {
        MissingIds::Omit => (&[], b""),
        MissingIds::Zero => (&ids[..2], b"\"0\""),
        MissingIds::Null => (&ids, b"null"),
    };
    let present = ids.iter().map(|key| &keys[*key as usize]).filter(|key| !key.is_empty());
    present.flat_map(|key| [key.as_slice(), value].concat()).collect()
}

/// The constant fields, and their keys reserved.
fn constants(options: &Options, names: &Names, reserved: &mut Reserved) -> Vec<u8> {
    let mut fields = Fields::default();
    for (key, value) in names.constants {
        encode::string(fields.begin(key, reserved), value);
    }
    service(options, names, &mut fields, reserved);
    for (key, value) in &options.constants {
        encode::value(fields.begin(key, reserved), value);
    }
    for key in fields.keys() {
        reserved.insert_escaped(key);
    }
    fields.text().to_vec()
}

fn service(options: &Options, names: &Names, fields: &mut Fields, reserved: &Reserved) {
    let mut string = |key, value: &Option<String>| {
        if let Some(value) = value {
            encode::string(fields.begin(key, reserved), value);
        }
    };
    match &names.service {
        ServiceNames::Flat(keys) => {
            keys.iter().zip(&options.service).for_each(|(key, value)| string(key, value))
        }
        ServiceNames::Object { key, members, environment } => {
            string(environment, &options.service[2]);
            let mut object = Fields::default();
            for (member, value) in members.iter().zip(&options.service) {
                if let Some(value) = value {
                    encode::string(object.begin(member, &Reserved::default()), value);
                }
            }
            if let Some((_, inside)) = object.text().split_first() {
                let out = fields.begin(key, reserved);
                out.push(b'{');
                out.extend_from_slice(inside);
                out.push(b'}');
            }
        }
    }
}

#[cfg(test)]
mod tests;
