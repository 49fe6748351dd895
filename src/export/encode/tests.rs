//! The oracle: our bytes decode to what `opentelemetry-proto` makes of the same data.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger, LoggerProvider, Severity};
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue as ProtoValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{LogBatch, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::collection::{btree_map, hash_map, vec};
use proptest::prelude::*;

use crate::export::batch::Items;
use crate::settings::{AttributeLimits, SpanLimitSettings};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn spans_are_what_the_oracle_makes_of_them(resource in resource(), spans in vec(span_data(), 1..8)) {
        let ours = ExportTraceServiceRequest { resource_spans: decoded_spans(&resource, &spans) };
        let resource_spans = group_spans_by_resource_and_scope(spans, &(&resource).into());
        let oracle = ExportTraceServiceRequest { resource_spans };
        // Encoded once more, as NaN does not equal itself.
        prop_assert_eq!(prost::Message::encode_to_vec(&ours), prost::Message::encode_to_vec(&oracle), "{:#?}", oracle);
    }

    #[test]
    fn log_records_are_what_the_oracle_makes_of_them(
        resource in resource(),
        records in vec((log_record(), scope()), 1..8),
    ) {
        let mut ours = ExportLogsServiceRequest { resource_logs: decoded_logs(&resource, &records) };
        let references: Vec<_> = records.iter().map(|(record, scope)| (record, scope)).collect();
        let resource_logs = group_logs_by_resource_and_scope(&LogBatch::new(&references), &(&resource).into());
        let mut oracle = ExportLogsServiceRequest { resource_logs };
        sort(&mut ours);
        sort(&mut oracle);
        prop_assert_eq!(prost::Message::encode_to_vec(&ours), prost::Message::encode_to_vec(&oracle), "{:#?}", oracle);
    }

    #[test]
    fn text_is_cut_at_characters(text in any::<String>(), limit in 0_usize..20) {
        let expected: String = text.chars().take(limit).collect();
        prop_assert_eq!(super::value::truncated(&text, Some(limit)), expected);
    }

    #[test]
    fn formatted_text_is_cut_at_characters(parts in vec(any::<String>(), 0..5), limit in 0_usize..20) {
        let mut out = Vec::new();
        super::attribute_text(&mut out, 9, "key", Some(limit), |text| {
            use std::fmt::Write;
            parts.iter().for_each(|part| text.write_str(part).unwrap());
        });
        let expected: String = parts.concat().chars().take(limit).collect();
        let attribute = decode_span(&out).attributes.remove(0);
        prop_assert_eq!(attribute.value.unwrap().value.unwrap(), any_value::Value::StringValue(expected));
    }

    #[test]
    fn framed_items_are_those_that_were_framed(items in vec(vec(any::<u8>(), 0..300), 0..20)) {
        let mut run = Vec::new();
        items.iter().for_each(|item| super::push_item(&mut run, item));
        let found: Vec<_> = super::framed_items(&run).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(found, items);
    }
}

#[test]
fn the_last_of_equal_keys_wins() {
    for count in [3, 200] {
        let attributes =
            (0..count).map(|number| KeyValue::new(format!("key{}", number % 2), number)).collect();
        let span = encoded(&SpanData { attributes, ..plain_span() }, UNLIMITED);
        let mut values = ints(&span);
        values.sort_unstable();
        assert_eq!(
            values,
            [("key0".to_owned(), count - 2 + count % 2), ("key1".to_owned(), count - 1 - count % 2)]
        );
        assert_eq!(span.dropped_attributes_count, 0, "what was replaced was not dropped");
    }
}

#[test]
fn attributes_beyond_the_limit_are_dropped_and_counted() {
    for count in [5, 200] {
        let attributes = (0..count).map(|number| KeyValue::new(format!("key{number}"), number)).collect();
        let limits =
            SpanLimitSettings { attributes: AttributeLimits { count: 2, value_length: None }, ..UNLIMITED };
        let data = SpanData { attributes, dropped_attributes_count: 7, ..plain_span() };
        let span = encoded(&data, limits);
        assert_eq!(ints(&span), [("key0".to_owned(), 0), ("key1".to_owned(), 1)]);
        assert_eq!(i64::from(span.dropped_attributes_count), 7 + count - 2);
    }
}

#[test]
fn events_and_links_have_limits_of_their_own() {
    let three = || (0..3).map(|number| KeyValue::new(format!("key{number}"), number)).collect::<Vec<_>>();
    let mut data = plain_span();
    data.events.events = vec![Event::new("event", UNIX_EPOCH, three(), 1)];
    data.links.links = vec![Link::new(SpanContext::empty_context(), three(), 2)];
    let span =
        encoded(&data, SpanLimitSettings { attributes_per_event: 2, attributes_per_link: 1, ..UNLIMITED });
    assert_eq!((span.events[0].attributes.len(), span.events[0].dropped_attributes_count), (2, 2));
    assert_eq!((span.links[0].attributes.len(), span.links[0].dropped_attributes_count), (1, 4));
}

#[test]
fn long_values_are_cut_wherever_they_are() {
    let values: [(Value, &str); 3] = [
        ("äöüß".into(), "äö"),
        (Value::Array(Array::String(vec!["abc".into(), "d".into()])), "ab,d"),
        (12345_i64.into(), "12345"),
    ];
    let limits = AttributeLimits { count: 9, value_length: Some(2) };
    for (value, expected) in values {
        let attributes = vec![KeyValue::new("key", value)];
        let span = encoded(
            &SpanData { attributes, ..plain_span() },
            SpanLimitSettings { attributes: limits, ..UNLIMITED },
        );
        assert_eq!(text_of(span.attributes[0].value.as_ref().unwrap()), expected);
    }
    let mut record = empty_record();
    record.set_body("a long message".into());
    record.add_attribute("bytes", AnyValue::Bytes(Box::new(vec![1, 2, 3])));
    record.add_attribute("map", AnyValue::Map(Box::new(HashMap::from([(Key::new("k"), "abc".into())]))));
    let mut item = Vec::new();
    super::log_record(&mut item, &record, limits);
    let record: opentelemetry_proto::tonic::logs::v1::LogRecord = prost::Message::decode(&*item).unwrap();
    assert_eq!(text_of(&record.body.unwrap()), "a long message");
    assert_eq!(text_of(record.attributes[0].value.as_ref().unwrap()), "[1, 2]");
    assert_eq!(text_of(record.attributes[1].value.as_ref().unwrap()), "k=ab");
}

#[test]
fn nothing_is_allocated_for_an_item_inside_an_item() {
    super::with_scratch(|outer| {
        outer.item.push(1);
        super::with_scratch(|inner| assert!(inner.item.is_empty()));
        assert_eq!(outer.item, [1]);
    });
}

fn decoded_spans(
    resource: &Resource,
    spans: &[SpanData],
) -> Vec<opentelemetry_proto::tonic::trace::v1::ResourceSpans> {
    let mut items = Items::default();
    for span in spans {
        super::with_scratch(|scratch| {
            super::scope(&mut scratch.scope, &span.instrumentation_scope, None);
            super::span(&mut scratch.item, span, &UNLIMITED);
            items.push(&scratch.scope, &scratch.item);
        });
    }
    let request = request_of(resource, items);
    let request: ExportTraceServiceRequest = prost::Message::decode(&*request).unwrap();
    request.resource_spans
}

fn decoded_logs(
    resource: &Resource,
    records: &[(SdkLogRecord, InstrumentationScope)],
) -> Vec<opentelemetry_proto::tonic::logs::v1::ResourceLogs> {
    let mut items = Items::default();
    for (record, scope) in records {
        super::with_scratch(|scratch| {
            super::scope(&mut scratch.scope, scope, record.target().map(AsRef::as_ref));
            super::log_record(&mut scratch.item, record, UNLIMITED.attributes);
            items.push(&scratch.scope, &scratch.item);
        });
    }
    let request = request_of(resource, items);
    let request: ExportLogsServiceRequest = prost::Message::decode(&*request).unwrap();
    request.resource_logs
}

fn request_of(resource: &Resource, items: Items) -> bytes::Bytes {
    crate::export::batch::Batch::items(1, items).frame(&super::resource(resource))
}

fn encoded(data: &SpanData, limits: SpanLimitSettings) -> Span {
    let mut out = Vec::new();
    super::span(&mut out, data, &limits);
    decode_span(&out)
}

fn decode_span(bytes: &[u8]) -> Span {
    prost::Message::decode(bytes).unwrap()
}

fn ints(span: &Span) -> Vec<(String, i64)> {
    let int = |attribute: &opentelemetry_proto::tonic::common::v1::KeyValue| match attribute.value {
        Some(ProtoValue { value: Some(any_value::Value::IntValue(value)) }) => (attribute.key.clone(), value),
        _ => panic!("no int: {attribute:?}"),
    };
    span.attributes.iter().map(int).collect()
}

fn text_of(value: &ProtoValue) -> String {
    match value.value.as_ref().unwrap() {
        any_value::Value::StringValue(value) => value.clone(),
        any_value::Value::IntValue(value) => value.to_string(),
        any_value::Value::BytesValue(value) => format!("{value:?}"),
        any_value::Value::ArrayValue(array) => array.values.iter().map(text_of).collect::<Vec<_>>().join(","),
        any_value::Value::KvlistValue(list) => {
            format!("{}={}", list.values[0].key, text_of(list.values[0].value.as_ref().unwrap()))
        }
        other => panic!("{other:?}"),
    }
}

/// The oracle groups scopes, and keeps the entries of maps, in no order.
fn sort(request: &mut ExportLogsServiceRequest) {
    for resource in &mut request.resource_logs {
        for scope in &mut resource.scope_logs {
            for record in &mut scope.log_records {
                record.body.iter_mut().for_each(sort_maps);
                record
                    .attributes
                    .iter_mut()
                    .filter_map(|attribute| attribute.value.as_mut())
                    .for_each(sort_maps);
            }
        }
        resource.scope_logs.sort_by_cached_key(|logs| {
            (prost::Message::encode_to_vec(&logs.scope.clone().unwrap()), logs.schema_url.clone())
        });
    }
}

fn sort_maps(value: &mut ProtoValue) {
    match value.value.as_mut().unwrap() {
        any_value::Value::ArrayValue(array) => array.values.iter_mut().for_each(sort_maps),
        any_value::Value::KvlistValue(list) => {
            list.values.sort_by(|one, other| one.key.cmp(&other.key));
            list.values.iter_mut().filter_map(|entry| entry.value.as_mut()).for_each(sort_maps);
        }
        _ => {}
    }
}

fn resource() -> impl Strategy<Value = Resource> {
    (attributes(), proptest::option::of("[a-z/:.]{1,20}")).prop_map(|(attributes, schema)| match schema {
        Some(schema) => Resource::builder_empty().with_schema_url(attributes, schema).build(),
        None => Resource::builder_empty().with_attributes(attributes).build(),
    })
}

fn span_data() -> impl Strategy<Value = SpanData> {
    let parents = (any::<u64>(), any::<bool>(), kind());
    let times = (text(), time(), time());
    let attributes = (attributes(), any::<u32>());
    let parts = (vec(event(), 0..3), any::<u32>(), vec(link(), 0..3), any::<u32>());
    (span_context(), parents, times, attributes, parts, status(), scope()).prop_map(
        |(span_context, parents, times, attributes, parts, status, instrumentation_scope)| {
            let mut events = SpanEvents::default();
            (events.events, events.dropped_count) = (parts.0, parts.1);
            let mut links = SpanLinks::default();
            (links.links, links.dropped_count) = (parts.2, parts.3);
            SpanData {
                span_context,
                parent_span_id: SpanId::from(parents.0),
                parent_span_is_remote: parents.1,
                span_kind: parents.2,
                name: Cow::Owned(times.0),
                start_time: times.1,
                end_time: times.2,
                attributes: attributes.0,
                dropped_attributes_count: attributes.1,
                events,
                links,
                status,
                instrumentation_scope,
            }
        },
    )
}

fn log_record() -> impl Strategy<Value = SdkLogRecord> {
    let times = (proptest::option::of(time()), time());
    let severity =
        (proptest::option::of(1_usize..=24), proptest::sample::select(vec![None, Some("INFO"), Some("")]));
    let names = (proptest::sample::select(vec![None, Some("name"), Some("")]), proptest::option::of("[a-c]"));
    let ids = proptest::option::of((any::<u128>(), any::<u64>(), proptest::option::of(any::<u8>())));
    let content = (proptest::option::of(any_value()), btree_map(text(), any_value(), 0..5));
    (times, severity, names, ids, content).prop_map(|(times, severity, names, ids, content)| {
        let mut record = empty_record();
        times.0.into_iter().for_each(|time| record.set_timestamp(time));
        record.set_observed_timestamp(times.1);
        severity.0.into_iter().for_each(|number| record.set_severity_number(SEVERITIES[number - 1]));
        severity.1.into_iter().for_each(|text| record.set_severity_text(text));
        names.0.into_iter().for_each(|name| record.set_event_name(name));
        names.1.into_iter().for_each(|target: String| record.set_target(target));
        if let Some((trace, span, flags)) = ids {
            record.set_trace_context(TraceId::from(trace), SpanId::from(span), flags.map(TraceFlags::new));
        }
        content.0.into_iter().for_each(|body| record.set_body(body));
        record.add_attributes(content.1);
        record
    })
}

fn scope() -> impl Strategy<Value = InstrumentationScope> {
    let option = || proptest::option::of("[a-b]{1,2}");
    ("[a-c]", option(), option(), attributes()).prop_map(|(name, version, schema, attributes)| {
        let mut scope = InstrumentationScope::builder(name);
        if let Some(version) = version {
            scope = scope.with_version(version);
        }
        if let Some(schema) = schema {
            scope = scope.with_schema_url(schema);
        }
        scope.with_attributes(attributes).build()
    })
}

fn event() -> impl Strategy<Value = Event> {
    (text(), time(), attributes(), any::<u32>())
        .prop_map(|(name, time, attributes, dropped)| Event::new(name, time, attributes, dropped))
}

fn link() -> impl Strategy<Value = Link> {
    (span_context(), attributes(), any::<u32>())
        .prop_map(|(context, attributes, dropped)| Link::new(context, attributes, dropped))
}

fn span_context() -> impl Strategy<Value = SpanContext> {
    let state = proptest::sample::select(vec![vec![], vec![("a", "1")], vec![("a", "1"), ("b@c", "x y")]]);
    (any::<u128>(), any::<u64>(), any::<u8>(), any::<bool>(), state).prop_map(
        |(trace, span, flags, remote, state)| {
            let state = TraceState::from_key_value(state).unwrap();
            SpanContext::new(TraceId::from(trace), SpanId::from(span), TraceFlags::new(flags), remote, state)
        },
    )
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![Just(Status::Unset), Just(Status::Ok), text().prop_map(Status::error)]
}

fn kind() -> impl Strategy<Value = SpanKind> {
    proptest::sample::select(vec![
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ])
}

/// Also before 1970, and as late as nanoseconds can say.
fn time() -> impl Strategy<Value = SystemTime> {
    prop_oneof![
        any::<u64>().prop_map(|nanos| UNIX_EPOCH + Duration::from_nanos(nanos)),
        Just(UNIX_EPOCH),
        Just(UNIX_EPOCH - Duration::from_secs(1)),
    ]
}

/// Around the lengths at which a length takes another byte, too.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>(),
        1 => (100_usize..140).prop_map(|length| "x".repeat(length)),
        1 => (16_300_usize..16_500).prop_map(|length| "y".repeat(length)),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    btree_map(text(), value(), 0..5).prop_map(|attributes: BTreeMap<String, Value>| {
        attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect()
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        proptest::num::f64::ANY.prop_map(Value::F64),
        text().prop_map(|text| Value::String(text.into())),
        vec(any::<bool>(), 0..3).prop_map(|values| Value::Array(Array::Bool(values))),
        vec(any::<i64>(), 0..60).prop_map(|values| Value::Array(Array::I64(values))),
        vec(proptest::num::f64::ANY, 0..3).prop_map(|values| Value::Array(Array::F64(values))),
        vec(text(), 0..3).prop_map(|values| {
            Value::Array(Array::String(values.into_iter().map(StringValue::from).collect()))
        }),
    ]
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AnyValue::Boolean),
        any::<i64>().prop_map(AnyValue::Int),
        proptest::num::f64::ANY.prop_map(AnyValue::Double),
        text().prop_map(|text| AnyValue::String(text.into())),
        vec(any::<u8>(), 0..200).prop_map(|bytes| AnyValue::Bytes(Box::new(bytes))),
    ];
    leaf.prop_recursive(5, 30, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| AnyValue::ListAny(Box::new(values))),
            hash_map("[a-z]{0,3}".prop_map(Key::new), inner, 0..4)
                .prop_map(|values| AnyValue::Map(Box::new(values))),
        ]
    })
}

fn empty_record() -> SdkLogRecord {
    SdkLoggerProvider::builder().build().logger("").create_log_record()
}

fn plain_span() -> SpanData {
    SpanData {
        span_context: SpanContext::empty_context(),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "".into(),
        start_time: UNIX_EPOCH,
        end_time: UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

const UNLIMITED: SpanLimitSettings = SpanLimitSettings {
    attributes: AttributeLimits { count: u32::MAX, value_length: None },
    events: u32::MAX,
    links: u32::MAX,
    attributes_per_event: u32::MAX,
    attributes_per_link: u32::MAX,
};

const SEVERITIES: [Severity; 24] = {
    use Severity::*;
    [
        Trace, Trace2, Trace3, Trace4, Debug, Debug2, Debug3, Debug4, Info, Info2, Info3, Info4, Warn, Warn2,
        Warn3, Warn4, Error, Error2, Error3, Error4, Fatal, Fatal2, Fatal3, Fatal4,
    ]
};
