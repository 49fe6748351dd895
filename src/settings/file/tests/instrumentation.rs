//! What layers for calls read in place of the environment.

use super::*;

#[test]
fn layers_read_the_file_in_place_of_the_environment() {
    let text = "
instrumentation/development:
  general:
    stability_opt_in_list: http/dup,database
    rpc: {semconv: {dual_emit: true}}
    http:
      server: {request_captured_headers: [X-Tenant, accept], known_methods: [GET, QUERY]}
      client: {response_captured_headers: [content-type]}
";
    let (settings, layers) = resolve(text);
    settings.unwrap();
    assert_eq!(
        crate::settings::rpc_conventions(&layers, &mut Vec::new()),
        crate::settings::RpcConventions::Both
    );
    #[cfg(feature = "http")]
    {
        use crate::settings::{http_captured_headers, http_known_methods};
        assert_eq!(http_known_methods(&layers).unwrap(), ["GET", "QUERY"]);
        let [server_request, server_response, client_request, client_response] =
            http_captured_headers(&layers, &mut Vec::new());
        assert_eq!(server_request, ["x-tenant", "accept"]);
        assert_eq!(client_response, ["content-type"]);
        assert!(server_response.is_empty() && client_request.is_empty());
    }
}

#[test]
fn semconv_of_rpc_wins_over_the_list() {
    let conventions = |general: &str| {
        let (settings, layers) = resolve(&format!("instrumentation/development: {{general: {general}}}"));
        (crate::settings::rpc_conventions(&layers, &mut Vec::new()), settings.unwrap().warnings)
    };
    use crate::settings::RpcConventions::{Both, Old, Stable};
    let list = "stability_opt_in_list: rpc/dup";
    for (general, expected) in [
        (format!("{{{list}}}"), Both),
        (format!("{{{list}, rpc: {{semconv: {{version: 1}}}}}}"), Stable),
        (format!("{{{list}, rpc: {{semconv: {{}}}}}}"), Stable),
        (format!("{{{list}, rpc: {{semconv: {{version: 0}}}}}}"), Old),
        ("{rpc: {semconv: {version: 1, dual_emit: true}}}".to_owned(), Both),
        ("{rpc: {semconv: {dual_emit: false}}, stability_opt_in_list: 'http,code'}".to_owned(), Stable),
    ] {
        assert_eq!(conventions(&general), (expected, vec![]), "{general}");
    }
}

#[test]
fn conventions_that_are_not_emitted_are_warnings_with_their_path() {
    for (general, expected) in [
        (
            "{http: {semconv: {dual_emit: true}}}",
            "line 2, column 69: instrumentation/development.general.http.semconv.dual_emit: has no effect: names",
        ),
        ("{code: {semconv: {version: 2}}}", "code.semconv.version: has no effect: version 1 is the only one"),
        ("{db: {semconv: {version: 1}}}", "general.db.semconv: has no effect: telemetry-bootstrap does not"),
        (
            "{rpc: {semconv: {version: 2}}}",
            "rpc.semconv.version: has no effect: versions 0 and 1 can be chosen",
        ),
        ("{rpc: {semconv: {experimental: true}}}", "rpc.semconv.experimental: has no effect: conventions in"),
        (
            "{stability_opt_in_list: 'http/dup,database,rpc/new'}",
            "stability_opt_in_list: of \"rpc/new\" only rpc, rpc/dup and rpc/old have an effect",
        ),
        (
            "{stability_opt_in_list: 'http/dup,http,database'}",
            "stability_opt_in_list: \"http/dup,database\" has no effect: only the conventions of RPC can be chosen",
        ),
    ] {
        let warnings = settings(&format!("instrumentation/development: {{general: {general}}}")).warnings;
        assert!(warnings[0].contains(expected), "{warnings:?}");
    }
    assert!(
        settings("instrumentation/development: {general: {http: {semconv: {version: 1}}}}")
            .warnings
            .is_empty()
    );
}

#[test]
#[cfg(feature = "grpc")]
fn captured_headers_of_grpc_are_under_distribution() {
    let (settings, layers) = resolve(
        "distribution: {telemetry_bootstrap: {grpc: {server: {request_captured_headers: [X-Tenant, a]},
            client: {response_captured_trailers: 'b'}}}}",
    );
    settings.unwrap();
    let captured = crate::settings::grpc_captured_headers(&layers, &mut Vec::new());
    assert_eq!(captured.server_request, ["x-tenant", "a"]);
    assert_eq!(captured.client_trailers, ["b"]);
}
