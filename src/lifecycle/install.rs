//! Installs telemetry in the process, completely or not at all. Only this file sets globals.
//!
//! | step | if it fails |
//! |---|---|
//! | take the lock | `AlreadyInitialized` |
//! | no global subscriber yet | `SubscriberInstalled`; nothing was started |
//! | resolve the settings | all errors in code together |
//! | build everything | everything that was started is shut down |
//! | set the global subscriber | `SubscriberInstalled`; everything is shut down within the deadline |
//! | `log` logger, propagator, providers, signal and panic hooks | cannot fail |
//!
//! The lock is released after a failure, so a program can retry with other settings.
//!
//! Concurrent installations do not queue: the second one fails immediately, because starting telemetry twice is a bug
//! that must not go unnoticed.
//!
//! # In a forked child
//!
//! Telemetry can be built once more. The subscriber is that of the parent, because a global subscriber cannot be
//! replaced; its spans and records go to the queues of the child. So formats, limits and sampler are the parent's;
//! filters, resource, destinations and providers are the child's.

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

/// Builds telemetry and installs it in the process.
///
/// # Errors
///
/// See the table above. After an error the process is unchanged.
pub(crate) fn install(resolve: impl FnOnce() -> Resolved) -> Result<TelemetryGuard, InitError> {
    let lock = InstallLock::take()?;
    let (settings, mut additions) = resolve()?;
    let layers = std::mem::take(&mut additions.layers);
    let registry = Registry::default();
    let is_only = layers.is_empty();
    if is_only {
        let subscriber = |layer: LayerParts<_>| Dispatch::new(registry.with(layer.into_only_layer()));
        lock.install(settings, additions, is_only, subscriber)
    } else {
        let subscriber = |layer: LayerParts<_>| registry.with(layers).with(layer.into_filtered_layer());
        lock.install(settings, additions, is_only, |layer| Dispatch::new(subscriber(layer)))
    }
}

/// Builds telemetry and installs it in the process, with the subscriber that `subscriber` returns.
///
/// # Errors
///
/// See [`install`].
pub(crate) fn install_with<S>(
    resolve: impl FnOnce() -> Resolved,
    subscriber: impl FnOnce(TelemetryLayer<S>) -> Dispatch,
) -> Result<TelemetryGuard, InitError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let lock = InstallLock::take()?;
    let (settings, additions) = resolve()?;
    lock.install(settings, additions, false, |layer| subscriber(layer.into_filtered_layer()))
}

/// Returns `true` if a global subscriber is already set.
///
/// `tracing` has no function for this, so a new thread, which has no subscriber of its own, checks its current
/// subscriber. If that thread cannot be spawned, this returns `false`, and the installation fails later, when it sets
/// the subscriber.
fn has_global_subscriber() -> bool {
    let is_set = || dispatcher::get_default(|current| !current.is::<NoSubscriber>());
    // On this thread, it may be a thread-local subscriber. A new thread has none.
    let elsewhere =
        || std::thread::Builder::new().spawn(is_set).is_ok_and(|thread| thread.join().unwrap_or(false));
    is_set() && elsewhere()
}

/// Builds telemetry without changing the process.
///
/// # Errors
///
/// See [`install`], except for the errors about globals.
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

/// Sets every global except the subscriber, which is already set.
///
/// The `log` logger comes first, because it only forwards to the subscriber. The panic hook comes last, so an earlier
/// panic is reported by the previous hook. In a forked child, where `is_first` is `false`, globals that the parent
/// has set and that cannot be set twice are kept: the logger, the panic hook, the action of the first signal.
///
/// `has_user_code`: events pass code of the user.
fn set_globals(guard: &TelemetryGuard, globals: Globals, is_first: bool, has_user_code: bool) {
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
        // The parent has installed it.
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
    // The SDK logs each change of a global, which would be noise at every start.
    dispatcher::with_default(&Dispatch::none(), || {
        global::set_text_map_propagator(GlobalPropagator { inner: propagator, is_replaced });
        // Without providers, the API still propagates contexts.
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
    panic_hook::install(PanicHook { has_user_code, ..panic_hook(guard, writes_to_console) });
}

/// Returns the panic hook. It does not keep anything alive that is shut down with the guard.
fn panic_hook(guard: &TelemetryGuard, writes_to_console: bool) -> PanicHook {
    let flusher = guard.flusher().clone();
    let lines = guard.running().lines.clone();
    PanicHook {
        diagnostics: guard.running().diagnostics.clone(),
        has_user_code: false,
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
    /// In a forked child, the telemetry of the parent.
    parent: Option<ParentTelemetry>,
}

/// The part of installed telemetry that stays in use in a forked child: the child's subscriber, panic hook and signal
/// action are copies of the parent's and refer to it.
struct ParentTelemetry {
    /// The process that installed it.
    fork: Fork,
    /// The queues that the subscriber pushes into. There are none for metrics, because the child creates its own
    /// instruments.
    queues: Vec<(Signal, Arc<Queue>)>,
    /// The filters of the subscriber.
    filters: Filters,
    /// The sampler of the subscriber.
    sampler: SharedSampler,
    /// The flusher of the panic hook and of the action of the first signal.
    flusher: Flusher,
}

impl ParentTelemetry {
    /// Collects the parts that a child would need.
    fn new(pipelines: &Pipelines, guard: &TelemetryGuard, sampler: SharedSampler) -> Self {
        let queue = |signal| Some((signal, Arc::clone(pipelines.queue(signal)?)));
        let queues = [Signal::Traces, Signal::Logs].into_iter().filter_map(queue).collect();
        let (filters, flusher) = (guard.running().filters.clone(), guard.flusher().clone());
        Self { fork: Fork::new(), queues, filters, sampler, flusher }
    }

    /// In a child, takes the telemetry that the parent has installed. `None` in the process that installed it, and if
    /// another thread was first.
    fn take() -> Option<Self> {
        // A child may have a copy that is locked.
        INSTALLED.try_lock().ok()?.take_if(|installed| installed.fork.is_child())
    }

    /// Stores it for the next child, or for another attempt in this one.
    fn put_back(self) {
        *INSTALLED.lock().unwrap_or_else(PoisonError::into_inner) = Some(self);
    }

    /// Connects the remaining parts of the parent to telemetry that was built in a child.
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
    /// Takes the lock, and checks that no global subscriber is set.
    fn take() -> Result<Self, InitError> {
        if CLAIMED.swap(true, Ordering::AcqRel) {
            let parent = ParentTelemetry::take().ok_or(InitError::AlreadyInitialized)?;
            return Ok(Self { is_kept: false, parent: Some(parent) });
        }
        let lock = Self { is_kept: false, parent: None };
        if has_global_subscriber() { Err(InitError::SubscriberInstalled) } else { Ok(lock) }
    }

    /// Builds, sets the globals, and returns the guard. `is_only`: the subscriber has no other layers.
    fn install<S>(
        self,
        settings: Settings,
        additions: Additions,
        is_only: bool,
        subscriber: impl FnOnce(LayerParts<S>) -> Dispatch,
    ) -> Result<TelemetryGuard, InitError>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let has_user_code =
            !is_only || !additions.log_processors.is_empty() || additions.redaction.has_rule();
        let Assembled { layer, mut running, globals, pipelines } =
            assemble(settings, additions, ExportTo::Network, LineOutput::open)?;
        if let Some(parent) = &self.parent {
            parent.filters.take_over(&running.filters);
            running.filters = parent.filters.clone();
            #[cfg(feature = "config-file")]
            if let Some(reloader) = running.reloader.as_mut().and_then(Arc::get_mut) {
                reloader.continue_with(parent.filters.clone(), parent.sampler.clone());
            }
        }
        let mut guard = TelemetryGuard::new(running);
        let sampler = match &self.parent {
            Some(parent) => parent.sampler.clone(),
            None => globals.sampler.clone(),
        };
        let installed = ParentTelemetry::new(&pipelines, &guard, sampler);
        if let Some(parent) = &self.parent {
            parent.continue_with(&pipelines, guard.flusher());
        } else {
            // Another subscriber was installed in the meantime: dropping the guard shuts everything down.
            dispatcher::set_global_default(subscriber(layer)).map_err(|_| InitError::SubscriberInstalled)?;
        }
        // Nothing below can fail.
        let is_first = self.parent.is_none();
        self.keep(installed);
        set_globals(&guard, globals, is_first, has_user_code);
        guard.mark_started();
        #[cfg(feature = "config-file")]
        guard.watch_config_file();
        Ok(guard)
    }

    /// Keeps the lock until the process ends: a global subscriber cannot be replaced.
    fn keep(mut self, installed: ParentTelemetry) {
        self.is_kept = true;
        installed.put_back();
    }
}

impl Drop for InstallLock {
    fn drop(&mut self) {
        match self.parent.take() {
            _ if self.is_kept => {}
            Some(parent) => parent.put_back(),
            None => CLAIMED.store(false, Ordering::Release),
        }
    }
}

/// The maximum time that a panicking thread waits for its lines to be written.
const PANIC_LINES_TIMEOUT: Duration = Duration::from_millis(500);

/// `true` while an installation is running, and after the first one that succeeded.
static CLAIMED: AtomicBool = AtomicBool::new(false);

/// The telemetry that a forked child continues. `None` before the first installation, and while a child installs its
/// own telemetry.
static INSTALLED: Mutex<Option<ParentTelemetry>> = Mutex::new(None);
