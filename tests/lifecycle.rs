//! The lifecycle contract: every way in which a program runs and ends, against every state of the collector.
//!
//! Each cell is a process of its own: this program starts itself again with the name of a row, and watches it from
//! outside, as an operator would.

#![expect(clippy::print_stdout, reason = "the programs speak to their parent")]
#![expect(clippy::panic, reason = "one of them ends with a panic")]

mod child_process;

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use child_process::Running;
use cpu_time::ThreadTime;
use libtest_mimic::{Arguments, Failed, Trial};
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{TelemetryGuard, opentelemetry, tracing};

/// Spans, log records and counts that each program records.
const RECORDED: usize = 200;
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1000);
/// What the contract allows: a healthy drop, a refused one, and what may come on top of the deadline.
const HEALTHY: Limit = Limit { waiting: Duration::ZERO, working: Duration::from_millis(100) };
const REFUSED: Limit = Limit { waiting: Duration::ZERO, working: Duration::from_millis(300) };
const DEADLINE: Limit = Limit { waiting: SHUTDOWN_TIMEOUT, working: Duration::from_millis(100) };
/// A machine is busy if work takes so many times longer.
const BUSY: f64 = 3.0;
/// Runs of a program, of which the best counts.
const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(row) = std::env::var("LIFECYCLE_ROW") {
        return program(&row);
    }
    let mut arguments = Arguments::from_args();
    // One at a time: the cells measure how long a program takes to end.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials()).exit();
}

// ---- from inside: the programs

fn program(row: &str) -> Result<(), Box<dyn Error>> {
    match row {
        "multi_thread" => multi_thread()?.block_on(async { record_and_drop(start()?) }),
        "current_thread" => current_thread()?.block_on(async { record_and_drop(start()?) }),
        "inside_a_task_on_one_worker" => one_worker()?.block_on(async {
            // The error of `start` cannot cross threads.
            let task = async { start().and_then(record_and_drop).map_err(|error| error.to_string()) };
            Ok(tokio::spawn(task).await??)
        }),
        "after_the_runtime" => {
            let runtime = multi_thread()?;
            let guard = runtime.block_on(async { start() })?;
            runtime.block_on(async { record() });
            drop(runtime);
            end(guard)
        }
        "no_runtime" => record_and_drop(start()?),
        "error_out_of_main" => {
            let _guard = start()?;
            record();
            report("ending");
            Err("the program failed".into())
        }
        "panic" => {
            let _guard = start()?;
            record();
            report("ending");
            panic!("the program panicked");
        }
        "sigterm" => {
            let guard = start()?;
            record();
            multi_thread()?.block_on(async {
                let signal = telemetry_bootstrap::shutdown_signal();
                report("waiting");
                signal.await;
            });
            end(guard)
        }
        other => Err(format!("no such row: {other}").into()),
    }
}

fn start() -> Result<TelemetryGuard, Box<dyn Error>> {
    Ok(telemetry_bootstrap::init().service_name("lifecycle").shutdown_timeout(SHUTDOWN_TIMEOUT).build()?)
}

fn record() {
    let counter = opentelemetry::global::meter("lifecycle").u64_counter("recorded").build();
    for number in 0..RECORDED {
        let _span = tracing::info_span!("recorded", number).entered();
        tracing::info!(number, "recorded");
        counter.add(1, &[]);
    }
}

fn record_and_drop(guard: TelemetryGuard) -> Result<(), Box<dyn Error>> {
    record();
    end(guard)
}

fn end(guard: TelemetryGuard) -> Result<(), Box<dyn Error>> {
    report("ending");
    drop(guard);
    report("ended");
    Ok(())
}

fn report(word: &str) {
    println!("{word}");
}

fn multi_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn one_worker() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

fn current_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

// ---- from outside: what is expected of them

const ROWS: [&str; 8] = [
    "multi_thread",
    "current_thread",
    "inside_a_task_on_one_worker",
    "after_the_runtime",
    "no_runtime",
    "error_out_of_main",
    "panic",
    "sigterm",
];

/// Runs a row's program and checks what became of its telemetry.
type Check = fn(&str, &str) -> Result<Ended, Failed>;

const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];

fn trials() -> Vec<Trial> {
    let columns: [(&str, Limit, Check); 4] = [
        ("a_healthy_collector_gets_everything", HEALTHY, healthy),
        ("a_refused_connection_is_reported_at_once", REFUSED, refused),
        ("a_silent_collector_costs_the_deadline", DEADLINE, silent),
        ("an_unresolvable_name_costs_the_deadline", DEADLINE, unresolvable),
    ];
    let cell = |(column, limit, check): (&'static str, Limit, Check), protocol: &'static str| {
        let name = |row| format!("{row}::{protocol}::{column}");
        ROWS.map(|row| Trial::test(name(row), move || within(limit, || check(row, protocol))))
    };
    PROTOCOLS
        .into_iter()
        .flat_map(|protocol| columns.into_iter().flat_map(move |column| cell(column, protocol)))
        .collect()
}

/// How long a program may take to end on a free machine.
#[derive(Clone, Copy)]
struct Limit {
    /// For a time that is over at the same moment on every machine.
    waiting: Duration,
    /// For work, which takes longer on a busy machine.
    working: Duration,
}

/// Checks that a program ends in time, in the best of several runs.
fn within(limit: Limit, run: impl Fn() -> Result<Ended, Failed>) -> Result<(), Failed> {
    for _ in 1..RUNS {
        if run()?.is_within(limit).is_ok() {
            return Ok(());
        }
    }
    run()?.is_within(limit)
}

fn healthy(row: &str, protocol: &str) -> Result<Ended, Failed> {
    let collector = Collector::start()?;
    let ended = Program::start(row, protocol, &collector.endpoint())?.wait()?;
    // One more of each for the panic, which is a log record.
    let records = RECORDED + usize::from(row == "panic");
    equal("spans", collector.spans().len(), RECORDED)?;
    equal("log records", collector.logs().len(), records)?;
    let counter = collector.received().value("recorded", &[]).ok_or("the counter did not arrive")?;
    equal("the counter", counter as usize, RECORDED)?;
    equal("lines about loss", ended.lines_about_loss().len(), 0)?;
    Ok(ended)
}

fn refused(row: &str, protocol: &str) -> Result<Ended, Failed> {
    let ended = Program::start(row, protocol, &Collector::closed_endpoint()?)?.wait()?;
    ended.reports_that_all_was_lost(row, "failed")
}

fn silent(row: &str, protocol: &str) -> Result<Ended, Failed> {
    let silent = Collector::silent()?;
    let ended = Program::start(row, protocol, &silent.endpoint())?.wait()?;
    ended.reports_that_all_was_lost(row, "failed (sent, no answer)")
}

fn unresolvable(row: &str, protocol: &str) -> Result<Ended, Failed> {
    let ended = Program::start(row, protocol, "http://collector.invalid:4317")?.wait()?;
    ended.reports_that_all_was_lost(row, "failed")
}

struct Program {
    row: String,
    child: Running,
}

struct Ended {
    took: Duration,
    /// How many times as long as on a free machine another thread worked meanwhile.
    slowdown: f64,
    lines: Vec<serde_json::Value>,
}

impl Program {
    fn start(row: &str, protocol: &str, endpoint: &str) -> Result<Self, Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        child_process::without_telemetry_variables(&mut command);
        command
            .env("LIFECYCLE_ROW", row)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            // Resolving the symbols of a debug build takes longer than everything that is measured here.
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(Self { row: row.to_owned(), child: Running::start(&mut command) })
    }

    /// Waits for the end, and measures it from the moment at which the guard is about to be dropped.
    fn wait(mut self) -> Result<Ended, Failed> {
        let mut stdout = BufReader::new(self.child.stdout.take().ok_or("no stdout")?).lines();
        let mut stderr = self.child.stderr.take().ok_or("no stderr")?;
        let lines = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).map(|_| text)
        });
        if self.row == "sigterm" {
            expect_word(&mut stdout, "waiting")?;
            self.child.signal("TERM");
        }
        expect_word(&mut stdout, "ending")?;
        let (ending, spin) = (Instant::now(), Spin::start());
        let status = self.child.wait()?;
        let took = ending.elapsed();
        let slowdown = spin.end()?;
        let code = match self.row.as_str() {
            "error_out_of_main" => 1,
            "panic" => 101,
            _ => 0,
        };
        let text = lines.join().map_err(|_| "the reader panicked")??;
        if status.code() != Some(code) {
            return Err(format!("exit status {status}, stderr:\n{text}").into());
        }
        // Everything on the log output is one JSON object a line, but what `main` itself prints of its error.
        let own = |line: &&str| !line.starts_with("Error: ");
        let lines = text.lines().filter(own).map(|line| {
            serde_json::from_str(line).map_err(|error| Failed::from(format!("not JSON: {line:?}: {error}")))
        });
        Ok(Ended { took, slowdown, lines: lines.collect::<Result<_, _>>()? })
    }
}

impl Ended {
    fn is_within(&self, Limit { waiting, working }: Limit) -> Result<(), Failed> {
        let Self { took, slowdown, .. } = self;
        let limit = waiting + working.mul_f64(slowdown.max(1.0));
        if *took < limit {
            return Ok(());
        }
        Err(format!("took {took:?}, limit {limit:?} on a machine that is {slowdown:.1} times slower").into())
    }

    fn lines_about_loss(&self) -> Vec<&serde_json::Value> {
        self.lines.iter().filter(|line| line["message"] == "telemetry was lost").collect()
    }

    fn reports_that_all_was_lost(self, row: &str, how: &str) -> Result<Self, Failed> {
        let about_loss = self.lines_about_loss();
        equal("lines about loss", about_loss.len(), 1)?;
        let records = RECORDED + usize::from(row == "panic");
        equal("traces", &about_loss[0]["traces"], &lost(RECORDED, how).into())?;
        equal("logs", &about_loss[0]["logs"], &lost(records, how).into())?;
        // The signal starts a flush of its own, which collects the metrics once more.
        let collections = if row == "sigterm" { 2 } else { 1 };
        let metrics = &about_loss[0]["metrics"];
        // A busy machine may leave no time to send the second collection before the deadline.
        let is_unsent = collections == 2 && *metrics == lost(2, "failed (1 sent, no answer)").as_str();
        if !(is_unsent && self.slowdown > BUSY) {
            equal("metrics", metrics, &lost(collections, how).into())?;
        }
        Ok(self)
    }
}

/// A thread that works all the while, to see how much of a processor a thread gets.
struct Spin {
    running: Arc<()>,
    thread: JoinHandle<f64>,
}

impl Spin {
    fn start() -> Self {
        /// Less shows only whether the thread was lucky.
        const AT_LEAST: Duration = Duration::from_millis(5);
        let running = Arc::new(());
        let is_running = Arc::downgrade(&running);
        let thread = std::thread::spawn(move || {
            let (begin, work) = (Instant::now(), ThreadTime::now());
            while is_running.strong_count() > 0 || work.elapsed() < AT_LEAST {
                std::hint::spin_loop();
            }
            begin.elapsed().as_secs_f64() / work.elapsed().as_secs_f64()
        });
        Self { running, thread }
    }

    /// Returns how many times as long as its work the thread has taken.
    fn end(self) -> Result<f64, Failed> {
        drop(self.running);
        self.thread.join().map_err(|_| "the spinning thread panicked".into())
    }
}

fn lost(count: usize, how: &str) -> String {
    format!("0 of {count} delivered, {count} {how}")
}

fn expect_word(
    stdout: &mut impl Iterator<Item = std::io::Result<String>>,
    expected: &str,
) -> Result<(), Failed> {
    let word = stdout.next().ok_or_else(|| format!("ended before it reported {expected:?}"))??;
    equal("the program's word", word.as_str(), expected)
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, actual: T, expected: T) -> Result<(), Failed> {
    if actual == expected { Ok(()) } else { Err(format!("{what}: {actual:?}, expected {expected:?}").into()) }
}
