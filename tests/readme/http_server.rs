use axum::{Router, routing::get};
use telemetry_bootstrap::http::ServerLayer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _telemetry = telemetry_bootstrap::init().service_name("shop").build()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve());
    // Requests that are still open end here, and the guard exports them. A handler that blocks its thread is abandoned.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(served?)
}

async fn serve() -> std::io::Result<()> {
    let app = Router::new().route("/orders/{id}", get(|| async { "shipped" })).merge(streams()).layer(ServerLayer::new());
    // Spans then have the client's address.
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    let listener = tokio::net::TcpListener::bind(address()).await?;
    let server = axum::serve(listener, app).with_graceful_shutdown(telemetry_bootstrap::shutdown_signal());
    tokio::select! {
        served = server => served,
        () = grace_period() => Ok(()),
    }
}

/// Ends five seconds after the signal: streams that are still open then end with the program.
async fn grace_period() {
    telemetry_bootstrap::shutdown_signal().await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
}
