use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use telemetry_bootstrap::http::{ClientLayer, ClientService};
use tower::Layer;

fn client() -> ClientService<Client<HttpConnector, String>> {
    ClientLayer::new().layer(Client::builder(TokioExecutor::new()).build_http())
}
