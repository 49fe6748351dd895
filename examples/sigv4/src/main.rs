//! Sends a span and a log record to AWS X-Ray and CloudWatch Logs. Metrics would go to CloudWatch.
//!
//! The environment names the endpoints, as `docs/destinations.md` shows, and the credentials: `AWS_REGION`,
//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and `AWS_SESSION_TOKEN` for temporary ones. A program on AWS takes the
//! credentials from the crate `aws-config` instead.

use std::env;
use std::error::Error;

use aws_credential_types::Credentials;
use telemetry_bootstrap::tracing::{info, info_span};
use telemetry_bootstrap_sigv4::signer;

fn main() -> Result<(), Box<dyn Error>> {
    let region = env::var("AWS_REGION")?;
    let telemetry = telemetry_bootstrap::init()
        .traces(|traces| traces.request_signer(signer("xray", &region, credentials)))
        .metrics(|metrics| metrics.request_signer(signer("monitoring", &region, credentials)))
        .logs(|logs| logs.request_signer(signer("logs", &region, credentials)))
        .build()?;
    info_span!("order").in_scope(|| info!(items = 3, "paid"));
    match telemetry.shutdown() {
        Ok(stats) => println!("{stats}"),
        // Losses are logged as well; the program need not fail because of them.
        Err(loss) => eprintln!("{loss}"),
    }
    Ok(())
}

fn credentials() -> Result<Credentials, Box<dyn Error + Send + Sync>> {
    let token = env::var("AWS_SESSION_TOKEN").ok();
    let (id, key) = (env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?);
    Ok(Credentials::new(id, key, token, None, "environment"))
}
