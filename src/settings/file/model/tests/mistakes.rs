//! One mistake, one line that says where it is, what it is, and what is right.

use super::*;

fn mistakes(text: &str) -> Vec<String> {
    read_text(&format!("file_format: \"1.1\"\n{text}"), &[]).0.err().unwrap_or_default()
}

fn span_processors(text: &str) -> String {
    format!("tracer_provider: {{processors: [{{batch: {{exporter: {{console: }}}}}}], {text}}}")
}

#[test]
fn every_rule_of_the_schema_is_checked() {
    let batch = |text: &str| format!("tracer_provider: {{processors: [{{batch: {{{text}}}}}]}}");
    let reader = |text: &str| {
        format!("meter_provider: {{readers: [{{periodic: {{exporter: {{console: }}, {text}}}}}]}}")
    };
    let view = |text: &str| {
        format!(
            "meter_provider: {{readers: [{{periodic: {{exporter: {{console: }}}}}}], views: [{{{text}}}]}}"
        )
    };
    for (text, expected) in [
        (
            "disabled: 1".to_owned(),
            "line 2, column 11: disabled: 1 is not allowed here: must be true or false",
        ),
        ("disabled: 'true'".into(), "disabled: \"true\" is not allowed here: must be true or false"),
        ("disabled: yes".into(), "disabled: \"yes\" is not allowed here"),
        (
            "log_level: verbose".into(),
            "log_level: \"verbose\" is not allowed here: must be one of `trace`, `trace2`",
        ),
        ("resource: 1".into(), "resource: 1 is not allowed here: must be a mapping"),
        ("resource: ".into(), "resource: null is not allowed here: a value must be given"),
        ("resource: {attributes: }".into(), "resource.attributes: null is not allowed here"),
        (
            "resource: {attributes: []}".into(),
            "resource.attributes: the list is empty: at least one item is required",
        ),
        (
            "resource: {attributes: {a: b}}".into(),
            "resource.attributes: a mapping is not allowed here: must be a list",
        ),
        (
            "resource: {attributes: [{name: a}]}".into(),
            "line 2, column 25: resource.attributes[0]: `value` is missing: it is required",
        ),
        (
            "resource: {attributes: [{name: , value: a}]}".into(),
            "resource.attributes[0].name: null is not allowed here",
        ),
        (
            "resource: {attributes: [{name: 1, value: a}]}".into(),
            "resource.attributes[0].name: 1 is not allowed here: must be text",
        ),
        (
            "resource: {attributes: [{name: a, value: [1, b]}]}".into(),
            "resource.attributes[0].value: a list is not allowed here: must be text, a number",
        ),
        ("resource: {attributes: [{name: a, value: []}]}".into(), "resource.attributes[0].value"),
        (
            "resource: {attributes: [{name: a, value: 1, type: integer}]}".into(),
            "type: \"integer\" is not allowed here: must be one of `string`",
        ),
        (
            "resource: {atributes: [{name: a, value: 1}]}".into(),
            "line 2, column 12: resource: the key `atributes` is not known; did you mean `attributes`?",
        ),
        ("resource: {detection: {}}".into(), "did you mean `detection/development`?"),
        ("resource: {schemaUrl: x}".into(), "did you mean `schema_url`?"),
        ("tracer_provider: {}".into(), "tracer_provider: `processors` is missing: it is required"),
        ("tracer_provider: {processors: []}".into(), "tracer_provider.processors: the list is empty"),
        (batch(""), "tracer_provider.processors[0].batch: `exporter` is missing"),
        (
            "tracer_provider: {processors: [{batch: }]}".into(),
            "tracer_provider.processors[0].batch: null is not allowed",
        ),
        (
            "tracer_provider: {processors: [{}]}".into(),
            "processors[0]: a mapping is not allowed here: must be a mapping with one of the keys `batch`, `simple`",
        ),
        (
            batch("exporter: {}"),
            "batch.exporter: a mapping is not allowed here: must be a mapping with one of the keys `otlp_http`",
        ),
        (
            batch("exporter: {otlp_http: , console: }"),
            "batch.exporter: has the keys `otlp_http`, `console`: exactly one key is allowed, of ",
        ),
        (batch("exporter: {otlphttp: }"), "the key `otlphttp` is not known; did you mean `otlp_http`?"),
        (
            batch("exporter: {otlp_file: }"),
            "the key `otlp_file` is not known; did you mean `otlp_file/development`?",
        ),
        (
            batch("exporter: {zipkin: }"),
            "the key `zipkin` is not known; allowed are `otlp_http`, `otlp_grpc`, ",
        ),
        (batch("exporter: {console: {a: 1}}"), "the key `a` is not known: no keys are allowed here"),
        (
            batch("exporter: {console: }, max_queue_size: 0"),
            "max_queue_size: 0 is not allowed here: must be an integer of at least 1",
        ),
        (
            batch("exporter: {console: }, max_queue_size: 1.5"),
            "1.5 is not allowed here: must be an integer of at least 1",
        ),
        (
            batch("exporter: {console: }, schedule_delay: -1"),
            "schedule_delay: -1 is not allowed here: must be an integer of at least 0",
        ),
        (
            batch("exporter: {console: }, schedule_delay: 99999999999999999999"),
            "must be an integer of at least 0",
        ),
        (
            batch("exporter: {console: }, schedule_delay: 5s"),
            "\"5s\" is not allowed here: must be an integer of at least 0",
        ),
        (
            batch("exporter: {otlp_http: {encoding: xml}}"),
            "encoding: \"xml\" is not allowed here: must be one of `protobuf`, `json`",
        ),
        (batch("exporter: {otlp_http: {insecure: true}}"), "the key `insecure` is not known"),
        (batch("exporter: {otlp_http: {max_request_size: 1}}"), "the key `max_request_size` is not known"),
        (batch("exporter: {otlp_http: {headers: [{name: a}]}}"), "headers[0]: `value` is missing"),
        (
            span_processors("sampler: {trace_id_ratio_based: {ratio: 1.1}}"),
            "ratio: 1.1 is not allowed here: must be a number from 0.0 to 1.0",
        ),
        (span_processors("sampler: {trace_id_ratio_based: {ratio: .nan}}"), "ratio: .nan is not allowed"),
        (
            span_processors("sampler: always_on"),
            "sampler: \"always_on\" is not allowed here: must be a mapping",
        ),
        (
            span_processors("sampler: {parent_based: {root: }}"),
            "sampler.parent_based.root: null is not allowed",
        ),
        (
            span_processors("sampler: {jaeger_remote/development: }"),
            "sampler.jaeger_remote/development: not supported: ",
        ),
        (
            span_processors("limits: {attribute_count_limit: -1}"),
            "limits.attribute_count_limit: -1 is not allowed here",
        ),
        (span_processors("limits: "), "tracer_provider.limits: null is not allowed here"),
        (reader("interval: a"), "meter_provider.readers[0].periodic.interval: \"a\" is not allowed"),
        (
            reader("cardinality_limits: {default: 0}"),
            "cardinality_limits.default: 0 is not allowed here: must be an integer of at least 1",
        ),
        (
            reader("producers: [{opencensus: }]"),
            "producers[0].opencensus: not supported: there is no OpenCensus for Rust",
        ),
        (view("selector: {}"), "views[0]: `stream` is missing"),
        (
            view("selector: {instrument_type: timer}, stream: {}"),
            "instrument_type: \"timer\" is not allowed here",
        ),
        (
            view(
                "selector: {}, stream: {aggregation: {base2_exponential_bucket_histogram: {max_scale: 21}}}",
            ),
            "max_scale: 21 is not allowed here: must be an integer from -10 to 20",
        ),
        (
            view("selector: {}, stream: {aggregation: {base2_exponential_bucket_histogram: {max_size: 1}}}"),
            "max_size: 1 is not allowed here: must be an integer of at least 2",
        ),
        (
            view("selector: {}, stream: {aggregation: {explicit_bucket_histogram: {boundaries: [a]}}}"),
            "boundaries[0]: \"a\" is not allowed here: must be a number",
        ),
        (
            "propagator: {composite: [tracecontext]}".into(),
            "propagator.composite[0]: \"tracecontext\" is not allowed here: must be a mapping",
        ),
        (
            "propagator: {composite: [{jaeger: }]}".into(),
            "the key `jaeger` is not known; allowed are `tracecontext`",
        ),
        (
            "distribution: {}".into(),
            "distribution: a mapping is not allowed here: must be a mapping with at least one key",
        ),
        ("distribution: {x: 1}".into(), "distribution.x: 1 is not allowed here: must be a mapping"),
    ] {
        let found = mistakes(&text);
        assert!(found.len() == 1 && found[0].contains(expected), "{text}\n{found:#?}");
    }
}

#[test]
fn null_is_a_choice_where_the_schema_allows_it_and_a_default_elsewhere() {
    let text = "disabled:\nlog_level:\ntracer_provider:\n  processors:\n    - simple:\n        exporter:\n          console:\n  \
                sampler:\n    always_off:\n  limits: {event_count_limit: }\n";
    let document = read_text(&format!("file_format: \"1.0\"\n{text}"), &[]).0.unwrap();
    assert_eq!((document.disabled, document.log_level), (None, None));
    let provider = document.tracer_provider.unwrap();
    assert!(matches!(provider.sampler, Some(Sampler::AlwaysOff(_))));
    assert_eq!(provider.limits.unwrap().event_count_limit, None);
}

#[test]
fn all_mistakes_are_reported_in_the_order_of_the_file() {
    let text = "file_format: \"1.1\"\ndisabled: 1\nresource: {attributes: [{name: a}, {value: 2}]}\ntracer_provider:\n  processors:\n    \
                - batch: {exporter: {zipkin: }, max_queue_size: 0}\n    - simple: {}\n  sampler: {always: }\nlog_level: 5\n";
    let found = read_text(text, &[]).0.unwrap_err();
    assert_eq!(found.len(), 8, "{found:#?}");
    assert!(
        found.is_sorted_by_key(|mistake| mistake[5..].split(',').next().unwrap().parse::<u32>().unwrap())
    );
}

#[test]
fn versions_are_checked() {
    for (version, expected) in [
        ("\"2.0\"", "line 1, column 14: file_format: version 2.0 is not supported: must be 1.0 or 1.1"),
        ("\"0.4\"", "version 0.4 is not supported"),
        ("1.0", "1.0 is not allowed here: must be text (quote"),
        ("\"1\"", "\"1\" is not a version"),
        ("\"1.x\"", "is not a version"),
        ("\"1.0-\"", "is not a version"),
        ("one", "is not a version"),
        ("", "null is not allowed"),
        ("[1]", "must be text"),
    ] {
        let found = read_text(&format!("file_format: {version}"), &[]).0.unwrap_err();
        assert!(found.iter().any(|mistake| mistake.contains(expected)), "{version}: {found:?}");
    }
    for version in ["\"1.0\"", "\"1.1\"", "\"1.0-rc.1\""] {
        let (document, warnings) = read_text(&format!("file_format: {version}"), &[]);
        assert!(document.is_ok() && warnings.is_empty(), "{version}: {warnings:?}");
    }
}

#[test]
fn a_newer_minor_version_is_a_warning_and_so_are_its_keys() {
    let text =
        format!("file_format: \"1.2\"\n{}", span_processors("limits: {attribute_value_depth_limit: 64}"));
    let (document, warnings) = read_text(&text, &[]);
    assert!(document.is_ok(), "{document:?}");
    assert!(warnings[0].contains("version 1.2 is newer than 1.1"), "{warnings:?}");
    assert!(
        warnings[1].contains("tracer_provider.limits: the key `attribute_value_depth_limit` is not known"),
        "{warnings:?}"
    );
}

#[test]
fn an_unknown_key_of_the_document_is_a_warning() {
    let (document, warnings) = read_text("file_format: \"1.1\"\ntracer_providr: {}\n", &[]);
    assert!(document.is_ok());
    assert!(warnings[0].contains("did you mean `tracer_provider`?"), "{warnings:?}");
}

#[test]
fn values_of_headers_are_never_shown() {
    let text = "tracer_provider: {processors: [{simple: {exporter: {otlp_http: {headers: [{name: a, value: 12345}], \
                headers_list: 678}}}}]}";
    let found = mistakes(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(!found.concat().contains("12345") && !found.concat().contains("678"), "{found:?}");
    let text = text.replace("12345", "s3cret").replace("678", "a=s3cret");
    let document = read_text(&format!("file_format: \"1.1\"\n{text}"), &[]).0.unwrap();
    assert!(!format!("{document:?}").contains("s3cret"), "{document:?}");
}
