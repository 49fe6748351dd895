//! `http::ClientLayer`: what is recorded of a request, and each of its endings exactly once.

#![cfg(all(feature = "http", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;
mod http_support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use grpc_support::{Recorded, attribute, value};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_support::*;
use opentelemetry::Value;
use opentelemetry::trace::{SpanKind, Status};
use telemetry_bootstrap::http::{ResendCounter, UrlTemplate};
use tower::{Layer, Service, ServiceExt};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::{Action, Attempt, Policy, PolicyExt, Standard};

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn request_has_the_stable_names() {
    let recorded = Recorded::new();
    let service = client(&recorded).layer(answer(|| Response::new(Body::from("Ada"))));
    let request = get("https://user:pw@users/users/7?sig=s3cret&page=2");
    service.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    let span = finished(&recorded, "client", Some(200), None).await;
    assert_eq!((span.name.as_ref(), &span.span_kind), ("GET", &SpanKind::Client));
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("server.address", "users"),
        ("url.full", "https://REDACTED:REDACTED@users/users/7?sig=REDACTED&page=2"),
        ("network.protocol.version", "1.1"),
    ] {
        assert_eq!(attribute(&span, key).as_deref(), Some(expected), "{key}");
    }
    assert_eq!(value(&span.attributes, "server.port"), Some(&Value::I64(443)));
    assert!(!format!("{span:?}").contains("pw") && !format!("{span:?}").contains("s3cret"));
    let point = recorded.points("http.client.request.duration").remove(0);
    let mut keys: Vec<_> = point.attributes.iter().map(|attribute| attribute.key.to_string()).collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "http.request.method",
            "http.response.status_code",
            "network.protocol.version",
            "server.address",
            "server.port"
        ]
    );
}

#[tokio::test]
async fn a_template_names_the_span() {
    let recorded = Recorded::new();
    let service = client(&recorded).layer(answer(|| Response::new(Body::empty())));
    let mut request = get("http://users:8080/users/7");
    request.extensions_mut().insert(UrlTemplate::new("/users/{id}"));
    drop(service.oneshot(request).await.unwrap());
    let span = finished(&recorded, "client", Some(200), None).await;
    assert_eq!(span.name, "GET /users/{id}");
    assert_eq!(attribute(&span, "url.template").as_deref(), Some("/users/{id}"));
}

#[tokio::test]
async fn errors_of_either_side_are_errors_of_a_client() {
    for status in [404, 500] {
        let recorded = Recorded::new();
        let service = client(&recorded)
            .layer(answer(move || Response::builder().status(status).body(Body::empty()).unwrap()));
        drop(service.oneshot(get("http://h/")).await.unwrap());
        let span = finished(&recorded, "client", Some(status), Some(&status.to_string())).await;
        assert_eq!(span.status, Status::error(""));
    }
}

#[tokio::test]
async fn each_attempt_has_a_span_with_its_number() {
    let recorded = Recorded::new();
    let service = client(&recorded).layer(answer(|| {
        Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(Body::empty()).unwrap()
    }));
    let counter = ResendCounter::default();
    for _ in 0..3 {
        let mut request = get("http://h/");
        request.extensions_mut().insert(counter.clone());
        drop(service.clone().oneshot(request).await.unwrap());
    }
    let spans = recorded.ended(3).await;
    let found: Vec<_> =
        spans.iter().map(|span| value(&span.attributes, "http.request.resend_count").cloned()).collect();
    assert_eq!(found, [None, Some(Value::I64(1)), Some(Value::I64(2))]);
    assert_eq!(recorded.points("http.client.request.duration").remove(0).count, 3);
}

#[tokio::test]
async fn the_context_is_sent_and_other_headers_stay_as_they_are() {
    grpc_support::propagate();
    let recorded = Recorded::new();
    let seen = Arc::new(Mutex::new(http::HeaderMap::new()));
    let saw = Arc::clone(&seen);
    let service = client(&recorded).layer(tower::service_fn(move |request: Request<Body>| {
        *saw.lock().unwrap() = request.headers().clone();
        async { Ok::<_, Infallible>(Response::new(Body::empty())) }
    }));
    let mut request = get("http://h/");
    for value in ["one", "two"] {
        request.headers_mut().append("x-mine", value.parse().unwrap());
    }
    drop(service.oneshot(request).await.unwrap());
    let span = finished(&recorded, "client", Some(200), None).await;
    let headers = seen.lock().unwrap();
    let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
    assert_eq!(headers["traceparent"], format!("00-{trace}-{id}-01"));
    assert_eq!(headers.get_all("x-mine").iter().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(headers.len(), 3);
}

#[tokio::test]
async fn dropping_a_response_is_not_an_error() {
    let recorded = Recorded::new();
    let service = client(&recorded).layer(answer(|| Response::new(stream(["a", "b"], false))));
    let mut body = service.oneshot(get("http://h/")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let span = finished(&recorded, "client", Some(200), None).await;
    assert_eq!(span.status, Status::Unset);
}

#[tokio::test]
async fn giving_up_before_the_head_is_not_an_error() {
    let recorded = Recorded::new();
    let service = client(&recorded).layer(tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, Infallible>>()
    }));
    let gave_up = tokio::time::timeout(Duration::from_millis(1), service.oneshot(get("http://h/"))).await;
    assert!(gave_up.is_err());
    let span = finished(&recorded, "client", None, None).await;
    assert_eq!(span.status, Status::Unset);
}

#[tokio::test]
async fn a_refused_connection_and_a_reset_body_are_failures() {
    let recorded = Recorded::new();
    let refused = tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, std::io::Error>(std::io::ErrorKind::ConnectionRefused.into())
    });
    client(&recorded).layer(refused).oneshot(get("http://h/")).await.unwrap_err();
    finished(&recorded, "client", None, Some("ConnectionRefused")).await;

    let recorded = Recorded::new();
    let service = client(&recorded).layer(answer(|| Response::new(stream(["a"], true))));
    service.oneshot(get("http://h/")).await.unwrap().into_body().collect().await.unwrap_err();
    let span = finished(&recorded, "client", Some(200), Some("ConnectionReset")).await;
    assert_eq!(span.status, Status::error("connection reset"));
}

#[tokio::test]
async fn client_and_server_are_one_trace() {
    grpc_support::propagate();
    let (near, far) = (Recorded::new(), Recorded::new());
    let far_service = server(&far).layer(answer(|| Response::new(Body::empty())));
    let mut service = client(&near).layer(far_service);
    drop(service.ready().await.unwrap().call(get("http://h/")).await.unwrap());
    let client_span = finished(&near, "client", Some(200), None).await;
    let server_span = finished(&far, "server", Some(200), None).await;
    assert_eq!(server_span.parent_span_id, client_span.span_context.span_id());
    assert_eq!(server_span.span_context.trace_id(), client_span.span_context.trace_id());
}

#[tokio::test]
async fn grpc_is_recorded_as_grpc_once_whichever_layers_are_stacked() {
    for http_is_outer in [true, false] {
        let (outer, inner) = (Recorded::new(), Recorded::new());
        let service = grpc_support::TestService::new();
        let ask = grpc_support::ask(0, "ok");
        match http_is_outer {
            true => {
                let service =
                    client(&outer).grpc(|grpc| grpc.target("greeter:1")).layer(inner.client().layer(service));
                grpc_support::TestClient::new(service).unary(ask).await.unwrap();
            }
            false => {
                let service = outer.client().target("greeter:1").layer(client(&inner).layer(service));
                grpc_support::TestClient::new(service).unary(ask).await.unwrap();
            }
        }
        let span = outer.ended(1).await.remove(0);
        assert_eq!((span.name.as_ref(), &span.span_kind), ("test.Test/Unary", &SpanKind::Client));
        assert_eq!(attribute(&span, "server.address").as_deref(), Some("greeter"));
        assert_eq!(outer.points("rpc.client.call.duration").len(), 1);
        assert_eq!(outer.points("http.client.request.duration").len(), 0);
        assert_eq!(inner.spans().len(), 0);
    }
}

/// Gives the requests that follow a redirect the counter of the first.
#[derive(Clone, Default)]
struct CountRedirects(Option<ResendCounter>);

impl<B, E> Policy<B, E> for CountRedirects {
    fn redirect(&mut self, _: &Attempt<'_>) -> Result<Action, E> {
        Ok(Action::Follow)
    }

    fn on_request(&mut self, request: &mut Request<B>) {
        request.extensions_mut().insert(self.0.get_or_insert_default().clone());
    }
}

#[tokio::test]
async fn each_redirect_that_a_layer_around_follows_has_a_span_with_its_number() {
    let recorded = Recorded::new();
    let parents = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&parents);
    let server = tower::service_fn(move |request: Request<Body>| {
        seen.lock().unwrap().push(request.headers().get_all("traceparent").iter().count());
        let answer = match request.uri().path() {
            "/old" => Response::builder().status(302).header("location", "/older"),
            "/older" => Response::builder().status(308).header("location", "https://new/"),
            _ => Response::builder(),
        };
        std::future::ready(Ok::<_, Infallible>(answer.body(Body::empty()).unwrap()))
    });
    let policy = PolicyExt::and::<_, Body, Infallible>(CountRedirects::default(), Standard::default());
    let service = FollowRedirectLayer::with_policy(policy).layer(client(&recorded).layer(server));
    for _ in 0..2 {
        let response = service.clone().oneshot(get("http://h:8080/old")).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    let spans = recorded.ended(6).await;
    let hop = |span: &opentelemetry_sdk::trace::SpanData| {
        let text = |key| attribute(span, key).unwrap_or_default();
        (text("url.full"), text("http.response.status_code"), text("http.request.resend_count"))
    };
    let expected =
        [("http://h:8080/old", "302", ""), ("http://h:8080/older", "308", "1"), ("https://new/", "200", "2")];
    let expected = expected.map(|(url, status, resends)| (url.into(), status.into(), resends.into()));
    assert_eq!(spans.iter().map(hop).collect::<Vec<_>>(), [expected.clone(), expected].concat());
    assert!(parents.lock().unwrap().iter().all(|&count| count <= 1));
    assert_eq!(active(&recorded, "client"), 0.0);
}

#[tokio::test]
async fn the_size_of_a_request_is_that_of_its_header_or_else_of_its_body() {
    for (declared, size) in [
        (None, Some(5)),
        (Some("7"), Some(7)),
        (None, Some(0)),
        // A stream.
        (None, None),
    ] {
        for side in ["client", "server"] {
            let recorded = Recorded::new();
            let mut request = get("http://users:8080/users/7");
            *request.body_mut() = match size {
                Some(length) => Body::from("1234567".get(..length).unwrap()),
                None => stream(["12345"], false),
            };
            if let Some(declared) = declared {
                request.headers_mut().insert("content-length", declared.parse().unwrap());
            }
            let ok = answer(Response::<Body>::default);
            match side {
                "client" => drop(client(&recorded).record_body_sizes().layer(ok).oneshot(request).await),
                _ => drop(server(&recorded).record_body_sizes().layer(ok).oneshot(request).await),
            }
            let span = finished(&recorded, side, Some(200), None).await;
            let expected = size.map(|size| Value::I64(i64::try_from(size).unwrap()));
            assert_eq!(
                value(&span.attributes, "http.request.body.size"),
                expected.as_ref(),
                "{side} {size:?}"
            );
            let points = recorded.points(&format!("http.{side}.request.body.size"));
            assert_eq!(points.len(), usize::from(size.is_some()), "{side} {size:?}");
        }
    }
}
