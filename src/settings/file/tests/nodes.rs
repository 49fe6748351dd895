//! Every node of the official schema has an effect, or is refused or reported by its path.
//!
//! The schema is walked from its root. For each property a few values are tried in a document that is otherwise valid;
//! two of them must lead to different settings. Where they do not, each of them must be answered with "not supported"
//! or with a warning that has the property's path.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::*;
use crate::ConfigMistake;

/// What becomes of a document.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// The settings, and what layers read in place of the environment.
    Settings(String),
    /// The answer names the node.
    Answered,
    /// A mistake of another kind: the tried value is not a valid one.
    Invalid(Vec<String>),
}

struct Walk {
    definitions: Json,
    files: tempfile::TempDir,
    /// Paths of the types that are being walked: samplers nest.
    open: Vec<String>,
    /// Nodes without any effect that nothing is said about.
    ignored: Vec<String>,
    seen: usize,
}

#[test]
fn every_node_of_the_schema_has_an_effect_or_is_answered() {
    let text = include_str!("../../../../tests/configuration/v1.1.0/opentelemetry_configuration.json");
    let schema: Json = serde_json::from_str(text).unwrap();
    let files = tempfile::tempdir().unwrap();
    write_certificates(files.path());
    let mut walk =
        Walk { definitions: schema["$defs"].clone(), files, open: Vec::new(), ignored: Vec::new(), seen: 0 };
    let root = json!({"file_format": "1.1"});
    walk.object("", &schema, &root, &|document| document);
    assert!(walk.ignored.is_empty(), "read without effect: {:#?}", walk.ignored);
    assert!(walk.seen > 250, "{}", walk.seen);
}

/// Two of each, so that one can be exchanged for the other.
fn write_certificates(directory: &Path) {
    for name in ["one", "two"] {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(directory.join(format!("{name}.pem")), certified.cert.pem()).unwrap();
        std::fs::write(directory.join(format!("{name}.key")), certified.signing_key.serialize_pem()).unwrap();
    }
}

impl Walk {
    /// Follows a reference to a named type; returns its name.
    fn follow<'a>(&'a self, schema: &'a Json) -> (Option<&'a str>, &'a Json) {
        match schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
            Some(name) => (Some(name), &self.definitions[name]),
            None => (None, schema),
        }
    }

    fn file(&self, name: &str) -> Json {
        self.files.path().join(name).display().to_string().into()
    }

    /// Walks the properties of a mapping. `place` puts the mapping into a whole document, `minimal` is valid as it is.
    fn object(&mut self, path: &str, schema: &Json, minimal: &Json, place: &dyn Fn(Json) -> Json) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            if IS_OF_OTHERS.contains(&key.as_str()) {
                continue;
            }
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let with = |value: Json| {
                let mut object = minimal.clone();
                object[key] = value;
                place(object)
            };
            let mut documents: Vec<_> = self.candidates(key, property).into_iter().map(with).collect();
            let is_required =
                schema["required"].as_array().is_some_and(|required| required.iter().any(|name| name == key));
            if !is_required {
                let mut without = minimal.clone();
                without.as_object_mut().unwrap().remove(key);
                documents.push(place(without));
            }
            // A mapping is as good as what is in it.
            let (_, definition) = self.follow(property);
            if definition["properties"].is_null() || definition["maxProperties"] == 1 {
                self.check(&path, &documents, !is_required);
            }
            self.value(&path, property, &with);
        }
    }

    /// Walks what is below a value.
    fn value(&mut self, path: &str, schema: &Json, place: &dyn Fn(Json) -> Json) {
        let (name, schema) = self.follow(schema);
        let (name, schema) = (name.map(str::to_owned), schema.clone());
        if schema["type"] == "array" {
            return self.value(&format!("{path}[0]"), &schema["items"], &|item| place(json!([item])));
        }
        let Some(name) = name.filter(|_| schema["properties"].is_object()) else { return };
        if self.open.contains(&name) {
            return;
        }
        self.open.push(name.clone());
        if schema["maxProperties"] == 1 {
            for (key, variant) in schema["properties"].as_object().unwrap() {
                let path = format!("{path}.{key}");
                let documents = [place(json!({key: self.minimal(variant)}))];
                // Another variant, or none, is what it is compared with; a valid one is judged by its parent.
                if matches!(outcome(&documents[0], &path), Outcome::Invalid(_)) {
                    self.check(&path, &documents, false);
                }
                self.value(&path, variant, &|value| place(json!({key: value})));
            }
        } else {
            let minimal = self.minimal_of(&name, &schema);
            self.object(path, &schema, &minimal, place);
        }
        self.open.pop();
    }

    /// Two documents must differ in their settings, or the node must be answered in each that has it.
    fn check(&mut self, path: &str, documents: &[Json], has_absent: bool) {
        self.seen += 1;
        let outcomes: Vec<_> = documents.iter().map(|document| outcome(document, path)).collect();
        let settings: BTreeSet<_> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                Outcome::Settings(settings) => Some(settings),
                _ => None,
            })
            .collect();
        let given = &outcomes[..outcomes.len() - usize::from(has_absent)];
        let is_answered = given.contains(&Outcome::Answered);
        // A required choice with one variant has nothing to differ from.
        let has_one_form = matches!(&outcomes[..], [Outcome::Settings(_)]);
        if settings.len() < 2 && !is_answered && !has_one_form {
            let invalid = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Invalid(_)));
            self.ignored.push(format!("{path} {invalid:?}"));
        }
    }

    /// Returns values of a property that a reader must tell apart.
    fn candidates(&self, key: &str, schema: &Json) -> Vec<Json> {
        let files = |names: [&str; 2]| names.map(|name| self.file(name)).to_vec();
        match key {
            "ca_file" => return files(["one.pem", "two.pem"]),
            "cert_file" => return files(["one.pem", "two.pem"]),
            "key_file" => return files(["one.key", "two.key"]),
            "endpoint" => return vec![json!("http://one:1/v1/x"), json!("http://two:2/v1/x")],
            "headers_list" => return vec![json!("a=1"), json!("b=1")],
            "attributes_list" => return vec![json!("a=1"), json!("b=1")],
            "composite_list" => return vec![json!("b3"), json!("baggage")],
            "compression" => return vec![json!("gzip"), json!("none")],
            "output_stream" => {
                let file = self.files.path().join("out.jsonl");
                return vec![json!("stdout"), json!(format!("file://{}", file.display()))];
            }
            "stability_opt_in_list" => return vec![json!("rpc/dup"), json!("rpc/old")],
            "name" | "instrument_name" => return vec![json!("one"), json!("two")],
            "distribution" => return vec![json!({"telemetry_bootstrap": {"log_filter": "trace"}})],
            "rust" => return vec![json!({"library": {"key": 1}})],
            "interval" | "timeout" | "export_timeout" => return vec![json!(1500), json!(2500)],
            "version" => return vec![json!(0), json!(1), json!(2)],
            "host" => return vec![json!("localhost"), json!("127.0.0.1")],
            "port" => return vec![json!(19_464), json!(19_465)],
            _ => {}
        }
        let (_, schema) = self.follow(schema);
        if let Some(texts) = schema["enum"].as_array() {
            return texts.iter().filter(|text| !text.is_null()).cloned().collect();
        }
        if schema["oneOf"].is_array() {
            return vec![json!("text"), json!(7)];
        }
        let types = match &schema["type"] {
            Json::Array(types) => types[0].as_str(),
            one => one.as_str(),
        };
        match types.unwrap() {
            "boolean" => vec![json!(true), json!(false)],
            "integer" => vec![json!(3), json!(12)],
            "number" => vec![json!(0.25), json!(0.75)],
            "string" => vec![json!("one"), json!("two")],
            "array" => self.candidates("", &schema["items"]).into_iter().map(|item| json!([item])).collect(),
            _ if schema["maxProperties"] == 1 => {
                let variants = schema["properties"].as_object().into_iter().flatten();
                let smallest =
                    |variant| if needs_itself(variant) { json!({}) } else { self.minimal(variant) };
                variants.map(|(key, variant)| json!({key: smallest(variant)})).collect()
            }
            _ => vec![self.minimal(schema), self.minimal_with_all(schema)],
        }
    }

    /// Returns the smallest valid value.
    fn minimal(&self, schema: &Json) -> Json {
        let (name, schema) = self.follow(schema);
        if schema["properties"].is_object() && schema["maxProperties"] != 1 {
            return self.minimal_of(name.unwrap_or_default(), schema);
        }
        if schema["type"] == "array" {
            return json!([self.minimal(&schema["items"])]);
        }
        let is_plain =
            schema["properties"].is_null() && schema["oneOf"].is_null() && schema["enum"].is_null();
        if is_plain && (schema["type"] == "object" || schema["type"][0] == "object") {
            return json!({});
        }
        let candidates = self.candidates("", schema);
        let preferred =
            |value: &&Json| ["simple", "periodic", "otlp_http"].iter().any(|key| !value[key].is_null());
        candidates.iter().find(preferred).unwrap_or(&candidates[0]).clone()
    }

    /// Returns the smallest valid value of a type, with what its other properties need for an effect.
    fn minimal_of(&self, name: &str, schema: &Json) -> Json {
        let mut object = json!({});
        for key in schema["required"].as_array().into_iter().flatten() {
            let key = key.as_str().unwrap();
            let property = &schema["properties"][key];
            let special = self.candidates(key, property).first().filter(|_| key == "name").cloned();
            object[key] = special.unwrap_or_else(|| self.minimal(property));
        }
        match name {
            // Certificates are for `https`, and `insecure` is for an address without a scheme.
            "OtlpHttpExporter" | "OtlpHttpMetricExporter" => {
                object["endpoint"] = json!("https://collector/x")
            }
            "OtlpGrpcExporter" | "OtlpGrpcMetricExporter" => object["endpoint"] = json!("collector:4317"),
            "HttpTls" | "GrpcTls" => {
                object["key_file"] = self.file("one.key");
                object["cert_file"] = self.file("one.pem");
            }
            // A list of what is excluded needs one of what is included.
            "IncludeExclude" => object["included"] = json!(["one", "three"]),
            "ViewSelector" => object["instrument_name"] = json!("requests"),
            // A whole number may be of two types.
            "AttributeNameValue" => object["value"] = json!(1),
            "ExperimentalResourceDetection" => object["detectors"] = json!([{"process": {}}]),
            _ => {}
        }
        object
    }

    /// Returns a value with one property more than the smallest, so that it differs.
    fn minimal_with_all(&self, schema: &Json) -> Json {
        let mut object = self.minimal(schema);
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            if object[key].is_null() {
                object[key] = self.candidates(key, property)[0].clone();
            }
        }
        object
    }
}

/// Returns what becomes of a document.
fn outcome(document: &Json, path: &str) -> Outcome {
    let lookup = |_: &str| Variable::Unset;
    let mut report = Report::default();
    let root = yaml::parse(document.to_string().as_bytes(), &lookup, &mut report);
    let (model, warnings) = root.map_or((None, Vec::new()), |root| model::read(&root, &mut report));
    let Some(model) = model else { return answer(report, path) };
    let applied = apply::apply(&model, "otel.yaml", &BuilderConfig::default(), &lookup);
    if !applied.report.is_empty() {
        return answer(applied.report, path);
    }
    let mut settings = applied.settings;
    let warnings: Vec<_> = warnings.into_iter().chain(std::mem::take(&mut settings.warnings)).collect();
    let is_named = |warning: &String| {
        let above = path.match_indices('.').map(|(end, _)| &path[..end]);
        warning.contains(path)
            || above.into_iter().any(|above| warning.contains(&format!("{above}: has no effect")))
    };
    match warnings.iter().any(is_named) {
        true => Outcome::Answered,
        false => {
            let destinations = settings.destinations();
            let all = destinations.iter().flat_map(|(_, destinations)| *destinations);
            // The values of headers are not part of `Debug`.
            let headers: Vec<_> = all
                .filter_map(|destination| match destination {
                    DestinationSettings::Otlp(export) => {
                        Some(export.headers.iter().map(|(_, value)| value.to_str().unwrap()))
                    }
                    DestinationSettings::Output(_) | DestinationSettings::Console => None,
                })
                .flatten()
                .collect();
            Outcome::Settings(format!("{settings:?} {headers:?} {:?}", applied.layers))
        }
    }
}

fn answer(report: Report, path: &str) -> Outcome {
    let mistakes = report.into_mistakes();
    let is_named = |mistake: &ConfigMistake| {
        let is_here = mistake.path().starts_with(path) || path.starts_with(mistake.path());
        is_here && mistake.reason().starts_with("not supported: ")
    };
    match mistakes.iter().any(is_named) {
        true => Outcome::Answered,
        false => Outcome::Invalid(mistakes.iter().map(ToString::to_string).collect()),
    }
}

/// Samplers of other samplers have no smallest value; they are not supported, whatever they hold.
fn needs_itself(schema: &Json) -> bool {
    schema["$ref"].as_str().is_some_and(|name| name.contains("Composable") || name.contains("JaegerRemote"))
}

/// Sections of other languages and other vendors, which are not read by design.
const IS_OF_OTHERS: [&str; 11] =
    ["cpp", "dotnet", "erlang", "go", "java", "js", "php", "python", "ruby", "swift", "file_format"];
