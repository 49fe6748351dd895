//! The signals that ask a program to end.
//!
//! They are received on a thread of our own, so that they arrive whatever the program's runtime is doing: a second one
//! ends the process even where the first was never noticed. Asking for them is what makes SIGTERM reach a program that
//! runs as process 1 of a container: the kernel drops signals there that nobody handles.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::sync::watch;

/// Resolves when the process is asked to end: SIGTERM or Ctrl-C; on Windows Ctrl-C or Ctrl-Break.
///
/// Signals are awaited from the call on, not from the first poll. A second signal ends the process at once, without
/// clean-up, with the exit code 143 (SIGTERM) or 130 (Ctrl-C). Once it has resolved, every later call resolves at once.
///
/// Needs no runtime of tokio, and arrives also where a runtime's only thread is blocked. If the operating system
/// refuses the handlers or the thread, the future never resolves, and signals do what they do without it.
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
    let asked = ASKED.get_or_init(|| listen().ok()).clone();
    async move {
        let Some(mut asked) = asked else { return std::future::pending().await };
        // The sender lives as long as the process.
        let _ = asked.wait_for(|asked| *asked).await;
    }
}

/// [`shutdown_signal`] for programs without a runtime: blocks the thread until the process is asked to end.
pub fn shutdown_signal_blocking() {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut signal = pin!(shutdown_signal());
    while signal.as_mut().poll(&mut context) == Poll::Pending {
        std::thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Registers the handlers and starts the thread.
fn listen() -> io::Result<watch::Receiver<bool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::register()?
    };
    let (sender, receiver) = watch::channel(false);
    let watch = async move {
        signals.next().await;
        sender.send_replace(true);
        exit(signals.next().await);
    };
    std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || runtime.block_on(watch))?;
    Ok(receiver)
}

#[expect(clippy::exit, reason = "the second signal means: now")]
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

    /// The exit code that the next signal stands for.
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

/// Set up by the first call, for the rest of the process.
static ASKED: OnceLock<Option<watch::Receiver<bool>>> = OnceLock::new();

const THREAD_NAME: &str = "telemetry-signals";
/// 128 + SIGTERM.
const TERMINATED: i32 = 143;
/// 128 + SIGINT.
const INTERRUPTED: i32 = 130;
