//! A flush of everything, within one time limit.

use std::time::{Duration, Instant};

use super::providers::Providers;
use super::{left_until, user_code_share};
use crate::export::{ExportError, Workers};
use crate::lifecycle::tasks::BackgroundTasks;
use crate::lines::writer::NonBlockingWriter;
use crate::settings::deadline_after;

/// The parts that a flush needs; it may run on another thread than the guard's.
pub(crate) struct Flusher {
    pub(super) providers: Providers,
    pub(super) workers: Workers,
    pub(super) lines: Option<NonBlockingWriter>,
}

impl Flusher {
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), ExportError> {
        let now = Instant::now();
        let deadline = deadline_after(timeout);
        let left = || left_until(deadline);
        let mut flushing = BackgroundTasks::start(self.providers.flush_tasks());
        let collected = flushing.wait_until(now + user_code_share(left())).is_empty();
        let mut outcome = self.workers.flush(None, left());
        // Items that were flushed late are exported if there is time.
        let collected = collected || {
            let ended = flushing.wait_until(deadline).is_empty();
            outcome = outcome.and_then(|()| self.workers.flush(None, left()));
            ended
        };
        let written = self.lines.as_ref().is_none_or(|lines| lines.flush(left()));
        match outcome {
            Ok(()) if !collected || !written => Err(ExportError::Timeout(timeout)),
            Err(ExportError::Timeout(_)) => Err(ExportError::Timeout(timeout)),
            outcome => outcome,
        }
    }
}
