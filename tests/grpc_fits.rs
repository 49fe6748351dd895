//! The layers among the services that people have around them.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;

use std::convert::Infallible;
use std::net::SocketAddr;

use grpc_support::*;
use telemetry_bootstrap::grpc::{ClientLayer, ClientService, ServerLayer, ServerService};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::service::LayerExt;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Server};
use tonic::{Request, Status};
use tower::util::BoxCloneService;
use tower::{Layer, ServiceBuilder, ServiceExt};

type Interceptor = fn(Request<()>) -> Result<Request<()>, Status>;

/// Names that can be written down.
#[expect(dead_code, reason = "it compiles: that is the test")]
struct Application {
    channel: ClientService<Channel>,
    intercepted: InterceptedService<ClientService<Channel>, Interceptor>,
    served: ServerService<TestService>,
}

#[test]
fn layers_and_services_are_clone_send_sync_and_debug() {
    fn anywhere<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    anywhere::<ServerLayer>();
    anywhere::<ClientLayer>();
    anywhere::<ServerService<()>>();
    anywhere::<ClientService<Channel>>();
}

async fn listen() -> (SocketAddr, TcpListenerStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), TcpListenerStream::new(listener))
}

fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

#[tokio::test]
async fn calls_with_interceptors_on_either_side_are_recorded() {
    let (recorded, client) = (Recorded::new(), Recorded::new());
    let (address, incoming) = listen().await;
    let refuse = |request: Request<()>| match request.metadata().get("token") {
        Some(_) => Ok(request),
        None => Err(Status::unauthenticated("who are you?")),
    };
    let server = Server::builder()
        .layer(recorded.server())
        .add_service(InterceptedService::new(TestService::new(), refuse))
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    let channel = client.client().layer(channel(address));

    TestClient::new(channel.clone()).unary(ask(0, "ok")).await.unwrap_err();
    one_call(&recorded, "server", "UNAUTHENTICATED", false).await;
    one_call(&client, "client", "UNAUTHENTICATED", true).await;

    let with_token = InterceptedService::new(channel, |mut request: Request<()>| {
        request.metadata_mut().insert("token", "t".parse().unwrap());
        Ok(request)
    });
    TestClient::new(with_token).unary(ask(0, "ok")).await.unwrap();
    assert_eq!(attribute(&recorded.ended(2).await[1], "rpc.status_code").as_deref(), Some("OK"));
}

#[tokio::test]
async fn one_service_alone_is_layered() {
    let recorded = Recorded::new();
    let (address, incoming) = listen().await;
    let (_, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .add_service(health)
        .add_service(recorded.server().named_layer(TestService::new()))
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    TestClient::new(channel(address)).unary(ask(0, "ok")).await.unwrap();
    tonic_health::pb::health_client::HealthClient::new(channel(address))
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await
        .unwrap();
    one_call(&recorded, "server", "OK", false).await;
}

#[tokio::test]
async fn health_and_other_services_side_by_side() {
    let recorded = Recorded::new();
    let (address, incoming) = listen().await;
    let (_, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .layer(recorded.server().filter(|method| !method.starts_with("grpc.health.v1.Health/")))
        .add_service(health)
        .add_service(TestService::new())
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    let client = Recorded::new();
    let traced = client.client().layer(channel(address));
    let mut health = tonic_health::pb::health_client::HealthClient::new(traced.clone());
    health.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    TestClient::new(traced).unary(ask(0, "ok")).await.unwrap();
    assert_eq!(client.ended(2).await[0].name, "grpc.health.v1.Health/Check");
    one_call(&recorded, "server", "OK", false).await;
}

#[tokio::test]
async fn reflection_is_a_call_like_others() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_request::MessageRequest};
    let recorded = Recorded::new();
    let (address, incoming) = listen().await;
    let reflection = tonic_reflection::server::Builder::configure().build_v1().unwrap();
    let server = Server::builder()
        .layer(recorded.server())
        .add_service(reflection)
        .add_service(TestService::new())
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let request = ServerReflectionRequest { host: String::new(), message_request };
    let client = Recorded::new();
    let mut stream = ServerReflectionClient::new(client.client().layer(channel(address)))
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    while stream.message().await.unwrap().is_some() {}
    let span = one_call(&recorded, "server", "OK", false).await;
    assert_eq!(span.name, "grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    one_call(&client, "client", "OK", false).await;
}

#[tokio::test]
async fn web_clients_through_the_translating_layer() {
    let recorded = Recorded::new();
    let service = ServiceBuilder::new()
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(recorded.server())
        .service(TestService::new());
    let message = prost::Message::encode_to_vec(&ask(0, "5"));
    let framed = [&[0, 0, 0, 0, message.len() as u8], message.as_slice()].concat();
    let request = http::Request::post(UNARY)
        .header("content-type", "application/grpc-web+proto")
        .body(Body::new(http_body_util::Full::from(framed)))
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    drop(http_body_util::BodyExt::collect(response.into_body()).await.unwrap());
    one_call(&recorded, "server", "NOT_FOUND", false).await;
}

#[tokio::test]
async fn a_router_that_carries_http_and_grpc() {
    let recorded = Recorded::new();
    let router = axum::Router::new()
        .route("/hello", axum::routing::get(|| async { "hello" }))
        .route_service("/test.Test/{*method}", TestService::new())
        .layer(recorded.server());
    let request = http::Request::get("/hello").body(axum::body::Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes(), "hello");
    assert_eq!(recorded.spans().len(), 0);
    let message = prost::Message::encode_to_vec(&ask(2, "ok"));
    let framed = [&[0, 0, 0, 0, message.len() as u8], message.as_slice()].concat();
    let request = http::Request::post(SERVER_STREAM)
        .header("content-type", "application/grpc")
        .body(axum::body::Body::from(framed))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    drop(http_body_util::BodyExt::collect(response.into_body()).await.unwrap());
    one_call(&recorded, "server", "OK", false).await;
}

#[tokio::test]
async fn request_messages_in_a_router_are_followed_in_either_body() {
    let message = prost::Message::encode_to_vec(&ask(0, "ok"));
    let framed = [&[0, 0, 0, 0, message.len() as u8], message.as_slice()].concat();
    let call = |router: axum::Router| {
        let request = http::Request::post(UNARY).header("content-type", "application/grpc");
        router.oneshot(request.body(axum::body::Body::from(framed.clone())).unwrap())
    };
    let router = || axum::Router::new().route_service("/test.Test/{*method}", TestService::new());
    let (plain, mapped) = (Recorded::new(), Recorded::new());
    let response = call(router().layer(plain.server().record_message_sizes())).await.unwrap();
    drop(http_body_util::BodyExt::collect(response.into_body()).await.unwrap());
    let layer = ServiceBuilder::new()
        .map_request(|request: http::Request<axum::body::Body>| request.map(Body::new))
        .layer(mapped.server().record_message_sizes());
    let response = call(router().layer(layer)).await.unwrap();
    drop(http_body_util::BodyExt::collect(response.into_body()).await.unwrap());
    one_call(&plain, "server", "OK", false).await;
    one_call(&mapped, "server", "OK", false).await;
    for recorded in [plain, mapped] {
        assert_eq!(recorded.points("rpc.server.request.size")[0].sum, message.len() as f64);
    }
}

#[tokio::test]
async fn target_names_the_server_of_a_balanced_channel() {
    let (address, incoming) = listen().await;
    tokio::spawn(Server::builder().add_service(TestService::new()).serve_with_incoming(incoming));
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    let client = Recorded::new();
    let channel =
        client.client().target("dns:///greeter:50051").layer(Channel::balance_list([endpoint].into_iter()));
    TestClient::new(channel).unary(ask(0, "ok")).await.unwrap();
    let span = one_call(&client, "client", "OK", false).await;
    assert_eq!(attribute(&span, "server.address").as_deref(), Some("greeter"));
}

#[tokio::test]
async fn boxed_services_and_other_layers_around_and_inside() {
    let (address, incoming) = listen().await;
    let recorded = Recorded::new();
    let server = Server::builder()
        .layer(
            ServiceBuilder::new()
                .layer(recorded.server())
                .map_request(|request: http::Request<Body>| request),
        )
        .add_service(TestService::new())
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    let client = Recorded::new();
    let service = ServiceBuilder::new()
        .map_err(Status::from_error)
        .layer(client.client())
        .map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        .service(channel(address));
    let service = BoxCloneService::new(service);
    TestClient::new(service).unary(ask(0, "ok")).await.unwrap();
    one_call(&recorded, "server", "OK", false).await;
    one_call(&client, "client", "OK", false).await;
}

#[tokio::test]
async fn a_boxed_error_keeps_its_code() {
    let recorded = Recorded::new();
    let service = tower::service_fn(|_: http::Request<Body>| async {
        let error: Box<dyn std::error::Error + Send + Sync> = Status::data_loss("gone").into();
        Err::<http::Response<Body>, _>(error)
    });
    let service = recorded.server().layer(service);
    let request = http::Request::post("/a.B/C").header("content-type", "application/grpc");
    service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap_err();
    let span = one_call(&recorded, "server", "DATA_LOSS", true).await;
    assert_eq!(span.status, opentelemetry::trace::Status::error("gone"));
}

#[tokio::test]
async fn an_error_of_any_type_is_internal_at_a_server_and_unknown_at_a_client() {
    #[derive(Debug)]
    struct Odd;
    let (server, client) = (Recorded::new(), Recorded::new());
    let service = tower::service_fn(|_: http::Request<Body>| async { Err::<http::Response<Body>, _>(Odd) });
    let request = || {
        let request = http::Request::post("/a.B/C").header("content-type", "application/grpc");
        request.body(Body::empty()).unwrap()
    };
    server.server().layer(service).oneshot(request()).await.unwrap_err();
    client.client().layer(service).oneshot(request()).await.unwrap_err();
    one_call(&server, "server", "INTERNAL", true).await;
    one_call(&client, "client", "UNKNOWN", true).await;
}

/// What a server records of this answer.
async fn answered(answer: http::response::Builder, body: Body, code: &str, is_error: bool) {
    let recorded = Recorded::new();
    let answer = std::sync::Mutex::new(Some(answer.body(body).unwrap()));
    let service = tower::service_fn(|_: http::Request<Body>| {
        std::future::ready(Ok::<_, Infallible>(answer.lock().unwrap().take().unwrap()))
    });
    let request = http::Request::post("/a.B/C").header("content-type", "application/grpc");
    let response =
        recorded.server().layer(service).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let is_over = http_body::Body::is_end_stream(response.body());
    assert_eq!(recorded.spans().len(), usize::from(is_over), "it ends with its last frame");
    drop(http_body_util::BodyExt::collect(response.into_body()).await);
    one_call(&recorded, "server", code, is_error).await;
}

#[tokio::test]
async fn an_answer_without_a_status_ends_by_its_http_status() {
    for (http, code, is_error) in [
        (200, "UNKNOWN", true),
        (400, "INTERNAL", true),
        (401, "UNAUTHENTICATED", false),
        (403, "PERMISSION_DENIED", false),
        (404, "UNIMPLEMENTED", true),
        (429, "UNAVAILABLE", true),
        (502, "UNAVAILABLE", true),
        (503, "UNAVAILABLE", true),
        (504, "UNAVAILABLE", true),
        (500, "UNKNOWN", true),
    ] {
        let answer = || http::Response::builder().status(http);
        answered(answer(), Body::empty(), code, is_error).await;
        answered(answer(), Body::new(http_body_util::Full::from("a page")), code, is_error).await;
    }
}

#[tokio::test]
async fn answer_with_an_invalid_status_code_is_unknown() {
    for status in ["99", "soon", ""] {
        let answer = http::Response::builder().header("grpc-status", status);
        answered(answer, Body::empty(), "UNKNOWN", true).await;
    }
}

#[tokio::test]
async fn compression_changes_nothing_but_the_size() {
    use tonic::codec::CompressionEncoding::Gzip;
    let service = TestService { gzip: true, ..TestService::new() };
    let world =
        World::with(service, ServerLayer::record_message_sizes, ClientLayer::record_message_sizes).await;
    let mut client = world.grpc();
    client.0 = client.0.send_compressed(Gzip).accept_compressed(Gzip);
    client.unary(Ask { size: 100_000, ..ask(0, "ok") }).await.unwrap();
    world.both_ended("OK", "OK").await;
    for (recorded, side) in [(&world.server, "server"), (&world.client, "client")] {
        let sizes = recorded.points(&format!("rpc.{side}.response.size")).remove(0);
        assert!(sizes.sum < 1000.0, "{sizes:?}: the size on the wire");
    }
}

/// Caught outside, while the call lives on: its end was recorded when the panic passed by.
async fn panics<S>(service: S)
where
    S: tower::Service<http::Request<Body>>,
{
    let request = http::Request::post("/a.B/C").header("content-type", "application/grpc");
    let mut call = Box::pin(service.oneshot(request.body(Body::empty()).unwrap()));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        drop(Future::poll(call.as_mut(), &mut task));
    }));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"as requested"));
}

#[tokio::test]
async fn panic_propagates_through_the_layer() {
    let (server, client) = (Recorded::new(), Recorded::new());
    let service = tower::service_fn(|_: http::Request<Body>| async {
        if true {
            panic!("as requested");
        }
        Ok::<http::Response<Body>, Infallible>(http::Response::default())
    });
    panics(server.server().layer(service)).await;
    panics(client.client().layer(service)).await;
    one_call(&server, "server", "INTERNAL", true).await;
    one_call(&client, "client", "INTERNAL", true).await;
}
