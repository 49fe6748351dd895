//! The Elastic Common Schema 8.11.
//!
//! A line is a flat object whose keys have dots; Filebeat and Elasticsearch unfold them into objects (`expand_keys`).
//! Elasticsearch rejects such a line for any of three reasons: a value where the schema has an object, a value of another
//! type than the field's, and a member of a field that is no object. `ecs_8_11.csv` has the fields of the schema with
//! their types: two columns of
//! [`generated/csv/fields.csv`](https://github.com/elastic/ecs/blob/v8.11.0/generated/csv/fields.csv), under the Apache
//! License 2.0 of Elasticsearch B.V. They decide which fields of the program keep their names:
//!
//! | type | for example | a field of the program with this name |
//! |---|---|---|
//! | field sets, `object`, `nested`, `flattened` | `http`, `http.request` | is renamed to `field.http`, because it is a value |
//! | `keyword`, `wildcard`, `match_only_text` | `http.request.method` | keeps its name |
//! | `long`, `float`, `scaled_float` | `source.port` | keeps its name if its value is a number that the field can hold |
//! | `boolean`, `date`, `ip` | `event.start` | keeps its name if its value is a boolean, a date, an IP address |
//! | `geo_point`, `constant_keyword` | `data_stream.type` | is renamed, because no value is certain to be accepted |
//!
//! Keys below a field that is not an object (`source.port.name`) are renamed. Numbers beyond what the `float` of a
//! dynamic mapping holds are written as text.

use std::sync::LazyLock;

use super::{IdForm, LEVELS, Preset, ServiceNames};
use crate::lines::json::encode::Numbers;
use crate::lines::json::owned_names::OwnedNames;
use crate::lines::json::shape::Role;

/// <https://www.elastic.co/guide/en/ecs/8.11/ecs-field-reference.html>, and the names that Elasticsearch keeps for
/// itself.
pub(super) static PRESET: Preset = Preset {
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
    owned: LazyLock::new(|| {
        let owned = OWNED.map(|name| (name, Role::Owned));
        OwnedNames::new(true, owned.into_iter().chain(SHIPPERS).chain(schema()))
    }),
    unfolds: true,
    is_typed: true,
};

/// The fields of the schema.
fn schema() -> impl Iterator<Item = (&'static str, Role)> {
    let fields = include_str!("ecs_8_11.csv").lines().skip(1).filter_map(|line| line.split_once(','));
    fields.map(|(name, kind)| (name, role(kind)))
}

/// Returns the role of the fields of a type.
fn role(kind: &str) -> Role {
    match kind {
        "object" | "nested" | "flattened" => Role::Object,
        "keyword" | "wildcard" | "match_only_text" => Role::Text,
        "long" => Role::Integer,
        "float" | "scaled_float" => Role::Float,
        "boolean" => Role::Boolean,
        "date" => Role::Date,
        "ip" => Role::Address,
        _ => Role::Owned,
    }
}

/// The metadata fields of Elasticsearch and Filebeat, and a list that Filebeat adds to.
const OWNED: [&str; 22] = [
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
    "tags",
];

/// Fields beside those of the schema: what Filebeat and Elastic Agent add to a line, and the object of renamed fields.
const SHIPPERS: [(&str, Role); 6] = [
    ("docker", Role::Object),
    ("field", Role::Object),
    ("fileset", Role::Object),
    ("input", Role::Object),
    ("kubernetes", Role::Object),
    ("log.offset", Role::Integer),
];
