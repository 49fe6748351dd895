//! Where one signal is sent: endpoint, protocol, and the path of its requests.
//!
//! | protocol | endpoint | requests |
//! |---|---|---|
//! | not configured | port 4317, or neither port 4318 nor a path | gRPC; may switch |
//! | not configured | port 4318, or a path | HTTP with protobuf; may switch |
//! | configured | any | that protocol |
//!
//! *May switch*: if the peer turns out to speak the other protocol, that one is used from then on. A request that met
//! the wrong protocol was not processed, so that nothing is sent twice.
//!
//! The path of requests over HTTP:
//!
//! | endpoint of | path |
//! |---|---|
//! | all signals | a base: `/v1/traces` is added, a query is dropped |
//! | one signal, or in a file | used as it is; `/` if there is none |
//! | a [`Destination`](super::Destination) | a base, unless it ends with the signal's part |
//! | a Unix socket | the signal's part alone |
//!
//! Source: specification "OpenTelemetry Protocol Exporter", section "Endpoint URLs for OTLP/HTTP".

use std::path::PathBuf;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

use super::{OTLP, OTLP_DESTINATION, Scopes, TlsFiles};
use crate::settings::endpoint::{self, Endpoint};
use crate::settings::proxy::Proxy;
use crate::settings::resolve::{Chosen, Resolver};
use crate::settings::secrets::{shown_host, shown_path};
use crate::settings::setting::Setting;
use crate::settings::types::Protocol;
use crate::settings::value_kind::{Kind, one_of, plain};

/// One connection: signals with equal targets share it.
///
/// Equality decides whether connections are shared, so that everything that makes a difference on the way is part of
/// it, and nothing that belongs to requests (headers, path, timeout).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// Scheme and authority; no credentials, no path.
    pub(crate) uri: Uri,
    /// Certificates and keys that are used; see [`with_tls`](Self::with_tls).
    pub(crate) tls: TlsFiles,
    /// The proxy that connections go through.
    pub(crate) proxy: Option<Proxy>,
    /// The Unix socket that stands in for host and port.
    pub(crate) socket: Option<PathBuf>,
}

impl Target {
    /// A target that is reached directly, by host and port, without files for TLS.
    pub(crate) fn new(uri: Uri) -> Self {
        Self { uri, tls: TlsFiles::default(), proxy: None, socket: None }
    }

    /// Keeps the files that connections to the target, or to its proxy, use.
    pub(super) fn with_tls(self, tls: TlsFiles) -> Self {
        let tls = match (self.is_https(), self.has_https_proxy()) {
            (true, _) => tls,
            // The client's identity is for the receiver.
            (false, true) => TlsFiles { client_key: None, client_certificate: None, ..tls },
            (false, false) => TlsFiles::default(),
        };
        Self { tls, ..self }
    }

    /// Returns `true` if connections to the receiver have TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// Returns `true` if connections to the proxy have TLS.
    pub(crate) fn has_https_proxy(&self) -> bool {
        self.proxy.as_ref().is_some_and(|proxy| proxy.uri.scheme() == Some(&Scheme::HTTPS))
    }

    /// Returns the host to which connections are made, unless the target is a Unix socket.
    pub(crate) fn connects_to(&self) -> Option<&str> {
        let uri = self.proxy.as_ref().map_or(&self.uri, |proxy| &proxy.uri);
        if self.socket.is_some() { None } else { uri.host() }
    }

    /// The address for messages: with the port, also if it is the scheme's own.
    pub(crate) fn address(&self) -> String {
        match &self.socket {
            Some(path) => format!("unix:{}", shown_path(path)),
            None => self.address_with(&shown_host(self.host())),
        }
    }

    /// Returns the address as it is, to compare. Not for messages: it may hold a token.
    pub(crate) fn identity(&self) -> String {
        match &self.socket {
            Some(path) => format!("unix:{path:?}"),
            None => self.address_with(self.host()),
        }
    }

    fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    fn address_with(&self, host: &str) -> String {
        let (scheme, port) = if self.is_https() { ("https", 443) } else { ("http", 80) };
        format!("{scheme}://{host}:{}", self.uri.port_u16().unwrap_or(port))
    }
}

/// The protocol in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ProtocolSetting {
    /// Never [`Protocol::Auto`].
    pub(crate) first: Protocol,
    /// No protocol was configured: if the peer turns out to speak the other one, that one is used.
    pub(crate) may_switch: bool,
}

/// The parts of an endpoint that requests need.
pub(super) struct Request {
    /// Scheme and authority.
    pub(super) uri: Uri,
    pub(super) socket: Option<PathBuf>,
    /// What is spoken first.
    pub(super) protocol: ProtocolSetting,
    /// The path if HTTP is spoken.
    pub(super) http_path: PathAndQuery,
}

impl Resolver<'_> {
    /// Returns the endpoint that was given, if any. `is_on`: whether the exporter was turned on or off.
    ///
    /// An address without a scheme means TLS in a variable, as the specification's `INSECURE=false` has it, and
    /// plaintext in code, where it is mostly `localhost:4317` in a test.
    pub(super) fn endpoint(&mut self, scopes: &Scopes<'_>, is_on: Option<bool>) -> Option<Chosen<Endpoint>> {
        let insecure = self.find_first(&scopes.sources(|otlp| &otlp.insecure)).map(|chosen| chosen.value);
        let chosen = {
            // How an address without a scheme is read depends on another setting.
            let default = if is_on == Some(true) { DEFAULT_ENDPOINT } else { "" };
            let settings = scopes.sources(|otlp| &otlp.endpoint).into_iter().map(|(setting, values)| {
                let kind = endpoint::kind(insecure);
                (Setting { kind, default: default.to_owned(), ..*setting }, values)
            });
            let settings: Vec<_> = settings.collect();
            let sources: Vec<_> = settings.iter().map(|(setting, values)| (setting, *values)).collect();
            self.find_first(&sources)?
        };
        let is_plaintext = insecure.unwrap_or(chosen.is_from_code);
        let scheme = if is_plaintext { Scheme::HTTP } else { Scheme::HTTPS };
        let Chosen { value, origin, is_from_code } = chosen;
        let mut value = endpoint::parse(&value, scheme).ok()?;
        value.has_scheme |= insecure.is_some();
        Some(Chosen { value, origin, is_from_code })
    }

    /// Returns the parts that requests need: the protocol depends on the endpoint, and the path on both.
    pub(super) fn request(
        &mut self,
        endpoint: Option<Chosen<Endpoint>>,
        protocol: Protocol,
        signal_path: &str,
    ) -> Request {
        let (endpoint, protocol, is_base) = match endpoint {
            Some(mut chosen) => {
                let protocol = protocol_setting(protocol, &chosen.value);
                let is_grpc = protocol.first == Protocol::Grpc;
                chosen.value = chosen.value.with_default_port(if is_grpc { GRPC_PORT } else { HTTP_PORT });
                self.warn_endpoint(&chosen, protocol);
                let is_base = is_base(&chosen, signal_path);
                (chosen.value, protocol, is_base)
            }
            None => {
                let endpoint = default_endpoint(protocol);
                let protocol = protocol_setting(protocol, &endpoint);
                (endpoint, protocol, true)
            }
        };
        let has_part = is_base || endpoint.socket.is_some();
        let http_path = endpoint.http_path(has_part.then_some(signal_path));
        let http_path = http_path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Request { uri: endpoint.uri, socket: endpoint.socket, protocol, http_path }
    }

    /// Warns of a scheme that is a guess, and of parts of the endpoint that do not fit a protocol that was chosen
    /// explicitly.
    fn warn_endpoint(&mut self, chosen: &Chosen<Endpoint>, protocol: ProtocolSetting) {
        if !chosen.is_from_code && !chosen.value.has_scheme {
            let words = format!(
                "no scheme in the address, so TLS is used ({}); for plaintext write http://",
                endpoint::redacted(&chosen.value.uri.to_string())
            );
            self.warn_once(&chosen.origin, words);
        }
        if protocol.first != Protocol::Grpc || protocol.may_switch {
            return;
        }
        if let Some(path) = chosen.value.ignored_path() {
            let words = format!(
                "gRPC has no path; {path:?} is ignored. For a URL of OTLP over HTTP set \
                 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
            );
            self.warn_once(&chosen.origin, words);
        }
        if chosen.value.uri.port_u16() == Some(HTTP_PORT) {
            let words = format!(
                "port {HTTP_PORT} is that of OTLP over HTTP; gRPC is sent, whose port is {GRPC_PORT}"
            );
            self.warn_once(&chosen.origin, words);
        }
    }
}

/// Whether the signal's part is added to the path.
///
/// It is added to the endpoint of all signals, and not to that of one.
fn is_base(chosen: &Chosen<Endpoint>, signal_path: &str) -> bool {
    if chosen.origin == OTLP_DESTINATION.endpoint.origin() {
        return !chosen.value.path_ends_with(signal_path);
    }
    chosen.origin == OTLP.endpoint.origin() || OTLP.endpoint.variables.contains(&&*chosen.origin)
}

/// [`Protocol::Auto`] goes by the endpoint.
fn protocol_setting(protocol: Protocol, endpoint: &Endpoint) -> ProtocolSetting {
    let has_both = cfg!(feature = "otlp-grpc") && cfg!(feature = "otlp-http");
    let first = match protocol {
        Protocol::Auto if !cfg!(feature = "otlp-grpc") => Protocol::HttpProtobuf,
        Protocol::Auto if !cfg!(feature = "otlp-http") => Protocol::Grpc,
        Protocol::Auto => match endpoint.uri.port_u16().filter(|_| endpoint.has_port) {
            Some(GRPC_PORT) => Protocol::Grpc,
            Some(HTTP_PORT) => Protocol::HttpProtobuf,
            _ if endpoint.has_path() => Protocol::HttpProtobuf,
            _ => Protocol::Grpc,
        },
        configured => configured,
    };
    ProtocolSetting { first, may_switch: protocol == Protocol::Auto && has_both }
}

/// Returns the specification's endpoint, by the protocol.
fn default_endpoint(protocol: Protocol) -> Endpoint {
    let is_http = matches!(protocol, Protocol::HttpProtobuf | Protocol::HttpJson);
    Endpoint::from_uri(Uri::from_static(if is_http { DEFAULT_HTTP_ENDPOINT } else { DEFAULT_ENDPOINT }))
}

/// The protocol of an exporter. Which are available depends on the features of this crate.
pub(super) const PROTOCOL: Kind<Protocol> = Kind {
    parse: |text| {
        let known = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];
        one_of(text, &known.map(|protocol| (protocol.name(), protocol)))
    },
    check: |protocol| match protocol {
        Protocol::Grpc if !cfg!(feature = "otlp-grpc") => {
            Err("needs the feature `otlp-grpc` of telemetry-bootstrap".into())
        }
        Protocol::HttpProtobuf | Protocol::HttpJson if !cfg!(feature = "otlp-http") => {
            Err("needs the feature `otlp-http` of telemetry-bootstrap".into())
        }
        _ => Ok(()),
    },
    show: |protocol| match protocol {
        Protocol::Auto => "the one that fits the endpoint".into(),
        other => other.name().into(),
    },
    quote: plain,
};

/// The port that is registered for OTLP over gRPC.
const GRPC_PORT: u16 = 4317;
/// The port that is registered for OTLP over HTTP.
const HTTP_PORT: u16 = 4318;
/// Where an exporter sends that is turned on without an endpoint.
const DEFAULT_ENDPOINT: &str = "http://localhost:4317";
/// The same if HTTP is the protocol.
const DEFAULT_HTTP_ENDPOINT: &str = "http://localhost:4318";
