//! Whatever is logged: the backend of each preset accepts the line. The rules are those that the backends publish,
//! written down here independently of the tables in the crate.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says by them what must hold"
)]

mod logged;
mod one_line;

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;

use logged::{Fields, Logged, logged, values};
use one_line::Output;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use telemetry_bootstrap::json::{Field, FieldNames, JsonLayer, SpanFields};
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt as _;

type Line = BTreeMap<String, Json>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn elasticsearch_accepts_every_line(event in fields(12), spans in spans(), setup in setup()) {
        let line = logged(|layer| setup.apply(layer, FieldNames::ElasticCommonSchema), &event, &spans);
        prop_assert_eq!(elasticsearch(&line), Ok(()), "{:?}", line);
    }

    #[test]
    fn google_cloud_accepts_every_line(event in fields(12), spans in spans(), setup in setup()) {
        let line = logged(|layer| setup.apply(layer, FieldNames::GoogleCloudLogging), &event, &spans);
        prop_assert_eq!(google_cloud(&line), Ok(()), "{:?}", line);
    }

    #[test]
    fn datadog_reads_every_line_as_intended(event in fields(12), spans in spans(), setup in setup()) {
        let line = logged(|layer| setup.apply(layer, FieldNames::Datadog), &event, &spans);
        prop_assert_eq!(datadog(&line), Ok(()), "{:?}", line);
    }
}

#[test]
fn names_that_a_backend_owns_are_prefixed() {
    let line = |names, key: &str, value: Logged| {
        logged(|layer| layer.field_names(names), &vec![(key.to_owned(), value)], &[])
    };
    let ecs =
        ["user", "host", "url", "event", "http", "log", "trace", "tags", "_id", "@timestamp", "http.request"];
    let datadog = [
        "service",
        "host",
        "hostname",
        "date",
        "ddsource",
        "ddtags",
        "source",
        "level",
        "trace_id",
        "named_tags.dd.trace_id",
    ];
    let google = [
        "time",
        "timestamp",
        "severity",
        "httpRequest",
        "stack_trace",
        "logging.googleapis.com/labels",
        "logging.googleapis.com/severity",
        "logging.googleapis.com/http_request",
    ];
    for (names, keys) in [
        (FieldNames::ElasticCommonSchema, &ecs[..]),
        (FieldNames::Datadog, &datadog),
        (FieldNames::GoogleCloudLogging, &google),
    ] {
        for key in keys {
            let line = line(names, key, Logged::Text("own".to_owned()));
            assert_eq!(line.get(&format!("field.{key}")), Some(&json!("own")), "{names:?} {key}: {line:?}");
        }
    }
    let ecs = FieldNames::ElasticCommonSchema;
    let status = "http.response.status_code";
    assert_eq!(line(ecs, status, Logged::Unsigned(200))[status], json!(200));
    assert_eq!(line(ecs, status, Logged::Text("ok".to_owned()))[&format!("field.{status}")], json!("ok"));
    assert_eq!(line(ecs, "client.ip", Logged::Text("10.0.0.1".to_owned()))["client.ip"], json!("10.0.0.1"));
    assert_eq!(line(ecs, "order.id", Logged::Signed(7))["order.id"], json!(7));
    assert_eq!(line(ecs, "big", Logged::Unsigned(u64::MAX))["big"], json!(u64::MAX.to_string()));
    assert_eq!(line(ecs, "nan", Logged::Float(f64::NAN))["nan"], Json::Null);
}

#[test]
fn a_value_and_an_object_do_not_share_a_name() {
    let number = |key: &str, value| (key.to_owned(), Logged::Signed(value));
    let event = vec![number("order", 1), number("order.id", 2), number("shop.name", 3)];
    let span = vec![number("shop", 4), number("order.total", 5), number("item.id", 6)];
    let line = logged(
        |layer| layer.field_names(FieldNames::ElasticCommonSchema),
        &event,
        &[(span, vec![number("item", 7)])],
    );
    assert_eq!(elasticsearch(&line), Ok(()), "{line:?}");
    assert_eq!(line["order"], json!(1));
    assert_eq!(line["field.order.id"], json!(2));
    assert_eq!(line["field.shop"], json!(4));
    assert_eq!(line["field.order.total"], json!(5));
    assert_eq!((&line["item.id"], &line["field.item"]), (&json!(6), &json!(7)));
}

#[test]
fn a_span_field_that_is_renamed_does_not_take_the_name_of_a_constant() {
    let text = |key: &str| vec![(key.to_owned(), Logged::Text(String::new()))];
    let line = logged(
        |layer| layer.field_names(FieldNames::ElasticCommonSchema).constant("field.b", 7),
        &vec![],
        &[(text("b.b"), vec![]), (text("b.b.a"), vec![])],
    );
    assert_eq!(elasticsearch(&line), Ok(()), "{line:?}");
    assert_eq!(line.get("field.b"), Some(&json!(7)), "{line:?}");
}

#[test]
fn a_renamed_field_does_not_take_the_name_of_one_that_is_left_out() {
    let line = logged(
        |layer| {
            layer
                .field_names(FieldNames::GoogleCloudLogging)
                .without(Field::Level)
                .rename(Field::Target, "severity")
        },
        &vec![],
        &[],
    );
    assert!(!line.contains_key("severity") && line.contains_key("field.severity"), "{line:?}");
}

#[test]
fn an_error_has_the_names_of_the_preset_however_it_was_logged() {
    let line = |names, log: fn()| -> Line {
        let output = Output::default();
        let layer = JsonLayer::new(output.clone()).field_names(names);
        with_default(tracing_subscriber::registry().with(layer), log);
        output.take()
    };
    let value = || {
        let error = std::io::Error::other("no answer");
        tracing::error!(error = &error as &dyn Error, "failed");
    };
    let text = || tracing::error!(error = %"no answer", "failed");
    let fields = || {
        tracing::error!(exception.type = "panic", exception.message = "no answer", exception.stacktrace = "at", "failed");
    };
    for (names, [kind, message, stack]) in [
        (FieldNames::ElasticCommonSchema, ["error.type", "error.message", "error.stack_trace"]),
        (FieldNames::Datadog, ["error.kind", "error.message", "error.stack"]),
    ] {
        let of_value = line(names, value);
        assert_eq!((&of_value[message], &of_value[kind]), (&json!("no answer"), &json!("std::io::Error")));
        assert_eq!(line(names, text)[message], json!("no answer"));
        let of_fields = line(names, fields);
        assert_eq!((&of_fields[kind], &of_fields[message]), (&json!("panic"), &json!("no answer")));
        assert_eq!(of_fields[stack], json!("at"));
        for line in [of_value, of_fields] {
            assert!(
                !line.keys().any(|key| key.starts_with("exception") || key.starts_with("field")),
                "{line:?}"
            );
        }
    }
}

/// What `filebeat` does with `expand_keys`, then what Elasticsearch checks with the ECS mapping.
fn elasticsearch(line: &Line) -> Result<(), String> {
    let mut root = Map::new();
    for (key, value) in line {
        expand(&mut root, key, value.clone()).map_err(|reason| format!("cannot expand {key:?}: {reason}"))?;
    }
    for name in [
        "_id",
        "_index",
        "_source",
        "_routing",
        "_type",
        "_ignored",
        "_field_names",
        "_doc_count",
        "@metadata",
    ] {
        if root.contains_key(name) {
            return Err(format!("{name} is a field of Elasticsearch"));
        }
    }
    for name in [
        "agent",
        "client",
        "cloud",
        "container",
        "destination",
        "device",
        "dns",
        "ecs",
        "email",
        "error",
        "event",
        "faas",
        "file",
        "group",
        "host",
        "http",
        "http.request",
        "http.response",
        "http.response.body",
        "labels",
        "log",
        "log.origin",
        "log.origin.file",
        "network",
        "observer",
        "organization",
        "os",
        "package",
        "process",
        "process.thread",
        "process.parent",
        "registry",
        "related",
        "rule",
        "server",
        "service",
        "source",
        "span",
        "threat",
        "tls",
        "trace",
        "transaction",
        "url",
        "user",
        "user_agent",
        "user_agent.os",
        "host.os",
    ] {
        if find(&root, name).is_some_and(|value| !value.is_object()) {
            return Err(format!("{name} is an object"));
        }
    }
    let numbers = [
        "http.response.status_code",
        "event.duration",
        "process.pid",
        "url.port",
        "log.origin.file.line",
        "server.port",
    ];
    if let Some(name) =
        numbers.iter().find(|name| find(&root, name).is_some_and(|it| !it.is_number() && !it.is_null()))
    {
        return Err(format!("{name} is a number"));
    }
    for name in ["client.ip", "host.ip", "source.ip"] {
        match find(&root, name) {
            None => {}
            Some(Json::String(text)) if text.parse::<IpAddr>().is_ok() => {}
            other => return Err(format!("{name} is an address: {other:?}")),
        }
    }
    if !root["@timestamp"].is_string() || find(&root, "ecs.version").is_none_or(|it| !it.is_string()) {
        return Err("the required fields are missing".to_owned());
    }
    check_values(&Json::Object(root), 0)
}

fn expand(object: &mut Map<String, Json>, key: &str, value: Json) -> Result<(), String> {
    let (name, rest) = key.split_once('.').map_or((key, None), |(name, rest)| (name, Some(rest)));
    if name.trim().is_empty() {
        return Err("a part of the name is empty".to_owned());
    }
    let Some(rest) = rest else {
        let value = match value {
            Json::Object(members) => {
                let mut inner = Map::new();
                members.into_iter().try_for_each(|(key, value)| expand(&mut inner, &key, value))?;
                Json::Object(inner)
            }
            other => other,
        };
        return match object.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err("conflicts with an object or a value".to_owned()),
        };
    };
    match object.entry(name).or_insert_with(|| Json::Object(Map::new())) {
        Json::Object(inner) => expand(inner, rest, value),
        _ => Err("conflicts with a value".to_owned()),
    }
}

fn find<'a>(root: &'a Map<String, Json>, path: &str) -> Option<&'a Json> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (root.get(first)?, rest) {
        (value, None) => Some(value),
        (Json::Object(inner), Some(rest)) => find(inner, rest),
        _ => None,
    }
}

/// `long` and `float` are the types of numbers that a dynamic mapping makes, `index.mapping.depth.limit` is 20.
fn check_values(value: &Json, depth: usize) -> Result<(), String> {
    match value {
        _ if depth > 20 => Err("too deep".to_owned()),
        Json::Number(number) if number.is_u64() && number.as_i64().is_none() => {
            Err(format!("{number} is no long"))
        }
        Json::Number(number) if number.as_f64().is_some_and(|it| it.abs() > f64::from(f32::MAX)) => {
            Err(format!("{number} is no float"))
        }
        Json::Object(members) => members.values().try_for_each(|value| check_values(value, depth + 1)),
        Json::Array(values) => values.iter().try_for_each(|value| match value {
            Json::Object(members) => {
                let mut inner = Map::new();
                members.iter().try_for_each(|(key, value)| expand(&mut inner, key, value.clone()))?;
                check_values(&Json::Object(inner), depth + 1)
            }
            other => check_values(other, depth + 1),
        }),
        _ => Ok(()),
    }
}

/// The special fields of structured logging have their type, and numbers survive `google.protobuf.Struct`.
fn google_cloud(line: &Line) -> Result<(), String> {
    let severities = ["DEBUG", "INFO", "WARNING", "ERROR"];
    let is_text = |key: &str| line.get(key).is_none_or(Json::is_string);
    if line.get("severity").is_some_and(|it| !severities.contains(&it.as_str().unwrap_or_default())) {
        return Err("unknown severity".to_owned());
    }
    if !is_text("logging.googleapis.com/trace") || !is_text("logging.googleapis.com/spanId") {
        return Err("ids are text".to_owned());
    }
    if line
        .get("time")
        .is_some_and(|it| !it.as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 27))
    {
        return Err("time is a timestamp".to_owned());
    }
    for name in [
        "timestamp",
        "timestampSeconds",
        "timestampNanos",
        "httpRequest",
        "stack_trace",
        "exception",
        "context",
        "@type",
        "logging.googleapis.com/httpRequest",
        "logging.googleapis.com/http_request",
        "logging.googleapis.com/insertId",
        "logging.googleapis.com/labels",
        "logging.googleapis.com/operation",
        "logging.googleapis.com/severity",
        "logging.googleapis.com/sourceLocation",
    ] {
        if line.contains_key(name) {
            return Err(format!("{name} has a meaning of its own"));
        }
    }
    if line.get("serviceContext").is_some_and(|it| !it["service"].is_string()) {
        return Err("serviceContext is an object".to_owned());
    }
    let is_exact = |number: &serde_json::Number| {
        number.as_i64().is_none_or(|it| it.unsigned_abs() <= 1 << 53)
            && (!number.is_u64() || number.as_i64().is_some())
    };
    let inexact = line.values().find(|value| matches!(value, Json::Number(number) if !is_exact(number)));
    inexact.map_or(Ok(()), |value| Err(format!("{value} is not exact as a double")))
}

/// Nothing that the program logs takes the place of an attribute that the intake reads.
fn datadog(line: &Line) -> Result<(), String> {
    for name in [
        "host",
        "hostname",
        "syslog.hostname",
        "service",
        "syslog.appname",
        "date",
        "Timestamp",
        "_timestamp",
        "@timestamp",
        "eventTime",
        "published_date",
        "syslog.timestamp",
        "severity",
        "level",
        "syslog.severity",
        "source",
        "ddsource",
        "ddtags",
        "tags",
        "msg",
        "log",
        "trace_id",
        "span_id",
        "contextMap.dd.trace_id",
        "named_tags.dd.span_id",
        "named_tags.dd.trace_id",
    ] {
        if line.contains_key(name) {
            return Err(format!("{name} is read by the intake"));
        }
    }
    if line.get("status").is_some_and(|it| it != "INFO") {
        return Err("status is the level".to_owned());
    }
    if line.get("dd.service").is_some_and(|it| it != "shop") {
        return Err("dd.service is the service".to_owned());
    }
    let mut root = Map::new();
    line.iter().try_for_each(|(key, value)| expand(&mut root, key, value.clone()))?;
    let is_long = |number: &serde_json::Number| !number.is_u64() || number.as_i64().is_some();
    match line.values().find(|value| matches!(value, Json::Number(number) if !is_long(number))) {
        Some(value) => Err(format!("{value} is no long")),
        None => Ok(()),
    }
}

/// How the layer is set up beside its preset.
#[derive(Clone, Debug)]
struct Setup {
    nested: bool,
    service: bool,
    renamed: Option<(usize, String)>,
    without: Option<usize>,
    constant: Option<String>,
}

impl Setup {
    fn apply(&self, layer: JsonLayer<Output>, names: FieldNames) -> JsonLayer<Output> {
        let all = [Field::Level, Field::Message, Field::Target, Field::TraceFlags];
        let mut layer = layer.field_names(names);
        if self.nested {
            layer = layer.include_span_fields(SpanFields::Nested);
        }
        if self.service {
            layer = layer.service_name("shop").service_version("1").environment("test");
        }
        if let Some((field, name)) = &self.renamed {
            layer = layer.rename(all[*field], name.clone());
        }
        if let Some(field) = self.without {
            layer = layer.without(all[field]);
        }
        match &self.constant {
            Some(key) => layer.constant(key.clone(), u64::from(u32::MAX) as i64),
            None => layer,
        }
    }
}

fn setup() -> impl Strategy<Value = Setup> {
    let renamed = prop::option::of((1..3_usize, key()));
    (any::<bool>(), any::<bool>(), renamed, prop::option::of(0..4_usize), prop::option::of(key())).prop_map(
        |(nested, service, renamed, without, constant)| Setup { nested, service, renamed, without, constant },
    )
}

fn spans() -> impl Strategy<Value = Vec<(Fields, Fields)>> {
    prop::collection::vec((fields(6), fields(3)), 0..3)
}

fn fields(most: usize) -> impl Strategy<Value = Fields> {
    prop::collection::vec((key(), values()), 0..most)
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(KEYS).prop_map(str::to_owned),
        4 => "[ab](\\.[ab]){0,3}",
        1 => "(\\.|[ab ]){0,40}",
        1 => any::<String>(),
    ]
}

const KEYS: &[&str] = &[
    "message",
    "level",
    "timestamp",
    "time",
    "severity",
    "status",
    "service",
    "host",
    "hostname",
    "date",
    "ddsource",
    "ddtags",
    "source",
    "user",
    "url",
    "event",
    "http",
    "http.request",
    "http.request.method",
    "http.response",
    "http.response.status_code",
    "process.pid",
    "client.ip",
    "host.ip",
    "error",
    "error.message",
    "error.type",
    "exception.type",
    "exception.message",
    "log",
    "log.level",
    "log.level.x",
    "log.origin",
    "trace",
    "trace.id",
    "span",
    "tags",
    "_id",
    "@timestamp",
    "@metadata",
    "ecs.version",
    "service.name",
    "dd.service",
    "dd",
    "dd.trace_id",
    "logger",
    "logger.name",
    "httpRequest",
    "serviceContext",
    "serviceContext.service",
    "stack_trace",
    "labels",
    "labels.a",
    "logging.googleapis.com/trace",
    "logging.googleapis.com/severity",
    "named_tags",
    "named_tags.dd.span_id",
    "spans",
    "name",
    "field",
    "field.host",
    "field.field",
    "message.x",
    "a.b.c",
];
