//! The unusual ends of a program, each seen from outside: at the collector, on standard error, and by the clock.
//!
//! Each is a process of its own: this program starts itself again with the name of the ending.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::exit, reason = "test code")]

mod child_process;

use std::cell::RefCell;
use std::error::Error;
use std::future::Future;
use std::io::{BufRead, BufReader, Read};
use std::pin::pin;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use child_process::Running;
use libtest_mimic::{Arguments, Failed, Trial};
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{TelemetryGuard, init, tracing};
use tracing_subscriber::Layer;
use tracing_subscriber::layer;

type Outcome = Result<(), Box<dyn Error>>;

const RECORDED: usize = 50;
const LIMIT: Duration = Duration::from_millis(1_000);
/// For what should take no time, and what may come on top of the limit. What is exact is measured elsewhere.
const AT_ONCE: Duration = Duration::from_millis(500);

fn main() -> Outcome {
    if let Ok(name) = std::env::var("ENDING") {
        return program(&name);
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials()).exit();
}

// ---- from inside

fn program(name: &str) -> Outcome {
    match name {
        "dropped by a destructor during a panic" => {
            let _owner = Owner(Some(start()?));
            record();
            panic!("on purpose");
        }
        "dropped by the destructor of a thread-local" => {
            std::thread::spawn(|| hold_in_a_thread_local().unwrap()).join().map_err(|_| "a panic")?;
            Ok(())
        }
        "dropped by the destructor of a thread-local of the main thread" => hold_in_a_thread_local(),
        "dropped inside a callback of a layer" => {
            let held = Arc::new(Mutex::new(None));
            let guard = builder().layer(Dropper(Arc::clone(&held))).build()?;
            *held.lock().unwrap() = Some(guard);
            record();
            tracing::info!(target: "end", "now");
            let is_ended = held.lock().unwrap().is_none();
            // What comes after the end is dropped, without harm.
            record();
            is_ended.then_some(()).ok_or_else(|| "it was not dropped".into())
        }
        "shut down while others record" => {
            let guard = start()?;
            std::thread::scope(|scope| {
                let (sender, rounds) = mpsc::channel();
                let recording = scope.spawn(move || {
                    while sender.send(()).is_ok() {
                        record();
                    }
                });
                // The second round begins when the first is recorded.
                (0..2).for_each(|_| rounds.recv_timeout(AT_ONCE * 20).unwrap());
                let delivery = guard.shutdown().unwrap_or_else(|error| error.stats());
                drop(rounds);
                recording.join().unwrap();
                assert_eq!(delivery.traces.pending + delivery.logs.pending, 0, "{delivery}");
                assert!(delivery.traces.delivered >= RECORDED as u64, "{delivery}");
            });
            Ok(())
        }
        "asynchronously on the only thread" => {
            let guard = start()?;
            record();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let ticks = Arc::new(AtomicU32::new(0));
            runtime.block_on(async {
                tokio::spawn(tick(Arc::clone(&ticks)));
                let flushed = guard.force_flush_async(LIMIT).await;
                println!("flushed {} {}", flushed.is_ok(), ticks.swap(0, Ordering::Relaxed));
                let ended = guard.shutdown_async().await;
                println!("ended {} {}", ended.is_ok(), ticks.load(Ordering::Relaxed));
            });
            Ok(())
        }
        "asynchronously without tokio" => {
            let guard = start()?;
            record();
            block_on(guard.force_flush_async(LIMIT))?;
            block_on(guard.shutdown_async())?;
            Ok(())
        }
        "many flushes at once" => many_flushes(&start()?),
        "process::exit" => {
            let _guard = start()?;
            record();
            std::process::exit(7);
        }
        "panics" => {
            let _guard = start()?;
            record();
            panic!("on purpose");
        }
        "panics in a destructor during a panic" => {
            let _guard = start()?;
            record();
            let _panics = PanicsOnDrop;
            panic!("on purpose");
        }
        "panics in a function that cannot unwind" => {
            extern "C" fn called_by_foreign_code() {
                panic!("on purpose");
            }
            let _guard = start()?;
            record();
            called_by_foreign_code();
            Ok(())
        }
        "waits for a signal" => {
            let guard = start()?;
            record();
            drop(telemetry_bootstrap::shutdown_signal());
            println!("waiting");
            telemetry_bootstrap::shutdown_signal_blocking();
            println!("ending");
            drop(guard);
            Ok(())
        }
        other => Err(format!("no such ending: {other}").into()),
    }
}

/// Prints the answers, and the threads that came on top.
fn many_flushes(guard: &TelemetryGuard) -> Outcome {
    record();
    let before = threads()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (answers, most) = runtime.block_on(async {
        let flushes = (0..500).map(|_| guard.force_flush_async(LIMIT));
        let mut flushes = std::pin::pin!(futures_util::future::join_all(flushes));
        let mut most = 0;
        loop {
            tokio::select! {
                answers = &mut flushes => return Ok::<_, Box<dyn Error>>((answers, most)),
                () = tokio::time::sleep(Duration::from_millis(5)) => most = most.max(threads()?),
            }
        }
    })?;
    let delivered = answers.iter().filter(|answer| answer.is_ok()).count();
    println!("{delivered} {}", most.saturating_sub(before));
    Ok(())
}

/// Threads of this process.
fn threads() -> Result<u32, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).ok_or("no threads")?;
    Ok(line.trim().parse()?)
}

fn builder() -> telemetry_bootstrap::Builder {
    init().service_name("endings").shutdown_timeout(LIMIT)
}

fn start() -> Result<TelemetryGuard, Box<dyn Error>> {
    Ok(builder().build()?)
}

fn record() {
    for number in 0..RECORDED {
        let _span = tracing::info_span!("recorded", number).entered();
        tracing::info!(number, "recorded");
    }
}

struct Owner(Option<TelemetryGuard>);

impl Drop for Owner {
    fn drop(&mut self) {
        tracing::info!("recorded");
        let guard = self.0.take();
        // Once by its own word, and then by going out of scope.
        let _ = guard.map(TelemetryGuard::shutdown);
    }
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("in a destructor, on purpose");
    }
}

fn hold_in_a_thread_local() -> Outcome {
    thread_local! {
        static HELD: RefCell<Option<TelemetryGuard>> = const { RefCell::new(None) };
    }
    let guard = start()?;
    HELD.set(Some(guard));
    record();
    Ok(())
}

struct Dropper(Arc<Mutex<Option<TelemetryGuard>>>);

impl<S: tracing::Subscriber> Layer<S> for Dropper {
    fn on_event(&self, event: &tracing::Event<'_>, _: layer::Context<'_, S>) {
        if event.metadata().target() == "end" {
            let guard = self.0.lock().unwrap().take();
            drop(guard);
        }
    }
}

async fn tick(ticks: Arc<AtomicU32>) {
    loop {
        tokio::time::sleep(Duration::from_millis(1)).await;
        ticks.fetch_add(1, Ordering::Relaxed);
    }
}

/// The least that an executor can be.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

// ---- from outside

fn trials() -> Vec<Trial> {
    let delivers = |name: &'static str, code, extra| {
        Trial::test(format!("{}::everything_arrives", name.replace(' ', "_")), move || {
            everything_arrives(name, code, extra)
        })
    };
    let loses = |name: &'static str, code| {
        Trial::test(format!("{}::a_silent_collector_costs_the_limit", name.replace(' ', "_")), move || {
            silent(name, code)
        })
    };
    let mut trials = Vec::new();
    // Records beyond those of each program: the destructor's own, and the panic.
    for (name, code, extra) in [
        ("dropped by a destructor during a panic", 101, 2),
        ("dropped by the destructor of a thread-local", 0, 0),
        ("dropped by the destructor of a thread-local of the main thread", 0, 0),
        ("dropped inside a callback of a layer", 0, 0),
        ("asynchronously on the only thread", 0, 0),
        ("asynchronously without tokio", 0, 0),
    ] {
        trials.push(delivers(name, code, extra));
        trials.push(loses(name, if name.ends_with("tokio") { 1 } else { code }));
    }
    trials.extend([
        Trial::test("a_shutdown_while_others_record_counts_everything", while_others_record),
        Trial::test("asynchronous_ends_leave_the_runtime_free", runtime_stays_free),
        Trial::test("process_exit_ends_at_once", exits_at_once),
        Trial::test("flushes_at_once_share_threads_and_all_return", flushes_share),
        Trial::test("a_closed_stderr_costs_nothing_else", closed_stderr),
    ]);
    #[cfg(unix)]
    trials.extend([
        Trial::test("the_second_signal_ends_a_shutdown_that_waits", second_signal),
        // Only where this program is built so; cargo has no profile of tests for it:
        // RUSTFLAGS="-C panic=abort" cargo test --target x86_64-unknown-linux-gnu --test endings aborts
        Trial::test("a_panic_that_aborts_delivers_everything", aborts)
            .with_ignored_flag(!cfg!(panic = "abort")),
        Trial::test("a_panic_in_a_destructor_during_a_panic_delivers_everything", || {
            aborts_after("panics in a destructor during a panic", 3)
        }),
        Trial::test("a_panic_in_a_function_that_cannot_unwind_delivers_everything", || {
            aborts_after("panics in a function that cannot unwind", 2)
        }),
        Trial::test("as_process_1_a_signal_ends_it_with_everything_delivered", process_1)
            .with_ignored_flag(first_process().is_none()),
    ]);
    trials
}

fn everything_arrives(name: &str, code: i32, extra: usize) -> Result<(), Failed> {
    let collector = Collector::start()?;
    let ended = Program::start(name, &collector.endpoint())?.wait()?;
    equal("code", ended.code, Some(code))?;
    equal("spans", collector.spans().len(), RECORDED)?;
    let records =
        collector.logs().iter().filter(|log| log.attribute_text("number").is_some() || extra > 0).count();
    equal("log records", records, RECORDED + extra)?;
    equal("lines about loss", ended.lines_with("telemetry was lost"), 0)
}

fn silent(name: &str, code: i32) -> Result<(), Failed> {
    let silent = Collector::silent()?;
    let begin = Instant::now();
    let ended = Program::start(name, &silent.endpoint())?.wait()?;
    equal("code", ended.code, Some(code))?;
    // The programs that flush wait for that, too.
    let waits = if name.starts_with("async") { 2 } else { 1 };
    // An error out of the flush ends the program by a drop of the guard.
    less("it took", begin.elapsed(), LIMIT * waits + AT_ONCE)?;
    equal("lines about loss", ended.lines_with("telemetry was lost"), 1)
}

fn while_others_record() -> Result<(), Failed> {
    let collector = Collector::start()?;
    let ended = Program::start("shut down while others record", &collector.endpoint())?.wait()?;
    equal("code", ended.code, Some(0))
}

fn runtime_stays_free() -> Result<(), Failed> {
    let silent = Collector::silent()?;
    let ended = Program::start("asynchronously on the only thread", &silent.endpoint())?.wait()?;
    for (line, word) in ended.stdout.lines().zip(["flushed", "ended"]) {
        let words: Vec<_> = line.split(' ').collect();
        equal("what it waited for, and how that ended", &words[..2], &[word, "false"][..])?;
        // The timer is free to fire a thousand times; a thread that is blocked lets it fire never.
        less("ticks missing", 50, words[2].parse::<u32>()?)?;
    }
    equal("waits", ended.stdout.lines().count(), 2)
}

/// A flush has a thread for each provider, and two more.
fn flushes_share() -> Result<(), Failed> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let (collector, silent) = (Collector::start()?, Collector::silent()?);
    for (endpoint, delivered) in [(collector.endpoint(), "500"), (silent.endpoint(), "0")] {
        let begin = Instant::now();
        let ended = Program::start("many flushes at once", &endpoint)?.wait()?;
        equal("code", ended.code, Some(0))?;
        let words: Vec<_> = ended.stdout.split_whitespace().collect();
        equal("delivered", words[0], delivered)?;
        less("threads", words[1].parse::<u32>()?, 10)?;
        less("it took", begin.elapsed(), LIMIT * 2 + AT_ONCE)?;
    }
    equal("spans", collector.spans().len(), RECORDED)
}

/// What was recorded last is lost: see the guard's documentation. All that can be expected is that it ends.
fn exits_at_once() -> Result<(), Failed> {
    let silent = Collector::silent()?;
    let begin = Instant::now();
    let ended = Program::start("process::exit", &silent.endpoint())?.wait()?;
    equal("code", ended.code, Some(7))?;
    less("it took", begin.elapsed(), AT_ONCE)
}

fn closed_stderr() -> Result<(), Failed> {
    let collector = Collector::start()?;
    let mut program = Program::start("dropped inside a callback of a layer", &collector.endpoint())?;
    drop(program.child.stderr.take());
    equal("code", program.wait()?.code, Some(0))?;
    equal("spans", collector.spans().len(), RECORDED)
}

#[cfg(unix)]
fn second_signal() -> Result<(), Failed> {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let silent = Collector::silent()?;
        let mut program = Program::start("waits for a signal", &silent.endpoint())?;
        program.expect("waiting")?;
        program.child.signal(signal);
        program.expect("ending")?;
        let begin = Instant::now();
        program.child.signal(signal);
        equal("code", program.wait()?.code, Some(code))?;
        less("it took", begin.elapsed(), LIMIT / 2)?;
    }
    Ok(())
}

#[cfg(unix)]
fn aborts() -> Result<(), Failed> {
    if !cfg!(panic = "abort") {
        return Err("this program is not built with `-C panic=abort`".into());
    }
    aborts_after("panics", 1)
}

#[cfg(unix)]
fn aborts_after(name: &str, panics: usize) -> Result<(), Failed> {
    // Where each panic aborts, there is no second one.
    let panics = if cfg!(panic = "abort") { 1 } else { panics };
    let collector = Collector::start()?;
    let ended = Program::start(name, &collector.endpoint())?.wait()?;
    // By a signal, SIGABRT.
    equal("code", ended.code, None)?;
    equal("lines about the panic", ended.lines_with("thread 'main' panicked: on purpose"), 1)?;
    equal("spans", collector.spans().len(), RECORDED)?;
    equal("log records", collector.logs().len(), RECORDED + panics)?;
    let silent = Collector::silent()?;
    let begin = Instant::now();
    Program::start(name, &silent.endpoint())?.wait()?;
    let took = begin.elapsed();
    less("it took", took, LIMIT + AT_ONCE)?;
    // It has waited for the answer.
    less("the limit", LIMIT, took)
}

/// Returns the command that makes a program the first process of a namespace, if this system allows that.
#[cfg(unix)]
fn first_process() -> Option<Command> {
    // Whoever is not the superuser needs a namespace of users as well.
    [&[][..], &["--user", "--map-root-user"]].into_iter().find_map(|users| {
        let command = || {
            let mut command = Command::new("unshare");
            command.args(users).args(["--pid", "--fork", "--kill-child"]);
            command
        };
        let status = command().arg("true").stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then(command)
    })
}

#[cfg(unix)]
fn process_1() -> Result<(), Failed> {
    let mut command = first_process().ok_or("this system allows no namespace of processes with `unshare`")?;
    let collector = Collector::start()?;
    command.arg(std::env::current_exe()?);
    let mut program = Program::start_as(command, "waits for a signal", &collector.endpoint())?;
    program.expect("waiting")?;
    let unshare = program.child.id();
    let children = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"))?;
    child_process::signal("TERM", children.trim().parse()?);
    equal("code", program.wait()?.code, Some(0))?;
    equal("spans", collector.spans().len(), RECORDED)
}

struct Program {
    child: Running,
    stdout: BufReader<ChildStdout>,
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    lines: Vec<serde_json::Value>,
}

impl Program {
    fn start(name: &str, endpoint: &str) -> Result<Self, Failed> {
        Self::start_as(Command::new(std::env::current_exe()?), name, endpoint)
    }

    fn start_as(mut command: Command, name: &str, endpoint: &str) -> Result<Self, Failed> {
        child_process::without_telemetry_variables(&mut command);
        command
            .env("ENDING", name)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            // Resolving the symbols of a debug build takes longer than everything that is measured here.
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Running::start(&mut command);
        let stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        Ok(Self { child, stdout })
    }

    fn expect(&mut self, word: &str) -> Result<(), Failed> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        equal("the program's word", line.trim(), word)
    }

    fn wait(mut self) -> Result<Ended, Failed> {
        let stderr = self.child.stderr.take();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.map(|mut stderr| stderr.read_to_string(&mut text)).transpose().map(|_| text)
        });
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout)?;
        let code = self.child.wait()?.code();
        let text = stderr.join().map_err(|_| "the reader panicked")??;
        // Everything on the log output is one JSON object a line, but what `main` prints of its error, and the last words
        // of the standard library.
        let own = |line: &&str| {
            !line.starts_with("Error: ") && *line != "thread caused non-unwinding panic. aborting."
        };
        let lines = text.lines().filter(own).map(|line| {
            serde_json::from_str(line).map_err(|error| Failed::from(format!("not JSON: {line:?}: {error}")))
        });
        Ok(Ended { code, stdout, lines: lines.collect::<Result<_, _>>()? })
    }
}

impl Ended {
    fn lines_with(&self, message: &str) -> usize {
        self.lines.iter().filter(|line| line["message"] == message).count()
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, actual: T, expected: T) -> Result<(), Failed> {
    if actual == expected { Ok(()) } else { Err(format!("{what}: {actual:?}, expected {expected:?}").into()) }
}

fn less<T: PartialOrd + std::fmt::Debug>(what: &str, actual: T, limit: T) -> Result<(), Failed> {
    if actual < limit { Ok(()) } else { Err(format!("{what}: {actual:?}, limit {limit:?}").into()) }
}
