//! No secret is shown, wherever it was put by mistake.

use std::path::PathBuf;

use super::*;
use crate::LogDestination;
use crate::lifecycle::assemble::mistakes_in_code;
use crate::lifecycle::start_line::StartLine;
use crate::settings::misspelt::known_variables;
use crate::settings::{Destination, HeaderSource};

const SECRETS: [&str; 12] = [
    "-----BEGIN PRIVATE KEY-----\nMIIEvQS3CRET\n-----END PRIVATE KEY-----",
    "Bearer S3CRET",
    "eyJhbGciOiJIUzI1NiJ9.S3CRET.c2ln",
    "https://user:S3CRET@collector:4317/S3CRET",
    "https://collector/?key=S3CRET",
    "https://collector/tenants/S3CRET",
    "authorization=Bearer S3CRET,x-api-key=S3CRET",
    "x-honeycomb-team=S3CRET",
    "sk-live-S3CRET0123456789abcdef",
    "ghp_S3CRET0123456789",
    "wJalS3CRETFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "S3CRET0123456789abcdef",
];

/// Everything that a person might see of these settings and their mistakes.
fn shown(mut errors: Vec<InitError>, settings: &Settings) -> String {
    errors.extend(mistakes_in_code(settings));
    let errors: Vec<_> = errors.iter().map(|error| format!("{error} {error:?}")).collect();
    let start = StartLine::new(settings, String::new());
    let addresses =
        settings.destinations().map(|_, some| some.iter().map(|one| one.name()).collect::<Vec<_>>());
    format!("{errors:?} {:?} {start:?} {addresses:?}", settings.warnings)
}

#[test]
fn a_secret_in_any_variable_is_in_no_warning_and_no_error() {
    for variable in known_variables() {
        for secret in SECRETS {
            for endpoint in [None, Some(("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:1"))] {
                let own = [(variable, secret)];
                let env =
                    Env::from_pairs(endpoint.into_iter().filter(|(name, _)| *name != variable).chain(own));
                let (settings, errors) = crate::settings::resolve(&init().into_parts().0, &env);
                let shown = shown(errors, &settings);
                assert!(!shown.contains("S3CRET"), "{variable}: {shown}");
            }
        }
    }
}

#[test]
fn a_secret_in_any_setter_is_in_no_error_and_no_debug_output() {
    type Setter = fn(Builder, &str) -> Builder;
    let setters: &[(&str, Setter)] = &[
        ("service_name", |builder, text| builder.service_name(text)),
        ("service_version", |builder, text| builder.service_version(text)),
        ("service_namespace", |builder, text| builder.service_namespace(text)),
        ("environment", |builder, text| builder.environment(text)),
        ("resource_attribute", |builder, text| builder.resource_attribute("a", text.to_owned())),
        ("resource_attribute key", |builder, text| builder.resource_attribute(text.to_owned(), "a")),
        ("endpoint", |builder, text| builder.endpoint(text)),
        ("header name", |builder, text| builder.header(text, "x")),
        ("header value", |builder, text| builder.header("x", text)),
        ("header_source name", |builder, text| {
            builder.header_source(text, HeaderSource::from_fn(String::new))
        }),
        ("header_source file", |builder, text| builder.header_source("x", HeaderSource::from_file(text))),
        ("proxy", |builder, text| builder.endpoint("https://c:1").proxy(text)),
        ("log_filter", |builder, text| builder.log_filter(text)),
        ("span_filter", |builder, text| builder.span_filter(text)),
        ("baggage_keys", |builder, text| builder.baggage_keys([text])),
        ("logs.filter", |builder, text| builder.logs(|logs| logs.filter(text))),
        ("log_output.filter", |builder, text| builder.log_output(|output| output.filter(text))),
        ("log_output.destination", |builder, text| {
            builder.log_output(|output| output.destination(LogDestination::file(text)))
        }),
        ("traces.endpoint", |builder, text| builder.traces(|traces| traces.endpoint(text))),
        ("traces.header", |builder, text| builder.traces(|traces| traces.header("x", text))),
        ("metrics.proxy", |builder, text| {
            builder.metrics(|metrics| metrics.endpoint("http://c:1").proxy(text))
        }),
        ("destination", |builder, text| builder.destination(Destination::otlp(text))),
        ("destination.header", |builder, text| {
            builder.destination(Destination::otlp("http://c:1").header(text, text))
        }),
        ("destination.proxy", |builder, text| {
            builder.destination(Destination::otlp("http://c:1").proxy(text))
        }),
        ("otlp_file", |builder, text| {
            // In no directory: the file would be created.
            builder.destination(Destination::otlp_file(PathBuf::from(text).join("none")))
        }),
        ("tls.client_key", |builder, text| builder.tls(TlsSettings::new().client_key(text))),
        ("tls.certificate", |builder, text| builder.tls(TlsSettings::new().certificate(text))),
        ("tls.client_certificate", |builder, text| builder.tls(TlsSettings::new().client_certificate(text))),
    ];
    for (name, set) in setters {
        for secret in SECRETS {
            let before = format!("{:?}", set(init(), secret));
            let (settings, errors) =
                crate::settings::resolve(&set(init(), secret).into_parts().0, &Env::none());
            let shown = format!("{before} {}", shown(errors, &settings));
            assert!(!shown.contains("S3CRET"), "{name}: {shown}");
        }
    }
}

#[test]
fn the_error_of_a_source_does_not_show_a_token_in_the_place_of_a_path() {
    for secret in SECRETS {
        let error = HeaderSource::from_file(secret).fetch().unwrap_err();
        let shown = crate::settings::secrets::shown_words(&error.to_string());
        assert!(!shown.contains("S3CRET"), "{shown}");
    }
}
