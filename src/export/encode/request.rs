//! The frame of the items: resource, scopes, and the request itself.
//!
//! ```text
//! ExportTraceServiceRequest
//! └─ 1 ResourceSpans                 RESOURCE_ITEMS
//!    ├─ 1 Resource                   ┐ resource(): encoded once
//!    ├─ 3 schema_url                 ┘
//!    └─ 2 ScopeSpans                 SCOPE_ITEMS
//!       ├─ 1 InstrumentationScope    ┐ scope(): encoded for each item, stored once for each run
//!       ├─ 3 schema_url              ┘
//!       └─ 2 Span …                  ITEMS: push_item() adds the head
//! ```
//!
//! The messages of log records and metrics have the same numbers. Protobuf allows fields in any order, and so the
//! schema URLs come before the list that they belong to: then both parts can be copied as they are.

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;

use super::attributes::attributes;
use super::wire::{bytes, framed_len, length, message, next_length_delimited};
use crate::settings::AttributeLimits;

/// Returns the encoded resource, with its schema URL: the first fields of a `Resource…` message.
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
/// Scopes with equal bytes are the same scope.
pub(crate) fn scope(out: &mut Vec<u8>, scope: &InstrumentationScope, name: Option<&str>) {
    message(out, SCOPE, |out| {
        bytes(out, SCOPE_NAME, name.unwrap_or_else(|| scope.name()).as_bytes());
        bytes(out, SCOPE_VERSION, scope.version().unwrap_or_default().as_bytes());
        let own = || scope.attributes().map(|attribute| (attribute.key.as_str(), &attribute.value));
        attributes(out, SCOPE_ATTRIBUTES, AttributeLimits::UNLIMITED, own);
    });
    bytes(out, SCHEMA_URL, scope.schema_url().unwrap_or_default().as_bytes());
}

/// Appends a scope that has nothing but a name, as those of `tracing` targets are.
pub(crate) fn scope_name(out: &mut Vec<u8>, name: &str) {
    message(out, SCOPE, |out| bytes(out, SCOPE_NAME, name.as_bytes()));
}

/// Appends an item with the head of its field.
#[inline]
pub(crate) fn push_item(out: &mut Vec<u8>, item: &[u8]) {
    length(out, ITEMS, item.len());
    out.extend_from_slice(item);
}

/// Returns the items of a run, without the heads that [`push_item`] added.
pub(crate) fn framed_items(mut run: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (_, item, whole) = next_length_delimited(run)?;
        run = &run[whole.len()..];
        Some(item)
    })
}

/// Returns an export request: for each scope, the runs of framed items that belong to it.
///
/// All sizes are known before, so the buffer is allocated once and nothing is moved.
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
/// `resource_spans`, `resource_metrics`, `resource_logs`. This crate writes one for each request.
pub(super) const RESOURCE_ITEMS: u8 = 1;
// ResourceSpans, ResourceMetrics, ResourceLogs
/// `resource`.
const RESOURCE: u8 = 1;
/// `scope_spans`, `scope_metrics`, `scope_logs`: one for each scope that has items in the request.
pub(super) const SCOPE_ITEMS: u8 = 2;
// ScopeSpans, ScopeMetrics, ScopeLogs
/// `scope`.
const SCOPE: u8 = 1;
/// `spans`, `metrics`, `log_records`. Items of several runs of one scope follow each other.
pub(super) const ITEMS: u8 = 2;
// All six
/// `schema_url`, of the resource or of the scope; left out if it is unknown.
const SCHEMA_URL: u8 = 3;
// Resource
/// `attributes`. Those of a resource are never limited.
const RESOURCE_ATTRIBUTES: u8 = 1;
// InstrumentationScope
/// `name`: the name of the tracer or meter, or the target of a log record.
const SCOPE_NAME: u8 = 1;
/// `version`.
const SCOPE_VERSION: u8 = 2;
/// `attributes`, which are not limited either.
const SCOPE_ATTRIBUTES: u8 = 3;
