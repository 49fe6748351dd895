//! Events and spans made of any fields, and the line that a layer writes for them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value as Json;
use telemetry_bootstrap::json::JsonLayer;
use tracing::callsite::{Callsite, Identifier};
use tracing::field::{FieldSet, Value, debug};
use tracing::metadata::Kind;
use tracing::subscriber::{Interest, with_default};
use tracing::{Event, Level, Metadata, Span};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::one_line::Output;

pub(crate) type Fields = Vec<(String, Logged)>;

#[derive(Clone, Debug)]
pub(crate) enum Logged {
    Text(String),
    Debugged(String),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Flag(bool),
    Wide(u128),
    Bytes(Vec<u8>),
}

pub(crate) fn values() -> impl Strategy<Value = Logged> {
    prop_oneof![
        any::<String>().prop_map(Logged::Text),
        any::<String>().prop_map(Logged::Debugged),
        any::<i64>().prop_map(Logged::Signed),
        any::<u64>().prop_map(Logged::Unsigned),
        prop::num::f64::ANY.prop_map(Logged::Float),
        any::<bool>().prop_map(Logged::Flag),
        any::<u128>().prop_map(Logged::Wide),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Logged::Bytes),
    ]
}

/// The line, read back, for an event inside spans; each span has fields from its beginning and some recorded later.
pub(crate) fn logged(
    layer: impl FnOnce(JsonLayer<Output>) -> JsonLayer<Output>,
    event: &Fields,
    spans: &[(Fields, Fields)],
) -> BTreeMap<String, Json> {
    let output = Output::default();
    let layer = layer(JsonLayer::new(output.clone()));
    with_default(tracing_subscriber::registry().with(layer), || {
        let mut entered = Vec::new();
        for (first, later) in spans {
            let metadata = metadata("span", &[&first[..], later].concat(), Kind::SPAN);
            let none: Vec<_> = later.iter().map(|_| None).collect();
            let span = with_values(first, |values| {
                Span::new(metadata, &metadata.fields().value_set_all(&[values, &none].concat()))
            });
            entered.push((span.clone().entered(), span, metadata));
        }
        // Parents' fields change after their children were made.
        for ((_, span, metadata), (first, later)) in entered.iter().zip(spans) {
            let none: Vec<_> = first.iter().map(|_| None).collect();
            with_values(later, |values| {
                span.record_all(&metadata.fields().value_set_all(&[&none[..], values].concat()));
            });
        }
        let metadata = metadata("event", event, Kind::EVENT);
        with_values(event, |values| Event::dispatch(metadata, &metadata.fields().value_set_all(values)));
        while entered.pop().is_some() {}
    });
    output.take()
}

fn with_values<T>(fields: &Fields, work: impl FnOnce(&[Option<&dyn Value>]) -> T) -> T {
    let values: Vec<Box<dyn Value>> = fields
        .iter()
        .map(|(_, value)| -> Box<dyn Value> {
            match value.clone() {
                Logged::Text(text) => Box::new(text),
                Logged::Debugged(text) => Box::new(debug(text)),
                Logged::Signed(number) => Box::new(number),
                Logged::Unsigned(number) => Box::new(number),
                Logged::Float(number) => Box::new(number),
                Logged::Flag(flag) => Box::new(flag),
                Logged::Wide(number) => Box::new(number),
                Logged::Bytes(bytes) => Box::new(bytes.into_boxed_slice()),
            }
        })
        .collect();
    let values: Vec<Option<&dyn Value>> = values.iter().map(|value| Some(&**value)).collect();
    work(&values)
}

/// The macros of `tracing` want keys that are known when the program is built; here they are made as it runs.
fn metadata(name: &'static str, fields: &[(String, Logged)], kind: Kind) -> &'static Metadata<'static> {
    let keys: Vec<&'static str> = fields.iter().map(|(key, _)| &*key.clone().leak()).collect();
    let fields = FieldSet::new(keys.leak(), Identifier(&ANY_CALLSITE));
    Box::leak(Box::new(Metadata::new(name, "properties", Level::INFO, None, None, None, fields, kind)))
}

static ANY_CALLSITE: AnyCallsite = AnyCallsite;

struct AnyCallsite;

impl Callsite for AnyCallsite {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        unreachable!("never registered")
    }
}
