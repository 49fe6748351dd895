use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use opentelemetry::Context;
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

/// Takes its time when it is asked to deliver for the last time.
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
