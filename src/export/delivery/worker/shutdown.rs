//! The behaviour of a worker during shutdown.
//!
//! Everything queued is sent until the deadline. A receiver that is absent gets [`TRIES_ABSENT`] tries. Shortly before the
//! deadline the shutdown no longer relies on a request that has no answer: it is sent once more on a new connection (the
//! *hedge*), and a collection of metrics that waits for its answer no longer holds up the later ones.
//!
//! ```text
//! command                                 hedge_at          deadline
//!   │  send all, retry as usual             │  resend on a new  │  pending items
//!   ├───────────────────────────────────────┤  connection, skip ├─ count as failed
//!   │                                       │  old collections  │
//!   └── ends early: queue empty and nothing in flight, or receiver absent
//! ```

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The state of a shutdown.
pub(super) struct Shutdown {
    /// The time of the shutdown command.
    began: Instant,
    /// The deadline at which the worker ends, even if items are left.
    deadline: Instant,
    /// The time from which a request without a response no longer holds up others. `None` once that moment was used.
    hedge_at: Option<Instant>,
    /// The tries that a receiver which is absent still gets. At 0 the shutdown gives up.
    tries_absent: u32,
}

impl Shutdown {
    /// Creates the state at the command.
    pub(super) fn new(deadline: Instant) -> Self {
        let hedge_at = Some(hedge_before(deadline));
        Self { began: Instant::now(), deadline, hedge_at, tries_absent: TRIES_ABSENT }
    }

    /// Returns when the command came.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Returns when the worker ends, whatever is left.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns when a request that is not answered stops holding up others, if that is still to come.
    pub(super) fn hedge_at(&self) -> Option<Instant> {
        self.hedge_at
    }

    /// Returns `true` once, when that moment has come. `false` before that moment, and on every later call.
    pub(super) fn take_hedge(&mut self) -> bool {
        self.hedge_at.take_if(|at| *at <= Instant::now()).is_some()
    }

    /// Records that a try found no receiver.
    ///
    /// A receiver that was known to be down before this try (`known_to_be_down`) gets no second one.
    pub(super) fn record_absence(&mut self, known_to_be_down: bool) {
        let used = if known_to_be_down { self.tries_absent } else { 1 };
        self.tries_absent = self.tries_absent.saturating_sub(used);
    }

    /// Returns `true` if the receiver is absent, and gets no further try.
    pub(super) fn has_given_up(&self) -> bool {
        self.tries_absent == 0
    }
}

/// Resolves shortly before the deadline of the shutdown, which the channel announces. Never resolves if there is no
/// shutdown.
///
/// Used to send the last request once more. Not earlier: a collector that is only slow would get it twice.
pub(super) async fn hedge_deadline(mut deadline: watch::Receiver<Option<Instant>>) {
    let known = deadline.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
    match known {
        Some(deadline) => sleep_until(hedge_before(deadline)).await,
        None => pending().await,
    }
}

/// Returns the moment to hedge: [`HEDGE_BEFORE_DEADLINE`] before the deadline, or later if less than four times that is
/// left.
fn hedge_before(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - (left / 4).min(HEDGE_BEFORE_DEADLINE)
}

/// The tries that a receiver gets at shutdown if it is absent: a second one, because the first may have met a restart.
const TRIES_ABSENT: u32 = 2;
/// The time before the deadline that the hedge gets: enough to connect to a collector and send a few requests.
const HEDGE_BEFORE_DEADLINE: Duration = Duration::from_secs(1);
