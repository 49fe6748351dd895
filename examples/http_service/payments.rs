//! The third service, over gRPC: takes the money.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use telemetry_bootstrap::grpc::{ClientLayer, ClientService, ServerLayer};
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tower::Layer as _;
use tracing::info;

use super::proto::my_service_client::MyServiceClient;
use super::proto::my_service_server::{MyService, MyServiceServer};
use super::proto::{MyRequest, MyRequests, MyResponse};

pub(crate) async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    Server::builder()
        .layer(ServerLayer::new())
        .add_service(MyServiceServer::new(Payments))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), shutdown)
        .await
        .map_err(io::Error::other)
}

#[derive(Debug)]
struct Payments;

#[tonic::async_trait]
impl MyService for Payments {
    async fn process_request(&self, request: Request<MyRequest>) -> Result<Response<MyResponse>, Status> {
        let id = request.into_inner().id;
        if id.starts_with("broken") {
            return Err(Status::internal("the ledger is damaged"));
        }
        info!(item = id, "paid");
        Ok(Response::new(MyResponse { result: format!("receipt-{id}") }))
    }

    type ProcessRequestsStream = Pin<Box<dyn Stream<Item = Result<MyResponse, Status>> + Send>>;

    async fn process_requests(
        &self,
        _: Request<MyRequests>,
    ) -> Result<Response<Self::ProcessRequestsStream>, Status> {
        Err(Status::unimplemented("one payment at a time"))
    }
}

/// A client whose every call is traced and measured, and carries the trace to the service.
pub(crate) type Client = MyServiceClient<ClientService<Channel>>;

/// Connects with the first call.
pub(crate) fn connect(address: SocketAddr) -> Result<Client, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let layer = ClientLayer::new().target(endpoint.uri());
    Ok(MyServiceClient::new(layer.layer(endpoint.connect_lazy())))
}

/// Returns the receipt.
pub(crate) async fn pay(mut payments: Client, item: &str) -> Result<String, Status> {
    let response = payments.process_request(MyRequest { id: item.to_owned() }).await?;
    Ok(response.into_inner().result)
}
