//! Proxies, Unix sockets, limits of size, and headers that change.

use std::path::Path;

use super::*;

fn traces(settings: &Settings) -> &ExportSettings {
    otlp(&settings.traces.destinations).unwrap()
}

fn logs(settings: &Settings) -> &ExportSettings {
    otlp(&settings.logs.destinations).unwrap()
}

/// The proxy of traces to an endpoint: `address (origin)`.
fn proxy<const N: usize>(endpoint: &str, variables: [(&str, &str); N]) -> Option<String> {
    let settings = resolved(init().endpoint(endpoint), &Env::from_pairs(variables));
    assert_eq!(settings.warnings, [""; 0]);
    traces(&settings).target.proxy.as_ref().map(Proxy::to_string)
}

const ALL: [(&str, &str); 3] =
    [("HTTP_PROXY", "http://http:1"), ("HTTPS_PROXY", "http://https:2"), ("ALL_PROXY", "http://all:3")];

#[test]
fn the_scheme_of_the_endpoint_chooses_the_variable() {
    assert_eq!(proxy("http://c:4317", ALL), Some("http:1 (HTTP_PROXY)".into()));
    if cfg!(feature = "tls") {
        assert_eq!(proxy("https://c:4317", ALL), Some("https:2 (HTTPS_PROXY)".into()));
    }
    assert_eq!(proxy("http://c:4317", [ALL[1], ALL[2]]), Some("all:3 (ALL_PROXY)".into()));
    assert_eq!(proxy("http://c:4317", [ALL[1]]), None);
    assert_eq!(proxy("http://c:4317", []), None);
}

#[test]
fn upper_case_comes_before_lower_case_and_an_empty_variable_is_not_set() {
    let both = [("http_proxy", "lower:1"), ("HTTP_PROXY", "upper:2")];
    assert_eq!(proxy("http://c:1", both), Some("upper:2 (HTTP_PROXY)".into()));
    assert_eq!(proxy("http://c:1", [both[0], ("HTTP_PROXY", "")]), Some("lower:1 (http_proxy)".into()));
    assert_eq!(proxy("http://c:1", [("all_proxy", "lower:1")]), Some("lower:1 (all_proxy)".into()));
}

#[test]
fn a_cgi_program_does_not_take_its_proxy_from_a_header() {
    let cgi = ("REQUEST_METHOD", "GET");
    assert_eq!(proxy("http://c:1", [cgi, ("HTTP_PROXY", "evil:1")]), None);
    let lower = proxy("http://c:1", [cgi, ("HTTP_PROXY", "evil:1"), ("http_proxy", "good:2")]);
    assert_eq!(lower, Some("good:2 (http_proxy)".into()));
}

#[test]
fn exempt_hosts_and_sockets_have_no_proxy() {
    let [http, ..] = ALL;
    assert_eq!(proxy("http://c.example:1", [http, ("NO_PROXY", "example")]), None);
    assert_eq!(proxy("http://c.example:1", [http, ("no_proxy", "example")]), None);
    assert_eq!(proxy("http://localhost:1", [http]), None);
    assert_eq!(proxy("http://127.0.0.1:1", [http]), None);
    if cfg!(unix) {
        assert_eq!(proxy("unix:/run/otel.sock", [http]), None);
    }
}

#[test]
fn variables_override_the_setters_and_a_signals_setter_the_common_one() {
    let builder = || {
        init()
            .endpoint("http://c:1")
            .proxy("http://common:1")
            .logs(|logs| logs.proxy("http://user:hunter2@logs:2"))
    };
    let settings = resolved(builder(), &Env::none());
    let proxies =
        [traces(&settings), logs(&settings)].map(|export| export.target.proxy.as_ref().unwrap().to_string());
    assert_eq!(proxies, ["common:1 (.proxy())", "logs:2 (.logs(|l| l.proxy()))"]);
    assert!(!format!("{settings:?}").contains("hunter2"));
    let settings = resolved(builder(), &Env::from_pairs(ALL));
    assert_eq!(traces(&settings).target.proxy.as_ref().unwrap().to_string(), "http:1 (HTTP_PROXY)");
}

#[test]
fn a_proxy_that_cannot_be_used_is_reported_without_its_password() {
    let env = Env::from_pairs([("ALL_PROXY", "socks4://user:hunter2@proxy:1080")]);
    let settings = resolved(init().endpoint("http://c:1"), &env);
    assert_eq!(traces(&settings).target.proxy, None);
    let [warning] = &settings.warnings[..] else { panic!("{:?}", settings.warnings) };
    assert!(warning.starts_with("invalid ALL_PROXY=") && warning.contains("speak HTTP"), "{warning}");
    assert!(!warning.contains("hunter2"), "{warning}");
    for builder in [init().endpoint("http://c:1"), init().endpoint("http://localhost:1"), init()] {
        let builder = builder.proxy("ftp://user:hunter2@proxy");
        let error = resolve(&builder.into_parts().0, &Env::none()).unwrap_err().to_string();
        assert!(error.contains("proxy") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
#[cfg(unix)]
fn unix_sockets_are_endpoints() {
    for text in ["unix:/run/otel.sock", "unix:///run/otel.sock"] {
        let settings = from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", text)]);
        assert_eq!(settings.warnings, [""; 0]);
        let export = traces(&settings);
        assert_eq!(export.target.socket.as_deref(), Some(Path::new("/run/otel.sock")));
        assert_eq!(export.target.address(), "unix:/run/otel.sock");
        assert_eq!(
            (export.http_path.as_str(), export.protocol.may_switch),
            ("/v1/traces", cfg!(feature = "otlp-http"))
        );
    }
    let own = from_env([("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "unix:relative.sock")]);
    assert_eq!(traces(&own).target.address(), "unix:relative.sock");
    assert_eq!(traces(&own).http_path, "/v1/traces");
    for (text, reason) in [
        ("unix:", "the path of the Unix socket is missing"),
        ("unix://", "is not absolute"),
        ("unix://host/path", "is not absolute"),
        (&*format!("unix:/{}", "x".repeat(103)), "longer than 103 bytes"),
    ] {
        let settings = from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", text)]);
        assert!(settings.warnings[0].contains(reason), "{:?}", settings.warnings);
    }
}

#[test]
fn requests_are_limited_by_the_variable_then_the_setter_then_the_default() {
    let builder =
        || init().endpoint("http://c:1").max_request_size(100).logs(|logs| logs.max_request_size(200));
    let sizes =
        |settings: &Settings| [traces(settings), logs(settings)].map(|export| export.max_request_size);
    assert_eq!(sizes(&resolved(init().endpoint("http://c:1"), &Env::none())), [64 << 20; 2]);
    assert_eq!(sizes(&resolved(builder(), &Env::none())), [100, 200]);
    let env = Env::from_pairs([
        ("OTEL_RUST_EXPORTER_OTLP_MAX_REQUEST_SIZE", "300"),
        ("OTEL_RUST_EXPORTER_OTLP_TRACES_MAX_REQUEST_SIZE", "400"),
    ]);
    assert_eq!(sizes(&resolved(builder(), &env)), [400, 300]);
    resolve(&builder().max_request_size(0).into_parts().0, &Env::none()).unwrap_err();
}

#[test]
fn header_variables_override_header_sources() {
    let source = || HeaderSource::from_fn(|| "hunter2".to_owned());
    let builder = || {
        init()
            .endpoint("http://c:1")
            .header_source("Authorization", source())
            .header_source("x-tenant", source())
            .logs(|logs| logs.header_source("x-logs", source()))
    };
    let names = |export: &ExportSettings| {
        export.credentials.sources.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    let settings = resolved(builder(), &Env::none());
    assert_eq!(names(traces(&settings)), ["authorization", "x-tenant"]);
    assert_eq!(names(logs(&settings)), ["x-logs"]);
    let env = Env::from_pairs([("OTEL_EXPORTER_OTLP_HEADERS", "authorization=abc,other=d")]);
    let settings = resolved(builder(), &env);
    assert_eq!(names(traces(&settings)), ["x-tenant"]);
    assert!(!format!("{:?} {settings:?}", builder()).contains("hunter2"));
    for name in ["two words", "content-type", "grpc-timeout"] {
        let builder = init().header_source(name, source());
        resolve(&builder.into_parts().0, &Env::none()).unwrap_err();
    }
}
