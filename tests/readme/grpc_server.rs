use telemetry_bootstrap::grpc::ServerLayer;
use tonic::transport::Server;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = telemetry_bootstrap::init().service_name("greeter").build()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve());
    // Calls that are still open end here, and are exported like the others. A call that blocks its thread is abandoned.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    // Losses are logged as well; the program need not fail because of them.
    if let Err(loss) = telemetry.shutdown() {
        eprintln!("{loss}");
    }
    served
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .layer(ServerLayer::new())
        .add_service(health) // and your own
        .serve_with_shutdown(address().parse()?, telemetry_bootstrap::shutdown_signal());
    tokio::select! {
        served = server => served?,
        () = grace_period() => {}
    }
    Ok(())
}

/// Ends five seconds after the signal: streams that are still open then end with the program.
async fn grace_period() {
    telemetry_bootstrap::shutdown_signal().await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
}
