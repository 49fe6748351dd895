//! User code under a deadline: processors, readers and callbacks run on threads of their own, so that a task that hangs
//! can be abandoned.
//!
//! If the system refuses a thread, tasks run inline on the waiter, while there is time, and may exceed the deadline.
//!
//! A thread cannot be stopped from outside. So user code never runs on the thread that must return in time: it runs
//! here, the waiter reads names of tasks that ended from a channel, and a task that hangs keeps its thread, and nothing
//! else, until the process ends. `tokio::task::spawn_blocking` is no alternative: the runtime may be gone, and its own
//! end waits for such tasks.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::export::own_threads::become_background_thread;
use crate::user_code::catch_panic;

/// A task and the name under which it is reported.
pub(crate) type Task = (&'static str, Box<dyn FnOnce() + Send>);

/// Running tasks, each on a thread of its own. If this is dropped, they continue.
pub(crate) struct BackgroundTasks {
    /// The names of tasks that have not ended, those without a thread included. Each name occurs once.
    running: Vec<&'static str>,
    /// Gets the name of each task that ends.
    ended: Receiver<&'static str>,
    /// Tasks for which the system refused a thread.
    without_thread: Vec<Box<dyn FnOnce() + Send>>,
}

impl BackgroundTasks {
    /// Starts all tasks at once.
    pub(crate) fn start(tasks: Vec<Task>) -> Self {
        Self::start_with(|task| spawn("otel-shutdown", task), tasks)
    }

    /// Starts the tasks with `spawn`, which returns a task for which it gets no thread.
    fn start_with(
        spawn: impl Fn(Box<dyn FnOnce() + Send>) -> Result<(), Box<dyn FnOnce() + Send>>,
        tasks: Vec<Task>,
    ) -> Self {
        let (sender, ended) = channel();
        let running = tasks.iter().map(|(name, _)| *name).collect();
        let with_end = tasks.into_iter().map(|(name, task)| -> Box<dyn FnOnce() + Send> {
            let done = DoneOnDrop(name, sender.clone());
            Box::new(move || {
                let _done = done;
                task();
            })
        });
        let without_thread = with_end.filter_map(|task| spawn(task).err()).collect();
        Self { running, ended, without_thread }
    }

    /// Waits until all tasks have ended, or until the deadline. Returns the names of those that have not ended.
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> &[&'static str] {
        while Instant::now() < deadline && !self.without_thread.is_empty() {
            run_inline(self.without_thread.remove(0));
        }
        while !self.running.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(name) = self.ended.recv_timeout(left) else { break };
            self.running.retain(|running| *running != name);
        }
        &self.running
    }
}

impl fmt::Debug for BackgroundTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundTasks").field("running", &self.running).finish_non_exhaustive()
    }
}

/// Starts `work` on a thread of this name. Returns it if the system refuses a thread.
///
/// `std::thread::Builder::spawn` drops its closure on an error. Here the closure shares `work` with the caller, who
/// gets it back and can run it elsewhere.
pub(crate) fn spawn<W: FnOnce() + Send + 'static>(name: &str, work: W) -> Result<(), W> {
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<W>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let for_thread = Arc::clone(&work);
    let run = move || {
        become_background_thread();
        if let Some(work) = take(&for_thread) {
            work();
        }
    };
    match std::thread::Builder::new().name(name.to_owned()).spawn(run) {
        Ok(_) => Ok(()),
        Err(_) => take(&work).map_or(Ok(()), Err),
    }
}

/// Runs a task that got no thread. A panic ends the task alone, as it would have ended the thread.
pub(crate) fn run_inline(work: impl FnOnce()) {
    catch_panic(work);
}

/// Runs blocking work on a thread of its own, so that any executor can wait for it. If the system refuses a thread, the
/// work runs here.
///
/// Returns `None` if the work panicked.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let work = move || drop(sender.send(work()));
    if let Err(work) = spawn("otel-shutdown", work) {
        run_inline(work);
    }
    receiver.await.ok()
}

/// Sends the name of a task when it ends, also if it panics.
struct DoneOnDrop(&'static str, Sender<&'static str>);

impl Drop for DoneOnDrop {
    fn drop(&mut self) {
        let _ = self.1.send(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{BackgroundTasks, Task};

    fn in_ten_seconds() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn wait_until_waits_for_all_tasks() {
        let (sender, receiver) = channel();
        let task = |name: &'static str| -> Task {
            let sender = sender.clone();
            (name, Box::new(move || sender.send(name).unwrap()))
        };
        let tasks = vec![task("a"), task("b"), task("c")];
        assert!(BackgroundTasks::start(tasks).wait_until(in_ten_seconds()).is_empty());
        drop(sender);
        assert_eq!(receiver.iter().count(), 3);
    }

    #[test]
    fn wait_until_returns_at_the_deadline_with_the_name_of_a_hanging_task() {
        let (release, hang) = channel::<()>();
        let start = Instant::now();
        let hangs = move || {
            let _ = hang.recv();
        };
        let mut tasks = BackgroundTasks::start(vec![("a", Box::new(|| {})), ("b", Box::new(hangs))]);
        assert_eq!(tasks.wait_until(start + Duration::from_millis(20)), ["b"]);
        assert!(start.elapsed() >= Duration::from_millis(20));
        drop(release);
        assert!(tasks.wait_until(in_ten_seconds()).is_empty(), "tasks can be waited for again");
    }

    #[test]
    fn a_panicking_task_counts_as_ended() {
        let panics = || -> Vec<Task> { vec![("a", Box::new(|| panic!("on purpose")))] };
        assert!(BackgroundTasks::start(panics()).wait_until(in_ten_seconds()).is_empty());
        assert!(BackgroundTasks::start_with(Err, panics()).wait_until(in_ten_seconds()).is_empty());
    }

    #[test]
    fn tasks_without_a_thread_run_on_the_waiter_while_there_is_time() {
        let (sender, receiver) = channel();
        let task = |name: &'static str| -> Task {
            let sender = sender.clone();
            (name, Box::new(move || sender.send((name, thread::current().id())).unwrap()))
        };
        let mut tasks = BackgroundTasks::start_with(Err, vec![task("a"), task("b")]);
        assert_eq!(tasks.wait_until(Instant::now()), ["a", "b"]);
        assert!(tasks.wait_until(in_ten_seconds()).is_empty());
        let here = thread::current().id();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [("a", here), ("b", here)]);
    }
}
