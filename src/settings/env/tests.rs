use super::*;
use crate::settings::{RpcConventions, rpc_conventions};

#[test]
fn an_empty_variable_is_not_set() {
    let env =
        Env::from_pairs([("OTEL_SERVICE_NAME", ""), ("OTEL_PROPAGATORS", " \t"), ("RUST_LOG", " info ")]);
    assert_eq!(env.get("OTEL_SERVICE_NAME"), None);
    assert_eq!(env.get("OTEL_PROPAGATORS"), None);
    assert_eq!(env.get("RUST_LOG"), Some("info"));
    assert_eq!(env.get("OTEL_TRACES_SAMPLER"), None);
}

#[test]
fn only_variables_of_telemetry_are_kept() {
    let env =
        Env::from_pairs([("HOME", "/root"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("OTEL_SERVICE_NAME", "a")]);
    assert_eq!(env.variables.len(), 1);
    assert!(!format!("{env:?}").contains("secret"), "{env:?}");
}

#[cfg(unix)]
#[test]
fn non_unicode_value_is_reported_and_ignored() {
    use std::os::unix::ffi::OsStringExt;

    let broken = OsString::from_vec(vec![b'a', 0xff]);
    let env =
        Env::from_os([("OTEL_SERVICE_NAME".into(), broken.clone()), ("HOME".into(), broken)].into_iter());
    assert_eq!(env.get("OTEL_SERVICE_NAME"), None);
    assert_eq!(env.not_unicode(), ["OTEL_SERVICE_NAME"]);
    assert!(env.names().any(|name| name == "OTEL_SERVICE_NAME"), "{env:?}");
}

fn rpc(value: &str) -> (RpcConventions, Vec<String>) {
    let mut warnings = Vec::new();
    let conventions =
        rpc_conventions(&Env::from_pairs([("OTEL_SEMCONV_STABILITY_OPT_IN", value)]), &mut warnings);
    (conventions, warnings)
}

#[test]
fn rpc_conventions_are_picked_from_the_list() {
    let cases = [
        ("", RpcConventions::Stable),
        ("rpc", RpcConventions::Stable),
        ("rpc/old", RpcConventions::Old),
        ("RPC/Old", RpcConventions::Old),
        ("rpc/dup", RpcConventions::Both),
        ("http,rpc/dup", RpcConventions::Both),
        ("rpc , rpc/dup", RpcConventions::Both),
        ("rpc/dup,rpc/old", RpcConventions::Both),
        ("http,database/dup,gen_ai_latest_experimental", RpcConventions::Stable),
    ];
    for (value, expected) in cases {
        assert_eq!(rpc(value), (expected, vec![]), "{value}");
    }
}

#[test]
fn unknown_rpc_convention_is_reported() {
    let (conventions, warnings) = rpc("rpc/new");
    assert_eq!(conventions, RpcConventions::Stable);
    assert_eq!(
        warnings,
        ["OTEL_SEMCONV_STABILITY_OPT_IN: \"rpc/new\" is not one of rpc, rpc/dup, rpc/old; it is ignored"]
    );
}

#[test]
fn captured_headers_are_lists_of_lower_case_names() {
    let env = Env::from_pairs([
        ("OTEL_RUST_GRPC_CAPTURE_SERVER_REQUEST_HEADERS", "X-Request-Id, tenant,, not a name"),
        ("OTEL_RUST_GRPC_CAPTURE_CLIENT_RESPONSE_TRAILERS", "grpc-status-details-bin"),
    ]);
    let expected = CapturedHeaders {
        server_request: vec!["x-request-id".into(), "tenant".into()],
        client_trailers: vec!["grpc-status-details-bin".into()],
        ..CapturedHeaders::default()
    };
    assert_eq!(grpc_captured_headers(&env, &mut Vec::new()), expected);
}

#[cfg(feature = "http")]
#[test]
fn captured_http_headers_are_names_and_no_patterns() {
    let env = Env::from_pairs([
        ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "X-Tenant, x-.*"),
        ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE", "age"),
    ]);
    let mut warnings = Vec::new();
    let [server_request, server_response, client_request, client_response] =
        http_captured_headers(&env, &mut warnings);
    assert_eq!((server_request, client_response), (vec!["x-tenant".to_owned()], vec!["age".to_owned()]));
    assert!(server_response.is_empty() && client_request.is_empty());
    assert_eq!(
        warnings,
        [
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST: \"x-.*\" is not the name of a header; it is ignored"
        ]
    );
}
