//! The logger provider, for records that are made with the OpenTelemetry API and for the user's own processors.
//!
//! Events of `tracing` do not come here unless the user has processors; see `subscriber::logs`.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{LoggerProviderBuilder, SdkLoggerProvider};

use super::builder_hooks::BuilderHooks;
use crate::export::LogQueue;

/// Creates the provider. `queue` is `None` if nothing is exported. `additions` are the user's processors, each of which
/// may change a record.
pub(crate) fn logger_provider(
    resource: Resource,
    queue: Option<LogQueue>,
    additions: BuilderHooks<LoggerProviderBuilder>,
) -> SdkLoggerProvider {
    let builder = additions.apply(SdkLoggerProvider::builder());
    let builder = builder.with_resource(resource);
    match queue {
        // Last, so the user's processors have changed the record before it is encoded.
        Some(queue) => builder.with_log_processor(queue).build(),
        None => builder.build(),
    }
}
