//! What a worker does differently once telemetry ends.
//!
//! Everything queued is sent until the deadline. A receiver that is absent gets [`TRIES_ABSENT`] tries. Shortly before the
//! deadline the shutdown no longer relies on a request that has no answer: it is sent once more on a new connection (the
//! *hedge*), and a collection of metrics that waits for its answer no longer holds up the later ones.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The state of a shutdown.
pub(super) struct Shutdown {
    deadline: Instant,
    /// From then on a request that is not answered holds up no other. `None` afterwards.
    hedge_at: Option<Instant>,
    /// Tries left against a peer that is absent.
    tries_absent: u32,
}

impl Shutdown {
    /// Creates the state at the command.
    pub(super) fn new(deadline: Instant) -> Self {
        Self { deadline, hedge_at: Some(hedge_before(deadline)), tries_absent: TRIES_ABSENT }
    }

    /// Returns when the worker ends, whatever is left.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns when a request that is not answered stops holding up others, if that is still to come.
    pub(super) fn hedge_at(&self) -> Option<Instant> {
        self.hedge_at
    }

    /// Returns `true` once, when that moment has come.
    pub(super) fn take_hedge(&mut self) -> bool {
        self.hedge_at.take_if(|at| *at <= Instant::now()).is_some()
    }

    /// Records that the receiver was absent. One that was known to be down before gets no second try.
    pub(super) fn record_absence(&mut self, known_to_be_down: bool) {
        let used = if known_to_be_down { self.tries_absent } else { 1 };
        self.tries_absent = self.tries_absent.saturating_sub(used);
    }

    /// Returns `true` if the receiver is absent, and gets no further try.
    pub(super) fn has_given_up(&self) -> bool {
        self.tries_absent == 0
    }
}

/// Resolves shortly before the shutdown deadline; used to send the last request once more. Not earlier: a collector that
/// is only slow would get it twice.
pub(super) async fn hedge_deadline(mut deadline: watch::Receiver<Option<Instant>>) {
    let known = deadline.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
    match known {
        Some(deadline) => sleep_until(hedge_before(deadline)).await,
        None => pending().await,
    }
}

/// A second before the deadline, or a quarter of the time if that is less.
fn hedge_before(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - (left / 4).min(HEDGE_BEFORE_DEADLINE)
}

/// A collector that was not known to be absent before gets a second try at shutdown.
const TRIES_ABSENT: u32 = 2;
/// Enough to connect to a collector and send a few requests.
const HEDGE_BEFORE_DEADLINE: Duration = Duration::from_secs(1);
