//! Whatever is logged: the backend of each preset accepts the line.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says by them what must hold"
)]

mod backend_rules;
mod logged;
mod one_line;

use std::error::Error;

use backend_rules::{Line, datadog, elasticsearch, elasticsearch_index, google_cloud, schema};
use logged::{Fields, Logged, logged, values};
use one_line::Output;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::{Array, Context, KeyValue, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use telemetry_bootstrap::json::{Field, FieldNames, JsonLayer, SpanFields};
use telemetry_bootstrap::{record_error, with_fields};
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt as _;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn elasticsearch_accepts_every_line(event in fields(12), spans in spans(), setup in setup()) {
        let line = setup.logged(FieldNames::ElasticCommonSchema, &event, &spans);
        prop_assert_eq!(elasticsearch(&line), Ok(()), "{:?}", line);
    }

    #[test]
    fn google_cloud_accepts_every_line(event in fields(12), spans in spans(), setup in setup()) {
        let line = setup.logged(FieldNames::GoogleCloudLogging, &event, &spans);
        prop_assert_eq!(google_cloud(&line), Ok(()), "{:?}", line);
    }

    #[test]
    fn datadog_reads_every_line_as_intended(event in fields(12), spans in spans(), setup in setup()) {
        let line = setup.logged(FieldNames::Datadog, &event, &spans);
        prop_assert_eq!(datadog(&line), Ok(()), "{:?}", line);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Many keys are renamed alike, because a dot and an underscore become the same.
    #[test]
    fn every_field_of_an_event_is_in_its_line_once(
        event in keys_alike(8), span in keys_alike(4), context in keys_alike(4), names in 0..3_usize,
    ) {
        let names =
            [FieldNames::ElasticCommonSchema, FieldNames::Datadog, FieldNames::GoogleCloudLogging][names];
        // A key of the event counts before that of the context, and that before the one of the span.
        let of = |keys: &[String], first: i64| -> Fields {
            keys.iter().zip(first..).map(|(key, value)| (key.clone(), Logged::Signed(value))).collect()
        };
        let (event, span, context) = (of(&event, 100), of(&span, 200), of(&context, 300));
        let mut expected = std::collections::BTreeMap::new();
        for (key, value) in [&span, &context, &event].into_iter().flatten() {
            let Logged::Signed(value) = value else { unreachable!() };
            expected.insert(key.clone(), *value);
        }
        let attributes = context.iter().map(|(key, value)| {
            let Logged::Signed(value) = value else { unreachable!() };
            KeyValue::new(key.clone(), *value)
        });
        let _context = with_fields(attributes).attach();
        let line = logged(|layer| layer.field_names(names), &event, &[(span, Vec::new())]);
        let found: Vec<i64> = line.values().filter_map(Json::as_i64).filter(|value| *value < 400).collect();
        let mut expected: Vec<i64> = expected.into_values().collect();
        let mut sorted = found;
        sorted.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(sorted, expected, "{:?}", line);
    }
}

fn keys_alike(most: usize) -> impl Strategy<Value = Vec<String>> {
    let owned =
        prop::sample::select(&["service.name", "service_name", "trace.id", "trace_id", "trace_id_"][..]);
    let key = prop_oneof![3 => "[ab]([._][ab]){0,3}", 1 => owned.prop_map(str::to_owned)];
    prop::collection::btree_set(key, 0..most).prop_map(|keys| keys.into_iter().collect())
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
            let has_objects = names != FieldNames::GoogleCloudLogging;
            let renamed = if has_objects { key.replace('.', "_") } else { (*key).to_owned() };
            assert_eq!(
                line.get(&format!("field.{renamed}")),
                Some(&json!("own")),
                "{names:?} {key}: {line:?}"
            );
        }
    }
    let ecs = FieldNames::ElasticCommonSchema;
    let status = "http.response.status_code";
    assert_eq!(line(ecs, status, Logged::Unsigned(200))[status], json!(200));
    assert_eq!(
        line(ecs, status, Logged::Text("ok".to_owned()))["field.http_response_status_code"],
        json!("ok")
    );
    assert_eq!(line(ecs, "client.ip", Logged::Text("10.0.0.1".to_owned()))["client.ip"], json!("10.0.0.1"));
    assert_eq!(
        line(ecs, "hash", Logged::Text("own".to_owned()))["hash"],
        json!("own"),
        "no field of the schema"
    );
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
    assert_eq!(line["field.order_id"], json!(2));
    assert_eq!(line["field.shop"], json!(4));
    assert_eq!(line["field.order_total"], json!(5));
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

#[test]
fn values_of_another_type_than_the_schema_has_are_renamed() {
    let text = |text: &str| Logged::Text(text.to_owned());
    let takes = [
        ("source.port", Logged::Signed(443)),
        ("event.duration", Logged::Float(1.5)),
        ("event.risk_score", Logged::Float(1e30)),
        ("event.start", text("2026-11-27T23:17:01.5+01:00")),
        ("event.created", text("2026-11-27")),
        ("dll.code_signature.exists", Logged::Flag(true)),
        ("observer.ip", text("::1")),
        ("event.action", Logged::Flag(true)),
        ("http.request.method", Logged::Signed(7)),
        ("labels.team", text("shop")),
        ("input.type", text("log")),
    ];
    let refuses = [
        ("source.port", text("abc")),
        ("source.port", Logged::Flag(true)),
        ("event.duration", text("x")),
        ("event.duration", Logged::Float(1e30)),
        ("event.duration", Logged::Unsigned(u64::MAX)),
        ("event.start", text("yesterday")),
        ("event.start", Logged::Signed(7)),
        ("dll.code_signature.exists", text("yes")),
        ("observer.ip", text("localhost")),
        ("host.geo.location", text("here")),
        ("data_stream.type", text("logs")),
        ("process.parent.thread", text("main")),
        ("input", text("stdin")),
        ("message.x", text("below a text")),
        ("log.level.x", text("below a text")),
        ("event.duration.x", text("below a number")),
        ("http.request.method.x", text("below a text")),
        ("client.as.organization.name.text", text("below a text")),
    ];
    let line = |key: &str, value: &Logged| {
        let event = vec![(key.to_owned(), value.clone())];
        let line = logged(|layer| layer.field_names(FieldNames::ElasticCommonSchema), &event, &[]);
        assert_eq!(elasticsearch(&line), Ok(()), "{line:?}");
        line
    };
    for (key, value) in &takes {
        assert!(line(key, value).contains_key(*key), "{key} {value:?}");
    }
    for (key, value) in &refuses {
        let line = line(key, value);
        assert!(line.keys().any(|it| it.starts_with("field.")) && !line.contains_key(*key), "{line:?}");
    }
}

#[test]
fn renamed_fields_of_several_lines_do_not_conflict() {
    let keys =
        ["source", "source.port", "http", "http.request", "http.request.method.raw", "message.x", "log"];
    let line = |key: &&str| {
        let event = vec![((*key).to_owned(), Logged::Text("own".to_owned()))];
        logged(|layer| layer.field_names(FieldNames::ElasticCommonSchema), &event, &[])
    };
    let lines: Vec<Line> = keys.iter().map(line).collect();
    assert_eq!(elasticsearch_index(&lines), Ok(()), "{lines:?}");
    let reversed: Vec<Line> = lines.into_iter().rev().collect();
    assert_eq!(elasticsearch_index(&reversed), Ok(()), "{reversed:?}");
}

#[test]
fn fields_of_the_context_and_constants_have_the_types_of_the_schema() {
    let fields = || {
        [
            KeyValue::new("source.port", "abc"),
            KeyValue::new("destination.port", 443),
            KeyValue::new("host.ip", Value::Array(Array::String(vec!["::1".into(), "10.0.0.1".into()]))),
            KeyValue::new("client.ip", Value::Array(Array::String(vec!["::1".into(), "localhost".into()]))),
            KeyValue::new("event.sequence", Value::Array(Array::F64(vec![1.0, 1e300]))),
            KeyValue::new("http", "GET"),
        ]
    };
    let check = |line: Line| {
        assert_eq!(elasticsearch(&line), Ok(()), "{line:?}");
        assert_eq!(line["field.source_port"], json!("abc"));
        assert_eq!(line["destination.port"], json!(443));
        assert_eq!(line["host.ip"], json!(["::1", "10.0.0.1"]));
        assert_eq!(line["field.client_ip"], json!(["::1", "localhost"]));
        assert_eq!(line["field.event_sequence"], json!(["1.0", "1e+300"]));
        assert_eq!(line["field.http"], json!("GET"));
    };
    let ecs = FieldNames::ElasticCommonSchema;
    {
        let _fields = with_fields(fields()).attach();
        check(logged(|layer| layer.field_names(ecs), &vec![], &[]));
    }
    let constants = |layer: JsonLayer<Output>| {
        let layer = layer.field_names(ecs);
        fields().into_iter().fold(layer, |layer, field| layer.constant(field.key.as_str(), field.value))
    };
    check(logged(constants, &vec![], &[]));
    let _baggage = Context::current_with_baggage([KeyValue::new("source.port", "abc")]).attach();
    let line = logged(|layer| layer.field_names(ecs).baggage_keys(["source.port"]), &vec![], &[]);
    assert_eq!((line.get("source.port"), &line["field.source_port"]), (None, &json!("abc")));
}

#[test]
fn fields_of_listed_spans_do_not_conflict() {
    let text = |key: &str| (key.to_owned(), Logged::Text("x".to_owned()));
    let number = |key: &str| (key.to_owned(), Logged::Signed(7));
    let spans = [
        (vec![text("http"), number("id"), number("items.id"), text("name")], vec![]),
        (vec![text("http.method"), text("id"), text("items"), text("items_id")], vec![]),
        (vec![number("field.id"), number("id")], vec![]),
    ];
    let nested = |names, event: &Fields| {
        let layer =
            |layer: JsonLayer<Output>| layer.field_names(names).include_span_fields(SpanFields::Nested);
        logged(layer, event, &spans)
    };
    let line = nested(FieldNames::ElasticCommonSchema, &vec![]);
    assert_eq!(elasticsearch(&line), Ok(()), "{line:?}");
    let expected = json!([
        {"name": "span", "http": "x", "id": 7, "items.id": 7, "field.name": "x"},
        {"name": "span", "field.http_method": "x", "field.id": "x", "field.items": "x", "items_id": "x"},
        {"name": "span", "field.id": 7, "id": 7},
    ]);
    assert_eq!(line["spans"], expected);
    // Datadog has a type for each value.
    let line = nested(FieldNames::Datadog, &vec![]);
    assert_eq!(line["spans"][1]["id"], json!("x"), "{line:?}");
    let line = nested(FieldNames::ElasticCommonSchema, &vec![number("order.id")]);
    assert_eq!(line["spans"], expected, "beside a dotted field of the event");
}

#[test]
fn a_recorded_error_is_in_the_message_and_in_one_field() {
    for names in [
        FieldNames::OpenTelemetry,
        FieldNames::ElasticCommonSchema,
        FieldNames::GoogleCloudLogging,
        FieldNames::Datadog,
    ] {
        let output = Output::default();
        let layer = JsonLayer::new(output.clone()).field_names(names);
        with_default(tracing_subscriber::registry().with(layer), || {
            record_error(&std::io::Error::other("no answer"));
        });
        let line = output.take();
        let texts = line.iter().filter(|(_, value)| **value == json!("no answer"));
        let keys: Vec<&str> = texts.map(|(key, _)| key.as_str()).collect();
        assert!(matches!(keys[..], ["error.message" | "exception.message", "message"]), "{line:?}");
    }
}

/// How the layer is set up beside its preset, and what is around the event.
#[derive(Clone, Debug)]
struct Setup {
    nested: bool,
    service: bool,
    renamed: Option<(usize, String)>,
    without: Option<usize>,
    constants: Vec<(String, Value)>,
    max_field_length: Option<usize>,
    context: Vec<(String, Value)>,
    baggage: Vec<(String, String)>,
}

impl Setup {
    fn logged(&self, names: FieldNames, event: &Fields, spans: &[(Fields, Fields)]) -> Line {
        let context = self.context.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let _fields = with_fields(context).attach();
        let baggage = self.baggage.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let _baggage = Context::current_with_baggage(baggage).attach();
        logged(|layer| self.apply(layer, names), event, spans)
    }

    fn apply(&self, layer: JsonLayer<Output>, names: FieldNames) -> JsonLayer<Output> {
        let all = [Field::Timestamp, Field::Level, Field::Message, Field::Target, Field::TraceFlags];
        let mut layer = layer.field_names(names).baggage_keys(self.baggage.iter().map(|(key, _)| key));
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
        if let Some(bytes) = self.max_field_length {
            layer = layer.max_field_length(bytes);
        }
        self.constants.iter().fold(layer, |layer, (key, value)| layer.constant(key.clone(), value.clone()))
    }
}

fn setup() -> impl Strategy<Value = Setup> {
    let renamed = prop::option::of((2..4_usize, key()));
    let without = prop::option::of(1..5_usize);
    let max_field_length = prop::option::weighted(0.1, 0..30_usize);
    let attributes = || prop::collection::vec((key(), attribute()), 0..4);
    let baggage = prop::collection::vec((key(), text()), 0..3);
    let flags = (any::<bool>(), any::<bool>());
    (flags, renamed, without, attributes(), max_field_length, attributes(), baggage).prop_map(
        |((nested, service), renamed, without, constants, max_field_length, context, baggage)| Setup {
            nested,
            service,
            renamed,
            without,
            constants,
            max_field_length,
            context,
            baggage,
        },
    )
}

fn spans() -> impl Strategy<Value = Vec<(Fields, Fields)>> {
    prop::collection::vec((fields(6), fields(3)), 0..3)
}

fn fields(most: usize) -> impl Strategy<Value = Fields> {
    let value = prop_oneof![4 => values(), 1 => text().prop_map(Logged::Text)];
    prop::collection::vec((key(), value), 0..most)
}

/// Values of constants and of the context.
fn attribute() -> impl Strategy<Value = Value> {
    let float = || prop_oneof![any::<f64>(), (0..40).prop_map(|exponent| 10_f64.powi(exponent))];
    let integer = || prop_oneof![any::<i64>(), Just(200)];
    prop_oneof![
        text().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        integer().prop_map(Value::from),
        float().prop_map(Value::from),
        prop::collection::vec(any::<bool>(), 0..3).prop_map(|list| Value::Array(Array::Bool(list))),
        prop::collection::vec(integer(), 0..3).prop_map(|list| Value::Array(Array::I64(list))),
        prop::collection::vec(float(), 0..3).prop_map(|list| Value::Array(Array::F64(list))),
        prop::collection::vec(text(), 0..3)
            .prop_map(|list| Value::Array(Array::String(list.into_iter().map(Into::into).collect()))),
    ]
}

/// Texts, many of which are something that a schema knows.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        any::<std::net::IpAddr>().prop_map(|address| address.to_string()),
        "20(00|24|25)-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,10})?(Z|[+-][012][0-9]:00))?",
    ]
}

fn key() -> impl Strategy<Value = String> {
    let of_schema: Vec<&str> = schema().map(|(name, _)| name).collect();
    let of_schema = prop::sample::select(of_schema).prop_map(str::to_owned);
    let below = of_schema.clone().prop_map(|name| name + ".x");
    let above = (of_schema.clone(), 1..3_usize)
        .prop_map(|(name, parts)| name.split('.').take(parts).collect::<Vec<_>>().join("."));
    prop_oneof![
        4 => prop::sample::select(KEYS).prop_map(str::to_owned),
        4 => "[ab](\\.[ab]){0,3}",
        3 => of_schema,
        1 => below,
        1 => above,
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
