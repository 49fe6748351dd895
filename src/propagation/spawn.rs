//! Tasks and threads that keep the span and the context of the code that starts them.

use opentelemetry::Context;
use opentelemetry::context::FutureExt as _;
use tokio::task::JoinHandle;
use tracing::{Instrument as _, Span};

/// Like `tokio::spawn`, but runs the task in the current span and context.
///
/// Work that outlives the call that starts it should be a trace of its own, with a link: see the chapter *In a
/// handler*.
///
/// # Panics
///
/// Outside of a tokio runtime, as `tokio::spawn` does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let task = telemetry_bootstrap::spawn(async { tracing::info!("indexing") });
/// task.await.unwrap();
/// # }
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future.with_current_context().in_current_span())
}

/// Runs a blocking function in the current span and context, on a thread where blocking is allowed:
/// `tokio::task::spawn_blocking`, but what the function records belongs to the trace of the code that starts it.
///
/// # Panics
///
/// Outside of a tokio runtime, as `tokio::task::spawn_blocking` does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let hash = telemetry_bootstrap::spawn_blocking(|| {
///     tracing::info!("hashing");
///     42
/// });
/// assert_eq!(hash.await.unwrap(), 42);
/// # }
/// ```
#[track_caller]
pub fn spawn_blocking<T: Send + 'static>(function: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let (span, context) = (Span::current(), Context::current());
    tokio::task::spawn_blocking(move || {
        span.in_scope(|| {
            let _attached = context.attach();
            function()
        })
    })
}
