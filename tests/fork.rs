//! A child process that is forked while telemetry runs.
//!
//! Each test runs `child` in a process of its own, with the task in a variable.

#![cfg(unix)]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test says by them what must hold")]
#![expect(clippy::exit, reason = "the code is what the other process tells")]

mod child_process;

use std::collections::HashSet;
use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use child_process::Running;
use fork::{Fork, fork};
use serde_json::Value as Json;
use telemetry_bootstrap::opentelemetry::trace::{Status, TraceContextExt as _};
use telemetry_bootstrap::opentelemetry::{Context, InstrumentationScope, KeyValue, global};
use telemetry_bootstrap::opentelemetry_sdk::error::OTelSdkResult;
use telemetry_bootstrap::opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use telemetry_bootstrap::opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader};
use telemetry_bootstrap::opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use telemetry_bootstrap::testing::{CollectedLog, Collector};
use telemetry_bootstrap::{
    Builder, InitError, LogDestination, LogFormat, OverflowPolicy, PrometheusExporter, ReloadError,
    SpanExt as _, TelemetryGuard, record_error,
};
use tracing::{debug, error, info, info_span};

const TASK: &str = "FORK_TASK";
/// The endpoint of the collector, or the path of the configuration file.
const ARGUMENT: &str = "FORK_ARGUMENT";
/// The exit code of a child whose expectations hold.
const HOLDS: i32 = 42;
const LONG: Duration = Duration::from_secs(20);
/// Enough that each lock is held at some of them.
const FORKS: usize = 200;
/// A shutdown that does not wait. The deadline is longer.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Ends with [`HOLDS`] if its expectations hold: a harness that runs no test ends with 0.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    match std::env::var(TASK).unwrap().as_str() {
        "log" => log_in_both(),
        "ids" => make_ids_in_both(),
        "full buffer" => fork_with_a_full_buffer(),
        "busy" => fork_while_threads_record(|builder| builder),
        "busy processors" => {
            fork_while_threads_record(|builder| builder.logs(|logs| logs.log_processor(Unlocked)))
        }
        "export" => export_in_all(),
        "meter provider" => flush_the_meter_provider_in_the_child(),
        "abort" => abort_in_the_child(),
        "reload" => reload_in_both(),
        "locked span" => change_a_span_that_is_locked(),
        task => panic!("unknown task {task}"),
    }
}

/// Waits for a child.
fn ended(child: i32) -> ExitStatus {
    ExitStatus::from_raw(fork::waitpid(child).unwrap())
}

/// Waits for a child. 0 if its expectations hold. After a panic its only thread ends, and with it the process, with 0.
fn code(child: i32) -> i32 {
    i32::from(ended(child).code() != Some(HOLDS))
}

/// Ends a process whose children ended with these codes, added up.
fn exit_after(children: i32) -> ! {
    exit_if(children == 0);
}

/// Ends a process. The code tells whether all that was expected holds.
fn exit_if(holds: bool) -> ! {
    std::process::exit(if holds { HOLDS } else { 1 });
}

fn builder(endpoint: &str) -> Builder {
    telemetry_bootstrap::init()
        .ignore_env()
        .endpoint(endpoint)
        .shutdown_timeout(LONG)
        .log_output(|output| output.format(LogFormat::Json))
}

fn telemetry(endpoint: &str) -> TelemetryGuard {
    builder(endpoint).build().unwrap()
}

/// Accepts connections, and never answers.
fn silent_endpoint() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

fn log_in_both() {
    let (_listener, endpoint) = silent_endpoint();
    let guard = telemetry(&endpoint);
    info!("before");
    match fork().unwrap() {
        Fork::Child => {
            info!("in the child");
            std::thread::spawn(|| info!("on a thread of the child")).join().unwrap();
            let begun = Instant::now();
            assert!(guard.force_flush(LONG).is_ok());
            assert!(guard.shutdown().is_ok());
            info!("after the shutdown");
            exit_if(begun.elapsed() <= AT_ONCE);
        }
        Fork::Parent(child) => {
            let status = code(child);
            // Written when the call returns, with what was logged before.
            error!("in the parent");
            // The parent would wait for its silent collector.
            std::mem::forget(guard);
            exit_after(status);
        }
    }
}

fn make_ids_in_both() {
    let (_listener, endpoint) = silent_endpoint();
    let guard = telemetry(&endpoint);
    let spans = || {
        for _ in 0..20 {
            info_span!("root").in_scope(|| info_span!("inner").in_scope(|| info!("inside")));
        }
    };
    spans();
    let children: Vec<_> = (0..2)
        .map(|_| match fork().unwrap() {
            Fork::Child => {
                spans();
                match fork().unwrap() {
                    Fork::Child => {
                        spans();
                        exit_if(true);
                    }
                    Fork::Parent(child) => {
                        spans();
                        exit_after(code(child));
                    }
                }
            }
            Fork::Parent(child) => child,
        })
        .collect();
    spans();
    let status: i32 = children.into_iter().map(code).sum();
    error!("flushed");
    std::mem::forget(guard);
    exit_after(status);
}

/// In the parent, in a child and in a child of the child.
fn export_in_all() {
    let endpoint = std::env::var(ARGUMENT).unwrap();
    let parent = telemetry(&endpoint);
    record("before");
    let open = info_span!("open").entered();
    let pending = info_span!("pending");
    let Fork::Parent(child) = fork().unwrap() else {
        record("lost");
        let own = telemetry(&endpoint);
        let again = telemetry_bootstrap::init().ignore_env().endpoint(&endpoint).build();
        assert!(matches!(again, Err(InitError::AlreadyInitialized)), "{again:?}");
        drop((pending, open));
        record("child");
        let grandchild = match fork().unwrap() {
            Fork::Child => {
                let own = telemetry(&endpoint);
                record("grandchild");
                end(own, 0);
            }
            Fork::Parent(grandchild) => code(grandchild),
        };
        drop(parent);
        end(own, grandchild);
    };
    let status = code(child);
    drop((pending, open));
    record("after");
    drop(parent);
    exit_after(status);
}

/// A reader of the program has its thread in the parent.
fn flush_the_meter_provider_in_the_child() {
    let (_listener, endpoint) = silent_endpoint();
    let reader = PeriodicReader::builder(InMemoryMetricExporter::default()).build();
    let builder = telemetry_bootstrap::init().ignore_env().endpoint(&endpoint);
    let guard =
        builder.metrics(|metrics| metrics.reader(reader).prometheus(PrometheusExporter::new().port(0)));
    let guard = guard.build().unwrap();
    guard.meter("test").u64_counter("counted").build().add(1, &[]);
    match fork().unwrap() {
        Fork::Child => {
            let begun = Instant::now();
            let flushed = guard.meter_provider().force_flush();
            let ended = guard.meter_provider().shutdown();
            exit_if(flushed.is_ok() && ended.is_ok() && begun.elapsed() <= AT_ONCE);
        }
        Fork::Parent(child) => {
            let begun = Instant::now();
            let mut status = fork::waitpid_nohang(child).unwrap();
            while status.is_none() && begun.elapsed() < LONG {
                std::thread::sleep(Duration::from_millis(5));
                status = fork::waitpid_nohang(child).unwrap();
            }
            std::mem::forget(guard);
            exit_if(status.is_some_and(|status| ExitStatus::from_raw(status).code() == Some(HOLDS)));
        }
    }
}

/// Each process reloads with the guard that it built, and none reloads with a guard of its parent.
fn reload_in_both() {
    let path = std::env::var(ARGUMENT).unwrap();
    let start = || {
        let builder = telemetry_bootstrap::init().ignore_env().config_file(&path);
        builder.log_output(|output| output.format(LogFormat::Json)).build().unwrap()
    };
    let reload = |guard: &TelemetryGuard, filter: &str| {
        std::fs::write(&path, configuration(filter)).unwrap();
        let summary = guard.reload().unwrap();
        let changed: Vec<_> = summary.changed().collect();
        assert_eq!(changed, [("distribution.telemetry_bootstrap.log_filter", filter)]);
    };
    let parent = start();
    let Fork::Parent(child) = fork().unwrap() else {
        assert!(matches!(parent.reload(), Err(ReloadError::Forked)));
        let own = start();
        debug!("child, before");
        reload(&own, "debug");
        debug!("child, after");
        assert!(matches!(parent.reload(), Err(ReloadError::Forked)));
        drop(own);
        exit_if(true);
    };
    let status = code(child);
    // The file has changed, and this process has not read it again.
    debug!("parent, before");
    reload(&parent, "trace");
    debug!("parent, after");
    drop(parent);
    exit_after(status);
}

fn configuration(filter: &str) -> String {
    format!("file_format: '1.1'\ndistribution: {{telemetry_bootstrap: {{log_filter: {filter}}}}}\n")
}

/// The hook is that of the parent.
fn abort_in_the_child() {
    extern "C" fn called_by_foreign_code() {
        panic!("on purpose");
    }
    let endpoint = std::env::var(ARGUMENT).unwrap();
    let parent = telemetry(&endpoint);
    let Fork::Parent(child) = fork().unwrap() else {
        let _own = telemetry(&endpoint);
        record("child");
        called_by_foreign_code();
        std::process::exit(1);
    };
    let status = ended(child);
    drop(parent);
    const SIGABRT: i32 = 6;
    exit_after(i32::from(status.signal() != Some(SIGABRT)));
}

/// One item of each signal.
fn record(name: &'static str) {
    info_span!("work", name).in_scope(|| info!("{name}"));
    global::meter("fork").u64_counter(name).build().add(1, &[]);
}

/// Ends a child. The code is 0 if everything was delivered, and if that of its own child is.
fn end(guard: TelemetryGuard, child: i32) -> ! {
    let delivered =
        guard.shutdown().is_ok_and(|stats| stats.traces.delivered == 1 && stats.logs.delivered == 1);
    exit_if(delivered && child == 0);
}

/// The output of the parent is stuck; in the child it is not.
struct StuckOnItsThread;

impl io::Write for StuckOnItsThread {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if std::thread::current().name() == Some("otel-log-writer") {
            loop {
                std::thread::park();
            }
        }
        io::Write::write(&mut io::stderr(), text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn fork_with_a_full_buffer() {
    let guard = telemetry_bootstrap::init()
        .ignore_env()
        .log_output(|output| {
            output
                .format(LogFormat::Json)
                .destination(LogDestination::writer(|| StuckOnItsThread))
                .overflow(OverflowPolicy::Block)
        })
        .build()
        .unwrap();
    let padding = "x".repeat(1 << 20);
    let filling = std::thread::spawn(move || (0..10).for_each(|_| info!(padding, "filling")));
    let begun = Instant::now();
    let is_full = || begun.elapsed() > Duration::from_millis(500) && !filling.is_finished();
    while !is_full() {
        std::thread::yield_now();
    }
    match fork().unwrap() {
        Fork::Child => {
            info!("in the child");
            drop(guard);
            exit_if(true);
        }
        Fork::Parent(child) => exit_after(code(child)),
    }
}

/// Any lock can be held by one of the threads when the process is forked, and stays locked in the child.
fn fork_while_threads_record(adjust: fn(Builder) -> Builder) {
    let (_listener, endpoint) = silent_endpoint();
    let guard = adjust(builder(&endpoint)).build().unwrap();
    let meter = guard.meter("busy");
    let counter = meter.u64_counter("busy.count").build();
    let shared = info_span!("shared", name = "shared by all threads");
    let number = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let record = |place: &'static str| {
        shared.in_scope(|| {
            let number = number.fetch_add(1, Ordering::Relaxed);
            info_span!("work", number).in_scope(|| info!(name: "working", place, number, "working"));
            counter.add(1, &[KeyValue::new("number", (number % 1_000).to_string())]);
            shared.record("name", number);
        });
    };
    record("before");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    record("parent")
                }
            });
        }
        let flushing = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = guard.meter_provider().force_flush();
            }
        });
        let mut status = 0;
        for _ in 0..FORKS {
            match fork().unwrap() {
                Fork::Child => {
                    // Ends a child that hangs.
                    std::thread::spawn(|| {
                        std::thread::sleep(LONG / 2);
                        std::process::abort();
                    });
                    record("child");
                    meter.u64_gauge("busy.gauge").build().record(1, &[]);
                    let flushed = guard.meter_provider().force_flush().is_ok();
                    let flushed = flushed && guard.force_flush(LONG).is_ok();
                    let _ = guard.stats();
                    exit_if(flushed);
                }
                Fork::Parent(child) => status |= code(child),
            }
            if status != 0 {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        flushing.join().unwrap();
        exit_after(status);
    });
}

/// A log processor that has no lock of its own.
#[derive(Debug)]
struct Unlocked;

impl LogProcessor for Unlocked {
    fn emit(&self, _: &mut SdkLogRecord, _: &InstrumentationScope) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
}

/// Ends one span while the parent process has a child.
#[derive(Debug)]
struct EndsLate;

const LOCKED: &str = "locked";
/// When the span is being ended, and when it may end.
static ENDING: [Barrier; 2] = [const { Barrier::new(2) }; 2];

impl SpanProcessor for EndsLate {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.name == LOCKED {
            ENDING.iter().for_each(|moment| _ = moment.wait());
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn change_a_span_that_is_locked() {
    let _guard = telemetry_bootstrap::init()
        .ignore_env()
        .traces(|traces| traces.span_processor(EndsLate))
        .log_output(|output| output.format(LogFormat::Json))
        .build()
        .unwrap();
    let span = info_span!(LOCKED, field = tracing::field::Empty);
    let context = span.context();
    std::thread::scope(|scope| {
        // The span is locked while its processors are called.
        scope.spawn(|| context.span().end());
        ENDING[0].wait();
        match fork().unwrap() {
            Fork::Child => {
                // Ends a child that hangs.
                std::thread::spawn(|| {
                    std::thread::sleep(LONG / 2);
                    std::process::abort();
                });
                span.record("field", 1);
                span.set_attribute("attribute", 1);
                span.set_status(Status::error("status"));
                span.add_link(context.span().span_context().clone());
                span.in_scope(|| {
                    error!("in the child");
                    record_error(&io::Error::other("recorded in the child"));
                    info_span!("below").in_scope(|| info!("below"));
                });
                drop(span);
                exit_if(true);
            }
            Fork::Parent(child) => {
                let status = code(child);
                ENDING[1].wait();
                exit_after(status);
            }
        }
    });
}

fn output_of(task: &str) -> Vec<Json> {
    output_with(task, "")
}

fn output_with(task: &str, argument: &str) -> Vec<Json> {
    let mut child = Running::start(
        child_process::command("child")
            .envs([(TASK, task), (ARGUMENT, argument)])
            .stdout(Stdio::null())
            .stderr(Stdio::piped()),
    );
    let mut text = String::new();
    let mut stderr = child.stderr.take().unwrap();
    let reading = std::thread::spawn(move || {
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(child.end_within(LONG * 2).code(), Some(HOLDS), "{task}");
    let text = reading.join().unwrap();
    let own = |line: &&str| *line != "thread caused non-unwinding panic. aborting.";
    text.lines()
        .filter(own)
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

fn count(lines: &[Json], message: &str) -> usize {
    lines.iter().filter(|line| line["message"] == message).count()
}

#[test]
fn a_child_logs_and_ends_at_once() {
    let lines = output_of("log");
    for message in
        ["before", "in the child", "on a thread of the child", "after the shutdown", "in the parent"]
    {
        assert_eq!(count(&lines, message), 1, "{message}: {lines:?}");
    }
}

#[test]
fn parent_and_children_make_different_ids() {
    let lines = output_of("ids");
    let inside: Vec<_> = lines.iter().filter(|line| line["message"] == "inside").collect();
    // Before the fork, in the parent, in two children, and in one child of each.
    assert_eq!(inside.len(), 20 * 8, "{lines:?}");
    for id in ["trace_id", "span_id"] {
        let ids: HashSet<_> = inside.iter().map(|line| line[id].as_str().unwrap()).collect();
        assert_eq!(ids.len(), inside.len(), "{id}");
    }
}

#[test]
fn a_full_buffer_does_not_hang_the_child() {
    let lines = output_of("full buffer");
    assert_eq!(count(&lines, "in the child"), 1, "{lines:?}");
}

#[test]
fn a_fork_while_threads_record_leaves_no_lock_to_the_child() {
    for task in ["busy", "busy processors"] {
        let lines = output_of(task);
        let in_child = lines.iter().filter(|line| line["place"] == "child").count();
        assert_eq!(in_child, FORKS, "{task}");
    }
}

#[test]
fn a_child_that_calls_init_exports_all_signals_as_an_instance_of_its_own() {
    let collector = Collector::start().unwrap();
    let lines = output_with("export", &collector.endpoint());
    let exported = ["before", "child", "grandchild", "after"];
    for name in exported {
        assert_eq!(count(&lines, name), 1, "{name}: {lines:?}");
    }
    assert_eq!(count(&lines, "lost"), 1, "{lines:?}");
    let received = collector.received();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let expected = sorted(exported.map(str::to_owned).to_vec());
    let spans = received.spans();
    assert_eq!(sorted(spans.iter().filter_map(|span| span.attribute_text("name")).collect()), expected);
    let bodies = received.logs().iter().map(CollectedLog::body).collect();
    assert_eq!(sorted(bodies), expected);
    for name in exported {
        assert_eq!(received.value(name, &[]), Some(1.0), "{name}");
    }
    assert_eq!(received.value("lost", &[]), None);
    let instances: HashSet<_> =
        spans.iter().map(|span| format!("{:?}", span.resource_attribute("service.instance.id"))).collect();
    assert_eq!(instances.len(), 3, "{instances:?}");
    // Those that were open at the fork end in the parent alone, as one more trace.
    for name in ["open", "pending"] {
        assert_eq!(spans.iter().filter(|span| span.name() == name).count(), 1, "{name}");
    }
    assert_eq!(received.trace_ids().len(), 5);
}

#[test]
fn the_meter_provider_of_the_parent_flushes_and_ends_at_once_in_a_child() {
    output_of("meter provider");
}

#[test]
fn forked_processes_reload_each_with_its_own_guard() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    std::fs::write(&path, configuration("info")).unwrap();
    let lines = output_with("reload", path.to_str().unwrap());
    for message in ["child", "parent"] {
        assert_eq!(count(&lines, &format!("{message}, before")), 0, "{lines:?}");
        assert_eq!(count(&lines, &format!("{message}, after")), 1, "{lines:?}");
    }
}

#[test]
fn a_panic_that_aborts_a_child_delivers_what_is_pending() {
    let collector = Collector::start().unwrap();
    let lines = output_with("abort", &collector.endpoint());
    assert_eq!(count(&lines, "thread 'child' panicked: on purpose"), 1, "{lines:?}");
    assert_eq!(collector.received().span("work").attribute_text("name").as_deref(), Some("child"));
    assert_eq!(collector.received().log("child").body(), "child");
}

#[test]
fn child_does_not_hang_on_a_span_locked_by_the_parent() {
    let lines = output_of("locked span");
    for message in ["in the child", "recorded in the child", "below"] {
        assert_eq!(count(&lines, message), 1, "{message}: {lines:?}");
    }
}
