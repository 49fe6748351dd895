//! The state shared by the handle and the server.
//!
//! | counted | when |
//! |---|---|
//! | a connection | when accepted |
//! | a request | when read and decoded, before faults apply |
//! | an arrival | when its response is sent completely, which is when it is kept |

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fault::{FaultDecision, FaultPlan};
use crate::collector::collected::{CollectedTelemetry, Request, WaitError};
use crate::settings::Signal;
use crate::settings::deadline_after;

/// Kept requests, faults and counters of one collector. Survives restarts of the server.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The state, under one lock, because performance does not matter in tests.
    inner: Mutex<Inner>,
    /// Notified when a request is kept.
    arrived: Condvar,
}

/// State protected by the lock.
#[derive(Debug, Default)]
struct Inner {
    /// The kept telemetry that was not taken yet.
    received: CollectedTelemetry,
    /// The total number of kept requests. Unlike the number of requests in `received` it never decreases, so that a
    /// waiting thread notices an arrival after a `take`.
    arrivals: u64,
    /// The faults, in the order in which they were injected.
    faults: Vec<FaultPlan>,
    /// The total number of accepted connections.
    connections: usize,
    /// The number of requests that were read, including those without a response.
    requests: usize,
}

impl State {
    /// Records a request as received and wakes the threads that wait.
    pub(super) fn keep(&self, request: Request) {
        let mut inner = self.lock();
        inner.received.push(request);
        inner.arrivals += 1;
        drop(inner);
        self.arrived.notify_all();
    }

    /// Returns a snapshot.
    pub(super) fn received(&self) -> CollectedTelemetry {
        self.lock().received.clone()
    }

    /// Returns all kept telemetry, and removes it.
    pub(super) fn take(&self) -> CollectedTelemetry {
        std::mem::take(&mut self.lock().received)
    }

    /// Blocks until the condition is true or the time has elapsed. The condition is called once at the start, and
    /// again after each arrival.
    ///
    /// # Errors
    ///
    /// [`WaitError`] if the time has elapsed, with the telemetry that had arrived.
    pub(super) fn wait_for(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&CollectedTelemetry) -> bool,
    ) -> Result<CollectedTelemetry, WaitError> {
        let deadline = deadline_after(timeout);
        loop {
            // The condition runs without the lock, because it may use the collector itself.
            let (received, arrivals) = self.received_and_arrivals();
            if condition(&received) {
                return Ok(received);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(WaitError { timeout, received });
            }
            let nothing_new = |inner: &mut Inner| inner.arrivals == arrivals;
            let _ = self.arrived.wait_timeout_while(self.lock(), left, nothing_new);
        }
    }

    /// Returns the kept telemetry and the number of arrivals at the same moment, so that an arrival between the check
    /// and the wait is not missed.
    fn received_and_arrivals(&self) -> (CollectedTelemetry, u64) {
        let inner = self.lock();
        (inner.received.clone(), inner.arrivals)
    }

    /// Appends a fault.
    pub(super) fn add_fault(&self, plan: FaultPlan) {
        self.lock().faults.push(plan);
    }

    /// Removes all faults.
    pub(super) fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Counts the request, and decides how it is handled.
    pub(super) fn decide(&self, signal: Signal, size: usize) -> FaultDecision {
        let mut inner = self.lock();
        inner.requests += 1;
        FaultDecision::from_plans(&mut inner.faults, signal, size)
    }

    /// Counts a connection.
    pub(super) fn connected(&self) {
        self.lock().connections += 1;
    }

    /// Returns the number of requests that were read.
    pub(super) fn requests(&self) -> usize {
        self.lock().requests
    }

    /// Returns the total number of accepted connections.
    pub(super) fn connections(&self) -> usize {
        self.lock().connections
    }

    /// Locks the state.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
