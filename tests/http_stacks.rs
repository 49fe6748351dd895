//! Unusual stacks: whichever way layers and routers are combined, a request is recorded once, with its route.

#![cfg(all(feature = "http", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;
mod http_support;

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use grpc_support::{Recorded, attribute};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_support::*;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use opentelemetry_sdk::trace::SpanData;
use tower::{Layer, Service, ServiceExt};

async fn found() -> &'static str {
    "found"
}

/// Sends a request and reads the response to its end.
async fn send<S, B>(service: S, method: &str, path: &str) -> StatusCode
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    let request = Request::builder().method(method).uri(path).header("host", "h").body(Body::empty());
    let response = service.oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    response.into_body().collect().await.unwrap();
    status
}

/// The only request was recorded once, under this name and its route.
async fn recorded_once(recorded: &Recorded, name: &str, status: u16) -> SpanData {
    let span = finished(recorded, "server", Some(status), None).await;
    assert_eq!(span.name, name);
    let route = name.split_once(' ').map(|(_, route)| route.to_owned());
    assert_eq!(attribute(&span, "http.route"), route, "{name}");
    let point = recorded.points("http.server.request.duration").remove(0);
    assert_eq!(point.get("http.route"), route, "{name}");
    span
}

#[tokio::test]
async fn layers_around_each_other_record_a_request_once() {
    let routes = || Router::new().route("/users/{id}", get(found));
    for stack in 0..6 {
        let recorded = Recorded::new();
        let (http, grpc) = (server(&recorded), recorded.server());
        let router = match stack {
            // The same layer twice, and a third time around each route.
            0 => routes().route_layer(http.clone()).layer(http.clone()).layer(http),
            // Both layers, in both orders.
            1 => routes().layer(grpc).layer(http),
            2 => routes().layer(http).layer(grpc),
            // Of a nested router and of the one around it.
            3 => {
                let nested = Router::new().route("/{id}", get(found)).layer(http.clone());
                Router::new().nest("/users", nested).layer(http)
            }
            // Of a handler alone, with the router's.
            4 => Router::new().route("/users/{id}", get(found).layer(http.clone())).layer(http),
            // Around a router without layers.
            _ => Router::new().fallback_service(http.layer(routes().layer(http.clone()))),
        };
        assert_eq!(send(router, "GET", "/users/7").await, 200);
        recorded_once(&recorded, "GET /users/{id}", 200).await;
    }
}

#[tokio::test]
async fn merged_and_nested_routers_keep_their_routes() {
    let recorded = Recorded::new();
    let layer = server(&recorded);
    let orders = Router::new().route("/{id}", get(found)).layer(layer.clone());
    let items = Router::new().route("/{id}/items/{item}", get(found));
    let plain = Router::new().route("/plain", get(found));
    let service =
        tower::service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let routes = Router::new()
        .nest("/orders", orders.merge(items))
        .nest_service("/files", service)
        .route_service("/one", service);
    let router = routes.merge(plain.clone()).layer(layer.clone());
    let paths =
        ["/orders/7", "/orders/7/items/8", "/files/a/b", "/one", "/plain", "/orders/7/nothing", "/none"];
    for path in paths {
        send(router.clone(), "GET", path).await;
    }
    let spans = recorded.ended(paths.len()).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(
        names,
        // A service that is nested matches a prefix, which is no route.
        ["GET /orders/{id}", "GET /orders/{id}/items/{item}", "GET", "GET /one", "GET /plain", "GET", "GET"]
    );
    assert_eq!(active(&recorded, "server"), 0.0);

    // What is added after the layer is not covered.
    let recorded = Recorded::new();
    let router = Router::new().route("/one", get(found)).layer(server(&recorded)).merge(plain);
    for path in ["/plain", "/one"] {
        send(router.clone(), "GET", path).await;
    }
    recorded_once(&recorded, "GET /one", 200).await;
}

#[tokio::test]
async fn methods_and_paths_that_no_handler_has_are_recorded_once() {
    let missing = || async { StatusCode::NOT_FOUND };
    let not_allowed = || async { StatusCode::METHOD_NOT_ALLOWED };
    for (method, path, name, status) in [
        ("DELETE", "/users/7", "DELETE /users/{id}", 405),
        ("HEAD", "/users/7", "HEAD /users/{id}", 200),
        ("GET", "/none", "GET", 404),
        ("GET", "/api/none", "GET", 404),
        ("OPTIONS", "*", "OPTIONS", 404),
        ("BREW", "/none", "HTTP", 404),
    ] {
        let recorded = Recorded::new();
        let api = Router::new().route("/save", post(found)).fallback(missing);
        let router = Router::new()
            .route("/users/{id}", get(found))
            .nest("/api", api)
            .fallback(missing)
            .method_not_allowed_fallback(not_allowed)
            .layer(server(&recorded));
        assert_eq!(send(router, method, path).await, status, "{method} {path}");
        recorded_once(&recorded, name, status).await;
    }
}

/// What does not match costs nothing.
#[tokio::test]
async fn a_layer_of_the_routes_alone_records_what_they_match() {
    let recorded = Recorded::new();
    let router = Router::new().route("/users/{id}", get(found)).route_layer(server(&recorded));
    assert_eq!(send(router.clone(), "GET", "/none").await, 404);
    assert_eq!(send(router, "GET", "/users/7").await, 200);
    recorded_once(&recorded, "GET /users/{id}", 200).await;
}

/// Without axum, over both versions of HTTP on one port.
#[tokio::test]
async fn a_service_of_hyper_is_recorded_over_each_version() {
    let recorded = Recorded::new();
    let service = server(&recorded).route(|head| Some(head.uri().path().to_owned())).layer(
        tower::service_fn(|request: Request<Incoming>| async {
            let body = request.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Response::new(http_body_util::Full::new(body)))
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection_with_upgrades(TokioIo::new(connection), service).await;
            });
        }
    });
    for http2 in [false, true] {
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Body>();
        let request = Request::post(format!("http://{address}/echo")).body(Body::from("text")).unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "text");
    }
    let spans = recorded.ended(2).await;
    let found: Vec<_> = spans
        .iter()
        .map(|span| (span.name.as_ref(), attribute(span, "network.protocol.version").unwrap()))
        .collect();
    assert_eq!(found, [("POST /echo", "1.1".to_owned()), ("POST /echo", "2".to_owned())]);
    assert_eq!(active(&recorded, "server"), 0.0);
}
