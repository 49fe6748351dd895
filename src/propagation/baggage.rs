//! [W3C Baggage](https://www.w3.org/TR/baggage/), so a value arrives as it was: the SDK's own propagator does not
//! encode `%`, cuts values at `=` and trims them.
//!
//! Properties (`;ttl=30`) are passed on as they came, without being decoded.
//!
//! ```text
//! baggage: user=J%C3%BCrgen;internal,tenant=acme
//!          └key └value       └properties
//! ```
//!
//! | limit | received | sent |
//! |---|---|---|
//! | 8192 bytes of the header | none of it is read | entries that do not fit are left out |
//! | 64 entries | further ones are ignored | – |
//!
//! Entries are not authenticated: every caller can set them.

use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::baggage::{BaggageExt as _, KeyValueMetadata};
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The propagator of the header `baggage`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Baggage;

impl TextMapPropagator for Baggage {
    /// Entries that do not fit into a header are left out: receivers drop one that is too long as a whole.
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let mut header = String::new();
        for (key, (value, properties)) in context.baggage() {
            let member = member(key.as_str(), value.as_str(), properties.as_str());
            let separator = if header.is_empty() { "" } else { "," };
            if header.len() + separator.len() + member.len() <= MAX_BYTES {
                header.push_str(separator);
                header.push_str(&member);
            }
        }
        if !header.is_empty() {
            injector.set(BAGGAGE, header);
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let header = extractor.get_all(BAGGAGE).unwrap_or_default().join(",");
        // Properties are sent on as they came, so a line feed that a carrier accepted would end the header.
        if header.len() > MAX_BYTES || header.contains(char::is_control) {
            return context.clone();
        }
        let entries: Vec<_> = header.split(',').filter_map(entry).take(MAX_ENTRIES).collect();
        with_received(context, entries)
    }

    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: LazyLock<[String; 1]> = LazyLock::new(|| [BAGGAGE.into()]);
        FieldIter::new(&*FIELDS)
    }
}

/// Adds received entries to the baggage of a context. They take the place of local ones with the same key.
pub(super) fn with_received(context: &Context, received: Vec<KeyValueMetadata>) -> Context {
    if received.is_empty() {
        return context.clone();
    }
    let local = context.baggage().into_iter().map(|(key, (value, properties))| {
        KeyValueMetadata::new(key.clone(), value.clone(), properties.clone())
    });
    context.with_baggage(local.chain(received).collect::<Vec<_>>())
}

/// Returns one member of the header: `key=value;properties`. The key of an entry is a token already, which the API
/// checks.
fn member(key: &str, value: &str, properties: &str) -> String {
    let separator = if properties.is_empty() { "" } else { ";" };
    let (value, properties) =
        (utf8_percent_encode(value, &VALUE), utf8_percent_encode(properties, &PROPERTIES));
    format!("{key}={value}{separator}{properties}")
}

/// Parses one member, or returns `None` if it has no `=`. Bytes that are not UTF-8 after decoding are replaced, as
/// the specification requires.
fn entry(member: &str) -> Option<KeyValueMetadata> {
    let (entry, properties) = member.split_once(';').unwrap_or((member, ""));
    let (key, value) = entry.split_once('=')?;
    let value = percent_decode_str(value.trim_matches(SPACE)).decode_utf8_lossy().into_owned();
    Some(KeyValueMetadata::new(key.trim_matches(SPACE).to_owned(), value, properties))
}

/// The header.
const BAGGAGE: &str = "baggage";
/// Optional white space around members, keys and values.
const SPACE: [char; 2] = [' ', '\t'];
/// The specification's limits; longer or further entries need not be passed on.
const MAX_BYTES: usize = 8192;
/// Entries that are read; further ones are ignored.
const MAX_ENTRIES: usize = 64;
/// The characters that the specification requires to be encoded, and those that some receivers misread: the SDK's an
/// `=`, Python's a `+`.
const VALUE: AsciiSet = PROPERTIES.add(b' ').add(b';').add(b'%').add(b'=').add(b'+');
/// Encoded already, where they came from another service.
const PROPERTIES: AsciiSet = CONTROLS.add(b'"').add(b',').add(b'\\');

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use opentelemetry::KeyValue;
    use proptest::prelude::*;

    use super::*;

    fn sent(context: &Context) -> Option<String> {
        let mut headers = HashMap::new();
        Baggage.inject_context(context, &mut headers);
        headers.remove(BAGGAGE)
    }

    fn received(header: &str) -> Context {
        let headers = HashMap::from([(BAGGAGE.to_owned(), header.to_owned())]);
        Baggage.extract(&headers)
    }

    fn value(context: &Context, key: &str) -> Option<String> {
        context.baggage().get(key).map(ToString::to_string)
    }

    #[test]
    fn characters_invalid_in_a_header_are_percent_encoded() {
        let header = sent(&Context::new().with_baggage([KeyValue::new("k", "100% a,b;c=d+\"e\\é")]));
        assert_eq!(header.unwrap(), "k=100%25%20a%2Cb%3Bc%3Dd%2B%22e%5C%C3%A9");
    }

    #[test]
    fn values_are_read_whole() {
        let context = received("a = b=c ;ttl=30 , d=%41%zz%FF,e=,=f,g");
        let values = ["a", "d", "e", "g"].map(|key| value(&context, key));
        assert_eq!(values, [Some("b=c".into()), Some("A%zz\u{fffd}".into()), Some(String::new()), None]);
        assert_eq!(context.baggage().len(), 3);
    }

    #[test]
    fn properties_travel_on_as_they_came() {
        for header in ["k=v;a;b=%25%0D%0A", "k=v;a = 1;b"] {
            assert_eq!(sent(&received(header)).unwrap(), header);
        }
        let baggage = [KeyValueMetadata::new("k", "v", "a=1,x=\r\nevil: 1")];
        assert_eq!(sent(&Context::new().with_baggage(baggage)).unwrap(), "k=v;a=1%2Cx=%0D%0Aevil: 1");
    }

    #[test]
    fn header_without_entries_leaves_existing_baggage() {
        let before = Context::new().with_baggage([KeyValue::new("k", "v")]);
        for header in ["", ",", "a", &format!("a={}", "b".repeat(MAX_BYTES))] {
            let headers = HashMap::from([(BAGGAGE.to_owned(), header.to_owned())]);
            let after = Baggage.extract_with_context(&before, &headers);
            assert_eq!(value(&after, "k").as_deref(), Some("v"), "{header}");
        }
    }

    #[test]
    fn only_entries_that_do_not_fit_are_left_out() {
        let half = "%".repeat(2000);
        let baggage = ["a", "b"].map(|key| KeyValue::new(key, half.clone()));
        let header = sent(&Context::new().with_baggage(baggage)).unwrap();
        assert_eq!((header.len(), received(&header).baggage().len()), (6002, 1));
    }

    proptest! {
        #[test]
        fn a_value_arrives_as_it_was(text in any::<String>(), other in "[%,;= +\"\\\\\r\n\t]{0,20}") {
            let baggage = [KeyValue::new("text", text.clone()), KeyValue::new("other", other.clone())];
            let context = received(&sent(&Context::new().with_baggage(baggage)).unwrap());
            prop_assert_eq!(value(&context, "text"), Some(text));
            prop_assert_eq!(value(&context, "other"), Some(other));
        }
    }
}
