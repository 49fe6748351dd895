//! Foreign code under a deadline: what it does cannot be interrupted, but nobody has to wait for it.
//!
//! Unless the system refuses a thread: then whoever waits does it himself, while there is time. Such a task can only be
//! left out, not left alone; that it is finished is worth more than the deadline of a program in such straits.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What is done, under the name by which it is told of.
pub(crate) type Task = (&'static str, Box<dyn FnOnce() + Send>);

/// Tasks under way, side by side, each on a thread of its own. When this is dropped they go on, unattended.
pub(crate) struct Tasks {
    /// Also those that have no thread.
    running: Vec<&'static str>,
    ended: Receiver<&'static str>,
    without_thread: Vec<Box<dyn FnOnce() + Send>>,
}

impl Tasks {
    pub(crate) fn start(tasks: Vec<Task>) -> Self {
        Self::start_with(|task| spawn("telemetry-end", task), tasks)
    }

    /// `spawn` gives back what it gets no thread for.
    fn start_with(
        spawn: impl Fn(Box<dyn FnOnce() + Send>) -> Result<(), Box<dyn FnOnce() + Send>>,
        tasks: Vec<Task>,
    ) -> Self {
        let (sender, ended) = channel();
        let running = tasks.iter().map(|(name, _)| *name).collect();
        let with_end = tasks.into_iter().map(|(name, task)| -> Box<dyn FnOnce() + Send> {
            let end = End(name, sender.clone());
            Box::new(move || {
                let _end = end;
                task();
            })
        });
        let without_thread = with_end.filter_map(|task| spawn(task).err()).collect();
        Self { running, ended, without_thread }
    }

    /// Waits until all have ended, or the deadline has come. Says which are still running, or were never begun.
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> &[&'static str] {
        while Instant::now() < deadline && !self.without_thread.is_empty() {
            run_here(self.without_thread.remove(0));
        }
        while !self.running.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(name) = self.ended.recv_timeout(left) else { break };
            self.running.retain(|running| *running != name);
        }
        &self.running
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &self.running).finish_non_exhaustive()
    }
}

/// Starts `work` on a thread of this name, or gives it back when the system refuses one.
pub(crate) fn spawn<W: FnOnce() + Send + 'static>(name: &str, work: W) -> Result<(), W> {
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<W>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let for_thread = Arc::clone(&work);
    let run = move || {
        if let Some(work) = take(&for_thread) {
            work();
        }
    };
    match std::thread::Builder::new().name(name.to_owned()).spawn(run) {
        Ok(_) => Ok(()),
        Err(_) => take(&work).map_or(Ok(()), Err),
    }
}

/// Runs what got no thread. A panic ends it, as it would have ended the thread, and no more.
pub(crate) fn run_here(work: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(work));
}

/// Tells that a task has ended, also when it has panicked.
struct End(&'static str, Sender<&'static str>);

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.1.send(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{Task, Tasks};

    fn in_ten_seconds() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn waits_for_all_tasks_that_end_in_time() {
        let (sender, receiver) = channel();
        let task = |name: &'static str| -> Task {
            let sender = sender.clone();
            (name, Box::new(move || sender.send(name).unwrap()))
        };
        let tasks = vec![task("a"), task("b"), task("c")];
        assert!(Tasks::start(tasks).wait_until(in_ten_seconds()).is_empty());
        drop(sender);
        assert_eq!(receiver.iter().count(), 3);
    }

    #[test]
    fn returns_at_the_deadline_and_names_the_task_that_hangs() {
        let (release, hang) = channel::<()>();
        let start = Instant::now();
        let hangs = move || {
            let _ = hang.recv();
        };
        let mut tasks = Tasks::start(vec![("a", Box::new(|| {})), ("b", Box::new(hangs))]);
        assert_eq!(tasks.wait_until(start + Duration::from_millis(20)), ["b"]);
        assert!(start.elapsed() >= Duration::from_millis(20));
        drop(release);
        assert!(tasks.wait_until(in_ten_seconds()).is_empty(), "it may be waited for again");
    }

    #[test]
    fn a_task_that_panics_has_ended() {
        let panics = || -> Vec<Task> { vec![("a", Box::new(|| panic!("on purpose")))] };
        assert!(Tasks::start(panics()).wait_until(in_ten_seconds()).is_empty());
        assert!(Tasks::start_with(Err, panics()).wait_until(in_ten_seconds()).is_empty());
    }

    #[test]
    fn whoever_waits_does_what_gets_no_thread_while_there_is_time() {
        let (sender, receiver) = channel();
        let task = |name: &'static str| -> Task {
            let sender = sender.clone();
            (name, Box::new(move || sender.send((name, thread::current().id())).unwrap()))
        };
        let mut tasks = Tasks::start_with(Err, vec![task("a"), task("b")]);
        assert_eq!(tasks.wait_until(Instant::now()), ["a", "b"]);
        assert!(tasks.wait_until(in_ten_seconds()).is_empty());
        let here = thread::current().id();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [("a", here), ("b", here)]);
    }
}
