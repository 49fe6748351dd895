//! No secret is shown, wherever it was put by mistake.

use super::*;
use crate::lifecycle::assemble::mistakes_in_code;
use crate::settings::misspelt::known_variables;

const SECRETS: [&str; 6] = [
    "-----BEGIN PRIVATE KEY-----\nMIIEvQS3CRET\n-----END PRIVATE KEY-----",
    "Bearer S3CRET",
    "eyJhbGciOiJIUzI1NiJ9.S3CRET.c2ln",
    "https://user:S3CRET@collector:4317/S3CRET",
    "authorization=Bearer S3CRET,x-api-key=S3CRET",
    "sk-live-S3CRET0123456789abcdef",
];

#[test]
fn a_secret_in_any_variable_is_in_no_warning_and_no_error() {
    for variable in known_variables() {
        for secret in SECRETS {
            let env = Env::from_pairs([(variable, secret)]);
            let (settings, errors) = crate::settings::resolve(&init().into_parts().0, &env);
            let shown = format!("{:?} {errors:?}", settings.warnings);
            assert!(!shown.contains("S3CRET"), "{variable}: {shown}");
        }
    }
}

#[test]
fn a_secret_in_any_setter_is_in_no_error_and_no_debug_output() {
    type Setter = fn(Builder, &str) -> Builder;
    let setters: [(&str, Setter); 12] = [
        ("service_name", |builder, text| builder.service_name(text)),
        ("endpoint", |builder, text| builder.endpoint(text)),
        ("header name", |builder, text| builder.header(text, "x")),
        ("header value", |builder, text| builder.header("x", text)),
        ("log_filter", |builder, text| builder.log_filter(text)),
        ("span_filter", |builder, text| builder.span_filter(text)),
        ("logs.filter", |builder, text| builder.logs(|logs| logs.filter(text))),
        ("log_output.filter", |builder, text| builder.log_output(|output| output.filter(text))),
        ("traces.endpoint", |builder, text| builder.traces(|traces| traces.endpoint(text))),
        ("traces.header", |builder, text| builder.traces(|traces| traces.header("x", text))),
        ("tls.client_key", |builder, text| builder.tls(TlsSettings::new().client_key(text))),
        ("tls.certificate", |builder, text| builder.tls(TlsSettings::new().certificate(text))),
    ];
    for (name, set) in setters {
        for secret in SECRETS {
            let before = format!("{:?}", set(init(), secret));
            let (settings, mut errors) =
                crate::settings::resolve(&set(init(), secret).into_parts().0, &Env::none());
            errors.extend(mistakes_in_code(&settings));
            let texts: Vec<_> = errors.iter().map(|error| format!("{error} {error:?}")).collect();
            let shown = format!("{before} {texts:?} {:?}", settings.warnings);
            assert!(!shown.contains("S3CRET"), "{name}: {shown}");
        }
    }
}
