//! Telemetry under a configuration file.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::path::PathBuf;

use opentelemetry::KeyValue;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{Builder, InitError, LogFormat, TelemetryGuard, init, tracing};
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt as _;

/// Telemetry under a file.
pub(crate) struct Run {
    pub(crate) guard: TelemetryGuard,
    subscriber: tracing::Dispatch,
    _directory: TempDir,
}

/// Starts telemetry under a file, and under what code gives besides.
pub(crate) fn start(text: &str, adjust: impl FnOnce(Builder) -> Builder) -> Result<Run, InitError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    fs::write(&path, text).unwrap();
    let builder = init().config_file(path).log_output(|output| output.format(LogFormat::Off));
    let (layer, guard) = adjust(builder).build_local()?;
    let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    Ok(Run { guard, subscriber, _directory: directory })
}

impl Run {
    /// Records under its subscriber.
    pub(crate) fn with(&self, record: impl FnOnce()) {
        tracing::dispatcher::with_default(&self.subscriber, record);
    }

    /// Records an item of each signal and ends.
    pub(crate) fn record_and_end(self) -> String {
        self.with(|| {
            let _span = tracing::info_span!("work", answer = 42).entered();
            tracing::info!("in the span");
        });
        self.guard.meter("test").u64_counter("orders").build().add(1, &[KeyValue::new("kind", "big")]);
        let stats = self.guard.shutdown();
        stats.map(|stats| stats.to_string()).unwrap_or_else(|error| error.to_string())
    }
}

/// Sends what a file sends to the usual ports to a collector instead.
pub(crate) fn aim(text: &str, collector: &Collector) -> String {
    let address = format!("localhost:{}", collector.port());
    // All at once, from the parts between them: the collector's own port may begin with 4317, too.
    let text = text.replace("localhost:4318", "localhost:4317");
    text.split("localhost:4317").collect::<Vec<_>>().join(&address).replace("127.0.0.1", "localhost")
}

/// Returns an official file.
pub(crate) fn official(path: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/configuration", path].iter().collect();
    fs::read_to_string(path).unwrap()
}
