use axum::{Router, routing::get};
use telemetry_bootstrap::http::ServerLayer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _telemetry = telemetry_bootstrap::init().service_name("shop").build()?;
    let app = Router::new().route("/orders/{id}", get(|| async { "shipped" })).layer(ServerLayer::new());
    let listener = tokio::net::TcpListener::bind(address()).await?;
    axum::serve(listener, app).with_graceful_shutdown(telemetry_bootstrap::shutdown_signal()).await?;
    Ok(())
}
