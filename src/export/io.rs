//! The I/O thread: the one thread of ours that talks to the network, on a runtime of its own.
//!
//! Exporting from the application's runtime loses data when that runtime is blocked, has one thread, or is gone.
//! Here everything that a connection needs lives on this thread, so a flush works from a plain thread, from inside
//! any runtime, and after it. Nothing that happens on this thread is telemetry: see [`on_io_thread`].

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use opentelemetry::Context;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tonic::transport::Endpoint;

use super::queue::Queue;
use super::reporter::Reporter;
use super::signal::Signal;
use super::transport::{Channels, endpoint};
use super::worker::{Command, Worker};
use crate::diagnostics::Diagnostics;
use crate::error::{ExportError, InitError};
use crate::settings::ExportSettings;

/// One signal's way to its collector.
pub(crate) struct Route {
    pub(crate) signal: Signal,
    pub(crate) settings: ExportSettings,
    pub(crate) queue: Arc<Queue>,
    /// Longest wait before a batch that is not full is sent.
    pub(crate) delay: Duration,
}

/// The handle on the I/O thread. Dropping it ends the thread without a flush.
#[derive(Debug)]
pub(crate) struct Exporter {
    workers: Workers,
    thread: Option<JoinHandle<()>>,
}

/// Reaches the workers from anywhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers {
    senders: Vec<(Signal, UnboundedSender<Command>)>,
}

impl Exporter {
    /// Starts the thread. Connections are made when there is something to send.
    pub(crate) fn start(
        routes: Vec<Route>,
        resource: Arc<[u8]>,
        diagnostics: &Diagnostics,
    ) -> Result<Self, InitError> {
        if routes.is_empty() {
            return Ok(Self { workers: Workers::default(), thread: None });
        }
        let endpoints = routes.iter().map(endpoint_of).collect::<Result<Vec<_>, _>>()?;
        let runtime = runtime()?;
        let mut workers = Workers::default();
        let mut ready = Vec::new();
        let mut channels = Channels::default();
        {
            // A channel spawns its tasks on the runtime that is current when it is made.
            let _inside = runtime.enter();
            for (route, endpoint) in routes.into_iter().zip(&endpoints) {
                let (sender, receiver) = unbounded_channel();
                workers.senders.push((route.signal, sender));
                let transport = channels.transport(route.signal, &route.settings, endpoint);
                let reporter =
                    Reporter::new(diagnostics.clone(), route.signal, transport.endpoint().to_owned());
                let worker =
                    Worker::new(route.queue, transport, Arc::clone(&resource), route.delay, reporter);
                ready.push((worker, receiver));
            }
        }
        let thread = std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || run(runtime, ready))
            .map_err(|error| InitError::Thread(error.into()))?;
        Ok(Self { workers, thread: Some(thread) })
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Delivers what is there until the deadline, then ends the thread. Never waits longer than that, give or take
    /// the time it takes to wake up.
    pub(crate) fn shutdown(&mut self, deadline: Instant) {
        let Some(thread) = self.thread.take() else { return };
        let (reply, done) = channel();
        for (_, sender) in &self.workers.senders {
            let reply = reply.clone();
            let command = Command::Shutdown(deadline.into(), Box::new(move || drop(reply)));
            let _ = sender.send(command);
        }
        drop(reply);
        // Every worker holds a sender until it has finished.
        wait_until_closed(&done, deadline + GRACE);
        self.workers.senders.clear();
        if !on_io_thread() {
            join_within(thread, GRACE);
        }
    }
}

impl Workers {
    /// Asks the worker of each signal, or of one, to send what is there, and waits for the answer.
    pub(crate) fn flush(&self, only: Option<Signal>, timeout: Duration) -> Result<(), ExportError> {
        let deadline = Instant::now() + timeout;
        let (reply, answers) = channel();
        let mut asked = 0;
        for (signal, sender) in self.selected(only) {
            let reply = reply.clone();
            let answer = move |result| drop(reply.send((signal, result)));
            asked += usize::from(sender.send(Command::Flush(Box::new(answer))).is_ok());
        }
        let mut outcome = Ok(());
        for _ in 0..asked {
            let left = deadline.saturating_duration_since(Instant::now());
            match answers.recv_timeout(left) {
                Ok((_, Ok(()))) => {}
                Ok((signal, Err(reason))) => outcome = Err(ExportError::failed(signal, reason)),
                Err(_) => return Err(ExportError::Timeout(timeout)),
            }
        }
        outcome
    }

    /// [`flush`](Self::flush) for callers in a runtime, which it does not block.
    pub(crate) async fn flush_async(&self, timeout: Duration) -> Result<(), ExportError> {
        let mut answers = Vec::new();
        for (signal, sender) in self.selected(None) {
            let (reply, answer) = oneshot::channel();
            let command = Command::Flush(Box::new(move |result| drop(reply.send(result))));
            if sender.send(command).is_ok() {
                answers.push((signal, answer));
            }
        }
        let all = async {
            let mut outcome = Ok(());
            for (signal, answer) in answers {
                if let Ok(Err(reason)) = answer.await {
                    outcome = Err(ExportError::failed(signal, reason));
                }
            }
            outcome
        };
        // The timer must not be the caller's: any executor may run this.
        futures_util::future::select(std::pin::pin!(all), std::pin::pin!(elapsed(timeout)))
            .await
            .factor_first()
            .0
    }

    fn selected(&self, only: Option<Signal>) -> impl Iterator<Item = (Signal, &UnboundedSender<Command>)> {
        self.senders
            .iter()
            .filter(move |(signal, _)| only.is_none_or(|only| only == *signal))
            .map(|(signal, sender)| (*signal, sender))
    }
}

/// Whether this is the I/O thread, or a helper of its runtime. Spans and events made here would be exported by the
/// very export that makes them; `opentelemetry`'s own suppression is lost where a library enters a root span.
pub(crate) fn on_io_thread() -> bool {
    ON_IO_THREAD.get()
}

/// Makes the current thread one whose own doings are no telemetry, for as long as it lives.
#[cfg(feature = "testing")]
pub(crate) fn record_nothing_here() {
    ON_IO_THREAD.set(true);
}

/// Resolves with a timeout error after `timeout`, without a runtime.
async fn elapsed(timeout: Duration) -> Result<(), ExportError> {
    let (sender, receiver) = oneshot::channel::<()>();
    let waiting = std::thread::Builder::new().name("telemetry-timer".to_owned()).spawn(move || {
        let deadline = Instant::now() + timeout;
        while !sender.is_closed() && Instant::now() < deadline {
            std::thread::park_timeout(TIMER_STEP.min(deadline.saturating_duration_since(Instant::now())));
        }
    });
    match waiting {
        Ok(_) => {
            let _ = receiver.await;
        }
        // Without a timer the answer of the workers is waited for: they have timeouts of their own.
        Err(_) => std::future::pending().await,
    }
    Err(ExportError::Timeout(timeout))
}

fn endpoint_of(route: &Route) -> Result<Endpoint, InitError> {
    endpoint(&route.settings).map_err(|source| InitError::InvalidSetting {
        setting: "endpoint",
        value: route.settings.target.uri.to_string(),
        origin: format!("the settings of {}", route.signal),
        reason: "no connection can be prepared for it".to_owned(),
        source: Some(source),
    })
}

fn runtime() -> Result<Runtime, InitError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name(THREAD_NAME)
        // Also the helper threads that resolve names.
        .on_thread_start(|| ON_IO_THREAD.set(true))
        .build()
        .map_err(|error| InitError::Thread(error.into()))
}

fn run(runtime: Runtime, workers: Vec<(Worker, tokio::sync::mpsc::UnboundedReceiver<Command>)>) {
    ON_IO_THREAD.set(true);
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    let all = workers.into_iter().map(|(worker, commands)| worker.run(commands));
    runtime.block_on(futures_util::future::join_all(all));
    // A name that is still being resolved must not hold the exit up.
    runtime.shutdown_background();
}

fn wait_until_closed(done: &Receiver<()>, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now());
    while let Ok(()) | Err(RecvTimeoutError::Timeout) = done.recv_timeout(left) {
        if Instant::now() >= deadline {
            return;
        }
    }
}

fn join_within(thread: JoinHandle<()>, limit: Duration) {
    let deadline = Instant::now() + limit;
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(JOIN_STEP);
    }
    if thread.is_finished() {
        let _ = thread.join();
    }
}

thread_local! {
    static ON_IO_THREAD: Cell<bool> = const { Cell::new(false) };
}

const THREAD_NAME: &str = "telemetry-io";
/// What ending may take beyond the deadline.
const GRACE: Duration = Duration::from_millis(50);
const JOIN_STEP: Duration = Duration::from_micros(100);
const TIMER_STEP: Duration = Duration::from_millis(20);
