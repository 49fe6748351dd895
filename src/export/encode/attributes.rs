//! The attributes of an item: each key once, with its last value, and as many keys as the limit allows.

use std::collections::{HashMap, HashSet};

use opentelemetry::{KeyValue, Value};

use super::value::{Encode, attribute};
use crate::settings::AttributeLimits;

/// Appends the attributes, the last of those with the same key. The limit counts keys, in the order in which they come
/// first. Returns how many were dropped because of the limit.
///
/// `attributes` is called once for each attribute: comparing the few keys of a span costs less than a set of them.
pub(super) fn attributes<'a, V, I>(
    out: &mut Vec<u8>,
    field: u8,
    limits: AttributeLimits,
    attributes: impl Fn() -> I,
) -> u32
where
    V: Encode + 'a,
    I: Iterator<Item = (&'a str, &'a V)>,
{
    let start = out.len();
    append(out, field, limits, &attributes, |_| true).unwrap_or_else(|| {
        out.truncate(start);
        let kept = first_keys(limits.count, &attributes);
        append(out, field, limits, &attributes, |key| kept.contains(key)).unwrap_or_default()
    })
}

/// Appends the last attribute of each key that `is_kept`. Returns how many others there are; `None` if there are more than
/// the limit allows, and the first of them have been appended.
fn append<'a, V, I>(
    out: &mut Vec<u8>,
    field: u8,
    limits: AttributeLimits,
    attributes: &impl Fn() -> I,
    is_kept: impl Fn(&str) -> bool,
) -> Option<u32>
where
    V: Encode + 'a,
    I: Iterator<Item = (&'a str, &'a V)>,
{
    let index = last_of_each_key(attributes);
    let (mut written, mut dropped) = (0, 0);
    for (place, (key, value)) in attributes().enumerate() {
        if key.is_empty() {
            dropped += 1;
            continue;
        }
        let replaced = match &index {
            Some(index) => index.get(key) != Some(&place),
            None => attributes().skip(place + 1).any(|(later, _)| later == key),
        };
        if replaced {
            continue;
        }
        if !is_kept(key) {
            dropped += 1;
            continue;
        }
        if written == limits.count {
            return None;
        }
        written += 1;
        attribute(out, field, key, |out| value.encode(out, limits.value_length));
    }
    Some(dropped)
}

/// Returns the first keys, as many as the limit allows.
fn first_keys<'a, V: 'a, I>(limit: u32, attributes: &impl Fn() -> I) -> HashSet<&'a str>
where
    I: Iterator<Item = (&'a str, &'a V)>,
{
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut first = HashSet::new();
    for (key, _) in attributes().filter(|(key, _)| !key.is_empty()) {
        if first.len() == limit {
            break;
        }
        first.insert(key);
    }
    first
}

/// Returns where each key comes last, if there are so many keys that comparing all with all would take long.
fn last_of_each_key<'a, V: 'a, I>(attributes: &impl Fn() -> I) -> Option<HashMap<&'a str, usize>>
where
    I: Iterator<Item = (&'a str, &'a V)>,
{
    attributes().nth(MANY)?;
    Some(attributes().enumerate().map(|(place, (key, _))| (key, place)).collect())
}

/// Returns keys and values as [`attributes`] takes them.
pub(super) fn key_values(attributes: &[KeyValue]) -> impl Iterator<Item = (&str, &Value)> {
    attributes.iter().map(|attribute| (attribute.key.as_str(), &attribute.value))
}

/// The number of attributes from which a map of keys is cheaper than comparing all with all.
const MANY: usize = 48;
