//! A subscriber of the user's own, with everything else that `build()` installs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use telemetry_bootstrap::opentelemetry::{global, trace::Tracer as _};
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::tracing::{Event, Subscriber, info, info_span};
use telemetry_bootstrap::tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use telemetry_bootstrap::tracing_subscriber::registry;
use telemetry_bootstrap::{InitError, LogFormat};

/// Counts the events that reach it.
struct Counting(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn build_with_installs_the_users_subscriber_and_all_globals() {
    let collector = Collector::start().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let counting = Counting(Arc::clone(&seen));
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Off))
        .build_with(|telemetry| registry().with(counting).with(telemetry))
        .unwrap();

    info_span!("outer").in_scope(|| {
        info!("by tracing");
        log::info!("by log");
        global::tracer("library").in_span("inner", |_| ());
    });
    global::meter("library").u64_counter("calls").build().add(3, &[]);
    let again = telemetry_bootstrap::init().ignore_env().build();
    assert!(matches!(again, Err(InitError::AlreadyInitialized)), "{again:?}");
    telemetry.shutdown().unwrap();

    let received = collector.received();
    let outer = &received.spans_named("outer")[0];
    assert!(outer.is_parent_of(&received.spans_named("inner")[0]));
    for message in ["by tracing", "by log"] {
        assert_eq!(received.log(message).span_id(), Some(outer.span_id()), "{message}");
    }
    assert_eq!(received.value("calls", &[]), Some(3.0));
    assert!(seen.load(Ordering::Relaxed) >= 2, "the user's layer sees events too");
}
