//! The options of a layer, rendered once: the constant parts of a line, ready to be copied.
//!
//! | rendered at | what |
//! |---|---|
//! | construction | keys of the fixed fields with their punctuation; levels; constant fields; keys that are taken |
//! | each line | time, message, ids, target, fields |
//!
//! Most of a line is therefore copied. A change of an option renders everything again, which costs microseconds and
//! happens while the layer is built.

use std::fmt;

use opentelemetry::Value;
use tracing_core::Level;

use super::encode;
use super::fields::{Fields, KnownKey};
use super::keys::{Field, FieldNames, MissingIds, SpanFields};
use super::presets::{IdForm, Preset, ServiceNames};
use super::reserved::Reserved;
use super::shape::{Role, Shape};
use crate::lines::static_cache::StaticCache;
use crate::trace_ids::TraceIds;
use crate::user_code::bounded_text::MAX_LINE_TEXT;

/// The options of a layer.
///
/// It is kept beside the [`Format`] that is rendered from it, because a setter changes one option of all.
#[derive(Clone)]
pub(super) struct Options {
    /// The preset.
    pub(super) style: FieldNames,
    /// Names that replace those of the preset; `None`: the field is left out. The last one wins.
    pub(super) renamed: Vec<(Field, Option<String>)>,
    /// Name, version and environment.
    pub(super) service: [Option<String>; 3],
    /// Fields of every line that the user has added, in their order.
    pub(super) constants: Vec<(String, Value)>,
    /// Put before trace ids, as Google Cloud requires it: `projects/…/traces/…`.
    pub(super) google_cloud_project: Option<String>,
    /// The representation of missing ids.
    pub(super) missing_ids: MissingIds,
    /// Default: [`SpanFields::default`].
    pub(super) span_fields: SpanFields,
    /// In bytes, of one value.
    pub(super) max_field_length: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            style: FieldNames::default(),
            renamed: Vec::new(),
            service: [None, None, None],
            constants: Vec::new(),
            google_cloud_project: None,
            missing_ids: MissingIds::default(),
            span_fields: SpanFields::default(),
            max_field_length: MAX_LINE_TEXT,
        }
    }
}

/// The values of constant fields may be secrets: only their keys are shown.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let constants: Vec<_> = self.constants.iter().map(|(key, _)| key).collect();
        f.debug_struct("Options")
            .field("field_names", &self.style)
            .field("renamed", &self.renamed)
            .field("service", &self.service)
            .field("constants", &constants)
            .field("missing_ids", &self.missing_ids)
            .field("span_fields", &self.span_fields)
            .finish_non_exhaustive()
    }
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
    /// The keys of ids with their replacement; empty if they are left out.
    missing_ids: Text,
    /// `,"target":`
    target: Text,
    /// All constant fields with their values.
    constants: Text,
    /// The rules of the backend.
    pub(super) preset: &'static Preset,
    /// The keys of fields of events.
    pub(super) keys: FieldKeys,
    /// Those of fields of spans inside of a list.
    listed_keys: Option<FieldKeys>,
    /// Target and constant fields, by the target.
    known_targets: StaticCache<Text>,
    /// The representation of span fields, from the options.
    pub(super) span_fields: SpanFields,
    /// In bytes, of one value.
    pub(super) max_field_length: usize,
}

/// A rendered part of a line.
type Text = Box<[u8]>;

/// The keys that fields can have.
#[derive(Debug)]
pub(super) struct FieldKeys {
    /// Those that they may not take.
    pub(super) reserved: Reserved,
    /// Rendered keys, by the names of the fields.
    known: StaticCache<Option<KnownKey>>,
    /// The rules of the backend.
    preset: &'static Preset,
}

impl FieldKeys {
    fn new(reserved: Reserved, preset: &'static Preset) -> Self {
        Self { reserved, known: StaticCache::default(), preset }
    }

    /// Returns the key of a field, unless it depends on the value or on other fields.
    #[inline(always)]
    pub(super) fn known(&self, name: &'static str) -> Option<&KnownKey> {
        let render = || {
            let is_of_error = self.preset.error_field(name, true).is_some();
            if is_of_error { None } else { KnownKey::new(name, &self.reserved) }
        };
        self.known.for_text(name, render)?.as_ref()
    }
}

impl Format {
    /// Renders the parts. The order is that of precedence: a fixed field gets its name first, then constants of the
    /// backend, of the service and of the user; a later one that finds its name taken is renamed.
    pub(super) fn new(options: &Options) -> Self {
        let preset = options.style.preset();
        let mut reserved = Reserved::new(preset.unfolds);
        if options.span_fields == SpanFields::Nested {
            reserved.insert(SPANS, Role::Owned);
        }
        let keys = Field::ALL.map(|field| key_text(field, options, preset, &mut reserved));
        let constants = constants(options, preset, &mut reserved);
        let listed_keys = (options.span_fields == SpanFields::Nested).then(|| {
            let mut reserved = Reserved::new(preset.unfolds);
            reserved.insert(SPAN_NAME, Role::Owned);
            // The names for renamed keys.
            reserved.insert("field", Role::Object);
            FieldKeys::new(reserved, preset)
        });
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
            levels: preset.levels.map(|word| with_string(&level, word)),
            message: message.into(),
            trace_id: trace_id.into(),
            span_id: opened(span_id).into(),
            trace_flags: trace_flags.into(),
            missing_ids: missing_ids.into(),
            target: target.into(),
            constants: constants.into(),
            preset,
            max_field_length: options.max_field_length.min(MAX_LINE_TEXT),
            keys: FieldKeys::new(reserved, preset),
            listed_keys,
            known_targets: StaticCache::default(),
            span_fields: options.span_fields,
        }
    }

    /// Writes key and value of the time. `write` appends the time itself.
    pub(super) fn timestamp(&self, line: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.timestamp.is_empty() {
            line.extend_from_slice(&self.timestamp);
            write(line);
            line.push(b'"');
        }
    }

    /// Writes key and value of the level.
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

    /// Writes the ids, or what stands for missing ones.
    pub(super) fn ids(&self, line: &mut Vec<u8>, ids: Option<TraceIds>) {
        let Some(ids) = ids else {
            line.extend_from_slice(&self.missing_ids);
            return;
        };
        if !self.trace_id.is_empty() {
            line.extend_from_slice(&self.trace_id);
            self.preset.ids.write(line, ids.trace_id.to_bytes());
            line.push(b'"');
        }
        if !self.span_id.is_empty() {
            line.extend_from_slice(&self.span_id);
            self.preset.ids.write(line, ids.span_id.to_bytes());
            line.push(b'"');
        }
        if !self.trace_flags.is_empty() {
            line.extend_from_slice(&self.trace_flags);
            self.preset.ids.write_flags(line, ids);
        }
    }

    /// Returns the keys of fields of spans.
    pub(super) fn span_keys(&self) -> &FieldKeys {
        self.listed_keys.as_ref().unwrap_or(&self.keys)
    }

    /// Writes a target that lives as long as the program, and the constant fields.
    pub(super) fn static_target_and_constants(&self, line: &mut Vec<u8>, target: &'static str) {
        let render = |line: &mut Vec<u8>| {
            self.target(line, target);
            self.constants(line);
        };
        let rendered = || {
            let mut text = Vec::new();
            render(&mut text);
            text.into()
        };
        match self.known_targets.for_text(target, rendered) {
            Some(known) => line.extend_from_slice(known),
            None => render(line),
        }
    }

    /// Writes key and value of the target.
    pub(super) fn target(&self, line: &mut Vec<u8>, target: &str) {
        if !self.target.is_empty() {
            line.extend_from_slice(&self.target);
            encode::string(line, target);
        }
    }

    /// Writes the constant fields.
    pub(super) fn constants(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(&self.constants);
    }
}

impl IdForm {
    /// Writes the text of an id, without quotes.
    fn write<const N: usize>(self, line: &mut Vec<u8>, id: [u8; N]) {
        match (self, id.last_chunk::<8>()) {
            (Self::Decimal, Some(low)) => encode::integer(line, u64::from_be_bytes(*low)),
            _ => encode::hex(line, id),
        }
    }

    /// Writes the value of the flags, which is a text or, for some backends, a boolean.
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
/// The key of a span's name in the list [`SPANS`].
pub(super) const SPAN_NAME: &str = "name";

/// `,"key":`, or nothing when the field is left out.
///
/// A name that the user has chosen and the backend owns gets the prefix of a renamed field.
fn key_text(field: Field, options: &Options, preset: &'static Preset, reserved: &mut Reserved) -> Vec<u8> {
    let chosen = options.renamed.iter().rev().find(|(renamed, _)| *renamed == field);
    match chosen {
        Some((_, Some(name))) => fresh_key(name, preset.refuses(field, name), reserved),
        Some((_, None)) => Vec::new(),
        None => preset.name(field).map(|name| fresh_key(name, false, reserved)).unwrap_or_default(),
    }
}

/// `,"name":`; a name that is taken or refused is replaced as a user's field would be, so no key stands twice.
fn fresh_key(name: &str, is_refused: bool, reserved: &mut Reserved) -> Vec<u8> {
    [b",\"", &reserved.take(name, is_refused)[..], b"\":"].concat()
}

/// `,"key":"`
fn opened(mut key: Vec<u8>) -> Vec<u8> {
    if !key.is_empty() {
        key.push(b'"');
    }
    key
}

/// `,"key":"value"`, or nothing when the field is left out.
fn with_string(key: &[u8], value: &str) -> Text {
    let mut text = key.to_vec();
    if !key.is_empty() {
        encode::string(&mut text, value);
    }
    text.into()
}

/// Renders what is written in place of ids. A key that is left out of lines has no replacement.
///
/// Zero stands for ids that are not there, and never for flags, for which it would be a value.
fn missing_ids(absent: MissingIds, keys: &[Vec<u8>; 7]) -> Vec<u8> {
    let ids = [Field::TraceId, Field::SpanId, Field::TraceFlags];
    let (ids, value): (&[Field], &[u8]) = match absent {
        MissingIds::Omit => (&[], b""),
        MissingIds::Zero => (&ids[..2], b"\"0\""),
        MissingIds::Null => (&ids, b"null"),
    };
    let present = ids.iter().map(|key| &keys[*key as usize]).filter(|key| !key.is_empty());
    present.flat_map(|key| [key.as_slice(), value].concat()).collect()
}

/// Writes the constant fields, and reserves their keys and those that the backend owns.
fn constants(options: &Options, preset: &'static Preset, reserved: &mut Reserved) -> Vec<u8> {
    let mut fields = Fields::default();
    for (key, value) in preset.constants {
        encode::string(fields.begin(key, reserved), value);
    }
    service(options, preset, &mut fields, reserved);
    if preset.unfolds {
        fields.keys().for_each(|key| reserved.insert_with_parents(key));
    }
    // A field that is omitted from lines keeps its meaning in the backend.
    for name in preset.fields.into_iter().flatten() {
        reserved.insert(name, Role::Owned);
    }
    reserved.add_owned(&preset.owned);
    fields.make_own();
    let max = options.max_field_length;
    for (key, value) in options.constants.iter().filter(|(key, _)| !key.is_empty()) {
        let shape = Shape::from_value(value, preset.numbers, max);
        preset.numbers.value(fields.begin_shaped(key, shape, reserved), value, max);
    }
    for key in fields.keys() {
        reserved.insert_with_parents(key);
    }
    fields.text().to_vec()
}

/// Writes name, version and environment of the service where the backend expects them.
fn service(options: &Options, preset: &Preset, fields: &mut Fields, reserved: &Reserved) {
    let mut string = |key, value: &Option<String>| {
        if let Some(value) = value {
            encode::string(fields.begin(key, reserved), value);
        }
    };
    match &preset.service {
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
