//! Resources, spans and log records of every kind.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::logs::{AnyValue, LogRecord as _, Severity};
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::collection::{btree_map, hash_map, vec};
use proptest::prelude::*;

use super::empty_record;

pub(super) fn resource() -> impl Strategy<Value = Resource> {
    (attributes(), proptest::option::of("[a-z/:.]{1,20}")).prop_map(|(attributes, schema)| match schema {
        Some(schema) => Resource::builder_empty().with_schema_url(attributes, schema).build(),
        None => Resource::builder_empty().with_attributes(attributes).build(),
    })
}

pub(super) fn span_data() -> impl Strategy<Value = SpanData> {
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
                end_time: times.2.max(times.1),
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

pub(super) fn log_record() -> impl Strategy<Value = SdkLogRecord> {
    let times = (proptest::option::of(time()), time());
    let severity =
        (proptest::option::of(1_usize..=24), proptest::sample::select(vec![None, Some("INFO"), Some("")]));
    let names = (proptest::sample::select(vec![None, Some("name"), Some("")]), proptest::option::of("[a-c]"));
    let ids = proptest::option::of((any::<u128>(), any::<u64>(), proptest::option::of(any::<u8>())));
    let content = (proptest::option::of(any_value()), btree_map(key(), any_value(), 0..5));
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

pub(super) fn scope() -> impl Strategy<Value = InstrumentationScope> {
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
    // One that leads nowhere and says nothing is discarded.
    let link = (span_context(), attributes(), any::<u32>());
    link.prop_filter("an empty link", |(context, attributes, _)| context.is_valid() || !attributes.is_empty())
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
pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>(),
        1 => (100_usize..140).prop_map(|length| "x".repeat(length)),
        1 => (16_300_usize..16_500).prop_map(|length| "y".repeat(length)),
    ]
}

/// An attribute without a key is discarded.
fn key() -> impl Strategy<Value = String> {
    text().prop_filter("an empty key", |key| !key.is_empty())
}

pub(super) fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    btree_map(key(), value(), 0..5).prop_map(|attributes: BTreeMap<String, Value>| {
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

const SEVERITIES: [Severity; 24] = {
    use Severity::*;
    [
        Trace, Trace2, Trace3, Trace4, Debug, Debug2, Debug3, Debug4, Info, Info2, Info3, Info4, Warn, Warn2,
        Warn3, Warn4, Error, Error2, Error3, Error4, Fatal, Fatal2, Fatal3, Fatal4,
    ]
};
