//! `http::ClientLayer` as a middleware of reqwest, against servers on this machine.

#![cfg(all(feature = "reqwest", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;
mod http_support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::{any, get};
use grpc_support::{Recorded, attribute, value};
use http_support::*;
use hyper_util::rt::TokioExecutor;
use opentelemetry::Value;
use opentelemetry::trace::{SpanKind, Status};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use telemetry_bootstrap::http::{FollowRedirects, UrlTemplate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, ServiceExt};

fn traced(recorded: &Recorded) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new()).with(client(recorded)).build()
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}

/// Answers one connection with these bytes, and closes it.
async fn serve_raw(answer: &'static [u8]) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = connection.read(&mut request).await.unwrap();
        connection.write_all(answer).await.unwrap();
    });
    address
}

/// An address at which nothing listens.
async fn refused() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn resends(spans: &[opentelemetry_sdk::trace::SpanData]) -> Vec<Option<Value>> {
    spans.iter().map(|span| value(&span.attributes, "http.request.resend_count").cloned()).collect()
}

#[tokio::test]
async fn request_has_the_stable_names() {
    let recorded = Recorded::new();
    let address = serve(Router::new().route("/users/{id}", get(async || "Ada"))).await;
    let request = traced(&recorded)
        .get(format!("http://user:pw@{address}/users/7?sig=s3cret&page=2#there"))
        .with_extension(UrlTemplate::new("/users/{id}"));
    let response = request.send().await.unwrap();
    assert_eq!(response.url().path(), "/users/7");
    assert_eq!(response.remote_addr(), Some(address));
    assert_eq!(response.content_length(), Some(3));
    assert_eq!(response.text().await.unwrap(), "Ada");
    let span = finished(&recorded, "client", Some(200), None).await;
    assert_eq!((span.name.as_ref(), &span.span_kind), ("GET /users/{id}", &SpanKind::Client));
    // reqwest sends credentials in a URL as a header.
    let url = format!("http://{address}/users/7?sig=REDACTED&page=2");
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("server.address", "127.0.0.1"),
        ("url.full", url.as_str()),
        ("url.template", "/users/{id}"),
        ("network.peer.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
    ] {
        assert_eq!(attribute(&span, key).as_deref(), Some(expected), "{key}");
    }
    assert_eq!(value(&span.attributes, "server.port"), Some(&Value::I64(address.port().into())));
    assert_eq!(value(&span.attributes, "http.request.resend_count"), None);
    assert!(!format!("{span:?}").contains("s3cret") && !format!("{span:?}").contains("pw"));
}

#[tokio::test]
async fn client_and_server_are_one_trace_and_other_headers_stay_as_they_are() {
    grpc_support::propagate();
    let (near, far) = (Recorded::new(), Recorded::new());
    let handler = async |headers: HeaderMap| {
        let mine: Vec<_> = headers.get_all("x-mine").iter().map(|value| value.to_str().unwrap()).collect();
        mine.join(",")
    };
    let address = serve(Router::new().route("/", get(handler)).layer(server(&far))).await;
    let request =
        traced(&near).get(format!("http://{address}/")).header("x-mine", "one").header("x-mine", "two");
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "one,two");
    let client_span = finished(&near, "client", Some(200), None).await;
    let server_span = finished(&far, "server", Some(200), None).await;
    assert_eq!(server_span.parent_span_id, client_span.span_context.span_id());
    assert_eq!(server_span.span_context.trace_id(), client_span.span_context.trace_id());
}

/// Some programs inject the context themselves: then the callee's parent was the caller's parent, or unclear.
#[tokio::test]
async fn a_context_that_the_program_injected_is_replaced() {
    grpc_support::propagate();
    let recorded = Recorded::new();
    let handler = async |headers: HeaderMap| {
        let parents = headers.get_all("traceparent").iter().map(|value| value.to_str().unwrap().to_owned());
        parents.collect::<Vec<_>>().join(",")
    };
    let address = serve(Router::new().route("/", get(handler))).await;
    let stale = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = traced(&recorded).get(format!("http://{address}/")).header("traceparent", stale);
    let received = request.send().await.unwrap().text().await.unwrap();
    let span = finished(&recorded, "client", Some(200), None).await;
    let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
    assert_eq!(received, format!("00-{trace}-{id}-01"));
}

#[tokio::test]
async fn each_attempt_of_a_retry_has_a_span_with_its_number() {
    let recorded = Recorded::new();
    let attempts = Arc::new(AtomicUsize::new(0));
    let handler = move || {
        let attempt = attempts.fetch_add(1, Ordering::Relaxed);
        async move { if attempt % 3 < 2 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK } }
    };
    let address = serve(Router::new().route("/", get(handler))).await;
    let immediately =
        ExponentialBackoff::builder().retry_bounds(Duration::ZERO, Duration::ZERO).build_with_max_retries(3);
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(RetryTransientMiddleware::new_with_policy(immediately))
        .with(client(&recorded))
        .build();
    for _ in 0..2 {
        let response = client.get(format!("http://{address}/")).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }
    let spans = recorded.ended(6).await;
    let numbers = [None, Some(Value::I64(1)), Some(Value::I64(2))];
    assert_eq!(resends(&spans), [numbers.clone(), numbers].concat());
    let errors: Vec<_> = spans.iter().map(|span| attribute(span, "error.type")).collect();
    assert_eq!(errors[..3], [Some("503".to_owned()), Some("503".to_owned()), None]);
    assert_eq!(
        recorded.points("http.client.request.duration").iter().map(|point| point.count).sum::<u64>(),
        6
    );
    assert_eq!(active(&recorded, "client"), 0.0);
}

#[tokio::test]
async fn redirects_that_reqwest_follows_are_part_of_the_request() {
    let recorded = Recorded::new();
    let router = Router::new()
        .route("/old", get(async || Redirect::permanent("/new")))
        .route("/new", get(async || "here"));
    let address = serve(router).await;
    let response = traced(&recorded).get(format!("http://{address}/old")).send().await.unwrap();
    assert_eq!(response.url().path(), "/new");
    drop(response.text().await.unwrap());
    let span = finished(&recorded, "client", Some(200), None).await;
    assert_eq!(attribute(&span, "url.full"), Some(format!("http://{address}/old")));
}

/// A client whose redirects have spans of their own.
fn following(recorded: &Recorded, limit: usize) -> ClientWithMiddleware {
    let client_without = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    ClientBuilder::new(client_without.build().unwrap())
        .with(FollowRedirects::new(limit))
        .with(client(recorded))
        .build()
}

#[tokio::test]
async fn redirects_that_the_middleware_follows_have_spans_of_their_own() {
    grpc_support::propagate();
    let (near, far) = (Recorded::new(), Recorded::new());
    let router = Router::new()
        .route("/old", get(async || Redirect::permanent("/newer")))
        .route("/newer", get(async || Redirect::temporary("/new")))
        .route("/new", get(async || "here"))
        .layer(server(&far));
    let address = serve(router).await;
    let request = following(&near, 2).get(format!("http://{address}/old"));
    let response = request.with_extension(UrlTemplate::new("/old")).send().await.unwrap();
    assert_eq!(response.url().path(), "/new");
    assert_eq!(response.text().await.unwrap(), "here");
    let spans = near.ended(3).await;
    let urls: Vec<_> = spans.iter().map(|span| attribute(span, "url.full").unwrap()).collect();
    assert_eq!(urls, ["/old", "/newer", "/new"].map(|path| format!("http://{address}{path}")));
    // A template is one of the first URL.
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["GET /old", "GET", "GET"]);
    assert_eq!(resends(&spans), [None, Some(Value::I64(1)), Some(Value::I64(2))]);
    let codes: Vec<_> = spans.iter().map(|span| attribute(span, "http.response.status_code")).collect();
    assert_eq!(codes, [308, 307, 200].map(|code| Some(code.to_string())));
    assert!(spans.iter().all(|span| span.status == Status::Unset), "{spans:?}");
    // Each server's span is below that of its own attempt.
    for (sent, served) in spans.iter().zip(far.ended(3).await) {
        assert_eq!(served.parent_span_id, sent.span_context.span_id());
    }
    assert_eq!(active(&near, "client"), 0.0);
}

/// What the server received: method, body, and some headers.
async fn received(
    State(to): State<String>,
    Path(code): Path<u16>,
    method: Method,
    headers: HeaderMap,
    body: String,
) -> axum::response::Response {
    if code == 200 {
        let sent = ["authorization", "content-type"].map(|name| headers.contains_key(name));
        return format!("{method} {body:?} {sent:?}").into_response();
    }
    (StatusCode::from_u16(code).unwrap(), [("location", to)]).into_response()
}

#[tokio::test]
async fn redirects_are_followed_by_the_rules_of_reqwest() {
    let last = serve(Router::new().route("/{code}", any(received)).with_state(String::new())).await;
    let to_other =
        serve(Router::new().route("/{code}", any(received)).with_state(format!("http://{last}/200")));
    let same = serve(Router::new().route("/{code}", any(received)).with_state("200".to_owned())).await;
    let to_other = to_other.await;
    let with_body = r#"POST "text" [true, true]"#;
    for (code, address, expected) in [
        (301, same, r#"GET "" [true, false]"#),
        (302, same, r#"GET "" [true, false]"#),
        (303, same, r#"GET "" [true, false]"#),
        (307, same, with_body),
        (308, same, with_body),
        (307, to_other, r#"POST "text" [false, true]"#),
        (303, to_other, r#"GET "" [false, false]"#),
    ] {
        let ours = following(&Recorded::new(), 10);
        let theirs = ClientBuilder::new(reqwest::Client::new()).build();
        for client in [ours, theirs] {
            let request = client.post(format!("http://{address}/{code}")).bearer_auth("s3cret").body("text");
            let response = request.header("content-type", "text/plain").send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), expected, "{code} {address}");
        }
    }
}

#[tokio::test]
async fn a_redirect_that_cannot_be_followed_is_the_response() {
    let recorded = Recorded::new();
    let address = serve(Router::new().route("/{code}", any(received)).with_state("/307".to_owned())).await;
    let stream = || reqwest::Body::wrap_stream(tokio_stream::once(Ok::<_, std::io::Error>("text")));
    let client = following(&recorded, 10);
    let response = client.post(format!("http://{address}/307")).body(stream()).send().await.unwrap();
    assert_eq!(response.status(), 307, "a stream is sent once");
    drop(response);
    let error = client.get(format!("http://{address}/307")).send().await.unwrap_err();
    assert!(error.is_middleware() && error.to_string().contains("too many redirects"), "{error:?}");
    // Eleven attempts were sent.
    assert_eq!(recorded.ended(12).await.len(), 12);
}

/// A server that calls another one in its handler: client and server of each hop are one trace, and no name has a path.
#[tokio::test]
async fn a_chain_of_services_is_one_trace() {
    grpc_support::propagate();
    let hops: Vec<_> = (0..3).map(|_| (Recorded::new(), Recorded::new())).collect();
    let mut next = None;
    for (near, far) in hops.iter().rev() {
        let client = traced(near);
        let handler = async move |Path(id): Path<u32>| match next {
            Some(address) => {
                let response = client.get(format!("http://{address}/orders/{id}")).send().await.unwrap();
                response.text().await.unwrap()
            }
            None => id.to_string(),
        };
        next = Some(serve(Router::new().route("/orders/{id}", get(handler)).layer(server(far))).await);
    }
    let begin = Recorded::new();
    let url = format!("http://{}/orders/7", next.unwrap());
    assert_eq!(traced(&begin).get(url).send().await.unwrap().text().await.unwrap(), "7");
    let mut chain = vec![finished(&begin, "client", Some(200), None).await];
    for (at, (near, far)) in hops.iter().enumerate() {
        chain.push(finished(far, "server", Some(200), None).await);
        if at + 1 < hops.len() {
            chain.push(finished(near, "client", Some(200), None).await);
        }
    }
    for pair in chain.windows(2) {
        assert_eq!(pair[1].parent_span_id, pair[0].span_context.span_id(), "{chain:?}");
        assert_eq!(pair[1].span_context.trace_id(), pair[0].span_context.trace_id());
    }
    let names: Vec<_> = chain.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["GET", "GET /orders/{id}"].repeat(3));
}

#[tokio::test]
async fn a_body_is_followed_to_its_end() {
    let recorded = Recorded::new();
    let router = Router::new().route(
        "/{end}",
        get(async |Path(end): Path<String>| {
            let pending = tokio_stream::StreamExt::chain(
                tokio_stream::iter([Ok::<_, std::io::Error>("a"), Ok("b")]),
                tokio_stream::pending(),
            );
            match end.as_str() {
                "endless" => Body::from_stream(pending),
                _ => Body::from("ab"),
            }
        }),
    );
    let address = serve(router).await;
    let client = traced(&recorded);

    let mut response = client.get(format!("http://{address}/endless")).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap()[0], b'a');
    assert_eq!(recorded.spans().len(), 0);
    assert_eq!(active(&recorded, "client"), 1.0);
    drop(response);
    assert_eq!(finished(&recorded, "client", Some(200), None).await.status, Status::Unset);

    let request = client.get(format!("http://{address}/endless")).timeout(Duration::from_millis(200));
    let error = request.send().await.unwrap().bytes().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let span = recorded.ended(2).await.remove(1);
    assert_eq!(attribute(&span, "error.type").as_deref(), Some("TimedOut"));

    let response = client.head(format!("http://{address}/complete")).send().await.unwrap();
    assert_eq!(recorded.ended(3).await.len(), 3);
    drop(response);
    assert_eq!(active(&recorded, "client"), 0.0);
}

#[tokio::test]
async fn errors_have_the_transport_reason_and_no_url() {
    let closed_at_once = serve_raw(b"").await;
    let garbage = serve_raw(b"not HTTP\r\n\r\n").await;
    for (address, error_type) in
        [(refused().await, "ConnectionRefused"), (closed_at_once, "IncompleteMessage"), (garbage, "Parse")]
    {
        let recorded = Recorded::new();
        let url = format!("http://user:pw@{address}/?token=s3cret");
        let error = traced(&recorded).get(&url).send().await.unwrap_err();
        assert!(
            error.url().unwrap().as_str().contains("s3cret"),
            "the caller's error keeps its URL: {error:?}"
        );
        let span = finished(&recorded, "client", None, Some(error_type)).await;
        let Status::Error { description } = &span.status else { panic!("{:?}", span.status) };
        assert!(description.starts_with("error sending request: "), "{description}");
        let span = format!("{:?} {:?}", span.status, span.events);
        assert!(!span.contains("pw") && !span.contains("s3cret"), "{span}");
    }
}

#[tokio::test]
async fn errors_that_another_middleware_wraps_have_no_url() {
    let recorded = Recorded::new();
    let policy = ExponentialBackoff::builder()
        .retry_bounds(Duration::from_millis(1), Duration::from_millis(1))
        .build_with_max_retries(1);
    let retries = RetryTransientMiddleware::new_with_policy(policy);
    let around = ClientBuilder::new(reqwest::Client::new()).with(client(&recorded)).with(retries).build();
    around.get(format!("http://{}/?sig=s3cret", refused().await)).send().await.unwrap_err();
    let status = format!("{:?}", recorded.ended(1).await[0].status);
    assert!(status.contains("error sending request") && !status.contains("s3cret"), "{status}");
}

#[tokio::test]
async fn truncated_body_is_a_failure() {
    let recorded = Recorded::new();
    let address = serve_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort").await;
    let response = traced(&recorded).get(format!("http://{address}/")).send().await.unwrap();
    response.bytes().await.unwrap_err();
    finished(&recorded, "client", Some(200), Some("IncompleteBody")).await;
}

#[tokio::test]
async fn a_timeout_of_the_client_is_a_failure() {
    let recorded = Recorded::new();
    let address = serve(Router::new().route("/", get(std::future::pending::<()>))).await;
    let request = traced(&recorded).get(format!("http://{address}/")).timeout(Duration::from_millis(50));
    assert!(request.send().await.unwrap_err().is_timeout());
    finished(&recorded, "client", None, Some("TimedOut")).await;
}

#[tokio::test]
async fn dropped_future_is_not_an_error() {
    let recorded = Recorded::new();
    let address = serve(Router::new().route("/", get(std::future::pending::<()>))).await;
    let request = traced(&recorded).get(format!("http://{address}/"));
    assert!(tokio::time::timeout(Duration::from_millis(50), request.send()).await.is_err());
    assert_eq!(finished(&recorded, "client", None, None).await.status, Status::Unset);
}

#[tokio::test]
async fn filtered_requests_pass_untouched() {
    let recorded = Recorded::new();
    let address = serve(Router::new().route("/", get(async || "Ada"))).await;
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(client(&recorded).filter(|head| head.uri().path() != "/"))
        .build();
    assert_eq!(client.get(format!("http://{address}/")).send().await.unwrap().text().await.unwrap(), "Ada");
    assert_eq!(recorded.spans().len(), 0);
    assert_eq!(recorded.points("http.client.request.duration").len(), 0);
}

#[tokio::test]
async fn sizes_of_bodies_that_reqwest_holds_in_memory_are_measured() {
    let recorded = Recorded::new();
    let address = serve(Router::new().route("/", axum::routing::post(async |body: String| body))).await;
    let client =
        ClientBuilder::new(reqwest::Client::new()).with(client(&recorded).record_body_sizes()).build();
    let response = client.post(format!("http://{address}/")).body("four").send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "four");
    let span = finished(&recorded, "client", Some(200), None).await;
    for side in ["request", "response"] {
        assert_eq!(value(&span.attributes, &format!("http.{side}.body.size")), Some(&Value::I64(4)));
    }
}

/// A name that the system's resolver refuses without a query: a label has 63 characters at most.
fn unresolvable() -> String {
    format!("http://{}.invalid/?token=s3cret", "x".repeat(64))
}

#[tokio::test]
async fn a_name_that_is_not_resolved_is_a_dns_error() {
    let recorded = Recorded::new();
    traced(&recorded).get(unresolvable()).send().await.unwrap_err();
    let span = finished(&recorded, "client", None, Some("DnsError")).await;
    assert!(!format!("{:?}", span.status).contains("s3cret"), "{span:?}");

    let recorded = Recorded::new();
    let hyper = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http::<String>();
    let request = http::Request::get(unresolvable()).body(String::new()).unwrap();
    client(&recorded).layer(hyper).oneshot(request).await.unwrap_err();
    finished(&recorded, "client", None, Some("DnsError")).await;
}

/// hyper-util's client has the same errors, without reqwest around them.
#[tokio::test]
async fn a_refused_connection_of_hyper_util_has_the_reason_of_the_system() {
    let recorded = Recorded::new();
    let hyper = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http::<String>();
    let request = http::Request::get(format!("http://{}/", refused().await)).body(String::new()).unwrap();
    client(&recorded).layer(hyper).oneshot(request).await.unwrap_err();
    finished(&recorded, "client", None, Some("ConnectionRefused")).await;
}
