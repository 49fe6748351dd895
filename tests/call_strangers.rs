//! What callers decide about, and what they do not: content types, headers that are passed on, names, and the moment at
//! which they leave.

#![cfg(all(feature = "http", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;
mod http_support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};

use grpc_support::{Recorded, attribute, propagate};
use http::{HeaderMap, HeaderName, Request, Response};
use opentelemetry::trace::SpanId;
use opentelemetry::{Context, KeyValue, baggage::BaggageExt as _};
use telemetry_bootstrap::{RemoteContext, grpc, http as layers};
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer, Service, ServiceExt};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn request(content_type: &str, path: &str) -> Request<Body> {
    let builder = Request::post(path).header("content-type", content_type).header("traceparent", TRACEPARENT);
    builder.header("tracestate", "a=1").header("baggage", "tenant=acme").body(Body::empty()).unwrap()
}

fn answer(
    response: impl Fn() -> Response<Body> + Clone,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone {
    tower::service_fn(move |_: Request<Body>| std::future::ready(Ok(response())))
}

fn ok() -> Response<Body> {
    tonic::Status::ok("").into_http()
}

#[tokio::test]
async fn a_content_type_does_not_choose_whether_the_caller_is_trusted() {
    propagate();
    let name = HeaderName::from_static("x-trace-id");
    for content_type in ["text/plain", "application/grpc"] {
        for remote in [RemoteContext::Link, RemoteContext::Ignore, RemoteContext::Parent] {
            let recorded = Recorded::new();
            let layer = http_support::server(&recorded)
                .filter(|head| head.uri().path() != "/healthz")
                .trace_id_header(name.clone())
                .remote_context(move |_| remote);
            let service = layer.layer(answer(ok));
            service.clone().oneshot(request(content_type, "/healthz")).await.unwrap();
            let response = service.oneshot(request(content_type, "/a.B/C")).await.unwrap();
            assert!(response.headers().contains_key(&name), "{content_type} {remote:?}");
            drop(response);
            let span = recorded.ended(1).await.remove(0);
            let is_parent = remote == RemoteContext::Parent;
            assert_eq!(span.parent_span_id != SpanId::INVALID, is_parent, "{content_type} {remote:?}");
            assert_eq!(
                span.links.len(),
                usize::from(remote == RemoteContext::Link),
                "{content_type} {remote:?}"
            );
        }
    }
}

#[tokio::test]
async fn settings_of_the_grpc_layer_take_the_place_of_those_around_it() {
    propagate();
    let recorded = Recorded::new();
    let layer = http_support::server(&recorded)
        .grpc(|grpc| grpc.remote_context(|_| RemoteContext::Parent))
        .remote_context(|_| RemoteContext::Ignore);
    drop(layer.layer(answer(ok)).oneshot(request("application/grpc", "/a.B/C")).await.unwrap());
    assert_ne!(recorded.ended(1).await[0].parent_span_id, SpanId::INVALID);
}

#[tokio::test]
async fn filter_of_an_http_client_excludes_grpc_calls() {
    let recorded = Recorded::new();
    let layer = http_support::client(&recorded).filter(|head| head.uri().path() != "/a.B/C");
    drop(layer.layer(answer(ok)).oneshot(request("application/grpc", "/a.B/C")).await.unwrap());
    drop(layer.layer(answer(ok)).oneshot(request("application/grpc", "/a.B/D")).await.unwrap());
    assert_eq!(recorded.ended(1).await[0].name, "a.B/D");
}

/// The headers that a client's layer sends, of a request that has those of an earlier context.
async fn passed_on(content_type: &str, context: Context) -> HeaderMap {
    propagate();
    let recorded = Recorded::new();
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let saw = Arc::clone(&seen);
    let service = tower::service_fn(move |request: Request<Body>| {
        *saw.lock().unwrap() = request.headers().clone();
        std::future::ready(Ok::<_, Infallible>(ok()))
    });
    let service = http_support::client(&recorded).layer(service);
    {
        let _current = context.attach();
        drop(service.oneshot(request(content_type, "/a.B/C")).await.unwrap());
    }
    let mut seen = seen.lock().unwrap();
    std::mem::take(&mut *seen)
}

#[tokio::test]
async fn headers_of_another_context_are_replaced_by_those_of_this_one() {
    for content_type in ["text/plain", "application/grpc"] {
        let headers = passed_on(content_type, Context::new()).await;
        assert_ne!(headers["traceparent"], TRACEPARENT);
        assert!(!headers.contains_key("tracestate"), "{headers:?}");
        assert!(!headers.contains_key("baggage"), "{headers:?}");
        assert_eq!(headers["content-type"], content_type);
        let context = Context::new().with_baggage([KeyValue::new("tenant", "other")]);
        let headers = passed_on(content_type, context).await;
        let baggage: Vec<_> = headers.get_all("baggage").iter().collect();
        assert_eq!(baggage, ["tenant=other"]);
    }
}

#[tokio::test]
async fn a_clients_peer_is_not_the_caller_whose_request_it_passes_on() {
    let recorded = Recorded::new();
    let mut request = request("application/grpc", "/a.B/C");
    request
        .extensions_mut()
        .insert(TcpConnectInfo { local_addr: None, remote_addr: Some("192.0.2.9:4000".parse().unwrap()) });
    drop(recorded.client().layer(answer(ok)).oneshot(request).await.unwrap());
    assert_eq!(attribute(&recorded.ended(1).await[0], "network.peer.address"), None);
}

#[tokio::test]
async fn a_method_that_no_handler_answers_does_not_name_a_span() {
    let unimplemented = || tonic::Status::unimplemented("").into_http();
    let recorded = Recorded::new();
    let layer = recorded.server();
    drop(
        layer
            .layer(answer(unimplemented))
            .oneshot(request("application/grpc", "/made.Up/Path"))
            .await
            .unwrap(),
    );
    drop(layer.layer(answer(ok)).oneshot(request("application/grpc", "/a.B/C")).await.unwrap());
    drop(layer.layer(answer(unimplemented)).oneshot(request("application/grpc", "/a.B/C")).await.unwrap());
    let spans = recorded.ended(3).await;
    // A span of the SDK keeps repeated attributes until it is exported, with the last value.
    let last = |attributes: &[KeyValue], key| {
        let found = attributes.iter().rfind(|attribute| attribute.key.as_str() == key)?;
        Some(found.value.to_string())
    };
    let named = |key| spans.iter().map(|span| last(&span.attributes, key)).collect::<Vec<_>>();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(spans.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["grpc", "a.B/C", "a.B/C"]);
    assert_eq!(named("rpc.method"), [text("_OTHER"), text("a.B/C"), text("a.B/C")]);
    assert_eq!(named("rpc.method_original"), [text("made.Up/Path"), None, None]);
}

#[tokio::test]
async fn a_name_that_the_program_gives_a_span_stays() {
    let recorded = Recorded::new();
    let layer = recorded.server().span_name(|_| "rpc".to_owned());
    let unimplemented = || tonic::Status::unimplemented("").into_http();
    drop(
        layer
            .layer(answer(unimplemented))
            .oneshot(request("application/grpc", "/made.Up/Path"))
            .await
            .unwrap(),
    );
    assert_eq!(recorded.ended(1).await[0].name, "rpc");
}

#[tokio::test]
async fn requests_that_a_proxy_passes_on_make_no_series_of_a_client() {
    let (outside, inside) = (Recorded::new(), Recorded::new());
    let answers = |request: Request<Body>| {
        let status = match request.uri().path() {
            "/a.B/C" => tonic::Status::ok(""),
            _ => tonic::Status::unauthenticated(""),
        };
        std::future::ready(Ok::<_, Infallible>(status.into_http::<Body>()))
    };
    let proxy = inside.client().layer(tower::service_fn(answers));
    let service = http_support::server(&outside).layer(proxy);
    for path in ["/made.Up/One", "/made.Up/Two", "/a.B/C"] {
        drop(service.clone().oneshot(request("application/grpc", path)).await.unwrap());
    }
    inside.ended(3).await;
    let mut methods: Vec<_> = inside
        .points("rpc.client.call.duration")
        .iter()
        .map(|point| (point.get("rpc.method").unwrap(), point.count))
        .collect();
    methods.sort();
    assert_eq!(methods, [("_OTHER".to_owned(), 2), ("a.B/C".to_owned(), 1)]);
}

/// A service that is never ready, or fails.
#[derive(Clone)]
struct Unready {
    fails: bool,
}

impl Service<Request<Body>> for Unready {
    type Response = Response<Body>;
    type Error = tonic::Status;
    type Future = std::future::Ready<Result<Response<Body>, tonic::Status>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), tonic::Status>> {
        if self.fails { Poll::Ready(Err(tonic::Status::unavailable("no backend"))) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Ok(ok()))
    }
}

/// Polls a request, and drops it a moment later, as a caller does that leaves before the service is ready.
async fn leave<S: Service<Request<Body>>>(service: S) {
    let mut call = Box::pin(service.oneshot(request("application/grpc", "/a.B/C")));
    std::future::poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    // One that is dropped at once was shed, not waited for.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
}

#[tokio::test]
async fn a_caller_that_leaves_while_it_waits_for_a_server_is_recorded() {
    let unready = Unready { fails: false };
    let recorded = Recorded::new();
    leave(recorded.server().layer(unready.clone())).await;
    grpc_support::one_call(&recorded, "server", "CANCELLED", false).await;
    let recorded = Recorded::new();
    leave(http_support::server(&recorded).layer(unready.clone())).await;
    http_support::finished(&recorded, "server", None, Some("cancelled")).await;
    // What a client's service is dropped for need not be a request.
    let recorded = Recorded::new();
    leave(recorded.client().layer(unready)).await;
    assert_eq!(recorded.spans().len(), 0);
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_recorded_once_by_layers_around_each_other() {
    for fails in [true, false] {
        let recorded = Recorded::new();
        let inner = recorded.server().layer(Unready { fails });
        let service =
            layers::ServerLayer::new().tracer_provider(recorded.tracer_provider.clone()).layer(inner);
        if fails {
            service.oneshot(request("application/grpc", "/a.B/C")).await.map(drop).unwrap_err();
        } else {
            leave(service).await;
        }
        recorded.ended(1).await;
    }
    let recorded = Recorded::new();
    let inner = grpc::ClientLayer::new().tracer_provider(recorded.tracer_provider.clone());
    let service = recorded.client().layer(inner.layer(Unready { fails: true }));
    service.oneshot(request("application/grpc", "/a.B/C")).await.map(drop).unwrap_err();
    recorded.ended(1).await;
}

#[tokio::test]
async fn a_service_that_is_dropped_after_its_call_records_nothing_more() {
    let recorded = Recorded::new();
    let limited = tower::limit::ConcurrencyLimit::new(answer(ok), 1);
    let service = http_support::server(&recorded).layer(limited);
    drop(service.clone().oneshot(request("text/plain", "/")).await.unwrap());
    drop(service);
    recorded.ended(1).await;
    assert_eq!(recorded.spans().len(), 1);
}

/// Reads its request if it is a handler, and then panics or never answers.
fn unanswered(
    reads: bool,
    panics: bool,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone {
    tower::service_fn(move |request: Request<Body>| async move {
        if reads {
            http_body_util::BodyExt::collect(request.into_body()).await.unwrap();
        }
        assert!(!panics, "stopped");
        std::future::pending().await
    })
}

#[tokio::test]
async fn a_call_that_ends_without_a_head_has_its_name_if_a_handler_has_read_it() {
    for (reads, panics) in [(false, true), (false, false), (true, true), (true, false)] {
        let recorded = Recorded::new();
        let mut request = request("application/grpc", "/made.Up/Path");
        *request.body_mut() = Body::new(http_body_util::Full::from("12345"));
        let call = recorded.server().layer(unanswered(reads, panics)).oneshot(request);
        let call = tokio::spawn(tokio::time::timeout(std::time::Duration::from_millis(20), call));
        assert_eq!(call.await.is_err(), panics);
        let span = recorded.ended(1).await.remove(0);
        assert_eq!(span.name, if reads { "made.Up/Path" } else { "grpc" }, "{reads} {panics}");
        // Something in front of a handler may have read it.
        let point = recorded.points("rpc.server.call.duration").remove(0);
        assert_eq!(point.get("rpc.method").as_deref(), Some("_OTHER"), "{reads} {panics}");
    }
}
