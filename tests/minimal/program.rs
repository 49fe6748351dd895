use telemetry_bootstrap::tracing::{info, instrument};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _telemetry = telemetry_bootstrap::init()
        .service_name("minimal")
        .service_version(env!("CARGO_PKG_VERSION"))
        .build()?;

    info!(answer = add(40, 2), "done");
    Ok(())
} // the guard flushes traces, metrics and logs here

#[instrument]
fn add(left: u32, right: u32) -> u32 {
    info!("adding");
    left + right
}
