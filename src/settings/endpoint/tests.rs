use proptest::prelude::*;

use super::*;

fn uri(text: &str) -> String {
    parse(text, Scheme::HTTP).unwrap_or_else(|reason| panic!("{text}: {reason}")).uri.to_string()
}

fn reason(text: &str) -> String {
    parse(text, Scheme::HTTP).expect_err(text).into_owned()
}

#[test]
fn every_form_is_understood() {
    let cases = [
        ("http://collector:4317", "http://collector:4317/"),
        ("HTTP://collector:4317", "http://collector:4317/"),
        ("http://collector", "http://collector/"),
        ("http://collector:4317/", "http://collector:4317/"),
        ("http://collector:4317/v1/traces", "http://collector:4317/"),
        ("collector:4317", "http://collector:4317/"),
        ("collector:4317/", "http://collector:4317/"),
        ("collector", "http://collector:4317/"),
        ("10.0.0.7:9000", "http://10.0.0.7:9000/"),
        ("127.1:4317", "http://127.1:4317/"),
        ("collector.:4317", "http://collector.:4317/"),
        ("otel_collector-1:4317", "http://otel_collector-1:4317/"),
        ("[::1]:4317", "http://[::1]:4317/"),
        ("[2001:db8::7]", "http://[2001:db8::7]:4317/"),
        ("http://[::1]:4317", "http://[::1]:4317/"),
        (
            "otel-collector.observability.svc.cluster.local:4317",
            "http://otel-collector.observability.svc.cluster.local:4317/",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(uri(text), expected, "{text}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn https_endpoints_use_tls() {
    assert_eq!(uri("https://collector:4317"), "https://collector:4317/");
    assert_eq!(uri("HTTPS://[::1]"), "https://[::1]/");
    assert_eq!(reason("https://127.1:4317"), "the host is not an IPv4 address of four numbers");
    assert_eq!(reason("https://col..lector:4317"), "the host is neither a name nor an address");
}

#[cfg(feature = "tls")]
#[test]
fn endpoint_without_scheme_uses_the_given_one() {
    let endpoint = parse("collector:4317", Scheme::HTTPS).unwrap();
    assert_eq!(endpoint.uri.to_string(), "https://collector:4317/");
    assert!(!endpoint.has_scheme);
    let endpoint = parse("http://collector:4317", Scheme::HTTPS).unwrap();
    assert_eq!(endpoint.uri.to_string(), "http://collector:4317/");
    assert!(endpoint.has_scheme);
}

#[cfg(not(feature = "tls"))]
#[test]
fn https_names_the_feature_that_is_missing() {
    assert!(reason("https://collector:4317").contains("feature `tls`"));
}

#[test]
fn path_without_meaning_is_reported() {
    let ignored = |text| parse(text, Scheme::HTTP).unwrap().ignored_path();
    assert_eq!(ignored("http://collector:4317/tenant/7"), Some("/[redacted]".into()));
    assert_eq!(ignored("collector:4317/api?key=secret"), Some("/[redacted]".into()));
    for harmless in ["http://c:1", "http://c:1/", "http://c:1/v1/metrics", "http://c:1/v1/logs/"] {
        assert_eq!(ignored(harmless), None, "{harmless}");
    }
}

#[test]
fn error_names_what_is_wrong() {
    let cases = [
        ("", "the host is missing"),
        ("http://", "the host is missing"),
        (":4317", "the host is missing"),
        ("http://:4317", "the host is missing"),
        ("ftp://collector:4317", "the scheme is neither http nor https"),
        ("grpc://collector:4317", "the scheme is neither http nor https"),
        ("://collector", "the scheme is neither http nor https"),
        ("collector:", "the port is not a number from 1 to 65535"),
        ("collector:0", "the port is not a number from 1 to 65535"),
        ("collector:65536", "the port is not a number from 1 to 65535"),
        ("collector:port", "the port is not a number from 1 to 65535"),
        ("::1", "an IPv6 address must stand in brackets"),
        ("fe80::1:4317", "an IPv6 address must stand in brackets"),
        ("[::1", "the bracket is not closed"),
        ("[::g]:4317", "not an IPv6 address in the brackets"),
        ("[::1]4317", "not host:port, http://host:port, https://host:port or unix:/path"),
        ("two words:4317", "the host is neither a name nor an address"),
        ("$(HOST_IP):4317", "the host is neither a name nor an address"),
        ("http://${HOST_IP}:4317", "the host is neither a name nor an address"),
        ("http://{{ .Values.host }}:4317", "the host is neither a name nor an address"),
        ("http://%HOST%:4317", "the host is neither a name nor an address"),
        ("http://col..lector:4317", "the host is neither a name nor an address"),
        ("http://.collector:4317", "the host is neither a name nor an address"),
        ("http://collector,other:4317", "the host is neither a name nor an address"),
        ("http://kollektör:4317", "the host is neither a name nor an address"),
        ("http://\"collector\":4317", "the host is neither a name nor an address"),
        (
            "http://user:secret@collector:4317",
            "credentials do not belong in the address: send them as a header",
        ),
        ("token@collector:4317", "credentials do not belong in the address: send them as a header"),
    ];
    for (text, expected) in cases {
        assert_eq!(reason(text), expected, "{text}");
    }
}

#[test]
fn credentials_paths_and_queries_are_not_shown() {
    let cases = [
        ("http://collector:4317/path", "http://collector:4317/[redacted]"),
        ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ("http://user:secret@collector:4317", "http://[redacted]@collector:4317"),
        ("http://user:sec/ret@collector:4317", "http://[redacted]@collector:4317"),
        ("http://user:sec@ret@collector:4317", "http://[redacted]@collector:4317"),
        ("user:secret@collector", "[redacted]@collector"),
        ("user:secret://@collector", "[redacted]@collector"),
        ("http://collector?token=secret", "http://collector?[redacted]"),
        ("collector:1#secret", "collector:1?[redacted]"),
        ("http://collector?token=a@b", "http://[redacted]@b"),
        ("unix:/run/secrets/otel-20261127.sock", "unix:/run/secrets/otel-20261127.sock"),
        ("unix:ghp_abcdefgh", "unix:[redacted]"),
    ];
    for (text, expected) in cases {
        assert_eq!(redacted(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn parsing_any_endpoint_does_not_panic(text in "\\PC{0,60}") {
        let _ = parse(&text, Scheme::HTTP);
    }

    #[test]
    fn no_endpoint_carries_credentials(text in "(http://)?[a-z:@/\\[\\]0-9.?#]{0,40}") {
        if let Ok(endpoint) = parse(&text, Scheme::HTTP) {
            prop_assert!(!endpoint.uri.to_string().contains('@'));
            prop_assert_eq!(endpoint.uri.path_and_query().map(|path| path.as_str()), Some("/"));
        }
    }

    #[test]
    fn a_password_is_never_shown(
        scheme in prop::sample::select(vec!["http://", "https://", ""]),
        password in "[!-~]{0,10}S3CRET[!-~]{0,10}",
    ) {
        let text = format!("{scheme}user:{password}@collector:4317");
        prop_assert!(!redacted(&text).contains("S3CRET"), "{}", redacted(&text));
        if let Err(reason) = parse(&text, Scheme::HTTP) {
            prop_assert!(!reason.contains("S3CRET"), "{}", reason);
        }
    }
}
