//! Destinations that are given in code, and the exporters that the environment lists.

use super::*;

#[test]
fn destinations_in_code_add_to_the_endpoint_and_share_nothing_with_it() {
    let vendor = || Destination::otlp("http://vendor:4318/otlp").header("x-token", "v");
    let builder = || {
        let all = init()
            .endpoint("http://c:1")
            .header("x-own", "c")
            .destination(Destination::otlp("http://b:4317"));
        all.traces(|traces| traces.destination(vendor()))
    };
    let names = |destinations: &[DestinationSettings]| -> Vec<_> {
        destinations.iter().map(DestinationSettings::name).collect()
    };
    let settings = resolved(builder(), &Env::none());
    assert_eq!(names(&settings.traces.destinations), ["http://c:1", "http://b:4317", "http://vendor:4318"]);
    assert_eq!(names(&settings.logs.destinations), ["http://c:1", "http://b:4317"]);
    let DestinationSettings::Otlp(export) = &settings.traces.destinations[2] else { panic!() };
    assert_eq!(headers(Some(export)), ["x-token=v"]);
    assert_eq!(
        (export.protocol.first, export.http_path.as_str()),
        (Protocol::HttpProtobuf, "/otlp/v1/traces")
    );

    // The common variables replace what the setters configure, and nothing else.
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:1"), ("OTEL_EXPORTER_OTLP_HEADERS", "a=env")];
    let settings = resolved(builder(), &Env::from_pairs(variables));
    assert_eq!(names(&settings.traces.destinations), ["http://env:1", "http://b:4317", "http://vendor:4318"]);
    let DestinationSettings::Otlp(export) = &settings.traces.destinations[2] else { panic!() };
    assert_eq!(headers(Some(export)), ["x-token=v"]);

    // A list of exporters replaces all of them, and says so.
    let settings = resolved(builder(), &Env::from_pairs([("OTEL_TRACES_EXPORTER", "otlp")]));
    assert_eq!(names(&settings.traces.destinations), ["http://c:1"]);
    assert_eq!(
        settings.warnings,
        ["OTEL_TRACES_EXPORTER: it replaces the destinations that were given in code"]
    );
    let settings = resolved(builder(), &Env::from_pairs([("OTEL_TRACES_EXPORTER", "none")]));
    assert_eq!(settings.traces.destinations, []);
    let settings = resolved(builder().traces(|traces| traces.export(false)), &Env::none());
    assert_eq!(settings.traces.destinations, []);
}

#[test]
fn the_part_of_the_signal_is_added_to_a_destination_once() {
    for (address, path) in [
        ("http://c:4318", "/v1/traces"),
        ("http://c:4318/", "/v1/traces"),
        ("http://c:4318/v1/traces", "/v1/traces"),
        ("http://c:4318/api/v1/traces", "/api/v1/traces"),
        ("http://c:4318/api", "/api/v1/traces"),
    ] {
        let builder = init().traces(|traces| traces.destination(Destination::otlp(address)));
        let settings = resolved(builder, &Env::none());
        assert_eq!(otlp(&settings.traces.destinations).unwrap().http_path, path, "{address}");
        assert_eq!(settings.logs.destinations, []);
    }
}

#[test]
fn listed_outputs_are_used_beside_the_collector() {
    let names = |settings: &Settings| -> Vec<_> {
        settings.traces.destinations.iter().map(DestinationSettings::name).collect()
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let file_path = ("OTEL_RUST_EXPORTER_OTLP_FILE_PATH", path);
    let settings = from_env([("OTEL_TRACES_EXPORTER", "otlp,otlp/stdout, OTLP_FILE"), file_path]);
    assert_eq!(names(&settings), ["http://localhost:4317", "stdout", path]);
    assert_eq!(settings.warnings, [""; 0]);
    let settings = from_env([("OTEL_TRACES_EXPORTER", "Console,otlp,console")]);
    assert_eq!(names(&settings), ["http://localhost:4317", "console"]);
    let settings = from_env([("OTEL_TRACES_EXPORTER", "logging")]);
    assert_eq!(names(&settings), ["console"]);
    let replaced = "logging is the former name of console; console is used";
    assert_eq!(settings.warnings, [format!("OTEL_TRACES_EXPORTER: {replaced}")]);
    // Without `otlp` in the list, the endpoint is not used.
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1");
    let settings = from_env([("OTEL_TRACES_EXPORTER", "otlp/stdout"), endpoint]);
    assert_eq!(names(&settings), ["stdout"]);
    assert_eq!(settings.logs.destinations.len(), 1);

    let settings = from_env([("OTEL_TRACES_EXPORTER", "otlp_file")]);
    assert_eq!(settings.traces.destinations, []);
    let needed = "otlp_file needs a path in OTEL_RUST_EXPORTER_OTLP_FILE_PATH; it is ignored";
    assert_eq!(settings.warnings, [format!("OTEL_TRACES_EXPORTER: {needed}")]);

    // Each mistake of a variable is reported.
    let settings = from_env([("OTEL_TRACES_EXPORTER", "foo,otlp_file")]);
    let unknown = "\"foo\" is not one of otlp, otlp/stdout, otlp_file, console, none; using otlp_file";
    assert_eq!(settings.warnings, [unknown, needed].map(|words| format!("OTEL_TRACES_EXPORTER: {words}")));
}

#[test]
fn each_mistake_of_an_endpoint_is_reported_once() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318/otlp");
    let settings = from_env([endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    let words = ["no scheme in the address", "gRPC has no path", "port 4318 is that of OTLP over HTTP"];
    assert_eq!(settings.warnings.len(), words.len(), "{:?}", settings.warnings);
    for (warning, words) in settings.warnings.iter().zip(words) {
        assert!(warning.starts_with(&format!("OTEL_EXPORTER_OTLP_ENDPOINT: {words}")), "{warning}");
    }
}

#[test]
#[cfg(not(feature = "prometheus"))]
fn a_list_with_an_unknown_exporter_and_one_without_its_feature_has_two_warnings() {
    let settings = from_env([("OTEL_METRICS_EXPORTER", "foo,prometheus")]);
    let [unknown, needed] = &settings.warnings[..] else { panic!("{:?}", settings.warnings) };
    assert!(unknown.contains("\"foo\" is not one of"), "{unknown}");
    assert!(needed.contains("needs the feature `prometheus`"), "{needed}");
}

#[test]
#[cfg(feature = "prometheus")]
fn prometheus_is_turned_on_and_off_by_code_and_environment() {
    let in_code = |exporter: PrometheusExporter| init().metrics(|metrics| metrics.prometheus(exporter));
    let resolved =
        |builder: Builder, env: &[(&str, &str)]| resolved(builder, &Env::from_pairs(env.iter().copied()));
    let address = |settings: &Settings| {
        let server = settings.metrics.prometheus.as_ref()?.server.as_ref()?;
        Some((server.host.clone(), server.port, server.origin.clone()))
    };
    let (variable, host, port) =
        ("OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_PROMETHEUS_HOST", "OTEL_EXPORTER_PROMETHEUS_PORT");
    let settings = resolved(init(), &[(variable, "prometheus")]);
    assert_eq!(address(&settings), Some(("localhost".into(), 9464, port.into())));
    assert_eq!(settings.metrics.destinations, []);
    let settings = resolved(init(), &[(variable, "otlp,Prometheus"), (host, "h"), (port, "1")]);
    assert_eq!(address(&settings), Some(("h".into(), 1, format!("{host}, {port}"))));
    assert_eq!(settings.metrics.destinations.len(), 1);
    // Without the exporter, its address does nothing.
    for others in [&[][..], &[(variable, "otlp")], &[(variable, "none")]] {
        let settings = resolved(init(), &[others, &[(host, "h"), (port, "1")]].concat());
        assert_eq!(settings.metrics.prometheus, None);
        let unused =
            "ignored, since metrics are not exported to Prometheus: add prometheus to OTEL_METRICS_EXPORTER";
        assert_eq!(settings.warnings, [host, port].map(|variable| format!("{variable}: {unused}")));
    }
    let settings = resolved(init(), &[(variable, "prometheus"), (port, "65536")]);
    let expected = "invalid OTEL_EXPORTER_PROMETHEUS_PORT=\"65536\": not a port, a whole number from 0 to 65535; \
                    using the default, 9464";
    assert_eq!(settings.warnings, [expected]);

    let settings = resolved(in_code(PrometheusExporter::new().host("a").port(2)), &[(port, "3")]);
    let origin = format!(".metrics(|m| m.prometheus()), {port}");
    assert_eq!(address(&settings), Some(("a".into(), 3, origin)));
    let without_server = || in_code(PrometheusExporter::new().without_server());
    let settings = resolved(without_server(), &[]);
    assert_eq!((settings.metrics.prometheus.is_some(), address(&settings)), (true, None));
    assert!(address(&resolved(without_server(), &[(port, "4")])).is_some());
    let settings = resolved(without_server(), &[(variable, "none")]);
    assert_eq!(settings.metrics.prometheus, None);
    let expected = "OTEL_METRICS_EXPORTER: it replaces the exporter for Prometheus that was given in code";
    assert_eq!(settings.warnings, [expected]);
    // It is an exporter of metrics alone.
    let settings = resolved(init(), &[("OTEL_TRACES_EXPORTER", "prometheus")]);
    let expected = "OTEL_TRACES_EXPORTER: \"prometheus\" is not one of otlp, otlp/stdout, otlp_file, console, none; \
                    using otlp if an endpoint is set";
    assert_eq!(settings.warnings, [expected]);
}

#[test]
fn a_file_that_cannot_be_opened_is_a_warning_or_an_error() {
    let path = "/does/not/exist/lines";
    let settings =
        from_env([("OTEL_TRACES_EXPORTER", "otlp_file"), ("OTEL_RUST_EXPORTER_OTLP_FILE_PATH", path)]);
    let begin = format!("invalid OTEL_RUST_EXPORTER_OTLP_FILE_PATH={path:?}: the file cannot be opened: ");
    assert!(settings.warnings[0].starts_with(&begin), "{:?}", settings.warnings);
    let requested = init().destination(Destination::otlp_file(path)).into_parts().0;
    let error = resolve(&requested, &Env::none()).unwrap_err().to_string();
    let begin = format!(
        "invalid otlp_file {path:?} (set by .destination(Destination::otlp_file())): the file cannot be opened: "
    );
    assert!(error.starts_with(&begin), "{error}");
}

#[test]
fn a_mistake_in_a_destination_is_an_error_that_names_it() {
    let cases = [
        (
            Destination::otlp("grpc://c"),
            "invalid endpoint \"grpc://c\" (set by .destination(Destination::otlp().endpoint())): the scheme is \
             neither http nor https",
        ),
        (
            Destination::otlp("http://c:1").header("te", "S3CRET"),
            "invalid header \"te: [redacted]\" (set by .destination(Destination::otlp().header())): the header te \
             belongs to the protocol itself",
        ),
    ];
    for (destination, expected) in cases {
        let debug = format!("{destination:?}");
        let requested = init().destination(destination).into_parts().0;
        assert_eq!(resolve(&requested, &Env::none()).unwrap_err().to_string(), expected);
        assert!(!debug.contains("S3CRET"), "{debug}");
    }
}
