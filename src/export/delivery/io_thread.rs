//! The I/O thread: the one thread of ours that talks to the network, on a runtime of its own.
//!
//! Exporting from the application's runtime loses data when that runtime is blocked, has one thread, or is gone.
//! Here everything that a connection needs lives on this thread, so a flush works from a plain thread, from inside
//! any runtime, and after it. Nothing that happens on this thread is telemetry: see [`on_io_thread`].

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use opentelemetry::Context;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::outage_log::OutageLogs;
use super::worker::{Command, Worker};
use super::workers::Workers;
use crate::diagnostics::Diagnostics;
#[cfg(feature = "tls")]
use crate::diagnostics::{Field, FieldValue};
use crate::error::InitError;
#[cfg(feature = "tls")]
use crate::export::destination::check_tls;
use crate::export::destination::{Connections, Destination};
use crate::export::own_threads::{become_io_thread, on_io_thread};
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
    /// `None` if nothing is exported, and after the shutdown.
    thread: Option<Thread>,
}

/// The running thread.
#[derive(Debug)]
struct Thread {
    handle: JoinHandle<()>,
    /// Closed when the thread has nothing left to do. Locked only so that the handle can be shared.
    ended: Mutex<Receiver<()>>,
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
            return Ok(Self { workers: Workers::default(), thread: None });
        }
        #[cfg(feature = "tls")]
        routes.iter_mut().try_for_each(|route| check_tls_files(route, diagnostics))?;
        let mut workers = Workers::default();
        let commands = routes.iter().map(|route| workers.add(route.signal, unbounded_channel())).collect();
        let plan = Plan { routes, commands, resource, no_color, diagnostics: diagnostics.clone() };
        let (started, has_started) = sync_channel(1);
        let (alive, ended) = sync_channel(0);
        let handle = std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || run(plan, &started, alive))
            .map_err(|error| InitError::Thread(error.into()))?;
        match has_started.recv() {
            Ok(Ok(())) => Ok(Self { workers, thread: Some(Thread { handle, ended: Mutex::new(ended) }) }),
            Ok(Err(error)) => Err(InitError::Thread(error.into())),
            Err(error) => Err(InitError::Thread(error.into())),
        }
    }

    /// Returns the way to the workers.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Delivers queued items until the deadline, then ends the thread. Never waits longer than that, except for
    /// the time it takes to wake up. Returns whether the thread has ended.
    pub(crate) fn shutdown(&mut self, deadline: Instant) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        self.workers.shut_down(deadline);
        if on_io_thread() {
            return false;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let ended = thread.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        // A thread that has reported its end has nothing left to do that takes time. One that has not is abandoned.
        let has_ended = ended.recv_timeout(left + GRACE) == Err(RecvTimeoutError::Disconnected);
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
    fn workers(self) -> Vec<(Worker, UnboundedReceiver<Command>)> {
        let mut connections = Connections::new(self.diagnostics.clone()).without_color(self.no_color);
        let mut outage_logs = OutageLogs::new(self.diagnostics.clone());
        let parts = self.routes.into_iter().zip(self.commands);
        parts
            .map(|(route, commands)| {
                let destination =
                    Destination::new(route.signal, route.settings, &mut connections, &self.diagnostics);
                let ledger = Arc::clone(route.queue.ledger());
                let outage_log = outage_logs.log(route.signal, destination.endpoint(), ledger);
                let resource = Arc::clone(&self.resource);
                (Worker::new(route.queue, Arc::new(destination), resource, route.delay, outage_log), commands)
            })
            .collect()
    }
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
    let runtime = match runtime(&plan.routes) {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    let workers = {
        let _inside = runtime.enter();
        plan.workers()
    };
    let _ = started.send(Ok(()));
    runtime.block_on(join_all(workers.into_iter().map(|(worker, commands)| worker.run(commands))));
    // A name that is still being resolved must not delay the exit.
    runtime.shutdown_background();
    drop(alive);
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

/// Returns the runtime, with a helper thread if one is needed.
fn runtime(routes: &[Route]) -> std::io::Result<Runtime> {
    let runtime = new_runtime()?;
    if routes.iter().any(needs_helper) {
        keep_helper(&runtime)?;
    }
    Ok(runtime)
}

/// Whether there is work that blocks: a name has to be looked up, that of the endpoint's host or of its proxy, credentials
/// have to be asked for, or a file is written.
fn needs_helper(route: &Route) -> bool {
    let DestinationSettings::Otlp(export) = &route.settings else { return true };
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
