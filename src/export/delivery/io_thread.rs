//! The I/O thread: the dedicated network thread with its own runtime.
//!
//! Exporting from the application's runtime loses data when that runtime is blocked, has one thread, or is gone.
//! Here everything that a connection needs lives on this thread, so a flush works from a plain thread, from inside
//! any runtime, and after it. If the runtime fails (a panic that is not of a worker's turn), the thread builds another one,
//! on which the workers go on with what they hold. Nothing that happens on this thread is telemetry: see [`on_io_thread`].
//!
//! # Life of the thread
//!
//! ```text
//! start ──▶ runtime ──▶ stations (worker + commands + settings) ──▶ block_on(all workers) ──▶ end
//!              ▲                                                        │ the runtime panics
//!              └──── reconnect each station ◀── next runtime ◀──────────┘ after PANIC_PAUSE
//! ```
//!
//! A worker survives its runtime: connections and timers are bound to a runtime, batches and counts are not. While
//! the system refuses another runtime, commands are handled without one, so neither a flush nor the shutdown hangs.
//!
//! # The end
//!
//! [`Exporter::shutdown`] sends the command, and waits on a rendezvous channel that the thread closes as its last
//! act. `join` has no timeout. A thread that misses the deadline is left alone, and its pending items count as
//! failed; if it wakes up later, it finds its queues abandoned and counts nothing twice.
//!
//! # Resources that must not be missing later
//!
//! Some parts of tokio panic when the system refuses a thread or a descriptor, and a panic ends programs that abort
//! on it. Resources that could run out later are reserved when the runtime is built: the helper thread for work that
//! blocks, and a probe of the descriptors.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Uri;
use http::uri::Scheme;
use opentelemetry::Context;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::outage_log::OutageLogs;
use super::worker::{Command, PANIC_PAUSE, Worker};
use super::workers::{WorkerChannel, Workers};
#[cfg(feature = "tls")]
use crate::diagnostics::Field;
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::error::InitError;
#[cfg(feature = "tls")]
use crate::export::destination::check_tls;
use crate::export::destination::{Connections, Destination};
use crate::export::own_threads::{Fork, become_io_thread, on_io_thread};
use crate::export::queue::Consumer;
#[cfg(feature = "tls")]
use crate::settings::TlsFiles;
use crate::settings::{DestinationSettings, Signal, Target};
use crate::user_code::catch_panic;

/// The path of one signal to one of its destinations.
pub(crate) struct Route {
    /// The signal that is sent.
    pub(crate) signal: Signal,
    /// Its destination and export settings.
    pub(crate) settings: DestinationSettings,
    /// The lane of the queue that this destination empties.
    pub(crate) queue: Consumer,
    /// Longest wait before a batch that is not full is sent.
    pub(crate) delay: Duration,
}

/// The handle on the I/O thread. Dropping it ends the thread without a flush.
#[derive(Debug)]
pub(crate) struct Exporter {
    /// Reaches the workers, also after the thread has ended.
    workers: Workers,
    /// One for each route, to count what is pending when the thread misses the deadline.
    queues: Vec<Consumer>,
    /// `None` if nothing is exported, and after the shutdown.
    thread: Option<Thread>,
}

/// The running thread.
#[derive(Debug)]
struct Thread {
    /// Joined only after the thread has reported its end. Dropped, and so detached, otherwise.
    handle: JoinHandle<()>,
    /// Closed when the thread has nothing left to do. Locked only so that the handle can be shared.
    ended: Mutex<Receiver<()>>,
    /// The process that the thread runs in. A forked child has the handle, but not the thread.
    fork: Fork,
}

impl Exporter {
    /// Starts the thread. Connections are made when there is something to send. `resource` is encoded.
    /// `no_color`: colours on the console are turned off.
    ///
    /// Returns once the thread has its runtime. Without routes no thread is started, and everything else is a no-op.
    ///
    /// # Errors
    ///
    /// [`InitError::Thread`] if the system refuses the thread or its runtime, and [`InitError::InvalidSetting`] if
    /// certificates and keys that were set in code cannot be used.
    pub(crate) fn start(
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "only TLS files change a route"))]
        mut routes: Vec<Route>,
        resource: Arc<[u8]>,
        no_color: bool,
        diagnostics: &Diagnostics,
    ) -> Result<Self, InitError> {
        if routes.is_empty() {
            return Ok(Self { workers: Workers::default(), queues: Vec::new(), thread: None });
        }
        #[cfg(feature = "tls")]
        check_tls_files(&mut routes, diagnostics)?;
        let mut workers = Workers::default();
        let channels = routes.iter().map(|route| workers.add(route.signal, unbounded_channel())).collect();
        let queues = routes.iter().map(|route| route.queue.clone()).collect();
        let plan = Plan { routes, channels, resource, no_color, diagnostics: diagnostics.clone() };
        let (started, has_started) = sync_channel(1);
        let (alive, ended) = sync_channel(0);
        let handle = std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || run(plan, &started, alive))
            .map_err(|error| InitError::Thread(error.into()))?;
        match has_started.recv() {
            Ok(Ok(())) => {
                let thread = Thread { handle, ended: Mutex::new(ended), fork: Fork::new() };
                Ok(Self { workers, queues, thread: Some(thread) })
            }
            Ok(Err(error)) => Err(InitError::Thread(error.into())),
            Err(error) => Err(InitError::Thread(error.into())),
        }
    }

    /// Returns the handle that reaches the workers. Clones of it outlive the exporter.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Delivers queued items until the deadline, then ends the thread. Never waits longer than that, except for the
    /// time it takes to wake up. Returns `true` if the thread has exited. Otherwise (for example on an overloaded
    /// machine) pending items are counted as failed anyway.
    ///
    /// A second call, and a call in a forked child, return `true` at once. A call on the I/O thread itself sends the
    /// command and returns `false`: waiting would be for itself.
    pub(crate) fn shutdown(&mut self, deadline: Instant) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        if thread.fork.is_child() {
            // It runs in the parent alone, and must be neither joined nor detached here.
            std::mem::forget(thread);
            return true;
        }
        self.workers.shut_down(deadline);
        if on_io_thread() {
            return false;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let ended = thread.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        // A thread that has reported its end has nothing left to do that takes time. One that has not is abandoned.
        let has_ended = ended.recv_timeout(left + GRACE) == Err(RecvTimeoutError::Disconnected);
        self.queues.iter().for_each(Consumer::abandon);
        if has_ended {
            let _ = thread.handle.join();
        }
        has_ended
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.shutdown(Instant::now());
    }
}

/// The parts that the thread starts with.
struct Plan {
    /// The pipelines to run.
    routes: Vec<Route>,
    /// The receiving end for each route, in the same order.
    channels: Vec<WorkerChannel>,
    /// The encoded resource, for all requests.
    resource: Arc<[u8]>,
    /// Colours on the console are turned off.
    no_color: bool,
    /// Gets the warnings of connections and outage logs.
    diagnostics: Diagnostics,
}

impl Plan {
    /// Returns the workers, with their connections. Must be called inside the runtime: connections spawn tasks on the
    /// one that is current.
    fn stations(self) -> Vec<Option<Station>> {
        let mut connections = Connections::new(self.diagnostics.clone()).without_color(self.no_color);
        let mut outage_logs = OutageLogs::new(self.diagnostics.clone());
        let parts = self.routes.into_iter().zip(self.channels);
        parts
            .map(|(route, (commands, refusals))| {
                let Route { signal, settings, queue, delay } = route;
                let destination =
                    Destination::new(signal, settings.clone(), &queue, &mut connections, &self.diagnostics);
                let outage_log = outage_logs.log(signal, &settings, Arc::clone(queue.ledger()));
                let resource = Arc::clone(&self.resource);
                let worker = Worker::new(queue, Arc::new(destination), resource, delay, outage_log, refusals);
                Some(Station { worker, commands, signal, settings })
            })
            .collect()
    }
}

/// A worker on the thread, with what it needs to go on after a failure of the runtime.
struct Station {
    /// The worker, across all runtimes.
    worker: Worker,
    /// Read by the worker, or by [`next_runtime`] while there is none.
    commands: UnboundedReceiver<Command>,
    /// For the destination that is made again.
    signal: Signal,
    /// See `signal`.
    settings: DestinationSettings,
}

impl Station {
    /// Runs the worker to its end, then drops it and leaves `None`. If the runtime fails before that, the station is
    /// still there.
    async fn run(station: &mut Option<Self>) {
        let Some(Self { worker, commands, .. }) = station else { return };
        worker.run(commands).await;
        drop_caught(station.take());
    }

    /// Makes the destination again, with connections on the runtime that is current.
    fn reconnect(&mut self, connections: &mut Connections, diagnostics: &Diagnostics) {
        let (settings, queue) = (self.settings.clone(), self.worker.queue());
        let destination = Destination::new(self.signal, settings, queue, connections, diagnostics);
        self.worker.reconnect(Arc::new(destination));
    }
}

/// Drops values that hold code of the user, such as a source of credentials: it may panic then, which must not reach the
/// other workers.
fn drop_caught<T>(value: T) {
    catch_panic(|| drop(value));
}

/// Checks that the certificates and keys of each route can be used together, before the thread starts.
///
/// A key that does not belong to its certificate is noticed only here. Files that the environment names are left out with
/// a warning, as any other invalid value of a variable; files that are set in code, or by a configuration file, are an
/// error. The certificates of authorities stay if they are not to blame.
#[cfg(feature = "tls")]
fn check_tls_files(routes: &mut [Route], diagnostics: &Diagnostics) -> Result<(), InitError> {
    let mut ignored: Vec<(String, Vec<&str>)> = Vec::new();
    for Route { signal, settings, .. } in routes {
        let DestinationSettings::Otlp(export) = settings else { continue };
        let Err(error) = check_tls(&export.target) else { continue };
        if !export.target.tls.from_env {
            return Err(InitError::InvalidSetting {
                setting: "tls",
                value: export.target.address(),
                origin: format!("the settings of {signal}"),
                reason: "the certificates and keys cannot be used".to_owned(),
                source: Some(error),
            });
        }
        let tls = &mut export.target.tls;
        (tls.client_key, tls.client_certificate) = (None, None);
        if check_tls(&export.target).is_err() {
            export.target.tls = TlsFiles::default();
        }
        let text = error.to_string();
        match ignored.iter_mut().find(|(known, _)| *known == text) {
            Some((_, signals)) => signals.push(signal.name()),
            None => ignored.push((text, vec![signal.name()])),
        }
    }
    for (error, signals) in ignored {
        let signals = signals.join(", ");
        let fields: [Field<'_>; 2] =
            [("signals", FieldValue::Text(&signals)), ("error", FieldValue::Text(&error))];
        diagnostics.warn("ignoring TLS files from the environment: they cannot be used", &fields);
    }
    Ok(())
}

/// The body of the thread, from its start to its end.
///
/// The runtime is made and dropped here: neither is allowed inside the application's runtime, where telemetry may have
/// been started. `started` receives one message, after the runtime was built or refused. `alive` is dropped at the end,
/// which [`Exporter::shutdown`] waits for.
fn run(plan: Plan, started: &SyncSender<std::io::Result<()>>, alive: SyncSender<()>) {
    become_io_thread();
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    let needs_helper = plan.routes.iter().any(|route| needs_helper(&route.settings));
    let mut runtime = match runtime(needs_helper) {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    let (no_color, diagnostics) = (plan.no_color, plan.diagnostics.clone());
    let mut stations = {
        let _inside = runtime.enter();
        plan.stations()
    };
    let _ = started.send(Ok(()));
    loop {
        let work = join_all(stations.iter_mut().map(Station::run));
        let has_ended = catch_panic(|| runtime.block_on(work)).is_some();
        // A name that is still being resolved must not delay the exit.
        catch_panic(|| runtime.shutdown_background());
        if has_ended {
            break;
        }
        std::thread::sleep(PANIC_PAUSE);
        let Some(next) = next_runtime(needs_helper, &mut stations, &diagnostics) else { break };
        runtime = next;
        let _inside = runtime.enter();
        let mut connections = Connections::new(diagnostics.clone()).without_color(no_color);
        for station in stations.iter_mut().flatten() {
            catch_panic(|| station.reconnect(&mut connections, &diagnostics));
        }
    }
    drop_caught(stations);
    drop(alive);
}

/// Builds a runtime after one has failed. While the system refuses it, commands are handled here. Returns `None` if the
/// shutdown comes before.
///
/// The failure is logged once, not for each attempt. Attempts are [`PANIC_PAUSE`] apart.
fn next_runtime(
    needs_helper: bool,
    stations: &mut [Option<Station>],
    diagnostics: &Diagnostics,
) -> Option<Runtime> {
    let mut is_reported = false;
    loop {
        let error = match runtime(needs_helper) {
            Ok(runtime) => return Some(runtime),
            Err(error) => error,
        };
        if !std::mem::replace(&mut is_reported, true) {
            let fields = [("error", FieldValue::Text(&error))];
            diagnostics.error("the export thread cannot be started again, retrying", &fields);
        }
        let mut commands = stations.iter_mut().flatten();
        if commands.any(|Station { worker, commands, .. }| worker.handle_without_runtime(commands)) {
            return None;
        }
        std::thread::sleep(PANIC_PAUSE);
    }
}

/// Returns a runtime for a thread of ours, with one thread, I/O and timers.
///
/// Its helper threads are marked as ours, too, so nothing on them is recorded as telemetry. The Prometheus server has
/// one of its own.
///
/// # Errors
///
/// If the system has no descriptors left, or refuses what the runtime needs.
pub(in crate::export) fn new_runtime() -> std::io::Result<Runtime> {
    has_descriptors()?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name(THREAD_NAME)
        // Also the helper threads that resolve names.
        .on_thread_start(become_io_thread)
        .thread_keep_alive(FOREVER)
        .build()
}

/// Returns the runtime of the I/O thread, with a helper thread if one is needed.
fn runtime(needs_helper: bool) -> std::io::Result<Runtime> {
    let runtime = new_runtime()?;
    if needs_helper {
        keep_helper(&runtime)?;
    }
    Ok(runtime)
}

/// Returns `true` if there is work that blocks, which needs a helper thread: a name has to be looked up (that of the
/// endpoint's host or of its proxy), certificates are read for TLS, a source of credentials is called, or a file is
/// written.
fn needs_helper(settings: &DestinationSettings) -> bool {
    let DestinationSettings::Otlp(export) = settings else { return true };
    let host = export.target.connects_to();
    let has_name = host.is_some_and(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_err());
    has_name || has_tls(&export.target) || !export.credentials.is_empty()
}

/// Returns `true` if connections to the target, or to its proxy, have TLS. Its certificates are read for each of them,
/// at least those of the system.
fn has_tls(target: &Target) -> bool {
    let is_https = |uri: &Uri| cfg!(feature = "tls") && uri.scheme() == Some(&Scheme::HTTPS);
    is_https(&target.uri) || target.proxy.as_ref().is_some_and(|proxy| is_https(&proxy.uri))
}

/// Makes the runtime start its first helper thread now, and keep it.
///
/// Tokio panics when it gets no thread for work that blocks and has none yet. A thread of the standard library is
/// started first, because that reports a refusal as an error.
fn keep_helper(runtime: &Runtime) -> std::io::Result<()> {
    let probe = std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(|| {})?;
    let _ = probe.join();
    drop(runtime.spawn_blocking(|| {}));
    Ok(())
}

/// Fails if the process has fewer than six descriptors left: tokio needs five for its driver and signals, and panics
/// without them; one more is needed to connect.
#[cfg(unix)]
fn has_descriptors() -> std::io::Result<()> {
    let pairs: std::io::Result<Vec<_>> = (0..3).map(|_| std::os::unix::net::UnixStream::pair()).collect();
    pairs.map(drop)
}

#[cfg(not(unix))]
fn has_descriptors() -> std::io::Result<()> {
    Ok(())
}

/// The helper thread is never given back, because a later one could be refused.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// The name of the thread and its helpers, as `top -H` and debuggers show it. Linux shows 15 bytes.
const THREAD_NAME: &str = "otel-export";
/// The time that the end may take beyond the deadline: for the thread to wake up and to drop its connections.
const GRACE: Duration = Duration::from_millis(30);

#[cfg(test)]
mod tests;
