//! The frame of the items: resource, scopes, and the request itself.

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;

use super::value::attributes;
use super::wire::{bytes, framed_len, length, message, next_length_delimited};
use crate::settings::AttributeLimits;

/// The resource, with its schema URL.
pub(crate) fn resource(resource: &Resource) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, RESOURCE, |out| {
        attributes(out, RESOURCE_ATTRIBUTES, AttributeLimits::UNLIMITED, || {
            resource.iter().map(|(key, value)| (key.as_str(), value))
        });
    });
    bytes(&mut out, SCHEMA_URL, resource.schema_url().unwrap_or_default().as_bytes());
    out
}

/// Appends a scope, with its schema URL. `name` stands in for the scope's own, as the target of a log record does.
pub(crate) fn scope(out: &mut Vec<u8>, scope: &InstrumentationScope, name: Option<&str>) {
    message(out, SCOPE, |out| {
        bytes(out, SCOPE_NAME, name.unwrap_or_else(|| scope.name()).as_bytes());
        bytes(out, SCOPE_VERSION, scope.version().unwrap_or_default().as_bytes());
        let own = || scope.attributes().map(|attribute| (attribute.key.as_str(), &attribute.value));
        attributes(out, SCOPE_ATTRIBUTES, AttributeLimits::UNLIMITED, own);
    });
    bytes(out, SCHEMA_URL, scope.schema_url().unwrap_or_default().as_bytes());
}

/// Appends a scope that has nothing but a name.
pub(crate) fn scope_name(out: &mut Vec<u8>, name: &str) {
    message(out, SCOPE, |out| bytes(out, SCOPE_NAME, name.as_bytes()));
}

/// Appends an item with its frame.
pub(crate) fn push_item(out: &mut Vec<u8>, item: &[u8]) {
    length(out, ITEMS, item.len());
    out.extend_from_slice(item);
}

/// The items of a run of framed ones, without their frames.
pub(crate) fn framed_items(mut run: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (_, item, whole) = next_length_delimited(run)?;
        run = &run[whole.len()..];
        Some(item)
    })
}

/// An export request: for each scope, the runs of framed items that belong to it.
pub(crate) fn request(resource: &[u8], scopes: &[(&[u8], Vec<&[u8]>)]) -> Vec<u8> {
    let sizes =
        scopes.iter().map(|(scope, runs)| scope.len() + runs.iter().map(|run| run.len()).sum::<usize>());
    let size = resource.len() + sizes.clone().map(framed_len).sum::<usize>();
    let mut out = Vec::with_capacity(framed_len(size));
    length(&mut out, RESOURCE_ITEMS, size);
    out.extend_from_slice(resource);
    for ((scope, runs), size) in scopes.iter().zip(sizes) {
        length(&mut out, SCOPE_ITEMS, size);
        out.extend_from_slice(scope);
        runs.iter().for_each(|run| out.extend_from_slice(run));
    }
    out
}

// The requests of all signals
pub(super) const RESOURCE_ITEMS: u8 = 1;
// ResourceSpans, ResourceMetrics, ResourceLogs
const RESOURCE: u8 = 1;
pub(super) const SCOPE_ITEMS: u8 = 2;
// ScopeSpans, ScopeMetrics, ScopeLogs
const SCOPE: u8 = 1;
pub(super) const ITEMS: u8 = 2;
// All six
const SCHEMA_URL: u8 = 3;
// Resource
const RESOURCE_ATTRIBUTES: u8 = 1;
// InstrumentationScope
const SCOPE_NAME: u8 = 1;
const SCOPE_VERSION: u8 = 2;
const SCOPE_ATTRIBUTES: u8 = 3;
