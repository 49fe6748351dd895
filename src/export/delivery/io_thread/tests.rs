use std::time::Duration;

use http::uri::PathAndQuery;

use super::needs_helper;
use crate::settings::{
    Compression, Credentials, DestinationSettings, ExportSettings, Protocol, ProtocolSetting, Proxy,
    ProxyProtocol, Target,
};

/// Settings for this endpoint, through this proxy.
fn settings(endpoint: &str, proxy: Option<&str>) -> DestinationSettings {
    let mut target = Target::new(endpoint.parse().unwrap());
    target.proxy = proxy.map(|uri| Proxy {
        uri: uri.parse().unwrap(),
        protocol: ProxyProtocol::Http { authorization: None },
        origin: "HTTP_PROXY".into(),
    });
    DestinationSettings::Otlp(Box::new(ExportSettings {
        protocol: ProtocolSetting { first: Protocol::Grpc, may_switch: false },
        http_path: PathAndQuery::from_static("/v1/traces"),
        target,
        headers: Vec::new(),
        timeout: Duration::from_secs(10),
        compression: Compression::None,
        credentials: Credentials::default(),
        max_request_size: 64 << 20,
        temporality: None,
    }))
}

#[test]
fn helper_is_needed_for_names_and_for_tls() {
    for (endpoint, proxy, expected) in [
        ("http://127.0.0.1:4317", None, false),
        ("http://[::1]:4317", None, false),
        ("http://collector:4317", None, true),
        ("http://collector:4317", Some("http://127.0.0.1:3128"), false),
        ("https://127.0.0.1:4317", None, cfg!(feature = "tls")),
        ("https://127.0.0.1:4317", Some("http://127.0.0.1:3128"), cfg!(feature = "tls")),
        ("http://127.0.0.1:4317", Some("https://127.0.0.1:3128"), cfg!(feature = "tls")),
    ] {
        assert_eq!(needs_helper(&settings(endpoint, proxy)), expected, "{endpoint} {proxy:?}");
    }
}
