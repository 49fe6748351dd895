//! A customer, whose requests are the roots of the traces.

use std::net::SocketAddr;

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use telemetry_bootstrap::http::{ClientLayer, ClientService};
use tower::{Layer as _, ServiceExt as _};
use tracing::{info, instrument};

type Http = ClientService<Client<HttpConnector, Body>>;

/// An order that is placed, one of something that does not exist, one that cannot be paid for, and a look at the first.
pub(crate) async fn visit(shop: SocketAddr) -> anyhow::Result<()> {
    let http = ClientLayer::new().layer(Client::builder(TokioExecutor::new()).build_http());
    for item in ["tea", "moon", "broken-1"] {
        buy(&http, shop, item).await?;
    }
    watch(&http, shop, "tea").await
}

#[instrument(skip(http, shop))]
async fn buy(http: &Http, shop: SocketAddr, item: &str) -> anyhow::Result<()> {
    let (status, answer) = send(http, Method::POST, format!("http://{shop}/orders/{item}")).await?;
    info!(status, answer, "answered");
    Ok(())
}

#[instrument(skip(http, shop))]
async fn watch(http: &Http, shop: SocketAddr, item: &str) -> anyhow::Result<()> {
    let (status, answer) = send(http, Method::GET, format!("http://{shop}/orders/{item}/progress")).await?;
    info!(status, events = answer.matches("data:").count(), "answered");
    Ok(())
}

async fn send(http: &Http, method: Method, url: String) -> anyhow::Result<(u16, String)> {
    let request = Request::builder().method(method).uri(url).body(Body::empty())?;
    let response = http.clone().oneshot(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
