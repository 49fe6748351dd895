//! Closures of the program that the layers for calls run, and that panic: they cost no call, and no telemetry but their own.

#![expect(clippy::unwrap_used, reason = "test code")]

mod grpc_support;
mod http_support;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

use axum::body::Body;
use futures_util::FutureExt as _;
use grpc_support::Recorded;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use telemetry_bootstrap::grpc;
use tower::{Layer, Service, ServiceExt as _};

const HTTP_PATH: &str = "/orders";
const RPC_PATH: &str = "/shop.Orders/Get";

/// A service for both protocols. `panics`: instead of an answer.
fn service(
    panics: bool,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone {
    tower::service_fn(move |request: Request<Body>| async move {
        request.into_body().collect().await.unwrap();
        assert!(!panics, "the handler panics");
        let response =
            Response::builder().header("grpc-status", "0").header("content-type", "application/grpc");
        Ok(response.body(Body::from("hello")).unwrap())
    })
}

fn request(path: &str) -> Request<Body> {
    let builder = Request::builder().uri(format!("http://shop.example{path}")).header("te", "trailers");
    let builder = builder.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let builder = if path == RPC_PATH {
        builder.method("POST").header("content-type", "application/grpc")
    } else {
        builder
    };
    builder.body(Body::from("hello")).unwrap()
}

/// Sends a request through a layer, and reads the response to its end.
async fn send<L, S>(layer: L, panics: bool, path: &str)
where
    L: Layer<BoxedService, Service = S>,
    S: Service<
            Request<Body>,
            Response = Response<telemetry_bootstrap::ResponseBody<Body>>,
            Error = Infallible,
        >,
{
    let service = layer.layer(tower::util::BoxCloneService::new(service(panics)));
    let call = AssertUnwindSafe(async {
        let response = service.oneshot(request(path)).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    });
    match call.catch_unwind().await {
        Ok(body) => assert_eq!(&body[..], b"hello"),
        Err(payload) => assert_eq!(payload.downcast_ref(), Some(&"the handler panics"), "{panics}"),
    }
}

type BoxedService = tower::util::BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// Checks what one call has left behind.
async fn recorded_once(recorded: &Recorded, name: &str, duration: &str) {
    let spans = recorded.ended(1).await;
    assert_eq!(spans.iter().map(|span| &*span.name).collect::<Vec<_>>(), [name]);
    let points = recorded.points(duration);
    assert_eq!((points.len(), points[0].count), (1, 1), "{points:?}");
}

macro_rules! hooks {
    ($layer:expr, $path:expr, $name:expr, $duration:expr; $($hook:ident($($argument:pat_param),*)),* $(,)?) => {
        for panics in [false, true] {
            $({
                let recorded = Recorded::new();
                let layer = $layer(&recorded).$hook(|$($argument),*| panic!("a hook panics"));
                send(layer, panics, $path).await;
                recorded_once(&recorded, $name, $duration).await;
            })*
        }
    };
}

fn grpc_server(recorded: &Recorded) -> grpc::ServerLayer {
    grpc::ServerLayer::new()
        .tracer_provider(recorded.tracer_provider.clone())
        .meter_provider(recorded.meter_provider.clone())
}

fn grpc_client(recorded: &Recorded) -> grpc::ClientLayer {
    grpc::ClientLayer::new()
        .tracer_provider(recorded.tracer_provider.clone())
        .meter_provider(recorded.meter_provider.clone())
}

#[tokio::test]
async fn http_server_hooks_that_panic() {
    hooks!(http_support::server, HTTP_PATH, "GET", "http.server.request.duration";
        filter(_), span_name(_), request_attributes(_, _), response_attributes(_, _, _), is_error(_), route(_),
        remote_context(_), peer_address(_));
}

#[tokio::test]
async fn http_client_hooks_that_panic() {
    hooks!(http_support::client, HTTP_PATH, "GET", "http.client.request.duration";
        filter(_), span_name(_), request_attributes(_, _), response_attributes(_, _, _), is_error(_), peer_address(_));
}

#[tokio::test]
async fn grpc_server_hooks_that_panic() {
    hooks!(grpc_server, RPC_PATH, "shop.Orders/Get", "rpc.server.call.duration";
        filter(_), span_name(_), request_attributes(_, _), response_attributes(_, _), is_error(_), remote_context(_),
        peer_address(_));
}

#[tokio::test]
async fn grpc_client_hooks_that_panic() {
    hooks!(grpc_client, RPC_PATH, "shop.Orders/Get", "rpc.client.call.duration";
        filter(_), span_name(_), request_attributes(_, _), response_attributes(_, _), is_error(_), peer_address(_));
}
