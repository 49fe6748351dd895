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
use crate::calls::address::{Address, address_of, address_of_authority, ip_text};
use crate::calls::headers::MAX_CALLER_TEXT;
use crate::calls::thread_cache;
use crate::semconv;
use crate::subscriber::CallAttributes;
use crate::user_code::bounded_text::beginning;

/// Sets the attributes of a server's span that the sampler sees.
pub(super) fn incoming_attributes<B>(
    attributes: &mut CallAttributes,
    recorder: &CallRecorder,
    request: &Request<B>,
    method: &ReportedMethod,
    scheme: &'static str,
    route: Option<&KnownRoute>,
    peer: Option<SocketAddr>,
) {
    let (uri, headers) = (whole_uri(request), request.headers());
    push_method(attributes, request, method);
    attributes.push_text(semconv::URL_PATH, beginning(uri.path(), MAX_CALLER_TEXT));
    attributes.push_static(semconv::URL_SCHEME, scheme);
    if let Some(query) = uri.query() {
        attributes.push_text(semconv::URL_QUERY, beginning(&url::redacted_query(query), MAX_CALLER_TEXT));
    }
    if let Some(route) = route {
        attributes.push_shared(semconv::HTTP_ROUTE, &route.pattern);
    }
    let proxies = &recorder.options.trusted_proxies;
    let address = proxies.host(headers).and_then(|host| address_of_authority(&host));
    if let Some(address) = address.or_else(|| address_of(request)) {
        address.set_attributes(attributes);
    }
    let client = proxies.client_address(headers).or_else(|| peer.map(|peer| peer.ip()));
    if let Some(client) = client {
        attributes.push_shared(semconv::CLIENT_ADDRESS, &ip_text(client));
    }
    let agent = headers.get(http::header::USER_AGENT).and_then(|agent| str::from_utf8(agent.as_bytes()).ok());
    if let Some(agent) = agent {
        attributes.push_shared(semconv::USER_AGENT_ORIGINAL, &agent_text(beginning(agent, MAX_AGENT)));
    }
    if let Some(version) = version(request.version()) {
        attributes.push_static(semconv::NETWORK_PROTOCOL_VERSION, version);
    }
    recorder.request_headers.attributes(headers).for_each(|attribute| attributes.set(attribute));
    call_hook(&recorder.options, request, attributes);
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

/// Sets the attributes of a client's span that the sampler sees.
pub(super) fn outgoing_attributes<B>(
    attributes: &mut CallAttributes,
    recorder: &CallRecorder,
    request: &Request<B>,
    method: &ReportedMethod,
    target: &Target,
) {
    push_method(attributes, request, method);
    match &target.address {
        TargetAddress::Interned(address) => address.set_attributes(attributes),
        TargetAddress::Other(address) => address.set_attributes(attributes),
        TargetAddress::Unknown => {}
    }
    let authority = target.authority.as_ref().map_or("", Authority::as_str);
    let full = url::redacted_url(request.uri(), target.scheme, authority);
    attributes.push_text(semconv::URL_FULL, beginning(&full, MAX_CALLER_TEXT));
    if let Some(template) = &target.template {
        attributes.push_shared(semconv::URL_TEMPLATE, template);
    }
    if target.resends > 0 {
        attributes.push_number(semconv::HTTP_REQUEST_RESEND_COUNT, target.resends);
    }
    recorder.request_headers.attributes(request.headers()).for_each(|attribute| attributes.set(attribute));
    call_hook(&recorder.options, request, attributes);
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

/// Sets the method, and the original name of one that is not known.
fn push_method<B>(attributes: &mut CallAttributes, request: &Request<B>, method: &ReportedMethod) {
    method.set_attribute(attributes);
    if matches!(method, ReportedMethod::Other) {
        let original = request.method().as_str();
        let original: String = original.chars().take(MAX_METHOD).collect();
        attributes.push_text(semconv::HTTP_REQUEST_METHOD_ORIGINAL, &original);
    }
}

/// Lets the user's hook change the attributes.
fn call_hook<B>(options: &Options, request: &Request<B>, attributes: &mut CallAttributes) {
    if let Some(hook) = &options.request_attributes {
        attributes.change(|attributes| hook(&RequestHead::new(request), attributes));
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

/// Characters of an unknown method that are recorded.
const MAX_METHOD: usize = 64;
/// Bytes of a user agent that are recorded.
const MAX_AGENT: usize = 1024;
