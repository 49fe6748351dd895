//! The I/O thread: the one thread of ours that talks to the network, on a runtime of its own.
//!
//! Exporting from the application's runtime loses data when that runtime is blocked, has one thread, or is gone.
//! Here everything that a connection needs lives on this thread, so a flush works from a plain thread, from inside
//! any runtime, and after it. If the runtime fails (a panic that is not of a worker's turn), the thread builds another one,
//! on which the workers go on with what they hold. Nothing that happens on this thread is telemetry: see [`on_io_thread`].

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use opentelemetry::Context;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::outage_log::OutageLogs;
use super::worker::{Command, PANIC_PAUSE, Worker, discard};
use super::workers::Workers;
#[cfg(feature = "tls")]
use crate::diagnostics::Field;
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::error::InitError;
#[cfg(feature = "tls")]
use crate::export::destination::check_tls;
use crate::export::destination::{Connections, Destination};
use crate::export::own_threads::{Fork, become_io_thread, on_io_thread};
use crate::export::queue::Consumer;
use crate::settings::DestinationSettings;
use crate::settings::Signal;

/// One signal's way to its collector.
pub(crate) struct Route {
    pub(crate) signal: Signal,
    pub(crate) settings: DestinationSettings,
    pub(crate) queue: Consumer,
    /// Longest wait before a batch that is not full is sent.
    pub(crate) delay: Duration,
}

/// The handle on the I/O thread. Dropping it ends the thread without a flush.
#[derive(Debug)]
pub(crate) struct Exporter {
    /// Reaches the workers, also after the thread has ended.
    workers: Workers,
    queues: Vec<Consumer>,
    /// `None` if nothing is exported, and after the shutdown.
    thread: Option<Thread>,
}

/// The running thread.
#[derive(Debug)]
struct Thread {
    handle: JoinHandle<()>,
    /// Closed when the thread has nothing left to do. Locked only so that the handle can be shared.
    ended: Mutex<Receiver<()>>,
    fork: Fork,
}

impl Exporter {
    /// Starts the thread. Connections are made when there is something to send. `resource` is encoded.
    /// `no_color`: colours on the console are turned off.
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
        routes.iter_mut().try_for_each(|route| check_tls_files(route, diagnostics))?;
        let mut workers = Workers::default();
        let commands = routes.iter().map(|route| workers.add(route.signal, unbounded_channel())).collect();
        let queues = routes.iter().map(|route| route.queue.clone()).collect();
        let plan = Plan { routes, commands, resource, no_color, diagnostics: diagnostics.clone() };
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

    /// Returns the way to the workers.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Delivers queued items until the deadline, then ends the thread. Never waits longer than that, except for
    /// the time it takes to wake up. Returns whether the thread has ended. If it has not, which is so on a machine so busy
    /// that the thread gets no processor, what is pending counts as failed nevertheless.
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
    routes: Vec<Route>,
    commands: Vec<UnboundedReceiver<Command>>,
    resource: Arc<[u8]>,
    no_color: bool,
    diagnostics: Diagnostics,
}

impl Plan {
    /// The workers, with their connections. These spawn tasks on the runtime that is current.
    fn stations(self) -> Vec<Option<Station>> {
        let mut connections = Connections::new(self.diagnostics.clone()).without_color(self.no_color);
        let mut outage_logs = OutageLogs::new(self.diagnostics.clone());
        let parts = self.routes.into_iter().zip(self.commands);
        parts
            .map(|(route, commands)| {
                let Route { signal, settings, queue, delay } = route;
                let destination =
                    Destination::new(signal, settings.clone(), &queue, &mut connections, &self.diagnostics);
                let outage_log = outage_logs.log(signal, destination.endpoint(), Arc::clone(queue.ledger()));
                let resource = Arc::clone(&self.resource);
                let worker = Worker::new(queue, Arc::new(destination), resource, delay, outage_log);
                Some(Station { worker, commands, signal, settings })
            })
            .collect()
    }
}

/// A worker on the thread, with what it needs to go on after a failure of the runtime.
struct Station {
    worker: Worker,
    commands: UnboundedReceiver<Command>,
    signal: Signal,
    settings: DestinationSettings,
}

impl Station {
    /// Runs the worker to its end, then drops it.
    async fn run(station: &mut Option<Self>) {
        let Some(Self { worker, commands, .. }) = station else { return };
        worker.run(commands).await;
        drop_caught(station.take());
    }

    /// Makes new connections, on the runtime that is current.
    fn reconnect(&mut self, connections: &mut Connections, diagnostics: &Diagnostics) {
        let (settings, queue) = (self.settings.clone(), self.worker.queue());
        let destination = Destination::new(self.signal, settings, queue, connections, diagnostics);
        self.worker.reconnect(Arc::new(destination));
    }
}

/// Drops values that hold code of the user, such as a source of credentials: it may panic then, which must not reach the
/// other workers.
fn drop_caught<T>(value: T) {
    let _ = caught(|| drop(value));
}

/// Returns `None` if `action` panics. The panic hook has reported it then.
fn caught<T>(action: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(action)).map_err(discard).ok()
}

/// Files that cannot be used together, such as a key that does not belong to its certificate, are noticed only here.
/// Those that the environment names are then left out, as any other wrong value of a variable.
#[cfg(feature = "tls")]
fn check_tls_files(route: &mut Route, diagnostics: &Diagnostics) -> Result<(), InitError> {
    let DestinationSettings::Otlp(export) = &mut route.settings else { return Ok(()) };
    let Err(error) = check_tls(&export.target) else { return Ok(()) };
    if std::mem::take(&mut export.target.tls).from_env {
        let fields: [Field<'_>; 2] =
            [("signal", FieldValue::Text(&route.signal)), ("error", FieldValue::Text(&error))];
        diagnostics.warn("ignoring TLS files from the environment: they cannot be used", &fields);
        return Ok(());
    }
    Err(InitError::InvalidSetting {
        setting: "tls",
        value: export.target.address(),
        origin: format!("the settings of {}", route.signal),
        reason: "the certificates and keys cannot be used".to_owned(),
        source: Some(error),
    })
}

/// The thread. The runtime is made and dropped here: neither is allowed inside the application's runtime, where
/// telemetry may have been started.
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
        let has_ended = caught(|| runtime.block_on(work)).is_some();
        // A name that is still being resolved must not delay the exit.
        let _ = caught(|| runtime.shutdown_background());
        if has_ended {
            break;
        }
        std::thread::sleep(PANIC_PAUSE);
        let Some(next) = next_runtime(needs_helper, &mut stations, &diagnostics) else { break };
        runtime = next;
        let _inside = runtime.enter();
        let mut connections = Connections::new(diagnostics.clone()).without_color(no_color);
        for station in stations.iter_mut().flatten() {
            let _ = caught(|| station.reconnect(&mut connections, &diagnostics));
        }
    }
    drop_caught(stations);
    drop(alive);
}

/// Builds a runtime after one has failed. While the system refuses it, commands are handled here. Returns `None` if the
/// shutdown comes before.
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

/// Returns a runtime for a thread of ours.
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

/// Whether there is work that blocks: a name has to be looked up, that of the endpoint's host or of its proxy, credentials
/// have to be asked for, or a file is written.
fn needs_helper(settings: &DestinationSettings) -> bool {
    let DestinationSettings::Otlp(export) = settings else { return true };
    let host = export.target.connects_to();
    let has_name = host.is_some_and(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_err());
    has_name || !export.credentials.is_empty()
}

/// Tokio's runtime panics when it gets no thread for work that blocks and has none yet, which ends a program that
/// aborts on panics. So it gets its first one now, while there are some, and keeps it.
fn keep_helper(runtime: &Runtime) -> std::io::Result<()> {
    let probe = std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(|| {})?;
    let _ = probe.join();
    drop(runtime.spawn_blocking(|| {}));
    Ok(())
}

/// Tokio's runtime panics when it gets no descriptor for its signals, so it is asked beforehand: for its five, and one
/// to connect with.
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
const THREAD_NAME: &str = "otel-export";
/// The time that the end may take beyond the deadline.
const GRACE: Duration = Duration::from_millis(30);
