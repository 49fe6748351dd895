//! Instructions per item of the hot paths, beside the stock parts, counted by callgrind.
//!
//! ```sh
//! cargo bench --bench instructions                 # all rows; needs valgrind
//! cargo bench --bench instructions -- 'span' root  # the rows whose names contain one of these words
//! KEEP_PROFILES=/tmp/profiles cargo bench --bench instructions -- record   # for callgrind_annotate
//! ```
//!
//! Each side of a row is a process under callgrind that exports to a collector in a third one. It does its work twice,
//! with one turn and with several: the difference, divided by the items of the further turns, is what an item takes,
//! without the start. The *process* is everything, the threads that export and write included; the *caller* is the thread
//! that records alone.

#![expect(clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, io};

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use support::Collector;
use telemetry_bootstrap::json::JsonLayer;
use telemetry_bootstrap::{LogDestination, LogFormat};
use tokio::runtime::Runtime;
use tracing::{info, info_span};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// One row of the table.
struct Row {
    name: &'static str,
    parts: Parts,
    /// Does so many items.
    work: fn(u64),
    /// The goal for the whole process.
    goal: f64,
}

/// What telemetry consists of.
#[derive(Clone, Copy, PartialEq)]
struct Parts {
    spans: Spans,
    lines: Lines,
    records: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Spans {
    None,
    Sampled,
    /// By a ratio of nothing.
    Unsampled,
}

#[derive(Clone, Copy, PartialEq)]
enum Lines {
    None,
    /// The layer alone, without the writer.
    Layer,
    All,
}

impl Parts {
    const NONE: Self = Self { spans: Spans::None, lines: Lines::None, records: false };
    const SPANS: Self = Self { spans: Spans::Sampled, ..Self::NONE };
    const UNSAMPLED: Self = Self { spans: Spans::Unsampled, ..Self::NONE };
    const LINES: Self = Self { lines: Lines::All, ..Self::NONE };
    const RECORDS: Self = Self { records: true, ..Self::NONE };
    const ALL: Self = Self { spans: Spans::Sampled, lines: Lines::All, records: true };
}

const ROWS: &[Row] = &[
    Row { name: "a span of the registry alone", parts: Parts::NONE, work: spans, goal: 1.0 },
    Row { name: "span", parts: Parts::SPANS, work: spans, goal: 0.15 },
    Row { name: "span with an unsigned field", parts: Parts::SPANS, work: unsigned_spans, goal: 0.15 },
    Row { name: "unsampled root", parts: Parts::UNSAMPLED, work: spans, goal: 0.35 },
    Row { name: "below an unsampled parent", parts: Parts::UNSAMPLED, work: children, goal: 0.15 },
    Row { name: "2 spans and an event, everything", parts: Parts::ALL, work: requests, goal: 0.16 },
    Row { name: "record", parts: Parts::RECORDS, work: events, goal: 0.20 },
    Row {
        name: "line in 2 spans, layer alone",
        parts: Parts { lines: Lines::Layer, ..Parts::NONE },
        work: events_in_spans,
        goal: 0.08,
    },
    Row { name: "line in 2 spans, init()", parts: Parts::LINES, work: events_in_spans, goal: 0.12 },
];

fn spans(count: u64) {
    (0..count).for_each(|_| drop(info_span!("query", table = "orders", rows = 17).entered()));
}

fn unsigned_spans(count: u64) {
    (0..count).for_each(|rows| drop(info_span!("query", table = "orders", rows).entered()));
}

fn children(count: u64) {
    let _parent = info_span!("request", method = "GET").entered();
    spans(count);
}

fn requests(count: u64) {
    (0..count).for_each(|_| {
        let _outer = info_span!("request", method = "GET", path = "/orders/42", attempt = 1).entered();
        let _inner = info_span!("query", table = "orders", rows = 17).entered();
        info!(user_id = 42, cached = false, took = 0.25, "order placed");
    });
}

fn events(count: u64) {
    let _ids = Context::new().with_remote_span_context(span_context()).attach();
    (0..count).for_each(|number| info!(number, cached = false, table = "orders", "order placed"));
}

fn events_in_spans(count: u64) {
    let _ids = Context::new().with_remote_span_context(span_context()).attach();
    let _outer = info_span!("request", method = "GET", path = "/orders/42", attempt = 1).entered();
    let _inner = info_span!("query", table = "orders", rows = 17).entered();
    (0..count).for_each(|_| info!(user_id = 42, cached = false, took = 0.25, "order placed"));
}

fn span_context() -> SpanContext {
    let (trace, span) = (TraceId::from(7_u128 << 100), SpanId::from(7_u64 << 50));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default())
}

/// Delivers what was recorded.
type Flush = Box<dyn Fn()>;

fn ours(parts: Parts, endpoint: &str) -> Flush {
    if parts == Parts::NONE {
        tracing_subscriber::registry().init();
        return Box::new(|| {});
    }
    if parts.lines == Lines::Layer {
        let layer = JsonLayer::new(io::sink).with_filter(EnvFilter::new("info"));
        tracing_subscriber::registry().with(layer).init();
        return Box::new(|| {});
    }
    let format = if parts.lines == Lines::All { LogFormat::Json } else { LogFormat::Off };
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .service_name("bench")
        .endpoint(endpoint)
        .metrics(|metrics| metrics.export(false))
        .traces(|traces| match parts.spans {
            Spans::None => traces.export(false),
            Spans::Sampled => traces,
            Spans::Unsampled => traces.sampler(unsampled()),
        })
        .logs(|logs| logs.export(parts.records))
        .log_output(|output| output.format(format).destination(LogDestination::writer(io::sink)))
        .build()
        .expect("telemetry");
    Box::new(move || {
        telemetry.force_flush(Duration::from_secs(60)).expect("a live collector");
        assert_eq!(telemetry.stats().lost(), 0);
    })
}

fn stock(parts: Parts, endpoint: &str) -> Flush {
    if parts.lines != Lines::None && parts.spans == Spans::None {
        tracing_subscriber::fmt().json().with_env_filter("info").with_writer(io::sink).init();
        return Box::new(|| {});
    }
    let runtime = Runtime::new().expect("a runtime");
    let inside = runtime.enter();
    let tracers = (parts.spans != Spans::None).then(|| {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let sampler = if parts.spans == Spans::Unsampled { unsampled() } else { sampled() };
        let provider = SdkTracerProvider::builder().with_sampler(sampler);
        provider.with_batch_exporter(exporter.expect("an exporter")).build()
    });
    let loggers = parts.records.then(|| {
        let exporter = LogExporter::builder().with_tonic().with_endpoint(endpoint).build();
        SdkLoggerProvider::builder().with_batch_exporter(exporter.expect("an exporter")).build()
    });
    drop(inside);
    let spans =
        tracers.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("bench")));
    let lines =
        (parts.lines == Lines::All).then(|| tracing_subscriber::fmt::layer().json().with_writer(io::sink));
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(spans)
        .with(loggers.as_ref().map(OpenTelemetryTracingBridge::new))
        .with(lines)
        .init();
    Box::new(move || {
        let _ = &runtime;
        if let Some(tracers) = &tracers {
            tracers.force_flush().expect("a live collector");
        }
        if let Some(loggers) = &loggers {
            loggers.force_flush().expect("a live collector");
        }
    })
}

fn sampled() -> Sampler {
    Sampler::ParentBased(Box::new(Sampler::AlwaysOn))
}

fn unsampled() -> Sampler {
    Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.0)))
}

fn main() {
    if support::play_collector() || play() {
        return;
    }
    let words: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_chosen =
        |row: &&Row| words.is_empty() || words.iter().any(|word| row.name.contains(word.as_str()));
    let is_test = support::is_test();
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if !is_test && !has_valgrind {
        eprintln!("valgrind is needed to count instructions");
        return;
    }
    let collector = Collector::start();
    println!(
        "{:<34}{:>9}{:>9}{:>7}{:>7}{:>16}{:>7}",
        "", "ours", "stock", "ratio", "goal", "caller: ours", "ratio"
    );
    for row in ROWS.iter().filter(is_chosen) {
        if is_test {
            for side in [OURS, STOCK] {
                let status = command(Command::new(this_program()), side, row, &collector, 1).status();
                assert!(status.expect("a process").success());
            }
            continue;
        }
        let (ours, stock) = (per_item(OURS, row, &collector), per_item(STOCK, row, &collector));
        println!(
            "{:<34}{:>9.0}{:>9.0}{:>7.3}{:>7.2}{:>16.0}{:>7.3}",
            row.name,
            ours.process,
            stock.process,
            ours.process / stock.process,
            row.goal,
            ours.caller,
            ours.caller / stock.caller
        );
    }
}

/// Is one side of a row, if this process was started for that.
fn play() -> bool {
    let (Ok(side), Ok(row), Ok(endpoint), Ok(turns)) =
        (env::var(SIDE), env::var(ROW), env::var(ENDPOINT), env::var(TURNS))
    else {
        return false;
    };
    let row = ROWS.iter().find(|known| known.name == row).expect("a row");
    let flush = if side == OURS { ours(row.parts, &endpoint) } else { stock(row.parts, &endpoint) };
    let turns: u64 = turns.parse().expect("a number");
    // As many as the SDK's queue holds.
    (0..turns).for_each(|_| {
        (row.work)(TURN);
        flush();
    });
    true
}

/// Instructions.
#[derive(Clone, Copy)]
struct Instructions {
    process: f64,
    caller: f64,
}

fn per_item(side: &str, row: &Row, collector: &Collector) -> Instructions {
    let few = instructions(side, row, collector, 1);
    let many = instructions(side, row, collector, MANY_TURNS);
    let items = (TURN * (MANY_TURNS - 1)) as f64;
    Instructions { process: (many.process - few.process) / items, caller: (many.caller - few.caller) / items }
}

fn instructions(side: &str, row: &Row, collector: &Collector, turns: u64) -> Instructions {
    let name = format!("{} {side} {turns}", row.name).replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let kept = env::var_os("KEEP_PROFILES").map(PathBuf::from);
    let directory = kept.clone().unwrap_or_else(env::temp_dir).join(format!("{name}_{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--separate-threads=yes", "-q"]);
    valgrind.arg(format!("--callgrind-out-file={}", directory.join("out").display()));
    valgrind.arg(this_program());
    let status = command(valgrind, side, row, collector, turns).status().expect("valgrind");
    assert!(status.success(), "{}: {side}", row.name);
    let threads: Vec<(PathBuf, f64)> = fs::read_dir(&directory)
        .expect("the profiles")
        .map(|file| file.expect("a profile").path())
        .filter_map(|file| Some((file.clone(), total(&file)?)))
        .collect();
    let of_caller = |file: &Path| file.to_string_lossy().ends_with("-01");
    let caller = threads.iter().filter(|(file, _)| of_caller(file)).map(|(_, count)| count).sum();
    if kept.is_none() {
        let _ = fs::remove_dir_all(&directory);
    }
    Instructions { process: threads.iter().map(|(_, count)| count).sum(), caller }
}

/// The total of one thread's profile.
fn total(profile: &Path) -> Option<f64> {
    let text = fs::read_to_string(profile).ok()?;
    text.lines().rev().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

fn command(mut program: Command, side: &str, row: &Row, collector: &Collector, turns: u64) -> Command {
    program.env(SIDE, side).env(ROW, row.name).env(ENDPOINT, collector.endpoint());
    program.env(TURNS, turns.to_string());
    program
}

fn this_program() -> PathBuf {
    env::current_exe().expect("this program")
}

const OURS: &str = "ours";
const STOCK: &str = "stock";
const SIDE: &str = "BENCH_SIDE";
const ROW: &str = "BENCH_ROW";
const ENDPOINT: &str = "BENCH_ENDPOINT";
const TURNS: &str = "BENCH_TURNS";
const TURN: u64 = 2_000;
const MANY_TURNS: u64 = 6;
