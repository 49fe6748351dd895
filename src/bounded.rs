//! Foreign code under a deadline: what it does cannot be interrupted, but nobody has to wait for it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

/// What is done, under the name by which it is told of.
pub(crate) type Task = (&'static str, Box<dyn FnOnce() + Send>);

/// Tasks under way, side by side, each on a thread of its own. When this is dropped they go on, unattended.
#[derive(Debug)]
pub(crate) struct Tasks {
    running: Vec<&'static str>,
    ended: Receiver<&'static str>,
}

impl Tasks {
    pub(crate) fn start(tasks: Vec<Task>) -> Self {
        let (sender, ended) = channel();
        let running = tasks.iter().map(|(name, _)| *name).collect();
        for (name, task) in tasks {
            let sender = sender.clone();
            // Without a thread there is no way to bound the task: it is not run, and so never ends.
            let _ = std::thread::Builder::new().name("telemetry-end".to_owned()).spawn(move || {
                let _end = End(name, sender);
                task();
            });
        }
        Self { running, ended }
    }

    /// Waits until all have ended, or the deadline has come. Says which are still running.
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> &[&'static str] {
        while !self.running.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(name) = self.ended.recv_timeout(left) else { break };
            self.running.retain(|running| *running != name);
        }
        &self.running
    }
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
        let mut tasks = Tasks::start(vec![("a", Box::new(|| panic!("on purpose")))]);
        assert!(tasks.wait_until(in_ten_seconds()).is_empty());
    }
}
