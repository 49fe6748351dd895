//! Names of HTTP telemetry. Stable, but for body sizes, active requests and `url.template`.
//!
//! Names that end with a dot are prefixes: the name of a header follows. Source: "Semantic conventions for HTTP", spans
//! and metrics.

pub(crate) const HTTP_REQUEST_METHOD: &str = "http.request.method";
pub(crate) const HTTP_REQUEST_METHOD_ORIGINAL: &str = "http.request.method_original";
pub(crate) const HTTP_REQUEST_RESEND_COUNT: &str = "http.request.resend_count";
pub(crate) const HTTP_REQUEST_BODY_SIZE: &str = "http.request.body.size";
pub(crate) const HTTP_RESPONSE_BODY_SIZE: &str = "http.response.body.size";
pub(crate) const HTTP_REQUEST_HEADER: &str = "http.request.header.";
pub(crate) const HTTP_RESPONSE_HEADER: &str = "http.response.header.";
pub(crate) const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
pub(crate) const HTTP_ROUTE: &str = "http.route";
pub(crate) const URL_FULL: &str = "url.full";
pub(crate) const URL_PATH: &str = "url.path";
pub(crate) const URL_QUERY: &str = "url.query";
pub(crate) const URL_SCHEME: &str = "url.scheme";
pub(crate) const URL_TEMPLATE: &str = "url.template";
pub(crate) const CLIENT_ADDRESS: &str = "client.address";
pub(crate) const USER_AGENT_ORIGINAL: &str = "user_agent.original";
pub(crate) const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
pub(crate) const HTTP_SERVER_REQUEST_DURATION: &str = "http.server.request.duration";
pub(crate) const HTTP_CLIENT_REQUEST_DURATION: &str = "http.client.request.duration";
pub(crate) const HTTP_SERVER_ACTIVE_REQUESTS: &str = "http.server.active_requests";
pub(crate) const HTTP_CLIENT_ACTIVE_REQUESTS: &str = "http.client.active_requests";
pub(crate) const HTTP_SERVER_REQUEST_BODY_SIZE: &str = "http.server.request.body.size";
pub(crate) const HTTP_SERVER_RESPONSE_BODY_SIZE: &str = "http.server.response.body.size";
pub(crate) const HTTP_CLIENT_REQUEST_BODY_SIZE: &str = "http.client.request.body.size";
pub(crate) const HTTP_CLIENT_RESPONSE_BODY_SIZE: &str = "http.client.response.body.size";
