//! Installs telemetry in the process, completely or not at all. This is the only file that writes a global.
//!
//! | step | if it fails |
//! |---|---|
//! | take the lock | `AlreadyInitialized` |
//! | no global subscriber yet | `SubscriberInstalled`, and nothing was started |
//! | resolve the settings | all mistakes in code together |
//! | build everything | what was started ends with the error |
//! | set the global subscriber | `SubscriberInstalled`; everything ends, within the shutdown deadline |
//! | `log` logger, propagator, providers, signal and panic hooks | cannot fail |
//!
//! The lock is released after a failure, so that a program can try again with other settings.
//!
//! Between two installations of one process there is one lock and no queue: the second fails at once instead of
//! waiting, because two parts of a program that both start telemetry are a mistake that must be seen.
//!
//! # In a forked child
//!
//! Telemetry can be built once more. The subscriber is that of the parent, because a global one cannot be replaced: its
//! spans and records go to the queues of the child. So its formats, limits and sampler are the parent's; filters,
//! resource, destinations and providers are the child's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::global;
use tracing_core::subscriber::NoSubscriber;
use tracing_core::{Dispatch, Subscriber, dispatcher};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::error::InitError;
use crate::export::Queue;
use crate::export::own_threads::Fork;
use crate::lifecycle::Additions;
use crate::lifecycle::assemble::{Assembled, ExportTo, Globals, LineOutput, Pipelines, assemble};
use crate::lifecycle::guard::{Flusher, TelemetryGuard};
use crate::lifecycle::panic_hook::{self, PanicHook, PreviousHook};
use crate::lifecycle::shutdown_signal::flush_on_first_signal;
use crate::provider::installed::{GlobalPropagator, Installed};
use crate::provider::{GlobalTracerProvider, SharedSampler};
use crate::settings::{Settings, Signal};
use crate::subscriber::{Filters, LayerParts, TelemetryLayer, log_crate};

/// Validated settings and user-provided components.
pub(crate) type Resolved = Result<(Settings, Additions), InitError>;

/// Builds everything and makes it the process's telemetry.
///
/// # Errors
///
/// Those of the table above. After an error the process is as it was before.
pub(crate) fn install(resolve: impl FnOnce() -> Resolved) -> Result<TelemetryGuard, InitError> {
    let lock = InstallLock::take()?;
    let (settings, mut additions) = resolve()?;
    let layers = std::mem::take(&mut additions.layers);
    let registry = Registry::default();
    if layers.is_empty() {
        lock.install(settings, additions, |layer| Dispatch::new(registry.with(layer.into_only_layer())))
    } else {
        let subscriber = |layer: LayerParts<_>| registry.with(layers).with(layer.into_filtered_layer());
        lock.install(settings, additions, |layer| Dispatch::new(subscriber(layer)))
    }
}

/// Builds everything and makes it the process's telemetry, with the subscriber that `subscriber` returns.
///
/// # Errors
///
/// As [`install`].
pub(crate) fn install_with<S>(
    resolve: impl FnOnce() -> Resolved,
    subscriber: impl FnOnce(TelemetryLayer<S>) -> Dispatch,
) -> Result<TelemetryGuard, InitError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let lock = InstallLock::take()?;
    let (settings, additions) = resolve()?;
    lock.install(settings, additions, |layer| subscriber(layer.into_filtered_layer()))
}

/// Returns `true` if a global subscriber exists, before anything is started in vain.
///
/// `tracing` has no function for this. A subscriber of the calling thread alone does not count: a new thread has none
/// of these. If the system refuses that thread, the answer is `false`, and the installation fails later, when it sets
/// the subscriber.
fn has_global_subscriber() -> bool {
    let is_set = || dispatcher::get_default(|current| !current.is::<NoSubscriber>());
    // It may be one for this thread alone; a new thread has none of these.
    let elsewhere =
        || std::thread::Builder::new().spawn(is_set).is_ok_and(|thread| thread.join().unwrap_or(false));
    is_set() && elsewhere()
}

/// Builds everything and leaves the process as it is.
///
/// # Errors
///
/// As [`install`], without those about globals.
pub(crate) fn local<S>(
    resolve: impl FnOnce() -> Resolved,
) -> Result<(TelemetryLayer<S>, TelemetryGuard), InitError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let (settings, additions) = resolve()?;
    let Assembled { layer, running, .. } =
        assemble(settings, additions, ExportTo::Network, LineOutput::open)?;
    #[cfg_attr(not(feature = "config-file"), expect(unused_mut, reason = "only a file can be watched"))]
    let mut guard = TelemetryGuard::new(running);
    #[cfg(feature = "config-file")]
    guard.watch_config_file();
    Ok((layer.into_filtered_layer(), guard))
}

/// Sets every global but the subscriber, which is set already.
///
/// The order is that of visibility: the `log` logger first, since it only forwards to the subscriber; the panic hook
/// last, so that a panic before it is reported by the hook that was there. In a forked child, where `is_first` is
/// `false`, what the parent has set and what cannot be set twice stays: the logger, the panic hook, the action of the
/// first signal.
fn set_globals(guard: &TelemetryGuard, globals: Globals, is_first: bool) {
    let Globals {
        start_line,
        disabled,
        has_spans,
        has_random_ids,
        layer_env,
        propagator,
        standard: propagators,
        sampler,
        direct_spans,
        writes_to_console,
    } = globals;
    let diagnostics = guard.running().diagnostics.clone();
    if !is_first {
        // Installed by the parent.
    } else if log_crate::install().is_err() {
        diagnostics.warn("records of the log crate are not captured: another logger is installed", &[]);
    } else if log_crate::has_log_always() {
        diagnostics.warn(
            "every event is logged twice: turn off the feature `log-always` of the crate `tracing`",
            &[],
        );
    }
    let is_propagator_replaced = Arc::new(AtomicBool::new(false));
    let is_replaced = Arc::clone(&is_propagator_replaced);
    // The SDK logs each change of a global, which is noise at every start.
    dispatcher::with_default(&Dispatch::none(), || {
        global::set_text_map_propagator(GlobalPropagator { inner: propagator, is_replaced });
        // Without providers the API still hands contexts on.
        if has_spans {
            let inner = guard.tracer_provider().clone();
            global::set_tracer_provider(GlobalTracerProvider { inner, has_random_ids });
        }
        if !disabled {
            global::set_meter_provider(guard.meter_provider().clone());
        }
    });
    let tracer_provider = has_spans.then(|| guard.tracer_provider().clone());
    start_line.write(&guard.running().filters.lines, &diagnostics);
    let installed = Installed {
        tracer_provider,
        direct_spans,
        sampler,
        has_random_ids,
        layer_env,
        propagators,
        is_propagator_replaced,
        runtime: guard.running().providers.runtime.clone(),
        diagnostics,
    };
    installed.set();
    if !is_first {
        return;
    }
    let flusher = guard.flusher().clone();
    let timeout = guard.running().shutdown_timeout;
    flush_on_first_signal(move || flusher.flush_in_background(timeout));
    panic_hook::install(panic_hook(guard, writes_to_console));
}

/// Returns the panic hook, which keeps nothing alive that ends with the guard.
fn panic_hook(guard: &TelemetryGuard, writes_to_console: bool) -> PanicHook {
    let flusher = guard.flusher().clone();
    let lines = guard.running().lines.clone();
    PanicHook {
        diagnostics: guard.running().diagnostics.clone(),
        previous: if writes_to_console { PreviousHook::CallUnlessDefault } else { PreviousHook::Call },
        flush_lines: Box::new(move || {
            if let Some(lines) = &lines {
                lines.flush(PANIC_LINES_TIMEOUT);
            }
        }),
        flush_telemetry: Box::new(move |timeout| drop(flusher.flush(timeout))),
        abort_timeout: guard.running().shutdown_timeout,
    }
}

/// The lock of the installation, released unless the installation succeeds.
struct InstallLock {
    /// `true` once the installation has succeeded: the lock is then kept until the process ends.
    is_kept: bool,
    /// The telemetry of the parent, in a forked child.
    predecessor: Option<Predecessor>,
}

/// The part of installed telemetry that stays in use in a forked child: the child's subscriber, panic hook and signal
/// action are copies of the parent's, and refer to these.
struct Predecessor {
    /// The process that installed it.
    fork: Fork,
    /// The queues that the subscriber pushes into. Of metrics there is none: the child has instruments of its own.
    queues: Vec<(Signal, Arc<Queue>)>,
    /// The filters of the subscriber.
    filters: Filters,
    /// The sampler of the subscriber.
    sampler: SharedSampler,
    /// The flusher of the panic hook and of the action of the first signal.
    flusher: Flusher,
}

impl Predecessor {
    /// Collects what a child would need of this telemetry.
    fn new(pipelines: &Pipelines, guard: &TelemetryGuard, sampler: SharedSampler) -> Self {
        let queue = |signal| Some((signal, Arc::clone(pipelines.queue(signal)?)));
        let queues = [Signal::Traces, Signal::Logs].into_iter().filter_map(queue).collect();
        let (filters, flusher) = (guard.running().filters.clone(), guard.flusher().clone());
        Self { fork: Fork::new(), queues, filters, sampler, flusher }
    }

    /// Takes what the parent has installed, in a child. `None` in the process that installed it, and where another
    /// thread was first.
    fn take() -> Option<Self> {
        // A child may have a copy that is locked.
        INSTALLED.try_lock().ok()?.take_if(|installed| installed.fork.is_child())
    }

    /// Stores it for the next child, or for another attempt in this one.
    fn put_back(self) {
        *INSTALLED.lock().unwrap_or_else(PoisonError::into_inner) = Some(self);
    }

    /// Connects what stays of the parent with telemetry that was built in a child.
    fn continue_with(&self, pipelines: &Pipelines, flusher: &Flusher) {
        for (signal, queue) in &self.queues {
            if let Some(successor) = pipelines.queue(*signal) {
                queue.continue_with(successor);
            }
        }
        self.flusher.continue_with(flusher);
    }
}

impl InstallLock {
    /// Takes the lock, and checks that no subscriber is in the way.
    fn take() -> Result<Self, InitError> {
        if CLAIMED.swap(true, Ordering::AcqRel) {
            let predecessor = Predecessor::take().ok_or(InitError::AlreadyInitialized)?;
            return Ok(Self { is_kept: false, predecessor: Some(predecessor) });
        }
        let lock = Self { is_kept: false, predecessor: None };
        if has_global_subscriber() { Err(InitError::SubscriberInstalled) } else { Ok(lock) }
    }

    /// Builds, sets the globals, and returns the guard.
    fn install<S>(
        self,
        settings: Settings,
        additions: Additions,
        subscriber: impl FnOnce(LayerParts<S>) -> Dispatch,
    ) -> Result<TelemetryGuard, InitError>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let Assembled { layer, mut running, globals, pipelines } =
            assemble(settings, additions, ExportTo::Network, LineOutput::open)?;
        if let Some(predecessor) = &self.predecessor {
            predecessor.filters.take_over(&running.filters);
            running.filters = predecessor.filters.clone();
            #[cfg(feature = "config-file")]
            if let Some(reloader) = running.reloader.as_mut().and_then(Arc::get_mut) {
                reloader.continue_with(predecessor.filters.clone(), predecessor.sampler.clone());
            }
        }
        let mut guard = TelemetryGuard::new(running);
        let sampler = match &self.predecessor {
            Some(predecessor) => predecessor.sampler.clone(),
            None => globals.sampler.clone(),
        };
        let installed = Predecessor::new(&pipelines, &guard, sampler);
        if let Some(predecessor) = &self.predecessor {
            predecessor.continue_with(&pipelines, guard.flusher());
        } else {
            // Another subscriber was installed in the meantime: everything that runs ends here, with the guard.
            dispatcher::set_global_default(subscriber(layer)).map_err(|_| InitError::SubscriberInstalled)?;
        }
        // Nothing fails from here on.
        let is_first = self.predecessor.is_none();
        self.keep(installed);
        set_globals(&guard, globals, is_first);
        guard.mark_started();
        #[cfg(feature = "config-file")]
        guard.watch_config_file();
        Ok(guard)
    }

    /// Keeps the lock until the process ends: a global subscriber cannot be replaced.
    fn keep(mut self, installed: Predecessor) {
        self.is_kept = true;
        installed.put_back();
    }
}

impl Drop for InstallLock {
    fn drop(&mut self) {
        match self.predecessor.take() {
            _ if self.is_kept => {}
            Some(predecessor) => predecessor.put_back(),
            None => CLAIMED.store(false, Ordering::Release),
        }
    }
}

/// The longest time that a thread which panics waits for its lines to be written.
const PANIC_LINES_TIMEOUT: Duration = Duration::from_millis(500);

/// `true` while an installation is under way, and from the first that succeeded on.
static CLAIMED: AtomicBool = AtomicBool::new(false);

/// What a forked child continues. `None` before the first installation, and while a child installs telemetry of its
/// own.
static INSTALLED: Mutex<Option<Predecessor>> = Mutex::new(None);
