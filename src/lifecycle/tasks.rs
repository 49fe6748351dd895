//! User code under a deadline: processors, readers and callbacks run on their own threads, so that a task that hangs
//! can be abandoned.
//!
//! If a thread cannot be spawned, its task runs inline on the waiter if there is time, and may exceed the deadline.
//!
//! A thread cannot be stopped from outside. So user code never runs on the thread that must return in time: it runs
//! here, and the waiter receives the names of finished tasks from a channel. A task that hangs keeps its thread, and
//! nothing else, until the process ends. `tokio::task::spawn_blocking` is not an alternative: the runtime may be
//! gone, and its shutdown waits for such tasks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::export::own_threads::become_background_thread;
use crate::user_code::catch_panic;

/// A task and the name under which it is reported.
pub(crate) type Task = (&'static str, Work);

/// Work of a task.
type Work = Box<dyn FnOnce() + Send>;

/// Running tasks, each on its own thread. They continue if this is dropped.
pub(crate) struct BackgroundTasks {
    /// The names of unfinished tasks, including those without a thread. Each name occurs once.
    running: Vec<&'static str>,
    /// Receives the name of each finished task.
    ended: Receiver<&'static str>,
    /// Tasks whose thread could not be spawned.
    without_thread: Vec<Work>,
}

impl BackgroundTasks {
    /// Starts all tasks at once.
    pub(crate) fn start(tasks: Vec<Task>) -> Self {
        Self::start_with(|_, task| spawn(THREAD_NAME, task), tasks)
    }

    /// Starts all tasks. A task whose predecessor of the same name is still running is queued on that thread.
    pub(crate) fn start_in_turn(tasks: Vec<Task>, turns: &Turns) -> Self {
        Self::start_with(
            |name, task| turns.take(name, task).map_or(Ok(()), |task| spawn(THREAD_NAME, task)),
            tasks,
        )
    }

    /// Starts the tasks with `spawn`, which returns the tasks whose thread cannot be spawned.
    fn start_with(spawn: impl Fn(&'static str, Work) -> Result<(), Work>, tasks: Vec<Task>) -> Self {
        let (sender, ended) = channel();
        let running = tasks.iter().map(|(name, _)| *name).collect();
        let with_end = tasks.into_iter().map(|(name, task)| -> Task {
            let done = DoneOnDrop(name, sender.clone());
            let task = move || {
                let _done = done;
                task();
            };
            (name, Box::new(task))
        });
        let without_thread = with_end.filter_map(|(name, task)| spawn(name, task).err()).collect();
        Self { running, ended, without_thread }
    }

    /// Waits until all tasks have finished, or until the deadline. Returns the names of unfinished tasks.
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

/// Running tasks by name: at most one per name, and at most one that is queued behind it. Cheap to clone.
///
/// A task that hangs thus occupies one thread, regardless of how often it is started.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<&'static str, Option<Work>>>>);

impl Turns {
    /// Returns the task if it should run now. `None` if a task of this name is running: the new one is queued,
    /// replacing a task that was queued before.
    fn take(&self, name: &'static str, task: Work) -> Option<Work> {
        // A replaced task is dropped after the lock is released.
        let _replaced = match self.lock().entry(name) {
            Entry::Occupied(mut running) => running.get_mut().replace(task),
            Entry::Vacant(place) => {
                place.insert(None);
                let turn = Turn { turns: self.clone(), name, has_ended: false };
                return Some(Box::new(move || turn.run(task)));
            }
        };
        None
    }

    /// Locks the map. A panic leaves it unchanged.
    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, Option<Work>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running task; finished when this is dropped.
struct Turn {
    turns: Turns,
    name: &'static str,
    has_ended: bool,
}

impl Turn {
    /// Runs the task, and those that were queued meanwhile.
    fn run(mut self, task: Work) {
        let mut next = Some(task);
        while let Some(task) = next {
            catch_panic(task);
            next = self.next();
        }
    }

    /// Returns the queued task. If there is none, the turn ends.
    fn next(&mut self) -> Option<Work> {
        let mut turns = self.turns.lock();
        let next = turns.get_mut(self.name).and_then(Option::take);
        if next.is_none() {
            turns.remove(self.name);
            self.has_ended = true;
        }
        next
    }
}

/// For a task whose thread could not be spawned and that was not run.
impl Drop for Turn {
    fn drop(&mut self) {
        if !self.has_ended {
            let _waiting = self.turns.lock().remove(self.name);
        }
    }
}

/// Starts `work` on a thread of this name. Returns it if the thread cannot be spawned.
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

/// Runs a task whose thread could not be spawned. A panic ends only the task, as it would have ended the thread.
pub(crate) fn run_inline(work: impl FnOnce()) {
    catch_panic(work);
}

/// Runs blocking work on its own thread, so that any executor can wait for it. If the thread cannot be spawned, the
/// work runs on this one.
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

/// Sends the name of a task when it finishes, even if it panics.
struct DoneOnDrop(&'static str, Sender<&'static str>);

impl Drop for DoneOnDrop {
    fn drop(&mut self) {
        let _ = self.1.send(self.0);
    }
}

/// The name of the threads of tasks.
const THREAD_NAME: &str = "otel-shutdown";

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{BackgroundTasks, Task, Turns, Work};

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
    fn a_panicking_task_counts_as_finished() {
        let panics = || -> Vec<Task> { vec![("a", Box::new(|| panic!("on purpose")))] };
        assert!(BackgroundTasks::start(panics()).wait_until(in_ten_seconds()).is_empty());
        assert!(
            BackgroundTasks::start_with(|_, task| Err(task), panics())
                .wait_until(in_ten_seconds())
                .is_empty()
        );
    }

    #[test]
    fn a_task_whose_predecessor_hangs_runs_after_it_on_its_thread() {
        let turns = Turns::default();
        let (go_on, wait) = channel::<()>();
        let (sender, ran) = channel();
        let hangs = move || {
            let _ = wait.recv();
        };
        let mut first = BackgroundTasks::start_in_turn(vec![("a", Box::new(hangs))], &turns);
        let later = |number| {
            let sender = sender.clone();
            let task = move || sender.send((number, thread::current().id())).unwrap();
            BackgroundTasks::start_in_turn(vec![("a", Box::new(task))], &turns)
        };
        // The third one replaces the second.
        let (mut second, mut third) = (later(2), later(3));
        assert!(second.wait_until(in_ten_seconds()).is_empty());
        assert_eq!(first.wait_until(Instant::now()), ["a"]);
        assert_eq!(third.wait_until(Instant::now()), ["a"]);
        go_on.send(()).unwrap();
        assert!(first.wait_until(in_ten_seconds()).is_empty());
        assert!(third.wait_until(in_ten_seconds()).is_empty());
        let (number, thread) = ran.recv().unwrap();
        assert_eq!(number, 3);
        assert_ne!(thread, thread::current().id());
        // The turn has ended: the next task begins immediately.
        let mut fourth = later(4);
        assert!(fourth.wait_until(in_ten_seconds()).is_empty());
        assert_eq!(ran.try_iter().map(|(number, _)| number).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_task_without_a_thread_that_was_not_run_is_not_a_predecessor() {
        let turns = Turns::default();
        let task = || -> Work { Box::new(|| {}) };
        drop(turns.take("a", task()).unwrap());
        assert!(turns.take("a", task()).is_some());
    }

    #[test]
    fn tasks_without_a_thread_run_on_the_waiter_if_there_is_time() {
        let (sender, receiver) = channel();
        let task = |name: &'static str| -> Task {
            let sender = sender.clone();
            (name, Box::new(move || sender.send((name, thread::current().id())).unwrap()))
        };
        let mut tasks = BackgroundTasks::start_with(|_, task| Err(task), vec![task("a"), task("b")]);
        assert_eq!(tasks.wait_until(Instant::now()), ["a", "b"]);
        assert!(tasks.wait_until(in_ten_seconds()).is_empty());
        let here = thread::current().id();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [("a", here), ("b", here)]);
    }
}
