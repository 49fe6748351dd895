//! What the handle and the server share.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fault::{Fate, FaultPlan};
use super::received::{Received, Request, WaitError};
use crate::export::Signal;

#[derive(Debug, Default)]
pub(super) struct State {
    inner: Mutex<Inner>,
    /// Something was kept.
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    received: Received,
    faults: Vec<FaultPlan>,
    connections: usize,
}

impl State {
    pub(super) fn keep(&self, request: Request) {
        self.lock().received.push(request);
        self.arrived.notify_all();
    }

    pub(super) fn received(&self) -> Received {
        self.lock().received.clone()
    }

    pub(super) fn take(&self) -> Received {
        std::mem::take(&mut self.lock().received)
    }

    pub(super) fn wait_for(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&Received) -> bool,
    ) -> Result<Received, WaitError> {
        let deadline = Instant::now() + timeout;
        let mut inner = self.lock();
        loop {
            if condition(&inner.received) {
                return Ok(inner.received.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(WaitError { timeout, received: inner.received.clone() });
            }
            inner = self.arrived.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn add_fault(&self, plan: FaultPlan) {
        self.lock().faults.push(plan);
    }

    pub(super) fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    pub(super) fn fate_of(&self, signal: Signal, size: usize) -> Fate {
        Fate::of(&mut self.lock().faults, signal, size)
    }

    pub(super) fn connected(&self) {
        self.lock().connections += 1;
    }

    pub(super) fn connections(&self) -> usize {
        self.lock().connections
    }

    /// A condition of `wait_for` that panics leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
