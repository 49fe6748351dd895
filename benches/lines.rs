//! Log lines beside those of `tracing_subscriber::fmt().json()`, in the same run.
//!
//! The machine's speed drifts, so both are measured in turns, some thousand lines each; what counts is the ratio that is
//! printed at the end of each group.

#![expect(clippy::print_stderr, clippy::expect_used, reason = "a program for people")]

use std::cell::Cell;
use std::hint::black_box;
use std::io::{self, PipeWriter, Read};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use telemetry_bootstrap::json::JsonLayer;
use telemetry_bootstrap::{LineWriter, LogOutput, Overflow};
use tracing::{Dispatch, debug, dispatcher, info, info_span};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

criterion_group!(benches, encoding, pipe);
criterion_main!(benches);

fn encoding(criterion: &mut Criterion) {
    compare(criterion, "no span", no_span);
    compare(criterion, "two spans, ids", two_spans);
    compare(criterion, "ten fields", ten_fields);
    compare(criterion, "filtered out", filtered_out);
}

fn no_span(lines: u64) -> Duration {
    timed(lines, || info!("a line without anything else"))
}

fn two_spans(lines: u64) -> Duration {
    let _ids = Context::new().with_remote_span_context(span_context()).attach();
    let _outer = info_span!("request", method = "GET", path = "/orders/42", attempt = 1).entered();
    let _inner = info_span!("query", table = "orders", rows = 17).entered();
    timed(lines, || info!(user_id = 42, cached = false, took = 0.25, "order placed"))
}

fn ten_fields(lines: u64) -> Duration {
    timed(lines, || {
        info!(
            a = 1,
            b = "two",
            c = 3.5,
            d = true,
            e = ?Some(5),
            f = %6,
            g = u64::MAX,
            h = "a longer text, as they come",
            i = -9,
            j = "ten",
            "ten fields"
        );
    })
}

fn filtered_out(lines: u64) -> Duration {
    timed(lines, || debug!(user_id = 42, "never seen"))
}

fn timed(lines: u64, line: impl Fn()) -> Duration {
    let begun = Instant::now();
    (0..lines).for_each(|_| line());
    begun.elapsed()
}

/// Both write to nothing: what is compared is what it takes to make a line.
fn compare(criterion: &mut Criterion, name: &str, work: fn(u64) -> Duration) {
    let ours = dispatch(JsonLayer::new(io::sink));
    let theirs = Dispatch::new(
        tracing_subscriber::fmt().json().with_env_filter("info").with_writer(io::sink).finish(),
    );
    alternate(
        criterion,
        name,
        |lines| dispatcher::with_default(&ours, || work(lines)),
        |lines| dispatcher::with_default(&theirs, || work(lines)),
    );
}

fn dispatch<W: for<'w> MakeWriter<'w> + Send + Sync + 'static>(layer: JsonLayer<W>) -> Dispatch {
    Dispatch::new(tracing_subscriber::registry().with(layer.with_filter(EnvFilter::new("info"))))
}

/// Lines in a pipe with a reader at its end, from one thread and from two.
fn pipe(criterion: &mut Criterion) {
    let ours = {
        let pipe = read_pipe();
        let writer = LineWriter::start(
            LogOutput::writer(move || pipe),
            Overflow::Block,
            LineWriter::DEFAULT_MAX_BYTES,
        )
        .expect("no file is opened");
        (dispatch(JsonLayer::new(writer.clone())), writer)
    };
    let pipe = read_pipe();
    let theirs = Dispatch::new(tracing_subscriber::fmt().json().with_writer(move || pipe).finish());
    for threads in [1, 2] {
        alternate(
            criterion,
            &format!("pipe, {threads} threads"),
            // Ours count until the last line has left, as theirs do by themselves.
            |lines| from_threads(threads, &ours.0, lines, || assert!(ours.1.flush(Duration::from_secs(60)))),
            |lines| from_threads(threads, &theirs, lines, || {}),
        );
    }
}

fn read_pipe() -> &'static PipeWriter {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while reader.read(&mut buffer).is_ok_and(|length| length > 0) {}
    });
    Box::leak(Box::new(writer))
}

/// `lines` lines in all.
fn from_threads(threads: usize, dispatch: &Dispatch, lines: u64, finish: impl Fn()) -> Duration {
    let start = Arc::new(Barrier::new(threads + 1));
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (start, dispatch) = (Arc::clone(&start), dispatch.clone());
            thread::spawn(move || {
                dispatcher::with_default(&dispatch, || {
                    start.wait();
                    black_box(two_spans(lines / threads as u64));
                });
            })
        })
        .collect();
    start.wait();
    let begun = Instant::now();
    workers.into_iter().for_each(|worker| worker.join().expect("a line does not panic"));
    finish();
    begun.elapsed()
}

/// Measures both in turns of `TURN` lines and prints the ratio.
fn alternate(
    criterion: &mut Criterion,
    name: &str,
    ours: impl Fn(u64) -> Duration,
    theirs: impl Fn(u64) -> Duration,
) {
    let totals = Cell::new((Duration::ZERO, Duration::ZERO));
    let turns = |lines: u64| {
        let mut sums = (Duration::ZERO, Duration::ZERO);
        let mut left = lines;
        while left > 0 {
            let turn = left.min(TURN);
            sums.0 += ours(turn);
            sums.1 += theirs(turn);
            left -= turn;
        }
        let (all_ours, all_theirs) = totals.get();
        totals.set((all_ours + sums.0, all_theirs + sums.1));
        sums
    };
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    group.bench_function("ours", |bencher| bencher.iter_custom(|lines| turns(lines).0));
    group.bench_function("fmt().json()", |bencher| bencher.iter_custom(|lines| turns(lines).1));
    group.finish();
    let (ours, theirs) = totals.get();
    eprintln!("{name}: ratio {:.3}\n", ours.as_secs_f64() / theirs.as_secs_f64());
}

const TURN: u64 = 5_000;

fn span_context() -> SpanContext {
    SpanContext::new(
        TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
        SpanId::from(0xb7ad_6b71_6920_3331),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    )
}
