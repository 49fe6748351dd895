//! Installs telemetry in the process: all or nothing. The only file that writes a global.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::global;
use tracing_core::subscriber::NoSubscriber;
use tracing_core::{Dispatch, Subscriber, dispatcher};
use tracing_log::LogTracer;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::error::InitError;
use crate::lifecycle::Additions;
use crate::lifecycle::assemble::{Assembled, Ready, assemble};
use crate::lifecycle::guard::TelemetryGuard;
use crate::lifecycle::panic_hook::{self, PanicHook, PreviousHook};
use crate::provider::installed::{GlobalPropagator, Installed};
use crate::settings::Settings;
use crate::subscriber::TelemetryLayer;

/// What the builder was told, decided.
pub(crate) type Resolved = Result<(Settings, Additions), InitError>;

/// Builds everything and makes it the process's telemetry.
pub(crate) fn install(resolve: impl FnOnce() -> Resolved) -> Result<TelemetryGuard, InitError> {
    let claim = InstallLock::take()?;
    if has_global_subscriber() {
        return Err(InitError::SubscriberInstalled);
    }
    let (settings, mut parts) = resolve()?;
    let layers = std::mem::take(&mut parts.layers);
    let (subscriber, ready) = if layers.is_empty() {
        let Assembled { layer, ready } = assemble(settings, parts)?;
        (Dispatch::new(Registry::default().with(layer.alone())), ready)
    } else {
        let Assembled { layer, ready } = assemble(settings, parts)?;
        (Dispatch::new(Registry::default().with(layers).with(layer.beside_others())), ready)
    };
    // One that was installed meanwhile: all that runs already ends here.
    dispatcher::set_global_default(subscriber).map_err(|_| InitError::SubscriberInstalled)?;
    // Nothing fails from here on.
    claim.keep();
    Ok(globals(ready))
}

/// Before anything is started for nothing.
fn has_global_subscriber() -> bool {
    let is_set = || dispatcher::get_default(|current| !current.is::<NoSubscriber>());
    // It may be one for this thread alone; a new thread has none of these.
    let elsewhere =
        || std::thread::Builder::new().spawn(is_set).is_ok_and(|thread| thread.join().unwrap_or(false));
    is_set() && elsewhere()
}

/// Builds everything and leaves the process as it is.
pub(crate) fn local<S>(
    resolve: impl FnOnce() -> Resolved,
) -> Result<(TelemetryLayer<S>, TelemetryGuard), InitError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let (settings, parts) = resolve()?;
    let Assembled { layer, ready } = assemble(settings, parts)?;
    Ok((layer.beside_others(), ready.guard))
}

fn globals(ready: Ready) -> TelemetryGuard {
    let Ready { guard, disabled, ignores_env, propagator, standard, sampling_shortcut, owns_stderr } = ready;
    if LogTracer::init().is_err() {
        let diagnostics = &guard.running().diagnostics;
        diagnostics.warn("records of the log crate are not captured: another logger is installed", &[]);
    }
    // The SDK logs that it is told; nobody needs to read it at each start.
    dispatcher::with_default(&Dispatch::none(), || {
        global::set_text_map_propagator(GlobalPropagator(propagator));
        // Without providers the API still hands contexts on.
        if !disabled {
            global::set_tracer_provider(guard.tracer_provider().clone());
            global::set_meter_provider(guard.meter_provider().clone());
        }
    });
    let tracer_provider = (!disabled).then(|| guard.tracer_provider().clone());
    let diagnostics = guard.running().diagnostics.clone();
    Installed { tracer_provider, sampling_shortcut, ignores_env, propagators: standard, diagnostics }.set();
    panic_hook::install(panic_hook(&guard, owns_stderr));
    guard
}

/// Holds nothing of the guard alive that ends with it.
fn panic_hook(guard: &TelemetryGuard, owns_stderr: bool) -> PanicHook {
    let flusher = guard.flusher();
    let lines = guard.running().lines.clone();
    PanicHook {
        diagnostics: guard.running().diagnostics.clone(),
        previous: if owns_stderr { PreviousHook::Replace } else { PreviousHook::Call },
        flush_lines: Box::new(move || {
            if let Some(lines) = &lines {
                lines.flush(PANIC_LINES_TIMEOUT);
            }
        }),
        flush_telemetry: {
            let timeout = guard.running().shutdown_timeout;
            Box::new(move || drop(flusher.flush(timeout)))
        },
    }
}

/// The right to install; given back unless the installation succeeds.
#[derive(Debug)]
struct InstallLock {
    is_kept: bool,
}

impl InstallLock {
    fn take() -> Result<Self, InitError> {
        match CLAIMED.swap(true, Ordering::AcqRel) {
            true => Err(InitError::AlreadyInitialized),
            false => Ok(Self { is_kept: false }),
        }
    }

    /// For good: a global subscriber cannot be replaced.
    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for InstallLock {
    fn drop(&mut self) {
        if !self.is_kept {
            CLAIMED.store(false, Ordering::Release);
        }
    }
}

/// How long a thread that panics waits for its lines to be written.
const PANIC_LINES_TIMEOUT: Duration = Duration::from_millis(500);

static CLAIMED: AtomicBool = AtomicBool::new(false);
