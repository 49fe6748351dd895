//! Names of HTTP telemetry. Stable, but for body sizes, active requests and `url.template`.
//!
//! Names that end with a dot are prefixes: the name of a header follows. Source: "Semantic conventions for HTTP", spans
//! and metrics.

/// The method by its known name, or `_OTHER`. On spans and metrics; required.
pub(crate) const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// The method as it was sent, if it is not a known one. On spans.
pub(crate) const HTTP_REQUEST_METHOD_ORIGINAL: &str = "http.request.method_original";
/// The number of times the request was sent before: 1 for the second attempt. On client spans.
pub(crate) const HTTP_REQUEST_RESEND_COUNT: &str = "http.request.resend_count";
/// Bytes of the request body, as `Content-Length` declares it. On spans, on request.
pub(crate) const HTTP_REQUEST_BODY_SIZE: &str = "http.request.body.size";
/// Bytes of the response body that went over the wire. On spans, on request.
pub(crate) const HTTP_RESPONSE_BODY_SIZE: &str = "http.response.body.size";
/// Prefix of captured headers of requests: a list of texts.
pub(crate) const HTTP_REQUEST_HEADER: &str = "http.request.header.";
/// Prefix of captured headers of responses: a list of texts.
pub(crate) const HTTP_RESPONSE_HEADER: &str = "http.response.header.";
/// The status as a number; absent if there was no response. On spans and metrics.
pub(crate) const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// The pattern that the router matched: `/orders/{id}`. On spans and metrics of servers.
pub(crate) const HTTP_ROUTE: &str = "http.route";
/// The URL of a request without credentials, the query redacted. On spans of clients; required.
pub(crate) const URL_FULL: &str = "url.full";
/// The path of a request. On spans of servers; required.
pub(crate) const URL_PATH: &str = "url.path";
/// The query of a request, redacted. On spans of servers.
pub(crate) const URL_QUERY: &str = "url.query";
/// `http` or `https`. On spans and metrics of servers; required.
pub(crate) const URL_SCHEME: &str = "url.scheme";
/// The low-cardinality form of a path that a client requests. On spans.
pub(crate) const URL_TEMPLATE: &str = "url.template";
/// The address of the client, behind trusted proxies that of the original one. On spans of servers.
pub(crate) const CLIENT_ADDRESS: &str = "client.address";
/// The header `User-Agent`. On spans of servers.
pub(crate) const USER_AGENT_ORIGINAL: &str = "user_agent.original";
/// `1.1`, `2`, … On spans and metrics.
pub(crate) const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
/// Histogram, seconds: requests from their arrival to the end of their responses.
pub(crate) const HTTP_SERVER_REQUEST_DURATION: &str = "http.server.request.duration";
/// Histogram, seconds: requests from their start to the end of their responses.
pub(crate) const HTTP_CLIENT_REQUEST_DURATION: &str = "http.client.request.duration";
/// Up-down counter, `{request}`: requests that have not ended.
pub(crate) const HTTP_SERVER_ACTIVE_REQUESTS: &str = "http.server.active_requests";
/// Up-down counter, `{request}`: requests that have not ended.
pub(crate) const HTTP_CLIENT_ACTIVE_REQUESTS: &str = "http.client.active_requests";
/// Histogram, bytes: bodies of requests that a server received.
pub(crate) const HTTP_SERVER_REQUEST_BODY_SIZE: &str = "http.server.request.body.size";
/// Histogram, bytes: bodies of responses that a server sent.
pub(crate) const HTTP_SERVER_RESPONSE_BODY_SIZE: &str = "http.server.response.body.size";
/// Histogram, bytes: bodies of requests that a client sent.
pub(crate) const HTTP_CLIENT_REQUEST_BODY_SIZE: &str = "http.client.request.body.size";
/// Histogram, bytes: bodies of responses that a client received.
pub(crate) const HTTP_CLIENT_RESPONSE_BODY_SIZE: &str = "http.client.response.body.size";
