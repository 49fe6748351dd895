//! Log lines beside those of `tracing_subscriber::fmt().json()`, in the same run.
//!
//! What it takes to make a line is the thread's processor time; how fast lines get through a pipe is the clock's.

#![expect(clippy::expect_used, reason = "a program for people")]

mod support;

use std::hint::black_box;
use std::io::{self, PipeWriter, Read};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use criterion::Criterion;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use support::{Budget, compare};
use telemetry_bootstrap::json::JsonLayer;
use telemetry_bootstrap::{LogDestination, NonBlockingWriter, OverflowPolicy};
use tracing::{Dispatch, debug, dispatcher, info, info_span};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

fn main() {
    support::main(&[], |criterion| {
        encoding(criterion);
        pipe(criterion);
    });
}

fn encoding(criterion: &mut Criterion) {
    encode(criterion, "no span", Budget::NONE, no_span);
    encode(criterion, "two spans, ids", Budget::of(0.15), two_spans);
    encode(criterion, "ten fields", Budget::NONE, ten_fields);
    encode(criterion, "filtered out", Budget::NONE, filtered_out);
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
    let begun = ThreadTime::now();
    (0..lines).for_each(|_| line());
    begun.elapsed()
}

/// Both write to nothing: what is compared is what it takes to make a line.
fn encode(criterion: &mut Criterion, name: &str, budget: Budget, work: fn(u64) -> Duration) {
    let ours = dispatch(JsonLayer::new(io::sink));
    let theirs = Dispatch::new(
        tracing_subscriber::fmt().json().with_env_filter("info").with_writer(io::sink).finish(),
    );
    compare(
        criterion,
        name,
        budget,
        TURN,
        |lines| dispatcher::with_default(&ours, || work(lines)),
        (REFERENCE, |lines| dispatcher::with_default(&theirs, || work(lines))),
    );
}

fn dispatch<W: for<'w> MakeWriter<'w> + Send + Sync + 'static>(layer: JsonLayer<W>) -> Dispatch {
    Dispatch::new(tracing_subscriber::registry().with(layer.with_filter(EnvFilter::new("info"))))
}

/// Lines in a pipe with a reader at its end, from one thread and from two.
fn pipe(criterion: &mut Criterion) {
    let ours = {
        let pipe = read_pipe();
        let writer = NonBlockingWriter::new(
            LogDestination::writer(move || pipe),
            OverflowPolicy::Block,
            NonBlockingWriter::DEFAULT_MAX_BYTES,
        )
        .expect("no file is opened");
        (dispatch(JsonLayer::new(writer.clone())), writer)
    };
    let pipe = read_pipe();
    let theirs = Dispatch::new(tracing_subscriber::fmt().json().with_writer(move || pipe).finish());
    for (threads, budget) in [(1, Budget::NONE), (2, Budget::of(0.15))] {
        compare(
            criterion,
            &format!("pipe, {threads} threads"),
            budget,
            TURN,
            // Ours count until the last line has left, as theirs do by themselves.
            |lines| from_threads(threads, &ours.0, lines, || assert!(ours.1.flush(Duration::from_secs(60)))),
            (REFERENCE, |lines| from_threads(threads, &theirs, lines, || {})),
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

const REFERENCE: &str = "fmt().json()";
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
