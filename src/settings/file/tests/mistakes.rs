//! Mistakes that the schema does not know, and files that cannot be read.

use super::*;

#[test]
fn mistakes_beyond_the_schema_have_their_place() {
    let exporter =
        |text: &str| format!("tracer_provider: {{processors: [{{simple: {{exporter: {text}}}}}]}}");
    let view = |text: &str| {
        format!(
            "meter_provider: {{readers: [{{periodic: {{exporter: {{otlp_http: }}}}}}], views: [{{{text}}}]}}"
        )
    };
    let readers = |readers: &str| format!("meter_provider: {{readers: [{readers}]}}");
    let pull =
        |options: &str| readers(&format!("{{pull: {{exporter: {{prometheus/development: {options}}}}}}}"));
    for (text, expected) in [
        (exporter("{otlp_http: {endpoint: 'ftp://x'}}"), "line 2, column 75: tracer_provider.processors[0].simple.exporter.otlp_http.endpoint: \"ftp://x\": the scheme is neither http nor https"),
        (exporter("{otlp_http: {endpoint: 'collector:4318'}}"), "is not a URL: must begin with http:// or https://"),
        (exporter("{otlp_http: {endpoint: 'http://user:hunter2@collector'}}"), "credentials do not belong in the address"),
        (exporter("{otlp_http: {compression: deflate}}"), "otlp_http.compression: \"deflate\": not one of none, gzip, zstd"),
        (exporter("{otlp_http: {tls: {ca_file: ca.pem}}}"), "tls.ca_file: \"ca.pem\" is not an absolute path"),
        (exporter("{otlp_http: {endpoint: 'https://x', tls: {ca_file: /nowhere/ca.pem}}}"), "the file cannot be read"),
        (exporter("{otlp_http: {tls: {key_file: /nowhere/key.pem}}}"), "tls.key_file: `cert_file` is missing: a key needs its certificate"),
        (exporter("{otlp_http: {headers: [{name: 'a b', value: hunter2}]}}"), "a header's name is not valid"),
        (exporter("{otlp_http: {headers: [{name: x, value: y}, {name: 'a b', value: hunter2}]}}"), "headers[1]: a header's name is not valid"),
        (exporter("{otlp_http: {headers: [{name: TE, value: trailers}, {name: x, value: y}]}}"), "headers[0]: the header te belongs to the protocol itself"),
        (exporter("{otlp_http: {headers: [{name: x, value: y}], headers_list: 'content-length=5'}}"), "the header content-length belongs to the protocol itself"),
        (exporter("{otlp_http: {headers_list: 'x=y,z=%01'}}"), "headers_list: the value of the header z is not printable ASCII"),
        (exporter("{otlp_http: {headers_list: hunter2}}"), "headers_list: [redacted] entry 1 has no `=`"),
        ("tracer_provider: {processors: [{batch: {exporter: {otlp_http: }, max_queue_size: 5, max_export_batch_size: 6}}]}".into(), "max_export_batch_size: 6 is more than max_queue_size, 5"),
        ("resource: {attributes: [{name: a, value: x, type: int}]}".into(), "resource.attributes[0]: `value` does not have the type that `type` says"),
        ("resource: {attributes: [{name: a, value: 99999999999999999999, type: int}]}".into(), "resource.attributes[0]: `value` does not have the type that `type` says"),
        ("resource: {attributes: [{name: a, value: [1, -1e300], type: int_array}]}".into(), "resource.attributes[0]: `value` does not have the type that `type` says"),
        ("resource: {attributes: [{name: '', value: x}]}".into(), "`name` is empty"),
        ("resource: {attributes_list: 'a'}".into(), "resource.attributes_list: \"a\" entry 1 has no `=`"),
        ("propagator: {composite_list: 'tracecontext,ot-trace'}".into(), "composite_list: \"ot-trace\" is not one of tracecontext, "),
        ("distribution: {telemetry_bootstrap: {log_filtr: x}}".into(), "distribution.telemetry_bootstrap: the key `log_filtr` is not known; did you mean `log_filter`?"),
        ("distribution: {telemetry_bootstrap: {no_color: 'false'}}".into(), "no_color: \"false\" is not allowed here: must be true or false"),
        ("distribution: {telemetry_bootstrap: {log_output: json}}".into(), "log_output: \"json\" is not allowed here: must be a mapping"),
        ("distribution: {telemetry_bootstrap: {log_output: {format: xml}}}".into(), "log_output.format: \"xml\": not one of auto, json"),
        ("distribution: {telemetry_bootstrap: {log_filter: [a]}}".into(), "log_filter: a list is not allowed here: must be a single value"),
        ("distribution: {telemetry_bootstrap: {shutdown_timeout: 0}}".into(), "shutdown_timeout: \"0\": must be at least 1 ms"),
        (exporter("{otlp_file/development: {output_stream: out.jsonl}}"), "output_stream: \"out.jsonl\" is not allowed here: must be stdout or file:///path"),
        (exporter("{otlp_file/development: {output_stream: 'file:///nowhere/out.jsonl'}}"), "the file cannot be written: its folder is not there"),
        ("distribution: {telemetry_bootstrap: {proxy: 'socks4://user:hunter2@proxy'}}".into(), "telemetry_bootstrap.proxy: "),
        ("distribution: {telemetry_bootstrap: {resource_detectors: [host, gpu]}}".into(), "resource_detectors: \"host,gpu\": \"gpu\" is not one of process, host, os"),
        ("distribution: {telemetry_bootstrap: {metrics: {built_in: [{a: b}]}}}".into(), "built_in: must be a list of single values"),
        ("distribution: {telemetry_bootstrap: {header_files: {a: token}}}".into(), "header_files.a: must be a mapping with the key `file`"),
        ("distribution: {telemetry_bootstrap: {header_files: {a: {file: /a, prefx: b}}}}".into(), "line 2, column 67: distribution.telemetry_bootstrap.header_files.a: the key `prefx` is not known; did you mean `prefix`?"),
        ("distribution: {telemetry_bootstrap: {header_files: {te: {file: /a}}}}".into(), "the header te belongs to the protocol itself"),
        ("distribution: {telemetry_bootstrap: {grpc: {client: {request_captured_headers: ['x-*']}}}}".into(), "\"x-*\" is not the name of a header"),
        (pull("{host: ' '}"), "line 2, column 78: meter_provider.readers[0].pull.exporter.prometheus/development.host: \" \": empty"),
        (pull("{port: 70000}"), "prometheus/development.port: 70000: not a port, a whole number from 0 to 65535"),
        (pull("{scope_info_enabled: true, without_scope_info: true}"), "without_scope_info: is the former name of `scope_info_enabled`"),
        (pull("{resource_constant_labels: {included: [a]}, with_resource_constant_labels: {included: [a]}}"), "with_resource_constant_labels: is the former name of `resource_constant_labels`"),
        (readers("{pull: {exporter: {prometheus/development: }}}, {pull: {exporter: {prometheus/development: }}}"), "readers[1].pull: not supported: more than one pull reader"),
        (readers("{pull: {exporter: {prometheus/development: }}}, {periodic: {exporter: {console: }, cardinality_limits: {default: 5}}}"), "readers[1].periodic: not supported: the readers share their `cardinality_limits`"),
        (readers("{pull: {exporter: {prometheus/development: }, producers: [{opencensus: }]}}"), "producers[0].opencensus: not supported"),
        (view("selector: {instrument_name: 'a*'}, stream: {name: b}"), "stream.name: a name needs a selector for one instrument"),
        (view("selector: {}, stream: {aggregation: {explicit_bucket_histogram: {boundaries: [2, 1]}}}"), "views[0].stream: the aggregation cannot be used"),
        ("meter_provider: {readers: [{periodic: {exporter: {otlp_http: }}}], exemplar_filter: always_on}".into(), "exemplar_filter: not supported"),
        ("meter_provider: {readers: [{periodic: {interval: 0, exporter: {otlp_http: }}}]}".into(), "interval: \"0\": must be at least 1 ms"),
        ("instrumentation/development: {general: {http: {server: {request_captured_headers: ['a b']}}}}".into(), "\"a b\" is not the name of a header"),
    ] {
        let mut found = mistakes(&text);
        // The files are looked at all the same.
        found.retain(|mistake| !mistake.contains("cannot be read") || expected.contains("cannot be read"));
        assert!(found.len() == 1 && found[0].contains(expected), "{text}\n{found:#?}");
        assert!(!found[0].contains("hunter2"), "{found:?}");
    }
}

#[test]
fn every_unknown_key_of_a_header_file_is_reported_where_it_is() {
    let found = mistakes(
        "distribution:
  telemetry_bootstrap:
    header_files:
      a: {file: /a, prefx: b, fil: /c}
      b:
        pref: x
",
    );
    let path = "distribution.telemetry_bootstrap.header_files";
    assert_eq!(
        found,
        [
            format!("line 5, column 21: {path}.a: the key `prefx` is not known; did you mean `prefix`?"),
            format!("line 5, column 31: {path}.a: the key `fil` is not known; did you mean `file`?"),
            format!("line 7, column 9: {path}.b: the key `pref` is not known; did you mean `prefix`?"),
        ]
    );
}

#[test]
fn a_mistake_in_a_change_of_the_program_names_the_change() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    std::fs::write(&path, "file_format: \"1.1\"\n").unwrap();
    let load = |key: &'static str, value: &'static str| {
        let file = ConfigFile::new(path.clone(), ".config_file()");
        let change: ConfigChange = Box::new(move |document| document.set(key, value));
        match LoadedFile::load(file, BuilderConfig::default(), Some(change)) {
            Ok((_, Resolved { settings, errors, .. })) if errors.is_empty() => Ok(settings),
            Ok((_, Resolved { errors, .. })) | Err(errors) => Err(errors[0].to_string()),
        }
    };
    let refused = load("disabled", "maybe").err().unwrap();
    assert!(refused.contains("\n  set by `config_file_changes`: disabled: "), "{refused}");
    assert!(!refused.contains("line 0"), "{refused}");
    let key = "meter_provider.readers[0].pull.exporter.prometheus/development.port";
    let exporter = load(key, "0").unwrap().metrics.prometheus.unwrap();
    let origin = exporter.server.unwrap().origin;
    assert!(origin.starts_with("`config_file_changes` to ") && origin.ends_with("otel.yaml"), "{origin}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_the_reason() {
    let read = |path: &str| {
        let file = ConfigFile::new(path.into(), "OTEL_CONFIG_FILE");
        let Err(errors) = LoadedFile::load(file, BuilderConfig::default(), None) else {
            panic!("it was read")
        };
        format!("{:?}", errors[0])
    };
    let missing = read("/nowhere/otel.yaml");
    assert!(
        missing.contains("\"/nowhere/otel.yaml\" (set by OTEL_CONFIG_FILE): the file cannot be read: "),
        "{missing}"
    );
    let directory = read("/");
    assert!(directory.contains("not a regular file"), "{directory}");
    let device = read("/dev/zero");
    assert!(device.contains("not a regular file"), "{device}");
    let content = read("file_format: '1.1'\nheaders: s3cret");
    assert!(content.contains("a path is expected") && !content.contains("s3cret"), "{content}");
}

#[test]
fn the_error_lists_each_mistake_in_a_line_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    std::fs::write(&path, "file_format: \"1.1\"\ndisabled: 1\nlog_level: x\n").unwrap();
    let file = ConfigFile::new(path, ".config_file()");
    let Err(errors) = LoadedFile::load(file, BuilderConfig::default(), None) else { panic!("it was read") };
    let text = errors[0].to_string();
    assert!(
        text.contains("(set by .config_file()) cannot be used: \n  line 2, column 11: disabled: "),
        "{text}"
    );
    assert_eq!(text.lines().count(), 3, "{text}");
}
