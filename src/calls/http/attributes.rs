//! The attributes of a request's span.
//!
//! Names, and which of them are required, are those of the stable HTTP conventions. Queries and credentials in URLs are
//! redacted before anything else sees them.
//!
//! | attribute | server | client |
//! |---|---|---|
//! | `http.request.method`, `…_original` | yes | yes |
//! | `url.path`, `url.scheme`, `url.query` | yes, the query redacted | – |
//! | `url.full` | – | yes, without credentials, the query redacted |
//! | `url.template` | – | if the program gives one |
//! | `http.route` | from the router | – |
//! | `server.address`, `server.port` | from the request's URI, or else `Host` | from the URL |
//! | `client.address` | the trusted hop's client, or the peer | – |
//! | `user_agent.original` | yes | – |
//! | `network.protocol.version` | at the start | with the response |
//! | `http.request.resend_count` | – | from the second attempt |

use std::net::SocketAddr;
use std::sync::Arc;

use http::uri::Authority;
use http::{Request, StatusCode, Uri, Version};
use opentelemetry::KeyValue;

use super::method::ReportedMethod;
use super::options::{Options, RequestHead};
use super::recorder::CallRecorder;
use super::route::KnownRoute;
use super::url;
use crate::calls::address::{Address, ip_text};
use crate::calls::thread_cache;
use crate::semconv;

/// The attributes of a server's span that the sampler sees.
pub(super) fn incoming_attributes<B>(
    recorder: &CallRecorder,
    request: &Request<B>,
    method: &ReportedMethod,
    scheme: &'static str,
    route: Option<&KnownRoute>,
    peer: Option<SocketAddr>,
) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    let (uri, headers) = (whole_uri(request), request.headers());
    push_method(&mut attributes, request, method);
    attributes.push(KeyValue::new(semconv::URL_PATH, uri.path().to_owned()));
    attributes.push(KeyValue::new(semconv::URL_SCHEME, scheme));
    if let Some(query) = uri.query() {
        attributes.push(KeyValue::new(semconv::URL_QUERY, url::redacted_query(query).into_owned()));
    }
    attributes.extend(route.map(|route| KeyValue::new(semconv::HTTP_ROUTE, Arc::clone(&route.pattern))));
    let proxies = &recorder.options.trusted_proxies;
    let address = proxies.host(headers).map(|host| recorder.addresses.get(&host));
    if let Some(address) = address.or_else(|| recorder.addresses.address_of(request)) {
        address.push_attributes(&mut attributes);
    }
    let client = proxies.client_address(headers).or_else(|| peer.map(|peer| peer.ip()));
    attributes.extend(client.map(|client| KeyValue::new(semconv::CLIENT_ADDRESS, ip_text(client))));
    let agent = headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    attributes.extend(agent.map(|agent| KeyValue::new(semconv::USER_AGENT_ORIGINAL, agent_text(agent))));
    attributes.extend(
        version(request.version()).map(|version| KeyValue::new(semconv::NETWORK_PROTOCOL_VERSION, version)),
    );
    push_hook(&recorder.options, request, &mut attributes);
    attributes
}

/// The URI that the server received: a nested router of axum strips the prefix of its routes.
fn whole_uri<B>(request: &Request<B>) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(original)) = request.extensions().get() {
        let rest = request.uri().path();
        // Another one is of a request that this one was made from.
        if rest == "/" || original.path().ends_with(rest) {
            return original;
        }
    }
    request.uri()
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
    target.address.push_attributes(&mut attributes);
    let authority = target.authority.as_ref().map_or("", Authority::as_str);
    let full = url::redacted_url(request.uri(), target.scheme, authority);
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

/// The target of a client's request.
pub(super) struct Target {
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// Host and port as the request has them.
    pub(super) authority: Option<Authority>,
    /// Host and port as attributes.
    pub(super) address: TargetAddress,
    /// The low-cardinality form of the path, if the program gave one.
    pub(super) template: Option<Arc<str>>,
    /// Earlier attempts of the same request.
    pub(super) resends: u32,
}

/// The address of the server that a request goes to, if it is known.
#[derive(Default)]
pub(super) enum TargetAddress {
    /// Stored once per layer.
    Interned(Arc<Address>),
    /// One more than a layer stores.
    Other(Address),
    /// The request has no authority. Its series has no `server.address`.
    #[default]
    Unknown,
}

impl TargetAddress {
    /// Returns the key of the address within its layer.
    pub(super) fn key(&self) -> Option<usize> {
        match self {
            Self::Interned(address) => Some(Arc::as_ptr(address).addr()),
            Self::Other(_) => None,
            Self::Unknown => Some(0),
        }
    }

    /// Appends `server.address` and `server.port`.
    pub(super) fn push_attributes(&self, attributes: &mut Vec<KeyValue>) {
        match self {
            Self::Interned(address) => address.push_attributes(attributes),
            Self::Other(address) => address.push_attributes(attributes),
            Self::Unknown => {}
        }
    }
}

/// Appends the method, and the original name of one that is not known.
fn push_method<B>(attributes: &mut Vec<KeyValue>, request: &Request<B>, method: &ReportedMethod) {
    attributes.push(KeyValue::new(semconv::HTTP_REQUEST_METHOD, method.value()));
    if matches!(method, ReportedMethod::Other) {
        let original = request.method().as_str();
        let original: String = original.chars().take(MAX_METHOD).collect();
        attributes.push(KeyValue::new(semconv::HTTP_REQUEST_METHOD_ORIGINAL, original));
    }
}

/// Appends the attributes of the user's hook.
fn push_hook<B>(options: &Options, request: &Request<B>, attributes: &mut Vec<KeyValue>) {
    if let Some(hook) = &options.request_attributes {
        hook(&RequestHead::new(request), attributes);
    }
}

/// The text of a user agent. Consecutive requests often come from one.
fn agent_text(agent: &str) -> Arc<str> {
    let cached = thread_cache::with(|cache| {
        let mut last = cache.agent.borrow_mut();
        match &*last {
            Some(known) if **known == *agent => Arc::clone(known),
            _ => Arc::clone(last.insert(agent.into())),
        }
    });
    cached.unwrap_or_else(|| agent.into())
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

/// The protocol's version as an attribute.
pub(super) fn version_attribute(version: &'static str) -> KeyValue {
    KeyValue::new(semconv::NETWORK_PROTOCOL_VERSION, version)
}

/// The status as an attribute.
pub(super) fn status_code(status: StatusCode) -> KeyValue {
    KeyValue::new(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16()))
}

/// The capacity that a span without captured headers needs from start to end.
const ATTRIBUTES: usize = 14;
/// Characters of an unknown method that are recorded.
const MAX_METHOD: usize = 64;
