//! The oracle: our bytes decode to what `opentelemetry-proto` makes of the same data.

mod generate;
mod metrics;

use std::collections::HashMap;
use std::time::UNIX_EPOCH;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger, LoggerProvider};
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, Value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue as ProtoValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{LogBatch, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::collection::vec;
use proptest::prelude::*;

use self::generate::{log_record, resource, scope, span_data};
use crate::export::queue::batch::ItemBuffer;
use crate::settings::{AttributeLimits, SpanLimitSettings};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn spans_are_encoded_like_the_oracle(resource in resource(), spans in vec(span_data(), 1..8)) {
        let ours = ExportTraceServiceRequest { resource_spans: decoded_spans(&resource, &spans) };
        let resource_spans = group_spans_by_resource_and_scope(spans, &(&resource).into());
        let oracle = ExportTraceServiceRequest { resource_spans };
        // Encoded once more, as NaN does not equal itself.
        prop_assert_eq!(prost::Message::encode_to_vec(&ours), prost::Message::encode_to_vec(&oracle), "{:#?}", oracle);
    }

    #[test]
    fn log_records_are_encoded_like_the_oracle(
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
    fn text_of_an_attribute_is_cut_at_characters(text in any::<String>(), limit in 0_usize..20) {
        let mut out = Vec::new();
        super::attribute_str(&mut out, 9, "key", &text, Some(limit));
        let expected: String = text.chars().take(limit).collect();
        let attribute = decode_span(&out).attributes.remove(0);
        prop_assert_eq!(attribute.value.unwrap().value.unwrap(), any_value::Value::StringValue(expected));
    }

    #[test]
    fn framed_items_read_back_unchanged(items in vec(vec(any::<u8>(), 0..300), 0..20)) {
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
fn the_limit_counts_keys_in_the_order_of_their_first_values() {
    for count in [1, 100] {
        let keys = (0..=count).flat_map(|_| ["a", "b", "c"]).chain(["", "a"]);
        let attributes = keys.zip(0..).map(|(key, value)| KeyValue::new(key, value)).collect();
        let data = SpanData { attributes, ..plain_span() };
        let limits =
            SpanLimitSettings { attributes: AttributeLimits { count: 2, value_length: None }, ..UNLIMITED };
        let span = encoded(&data, limits);
        let keys: Vec<_> = span.attributes.iter().map(|attribute| &*attribute.key).collect();
        assert_eq!((keys, span.dropped_attributes_count), (vec!["b", "a"], 2));
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
    let mut items = ItemBuffer::default();
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
    let mut items = ItemBuffer::default();
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

fn request_of(resource: &Resource, items: ItemBuffer) -> bytes::Bytes {
    crate::export::queue::batch::Batch::items(1, items.into()).to_request(&super::resource(resource))
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
