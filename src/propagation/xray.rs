//! [AWS X-Ray](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader).
//!
//! One header, `X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`, whose
//! parts come in any order. `Sampled=?` and no `Sampled` leave the decision to this service, whose sampler decides as
//! on a root. Parts that are not known here, such as `Self`, are ignored. `Lineage`, by which AWS finds services that
//! call themselves without an end, is sent on in its trace.
//!
//! A load balancer sends `Root` alone: it identifies the request, but there is no span to be the child of. Such a
//! header yields no parent, and a new trace begins. (An id of a trace without that of a span is no valid parent, and a
//! sampler that takes it for one drops every request.)

use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt as _, TraceId};

use super::remote_parent::{
    Decision, RemoteParent, decision_of, parse_span_id, parse_trace_id, single_value,
};

#[cfg(test)]
mod tests;

/// The X-Ray propagator.
#[derive(Clone, Copy, Debug)]
pub(super) struct XRay;

impl TextMapPropagator for XRay {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let span = context.span();
        let span = span.span_context();
        if !span.is_valid() {
            return;
        }
        let trace_id = span.trace_id().to_string();
        let (time, unique) = trace_id.split_at(TIME_DIGITS);
        let sampled = match decision_of(context, span) {
            Decision::Accepted | Decision::Debug => '1',
            Decision::Denied => '0',
            Decision::Deferred => '?',
        };
        let mut header = format!("Root=1-{time}-{unique};Parent={};Sampled={sampled}", span.span_id());
        if let Some(Lineage(_, lineage)) =
            context.get::<Lineage>().filter(|lineage| lineage.0 == span.trace_id())
        {
            header.push_str(";Lineage=");
            header.push_str(lineage);
        }
        injector.set(HEADER, header);
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        match single_value(extractor, HEADER).and_then(parse) {
            Some((parent, lineage)) => {
                let context = parent.into_context(context);
                match lineage {
                    Some(lineage) => context.with_value(Lineage(parent.trace_id, lineage)),
                    None => context,
                }
            }
            None => context.clone(),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: LazyLock<[String; 1]> = LazyLock::new(|| [HEADER.into()]);
        FieldIter::new(&*FIELDS)
    }
}

/// The lineage that a trace was received with.
#[derive(Debug)]
struct Lineage(TraceId, String);

/// Parses the header: the parent, and its lineage. Returns `None` without `Root` or `Parent`, and if any of the parts
/// of a parent is invalid.
fn parse(header: &str) -> Option<(RemoteParent, Option<String>)> {
    if header.len() > MAX_HEADER {
        return None;
    }
    let (mut trace_id, mut span_id, mut decision, mut lineage) = (None, None, Decision::Deferred, None);
    for part in header.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=')?;
        match key.trim() {
            "Root" => trace_id = Some(parse_root(value.trim())?),
            "Parent" if value.trim().len() == SPAN_DIGITS => span_id = Some(parse_span_id(value.trim())?),
            "Parent" => return None,
            "Sampled" => decision = parse_decision(value.trim())?,
            "Lineage" if is_lineage(value.trim()) => lineage = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Some((RemoteParent { trace_id: trace_id?, span_id: span_id?, decision }, lineage))
}

/// Returns `true` for `{count of requests}:{8 digits of a resource}:{count of loops}`. Only that is sent on.
fn is_lineage(text: &str) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    let is_count = |text: &str, digits| {
        (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_resource = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    matches!(*parts, [requests, resource, loops] if is_count(requests, 5) && is_resource(resource) && is_count(loops, 3))
}

/// Parses `1-{8 digits}-{24 digits}`.
fn parse_root(root: &str) -> Option<TraceId> {
    let (time, unique) = root.strip_prefix("1-")?.split_once('-')?;
    let has_length = time.len() == TIME_DIGITS && unique.len() == UNIQUE_DIGITS;
    if has_length { parse_trace_id(&format!("{time}{unique}")) } else { None }
}

/// `?` requests a decision of the receiver.
fn parse_decision(text: &str) -> Option<Decision> {
    match text {
        "1" => Some(Decision::Accepted),
        "0" => Some(Decision::Denied),
        "?" => Some(Decision::Deferred),
        _ => None,
    }
}

/// The header; X-Ray writes it `X-Amzn-Trace-Id`.
const HEADER: &str = "x-amzn-trace-id";
/// Seconds since 1970, which X-Ray writes into the first 32 bits of a trace id. Ids of other services hold random
/// digits there, which X-Ray accepts.
const TIME_DIGITS: usize = 8;
/// Digits of the rest of a trace id.
const UNIQUE_DIGITS: usize = 24;
/// Digits of a span id.
const SPAN_DIGITS: usize = 16;
/// Enough for what AWS services add.
const MAX_HEADER: usize = 1024;
