//! Everything that the layers record has a name, a type and a unit of the semantic conventions.

#![cfg(all(feature = "http", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail with them")]

mod grpc_support;
mod http_support;

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use grpc_support::{Recorded, World, ask};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use http_support::{client, server};
use opentelemetry::{Array, KeyValue, Value};
use telemetry_bootstrap::http::{ResendCounter, UrlTemplate};
use tower::{Layer, ServiceExt};

/// The registry's attributes by name, and its metrics with instrument and unit.
fn registry() -> (BTreeMap<&'static str, &'static str>, BTreeMap<&'static str, &'static str>) {
    let lines = || include_str!("conventions/registry.txt").lines();
    let kind = |kind: &'static str| {
        lines().filter_map(move |line| line.strip_prefix(kind)?.trim_start().split_once(' ')).collect()
    };
    (kind("attribute"), kind("metric"))
}

/// Captured metadata of gRPC, whose names are not stable.
const BEYOND_THE_REGISTRY: [&str; 3] =
    ["rpc.request.header.", "rpc.response.header.", "rpc.response.trailer."];

#[track_caller]
fn check_attributes<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>) {
    let (known, _) = registry();
    for attribute in attributes {
        let key = attribute.key.as_str();
        if BEYOND_THE_REGISTRY.iter().any(|prefix| key.starts_with(prefix)) {
            continue;
        }
        let template = || {
            known.iter().find(|(name, kind)| {
                kind.starts_with("template")
                    && key.strip_prefix(**name).is_some_and(|rest| rest.starts_with('.'))
            })
        };
        let kind = known.get(key).copied().or_else(|| template().map(|(_, kind)| *kind));
        let kind = kind.unwrap_or_else(|| panic!("{key} is not in the registry"));
        let fits = match &attribute.value {
            Value::String(_) => kind == "string",
            Value::I64(_) => kind == "int",
            Value::Array(Array::String(_)) => kind == "template[string[]]",
            _ => false,
        };
        assert!(fits, "{attribute:?} is no {kind}");
    }
}

fn check(recorded: &Recorded) {
    let (_, known) = registry();
    let spans = recorded.spans();
    assert!(!spans.is_empty());
    for span in &spans {
        check_attributes(&span.attributes);
    }
    let names = recorded.metric_names();
    assert!(!names.is_empty());
    for name in names.iter().filter(|name| !name.ends_with(".active_calls")) {
        assert!(known.contains_key(name.as_str()), "{name} is not in the registry");
        let (_, unit) = known[name.as_str()].split_once(' ').unwrap();
        assert_eq!(recorded.unit(name), unit, "{name}");
        for point in recorded.points(name) {
            check_attributes(&point.attributes);
        }
    }
}

#[tokio::test]
async fn http_with_every_option() {
    let (near, far) = (Recorded::new(), Recorded::new());
    let layer = server(&far)
        .record_body_sizes()
        .trusted_proxies(1)
        .capture_request_headers(["x-tenant"])
        .capture_response_headers(["content-type"]);
    let router = Router::new()
        .route("/users/{id}", any(async || "Ada"))
        .route("/fails", get(async || StatusCode::BAD_GATEWAY))
        .layer(layer);
    let service = client(&near)
        .record_body_sizes()
        .capture_request_headers(["x-tenant"])
        .capture_response_headers(["content-type"])
        .layer(router);
    let attempts = ResendCounter::default();
    for (method, path) in
        [("GET", "/users/7?page=2"), ("PURGE", "/users/7"), ("GET", "/fails"), ("GET", "/no")]
    {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://users:8080{path}"))
            .header("x-tenant", "acme")
            .header("user-agent", "curl/8")
            .header("x-forwarded-for", "192.0.2.1")
            .header("content-length", "0")
            .extension(UrlTemplate::new("/users/{id}"))
            .extension(attempts.clone())
            .extension(std::net::SocketAddr::from(([127, 0, 0, 1], 5)))
            .body(Body::empty())
            .unwrap();
        service.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    }
    near.ended(4).await;
    far.ended(4).await;
    check(&near);
    check(&far);
}

#[tokio::test]
async fn grpc_with_every_option_of_the_stable_conventions() {
    let world = World::with(
        grpc_support::TestService::new(),
        |server| server.capture_request_headers(["user-agent"]),
        |client| client.capture_response_headers(["content-type"]),
    )
    .await;
    world.grpc().unary(ask(0, "ok")).await.unwrap();
    world.grpc().unary(ask(0, "13")).await.unwrap_err();
    world.server.ended(2).await;
    world.client.ended(2).await;
    check(&world.server);
    check(&world.client);
}
