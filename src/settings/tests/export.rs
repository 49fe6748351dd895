//! Where each signal is sent, and how.

use std::time::Duration;

use super::*;

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn exports(settings: &Settings) -> [Option<&ExportSettings>; 3] {
    let Settings { traces, metrics, logs, .. } = settings;
    [&traces.destinations, &metrics.destinations, &logs.destinations].map(|destinations| otlp(destinations))
}

fn uris(settings: &Settings) -> [Option<String>; 3] {
    exports(settings).map(|export| Some(export?.target.uri.to_string()))
}

fn at(uris: [&str; 3]) -> [Option<String>; 3] {
    uris.map(|uri| (!uri.is_empty()).then(|| format!("{uri}/")))
}

#[test]
fn nothing_is_sent_until_an_endpoint_or_an_exporter_is_named() {
    let quiet = from_env([("OTEL_EXPORTER_OTLP_TIMEOUT", "1"), ("OTEL_EXPORTER_OTLP_HEADERS", "a=b")]);
    assert_eq!(uris(&quiet), at(["", "", ""]));
    let one = from_env([("OTEL_TRACES_EXPORTER", "otlp")]);
    assert_eq!(uris(&one), at(["http://localhost:4317", "", ""]));
    let all = from_env([
        ("OTEL_TRACES_EXPORTER", "OTLP"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
    ]);
    assert_eq!(uris(&all), at(["http://localhost:4317"; 3]));
    let code = resolved(init().logs(|logs| logs.export(true)), &Env::none());
    assert_eq!(uris(&code), at(["", "", "http://localhost:4317"]));
}

#[test]
fn a_signal_can_be_turned_off() {
    let builder = || init().endpoint("http://c:1").metrics(|metrics| metrics.export(false));
    assert_eq!(uris(&resolved(builder(), &Env::none())), at(["http://c:1", "", "http://c:1"]));
    let env = Env::from_pairs([("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "otlp")]);
    assert_eq!(uris(&resolved(builder(), &env)), at(["", "http://c:1", "http://c:1"]));
    // An endpoint says where, not whether.
    let env = Env::from_pairs([("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://d:1")]);
    assert_eq!(uris(&resolved(builder(), &env)), at(["http://c:1", "", "http://c:1"]));
}

#[test]
fn endpoint_of_a_signal_overrides_the_common_one() {
    let builder = || init().endpoint("http://code:1").logs(|logs| logs.endpoint("http://logs:1"));
    assert_eq!(
        uris(&resolved(builder(), &Env::none())),
        at(["http://code:1", "http://code:1", "http://logs:1"])
    );
    let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:1");
    assert_eq!(uris(&resolved(builder(), &Env::from_pairs([all]))), at(["http://env:1"; 3]));
    let env = Env::from_pairs([
        all,
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/v1/traces"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", ""),
    ]);
    let settings = resolved(builder(), &env);
    assert_eq!(uris(&settings), at(["http://t:1", "http://env:1", "http://env:1"]));
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn host_and_port_in_code_are_plaintext() {
    let settings = resolved(init().endpoint("otel-collector:4317"), &Env::none());
    assert_eq!(uris(&settings), at(["http://otel-collector:4317"; 3]));
    let settings = from_env([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel-collector:4317"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
    ]);
    assert_eq!(uris(&settings), at(["http://otel-collector:4317"; 3]));
    assert_eq!(settings.warnings, [""; 0]);
}

#[cfg(feature = "tls")]
#[test]
fn a_variable_without_scheme_means_tls_unless_insecure() {
    let settings = from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", "c:1")]);
    assert_eq!(uris(&settings), at(["https://c:1"; 3]));
    assert_eq!(
        settings.warnings,
        [
            "OTEL_EXPORTER_OTLP_ENDPOINT: no scheme in the address, so TLS is used (https://c:1/); for plaintext \
          write http://"
        ]
    );
    let settings = from_env([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:1"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
        ("OTEL_EXPORTER_OTLP_LOGS_INSECURE", "false"),
    ]);
    assert_eq!(uris(&settings), at(["http://c:1", "http://c:1", "https://c:1"]));
    assert_eq!(settings.warnings, [""; 0]);
}

#[cfg(all(feature = "tls", feature = "otlp-grpc", feature = "otlp-http"))]
#[test]
fn an_address_without_scheme_and_port_has_the_port_and_the_path_of_its_protocol() {
    let endpoint = |text: &'static str, protocol: Option<&'static str>| {
        let protocol = protocol.map(|protocol| ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol));
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", text)].into_iter().chain(protocol);
        let settings = resolve(&init().into_parts().0, &Env::from_pairs(variables)).unwrap();
        let [traces, ..] = exports(&settings);
        let traces = traces.unwrap();
        let first = traces.protocol.first;
        (traces.target.uri.to_string(), traces.http_path.to_string(), first, settings.warnings.join("\n"))
    };
    for (text, protocol, uri, path, first) in [
        ("collector", None, "https://collector:4317/", "/v1/traces", Protocol::Grpc),
        ("collector", Some("http/protobuf"), "https://collector:4318/", "/v1/traces", Protocol::HttpProtobuf),
        ("collector", Some("http/json"), "https://collector:4318/", "/v1/traces", Protocol::HttpJson),
        (
            "collector:4317",
            Some("http/protobuf"),
            "https://collector:4317/",
            "/v1/traces",
            Protocol::HttpProtobuf,
        ),
        (
            "gateway.example.com/otlp",
            None,
            "https://gateway.example.com:4318/",
            "/otlp/v1/traces",
            Protocol::HttpProtobuf,
        ),
        ("[::1]/otlp", None, "https://[::1]:4318/", "/otlp/v1/traces", Protocol::HttpProtobuf),
    ] {
        let (got, got_path, got_first, warnings) = endpoint(text, protocol);
        assert_eq!((&*got, &*got_path, got_first), (uri, path, first), "{text} {protocol:?}");
        assert!(warnings.contains(&format!("so TLS is used ({uri})")), "{warnings}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn scheme_of_the_endpoint_overrides_insecure() {
    let insecure = |value| ("OTEL_EXPORTER_OTLP_INSECURE", value);
    let settings = resolved(init().endpoint("https://c:1"), &Env::from_pairs([insecure("true")]));
    assert_eq!(uris(&settings), at(["https://c:1"; 3]));
    let settings = resolved(init().endpoint("http://c:1"), &Env::from_pairs([insecure("false")]));
    assert_eq!(uris(&settings), at(["http://c:1"; 3]));
    let settings = resolved(init().endpoint("c:1"), &Env::from_pairs([insecure("false")]));
    assert_eq!(uris(&settings), at(["https://c:1"; 3]));
}

#[test]
fn headers_replace_each_other_as_a_whole() {
    let builder = || {
        let all = init().endpoint("http://c:1").header("a", "code").header("b", "code");
        all.logs(|logs| logs.header("l", "code"))
    };
    let settings = resolved(builder(), &Env::none());
    let [traces, _, logs] = exports(&settings);
    assert_eq!(headers(traces), ["a=code", "b=code"]);
    assert_eq!(headers(logs), ["l=code"]);
    let env = Env::from_pairs([
        ("OTEL_EXPORTER_OTLP_HEADERS", "c=env%20x"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "t=env"),
    ]);
    let settings = resolved(builder(), &env);
    let [traces, metrics, logs] = exports(&settings);
    assert_eq!(headers(traces), ["t=env"]);
    assert_eq!(headers(metrics), ["c=env x"]);
    assert_eq!(headers(logs), ["c=env x"]);
}

#[cfg(feature = "gzip")]
#[test]
fn compression_and_timeout_can_differ() {
    let builder = || {
        let all =
            init().endpoint("http://c:1").compression(Compression::Gzip).timeout(Duration::from_secs(1));
        all.metrics(|metrics| metrics.compression(Compression::None).timeout(Duration::from_secs(2)))
    };
    let pairs =
        |settings: &Settings| exports(settings).map(|e| e.map(|e| (e.compression, e.timeout)).unwrap());
    let seconds = Duration::from_secs;
    assert_eq!(
        pairs(&resolved(builder(), &Env::none())),
        [(Compression::Gzip, seconds(1)), (Compression::None, seconds(2)), (Compression::Gzip, seconds(1))]
    );
    let env = Env::from_pairs([
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "4000"),
    ]);
    assert_eq!(
        pairs(&resolved(builder(), &env)),
        [(Compression::None, seconds(3)), (Compression::Gzip, seconds(3)), (Compression::None, seconds(4))]
    );
}

#[test]
fn shorter_of_request_and_batch_timeout_is_used() {
    let timeouts = |settings: &Settings| exports(settings).map(|export| export.unwrap().timeout);
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1");
    let seconds = Duration::from_secs;
    assert_eq!(timeouts(&from_env([endpoint])), [seconds(10); 3]);
    let batch =
        from_env([endpoint, ("OTEL_BSP_EXPORT_TIMEOUT", "2000"), ("OTEL_BLRP_EXPORT_TIMEOUT", "30000")]);
    assert_eq!(timeouts(&batch), [seconds(2), seconds(10), seconds(10)]);
    let unlimited = from_env([endpoint, ("OTEL_EXPORTER_OTLP_TIMEOUT", "0")]);
    // A collection has a limit of its own.
    assert_eq!(timeouts(&unlimited), [A_YEAR, seconds(30), A_YEAR]);
    let batch_only =
        from_env([endpoint, ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"), ("OTEL_BSP_EXPORT_TIMEOUT", "2000")]);
    assert_eq!(timeouts(&batch_only), [seconds(2), seconds(30), A_YEAR]);
}

#[test]
fn the_same_target_is_one_connection() {
    let settings = from_env([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317/"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4317/v1/traces"),
    ]);
    let [traces, metrics, _] = exports(&settings).map(|export| &export.unwrap().target);
    assert_eq!(traces, metrics);
}

#[cfg(feature = "tls")]
#[test]
fn certificates_come_from_environment_then_code() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = directory.path().join(name);
        let own = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        std::fs::write(&path, own.cert.pem() + &own.signing_key.serialize_pem()).unwrap();
        path
    };
    let [ca, other, key, client] = ["ca", "other", "key", "client"].map(file);
    let tls = TlsSettings::new().certificate(&ca).client_key(&key).client_certificate(&client);
    let builder = init().endpoint("https://c:1").tls(tls).logs(|logs| logs.endpoint("http://c:1"));
    let env = Env::from_pairs([("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", other.to_str().unwrap())]);
    let settings = resolved(builder, &env);
    let [traces, metrics, logs] = exports(&settings).map(|export| export.unwrap().target.tls.clone());
    let files = TlsFiles {
        certificate: Some(ca),
        client_key: Some(key),
        client_certificate: Some(client),
        from_env: false,
    };
    assert_eq!(traces, files);
    assert_eq!(metrics, TlsFiles { certificate: Some(other), from_env: true, ..files });
    // A connection without TLS has no use for them.
    assert_eq!(logs, TlsFiles::default());
}

#[test]
fn a_collection_has_the_shorter_limit_of_request_and_collection() {
    let timeout = |variables: &[(&'static str, &'static str)]| {
        let env = Env::from_pairs(variables.iter().copied());
        let settings = resolved(init().endpoint("http://c:1").timeout(Duration::from_secs(100)), &env);
        otlp(&settings.metrics.destinations).unwrap().timeout
    };
    let limit = |milliseconds| ("OTEL_METRIC_EXPORT_TIMEOUT", milliseconds);
    assert_eq!(timeout(&[]), Duration::from_secs(30));
    assert_eq!(timeout(&[limit("20000")]), Duration::from_secs(20));
    assert_eq!(timeout(&[limit("20000"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "7000")]), Duration::from_secs(7));
}

/// First protocol, whether it may be switched, and the path of HTTP requests, for traces.
fn protocol(variables: &[(&'static str, &'static str)]) -> (Protocol, bool, String) {
    let settings = resolved(init(), &Env::from_pairs(variables.iter().copied()));
    let export = otlp(&settings.traces.destinations).unwrap();
    (export.protocol.first, export.protocol.may_switch, export.http_path.to_string())
}

#[test]
fn the_protocol_follows_the_endpoint_unless_it_is_configured() {
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let grpc = (Protocol::Grpc, true, "/v1/traces".to_owned());
    let http = (Protocol::HttpProtobuf, true, "/v1/traces".to_owned());
    for (endpoint, expected) in [
        ("http://c:4317", grpc.clone()),
        ("http://c:4318", http.clone()),
        ("http://c:4318/", http),
        ("http://c", grpc.clone()),
        ("http://c:1", grpc.clone()),
        ("http://c:4317/", grpc),
        ("https://c/otlp", (Protocol::HttpProtobuf, true, "/otlp/v1/traces".to_owned())),
    ] {
        assert_eq!(protocol(&[(ENDPOINT, endpoint)]), expected, "{endpoint}");
    }
    for (name, expected) in [
        ("grpc", Protocol::Grpc),
        ("http/protobuf", Protocol::HttpProtobuf),
        ("HTTP/JSON", Protocol::HttpJson),
    ] {
        let configured = protocol(&[(ENDPOINT, "http://c:1"), ("OTEL_EXPORTER_OTLP_PROTOCOL", name)]);
        assert_eq!(configured, (expected, false, "/v1/traces".to_owned()), "{name}");
    }
}

#[test]
fn the_path_of_a_signal_is_added_to_the_common_endpoint_alone() {
    const COMMON: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    for (variable, endpoint, expected) in [
        (COMMON, "http://c:4318", "/v1/traces"),
        (COMMON, "http://c:4318/my/", "/my/v1/traces"),
        (COMMON, "http://c:4318/my", "/my/v1/traces"),
        (COMMON, "http://h/base/", "/base/v1/traces"),
        (TRACES, "http://c:4318", "/"),
        (TRACES, "http://c:4318/", "/"),
        (TRACES, "https://c/v1/metrics/", "/v1/metrics/"),
        (TRACES, "https://c/in?key=a", "/in?key=a"),
    ] {
        let (_, _, path) = protocol(&[(variable, endpoint), ("OTEL_EXPORTER_OTLP_INSECURE", "true")]);
        assert_eq!(path, expected, "{endpoint}");
    }
    let own =
        resolved(init().endpoint("http://c:4318/a").traces(|t| t.endpoint("http://c:4318/b")), &Env::none());
    assert_eq!(otlp(&own.traces.destinations).unwrap().http_path, "/b");
    assert_eq!(otlp(&own.logs.destinations).unwrap().http_path, "/a/v1/logs");
}

#[test]
fn the_default_endpoint_is_that_of_the_protocol() {
    let env =
        Env::from_pairs([("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]);
    assert_eq!(uris(&resolved(init(), &env)), at(["http://localhost:4318", "", ""]));
}

#[test]
fn malformed_entry_of_headers_leaves_the_others_and_is_reported_once() {
    let settings = from_env([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret,s3cret,x=1,X=2"),
    ]);
    for export in exports(&settings) {
        assert_eq!(headers(export), ["authorization=Bearer s3cret", "x=2"]);
    }
    assert_eq!(
        settings.warnings,
        ["OTEL_EXPORTER_OTLP_HEADERS: entry 2 has no `=`; the other headers are used"]
    );
}

#[test]
fn last_header_of_a_name_in_code_wins() {
    let builder = init().endpoint("http://c:1").header("x", "1").header("y", "2").header("X", "3");
    assert_eq!(headers(exports(&resolved(builder, &Env::none()))[0]), ["y=2", "x=3"]);
}

#[test]
fn limit_that_was_probably_meant_in_seconds_is_used_and_reported() {
    for variable in [
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
        "OTEL_BSP_EXPORT_TIMEOUT",
        "OTEL_METRIC_EXPORT_TIMEOUT",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_RUST_SHUTDOWN_TIMEOUT",
    ] {
        let settings = from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), (variable, "10")]);
        let [warning] = &settings.warnings[..] else { panic!("{variable}: {:?}", settings.warnings) };
        assert!(warning.starts_with(variable) && warning.ends_with("write 10000"), "{warning}");
        let silent = from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), (variable, "100")]);
        assert!(silent.warnings.is_empty(), "{:?}", silent.warnings);
    }
    let settings = from_env([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "0"),
    ]);
    assert_eq!(exports(&settings)[2].unwrap().timeout, Duration::from_millis(10));
    assert_eq!((settings.traces.queue.delay, settings.logs.queue.delay), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn impossible_host_is_a_warning_in_the_environment_and_an_error_in_code() {
    for endpoint in ["$(HOST_IP):4317", "http://${COLLECTOR}:4317", "http://col..lector:4317"] {
        let settings = from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]);
        assert_eq!(exports(&settings), [None, None, None], "{endpoint}");
        let [warning] = &settings.warnings[..] else { panic!("{endpoint}: {:?}", settings.warnings) };
        assert!(warning.contains("neither a name nor an address"), "{warning}");
        assert!(resolve(&init().endpoint(endpoint).into_parts().0, &Env::none()).is_err(), "{endpoint}");
    }
}
