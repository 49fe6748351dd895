//! The way to the workers from anywhere: flush and shutdown.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::worker::{Command, FlushError};
use crate::export::ExportError;
use crate::export::own_threads::{Fork, on_io_thread};
use crate::settings::Signal;
use crate::settings::deadline_after;

/// Reaches the workers of the I/O thread. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers {
    /// One for each destination, so that a signal can occur several times.
    senders: Vec<(Signal, UnboundedSender<Command>)>,
    /// A child process has no workers.
    fork: Fork,
}

impl Workers {
    /// Keeps one end of a worker's channel, and returns the worker's end.
    pub(super) fn add(
        &mut self,
        signal: Signal,
        (sender, receiver): (UnboundedSender<Command>, UnboundedReceiver<Command>),
    ) -> UnboundedReceiver<Command> {
        self.senders.push((signal, sender));
        receiver
    }

    /// Makes the worker of each signal, or of one, send everything queued, and waits for the answer. Once the workers
    /// have ended there is nothing left to flush; in a child process there never is.
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
        for (signal, sender) in self.selected(only) {
            let reply = reply.clone();
            let answer = move |result| drop(reply.send((signal, result)));
            asked += usize::from(sender.send(Command::Flush(deadline.into(), Box::new(answer))).is_ok());
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

    /// [`flush`](Self::flush) of one signal, as the SDK's traits have it.
    pub(in crate::export) fn flush_for_sdk(&self, signal: Signal, timeout: Duration) -> OTelSdkResult {
        self.flush(Some(signal), timeout).map_err(|error| match error {
            ExportError::Timeout(timeout) => OTelSdkError::Timeout(timeout),
            failed => OTelSdkError::InternalFailure(failed.to_string()),
        })
    }

    /// Sends every worker the command to end.
    pub(super) fn shut_down(&self, deadline: Instant) {
        for (_, sender) in self.selected(None) {
            let _ = sender.send(Command::Shutdown(deadline.into()));
        }
    }

    /// Makes the runtime fail under each worker.
    #[cfg(test)]
    pub(in crate::export) fn fail_runtime(&self) {
        for (_, sender) in self.selected(None) {
            let _ = sender.send(Command::FailRuntime);
        }
    }

    /// Returns the workers of one signal, or all.
    fn selected(&self, only: Option<Signal>) -> impl Iterator<Item = (Signal, &UnboundedSender<Command>)> {
        self.senders
            .iter()
            .filter(move |(signal, _)| only.is_none_or(|only| only == *signal))
            .map(|(signal, sender)| (*signal, sender))
    }
}

/// Returns the public error for what a worker has answered.
fn error(signal: Signal, unflushed: FlushError, timeout: Duration) -> ExportError {
    match unflushed {
        FlushError::Timeout => ExportError::Timeout(timeout),
        FlushError::Failed(reason) => ExportError::failed(signal, reason),
    }
}

/// For flushes that come through the SDK without a limit of their own: the SDK's.
pub(in crate::export) const DEFAULT_FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// How much later than the deadline an answer may come.
const GRACE: Duration = Duration::from_millis(50);
