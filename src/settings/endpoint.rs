//! The address of a collector, in its usual forms.
//!
//! | form | meaning |
//! |---|---|
//! | `http://host:4317` | plaintext |
//! | `https://host:4317` | TLS; needs the feature `tls` |
//! | `unix:/path`, `unix:///path` | plaintext over a Unix socket |
//! | `host:4317`, `host` | plaintext or TLS as the caller says; the port is 4317 unless given |
//!
//! A path has a meaning for OTLP/HTTP alone. The endpoint of all signals is a base, to which the signal's part is
//! added; the endpoint of one signal is used as it is.
//!
//! | text | gRPC | HTTP |
//! |---|---|---|
//! | `http://host:port` | plaintext | plaintext; the signal's path is added to the endpoint of all signals |
//! | `https://host:port` | TLS | TLS; paths likewise |
//! | `host:port` | plaintext in code, TLS in a variable, unless `insecure` decides | the same |
//! | `unix:/path` | a socket | a socket |
//!
//! What is refused, with a message for each: other schemes, credentials (they belong into a header), a missing host,
//! labels of a host that no name has (`$(HOST_IP)`, `col..lector`), ports outside of 1 to 65535, IPv6 addresses without
//! brackets, paths with characters that must be escaped, sockets on systems without them.

use std::fmt;
use std::path::PathBuf;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use super::secrets::{shown, shown_host, shown_path};
use super::value_kind::{Kind, Reason};

#[cfg(test)]
mod tests;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Endpoint {
    /// Scheme and authority.
    pub(super) uri: Uri,
    /// The text names the scheme, or another setting does.
    pub(super) has_scheme: bool,
    /// The text names the port, or needs none because it names the scheme.
    pub(super) has_port: bool,
    /// The part after the authority, without a fragment. Empty, or begins with `/` or `?`.
    path: String,
    /// The Unix socket that stands in for host and port.
    pub(super) socket: Option<PathBuf>,
}

impl Endpoint {
    /// Creates an endpoint without a path.
    pub(super) fn from_uri(uri: Uri) -> Self {
        Self { uri, has_scheme: true, has_port: true, path: String::new(), socket: None }
    }

    /// Returns the same endpoint, with this port if the text has none.
    pub(super) fn with_default_port(self, port: u16) -> Self {
        let host = self.uri.host().filter(|_| !self.has_port);
        let authority = host.and_then(|host| format!("{host}:{port}").parse::<Authority>().ok());
        let Some(authority) = authority else { return self };
        let mut parts = self.uri.clone().into_parts();
        parts.authority = Some(authority);
        Self { uri: Uri::from_parts(parts).unwrap_or(self.uri), ..self }
    }

    /// Returns `true` if the text has a path, apart from a lone `/`.
    pub(super) fn has_path(&self) -> bool {
        !matches!(self.path.as_str(), "" | "/")
    }

    /// Returns `true` if the last part of the path is `signal_part` (`v1/traces`).
    pub(super) fn path_ends_with(&self, signal_part: &str) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        path.trim_end_matches('/').strip_suffix(signal_part).is_some_and(|base| base.ends_with('/'))
    }

    /// The path without a query, if gRPC ignores it and it is not what OTLP/HTTP puts there: a variable may be used
    /// for both protocols.
    pub(super) fn ignored_path(&self) -> Option<String> {
        let is_harmless =
            matches!(self.path.trim_end_matches('/'), "" | "/v1/traces" | "/v1/metrics" | "/v1/logs");
        (!is_harmless).then(|| redacted(&self.path))
    }

    /// The path of HTTP requests. `signal_part` (`v1/traces`) is added to the endpoint of all signals and to Unix
    /// sockets, and is `None` for that of one signal.
    pub(super) fn http_path(&self, signal_part: Option<&str>) -> Option<PathAndQuery> {
        let text = match signal_part {
            Some(part) => {
                let base = self.path.split('?').next().unwrap_or_default();
                format!("{}/{part}", base.trim_end_matches('/'))
            }
            None if self.path.starts_with('/') => self.path.clone(),
            None => format!("/{}", self.path),
        };
        text.parse().ok()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) => write!(f, "unix:{}", path.display()),
            None => self.uri.fmt(f),
        }
    }
}

/// The text of an endpoint.
///
/// Without a scheme it means plaintext in code and TLS in a variable, unless `insecure` decides.
pub(super) const fn kind(insecure: Option<bool>) -> Kind<String> {
    Kind {
        parse: match insecure {
            Some(true) => |text| parse(text, Scheme::HTTP).map(|_| text.to_owned()),
            Some(false) | None => |text| parse(text, Scheme::HTTPS).map(|_| text.to_owned()),
        },
        check: match insecure {
            Some(false) => |text| parse(text, Scheme::HTTPS).map(drop),
            Some(true) | None => |text| parse(text, Scheme::HTTP).map(drop),
        },
        show: |text| match text.as_str() {
            "" => "none: nothing is sent".to_owned(),
            text => redacted(text),
        },
        quote: |text| format!("{:?}", redacted(text)),
    }
}

/// Reads an endpoint; one without a scheme gets `default_scheme`.
pub(super) fn parse(text: &str, default_scheme: Scheme) -> Result<Endpoint, Reason> {
    if let Some(path) = text.strip_prefix("unix:") {
        return parse_socket(path);
    }
    let (named, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(known_scheme(scheme)?), rest),
        None => (None, text),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let has_scheme = named.is_some();
    let scheme = named.unwrap_or(default_scheme);
    let has_port = has_scheme || split_port(authority)?.1.is_some();
    let authority = parse_authority(authority, !has_port, scheme == Scheme::HTTPS)?;
    if scheme == Scheme::HTTPS && !cfg!(feature = "tls") {
        return Err("TLS needs the feature `tls` of telemetry-bootstrap; for plaintext write http://".into());
    }
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(PathAndQuery::from_static("/"))
        .build()
        .map_err(|_| EXPECTED)?;
    let path = path.split('#').next().unwrap_or_default();
    if !path.is_empty() && format!("/{}", path.trim_start_matches('/')).parse::<PathAndQuery>().is_err() {
        return Err("the path holds characters that must be percent-encoded".into());
    }
    Ok(Endpoint { uri, has_scheme, has_port, path: path.to_owned(), socket: None })
}

/// As gRPC names them: `unix:path` or `unix:///absolute/path`.
fn parse_socket(text: &str) -> Result<Endpoint, Reason> {
    let path = match text.strip_prefix("//") {
        Some(path) if !path.starts_with('/') => return Err("the path after unix:// is not absolute".into()),
        Some(path) => path,
        None => text,
    };
    match path.len() {
        _ if !cfg!(unix) => Err("Unix sockets do not exist on this system".into()),
        0 => Err("the path of the Unix socket is missing".into()),
        1..=MAX_SOCKET_PATH => {
            let socket = Some(PathBuf::from(path));
            Ok(Endpoint { socket, ..Endpoint::from_uri(Uri::from_static("http://localhost/")) })
        }
        _ => Err(format!("the path of the Unix socket is longer than {MAX_SOCKET_PATH} bytes").into()),
    }
}

/// Reads the scheme, in any case.
fn known_scheme(scheme: &str) -> Result<Scheme, Reason> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::HTTP),
        "https" => Ok(Scheme::HTTPS),
        _ => Err("the scheme is neither http nor https".into()),
    }
}

/// Reads host and port. The port may only be missing where the scheme has one of its own.
fn parse_authority(text: &str, add_port: bool, is_tls: bool) -> Result<Authority, Reason> {
    if text.contains('@') {
        return Err("credentials do not belong in the address: send them as a header".into());
    }
    let (host, port) = split_port(text)?;
    if host.is_empty() {
        return Err("the host is missing".into());
    }
    if !host.starts_with('[') {
        check_host(host, is_tls)?;
    }
    match port {
        Some(port) if port.parse::<u16>().is_ok_and(|port| port > 0) => {}
        Some(_) => return Err("the port is not a number from 1 to 65535".into()),
        None if add_port => return Ok(format!("{host}:{DEFAULT_PORT}").parse().map_err(|_| EXPECTED)?),
        None => {}
    }
    Ok(text.parse().map_err(|_| EXPECTED)?)
}

/// Returns an error for an invalid host name: a variable that was not replaced, an empty label.
fn check_host(host: &str, is_tls: bool) -> Result<(), Reason> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err("the host is neither a name nor an address".into());
    }
    // Some resolvers accept `127.1` as an address, but no certificate names it.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    if is_tls && is_number && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err("the host is not an IPv4 address of four numbers".into());
    }
    Ok(())
}

/// Host and port; an IPv6 address stands in brackets, since its colons would be taken for the port's.
fn split_port(text: &str) -> Result<(&str, Option<&str>), Reason> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("the bracket is not closed")?;
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("not an IPv6 address in the brackets".into());
        }
        let host = &text[..address.len() + 2];
        return match port.strip_prefix(':') {
            None if port.is_empty() => Ok((host, None)),
            Some(port) => Ok((host, Some(port))),
            None => Err(EXPECTED.into()),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err("an IPv6 address must stand in brackets".into()),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

/// Returns the text as it may be shown: without credentials, path and query, any of which may hold a token.
pub(super) fn redacted(text: &str) -> String {
    if let Some(path) = text.strip_prefix("unix:") {
        return format!("unix:{}", shown_path(path.as_ref()));
    }
    // A password may hold any character, so everything up to the last `@` may be part of it.
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (format!("{scheme}://"), rest),
        _ => (String::new(), text),
    };
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("[redacted]@", rest),
        None => ("", rest),
    };
    let (address, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = match rest {
        "" | "/" | "/v1/traces" | "/v1/metrics" | "/v1/logs" => rest,
        path if path.starts_with('/') => "/[redacted]",
        _ => "?[redacted]",
    };
    let (host, port) = address.split_at(address.rfind(':').unwrap_or(address.len()));
    match shown(address) {
        shown if shown == address => format!("{scheme}{credentials}{}{port}{path}", shown_host(host)),
        redacted => format!("{scheme}{credentials}{redacted}{path}"),
    }
}

/// Returns `true` for what looks like a scheme. A password may end in `://`, too.
fn is_scheme(text: &str) -> bool {
    text.len() <= MAX_SCHEME && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// What fits everywhere, with the zero byte after it.
const MAX_SOCKET_PATH: usize = 103;
/// The length of `https`, and one for a typo.
const MAX_SCHEME: usize = 6;
/// OTLP/gRPC's.
const DEFAULT_PORT: u16 = 4317;
/// The message for a text that is none of the forms.
const EXPECTED: &str = "not host:port, http://host:port, https://host:port or unix:/path";
