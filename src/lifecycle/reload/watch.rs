//! The thread that watches the configuration file.
//!
//! It has its own thread, because reading can hang on a network file system, and so can the user's closure. Either
//! would delay exports or log lines on another thread. The thread sleeps nearly all the time.
//!
//! File contents are compared, because metadata is unreliable: a `ConfigMap` is swapped by a symlink two levels up,
//! and two versions can have the same length and, with coarse clocks, the same modification time.
//!
//! ```text
//! sleep interval ─▶ read ─ as before ─▶ sleep …
//!                     └ another version ─▶ read until two readings are the same ─▶ apply
//! ```

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::Reloader;
use crate::diagnostics::FieldValue;

/// A handle to the thread, which exits when the handle is dropped. A reload in progress is not waited for.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// The thread sleeps on the other end of this channel, and wakes when it is closed.
    _alive: Sender<()>,
}

impl Watcher {
    /// Starts the thread. If it cannot be spawned, a warning is logged and the file is not watched.
    pub(crate) fn start(reloader: &Arc<Reloader>, interval: Duration) -> Option<Self> {
        let (alive, ended) = channel();
        let watched = Arc::clone(reloader);
        let thread = std::thread::Builder::new().name(THREAD_NAME.to_owned());
        match thread.spawn(move || watch(&watched, interval, &ended)) {
            Ok(_) => Some(Self { _alive: alive }),
            Err(error) => {
                let fields = [("error", FieldValue::Text(&error))];
                reloader.parts.diagnostics.warn("the configuration file is not watched", &fields);
                None
            }
        }
    }
}

/// The body of the thread. `ended` is closed when telemetry is shut down.
fn watch(reloader: &Reloader, interval: Duration, ended: &Receiver<()>) {
    let pause = |time| ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    while pause(interval) {
        let version = reloader.read();
        if reloader.is_new(&version) && is_settled(reloader, version, interval, pause) {
            reloader.apply_new_version();
        }
    }
}

/// Waits, for a limited time, until the file is written completely, that is, until two readings are the same. Returns
/// `false` if telemetry is shut down meanwhile.
fn is_settled(
    reloader: &Reloader,
    mut last: super::Version,
    interval: Duration,
    pause: impl Fn(Duration) -> bool,
) -> bool {
    for _ in 0..MAX_READINGS {
        if !pause(interval.min(SETTLE)) {
            return false;
        }
        let version = reloader.read();
        if version == last {
            break;
        }
        last = version;
    }
    true
}

/// The name of the thread.
const THREAD_NAME: &str = "otel-reload";
/// The time between two readings that must be the same.
const SETTLE: Duration = Duration::from_millis(200);
/// The maximum number of readings. A file that keeps changing is then applied as it is.
const MAX_READINGS: usize = 25;
