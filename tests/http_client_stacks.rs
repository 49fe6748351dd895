//! Client layers around each other: an attempt is recorded once, whatever is between them.

#![cfg(all(feature = "reqwest", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;
mod http_support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use grpc_support::{Recorded, attribute};
use http::{Extensions, Request, Response, StatusCode};
use http_support::*;
use opentelemetry_sdk::trace::SpanData;
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use telemetry_bootstrap::http::{ClientLayer, FollowRedirects};
use tower::retry::{Policy, Retry};
use tower::{Layer, Service, ServiceExt};
use tower_http::follow_redirect::FollowRedirect;

/// A service that answers with these statuses, one after the other. Redirects lead to `/next`.
fn answers<const N: usize>(
    statuses: [u16; N],
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send {
    let next = Arc::new(AtomicUsize::new(0));
    tower::service_fn(move |_: Request<Body>| {
        let status = statuses[next.fetch_add(1, Ordering::Relaxed) % N];
        let response = Response::builder().status(status).header("location", "/next").body(Body::empty());
        ready(Ok(response.unwrap()))
    })
}

/// Repeats a request until it succeeds, with its extensions.
#[derive(Clone)]
struct UntilOk;

impl<B> Policy<Request<Body>, Response<B>, Infallible> for UntilOk {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        response: &mut Result<Response<B>, Infallible>,
    ) -> Option<Self::Future> {
        let is_ok = response.as_ref().is_ok_and(|response| response.status() == 200);
        (!is_ok).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut copy = Request::new(Body::empty());
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        Some(copy)
    }
}

async fn send<S>(service: S)
where
    S: Service<Request<Body>, Error = Infallible>,
{
    let request = Request::get("http://h:8080/first").body(Body::empty()).unwrap();
    drop(service.oneshot(request).await.unwrap());
}

/// What was recorded of each attempt, by which layer: status and number.
async fn attempts(recorded: &Recorded, count: usize) -> Vec<String> {
    let spans = recorded.ended(count).await;
    assert_eq!(active(recorded, "client"), 0.0);
    let points = recorded.points("http.client.request.duration");
    assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), count as u64);
    spans.iter().map(attempt).collect()
}

fn attempt(span: &SpanData) -> String {
    let text = |key| attribute(span, key).unwrap_or_default();
    format!("{} {}", text("http.response.status_code"), text("http.request.resend_count"))
        .trim_end()
        .to_owned()
}

#[tokio::test]
async fn the_outermost_of_stacked_layers_records_a_request() {
    let (outer, inner) = (Recorded::new(), Recorded::new());
    let within = client(&inner).layer(client(&inner).layer(answers([200])));
    send(client(&outer).layer(inner.client().layer(within.clone()))).await;
    // The layer of the other protocol leaves the request to the others.
    send(inner.client().layer(client(&outer).layer(within))).await;
    assert_eq!(attempts(&outer, 2).await, ["200", "200"]);
    assert_eq!(attempts(&inner, 0).await.len(), 0);
}

#[tokio::test]
async fn grpc_passes_three_layers_and_is_recorded_once() {
    let (outer, inner) = (Recorded::new(), Recorded::new());
    let service = client(&inner).layer(client(&inner).layer(grpc_support::TestService::new()));
    let ask = grpc_support::ask(0, "ok");
    grpc_support::TestClient::new(client(&outer).layer(service)).unary(ask).await.unwrap();
    assert_eq!(outer.ended(1).await[0].name, "test.Test/Unary");
    assert_eq!(inner.spans().len(), 0);
}

#[tokio::test]
async fn a_layer_that_leaves_a_request_out_leaves_it_to_the_inner_one() {
    let (outer, inner) = (Recorded::new(), Recorded::new());
    send(client(&outer).filter(|_| false).layer(client(&inner).layer(answers([200])))).await;
    assert_eq!(attempts(&outer, 0).await.len(), 0);
    assert_eq!(attempts(&inner, 1).await, ["200"]);
}

#[tokio::test]
async fn attempts_and_redirects_around_stacked_layers_are_recorded_once_each() {
    let stacked = |outer: &Recorded, inner: &Recorded, statuses| {
        client(outer).layer(client(inner).layer(answers::<3>(statuses)))
    };
    let (outer, inner) = (Recorded::new(), Recorded::new());
    send(Retry::new(UntilOk, stacked(&outer, &inner, [503, 503, 200]))).await;
    assert_eq!(attempts(&outer, 3).await, ["503", "503", "200"]);
    assert_eq!(attempts(&inner, 0).await.len(), 0);

    let (outer, inner) = (Recorded::new(), Recorded::new());
    send(FollowRedirect::new(stacked(&outer, &inner, [302, 302, 200]))).await;
    assert_eq!(attempts(&outer, 3).await, ["302", "302", "200"]);
    assert_eq!(attempts(&inner, 0).await.len(), 0);
}

#[tokio::test]
async fn retry_between_layers_is_one_request_but_redirect_is_not() {
    let (outer, inner) = (Recorded::new(), Recorded::new());
    send(client(&outer).layer(Retry::new(UntilOk, client(&inner).layer(answers([503, 503, 200]))))).await;
    assert_eq!(attempts(&outer, 1).await, ["200"]);
    assert_eq!(attempts(&inner, 0).await.len(), 0);

    // A request that follows a redirect is a new one, without the extensions of the first.
    let (outer, inner) = (Recorded::new(), Recorded::new());
    send(client(&outer).layer(FollowRedirect::new(client(&inner).layer(answers([302, 307, 200]))))).await;
    assert_eq!(attempts(&outer, 1).await, ["200"]);
    assert_eq!(attempts(&inner, 2).await, ["307", "200"]);
}

/// In one process the extensions of a request pass both sides of a call, and a proxy in between.
#[tokio::test]
async fn each_side_of_each_hop_in_one_process_is_recorded() {
    let hops: Vec<_> = (0..4).map(|_| Recorded::new()).collect();
    for knows_route in [true, false] {
        let served = |recorded| server(recorded).route(move |_| knows_route.then(|| "/first".to_owned()));
        let service = served(&hops[3]).layer(answers([200]));
        let proxy = served(&hops[1]).layer(client(&hops[2]).layer(service));
        send(client(&hops[0]).layer(proxy)).await;
    }
    for recorded in &hops {
        assert_eq!(recorded.ended(2).await.len(), 2);
    }
}

/// Serves `/{code}`: a redirect, a status, or nothing for as long as the client waits.
async fn serve<const N: usize>(statuses: [u16; N]) -> String {
    let next = Arc::new(AtomicUsize::new(0));
    let handler = move || {
        let status = statuses[next.fetch_add(1, Ordering::Relaxed) % N];
        async move {
            if status == 0 {
                std::future::pending::<()>().await;
            }
            (StatusCode::from_u16(status).unwrap(), [("location", "/next")])
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, axum::Router::new().fallback(handler)).await });
    format!("http://{address}/first")
}

/// A middleware of a stack.
enum Part {
    Layer(ClientLayer),
    Retry,
    Redirects,
    /// Gives each attempt a limit of time.
    Limit,
}

async fn send_through(url: &str, parts: impl IntoIterator<Item = Part>) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let immediately =
        ExponentialBackoff::builder().retry_bounds(Duration::ZERO, Duration::ZERO).build_with_max_retries(3);
    let client = parts.into_iter().fold(ClientBuilder::new(client), |builder, part| match part {
        Part::Layer(layer) => builder.with(layer),
        Part::Retry => builder.with(RetryTransientMiddleware::new_with_policy(immediately)),
        Part::Redirects => builder.with(FollowRedirects::new(5)),
        Part::Limit => builder.with(Limit),
    });
    assert_eq!(client.build().get(url).send().await.unwrap().status(), 200);
}

/// Drops an attempt that takes too long, and answers in its place.
struct Limit;

#[async_trait::async_trait]
impl Middleware for Limit {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let gave_up = || Response::builder().status(503).body("").unwrap().into();
        let response = tokio::time::timeout(Duration::from_millis(200), next.run(request, extensions)).await;
        response.unwrap_or_else(|_| Ok(gave_up()))
    }
}

#[tokio::test]
async fn attempts_of_reqwest_are_recorded_once_each() {
    use Part::*;
    let layers = || {
        let (outer, inner) = (Recorded::new(), Recorded::new());
        let parts = (Layer(client(&outer)), Layer(client(&inner)), Layer(client(&inner)));
        (outer, inner, parts)
    };
    let retried = serve([503, 503, 200]).await;
    let redirected = serve([302, 307, 200]).await;
    let (first, second) = (["503", "503 1", "200 2"], ["302", "307 1", "200 2"]);

    let (outer, inner, (a, b, c)) = layers();
    send_through(&serve([200]).await, [a, b, c]).await;
    assert_eq!(attempts(&outer, 1).await, ["200"]);
    assert_eq!(attempts(&inner, 0).await.len(), 0);

    for (url, around, expected) in [(&retried, Retry, first), (&redirected, Redirects, second)] {
        let (outer, inner, (a, b, c)) = layers();
        send_through(url, [around, a, b, c]).await;
        assert_eq!(attempts(&outer, 3).await, expected);
        assert_eq!(attempts(&inner, 0).await.len(), 0);
    }

    // The outer span is that of the first attempt, and of the whole request.
    for (url, between, expected) in
        [(&retried, Retry, ["503 1", "200 2"]), (&redirected, Redirects, ["307 1", "200 2"])]
    {
        let (outer, inner, (a, b, c)) = layers();
        send_through(url, [a, between, b, c]).await;
        assert_eq!(attempts(&outer, 1).await, ["200"]);
        assert_eq!(attempts(&inner, 2).await, expected);
    }
}

#[tokio::test]
async fn an_attempt_that_is_dropped_does_not_hide_the_next_one() {
    use Part::*;
    let (outer, inner) = (Recorded::new(), Recorded::new());
    let url = serve([0, 200]).await;
    send_through(&url, [Retry, Limit, Layer(client(&outer)), Layer(client(&inner))]).await;
    assert_eq!(attempts(&outer, 2).await, ["", "200 1"]);
    assert_eq!(attempts(&inner, 0).await.len(), 0);
}
