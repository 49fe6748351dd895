use super::*;

fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
    let value = |value: &str| http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
    headers.iter().map(|(name, text)| (http::HeaderName::from_static(name), value(text))).collect()
}

/// Proxies that set all headers.
fn trusted(count: usize) -> TrustedProxies {
    TrustedProxies { count, headers: [&LEGACY[..], &[ForwardedHeader::Forwarded]].concat() }
}

fn client(list: &[(&'static str, &str)], count: usize) -> Option<String> {
    trusted(count).client_address(&headers(list)).map(|address| address.to_string())
}

fn host_of(list: &[(&'static str, &str)], count: usize) -> Option<String> {
    trusted(count).host(&headers(list)).map(|host| host.to_string())
}

fn scheme_of(list: &[(&'static str, &str)], count: usize) -> Option<&'static str> {
    trusted(count).scheme(&headers(list))
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
    assert_eq!(scheme_of(&list, 1), Some("https"));
    assert_eq!(client(&list, 1).as_deref(), Some("1.2.3.4"));
    let list = [("forwarded", "for=6.6.6.6;host=evil"), ("forwarded", "for=1.2.3.4, for=10.0.0.1")];
    assert_eq!((host_of(&list, 1), host_of(&list, 2)), (None, None));
    assert_eq!(client(&list, 2).as_deref(), Some("1.2.3.4"));
}

#[test]
fn more_trusted_proxies_than_elements_use_none() {
    let list = [("forwarded", "for=1.2.3.4;host=h;proto=https")];
    assert_eq!((client(&list, 2), host_of(&list, 2), scheme_of(&list, 2)), (None, None, None));
    assert_eq!(scheme_of(&[("x-forwarded-proto", "https")], 2), Some("https"));
}

#[test]
fn disagreeing_families_of_headers_are_not_used() {
    let legacy = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")];
    let with = |forwarded: &'static str| [&legacy[..], &[("forwarded", forwarded)]].concat();
    let forged = with("for=6.6.6.6;host=evil;proto=http");
    assert_eq!((client(&forged, 1), host_of(&forged, 1), scheme_of(&forged, 1)), (None, None, None));
    let agreed = with("for=6.6.6.6, for=\"1.2.3.4:80\";proto=HTTPS");
    assert_eq!(client(&agreed, 1).as_deref(), Some("1.2.3.4"));
    assert_eq!(scheme_of(&agreed, 1), Some("https"));
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
fn non_text_header_values_still_count_as_hops() {
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

/// The way in which a proxy changes a header that it sets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proxies {
    /// Each appends an element.
    Append,
    /// Each replaces what is there.
    Replace,
    /// The outermost replaces what is there, and the others append to it.
    ReplaceFirst,
}

/// Returns the headers behind `count` proxies that set some of them, of a request that came with forged ones. The
/// outermost proxy received a request from 192.0.2.1 by `https` for `shop.example`.
fn behind(count: usize, sets: &[ForwardedHeader], proxies: Proxies, forged: &[&str; 4]) -> HeaderMap {
    let all = [&[ForwardedHeader::Forwarded][..], &LEGACY].concat();
    let value = |header, hop: usize| match (header, hop) {
        (ForwardedHeader::Forwarded, 0) => "for=192.0.2.1;proto=https;host=shop.example".to_owned(),
        (ForwardedHeader::XForwardedFor, 0) => "192.0.2.1".to_owned(),
        (ForwardedHeader::XForwardedProto, 0) => "https".to_owned(),
        (ForwardedHeader::XForwardedHost, 0) => "shop.example".to_owned(),
        (ForwardedHeader::Forwarded, _) => format!("for=10.0.0.{hop};proto=http;host=inner"),
        (ForwardedHeader::XForwardedFor, _) => format!("10.0.0.{hop}"),
        (ForwardedHeader::XForwardedProto, _) => "http".to_owned(),
        (ForwardedHeader::XForwardedHost, _) => "inner".to_owned(),
    };
    let mut headers = HeaderMap::new();
    for (header, forged) in all.into_iter().zip(forged).filter(|(_, forged)| !forged.is_empty()) {
        headers.append(header.name(), forged.parse().unwrap());
    }
    for hop in 0..count {
        for header in sets {
            // Addresses are always appended, or there would be one hop only.
            let appends = matches!(header, ForwardedHeader::Forwarded | ForwardedHeader::XForwardedFor);
            let replaces = match proxies {
                Proxies::Append => false,
                Proxies::Replace => !appends,
                Proxies::ReplaceFirst => hop == 0,
            };
            if replaces {
                headers.remove(header.name());
            }
            // Proxies that replace pass on what the one before them reports.
            let passes_on = proxies == Proxies::Replace && !appends;
            headers.append(header.name(), value(*header, if passes_on { 0 } else { hop }).parse().unwrap());
        }
    }
    headers
}

#[test]
fn forged_values_are_not_used_behind_any_number_of_proxies() {
    use ForwardedHeader::*;
    let forged = [
        ["for=6.6.6.6;proto=http;host=evil", "6.6.6.6", "http", "evil"],
        ["", "6.6.6.6, 7.7.7.7, 8.8.8.8, 9.9.9.9", "http, http, http, http", "evil, evil, evil, evil"],
        ["host=evil, host=evil, host=evil;for=\"", "", "", "evil"],
        ["for=6.6.6.6;proto=http, for=6.6.6.6;host=evil", "", "http", ""],
        ["", "", "", ""],
    ];
    let default = TrustedProxies::default().headers;
    let lists = [
        // The headers that the proxies set, and those that are listed.
        (vec![XForwardedFor], vec![XForwardedFor]),
        (vec![XForwardedFor, XForwardedProto], vec![XForwardedFor, XForwardedProto]),
        (vec![XForwardedFor, XForwardedProto], default.clone()),
        (vec![Forwarded], vec![Forwarded]),
        (vec![Forwarded], default.clone()),
        (vec![XForwardedFor, XForwardedProto, XForwardedHost], default.clone()),
        (LEGACY.to_vec(), LEGACY.to_vec()),
        ([&LEGACY[..], &[Forwarded]].concat(), default),
        ([&LEGACY[..], &[Forwarded]].concat(), [&LEGACY[..], &[Forwarded]].concat()),
    ];
    for count in 1..=3 {
        for (sets, listed) in &lists {
            for (proxies, forged) in [Proxies::Append, Proxies::Replace, Proxies::ReplaceFirst]
                .into_iter()
                .flat_map(|proxies| forged.iter().map(move |forged| (proxies, forged)))
            {
                let headers = behind(count, sets, proxies, forged);
                let trusted = TrustedProxies { count, headers: listed.clone() };
                let address = trusted.client_address(&headers).map(|address| address.to_string());
                let scheme = trusted.scheme(&headers);
                let host = trusted.host(&headers).map(|host| host.to_string());
                let context = format!("{count} {sets:?} {listed:?} {headers:?}");
                assert!(matches!(address.as_deref(), None | Some("192.0.2.1")), "{address:?} {context}");
                assert!(matches!(scheme, None | Some("https")), "{scheme:?} {context}");
                assert!(matches!(host.as_deref(), None | Some("shop.example")), "{host:?} {context}");
                // Nothing that a caller sends hides what is reported, if exactly that is listed, of one family.
                if sets == listed
                    && (sets.len() == 1 || !sets.contains(&Forwarded))
                    && !forged[0].ends_with('"')
                {
                    assert!(address.is_some(), "{context}");
                    let reports = |header| sets.contains(&Forwarded) || sets.contains(&header);
                    assert_eq!(
                        (scheme.is_some(), host.is_some()),
                        (reports(XForwardedProto), reports(XForwardedHost)),
                        "{context}"
                    );
                }
            }
        }
    }
}

#[test]
fn headers_that_are_not_listed_are_not_read() {
    let values = |count, listed: &[ForwardedHeader]| {
        let list = [
            ("forwarded", "for=1.1.1.1;proto=https;host=a"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "b"),
        ];
        let (headers, trusted) = (headers(&list), TrustedProxies { count, headers: listed.to_vec() });
        (
            trusted.client_address(&headers).map(|address| address.to_string()),
            trusted.scheme(&headers),
            trusted.host(&headers).map(|host| host.to_string()),
        )
    };
    let all = [&LEGACY[..], &[ForwardedHeader::Forwarded]].concat();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(values(0, &all), (None, None, None));
    assert_eq!(values(1, &[]), (None, None, None));
    assert_eq!(values(1, &all), (None, Some("https"), None));
    assert_eq!(values(1, &[ForwardedHeader::Forwarded]), (text("1.1.1.1"), Some("https"), text("a")));
    assert_eq!(values(1, &[ForwardedHeader::XForwardedFor]), (text("2.2.2.2"), None, None));
    assert_eq!(values(1, &[ForwardedHeader::XForwardedProto]), (None, Some("https"), None));
    assert_eq!(values(1, &[ForwardedHeader::XForwardedHost]), (None, None, text("b")));
    // Many proxies pass `X-Forwarded-Host` on.
    let legacy =
        headers(&[("x-forwarded-for", "2.2.2.2"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "b")]);
    let default = TrustedProxies { count: 1, ..TrustedProxies::default() };
    assert_eq!(default.client_address(&legacy).unwrap().to_string(), "2.2.2.2");
    assert_eq!((default.scheme(&legacy), default.host(&legacy)), (Some("https"), None));
}
