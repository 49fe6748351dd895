//! The thread that watches the configuration file.
//!
//! It is a thread of its own, because reading can hang on a network file system, and so can the user's closure: either
//! would hold up exports or log lines on another thread of ours. It sleeps nearly all the time.
//!
//! The content is read and compared, since metadata does not tell: a `ConfigMap` is swapped by a symlink two levels up,
//! and two versions can have one length and, on coarse clocks, one time of modification.
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

/// The handle on the thread, which ends when this is dropped. A reload under way is not waited for.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// The thread sleeps on the other end of this channel, and wakes when it is closed.
    _alive: Sender<()>,
}

impl Watcher {
    /// Starts the thread. If the system refuses it, the file is not watched, and a warning says so.
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

/// The body of the thread. `ended` is closed when telemetry ends.
fn watch(reloader: &Reloader, interval: Duration, ended: &Receiver<()>) {
    let pause = |time| ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    while pause(interval) {
        let version = reloader.read();
        if reloader.is_new(&version) && is_settled(reloader, version, interval, pause) {
            reloader.apply_new_version();
        }
    }
}

/// Waits until the file is written completely: until two readings are the same, but not forever. Returns `false` if
/// telemetry ends meanwhile.
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
/// The most readings. A file that never stays the same is applied as it is then.
const MAX_READINGS: usize = 25;
