//! Foreign code under a deadline: what it does cannot be interrupted, but nobody has to wait for it.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Instant;

pub(crate) type Task = Box<dyn FnOnce() + Send>;

/// Runs the tasks side by side, each on a thread of its own, and waits for them until the deadline.
///
/// Says whether all have ended. One that has not goes on, unattended.
pub(crate) fn run_until(deadline: Instant, tasks: Vec<Task>) -> bool {
    let (running, ended) = channel::<()>();
    for task in tasks {
        let running = running.clone();
        let thread = std::thread::Builder::new().name("telemetry-end".to_owned()).spawn(move || {
            task();
            drop(running);
        });
        // Without a thread there is no way to bound the task, and it matters less than the rest.
        if thread.is_err() {
            return false;
        }
    }
    drop(running);
    let left = deadline.saturating_duration_since(Instant::now());
    // Every task holds a sender until it has ended, also when it panics.
    ended.recv_timeout(left) == Err(RecvTimeoutError::Disconnected)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use super::run_until;

    #[test]
    fn waits_for_all_tasks_that_end_in_time() {
        let (sender, receiver) = channel();
        let tasks = (0..3).map(|number| {
            let sender = sender.clone();
            Box::new(move || sender.send(number).unwrap()) as super::Task
        });
        assert!(run_until(Instant::now() + Duration::from_secs(10), tasks.collect()));
        drop(sender);
        assert_eq!(receiver.iter().count(), 3);
    }

    #[test]
    fn returns_at_the_deadline_when_a_task_hangs() {
        let (_never, hang) = channel::<()>();
        let start = Instant::now();
        let ended = run_until(
            start + Duration::from_millis(20),
            vec![Box::new(move || assert!(hang.recv().is_err()))],
        );
        assert!(!ended);
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn a_task_that_panics_has_ended() {
        assert!(run_until(Instant::now() + Duration::from_secs(10), vec![Box::new(|| panic!("on purpose"))]));
    }
}
