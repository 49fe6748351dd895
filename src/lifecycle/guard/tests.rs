use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use opentelemetry::Context;
use opentelemetry::metrics::AsyncInstrument;
use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tracing_subscriber::Registry;

use super::*;
use crate::testing::Collector;
use crate::{Builder, LogFormat};

fn guard(change: impl FnOnce(Builder) -> Builder) -> TelemetryGuard {
    let builder = change(crate::init().ignore_env().log_output(|output| output.format(LogFormat::Off)));
    builder.build_local::<Registry>().unwrap().1
}

#[test]
fn flush_accepts_the_longest_duration() {
    let collector = Collector::start().unwrap();
    let guard = guard(|builder| builder.endpoint(collector.endpoint()));
    guard.tracer("test").start("span").end();
    guard.force_flush(Duration::MAX).unwrap();
    assert_eq!(collector.received().span_count(), 1);
}

#[test]
fn a_span_that_ends_during_the_shutdown_is_counted() {
    let (ending, has_begun) = channel();
    let (go_on, wait) = channel();
    let collector = Collector::start().unwrap();
    let guard = guard(|builder| {
        let slow = Slow { ending, wait: Mutex::new(Some(wait)) };
        builder.endpoint(collector.endpoint()).traces(|traces| traces.span_processor(slow))
    });
    let mut span = guard.tracer("test").start("late");
    let shutdown = std::thread::spawn(|| guard.shutdown());
    has_begun.recv().unwrap();
    span.end();
    go_on.send(()).unwrap();
    let delivery = shutdown.join().unwrap().unwrap();
    assert_eq!((delivery.traces.accepted, delivery.traces.delivered), (1, 1));
}

#[test]
fn last_metrics_that_cannot_be_collected_are_an_error_of_the_shutdown() {
    let collector = Collector::start().unwrap();
    let limit = Duration::from_millis(400);
    let guard = guard(|builder| builder.endpoint(collector.endpoint()).shutdown_timeout(limit));
    guard.tracer("test").start("span").end();
    guard.meter("test").u64_counter("counter").build().add(1, &[]);
    let provider = guard.meter_provider().clone();
    let error = provider.during_a_collection(|| guard.shutdown()).unwrap_err();
    let stats = error.stats();
    assert_eq!((stats.lost(), stats.metrics_not_collected), (0, true), "{stats}");
    assert!(error.to_string().ends_with("; the last metrics were not collected"), "{error}");
    assert_eq!(collector.received().span_count(), 1);
}

/// A collection that a callback delays has 5 seconds. Its flush gives it up, and it may end during the next flush.
#[test]
fn a_late_collection_of_one_flush_is_not_mistaken_for_that_of_the_next() {
    let (begin, has_begun) = channel();
    let (go_on, wait) = channel();
    let wait = Mutex::new(wait);
    let (flushing, is_flushed) = channel();
    let collector = Collector::start().unwrap();
    let guard = guard(|builder| {
        let builder = builder.endpoint(collector.endpoint());
        let builder = builder.metrics(|metrics| metrics.interval(Duration::from_secs(3_600)));
        builder.traces(|traces| traces.span_processor(NotesFlushes(flushing)))
    });
    let held = move |_: &dyn AsyncInstrument<u64>| {
        let _ = begin.send(());
        let _: Result<(), _> = wait.lock().unwrap().recv();
    };
    guard.meter("test").u64_observable_gauge("held").with_callback(held).build();
    let (sender, ended) = channel();
    let flush = |seconds| {
        let sender = sender.clone();
        guard.flusher().flush_with(Duration::from_secs(seconds), move |_| sender.send(()).unwrap());
    };
    flush(1);
    has_begun.recv().unwrap();
    is_flushed.recv().unwrap();
    flush(60);
    ended.recv().unwrap();
    is_flushed.recv().unwrap();
    // The first collection ends, and the second one begins.
    go_on.send(()).unwrap();
    has_begun.recv().unwrap();
    let begin = Instant::now();
    guard.flusher().wait_until_collected(begin + Duration::from_millis(200));
    assert!(begin.elapsed() >= Duration::from_millis(200));
    drop(go_on);
    ended.recv().unwrap();
}

/// Reports each flush immediately.
#[derive(Debug)]
struct NotesFlushes(Sender<()>);

impl SpanProcessor for NotesFlushes {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        let _ = self.0.send(());
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Takes its time at the last flush.
#[derive(Debug)]
struct Slow {
    ending: Sender<()>,
    wait: Mutex<Option<Receiver<()>>>,
}

impl Slow {
    fn delay(&self) -> OTelSdkResult {
        if let Some(wait) = self.wait.lock().unwrap().take() {
            self.ending.send(()).unwrap();
            wait.recv().unwrap();
        }
        Ok(())
    }
}

impl SpanProcessor for Slow {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        self.delay()
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.delay()
    }
}
