fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _telemetry = telemetry_bootstrap::init()
        .service_name("greeter")
        .service_version(env!("CARGO_PKG_VERSION"))
        .build()?;
    tracing::info!(port = 50051, "starting");
    Ok(())
} // the guard flushes traces, metrics and logs here, within one deadline
