//! What the HTTP layers allocate for one request: numbers that may fall, but not rise.

#![cfg(all(feature = "http", feature = "axum"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response, Uri};
use opentelemetry_sdk::trace::Sampler;
use telemetry_bootstrap::LogFormat;
use telemetry_bootstrap::http::{ClientLayer, Route, ServerLayer};
use tower::{Layer, Service};

/// Answers with a head, and no body.
#[derive(Clone)]
struct Answering;

impl Service<Request<String>> for Answering {
    type Response = Response<http_body_util::Empty<&'static [u8]>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        drop(request);
        let mut response = Response::default();
        response.extensions_mut().insert(Route::new("/users/{id}"));
        ready(Ok(response))
    }
}

fn request(flags: &str) -> Request<String> {
    let mut request = Request::new(String::new());
    *request.uri_mut() = Uri::from_static("http://users:8080/users/7");
    let headers = request.headers_mut();
    // What is injected finds room.
    headers.reserve(8);
    let traceparent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
    headers.insert("traceparent", traceparent.parse().unwrap());
    headers.insert("user-agent", "curl/8".parse().unwrap());
    // As that of a transport has.
    request.extensions_mut().insert(std::net::SocketAddr::from(([127, 0, 0, 1], 8080)));
    request
}

fn allocations<S: Service<Request<String>>>(mut service: S, flags: &str) -> u64 {
    let mut call = |request| {
        let mut task = Context::from_waker(Waker::noop());
        assert!(pin!(service.call(request)).poll(&mut task).is_ready());
    };
    // The first requests learn the route, bind the instruments, and fill the shards of the table of open spans.
    (0..1000).for_each(|_| call(request(flags)));
    let prepared = request(flags);
    allocation_counter::measure(|| call(prepared)).count_total
}

#[test]
fn request_stays_within_its_allocation_budget() {
    // For the propagators; and the providers of the layers.
    let _telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .traces(|traces| traces.sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn))))
        .log_output(|output| output.format(LogFormat::Off))
        .build()
        .unwrap();
    let bare = allocations(Answering, "01");
    let server = |layer: ServerLayer, flags| allocations(layer.layer(Answering), flags) - bare;
    let routed = || ServerLayer::new().route(|_| Some(String::new()));
    // A client here has no caller: its requests are all sampled.
    let client = allocations(ClientLayer::new().layer(Answering), "01") - bare;
    let counted = [
        ("the route is known", server(routed(), "01"), 4),
        ("the route comes with the response", server(ServerLayer::new(), "01"), 5),
        ("unsampled, the route is known", server(routed(), "00"), 1),
        ("unsampled, the route comes with the response", server(ServerLayer::new(), "00"), 2),
        ("client", client, 4),
    ];
    assert!(counted.iter().all(|(_, counted, most)| counted <= most), "{counted:?}");
}
