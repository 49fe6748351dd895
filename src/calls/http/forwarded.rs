//! The caller's address, and the scheme and host of its request, as proxies in front of a server report them.
//!
//! There are two families of headers: `Forwarded` (RFC 7239), and `X-Forwarded-For`, `X-Forwarded-Proto` and
//! `X-Forwarded-Host`. A proxy that sets one family often passes on what a caller sent of the other. Which of them the
//! proxy sets is not known here:
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
use http::header::FORWARDED;
use http::uri::Authority;

use super::attributes::known_scheme;

/// Returns the caller's address, as the outermost trusted proxy saw it.
pub(super) fn client_address(headers: &HeaderMap, trusted_proxies: usize) -> Option<IpAddr> {
    let legacy = || {
        let hops = listed(headers, "x-forwarded-for")?;
        parse_ip(hops.get(hops.len().checked_sub(trusted_proxies)?)?)
    };
    agreed(headers, || parse_ip(forwarded(headers, "for", trusted_proxies)?), legacy)
}

/// Returns the scheme that the outermost trusted proxy received the request with.
pub(super) fn scheme(headers: &HeaderMap, trusted_proxies: usize) -> Option<&'static str> {
    let legacy = || known_scheme(overwritten(headers, "x-forwarded-proto", trusted_proxies)?);
    agreed(headers, || known_scheme(forwarded(headers, "proto", trusted_proxies)?), legacy)
}

/// Returns the host that the outermost trusted proxy received the request for.
pub(super) fn host(headers: &HeaderMap, trusted_proxies: usize) -> Option<Authority> {
    let parse = |host| Authority::try_from(host).ok();
    let legacy = || parse(overwritten(headers, "x-forwarded-host", trusted_proxies)?);
    agreed(headers, || parse(forwarded(headers, "host", trusted_proxies)?), legacy)
}

/// Returns the value of the family of headers that the request has. If it has both, they must agree.
fn agreed<T: PartialEq>(
    headers: &HeaderMap,
    forwarded: impl FnOnce() -> Option<T>,
    legacy: impl FnOnce() -> Option<T>,
) -> Option<T> {
    if !headers.contains_key(FORWARDED) {
        return legacy();
    }
    let value = forwarded();
    let is_alone = !LEGACY.iter().any(|name| headers.contains_key(*name));
    if is_alone || value == legacy() { value } else { None }
}

/// Returns a parameter of the element that the outermost trusted proxy appended to `Forwarded`.
fn forwarded<'a>(headers: &'a HeaderMap, parameter: &str, trusted_proxies: usize) -> Option<&'a str> {
    let mut elements = Vec::new();
    for line in lines(headers, FORWARDED.as_str()) {
        elements.extend(split_unquoted(line?, ',')?);
    }
    let element = elements.get(elements.len().checked_sub(trusted_proxies)?)?;
    let pairs = split_unquoted(element, ';')?.into_iter().filter(|pair| !pair.trim().is_empty());
    let pairs: Vec<_> = pairs.map(parse_pair).collect::<Option<_>>()?;
    let found = pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(parameter));
    found.map(|(_, value)| value)
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
fn overwritten<'a>(headers: &'a HeaderMap, name: &str, trusted_proxies: usize) -> Option<&'a str> {
    let hops = listed(headers, name)?;
    hops.get(hops.len().saturating_sub(trusted_proxies)).copied()
}

/// Returns the elements of all headers of a name, in their order.
fn listed<'a>(headers: &'a HeaderMap, name: &str) -> Option<Vec<&'a str>> {
    let lines: Vec<_> = lines(headers, name).collect::<Option<_>>()?;
    Some(lines.into_iter().flat_map(|line| line.split(',')).map(str::trim).collect())
}

/// Returns all headers of a name, with `None` for one that is not text.
fn lines<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = Option<&'a str>> {
    headers.get_all(name).iter().map(|value| value.to_str().ok())
}

/// Parses `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80` and `2001:db8::1`.
fn parse_ip(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let text = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => text.rsplit_once(':')?.0,
    };
    text.parse().ok()
}

/// The headers that are older than `Forwarded`.
const LEGACY: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
        let value = |value: &str| http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.iter().map(|(name, text)| (http::HeaderName::from_static(name), value(text))).collect()
    }

    fn client(list: &[(&'static str, &str)], trusted: usize) -> Option<String> {
        client_address(&headers(list), trusted).map(|address| address.to_string())
    }

    fn host_of(list: &[(&'static str, &str)], trusted: usize) -> Option<String> {
        host(&headers(list), trusted).map(|host| host.to_string())
    }

    #[test]
    fn entry_of_the_outermost_trusted_proxy_is_used() {
        let list = [("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.0.0.1")];
        assert_eq!(client(&list, 1).as_deref(), Some("10.0.0.1"));
        assert_eq!(client(&list, 2).as_deref(), Some("192.0.2.1"));
        assert_eq!(client(&list, 4), None);
        assert_eq!(client(&[("x-forwarded-for", "not an address")], 1), None);
    }

    #[test]
    fn hosts_are_read_with_their_port() {
        let forwarded = [("forwarded", r#"for=a;host="h:80", for=b;host=i"#)];
        assert_eq!(host_of(&forwarded, 2).as_deref(), Some("h:80"));
        // Not all proxies set it.
        assert_eq!(host_of(&[("x-forwarded-host", "h")], 2).as_deref(), Some("h"));
        assert_eq!(host_of(&[("x-forwarded-host", "no host")], 1), None);
    }

    #[test]
    fn all_forms_of_addresses_are_read() {
        assert_eq!(
            client(&[("forwarded", r#"for="[2001:db8::1]:80";proto=https"#)], 1).as_deref(),
            Some("2001:db8::1")
        );
        assert_eq!(client(&[("forwarded", "For=192.0.2.1:80")], 1).as_deref(), Some("192.0.2.1"));
        assert_eq!(client(&[("x-forwarded-for", "2001:db8::2")], 1).as_deref(), Some("2001:db8::2"));
    }

    #[test]
    fn obfuscated_identifiers_are_no_address() {
        for identifier in ["unknown", "_hidden", "_SEVKISEK", r#""_gazonk:80""#] {
            assert_eq!(client(&[("forwarded", &format!("for=6.6.6.6, for={identifier}"))], 1), None);
        }
        let port = [("forwarded", r#"for="192.0.2.1:_port""#)];
        assert_eq!(client(&port, 1).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn element_without_the_parameter_counts_as_a_hop() {
        let list = [("forwarded", "host=evil;proto=http;for=6.6.6.6, for=1.2.3.4;proto=https")];
        assert_eq!(host_of(&list, 1), None);
        assert_eq!(scheme(&headers(&list), 1), Some("https"));
        assert_eq!(client(&list, 1).as_deref(), Some("1.2.3.4"));
        let list = [("forwarded", "for=6.6.6.6;host=evil"), ("forwarded", "for=1.2.3.4, for=10.0.0.1")];
        assert_eq!((host_of(&list, 1), host_of(&list, 2)), (None, None));
        assert_eq!(client(&list, 2).as_deref(), Some("1.2.3.4"));
    }

    #[test]
    fn more_trusted_proxies_than_elements_use_none() {
        let list = [("forwarded", "for=1.2.3.4;host=h;proto=https")];
        assert_eq!((client(&list, 2), host_of(&list, 2), scheme(&headers(&list), 2)), (None, None, None));
        assert_eq!(scheme(&headers(&[("x-forwarded-proto", "https")]), 2), Some("https"));
    }

    #[test]
    fn disagreeing_families_of_headers_are_not_used() {
        let legacy = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")];
        let with = |forwarded: &'static str| [&legacy[..], &[("forwarded", forwarded)]].concat();
        let forged = with("for=6.6.6.6;host=evil;proto=http");
        assert_eq!(
            (client(&forged, 1), host_of(&forged, 1), scheme(&headers(&forged), 1)),
            (None, None, None)
        );
        let agreed = with("for=6.6.6.6, for=\"1.2.3.4:80\";proto=HTTPS");
        assert_eq!(client(&agreed, 1).as_deref(), Some("1.2.3.4"));
        assert_eq!(scheme(&headers(&agreed), 1), Some("https"));
        // The other way round: the proxy sets `Forwarded` without a host.
        let forged = [("x-forwarded-host", "evil"), ("forwarded", "for=1.2.3.4;proto=https")];
        assert_eq!(host_of(&forged, 1), None);
    }

    #[test]
    fn separators_in_quoted_strings_do_not_separate() {
        let list = [("forwarded", r#"for=1.2.3.4;x="a, b;host=evil\", c";host=h, by="_a,b";for="[::1]""#)];
        assert_eq!((host_of(&list, 1), client(&list, 1).as_deref()), (None, Some("::1")));
        let list = [("forwarded", r#"host="evil,h";for=6.6.6.6, x="a,b;host=evil";for=1.2.3.4;host=h"#)];
        assert_eq!((host_of(&list, 1).as_deref(), client(&list, 1).as_deref()), (Some("h"), Some("1.2.3.4")));
    }

    /// The caller's part opens a quoted string, which would hide what the proxy appends.
    #[test]
    fn malformed_elements_are_not_used() {
        for forged in [
            r#"host=evil;for=", for=1.2.3.4;host=h"#,
            r#"host=evil;for=", for="[2001:db8::1]";host="h:80""#,
            r#"host=evil;for="\, for="[2001:db8::1]";host="h:80""#,
            r#"host=evil;for=", for=1.2.3.4;host="a\"b""#,
            r#"host=evil;for"#,
            "host=evil, \u{e4}",
        ] {
            assert_eq!(host_of(&[("forwarded", forged)], 1), None, "{forged}");
        }
    }

    /// A line that was left out would move the index to what a caller sent in another line.
    #[test]
    fn lines_that_are_not_text_are_not_left_out() {
        let list = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "\u{e4}, 1.2.3.4")];
        assert_eq!(client(&list, 1), None);
        let list = [("forwarded", "for=6.6.6.6"), ("forwarded", "for=\u{e4}, for=1.2.3.4")];
        assert_eq!(client(&list, 1), None);
    }

    #[test]
    fn lines_of_a_header_are_one_list() {
        let list = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4, 10.0.0.1")];
        assert_eq!(client(&list, 2).as_deref(), Some("1.2.3.4"));
        let list = [("forwarded", "for=6.6.6.6, for=1.2.3.4"), ("forwarded", "for=10.0.0.1;host=h")];
        assert_eq!((client(&list, 2).as_deref(), host_of(&list, 1).as_deref()), (Some("1.2.3.4"), Some("h")));
    }
}
