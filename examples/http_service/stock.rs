//! The second service, over HTTP: knows prices.

use std::io;
use std::net::SocketAddr;

use anyhow::bail;
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use telemetry_bootstrap::http::{ClientLayer, ClientService, ServerLayer, UrlTemplate};
use tokio::net::TcpListener;
use tower::{Layer as _, ServiceExt as _};
use tracing::info;

pub(crate) async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new().route("/items/{item}", get(item)).layer(ServerLayer::new());
    let stock = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, stock).with_graceful_shutdown(shutdown).await
}

async fn item(Path(item): Path<String>) -> Result<String, StatusCode> {
    info!(item, "looking up");
    if item == "moon" { Err(StatusCode::NOT_FOUND) } else { Ok("3.20".to_owned()) }
}

/// A client whose every request is traced and measured, and carries the trace to the service.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: ClientService<hyper_util::client::legacy::Client<HttpConnector, Body>>,
    address: SocketAddr,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { http: ClientLayer::new().layer(http), address }
    }

    /// Returns the price of an item, or `None` if there is no such item.
    pub(crate) async fn price(&self, item: &str) -> anyhow::Result<Option<String>> {
        let request = Request::get(format!("http://{}/items/{item}", self.address))
            .extension(UrlTemplate::new("/items/{item}")) // names the span
            .body(Body::empty())?;
        let response = self.http.clone().oneshot(request).await?;
        match response.status() {
            StatusCode::OK => {
                let body = response.into_body().collect().await?.to_bytes();
                Ok(Some(String::from_utf8(body.to_vec())?))
            }
            StatusCode::NOT_FOUND => Ok(None),
            status => bail!("the stock answered {status}"),
        }
    }
}
