//! The attributes of a request's span.

use std::sync::Arc;

use http::{Request, Version};
use opentelemetry::KeyValue;

use super::forwarded;
use super::method::ReportedMethod;
use super::options::{Options, RequestHead};
use super::recorder::CallRecorder;
use super::url;
use crate::calls::address::{Address, ip_text};
use crate::semconv;

/// The attributes of a server's span that the sampler sees.
pub(super) fn incoming_attributes<B>(
    recorder: &CallRecorder,
    request: &Request<B>,
    method: &ReportedMethod,
    scheme: &'static str,
    route: Option<&Arc<str>>,
) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    let (uri, headers) = (request.uri(), request.headers());
    push_method(&mut attributes, request, method);
    attributes.push(KeyValue::new(semconv::URL_PATH, uri.path().to_owned()));
    attributes.push(KeyValue::new(semconv::URL_SCHEME, scheme));
    if let Some(query) = uri.query() {
        attributes.push(KeyValue::new(semconv::URL_QUERY, url::redacted_query(query).into_owned()));
    }
    attributes.extend(route.map(|route| KeyValue::new(semconv::HTTP_ROUTE, Arc::clone(route))));
    if let Some(address) = recorder.addresses.address_of(request) {
        address.push_attributes(&mut attributes);
    }
    let client = (recorder.options.trusted_proxies > 0)
        .then(|| forwarded::client_address(headers, recorder.options.trusted_proxies))
        .flatten()
        .or_else(|| recorder.peer(request.extensions()).map(|peer| peer.ip()));
    attributes.extend(client.map(|client| KeyValue::new(semconv::CLIENT_ADDRESS, ip_text(client))));
    let agent = headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    attributes.extend(agent.map(|agent| KeyValue::new(semconv::USER_AGENT_ORIGINAL, agent.to_owned())));
    attributes.extend(
        version(request.version()).map(|version| KeyValue::new(semconv::NETWORK_PROTOCOL_VERSION, version)),
    );
    push_hook(&recorder.options, request, &mut attributes);
    attributes
}

/// The attributes of a client's span that the sampler sees.
pub(super) fn outgoing_attributes<B>(
    recorder: &CallRecorder,
    request: &Request<B>,
    method: &ReportedMethod,
    target: &Target,
) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    push_method(&mut attributes, request, method);
    if let Some(address) = &target.address {
        address.push_attributes(&mut attributes);
    }
    let full = url::redacted_url(request.uri(), target.scheme, &target.authority);
    attributes.push(KeyValue::new(semconv::URL_FULL, full));
    if let Some(template) = &target.template {
        attributes.push(KeyValue::new(semconv::URL_TEMPLATE, Arc::clone(template)));
    }
    if target.resends > 0 {
        attributes.push(KeyValue::new(semconv::HTTP_REQUEST_RESEND_COUNT, i64::from(target.resends)));
    }
    push_hook(&recorder.options, request, &mut attributes);
    attributes
}

/// Where a client's request goes.
pub(super) struct Target {
    pub(super) scheme: &'static str,
    pub(super) authority: String,
    pub(super) address: Option<Address>,
    pub(super) template: Option<Arc<str>>,
    pub(super) resends: u32,
}

fn push_method<B>(attributes: &mut Vec<KeyValue>, request: &Request<B>, method: &ReportedMethod) {
    attributes.push(KeyValue::new(semconv::HTTP_REQUEST_METHOD, method.value()));
    if matches!(method, ReportedMethod::Other) {
        let original = request.method().as_str();
        let original: String = original.chars().take(MAX_METHOD).collect();
        attributes.push(KeyValue::new(semconv::HTTP_REQUEST_METHOD_ORIGINAL, original));
    }
}

fn push_hook<B>(options: &Options, request: &Request<B>, attributes: &mut Vec<KeyValue>) {
    if let Some(hook) = &options.request_attributes {
        hook(&RequestHead::new(request), attributes);
    }
}

/// Returns `http` or `https`. Other schemes come from callers and are not reported.
pub(super) fn known_scheme(scheme: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))
}

/// The value of `network.protocol.version`.
pub(super) fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_09 => Some("0.9"),
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}

/// The capacity that a span without captured headers needs from start to end.
const ATTRIBUTES: usize = 14;
/// Characters of an unknown method that are recorded.
const MAX_METHOD: usize = 64;
