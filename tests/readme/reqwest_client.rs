use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use telemetry_bootstrap::http::ClientLayer;

fn client() -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new()).with(ClientLayer::new()).build()
}
