//! Signals that request the termination of a program.
//!
//! Signals are received on a dedicated thread, so they arrive regardless of the program's runtime: a second one exits
//! the process even if the program never reacted to the first. With a handler, SIGTERM also reaches a program that
//! runs as process 1 of a container, where the kernel discards signals without one.
//!
//! ```text
//! first call ─▶ handlers registered, thread `otel-signals` started, for the rest of the process
//! 1st signal ─▶ flush in the background ─▶ futures resolve ─▶ the program returns from main ─▶ guard
//! 2nd signal ─▶ exit(143 or 130)
//! ```
//!
//! The thread has its own runtime, because tokio's signal handling needs one and the program's runtime may be blocked
//! or have ended. The `watch` channel also resolves futures that are created later. Handlers are never removed: tokio
//! cannot restore the previous disposition, so the second signal exits by `exit`, not by the signal's default action.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::sync::watch;

use crate::provider::installed::Installed;

/// Resolves on the first termination signal: SIGTERM or Ctrl-C; on Windows Ctrl-C or Ctrl-Break.
///
/// Signals are caught from the call on, not from the first poll. The first signal resolves the future and flushes
/// telemetry in the background, because draining connections may take longer than the process is given. A second
/// signal exits the process immediately, without clean-up, with exit code 143 (SIGTERM) or 130 (Ctrl-C). Once the
/// future has resolved, all later calls resolve immediately.
///
/// The future needs no tokio runtime, and also resolves if a runtime's only thread was blocked when the signal
/// arrived. If the handlers cannot be registered or the thread cannot be spawned, it never resolves, and signals keep
/// their usual effect.
///
/// After forking, call it again in each process that needs it. A child of a process that has called it before
/// inherits the handlers but not the thread behind them: SIGTERM and Ctrl-C do not end the child, and its own calls
/// never resolve.
///
/// ```no_run
/// # async fn serve() {}
/// # async fn main_() {
/// tokio::select! {
///     () = serve() => {}
///     () = telemetry_bootstrap::shutdown_signal() => {}
/// }
/// // Return from `main` now: dropping the guard delivers what is left.
/// # }
/// ```
pub fn shutdown_signal() -> impl Future<Output = ()> + Send + 'static {
    let requested = SHUTDOWN_REQUESTED.get_or_init(|| listen().ok()).clone();
    async move {
        if let Some(installed) = Installed::get() {
            installed.runtime.find();
        }
        let Some(mut requested) = requested else { return std::future::pending().await };
        // The sender lives as long as the process.
        let _ = requested.wait_for(|requested| *requested).await;
    }
}

/// Blocks the thread until the first termination signal: [`shutdown_signal`] for programs without a runtime.
///
/// ```no_run
/// let telemetry = telemetry_bootstrap::init().service_name("worker").build()?;
/// telemetry_bootstrap::shutdown_signal_blocking();
/// drop(telemetry); // flushes
/// # Ok::<(), telemetry_bootstrap::InitError>(())
/// ```
pub fn shutdown_signal_blocking() {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut signal = pin!(shutdown_signal());
    while signal.as_mut().poll(&mut context) == Poll::Pending {
        std::thread::park();
    }
}

/// Wakes the thread that blocks in [`shutdown_signal_blocking`].
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Starts the thread, which registers the handlers.
///
/// They are registered last, because that cannot be undone: if the thread cannot be spawned, signals keep their usual
/// effect. The caller waits for the registration, so a signal that arrives right after the call is not missed.
///
/// # Errors
///
/// The operating system's error, if it rejects a handler or the thread.
fn listen() -> io::Result<watch::Receiver<bool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, receiver) = watch::channel(false);
    let (registered, is_registered) = sync_channel(1);
    let watch = async move {
        let mut signals = match Signals::register() {
            Ok(signals) => signals,
            Err(error) => return drop(registered.send(Err(error))),
        };
        let _ = registered.send(Ok(()));
        signals.next().await;
        // First, so that the shutdown sees that the flush has begun.
        if let Some(flush) = FLUSH.get() {
            flush();
        }
        sender.send_replace(true);
        exit(signals.next().await);
    };
    std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || runtime.block_on(watch))?;
    is_registered.recv().unwrap_or_else(|error| Err(io::Error::other(error)))?;
    Ok(receiver)
}

/// Sets the action of the first signal. It must not block, because the second signal does not wait for it. Only the
/// first call has an effect.
pub(super) fn flush_on_first_signal(flush: impl Fn() + Send + Sync + 'static) {
    let _ = FLUSH.set(Box::new(flush));
}

/// Exits immediately, without running destructors.
#[expect(clippy::exit, reason = "the second signal exits immediately")]
fn exit(code: i32) {
    std::process::exit(code);
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn register() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal and returns its exit code.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => TERMINATED,
            _ = self.interrupt.recv() => INTERRUPTED,
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    stop: tokio::signal::windows::CtrlBreak,
}

#[cfg(windows)]
impl Signals {
    fn register() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c};
        Ok(Self { interrupt: ctrl_c()?, stop: ctrl_break()? })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.stop.recv() => TERMINATED,
        }
    }
}

static FLUSH: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();
/// Created by the first call, and kept until the process ends.
static SHUTDOWN_REQUESTED: OnceLock<Option<watch::Receiver<bool>>> = OnceLock::new();

const THREAD_NAME: &str = "otel-signals";
/// 128 + SIGTERM.
const TERMINATED: i32 = 143;
/// 128 + SIGINT.
const INTERRUPTED: i32 = 130;
