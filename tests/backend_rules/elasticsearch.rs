//! What Filebeat does with `expand_keys`, and then Elasticsearch with the mapping of ECS.
//!
//! Types and what they accept: <https://www.elastic.co/guide/en/elasticsearch/reference/8.11/mapping-types.html>.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Number, Value as Json};

use super::{Line, expanded_members};

/// Fields of the schema with their types.
pub(crate) fn schema() -> impl Iterator<Item = (&'static str, &'static str)> {
    let fields = include_str!("../../src/lines/json/presets/ecs_8_11.csv");
    fields.lines().skip(1).map(|line| line.split_once(',').expect("two columns"))
}

pub(crate) fn elasticsearch(line: &Line) -> Result<(), String> {
    elasticsearch_index(std::slice::from_ref(line))
}

/// Lines that arrive in the same index, one after the other.
pub(crate) fn elasticsearch_index(lines: &[Line]) -> Result<(), String> {
    let mut mapping = Mapping::of_schema();
    lines.iter().try_for_each(|line| accept_line(&mut mapping, line))
}

fn accept_line(mapping: &mut Mapping, line: &Line) -> Result<(), String> {
    let root = expanded_members(line.clone())?;
    if let Some(name) = METADATA.iter().find(|name| root.contains_key(**name)) {
        return Err(format!("{name} is a field of Elasticsearch"));
    }
    if !root["@timestamp"].is_string() || !root["ecs"]["version"].is_string() {
        return Err("the required fields are missing".to_owned());
    }
    mapping.accept_members("", &root, 0)
}

/// The type of each field: those of the schema, and those that the first value of a field makes.
struct Mapping(BTreeMap<String, Type>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Object,
    /// An object whose members are not looked at.
    Flattened,
    Keyword,
    Constant,
    Long,
    Float,
    Boolean,
    Date,
    Address,
    Place,
}

impl Mapping {
    fn of_schema() -> Self {
        let mut types = BTreeMap::new();
        for object in ["input", "kubernetes", "docker"] {
            types.insert(object.to_owned(), Type::Object);
        }
        for (name, kind) in schema() {
            for (dot, _) in name.match_indices('.') {
                types.entry(name[..dot].to_owned()).or_insert(Type::Object);
            }
            types.insert(
                name.to_owned(),
                match kind {
                    "object" | "nested" => Type::Object,
                    "flattened" => Type::Flattened,
                    "keyword" | "wildcard" | "match_only_text" => Type::Keyword,
                    "constant_keyword" => Type::Constant,
                    "long" => Type::Long,
                    "float" | "scaled_float" => Type::Float,
                    "boolean" => Type::Boolean,
                    "date" => Type::Date,
                    "ip" => Type::Address,
                    "geo_point" => Type::Place,
                    other => panic!("{other} is a new type"),
                },
            );
        }
        Self(types)
    }

    fn accept_members(
        &mut self,
        path: &str,
        members: &Map<String, Json>,
        depth: usize,
    ) -> Result<(), String> {
        // `index.mapping.depth.limit`
        if depth > 20 {
            return Err(format!("{path} is too deep"));
        }
        members.iter().try_for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.accept(&path, value, depth + 1)
        })
    }

    fn accept(&mut self, path: &str, value: &Json, depth: usize) -> Result<(), String> {
        let values = match value {
            Json::Null => return Ok(()),
            Json::Array(values) => {
                return values.iter().try_for_each(|value| self.accept(path, value, depth));
            }
            value => value,
        };
        let known = *self.0.entry(path.to_owned()).or_insert_with(|| dynamic_type(values));
        match (known, value) {
            (Type::Object, Json::Object(members)) => self.accept_members(path, members, depth),
            (Type::Flattened, Json::Object(_)) => Ok(()),
            (known, value) if known.accepts(value) => Ok(()),
            (known, value) => Err(format!("{path} is a {known:?} and cannot be {value}")),
        }
    }
}

/// `long` and `float` are the types of numbers that a dynamic mapping makes. Templates for logs turn the detection of
/// dates off.
fn dynamic_type(value: &Json) -> Type {
    match value {
        Json::Object(_) => Type::Object,
        Json::Bool(_) => Type::Boolean,
        Json::Number(number) if number.is_f64() => Type::Float,
        Json::Number(_) => Type::Long,
        _ => Type::Keyword,
    }
}

impl Type {
    fn accepts(self, value: &Json) -> bool {
        match (self, value) {
            (_, Json::Object(_)) => false,
            (Self::Keyword, _) | (Self::Boolean, Json::Bool(_)) => true,
            (Self::Long, Json::Number(number)) => is_long(number),
            (Self::Float, Json::Number(number)) => {
                number.as_f64().is_some_and(|it| it.abs() <= f64::from(f32::MAX))
            }
            // A parser of RFC 3339, which has what Elasticsearch and the crate accept, and more.
            (Self::Date, Json::String(text)) => text.parse::<prost_types::Timestamp>().is_ok(),
            (Self::Address, Json::String(text)) => text.parse::<IpAddr>().is_ok(),
            _ => false,
        }
    }
}

/// Fractions are cut off.
fn is_long(number: &Number) -> bool {
    number.as_i64().is_some()
        || (number.is_f64() && number.as_f64().is_some_and(|it| it.abs() < 2_f64.powi(63)))
}

/// <https://www.elastic.co/guide/en/elasticsearch/reference/8.11/mapping-fields.html>, and that of Filebeat.
const METADATA: [&str; 12] = [
    "@metadata",
    "_doc_count",
    "_field_names",
    "_id",
    "_ignored",
    "_index",
    "_meta",
    "_routing",
    "_size",
    "_source",
    "_tier",
    "_type",
];
