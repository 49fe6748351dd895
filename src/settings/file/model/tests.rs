//! The declared types are the official schema's, and mistakes are reported as a reader of them needs it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::shape::{Shapes, choice_line, component_line, object_line};
use super::*;
use crate::settings::file::yaml::{Variable, parse};

mod mistakes;
mod official;

fn vectors(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/configuration", path].iter().collect()
}

/// Reads a document; returns its mistakes, each in one line, and its warnings.
fn read_text(text: &str, env: &[(&str, &str)]) -> (Result<Document, Vec<String>>, Vec<String>) {
    let lookup = |name: &str| {
        let found = env.iter().find(|(known, _)| *known == name);
        found.map_or(Variable::Unset, |(_, value)| Variable::Set((*value).to_owned()))
    };
    let mut report = Report::default();
    let root = parse(text.as_bytes(), &lookup, &mut report);
    let (document, warnings) = match (root, report.is_empty()) {
        (Some(root), true) => read(&root, &mut report),
        _ => (None, Vec::new()),
    };
    let mistakes: Vec<_> = report.into_mistakes().iter().map(ToString::to_string).collect();
    (document.ok_or(mistakes), warnings)
}

fn official_schema() -> Json {
    let text = fs::read_to_string(vectors("v1.1.0/opentelemetry_configuration.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Returns a schema of a property in the notation of [`Shapes`].
fn form(schema: &Json) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap().to_owned();
    }
    if !schema["oneOf"].is_null() {
        return "attribute value".to_owned();
    }
    let types: Vec<_> = match &schema["type"] {
        Json::Array(types) => types.iter().map(|name| name.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    };
    match types[0] {
        "array" => {
            format!("list >={} of {}", schema["minItems"].as_u64().unwrap_or(0), form(&schema["items"]))
        }
        "object" => "object".to_owned(),
        name => {
            let mut text = name.to_owned();
            let minimum =
                schema["minimum"].as_i64().or(schema["exclusiveMinimum"].as_i64().map(|below| below + 1));
            if let Some(minimum) = minimum {
                text.push_str(&format!(" >={minimum}"));
            } else if name == "integer" {
                text.push_str(&format!(" >={}", i64::MIN));
            }
            if let Some(maximum) = schema["maximum"].as_i64() {
                text.push_str(&format!(" <={maximum}"));
            }
            text
        }
    }
}

/// Returns a named type of the official schema in the notation of [`Shapes`].
fn official_line(schema: &Json) -> String {
    if let Some(texts) = schema["enum"].as_array() {
        return choice_line(&texts.iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>());
    }
    let no_properties = serde_json::Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&no_properties);
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    if schema["maxProperties"] == 1 {
        let variants: Vec<_> = properties.iter().map(|(key, schema)| (key, form(schema))).collect();
        return component_line(schema["additionalProperties"] != false, &variants);
    }
    if properties.is_empty() && schema["additionalProperties"].is_object() {
        return format!("map >={} of object", schema["minProperties"].as_u64().unwrap_or(0));
    }
    let allows_null = schema["type"].as_array().is_some_and(|types| types.iter().any(|name| name == "null"));
    let properties: Vec<_> = properties
        .iter()
        .map(|(key, schema)| (key, required.iter().any(|name| *name == key), form(schema)))
        .collect();
    object_line(allows_null, &properties)
}

#[test]
fn the_types_are_those_of_the_official_schema() {
    let schema = official_schema();
    let definitions = schema["$defs"].as_object().unwrap();
    let mut shapes = Shapes::default();
    Document::shape(&mut shapes);
    // Types of free form are declared where they are used.
    let expand = |line: &str| {
        line.replace("map >=1 of object", "Distribution")
            .replace("map >=0 of object", "ExperimentalLanguageSpecificInstrumentation")
            // Keys of version 1.0.
            .replace("with_resource_constant_labels: IncludeExclude, ", "")
            .replace(", without_scope_info: boolean, without_target_info/development: boolean", "")
    };
    for (name, line) in &shapes.0 {
        let official = if name == "OpenTelemetryConfiguration" { &schema } else { &definitions[name] };
        assert_eq!(expand(line), official_line(official), "{name}");
    }
    let missing: Vec<_> = definitions
        .keys()
        .filter(|name| !name.starts_with("Experimental") && !shapes.0.contains_key(*name))
        .filter(|name| !["Distribution", "SpanKind", "OpenCensusMetricProducer"].contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(shapes.0.len() > 80, "{}", shapes.0.len());
}
