//! Proxies between this program and the receivers, by the variables that most programs read.
//!
//! The library that reads them elsewhere (`hyper-util`'s matcher) brings two crates, one of them a second version of
//! `base64`, and takes proxies that it cannot speak to.
//!
//! | variable | for targets |
//! |---|---|
//! | `HTTPS_PROXY`, `https_proxy` | `https://` |
//! | `HTTP_PROXY`, `http_proxy` | `http://` |
//! | `ALL_PROXY`, `all_proxy` | both, after those above |
//! | `NO_PROXY`, `no_proxy` | reached directly: hosts, domains, networks, or `*` |
//!
//! | address | the proxy speaks |
//! |---|---|
//! | `http://host:port`, `host:port` | HTTP |
//! | `https://host:port` | HTTP inside of TLS |
//! | `socks5://host:port`, `socks5h://host:port` | SOCKS5; it resolves names in both cases |
//!
//! TLS to the receiver goes through a tunnel of the proxy. The address may hold credentials, so that it is shown
//! without them everywhere.
//!
//! `NO_PROXY` is a list with commas or white space between its entries:
//!
//! | entry | exempts |
//! |---|---|
//! | `example.com`, `.example.com`, `*.example.com` | the domain and all below it |
//! | `example.com:4317` | the same, for this port alone |
//! | `10.1.2.3`, `[::1]` | an address |
//! | `10.0.0.0/8`, `fd00::/8` | a network; names are not resolved for it |
//! | `*` | everything |
//!
//! Targets on this machine are always exempt.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::endpoint::redacted;
use super::env::Env;
use super::secrets::shown_host;
use super::setting::{Setting, settings};
use super::value_kind::{Kind, Reason, TEXT};

#[cfg(test)]
mod tests;

/// A proxy. Equal are those that are used in the same way, wherever they were named.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// `http://host:port/`, or `https` where connections to the proxy itself have TLS.
    pub(crate) uri: Uri,
    /// What is spoken with the proxy.
    pub(crate) protocol: ProxyProtocol,
    /// The variable or setter that names it, for messages.
    pub(crate) origin: Cow<'static, str>,
}

/// What a proxy speaks, and its credentials, which are secrets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum ProxyProtocol {
    /// HTTP/1.1: requests are passed on for `http` targets with HTTP, tunnels are opened by CONNECT for TLS and gRPC.
    Http {
        /// The value of `Proxy-Authorization`.
        authorization: Option<HeaderValue>,
    },
    /// SOCKS version 5 (RFC 1928).
    Socks5 { login: Option<ProxyLogin> },
}

/// User and password for SOCKS5, each of 1 to 255 bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ProxyLogin {
    /// Percent-decoded.
    pub(crate) user: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

impl Proxy {
    /// Returns the value of `Proxy-Authorization`, if there is one.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        match &self.protocol {
            ProxyProtocol::Http { authorization } => authorization.as_ref(),
            ProxyProtocol::Socks5 { .. } => None,
        }
    }

    /// Returns the credentials as bytes, if there are some.
    pub(crate) fn secret(&self) -> Option<Vec<u8>> {
        match &self.protocol {
            ProxyProtocol::Http { authorization } => Some(authorization.as_ref()?.as_bytes().to_vec()),
            ProxyProtocol::Socks5 { login } => {
                login.as_ref().map(|login| [&*login.user, b":", &*login.password].concat())
            }
        }
    }

    /// Returns the address for messages, without credentials: `socks5://proxy:1080`.
    pub(crate) fn shown_address(&self) -> String {
        let host = self.uri.host().unwrap_or_default();
        self.address().replacen(host, &shown_host(host), 1)
    }

    /// Returns the address as it is given, without credentials: `socks5://proxy:1080`.
    pub(crate) fn address(&self) -> String {
        let address = self.uri.to_string();
        let address = address.trim_end_matches('/');
        match &self.protocol {
            ProxyProtocol::Http { .. } => address.to_owned(),
            ProxyProtocol::Socks5 { .. } => address.replacen("http", "socks5", 1),
        }
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        (&self.uri, &self.protocol) == (&other.uri, &other.protocol)
    }
}

impl Eq for Proxy {}

impl Hash for Proxy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.uri, &self.protocol).hash(state);
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.uri.authority().map(Authority::as_str).unwrap_or_default();
        let host = self.uri.host().unwrap_or_default();
        write!(f, "{} ({})", address.replacen(host, &shown_host(host), 1), self.origin)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// The address of a proxy: `http://host:port`, `http://user:password@host:port`, `host:port`, and the same with the
/// schemes `https`, `socks5` and `socks5h`. Empty: none.
pub(super) const PROXY: Kind<String> = Kind {
    parse: |text| parse(text).map(|_| text.to_owned()),
    check: |text| parse(text).map(drop),
    show: |text| if text.is_empty() { "none".into() } else { redacted(text) },
    quote: |text| format!("{:?}", redacted(text)),
};

settings! {
    /// The proxy of `https` targets.
    HTTPS_PROXY: String = "proxy", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"], PROXY, String::new();
    /// The proxy of `http` targets.
    HTTP_PROXY: String = "proxy", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"], PROXY, String::new();
    /// Hosts that are reached directly.
    NO_PROXY: String = "", ["NO_PROXY", "no_proxy"], TEXT, String::new();
}

/// Reads the address of a proxy. Its origin is left open.
pub(super) fn parse(text: &str) -> Result<Proxy, Reason> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = scheme.to_ascii_lowercase();
    let is_socks = match &*scheme {
        "http" => false,
        "https" if cfg!(feature = "tls") => false,
        "https" => return Err("https:// needs the feature `tls` of telemetry-bootstrap".into()),
        "socks5" | "socks5h" => true,
        _ => {
            return Err(
                "only proxies that speak HTTP or SOCKS5 can be used: http://, https:// or socks5://".into()
            );
        }
    };
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (Some(credentials), rest),
        None => (None, rest),
    };
    let address = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority: Authority = address.parse().map_err(|_| EXPECTED)?;
    let is_port = |text: &str| text.is_empty() || text.parse::<u16>().is_ok_and(|port| port > 0);
    let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    if authority.host().is_empty() || !is_port(after_host.trim_start_matches(':')) {
        return Err(EXPECTED.into());
    }
    let authority = match authority.port() {
        None if is_socks => format!("{}:{SOCKS_PORT}", authority.host()).parse().map_err(|_| EXPECTED)?,
        _ => authority,
    };
    let scheme = if scheme == "https" { Scheme::HTTPS } else { Scheme::HTTP };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
    let protocol = match is_socks {
        true => ProxyProtocol::Socks5 { login: credentials.map(login).transpose()? },
        false => ProxyProtocol::Http { authorization: credentials.map(basic).transpose()? },
    };
    Ok(Proxy { uri: uri.map_err(|_| EXPECTED)?, protocol, origin: Cow::Borrowed("") })
}

/// User and password, which are percent-encoded in an address.
fn decoded(credentials: &str) -> (Vec<u8>, Vec<u8>) {
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    (percent_decode_str(user).collect(), percent_decode_str(password).collect())
}

/// The credentials for SOCKS5.
fn login(credentials: &str) -> Result<ProxyLogin, Reason> {
    let (user, password) = decoded(credentials);
    match [&user, &password].iter().all(|text| (1..=255).contains(&text.len())) {
        true => Ok(ProxyLogin { user, password }),
        false => Err("user and password for SOCKS5 have 1 to 255 bytes".into()),
    }
}

/// `Basic` credentials.
fn basic(credentials: &str) -> Result<HeaderValue, Reason> {
    let (user, password) = decoded(credentials);
    let plain = [user, b":".to_vec(), password].concat();
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain)))
        .map_err(|_| "the credentials cannot be sent")?;
    value.set_sensitive(true);
    Ok(value)
}

/// Returns the setting that names the proxy of a target.
pub(super) fn setting_for(target: &Uri, env: &Env) -> Setting<String> {
    match target.scheme() == Some(&Scheme::HTTPS) {
        true => HTTPS_PROXY,
        // A web server passes the request's header `Proxy` to CGI programs in this variable.
        false if env.is_cgi() => Setting { variables: &HTTP_UNDER_CGI, ..HTTP_PROXY },
        false => HTTP_PROXY,
    }
}

/// Returns `true` if a target is reached without a proxy: it is on this machine, or on the list of `NO_PROXY`.
pub(super) fn is_exempt(target: &Uri, list: &str) -> bool {
    let host = target.host().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.');
    let host = host.to_ascii_lowercase();
    let port = target.port_u16().unwrap_or(if target.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    is_loopback(&host)
        || list
            .split(|c: char| c == ',' || c.is_whitespace())
            .any(|entry| !entry.is_empty() && matches(entry, &host, port))
}

/// Returns `true` for `localhost`, names below it (RFC 6761), and loopback addresses, also those of IPv4 in IPv6.
fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// An entry is `*`, a domain (with or without a dot before it), an address, or a network such as `10.0.0.0/8`; the
/// first three may have a port.
fn matches(entry: &str, host: &str, port: u16) -> bool {
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    if let Some((network, bits)) = entry.split_once('/') {
        let network = network.trim_matches(['[', ']']).parse().ok();
        return network
            .zip(bits.parse().ok())
            .zip(address)
            .is_some_and(|((network, bits), address)| is_in_network(address, network, bits));
    }
    if let (Ok(entry), Some(address)) = (entry.trim_matches(['[', ']']).parse::<IpAddr>(), address) {
        return entry.to_canonical() == address;
    }
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, wanted)) if wanted.parse::<u16>().is_ok() => (name, wanted.parse().ok()),
        _ => (entry, None),
    };
    if wanted.is_some_and(|wanted: u16| wanted != port) {
        return false;
    }
    if let (Ok(entry), Some(address)) = (name.trim_matches(['[', ']']).parse::<IpAddr>(), address) {
        return entry.to_canonical() == address;
    }
    let domain =
        name.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let is_subdomain = || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'));
    name == "*" || (!domain.is_empty() && (host == domain || is_subdomain()))
}

/// Returns `true` if the first `bits` of both are the same. Addresses of different versions never are, and no network
/// has more bits than its addresses.
fn is_in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let keep = |width: u32| width.checked_sub(bits);
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => keep(32).is_some_and(|shift| {
            let differ = address.to_bits() ^ network.to_bits();
            differ.checked_shr(shift).unwrap_or(0) == 0
        }),
        (IpAddr::V6(address), IpAddr::V6(network)) => keep(128).is_some_and(|shift| {
            let differ = address.to_bits() ^ network.to_bits();
            differ.checked_shr(shift).unwrap_or(0) == 0
        }),
        _ => false,
    }
}

/// The variables without `HTTP_PROXY`, which a CGI program must not trust (CVE-2016-5385).
const HTTP_UNDER_CGI: [&str; 3] = ["http_proxy", "ALL_PROXY", "all_proxy"];
/// The port that RFC 1928 assigns.
const SOCKS_PORT: u16 = 1080;
/// The message for a text that is no address of a proxy.
const EXPECTED: &str = "not http://host:port, https://host:port or socks5://host:port, each with user:password@ before the host if needed";
