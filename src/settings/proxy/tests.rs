use super::*;

fn authorization(text: &str) -> Option<String> {
    let proxy = parse(text).unwrap();
    let value = proxy.authorization()?;
    assert!(value.is_sensitive());
    Some(value.to_str().unwrap().to_owned())
}

#[test]
fn proxies_are_equal_wherever_they_were_named() {
    let named = |origin: &'static str| Proxy { origin: origin.into(), ..parse("proxy:3128").unwrap() };
    assert_eq!(named("HTTP_PROXY"), named(".proxy()"));
    assert_ne!(named("HTTP_PROXY"), Proxy { origin: "HTTP_PROXY".into(), ..parse("proxy:3129").unwrap() });
}

#[test]
fn addresses_of_proxies_are_read_with_and_without_scheme_and_credentials() {
    for (text, uri) in [
        ("http://proxy:3128", "http://proxy:3128/"),
        ("HTTP://proxy:3128/", "http://proxy:3128/"),
        ("proxy:3128", "http://proxy:3128/"),
        ("proxy", "http://proxy/"),
        ("http://user:p%40ss@proxy:3128", "http://proxy:3128/"),
        ("http://us@er:p@proxy:3128", "http://proxy:3128/"),
        ("http://[::1]:3128", "http://[::1]:3128/"),
    ] {
        assert_eq!(parse(text).unwrap().uri, uri, "{text}");
    }
    assert_eq!(
        authorization("http://user:p%40ss@proxy:1"),
        Some(format!("Basic {}", STANDARD.encode("user:p@ss")))
    );
    assert_eq!(authorization("http://user@proxy:1"), Some(format!("Basic {}", STANDARD.encode("user:"))));
    assert_eq!(authorization("http://proxy:1"), None);
}

#[test]
#[cfg(feature = "tls")]
fn scheme_selects_the_protocol_of_the_proxy() {
    for (text, uri, is_socks) in [
        ("https://proxy:3128", "https://proxy:3128/", false),
        ("https://proxy", "https://proxy/", false),
        ("socks5://proxy:1081", "http://proxy:1081/", true),
        ("SOCKS5H://proxy", "http://proxy:1080/", true),
        ("socks5://[::1]", "http://[::1]:1080/", true),
    ] {
        let proxy = parse(text).unwrap();
        let socks = matches!(proxy.protocol, ProxyProtocol::Socks5 { login: None });
        assert_eq!((proxy.uri.to_string().as_str(), socks), (uri, is_socks), "{text}");
    }
    let ProxyProtocol::Socks5 { login } = parse("socks5://us%3Aer:p%40ss@proxy").unwrap().protocol else {
        panic!("SOCKS5")
    };
    assert!(login == Some(ProxyLogin { user: b"us:er".to_vec(), password: b"p@ss".to_vec() }));
}

#[test]
fn a_proxy_that_cannot_be_used_is_refused_without_its_password() {
    for text in [
        "ftp://user:hunter2@proxy:3128",
        "socks4://user:hunter2@proxy:1080",
        "socks5://:hunter2@proxy:1080",
        "http://user:hunter2@",
        "http://user:hunter2@proxy:0",
        "http://user:hunter2@proxy:99999",
        "http://user:hunter2@pro xy",
    ] {
        let reason = PROXY.read(text).unwrap_err();
        assert!(!reason.contains("hunter2"), "{reason}");
        assert!(!(PROXY.quote)(text).contains("hunter2"));
    }
    for text in ["proxy:0", "http://proxy:0", "socks5://proxy:0", "ftp://proxy", "socks4://proxy"] {
        let reason = PROXY.read(text).unwrap_err();
        for form in ["http://", "https://", "socks5://"] {
            assert!(reason.contains(form), "{text}: {reason}");
        }
    }
    let proxy = parse("http://user:hunter2@proxy:3128").unwrap();
    assert!(!format!("{proxy:?} {proxy}").contains("hunter2"), "{proxy:?}");
}

fn is_exempt_by(list: &str, target: &str) -> bool {
    is_exempt(&target.parse().unwrap(), list)
}

#[test]
fn no_proxy_lists_domains_addresses_and_networks() {
    for (list, target, expected) in [
        ("example.com", "http://example.com:4317/", true),
        ("example.com", "http://otel.example.com:4317/", true),
        ("example.com", "http://notexample.com:4317/", false),
        (".example.com", "http://otel.example.com/", true),
        (".example.com", "http://example.com/", true),
        ("*.example.com", "http://otel.example.com/", true),
        ("EXAMPLE.com", "http://Otel.Example.COM./", true),
        ("a, b ,example.com", "http://example.com/", true),
        ("a b example.com", "http://example.com/", true),
        ("*", "https://anything/", true),
        ("", "https://anything/", false),
        (",", "https://anything/", false),
        (".", "https://anything/", false),
        ("example.com:4317", "http://example.com:4317/", true),
        ("example.com:4318", "http://example.com:4317/", false),
        ("example.com:443", "https://example.com/", true),
        ("10.0.0.0/8", "http://10.1.2.3:4317/", true),
        ("10.0.0.0/8", "http://11.1.2.3:4317/", false),
        ("10.1.2.3", "http://10.1.2.3:4317/", true),
        ("10.1.2.3:4317", "http://10.1.2.3:4317/", true),
        ("10.1.2.3:4318", "http://10.1.2.3:4317/", false),
        ("0.0.0.0/0", "http://10.1.2.3/", true),
        ("10.0.0.0/33", "http://10.1.2.3/", false),
        ("10.0.0.0/x", "http://10.1.2.3/", false),
        ("fd00::/8", "http://[fd12::1]:4317/", true),
        ("fd00::/8", "http://[fe80::1]:4317/", false),
        ("fd12::1", "http://[fd12::1]:4317/", true),
        ("[fd12::1]:4317", "http://[fd12::1]:4317/", true),
        ("::/0", "http://10.1.2.3/", false),
    ] {
        assert_eq!(is_exempt_by(list, target), expected, "{list} {target}");
    }
}

#[test]
fn targets_on_this_machine_are_reached_without_a_proxy() {
    for target in [
        "http://localhost:4317/",
        "http://LOCALHOST./",
        "http://collector.localhost/",
        "http://127.0.0.1:4317/",
        "http://127.8.9.1/",
        "http://[::1]:4317/",
        "http://[::ffff:127.0.0.1]/",
    ] {
        assert!(is_exempt_by("", target), "{target}");
    }
    for target in ["http://collector:4317/", "http://128.0.0.1/", "http://localhost.example.com/"] {
        assert!(!is_exempt_by("", target), "{target}");
    }
}
