//! Methods of the guard, called from code of the program that telemetry runs: they return, and nothing is lost.
//!
//! Spans are encoded directly in one process, and are those of the SDK in another one.

#![expect(clippy::unwrap_used, reason = "test code")]

mod child_process;

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::trace::{Link, Span as _, SpanKind, TraceId, TraceState, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    SamplingDecision, SamplingResult, ShouldSample, Span, SpanData, SpanProcessor,
};
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{
    Builder, HeaderSource, LogDestination, Redaction, TelemetryGuard, opentelemetry, opentelemetry_sdk,
};
use tracing::field::{Empty, debug};
use tracing::{Event, Subscriber, error, info, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt as _};

/// Code of the program that telemetry runs.
#[derive(Clone, Copy, Debug)]
enum Place {
    SpanStart,
    SpanEnd,
    Sampler,
    Layer,
    Debug,
    Callback,
    Header,
    Redaction,
    Writer,
}

/// Each place calls the guard so many times.
const CALLS: usize = 3;
const THREADS: usize = 3;
const ROUNDS: usize = 20;

static GUARD: Mutex<Option<Arc<TelemetryGuard>>> = Mutex::new(None);
static CALLED: [AtomicUsize; 9] = [const { AtomicUsize::new(0) }; 9];

thread_local! {
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Calls the guard. What that calls in turn does not call it again.
fn call(place: Place) {
    if IS_INSIDE.replace(true) {
        return;
    }
    let guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(guard) = guard
        && CALLED[place as usize].fetch_add(1, Ordering::Relaxed) < CALLS
    {
        // A flush from code that the flush waits for cannot succeed. It returns all the same.
        let _ = guard.force_flush(Duration::from_millis(200));
        let _ = guard.stats();
        guard.set_log_filter("info").unwrap();
        guard.set_span_filter("info").unwrap();
        assert!(guard.reload().is_err());
        guard.tracer("inner").start(format!("inner.{place:?}")).end();
        guard.meter("inner").u64_counter(format!("inner.{place:?}")).build().add(1, &[]);
        info_span!("inside").in_scope(|| info!("inside"));
        log::warn!("inside");
        assert!(telemetry_bootstrap::init().ignore_env().build().is_err());
    }
    IS_INSIDE.set(false);
}

#[derive(Debug)]
struct Processor;

impl SpanProcessor for Processor {
    fn on_start(&self, _: &mut Span, _: &Context) {
        call(Place::SpanStart);
    }

    fn on_end(&self, _: SpanData) {
        call(Place::SpanEnd);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Sampler;

impl ShouldSample for Sampler {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        call(Place::Sampler);
        let decision = SamplingDecision::RecordAndSample;
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::NONE }
    }
}

struct UserLayer;

impl<S: Subscriber> Layer<S> for UserLayer {
    fn on_event(&self, _: &Event<'_>, _: LayerContext<'_, S>) {
        call(Place::Layer);
    }
}

struct Value;

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        call(Place::Debug);
        f.write_str("value")
    }
}

struct Output;

impl Write for Output {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        call(Place::Writer);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn builder(collector: &Collector) -> Builder {
    let is_secret = |key: &str| {
        call(Place::Redaction);
        key == "secret"
    };
    let token = || {
        call(Place::Header);
        "token".to_owned()
    };
    telemetry_bootstrap::init()
        .ignore_env()
        .endpoint(collector.endpoint())
        .layer(UserLayer)
        .redact(Redaction::matching(is_secret))
        .header_source("x-token", HeaderSource::from_fn(token))
        .log_output(|output| output.destination(LogDestination::writer(|| Output)))
        .metrics(|metrics| metrics.interval(Duration::from_millis(50)))
        .traces(|traces| traces.sampler(Sampler))
}

/// Records on several threads.
fn record() {
    let rounds = || {
        for _ in 0..ROUNDS {
            let span = info_span!("outer", value = ?Value, late = Empty);
            span.record("late", debug(Value));
            span.in_scope(|| {
                info!(value = ?Value, secret = 1, "event");
                error!(value = ?Value, "error");
            });
        }
    };
    thread::scope(|scope| (0..THREADS).for_each(|_| _ = scope.spawn(rounds)));
}

fn run(places: &[Place], configure: fn(Builder) -> Builder) {
    let collector = Collector::start().unwrap();
    let guard = Arc::new(configure(builder(&collector)).build().unwrap());
    GUARD.lock().unwrap().replace(Arc::clone(&guard));
    let observe = |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        call(Place::Callback);
        observer.observe(1, &[]);
    };
    let _observed = guard.meter("observed").u64_observable_gauge("observed").with_callback(observe).build();
    record();
    wait_until(|| places.iter().all(|place| CALLED[*place as usize].load(Ordering::Relaxed) >= CALLS));
    GUARD.lock().unwrap().take();
    wait_until(|| Arc::strong_count(&guard) == 1);
    let stats = Arc::into_inner(guard).unwrap().shutdown().unwrap();
    assert_eq!(stats.lost(), 0, "{stats}");
    let received = collector.received();
    let count = |name: &str| received.spans().iter().filter(|span| span.name() == name).count();
    assert_eq!(count("outer"), THREADS * ROUNDS);
    let logs = |message: &str| received.logs().iter().filter(|log| log.body() == message).count();
    assert_eq!((logs("event"), logs("error")), (THREADS * ROUNDS, THREADS * ROUNDS));
    for place in places {
        assert_eq!(received.value(&format!("inner.{place:?}"), &[]), Some(CALLS as f64), "{place:?}");
        // Telemetry is suppressed where metrics are observed, as the SDK does it.
        let spans = if matches!(place, Place::Callback) { 0 } else { CALLS };
        assert_eq!(count(&format!("inner.{place:?}")), spans, "{place:?}");
    }
}

fn wait_until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{CALLED:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A deadlock must not last for ever, nor be reported by a thread that telemetry could hold up as well.
fn run_within_a_minute(places: &'static [Place], configure: fn(Builder) -> Builder) {
    let (done, finished) = mpsc::channel();
    let runner = thread::spawn(move || {
        run(places, configure);
        let _ = done.send(());
    });
    if finished.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
        let _ = writeln!(io::stderr(), "calls so far: {CALLED:?}");
        std::process::abort();
    }
    runner.join().unwrap();
}

const ALWAYS: [Place; 7] = [
    Place::Sampler,
    Place::Layer,
    Place::Debug,
    Place::Callback,
    Place::Header,
    Place::Redaction,
    Place::Writer,
];
const WITH_PROCESSOR: [Place; 9] = [
    Place::SpanStart,
    Place::SpanEnd,
    Place::Sampler,
    Place::Layer,
    Place::Debug,
    Place::Callback,
    Place::Header,
    Place::Redaction,
    Place::Writer,
];

#[test]
fn guard_methods_return_inside_user_code() {
    child_process::passed("encoded_spans", &[]);
}

#[test]
fn guard_methods_return_inside_user_code_with_span_processors() {
    child_process::passed("sdk_spans", &[]);
}

/// `tracing` has the default subscriber of a thread borrowed while it calls that.
#[test]
fn filters_can_be_replaced_inside_a_layer_of_a_scoped_subscriber() {
    struct Replaces(Arc<Mutex<Option<TelemetryGuard>>>);

    impl<S: Subscriber> Layer<S> for Replaces {
        fn on_event(&self, _: &Event<'_>, _: LayerContext<'_, S>) {
            let guard = self.0.lock().unwrap();
            let guard = guard.as_ref().unwrap();
            guard.set_log_filter("off").unwrap();
            guard.set_span_filter("off").unwrap();
        }
    }

    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init().ignore_env().endpoint(collector.endpoint()).build_local();
    let (layer, guard) = telemetry.unwrap();
    let guard = Arc::new(Mutex::new(Some(guard)));
    let subscriber = tracing_subscriber::registry().with(layer).with(Replaces(Arc::clone(&guard)));
    tracing::subscriber::with_default(subscriber, || {
        info!("first");
        info_span!("span").in_scope(|| info!("second"));
    });
    let guard = guard.lock().unwrap().take().unwrap();
    assert_eq!(guard.shutdown().unwrap().traces.accepted, 0);
    assert_eq!(collector.received().logs().iter().map(|log| log.body()).collect::<Vec<_>>(), ["first"]);
}

#[test]
#[ignore = "runs in a process of its own"]
fn encoded_spans() {
    run_within_a_minute(&ALWAYS, |builder| builder);
}

#[test]
#[ignore = "runs in a process of its own"]
fn sdk_spans() {
    run_within_a_minute(&WITH_PROCESSOR, |builder| builder.traces(|traces| traces.span_processor(Processor)));
}
