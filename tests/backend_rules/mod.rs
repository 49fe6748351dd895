//! The rules by which backends accept a line, as they publish them, written down independently of the code of the crate.
//! The fields of ECS are read from the same copy of its list.

mod datadog;
mod elasticsearch;
mod google_cloud;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

pub(crate) use datadog::datadog;
pub(crate) use elasticsearch::{elasticsearch, elasticsearch_index, schema};
pub(crate) use google_cloud::google_cloud;

pub(crate) type Line = BTreeMap<String, Json>;

/// Adds a value to an object as `expand_keys` of Filebeat does: `a.b` is the member `b` of the object `a`.
fn expand(object: &mut Map<String, Json>, key: &str, value: Json) -> Result<(), String> {
    let (name, rest) = key.split_once('.').map_or((key, None), |(name, rest)| (name, Some(rest)));
    if name.trim().is_empty() {
        return Err("a part of the name is empty".to_owned());
    }
    let Some(rest) = rest else {
        return match object.insert(name.to_owned(), expanded(value)?) {
            None => Ok(()),
            Some(_) => Err("conflicts with an object or a value".to_owned()),
        };
    };
    match object.entry(name).or_insert_with(|| Json::Object(Map::new())) {
        Json::Object(inner) => expand(inner, rest, value),
        _ => Err("conflicts with a value".to_owned()),
    }
}

/// Expands the keys inside of a value.
fn expanded(value: Json) -> Result<Json, String> {
    match value {
        Json::Object(members) => Ok(Json::Object(expanded_members(members)?)),
        Json::Array(values) => values.into_iter().map(expanded).collect(),
        other => Ok(other),
    }
}

fn expanded_members(members: impl IntoIterator<Item = (String, Json)>) -> Result<Map<String, Json>, String> {
    let mut object = Map::new();
    for (key, value) in members {
        expand(&mut object, &key, value).map_err(|reason| format!("cannot expand {key:?}: {reason}"))?;
    }
    Ok(object)
}

/// The numbers in a value.
fn numbers(value: &Json) -> Vec<&serde_json::Number> {
    match value {
        Json::Number(number) => vec![number],
        Json::Array(values) => values.iter().flat_map(numbers).collect(),
        Json::Object(members) => members.values().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}
