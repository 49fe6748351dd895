//! Random programs, run with the stock parts and with ours: both export the same trees of spans, and the same records in
//! them.
//!
//! A program nests spans of every level, events, level checks, values that are recorded, links, panics, awaits and
//! futures that are dropped, also inside macro arguments and across threads. `SPAN_PROGRAMS=1000` runs so many,
//! `SPAN_PROGRAMS_SEED=7` starts with that one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod local;

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use local::Local;
use opentelemetry::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, SdkTracerProvider, Span as SdkSpan, SpanData, SpanProcessor,
};
use telemetry_bootstrap::testing::{Collector, StatusCode};
use telemetry_bootstrap::{Builder, opentelemetry, opentelemetry_sdk, tracing, tracing_subscriber};
use tracing::dispatcher::{get_default, with_default};
use tracing::{Dispatch, Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Clone, Debug)]
enum Op {
    Span {
        id: i64,
        kind: u8,
        parent: Parent,
        how: How,
        before: Before,
        body: Vec<Op>,
    },
    /// `body` runs while the arguments of the macro are evaluated.
    Event {
        id: i64,
        kind: u8,
        leaves: Leaves,
        body: Vec<Op>,
    },
    Check(u8),
    /// In the current span, or in one that is kept.
    Record {
        slot: Option<usize>,
        field: u8,
        value: i64,
    },
    Link {
        slot: usize,
    },
    CatchPanic(Vec<Op>),
    Panic,
    Thread {
        carries_span: bool,
        body: Vec<Op>,
    },
    /// These need an async function around them.
    Yield,
    Join(Vec<Op>, Vec<Op>),
    /// Polled so many times and then dropped.
    Cancel {
        polls: u8,
        body: Vec<Op>,
    },
}

/// What is done with a span before it is entered.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    remote_parent: Option<u64>,
    renamed: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
enum Parent {
    Current,
    Root,
    Kept(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Entered,
    InScope,
    /// Dropped without being entered; the body runs outside.
    NeverEntered,
    /// Entered, exited and entered again.
    Twice,
    Instrumented,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Leaves {
    No,
    /// With `?` inside of the macro.
    Early,
}

/// Random numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

struct Generator {
    random: Random,
    next_id: i64,
    uses_current: bool,
}

impl Generator {
    fn ops(&mut self, depth: u32, is_async: bool) -> Vec<Op> {
        (0..self.random.below(4) + 1).map(|_| self.op(depth, is_async)).collect()
    }

    fn body(&mut self, depth: u32, is_async: bool) -> Vec<Op> {
        if depth == 0 || self.random.one_in(4) { Vec::new() } else { self.ops(depth - 1, is_async) }
    }

    fn op(&mut self, depth: u32, is_async: bool) -> Op {
        match self.random.below(if is_async { 17 } else { 13 }) {
            0..5 => self.span(depth, is_async),
            5..7 => self.event(depth, is_async),
            7 => Op::Check(self.random.below(6) as u8),
            8 | 9 => Op::Record {
                slot: (!self.uses_current || self.random.one_in(3)).then(|| self.slot()),
                field: self.random.below(3) as u8,
                value: self.random.below(100) as i64,
            },
            10 if self.uses_current => Op::Link { slot: self.slot() },
            10 => Op::Check(0),
            11 => Op::CatchPanic(self.with_panic(depth)),
            12 => Op::Thread { carries_span: self.random.one_in(2), body: self.body(depth, false) },
            13 | 14 => Op::Yield,
            15 => Op::Join(self.body(depth, true), self.body(depth, true)),
            _ => Op::Cancel { polls: self.random.below(4) as u8, body: self.body(depth, true) },
        }
    }

    fn slot(&mut self) -> usize {
        self.random.below(KEPT as u64) as usize
    }

    fn id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    fn span(&mut self, depth: u32, is_async: bool) -> Op {
        let (id, kind) = (self.id(), self.random.below(KINDS) as u8);
        // A span that is there for lines alone stands for the one around it.
        let is_only_for_lines = !self.uses_current && [2, 3].contains(&kind);
        let parent = match self.random.below(8) {
            _ if is_only_for_lines => Parent::Current,
            0 => Parent::Root,
            1 => Parent::Kept(self.slot()),
            _ => Parent::Current,
        };
        let before = Before {
            remote_parent: self.random.one_in(10).then(|| self.random.below(u64::MAX - 1) + 1),
            // Later the two differ: ours is renamed, the stock one is not.
            renamed: self.random.one_in(10).then(|| self.random.below(100) as i64),
        };
        let how = match self.random.below(if is_async { 7 } else { 5 }) {
            0 => How::NeverEntered,
            1 => How::Twice,
            2 => How::InScope,
            3 | 4 => How::Entered,
            _ => How::Instrumented,
        };
        let body = self.body(depth, how == How::Instrumented);
        Op::Span { id, kind, parent, how, before, body }
    }

    fn event(&mut self, depth: u32, is_async: bool) -> Op {
        let leaves = if self.random.one_in(4) { Leaves::Early } else { Leaves::No };
        let body = if self.random.one_in(2) { self.body(depth, is_async) } else { Vec::new() };
        let kinds = if self.uses_current { 4 } else { 3 };
        Op::Event { id: self.id(), kind: self.random.below(kinds) as u8, leaves, body }
    }

    fn with_panic(&mut self, depth: u32) -> Vec<Op> {
        let mut body = self.body(depth, false);
        let place = self.random.below(body.len() as u64 + 1) as usize;
        let panic = match self.random.one_in(2) {
            true => Op::Panic,
            false => Op::Span {
                id: self.id(),
                kind: 0,
                parent: Parent::Current,
                how: How::Entered,
                before: Before::default(),
                body: vec![Op::Panic],
            },
        };
        body.insert(place, panic);
        body
    }
}

struct Program {
    seed: u64,
    ops: Vec<Op>,
    last_id: i64,
}

impl Program {
    /// `uses_current`: there are values for the current span, and arguments of DEBUG events, which depend on the level of
    /// lines.
    fn new(seed: u64, first_id: i64, uses_current: bool) -> Self {
        let mut generator = Generator { random: Random(seed), next_id: first_id, uses_current };
        let ops = (0..3).flat_map(|_| generator.ops(4, true)).collect();
        Self { seed, ops, last_id: generator.next_id }
    }
}

/// What a running program shares among its threads.
struct Machine {
    kept: Vec<Span>,
}

/// Runs a program in this thread.
fn run(program: &Program) {
    let first = -(program.seed as i64) * 10;
    let kept = (0..KEPT).map(|slot| kept_span(slot, first - slot as i64)).collect();
    let machine = Machine { kept };
    block_on(machine.run_async(&program.ops));
}

/// The first one has not started. The others have: of several statuses before the start the stock bridge takes the
/// last, ours takes success.
fn kept_span(slot: usize, id: i64) -> Span {
    use tracing::field::Empty;
    if slot == 0 {
        return tracing::info_span!("kept", id, a = Empty, b = Empty);
    }
    let span = tracing::info_span!("kept", id, a = Empty, b = Empty, otel.status_code = Empty);
    span.in_scope(|| ());
    span
}

macro_rules! spans {
    ($id:ident, $parent:ident, $kind:ident, [$($number:literal => $level:ident $name:literal),*]) => {
        match ($kind, $parent) {
            $(
                ($number, Made::Current) => tracing::span!(tracing::Level::$level, $name, id = $id,
                    a = tracing::field::Empty, b = 7_u32,
                    otel.name = tracing::field::Empty, otel.status_code = tracing::field::Empty),
                ($number, Made::Root) => tracing::span!(parent: None, tracing::Level::$level, $name, id = $id,
                    a = 1, b = tracing::field::Empty,
                    otel.name = tracing::field::Empty, otel.status_code = tracing::field::Empty),
                ($number, Made::Below(parent)) => tracing::span!(parent: parent, tracing::Level::$level, $name,
                    id = $id, a = "text", b = ?Some(1),
                    otel.name = tracing::field::Empty, otel.status_code = tracing::field::Empty),
            )*
            _ => Span::none(),
        }
    };
}

enum Made<'a> {
    Current,
    Root,
    Below(&'a Span),
}

macro_rules! events {
    ($id:ident, $kind:ident, $value:expr) => {
        match $kind {
            0 => tracing::info!(id = $id, value = $value, "event"),
            1 => tracing::error!(id = $id, value = $value, "event"),
            2 => tracing::warn!(id = $id, "event {}", $value),
            _ => tracing::debug!(id = $id, value = $value, "event"),
        }
    };
}

impl Machine {
    fn span(&self, id: i64, kind: u8, parent: Parent, before: Before) -> Span {
        let parent = match parent {
            Parent::Current => Made::Current,
            Parent::Root => Made::Root,
            Parent::Kept(slot) => Made::Below(&self.kept[slot]),
        };
        let span = spans!(id, parent, kind, [
            0 => INFO "info", 1 => WARN "warn", 2 => DEBUG "debug", 3 => TRACE "trace", 4 => ERROR "error"
        ]);
        if let Some(number) = before.renamed {
            span.record("otel.name", format!("named {number}"));
        }
        if let Some(remote) = before.remote_parent {
            let context = SpanContext::new(
                TraceId::from(u128::from(remote) << 40),
                SpanId::from(remote),
                TraceFlags::SAMPLED,
                true,
                TraceState::default(),
            );
            let _ = span.set_parent(Context::new().with_remote_span_context(context));
        }
        span
    }

    /// Runs everything that does not await.
    fn run(&self, ops: &[Op]) {
        for op in ops {
            self.step(op);
        }
    }

    fn step(&self, op: &Op) {
        match op {
            Op::Span { id, kind, parent, how, before, body } => {
                let span = self.span(*id, *kind, *parent, *before);
                match how {
                    How::NeverEntered => {
                        drop(span);
                        self.run(body);
                    }
                    How::Twice => {
                        span.in_scope(|| ());
                        span.in_scope(|| self.run(body));
                    }
                    How::InScope => span.in_scope(|| self.run(body)),
                    How::Entered | How::Instrumented => {
                        let _entered = span.entered();
                        self.run(body);
                    }
                }
            }
            Op::Event { id, kind, leaves, body } => {
                let (id, kind) = (*id, *kind);
                let _left = || -> Option<()> {
                    events!(id, kind, {
                        self.run(body);
                        leave(*leaves)?
                    });
                    Some(())
                };
                _left();
            }
            Op::Check(check) => match check {
                0 => _ = tracing::enabled!(tracing::Level::INFO),
                1 => _ = tracing::enabled!(tracing::Level::TRACE),
                2 => _ = tracing::event_enabled!(tracing::Level::WARN),
                3 => _ = tracing::span_enabled!(tracing::Level::DEBUG),
                4 => _ = log::log_enabled!(log::Level::Warn),
                _ => _ = log::log_enabled!(log::Level::Trace),
            },
            Op::Record { slot, field, value } => {
                let current = Span::current();
                let span = slot.map_or(&current, |slot| &self.kept[slot]);
                match field {
                    0 => _ = span.record("a", value),
                    1 => _ = span.record("b", tracing::field::debug(value)),
                    _ => _ = span.record("otel.status_code", if *value < 50 { "ok" } else { "error" }),
                }
            }
            Op::Link { slot } => _ = Span::current().follows_from(&self.kept[*slot]),
            Op::CatchPanic(body) => {
                _ = catch_unwind(AssertUnwindSafe(|| self.run(body)));
            }
            // Without the hook, which would write about it.
            Op::Panic => resume_unwind(Box::new("on purpose")),
            Op::Thread { carries_span, body } => {
                let (dispatch, current) = (get_default(Dispatch::clone), Span::current());
                std::thread::scope(|scope| {
                    let run = || {
                        with_default(&dispatch, || {
                            let _entered = carries_span.then(|| current.enter());
                            self.run(body);
                        });
                    };
                    scope.spawn(run).join().unwrap_or_else(|panic| resume_unwind(panic));
                });
            }
            Op::Yield => {}
            Op::Join(one, other) => {
                self.run(one);
                self.run(other);
            }
            Op::Cancel { body, .. } => self.run(body),
        }
    }

    fn run_async<'a>(&'a self, ops: &'a [Op]) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(async move {
            for op in ops {
                self.step_async(op).await;
            }
        })
    }

    async fn step_async(&self, op: &Op) {
        match op {
            Op::Span { id, kind, parent, how: How::Instrumented, before, body } => {
                let span = self.span(*id, *kind, *parent, *before);
                self.run_async(body).instrument(span).await;
            }
            Op::Event { id, kind, leaves, body } => {
                let (id, kind) = (*id, *kind);
                let event = async {
                    events!(id, kind, {
                        self.run_async(body).await;
                        leave(*leaves)?
                    });
                    Some(())
                };
                let _: Option<()> = event.await;
            }
            Op::Yield => Yield(false).await,
            Op::Join(one, other) => {
                let (mut one, mut other) = (self.run_async(one), self.run_async(other));
                let mut done = (false, false);
                std::future::poll_fn(move |context| {
                    done.0 = done.0 || one.as_mut().poll(context).is_ready();
                    done.1 = done.1 || other.as_mut().poll(context).is_ready();
                    if done == (true, true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
            Op::Cancel { polls, body } => {
                let mut future = self.run_async(body);
                let mut left = *polls;
                std::future::poll_fn(|context| {
                    left = left.saturating_sub(1);
                    match future.as_mut().poll(context) {
                        Poll::Pending if left > 0 => Poll::Pending,
                        _ => Poll::Ready(()),
                    }
                })
                .await;
            }
            other => self.step(other),
        }
    }
}

fn leave(leaves: Leaves) -> Option<i64> {
    (leaves == Leaves::No).then_some(1)
}

/// Pending once.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn block_on(mut future: Pin<Box<dyn Future<Output = ()> + '_>>) {
    let mut context = TaskContext::from_waker(Waker::noop());
    while future.as_mut().poll(&mut context).is_pending() {}
}

/// What was exported, by the `id` of each span and event.
#[derive(Debug, Default, PartialEq)]
struct Exported {
    spans: BTreeMap<i64, Node>,
    events: BTreeMap<i64, Vec<Place>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Node {
    name: String,
    parent: Place,
    attributes: BTreeMap<String, String>,
    status: StatusCode,
    links: Vec<Place>,
    /// How many times it was exported.
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    None,
    Span(i64),
    Elsewhere(u64),
}

/// A span or an event as it was exported.
struct RawSpan {
    span_id: u64,
    parent: u64,
    name: String,
    attributes: BTreeMap<String, String>,
    status: StatusCode,
    links: Vec<u64>,
}

fn exported(spans: Vec<RawSpan>, events: Vec<(i64, u64)>) -> Exported {
    let id = |attributes: &BTreeMap<String, String>| attributes["id"].parse::<i64>().unwrap();
    let ids: BTreeMap<u64, i64> = spans.iter().map(|span| (span.span_id, id(&span.attributes))).collect();
    let place = |span_id: u64| match ids.get(&span_id) {
        _ if span_id == 0 => Place::None,
        Some(id) => Place::Span(*id),
        None => Place::Elsewhere(span_id),
    };
    let mut result = Exported::default();
    for span in spans {
        let mut links: Vec<_> = span.links.iter().map(|link| place(*link)).collect();
        links.sort();
        let mut attributes = span.attributes;
        // Inferred by this crate alone.
        attributes.remove("error.type");
        let node = Node {
            name: span.name,
            parent: place(span.parent),
            status: span.status,
            links,
            count: 1,
            attributes: attributes.clone(),
        };
        let known = result.spans.entry(id(&attributes)).or_insert(Node { count: 0, ..node });
        known.count += 1;
    }
    for (id, span) in events {
        result.events.entry(id).or_default().push(place(span));
    }
    result.events.values_mut().for_each(|places| places.sort());
    result
}

/// The stock parts, wired as their documentation shows.
fn with_stock(programs: impl FnOnce(&Dispatch)) -> Exported {
    let (spans, logs) = (InMemorySpanExporter::default(), InMemoryLogExporter::default());
    let tracer = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let logger = SdkLoggerProvider::builder().with_simple_exporter(logs.clone()).build();
    let subscriber = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(
            tracing_opentelemetry::layer()
                .with_tracer(tracer.tracer("stock"))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_level(false)
                .with_tracked_inactivity(false),
        )
        .with(OpenTelemetryTracingBridge::new(&logger));
    programs(&Dispatch::new(subscriber));
    let raw = |span: SpanData| RawSpan {
        span_id: number(&span.span_context.span_id().to_bytes()),
        parent: number(&span.parent_span_id.to_bytes()),
        name: span.name.into_owned(),
        // The last value counts.
        attributes: span.attributes.iter().map(|it| (it.key.to_string(), it.value.to_string())).collect(),
        status: match span.status {
            Status::Unset => StatusCode::Unset,
            Status::Ok => StatusCode::Ok,
            Status::Error { .. } => StatusCode::Error,
        },
        links: span.links.iter().map(|link| number(&link.span_context.span_id().to_bytes())).collect(),
    };
    let event = |log: opentelemetry_sdk::logs::in_memory_exporter::LogDataWithResource| {
        let mut id = log.record.attributes_iter().filter(|(key, _)| key.as_str() == "id");
        let Some((_, opentelemetry::logs::AnyValue::Int(id))) = id.next() else { panic!("{log:?}") };
        let span = log.record.trace_context().map_or(0, |it| number(&it.span_id.to_bytes()));
        (*id, span)
    };
    exported(
        spans.get_finished_spans().unwrap().into_iter().map(raw).collect(),
        logs.get_emitted_logs().unwrap().into_iter().map(event).collect(),
    )
}

type Adjust = fn(Builder) -> Builder;

/// Ours, adjusted, and with the layer in the subscriber that `subscriber` builds.
fn with_ours(adjust: Adjust, beside: bool, programs: impl FnOnce(&Dispatch)) -> Exported {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| {
        adjust(builder).shutdown_timeout(Duration::from_secs(30)).traces(|traces| traces.max_links(1000))
    });
    if beside {
        let (layer, guard) = adjust(telemetry_bootstrap::init().ignore_env().endpoint(collector.endpoint()))
            .log_output(|output| output.format(telemetry_bootstrap::LogFormat::Off))
            .build_local()
            .unwrap();
        // Layers that filter for themselves, before and after ours.
        let subscriber = tracing_subscriber::registry()
            .with(Quiet.with_filter(LevelFilter::WARN))
            .with(layer)
            .with(Quiet.with_filter(tracing_subscriber::EnvFilter::new("trace,span_programs=error")));
        programs(&Dispatch::new(subscriber));
        guard.shutdown().unwrap();
        local.shutdown();
    } else {
        programs(&local.subscriber);
        let (stats, _) = local.shutdown();
        assert_eq!((stats.lost(), stats.open_spans), (0, 0), "{stats}");
    }
    let received = collector.received();
    let raw = |span: telemetry_bootstrap::testing::CollectedSpan| RawSpan {
        span_id: number(&span.span.span_id),
        parent: number(&span.span.parent_span_id),
        name: span.name().to_owned(),
        attributes: span
            .span
            .attributes
            .iter()
            .map(|it| (it.key.clone(), span.attribute_text(&it.key).unwrap()))
            .collect(),
        status: span.status(),
        links: span.span.links.iter().map(|link| number(&link.span_id)).collect(),
    };
    let events = received
        .logs()
        .into_iter()
        .map(|log| (log.attribute_text("id").unwrap().parse().unwrap(), number(&log.record.span_id)));
    exported(received.spans().into_iter().map(raw).collect(), events.collect())
}

struct Quiet;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Quiet {}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}

/// A span processor that does nothing: with one, spans are recorded by the SDK.
#[derive(Debug)]
struct Idle;

impl SpanProcessor for Idle {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {}
    fn on_end(&self, _: SpanData) {}
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[test]
fn random_programs_export_what_they_export_with_the_stock_parts() {
    let setting =
        |name: &str, default| std::env::var(name).ok().map_or(default, |text| text.parse::<u64>().unwrap());
    let (count, first_seed) = (setting("SPAN_PROGRAMS", 300), setting("SPAN_PROGRAMS_SEED", 1));
    tracing_log::LogTracer::init().unwrap();
    let seeds = first_seed..first_seed + count;
    let programs = programs(seeds.clone(), true);
    let expected = with_stock(|dispatch| run_all(&programs, dispatch));
    assert!(expected.spans.len() > 5 * count as usize, "{} spans", expected.spans.len());
    assert!(expected.events.len() > count as usize, "{} events", expected.events.len());
    let ways: [(&str, Adjust, bool); 4] = [
        ("alone", |builder| builder, false),
        ("spans of the SDK", |builder| builder.traces(|traces| traces.span_processor(Idle)), false),
        ("stock bridge", |builder| builder.traces(|traces| traces.use_tracing_opentelemetry()), false),
        ("beside layers that filter", |builder| builder, true),
    ];
    for (way, adjust, beside) in ways {
        let found = with_ours(adjust, beside, |dispatch| run_all(&programs, dispatch));
        compare(way, &programs, &expected, &found);
    }

    let programs = self::programs(seeds, false);
    let expected = with_stock(|dispatch| run_all(&programs, dispatch));
    // More spans are there than are exported.
    let adjust = |builder: Builder| builder.log_filter("trace").logs(|logs| logs.filter("info"));
    let found = with_ours(adjust, false, |dispatch| run_all(&programs, dispatch));
    compare("lines of every level", &programs, &expected, &found);
}

fn programs(seeds: Range<u64>, uses_current: bool) -> Vec<Program> {
    let mut last_id = 0;
    let program = |seed| {
        let program = Program::new(seed, last_id, uses_current);
        last_id = program.last_id;
        program
    };
    seeds.map(program).collect()
}

/// On two threads at once, each program in one of them.
fn run_all(programs: &[Program], dispatch: &Dispatch) {
    let queue = Mutex::new(programs.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                with_default(dispatch, || {
                    loop {
                        let Some(program) = queue.lock().unwrap().next() else { return };
                        run(program);
                    }
                });
            });
        }
    });
}

fn compare(way: &str, programs: &[Program], expected: &Exported, found: &Exported) {
    let report = |id: i64, text: String| {
        let of_program = |program: &&Program| {
            program.last_id >= id && id > 0 || (id < 0 && (-id / 10) as u64 == program.seed)
        };
        let program = programs.iter().find(of_program).unwrap();
        panic!("{way}, seed {}, id {id}: {text}\n{:#?}", program.seed, program.ops);
    };
    for id in expected.spans.keys().chain(found.spans.keys()) {
        let (one, other) = (expected.spans.get(id), found.spans.get(id));
        if one != other {
            report(*id, format!("stock {one:#?}\nours {other:#?}"));
        }
    }
    for id in expected.events.keys().chain(found.events.keys()) {
        let (one, other) = (expected.events.get(id), found.events.get(id));
        if one != other {
            report(*id, format!("event: stock {one:?}, ours {other:?}"));
        }
    }
}

/// Kinds of spans: INFO, WARN, DEBUG, TRACE, ERROR.
const KINDS: u64 = 5;
/// Spans that a program can refer to, from anywhere.
const KEPT: usize = 3;
