//! The handle that reaches the workers from any thread, for flushes and the shutdown.
//!
//! | the flush is called | result |
//! |---|---|
//! | from any thread of the application, inside or outside of a runtime | the workers' answers, at the latest 50 ms after the deadline |
//! | from the I/O thread, such as by a source of credentials | a timeout at once: the thread cannot wait for itself |
//! | in a forked child | success: a child has no workers, and items of the parent are not its own |
//! | after the workers have ended | success: nothing is left |
//!
//! The senders stay valid after the thread has ended; sending then fails, and the worker is left out.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::refusals::Refusals;
use super::worker::{Command, FlushError};
use crate::export::ExportError;
use crate::export::own_threads::{Fork, on_io_thread};
use crate::settings::Signal;
use crate::settings::deadline_after;

/// Reaches the workers of the I/O thread. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers {
    /// One for each worker. A signal with several destinations occurs several times.
    workers: Vec<WorkerHandle>,
    /// The process that the workers run in.
    fork: Fork,
}

/// Handle for one worker.
#[derive(Clone, Debug)]
struct WorkerHandle {
    /// The signal that it delivers.
    signal: Signal,
    /// Its command channel.
    commands: UnboundedSender<Command>,
    /// The failures of its deliveries.
    refusals: Refusals,
}

/// The worker's side of its handle.
pub(super) type WorkerChannel = (UnboundedReceiver<Command>, Refusals);

impl Workers {
    /// Keeps the sending end of a worker's channel, and returns the receiving end, and where the worker records what was
    /// refused.
    pub(super) fn add(
        &mut self,
        signal: Signal,
        (sender, receiver): (UnboundedSender<Command>, UnboundedReceiver<Command>),
    ) -> WorkerChannel {
        let refusals = Refusals::default();
        self.workers.push(WorkerHandle { signal, commands: sender, refusals: refusals.clone() });
        (receiver, refusals)
    }

    /// Makes the worker of each signal, or of one, send everything queued, and waits for the answer. Once the workers
    /// have ended there is nothing left to flush; in a child process there never is.
    ///
    /// The workers flush at the same time, within one `timeout`.
    ///
    /// # Errors
    ///
    /// [`ExportError::Timeout`] if an answer did not come in time, and otherwise the first failure that a worker
    /// reports. All answers are awaited before, so the other signals are flushed in either case.
    pub(crate) fn flush(&self, only: Option<Signal>, timeout: Duration) -> Result<(), ExportError> {
        // The answer would have to come from the thread that waits for it.
        if on_io_thread() {
            return Err(ExportError::Timeout(Duration::ZERO));
        }
        if self.fork.is_child() {
            return Ok(());
        }
        let deadline = deadline_after(timeout);
        let (reply, answers) = channel();
        let mut asked = 0;
        for WorkerHandle { signal, commands, .. } in self.selected(only) {
            let (reply, signal) = (reply.clone(), *signal);
            let answer = move |result| drop(reply.send((signal, result)));
            asked += usize::from(commands.send(Command::Flush(deadline.into(), Box::new(answer))).is_ok());
        }
        drop(reply);
        let mut outcome = Ok(());
        for _ in 0..asked {
            let left = deadline.saturating_duration_since(Instant::now());
            // The workers keep the deadline themselves; the rest is for a thread that gets no processor.
            let Ok((signal, result)) = answers.recv_timeout(left + GRACE) else {
                return Err(ExportError::Timeout(timeout));
            };
            outcome = outcome.and(result.map_err(|unflushed| error(signal, unflushed, timeout)));
        }
        outcome
    }

    /// Returns the number of refusals of each worker so far, for [`refused_since`](Self::refused_since).
    pub(crate) fn refusals(&self) -> Vec<u64> {
        self.workers.iter().map(|worker| worker.refusals.count()).collect()
    }

    /// Checks that no worker has been refused anything since `refusals`.
    ///
    /// # Errors
    ///
    /// [`ExportError::Failed`] with the last refusal of the first worker that has one.
    pub(crate) fn refused_since(&self, refusals: &[u64]) -> Result<(), ExportError> {
        self.workers.iter().zip(refusals).try_for_each(|(worker, count)| {
            let refused = worker.refusals.since(*count);
            refused.map_or(Ok(()), |reason| Err(ExportError::failed(worker.signal, reason)))
        })
    }

    /// [`flush`](Self::flush) of one signal, as the SDK's traits have it. The reason of a failure becomes text there.
    pub(in crate::export) fn flush_for_sdk(&self, signal: Signal, timeout: Duration) -> OTelSdkResult {
        self.flush(Some(signal), timeout).map_err(|error| match error {
            ExportError::Timeout(timeout) => OTelSdkError::Timeout(timeout),
            failed => OTelSdkError::InternalFailure(failed.to_string()),
        })
    }

    /// Sends every worker the command to end by the deadline. Does not wait.
    pub(super) fn shut_down(&self, deadline: Instant) {
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Shutdown(deadline.into()));
        }
    }

    /// Makes the runtime fail under each worker.
    #[cfg(test)]
    pub(in crate::export) fn fail_runtime(&self) {
        for worker in &self.workers {
            let _ = worker.commands.send(Command::FailRuntime);
        }
    }

    /// Returns the workers of the signal `only`, or all if it is `None`.
    fn selected(&self, only: Option<Signal>) -> impl Iterator<Item = &WorkerHandle> {
        self.workers.iter().filter(move |worker| only.is_none_or(|only| only == worker.signal))
    }
}

/// Converts the answer of a worker into the public error. `timeout` is the one of the flush.
fn error(signal: Signal, unflushed: FlushError, timeout: Duration) -> ExportError {
    match unflushed {
        FlushError::Timeout => ExportError::Timeout(timeout),
        FlushError::Failed(reason) => ExportError::failed(signal, reason),
    }
}

/// The limit of flushes that come through the SDK's traits without one of their own: the SDK's own default.
pub(in crate::export) const DEFAULT_FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// The time after the deadline for which a flush still waits for an answer.
const GRACE: Duration = Duration::from_millis(50);
