//! What thread-local values log while their thread ends, when its OpenTelemetry context is gone already, arrives.

use std::cell::RefCell;
use std::time::Duration;

use telemetry_bootstrap::opentelemetry::trace::Tracer as _;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::tracing::span::EnteredSpan;
use telemetry_bootstrap::tracing::{Span, error, info_span};
use telemetry_bootstrap::tracing_subscriber::Registry;
use telemetry_bootstrap::{LogFormat, LogOutput, TelemetryGuard, init, record_error};

struct LogsAtTheEnd(RefCell<Option<Span>>);

impl Drop for LogsAtTheEnd {
    fn drop(&mut self) {
        error!("at the end");
        record_error(&std::fmt::Error);
        drop(self.0.take());
    }
}

thread_local! {
    static ENTERED_FIRST: RefCell<Option<EnteredSpan>> = const { RefCell::new(None) };
    static ENTERED_LAST: RefCell<Option<EnteredSpan>> = const { RefCell::new(None) };
    static FIRST: LogsAtTheEnd = const { LogsAtTheEnd(RefCell::new(None)) };
    static LAST: LogsAtTheEnd = const { LogsAtTheEnd(RefCell::new(None)) };
}

#[test]
fn records_of_an_ending_thread_arrive() {
    let collector = Collector::start().unwrap();
    let telemetry = init()
        .ignore_env()
        .log_output(|output| output.format(LogFormat::Off))
        .endpoint(collector.endpoint())
        .build()
        .unwrap();
    let thread = std::thread::spawn(|| {
        ENTERED_FIRST.with(|entered| entered.replace(Some(info_span!("entered first").entered())));
        // What a thread touches first is destroyed last: one of them outlives the OpenTelemetry context.
        FIRST.with(|first| first.0.replace(Some(info_span!("first"))));
        info_span!("in between").in_scope(|| ());
        ENTERED_LAST.with(|entered| entered.replace(Some(info_span!("entered last").entered())));
        LAST.with(|last| last.0.replace(Some(info_span!("last"))));
    });
    thread.join().unwrap();
    telemetry.force_flush(Duration::from_secs(10)).unwrap();
    assert_eq!(collector.received().log_count(), 4);
    let mut names: Vec<_> = collector.spans().iter().map(|span| span.name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["entered first", "entered last", "first", "in between", "last"]);
}

thread_local! {
    static GUARD: RefCell<Option<TelemetryGuard>> = const { RefCell::new(None) };
}

/// It is dropped after the OpenTelemetry context of the thread.
#[test]
fn a_guard_in_a_thread_local_value_delivers_when_its_thread_ends() {
    let collector = Collector::start().unwrap();
    let endpoint = collector.endpoint();
    let thread = std::thread::spawn(move || {
        GUARD.with(|kept| {
            let output = |output: LogOutput| output.format(LogFormat::Off);
            let builder = init().ignore_env().log_output(output).endpoint(endpoint);
            let (_, guard) = builder.build_local::<Registry>().unwrap();
            guard.tracer("test").in_span("work", |_| ());
            guard.meter("test").u64_counter("counter").build().add(1, &[]);
            kept.replace(Some(guard));
        });
    });
    thread.join().unwrap();
    assert_eq!(collector.received().spans_named("work").len(), 1);
    assert_eq!(collector.received().value("counter", &[]), Some(1.0));
}
