//! The client.

use std::net::SocketAddr;
use std::time::Duration;

use telemetry_bootstrap::grpc::ClientLayer;
use telemetry_bootstrap::tracing::{info, instrument, warn};
use tokio::time::interval;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tower::Layer;

use super::proto::my_service_client::MyServiceClient;
use super::proto::{MyRequest, MyRequests};

/// A client whose every call is traced and measured, and carries the trace to the server.
pub(crate) type Client = MyServiceClient<<ClientLayer as Layer<Channel>>::Service>;

/// Connects with the first call.
pub(crate) fn connect(address: SocketAddr) -> Result<Client, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    // The layer cannot ask the channel where it leads.
    let layer = ClientLayer::new().target(endpoint.uri());
    Ok(MyServiceClient::new(layer.layer(endpoint.connect_lazy())))
}

/// So many rounds, or one a second for ever.
pub(crate) async fn rounds(client: &mut Client, limit: Option<u32>) {
    let mut second = interval(Duration::from_secs(1));
    let mut left = limit;
    while left != Some(0) {
        if limit.is_none() {
            second.tick().await;
        }
        round(client).await;
        left = left.map(|left| left - 1);
    }
}

/// Two requests that succeed, one that is not found, one that fails, and three in one stream.
pub(crate) async fn round(client: &mut Client) {
    for id in ["abc123", "abc124", "unknown-1", "broken-1"] {
        request(client, id).await;
    }
    stream(client, ["abc125", "abc126", "abc127"]).await;
}

#[instrument(name = "client-op", skip(client))]
async fn request(client: &mut Client, id: &str) {
    match client.process_request(MyRequest { id: id.to_owned() }).await {
        Ok(response) => info!(result = response.into_inner().result, "Response received"),
        Err(status) => warn!(code = ?status.code(), "Request failed"),
    }
}

#[instrument(name = "client-stream", skip_all)]
async fn stream<const N: usize>(client: &mut Client, ids: [&str; N]) {
    if let Err(status) = receive_all(client, ids).await {
        warn!(code = ?status.code(), "Stream failed");
    }
}

async fn receive_all<const N: usize>(client: &mut Client, ids: [&str; N]) -> Result<(), Status> {
    let request = MyRequests { ids: ids.map(str::to_owned).to_vec() };
    let mut responses = client.process_requests(request).await?.into_inner();
    while let Some(response) = responses.message().await? {
        info!(result = response.result, "Response received");
    }
    Ok(())
}
