//! The caller's address, and the scheme and host of its request, as proxies in front of a server report them.

use std::net::IpAddr;

use http::HeaderMap;
use http::uri::Authority;

/// Returns the caller's address from `Forwarded` or `X-Forwarded-For`, as the outermost trusted proxy saw it. Entries
/// that a caller put in front of it are not used.
pub(super) fn client_address(headers: &HeaderMap, trusted_proxies: usize) -> Option<IpAddr> {
    let hops = forwarded(headers, "for").or_else(|| listed(headers, "x-forwarded-for"))?;
    let hop = hops.len().checked_sub(trusted_proxies)?;
    parse_ip(hops.get(hop)?)
}

/// Returns the scheme that the outermost trusted proxy received the request with.
pub(super) fn scheme(headers: &HeaderMap, trusted_proxies: usize) -> Option<&'static str> {
    let hops = forwarded(headers, "proto").or_else(|| listed(headers, "x-forwarded-proto"))?;
    let hop = hops.get(hops.len().saturating_sub(trusted_proxies))?;
    super::attributes::known_scheme(hop)
}

/// Returns the host that the outermost trusted proxy received the request for.
pub(super) fn host(headers: &HeaderMap, trusted_proxies: usize) -> Option<Authority> {
    let hops = forwarded(headers, "host").or_else(|| listed(headers, "x-forwarded-host"))?;
    let hop = hops.get(hops.len().saturating_sub(trusted_proxies))?;
    Authority::try_from(*hop).ok()
}

/// Returns one parameter of each element of the `Forwarded` headers.
fn forwarded<'a>(headers: &'a HeaderMap, parameter: &str) -> Option<Vec<&'a str>> {
    let elements = listed(headers, "forwarded")?;
    let value = |element: &'a str| {
        element.split(';').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            key.trim().eq_ignore_ascii_case(parameter).then(|| value.trim().trim_matches('"'))
        })
    };
    let values: Vec<_> = elements.into_iter().filter_map(value).collect();
    (!values.is_empty()).then_some(values)
}

/// Returns the elements of all headers of a name, in their order.
fn listed<'a>(headers: &'a HeaderMap, name: &str) -> Option<Vec<&'a str>> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let elements: Vec<_> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    (!elements.is_empty()).then_some(elements)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn client(headers: &[(&'static str, &str)], trusted: usize) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        client_address(&headers, trusted).map(|address| address.to_string())
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
        let host = |name: &'static str, value: &str, trusted| {
            let headers = [(http::HeaderName::from_static(name), value.parse().unwrap())];
            host(&headers.into_iter().collect(), trusted).map(|host| host.to_string())
        };
        assert_eq!(host("forwarded", r#"for=a;host="h:80", for=b;host=i"#, 2).as_deref(), Some("h:80"));
        // Not all proxies set it.
        assert_eq!(host("x-forwarded-host", "h", 2).as_deref(), Some("h"));
        assert_eq!(host("x-forwarded-host", "no host", 1), None);
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
}
