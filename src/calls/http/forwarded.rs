//! The caller's address, and the scheme and host of its request, as proxies in front of a server report them.
//!
//! There are two families of headers: `Forwarded` (RFC 7239), and `X-Forwarded-For`, `X-Forwarded-Proto` and
//! `X-Forwarded-Host`. A proxy forwards the headers that it does not set itself, so a caller can forge them. The
//! program must therefore list the headers that its proxies set; all others are ignored. For the listed headers:
//!
//! | the request has | a value is |
//! |---|---|
//! | one family | what the outermost trusted proxy reports |
//! | both, with the same value at that proxy | that value |
//! | both, with different values, or with the value in one of them only | unknown |
//!
//! Each proxy appends an element to a list, so the elements are counted from the end, and what a caller puts in front of
//! them does not matter. Whatever would move the count, such as a quoted string that does not end, makes the list unusable.

use std::net::IpAddr;

use http::HeaderMap;
use http::uri::Authority;

use super::attributes::known_scheme;

/// A header in which a proxy reports what it received: for
/// [`ServerLayer::forwarded_headers`](super::ServerLayer::forwarded_headers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239#section-4)): address, scheme and host, each if the
    /// proxy writes it.
    Forwarded,
    /// `X-Forwarded-For`: the address of the caller.
    XForwardedFor,
    /// `X-Forwarded-Proto`: the scheme of the caller's request.
    XForwardedProto,
    /// `X-Forwarded-Host`: the host of the caller's request. Not used unless it is listed: many proxies pass it on.
    XForwardedHost,
}

impl ForwardedHeader {
    /// The name, in lower case.
    fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::XForwardedFor => "x-forwarded-for",
            Self::XForwardedProto => "x-forwarded-proto",
            Self::XForwardedHost => "x-forwarded-host",
        }
    }
}

/// The proxies in front of a server that are trusted.
#[derive(Clone, Debug)]
pub(super) struct TrustedProxies {
    /// Their number. If it is 0, no header is read.
    pub(super) count: usize,
    /// The headers that they set. All others may come from the caller.
    pub(super) headers: Vec<ForwardedHeader>,
}

impl Default for TrustedProxies {
    fn default() -> Self {
        let headers =
            [ForwardedHeader::Forwarded, ForwardedHeader::XForwardedFor, ForwardedHeader::XForwardedProto];
        Self { count: 0, headers: headers.into() }
    }
}

impl TrustedProxies {
    /// Returns the caller's address, as the outermost trusted proxy saw it.
    pub(super) fn client_address(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let legacy = || {
            let hops = listed(headers, ForwardedHeader::XForwardedFor);
            parse_ip(outermost(&hops?, self.count)?)
        };
        self.agreed(
            headers,
            || parse_ip(forwarded(headers, "for", self.count)?),
            (ForwardedHeader::XForwardedFor, legacy),
        )
    }

    /// Returns the scheme that the outermost trusted proxy received the request with.
    pub(super) fn scheme(&self, headers: &HeaderMap) -> Option<&'static str> {
        let header = ForwardedHeader::XForwardedProto;
        let legacy = || known_scheme(overwritten(headers, header, self.count)?);
        self.agreed(headers, || known_scheme(forwarded(headers, "proto", self.count)?), (header, legacy))
    }

    /// Returns the host that the outermost trusted proxy received the request for.
    pub(super) fn host(&self, headers: &HeaderMap) -> Option<Authority> {
        let header = ForwardedHeader::XForwardedHost;
        let parse = |host| Authority::try_from(host).ok();
        let legacy = || parse(overwritten(headers, header, self.count)?);
        self.agreed(headers, || parse(forwarded(headers, "host", self.count)?), (header, legacy))
    }

    /// Returns the value of the family of headers that the request has. If it has both, they must agree.
    fn agreed<T: PartialEq>(
        &self,
        headers: &HeaderMap,
        forwarded: impl FnOnce() -> Option<T>,
        (header, legacy): (ForwardedHeader, impl FnOnce() -> Option<T>),
    ) -> Option<T> {
        if self.count == 0 {
            return None;
        }
        let legacy = || legacy().filter(|_| self.headers.contains(&header));
        if !self.is_in(headers, ForwardedHeader::Forwarded) {
            return legacy();
        }
        let value = forwarded();
        let is_alone = !LEGACY.into_iter().any(|header| self.is_in(headers, header));
        if is_alone || value == legacy() { value } else { None }
    }

    /// Returns `true` if the proxies set the header, and the request has it.
    fn is_in(&self, headers: &HeaderMap, header: ForwardedHeader) -> bool {
        self.headers.contains(&header) && headers.contains_key(header.name())
    }
}

/// Returns a parameter of the element that the outermost trusted proxy appended to `Forwarded`.
fn forwarded<'a>(headers: &'a HeaderMap, parameter: &str, trusted_proxies: usize) -> Option<&'a str> {
    let mut elements = Vec::new();
    for line in lines(headers, ForwardedHeader::Forwarded) {
        elements.extend(split_unquoted(line?, ',')?);
    }
    let element = outermost(&elements, trusted_proxies)?;
    let pairs = split_unquoted(element, ';')?.into_iter().filter(|pair| !pair.trim().is_empty());
    let pairs: Vec<_> = pairs.map(parse_pair).collect::<Option<_>>()?;
    let mut found = pairs.into_iter().filter(|(key, _)| key.eq_ignore_ascii_case(parameter));
    // A parameter occurs once: one of two may come from the caller, through a proxy that copies text without quotes.
    let value = found.next().map(|(_, value)| value);
    value.filter(|_| found.next().is_none())
}

/// Parses `key=value` and `key="value"`. Quotes inside of a value are refused: they may belong to a string that a caller
/// opened. Other escaped characters stay as they are, because no valid address, scheme or host has them.
fn parse_pair(pair: &str) -> Option<(&str, &str)> {
    let (key, value) = pair.split_once('=')?;
    let value = value.trim();
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let value = unquoted.unwrap_or(value);
    (!value.contains('"')).then_some((key.trim(), value))
}

/// Splits a text at a separator outside of quoted strings. Returns `None` if a quoted string does not end.
fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_separator = |char| {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        char == separator && !is_quoted
    };
    let parts = text.split(is_separator).collect();
    (!is_quoted).then_some(parts)
}

/// Returns the element of the outermost trusted proxy, or the first one if there are fewer: many proxies overwrite these
/// headers instead of appending to them.
fn overwritten(headers: &HeaderMap, header: ForwardedHeader, trusted_proxies: usize) -> Option<&str> {
    let hops = listed(headers, header)?;
    hops.get(hops.len().saturating_sub(trusted_proxies)).copied()
}

/// Returns the element that the outermost trusted proxy appended, or `None` if there are fewer.
fn outermost<'a>(elements: &[&'a str], trusted_proxies: usize) -> Option<&'a str> {
    elements.get(elements.len().checked_sub(trusted_proxies)?).copied()
}

/// Returns the elements of all headers of a name, in their order.
fn listed(headers: &HeaderMap, header: ForwardedHeader) -> Option<Vec<&str>> {
    let lines: Vec<_> = lines(headers, header).collect::<Option<_>>()?;
    Some(lines.into_iter().flat_map(|line| line.split(',')).map(str::trim).collect())
}

/// Returns all headers of a name, with `None` for one that is not text.
fn lines(headers: &HeaderMap, header: ForwardedHeader) -> impl Iterator<Item = Option<&str>> {
    headers.get_all(header.name()).iter().map(|value| value.to_str().ok())
}

/// Parses `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80` and `2001:db8::1`.
fn parse_ip(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => text.split_at(text.rfind(':')?),
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    address.parse().ok().filter(|_| is_port)
}

/// Returns `true` for the number of a port, and for one that is hidden (`_a1`, RFC 7239, 6.2).
fn is_port(text: &str) -> bool {
    let is_hidden = |rest: &str| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    text.parse::<u16>().is_ok_and(|_| !text.starts_with('+')) || text.strip_prefix('_').is_some_and(is_hidden)
}

/// The headers that are older than `Forwarded`.
const LEGACY: [ForwardedHeader; 3] =
    [ForwardedHeader::XForwardedFor, ForwardedHeader::XForwardedProto, ForwardedHeader::XForwardedHost];

#[cfg(test)]
mod tests;
