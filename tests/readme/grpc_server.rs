use telemetry_bootstrap::grpc::ServerLayer;
use tonic::transport::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = telemetry_bootstrap::init().service_name("greeter").build()?;
    let (_reporter, health) = tonic_health::server::health_reporter();
    Server::builder()
        .layer(ServerLayer::new())
        .add_service(health) // and your own
        .serve_with_shutdown(address().parse()?, telemetry_bootstrap::shutdown_signal())
        .await?;
    // A loss is logged, too; it need not be the program's failure.
    if let Err(loss) = telemetry.shutdown_async().await {
        eprintln!("{loss}");
    }
    Ok(())
}
