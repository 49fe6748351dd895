//! Installation is all or nothing: what fails names what is wrong, and leaves no global, thread, or socket behind.
//!
//! Each case is a process of its own: this program starts itself again with the name of the case.

#![expect(clippy::panic, reason = "test code")]
#![expect(clippy::print_stdout, reason = "the programs speak to their parent")]

mod child_process;

use std::error::Error;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span as _, TraceContextExt as _, Tracer as _};
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{InitError, LogDestination, LogFormat, TlsSettings, init, opentelemetry, tracing};
use tracing_subscriber::Registry;

type Outcome = Result<(), Box<dyn Error>>;
type Case = fn() -> Outcome;

const CASES: [(&str, Case); 12] = [
    ("a_second_build_is_refused_and_the_first_goes_on", second_build),
    ("a_foreign_subscriber_is_left_in_place", foreign_subscriber),
    ("what_was_started_before_a_subscriber_is_found_ends", subscriber_found_late),
    ("wrong_settings_are_all_named", wrong_settings),
    ("a_tls_file_that_is_missing_is_named", missing_tls_file),
    ("a_log_file_that_cannot_be_opened_is_named", unwritable_log_file),
    ("after_a_failure_the_next_build_succeeds", failure_then_success),
    ("one_of_two_concurrent_builds_succeeds", race),
    ("build_does_not_wait_for_the_collector", quick),
    ("build_local_changes_no_global", local),
    ("refused_threads_fail_the_build_or_cost_no_metrics", few_threads),
    ("resolver_thread_exists_from_the_start", resolver),
];

fn main() -> Outcome {
    if let Ok(endpoint) = std::env::var("FEW_THREADS") {
        return with_few_threads(&endpoint);
    }
    if let Ok(name) = std::env::var("INSTALL_CASE") {
        let (_, case) = CASES.into_iter().find(|(case, _)| *case == name).ok_or("no such case")?;
        return case();
    }
    let trial = |(name, _)| Trial::test(name, move || run(name));
    libtest_mimic::run(&Arguments::from_args(), CASES.map(trial).into()).exit();
}

fn run(name: &str) -> Result<(), Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    child_process::without_telemetry_variables(&mut command);
    let output = command.env("INSTALL_CASE", name).stdin(Stdio::null()).output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }
}

/// `build()` fails with an error that contains all of this, and leaves nothing behind.
fn fails(builder: telemetry_bootstrap::Builder, words: &[&str]) -> Outcome {
    let before = Left::now()?;
    let error = builder.build().err().ok_or("it did not fail")?;
    let text = describe(&error);
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text:?}");
    }
    Left::equals(&before)
}

fn describe(mut error: &dyn Error) -> String {
    let mut text = error.to_string();
    while let Some(source) = error.source() {
        error = source;
        text = format!("{text}: {error}");
    }
    text
}

/// What an installation that failed must not leave behind.
#[derive(Debug, PartialEq)]
struct Left {
    threads: Vec<String>,
    /// What each descriptor stands for: files, sockets, pipes, timers.
    descriptors: Vec<String>,
    subscriber: bool,
    tracer_records: bool,
    meter_provider: usize,
    propagates: bool,
    log: log::LevelFilter,
    hook_calls: usize,
}

impl Left {
    fn now() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            threads: threads()?,
            descriptors: descriptors()?,
            subscriber: tracing::dispatcher::get_default(|current| {
                !current.is::<tracing::subscriber::NoSubscriber>()
            }),
            tracer_records: opentelemetry::global::tracer("test").start("test").is_recording(),
            meter_provider: Arc::as_ptr(&opentelemetry::global::meter_provider()).addr(),
            propagates: propagates(),
            log: log::max_level(),
            hook_calls: hook_calls(),
        })
    }

    /// A thread that has ended may be listed for a moment longer.
    fn equals(before: &Self) -> Outcome {
        let begin = Instant::now();
        loop {
            let now = Self::now()?;
            if now == *before {
                return Ok(());
            }
            if begin.elapsed() > Duration::from_secs(5) {
                return Err(format!("left behind: {now:#?}, before: {before:#?}").into());
            }
            std::thread::yield_now();
        }
    }
}

fn threads() -> Result<Vec<String>, Box<dyn Error>> {
    let mut threads = Vec::new();
    if !cfg!(target_os = "linux") {
        return Ok(threads);
    }
    for task in std::fs::read_dir("/proc/self/task")? {
        // One that ends between the two calls is gone.
        if let Ok(name) = std::fs::read_to_string(task?.path().join("comm")) {
            threads.push(name.trim().to_owned());
        }
    }
    threads.sort();
    Ok(threads)
}

fn descriptors() -> Result<Vec<String>, Box<dyn Error>> {
    let links =
        std::fs::read_dir("/proc/self/fd")?.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    // The directory that is being read is one, too.
    let links = links.map(|link| link.display().to_string()).filter(|link| !link.starts_with("/proc/"));
    let mut links: Vec<String> = links.collect();
    links.sort();
    Ok(links)
}

fn propagates() -> bool {
    struct Headers;
    impl Extractor for Headers {
        fn get(&self, key: &str) -> Option<&str> {
            (key == "traceparent").then_some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        }

        fn keys(&self) -> Vec<&str> {
            vec!["traceparent"]
        }
    }
    let context = opentelemetry::global::get_text_map_propagator(|propagator: &dyn TextMapPropagator| {
        propagator.extract(&Headers)
    });
    context.span().span_context().is_valid()
}

/// How often the hook of this program has been called, and now once more, if it is still in place.
fn hook_calls() -> usize {
    use std::sync::Once;
    use std::sync::atomic::{AtomicUsize, Ordering};
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static SET: Once = Once::new();
    SET.call_once(|| {
        std::panic::set_hook(Box::new(|_| {
            CALLS.fetch_add(1, Ordering::Relaxed);
        }));
    });
    let before = CALLS.load(Ordering::Relaxed);
    let _ = std::panic::catch_unwind(|| panic!("on purpose"));
    CALLS.load(Ordering::Relaxed) - before
}

// ---- the cases, each in a process of its own

fn second_build() -> Outcome {
    let collector = Collector::start()?;
    let first =
        init().endpoint(collector.endpoint()).log_output(|output| output.format(LogFormat::Off)).build()?;
    // Not their names, which threads give themselves when they first run.
    let before = (threads()?.len(), descriptors()?);
    let error = init().endpoint("http://127.0.0.1:1").build().err().ok_or("it did not fail")?;
    assert!(matches!(error, InitError::AlreadyInitialized), "{error:?}");
    assert_eq!((threads()?.len(), descriptors()?), before);
    tracing::info_span!("still recorded").in_scope(|| {});
    let delivery = first.shutdown()?;
    assert_eq!(delivery.traces.delivered, 1, "{delivery}");
    assert_eq!(collector.received().span("still recorded").name(), "still recorded");
    // A global subscriber cannot be replaced, also when its telemetry has ended.
    assert!(matches!(init().build().err().ok_or("it did not fail")?, InitError::AlreadyInitialized));
    Ok(())
}

fn foreign_subscriber() -> Outcome {
    tracing::subscriber::set_global_default(tracing_subscriber::registry())?;
    for _ in 0..2 {
        fails(
            init().endpoint("http://127.0.0.1:1"),
            &["another global tracing subscriber is installed", "build_local()"],
        )?;
    }
    let is_ours = tracing::dispatcher::get_default(|current| current.is::<Registry>());
    assert!(is_ours);
    Ok(())
}

/// One that looks like none, as one does that is installed between the check and the installation.
fn subscriber_found_late() -> Outcome {
    tokio_runs_once()?;
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new())?;
    fails(init().endpoint("http://127.0.0.1:1"), &["another global tracing subscriber is installed"])
}

/// Each process in which a runtime of tokio has run keeps a pair of sockets, for signals.
fn tokio_runs_once() -> Outcome {
    drop(tokio::runtime::Builder::new_current_thread().enable_all().build()?);
    Ok(())
}

fn wrong_settings() -> Outcome {
    let builder = init().endpoint("ftp://collector").log_filter("a=b=c").span_filter("d=e=f");
    let all =
        ["3 settings", "ftp://collector", ".endpoint()", "a=b=c", ".log_filter()", "d=e=f", ".span_filter()"];
    fails(builder, &all)?;
    fails(init().endpoint("http://127.0.0.1:1").log_filter("a=b=c"), &["log_filter", "a=b=c"])
}

fn missing_tls_file() -> Outcome {
    let tls = TlsSettings::new().certificate("/nowhere/ca.pem");
    fails(init().endpoint("https://127.0.0.1:1").tls(tls), &["/nowhere/ca.pem"])
}

fn unwritable_log_file() -> Outcome {
    let builder = init()
        .endpoint("http://127.0.0.1:1")
        .log_output(|output| output.destination(LogDestination::file("/nowhere/log.json")));
    fails(builder, &["log_output", "/nowhere/log.json", "No such file"])
}

fn failure_then_success() -> Outcome {
    missing_tls_file()?;
    drop(init().log_output(|output| output.format(LogFormat::Off)).build()?);
    Ok(())
}

fn race() -> Outcome {
    let builds = [(); 8]
        .map(|()| std::thread::spawn(|| init().log_output(|output| output.format(LogFormat::Off)).build()));
    let outcomes = builds.map(|build| build.join().map_err(|_| "a panic"));
    let mut guards = Vec::new();
    for outcome in outcomes {
        match outcome? {
            Ok(guard) => guards.push(guard),
            Err(InitError::AlreadyInitialized) => {}
            Err(error) => return Err(error.into()),
        }
    }
    assert_eq!(guards.len(), 1);
    Ok(())
}

fn quick() -> Outcome {
    let silent = Collector::silent()?;
    for endpoint in [&silent.endpoint(), &Collector::closed_endpoint()?, "http://collector.invalid:4317"] {
        // Of several tries the quickest: what the machine does meanwhile only adds.
        let mut quickest = Duration::MAX;
        for _ in 0..5 {
            let builder = init()
                .endpoint(endpoint)
                .log_output(|output| output.format(LogFormat::Off))
                .shutdown_timeout(Duration::from_millis(1));
            let begin = Instant::now();
            let built = builder.build_local::<Registry>()?;
            quickest = quickest.min(begin.elapsed());
            drop(built);
        }
        assert!(quickest < Duration::from_millis(20), "{quickest:?} with {endpoint}");
    }
    Ok(())
}

fn local() -> Outcome {
    tokio_runs_once()?;
    let before = Left::now()?;
    let builder = init().endpoint("http://127.0.0.1:1").log_output(|output| output.format(LogFormat::Off));
    let (layer, guard) = builder.build_local::<Registry>()?;
    let (threads, descriptors) = (threads()?, descriptors()?);
    assert_eq!(threads != before.threads, cfg!(target_os = "linux"));
    let during = Left::now()?;
    assert_eq!(
        Left { threads: before.threads.clone(), descriptors: before.descriptors.clone(), ..during },
        before
    );
    drop((layer, guard, threads, descriptors));
    Left::equals(&before)
}

/// Each thread takes a gibibyte of addresses here, so the limit decides how many there can be.
fn few_threads() -> Outcome {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let collector = Collector::start()?;
    let mut printed = Vec::new();
    for threads in 0..8 {
        let kibibytes = threads * GIBIBYTE / 1024 + GIBIBYTE / 2048;
        let output = Command::new("sh")
            .args(["-c", &format!("ulimit -v {kibibytes} && exec \"$0\"")])
            .arg(std::env::current_exe()?)
            .env("RUST_MIN_STACK", GIBIBYTE.to_string())
            .env("FEW_THREADS", collector.endpoint())
            .output()?;
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{threads}: {out}{err}");
        printed.push(out);
    }
    for words in ["the reader was refused", "all was delivered"] {
        assert!(printed.iter().any(|printed| printed.contains(words)), "never {words:?}: {printed:?}");
    }
    Ok(())
}

/// Once the system refuses threads, none could be had.
fn resolver() -> Outcome {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    for (endpoint, expected) in
        [("http://127.0.0.1:9", 1), ("http://[::1]:9", 1), ("http://localhost:9", 2), ("http://[::1]:9", 1)]
    {
        let parts = init().ignore_env().endpoint(endpoint).build_local::<Registry>()?;
        let begin = Instant::now();
        // A thread that begins has its name a moment later, and one that has ended may be listed for a moment longer.
        while threads()?.iter().filter(|name| name.as_str() == "otel-export").count() != expected {
            assert!(begin.elapsed() < Duration::from_secs(5), "{endpoint}: {:?}", threads()?);
            std::thread::yield_now();
        }
        drop(parts);
    }
    Ok(())
}

fn with_few_threads(endpoint: &str) -> Outcome {
    tokio_runs_once()?;
    let before = Left::now()?;
    // An output that takes nothing, so that there is something to count beside what is delivered.
    let builder = init()
        .ignore_env()
        .endpoint(endpoint)
        .log_output(|output| output.destination(LogDestination::file("/dev/full")));
    match builder.build() {
        Ok(guard) => {
            guard.meter("test").u64_counter("orders").build().add(1, &[]);
            tracing::info_span!("order").in_scope(|| tracing::info!("ordered"));
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            let lost = runtime.block_on(guard.shutdown_async()).err().ok_or("no line was lost")?;
            let delivery = lost.stats();
            let delivered = [delivery.traces, delivery.metrics, delivery.logs].map(|signal| signal.delivered);
            if delivered != [1, 1, 1] || delivery.log_lines_dropped == 0 {
                // Not by a panic, whose message would be lost here.
                return Err(delivery.to_string().into());
            }
            println!("all was delivered");
            Ok(())
        }
        Err(error @ InitError::Thread(_)) => {
            if describe(&error).contains("metric reader") {
                println!("the reader was refused");
            }
            Left::equals(&before)
        }
        Err(error) => Err(error.into()),
    }
}

const GIBIBYTE: u64 = 1 << 30;
