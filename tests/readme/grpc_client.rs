use telemetry_bootstrap::grpc::{ClientLayer, ClientService};
use tonic::transport::{Channel, Endpoint};
use tower::Layer;

/// For `GreeterClient::new(channel())`.
fn channel() -> ClientService<Channel> {
    let endpoint = Endpoint::from_static(target());
    // The layer cannot read the address from the channel.
    ClientLayer::new().target(endpoint.uri()).layer(endpoint.connect_lazy())
}
