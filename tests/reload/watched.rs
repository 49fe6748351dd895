//! The file under watch: however it changes, it is noticed, and reported once.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use telemetry_bootstrap::{Builder, tracing};

use super::{LIMIT, Run, document};

const RELOADED: &str = "configuration file reloaded";
const UNUSABLE: &str = "the configuration file cannot be used, the settings stay as they are";
/// So short that many readings happen in each test.
const INTERVAL: Duration = Duration::from_millis(3);

/// Telemetry whose file is watched.
struct Watched {
    run: Run,
    /// The directory in which Linux describes the thread that watches.
    thread: PathBuf,
}

impl Watched {
    fn start(text: &str) -> Self {
        Self::start_with(text, |builder| builder.reload_interval(INTERVAL))
    }

    /// Starts one at a time, so that the thread that is new is the right one.
    fn start_with(text: &str, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        static STARTING: Mutex<()> = Mutex::new(());
        let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let before = watching_threads();
        let run = Run::start_with(text, adjust);
        let deadline = Instant::now() + LIMIT;
        loop {
            // A thread has its name a moment after it was started.
            if let Some(thread) = watching_threads().difference(&before).next() {
                return Self { run, thread: thread.clone() };
            }
            assert!(Instant::now() < deadline, "no thread watches the file");
            std::thread::yield_now();
        }
    }

    /// Waits until the file was read several times. Each time the thread has slept before.
    fn wait_for_readings(&self) {
        let deadline = Instant::now() + LIMIT;
        let before = self.pauses();
        while self.pauses() < before + 10 {
            assert!(Instant::now() < deadline, "the file is not watched");
            std::thread::sleep(INTERVAL);
        }
    }

    /// Returns how often the thread has given the processor away.
    fn pauses(&self) -> u64 {
        let status = fs::read_to_string(self.thread.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    }
}

impl Deref for Watched {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

fn watching_threads() -> BTreeSet<PathBuf> {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    let is_watching =
        |thread: &PathBuf| fs::read_to_string(thread.join("comm")).is_ok_and(|name| name == "otel-reload\n");
    threads.filter(is_watching).collect()
}

#[test]
fn rewritten_file_takes_effect_by_itself() {
    let run = Watched::start("");
    assert_eq!(run.seen(), "coarse | warning | warning");
    run.write("own: log_filter: debug");
    let line = run.wait_for_line(RELOADED, 1);
    assert_eq!(line["log_filter"], "debug");
    assert_eq!(run.seen(), "coarse | detail warning | detail warning");
    run.wait_for_readings();
    run.wait_for_line(RELOADED, 1);
}

#[test]
fn the_interval_can_be_in_the_file() {
    let run = Watched::start_with("own: reload_interval: 3", |builder| builder);
    run.write("own: reload_interval: 3, log_filter: debug");
    run.wait_for_line(RELOADED, 1);
}

#[test]
fn file_is_not_watched_by_default() {
    let (run, watched) = (Run::start(""), Watched::start(""));
    for run in [&run, &watched] {
        run.write("own: log_filter: debug");
    }
    watched.wait_for_line(RELOADED, 1);
    watched.wait_for_readings();
    assert_eq!(run.seen(), "coarse | warning | warning");
}

#[test]
fn a_version_of_the_same_length_and_time_is_noticed() {
    let run = Watched::start("own: log_filter: debug");
    let time = fs::metadata(run.path()).unwrap().modified().unwrap();
    let file = fs::File::options().write(true).open(run.path()).unwrap();
    std::os::unix::fs::FileExt::write_at(
        &file,
        document("own: log_filter: trace", run.collector.port()).as_bytes(),
        0,
    )
    .unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(run.wait_for_line(RELOADED, 1)["log_filter"], "trace");
}

#[test]
fn renamed_file_takes_effect() {
    let run = Watched::start("");
    let new = run.directory.path().join("new.yaml");
    fs::write(&new, document("own: log_filter: debug", run.collector.port())).unwrap();
    fs::rename(&new, run.path()).unwrap();
    assert_eq!(run.wait_for_line(RELOADED, 1)["log_filter"], "debug");
}

/// A `ConfigMap` is mounted as `otel.yaml → ..data/otel.yaml`, and `..data` is swapped.
#[test]
fn swapped_symlink_in_the_path_takes_effect() {
    let run = Watched::start("");
    let directory = run.directory.path();
    let version = |name: &str, text: &str| {
        fs::create_dir(directory.join(name)).unwrap();
        fs::write(directory.join(name).join("otel.yaml"), document(text, run.collector.port())).unwrap();
        symlink(name, directory.join("..new")).unwrap();
        fs::rename(directory.join("..new"), directory.join("..data")).unwrap();
    };
    version("..1", "");
    symlink("..data/otel.yaml", directory.join("link")).unwrap();
    fs::rename(directory.join("link"), run.path()).unwrap();
    run.wait_for_readings();
    version("..2", "own: log_filter: debug");
    fs::remove_dir_all(directory.join("..1")).unwrap();
    assert_eq!(run.wait_for_line(RELOADED, 1)["log_filter"], "debug");
    version("..3", "own: log_filter: warn");
    assert_eq!(run.wait_for_line(RELOADED, 2)["log_filter"], "warn");
}

#[test]
fn each_version_that_cannot_be_used_is_reported_once() {
    let run = Watched::start("own: log_filter: debug");
    let good = fs::read(run.path()).unwrap();
    fs::write(run.path(), "file_format: '1.1'\ndisabled: 7\nlog_level: loud\n").unwrap();
    let line = run.wait_for_line(UNUSABLE, 1);
    assert_eq!(line["level"], "WARN");
    let error = line["error"].as_str().unwrap();
    assert!(
        error.contains("line 2, column 11: disabled: ") && error.contains("; line 3, column 12: log_level: "),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");
    run.wait_for_readings();
    fs::remove_file(run.path()).unwrap();
    let line = run.wait_for_line(UNUSABLE, 2);
    assert!(line["error"].as_str().unwrap().contains("the file cannot be read: No such file"), "{line}");
    run.wait_for_readings();
    fs::create_dir(run.path()).unwrap();
    let line = run.wait_for_line(UNUSABLE, 3);
    assert!(line["error"].as_str().unwrap().contains("not a regular file"), "{line}");
    run.wait_for_readings();
    run.wait_for_line(UNUSABLE, 3);
    assert_eq!(run.seen(), "coarse | detail warning | detail warning");
    fs::remove_dir(run.path()).unwrap();
    run.wait_for_line(UNUSABLE, 4);
    // The file that is in effect comes back: nothing changes, but that it can be read is said.
    fs::write(run.path(), good).unwrap();
    let line = run.wait_for_line(RELOADED, 1);
    assert_eq!(line.get("log_filter"), None);
}

#[test]
fn unreadable_file_is_reported_once() {
    let run = Watched::start("");
    let [kept, link] = ["kept", "loop"].map(|name| run.directory.path().join(name));
    fs::hard_link(run.path(), &kept).unwrap();
    // Not by permissions, which do not hold for the superuser.
    symlink(run.path(), &link).unwrap();
    fs::rename(&link, run.path()).unwrap();
    let line = run.wait_for_line(UNUSABLE, 1);
    assert!(line["error"].as_str().unwrap().contains("Too many levels of symbolic links"), "{line}");
    run.wait_for_readings();
    run.wait_for_line(UNUSABLE, 1);
    fs::rename(&kept, run.path()).unwrap();
    run.wait_for_line(RELOADED, 1);
}

#[test]
fn version_reloaded_by_the_program_is_not_reported_again() {
    let run = Watched::start("");
    run.write("own: log_filter: debug");
    let _ = run.guard().reload().unwrap();
    run.wait_for_readings();
    run.wait_for_line(RELOADED, 1);
}

#[test]
fn file_is_not_applied_while_it_is_being_written() {
    use std::io::Write as _;

    let interval = Duration::from_millis(60);
    let is_applied_as_a_whole = || {
        let run = Watched::start_with("", |builder| builder.reload_interval(interval));
        let text = document("own: log_filter: debug", run.collector.port());
        let mut file = fs::File::create(run.path()).unwrap();
        // Each piece alone is a version with mistakes.
        for piece in text.as_bytes().chunks(text.len() / 20) {
            file.write_all(piece).unwrap();
            // The file is written as slowly as that.
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(run.wait_for_line(RELOADED, 1)["log_filter"], "debug");
        run.json_lines().iter().all(|line| line["message"] != UNUSABLE)
    };
    // On a machine that stops this thread for longer than an interval, half a file stays the same.
    assert!((0..10).any(|_| is_applied_as_a_whole()));
}

#[test]
fn shutdown_waits_for_no_reload_and_loses_nothing() {
    for _ in 0..20 {
        let interval = Duration::from_millis(1);
        let mut run = Watched::start_with("", |builder| builder.reload_interval(interval)).run;
        let path = &run.path();
        let port = run.collector.port();
        let guard = run.guard.take().unwrap();
        let took = std::thread::scope(|scope| {
            // Dropped by a panic as well, for which the scope would wait forever.
            let telemetry = Arc::new(());
            let is_running = Arc::downgrade(&telemetry);
            scope.spawn(move || {
                for version in ["", "own: log_filter: debug", "sampler: {always_off: }", "own: nonsense: 1"]
                    .iter()
                    .cycle()
                {
                    fs::write(path, document(version, port)).unwrap();
                    if is_running.strong_count() == 0 {
                        break;
                    }
                }
            });
            run.with(|| (0..100).for_each(|_| tracing::warn!("done")));
            let started = Instant::now();
            let stats = guard.shutdown().unwrap();
            drop(telemetry);
            assert_eq!(stats.logs.delivered, 100);
            started.elapsed()
        });
        assert!(took < LIMIT / 5, "{took:?}");
    }
}

/// A closure that never returns holds up neither the shutdown nor what is recorded.
#[test]
fn hanging_closure_blocks_only_the_reload() {
    static IS_STUCK: AtomicBool = AtomicBool::new(false);
    static CALLS: AtomicBool = AtomicBool::new(false);
    let watched = Watched::start_with("", |builder| {
        builder.reload_interval(INTERVAL).config_file_changes(|_| {
            if CALLS.swap(true, Ordering::SeqCst) {
                IS_STUCK.store(true, Ordering::SeqCst);
                loop {
                    std::thread::park();
                }
            }
        })
    });
    let mut run = watched.run;
    run.write("own: log_filter: debug");
    let deadline = Instant::now() + LIMIT;
    while !IS_STUCK.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(run.seen(), "coarse | warning | warning");
    let started = Instant::now();
    run.guard.take().unwrap().shutdown().unwrap();
    assert!(started.elapsed() < LIMIT / 5);
}
