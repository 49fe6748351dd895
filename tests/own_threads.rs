//! Layers of the user see nothing of the threads that export, and everything of the program.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use telemetry_bootstrap::LogFormat;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::tracing::{Event, Subscriber, debug, info, span};
use telemetry_bootstrap::tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use telemetry_bootstrap::tracing_subscriber::registry;

/// Notes the thread and the target of everything that it sees, and panics on the threads that export.
#[derive(Clone, Default)]
struct Watching(Arc<Mutex<BTreeSet<(String, String)>>>);

/// The I/O thread, and the helpers of its runtime.
fn is_of_export(thread: &str) -> bool {
    thread == "otel-export"
}

impl Watching {
    fn see(&self, target: &str) {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        // The collector of this test is a program of its own in real life.
        if thread == "otel-collector" {
            return;
        }
        let exports = is_of_export(&thread);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((thread, target.to_owned()));
        assert!(!exports, "{target}");
    }
}

impl<S: Subscriber> Layer<S> for Watching {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.see(event.metadata().target());
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        self.see(attributes.metadata().target());
    }
}

#[test]
fn layer_beside_ours_sees_only_the_program_and_may_panic() {
    let collector = Collector::start().unwrap();
    let watching = Watching::default();
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Off))
        .build_with(|telemetry| registry().with(watching.clone()).with(telemetry))
        .unwrap();
    let meter = opentelemetry::global::meter("own_threads");
    let _observed = meter
        .u64_observable_gauge("observed")
        .with_callback(|gauge| {
            info!(target: "callback", "by the program");
            gauge.observe(1, &[]);
        })
        .build();
    for number in 0..5 {
        info!(number, "by the program");
        // What the program does with the same libraries is its own.
        debug!(target: "h2::program", "a frame");
        telemetry.force_flush(Duration::from_secs(10)).unwrap();
    }
    telemetry.shutdown().unwrap();
    assert_eq!(collector.logs().iter().filter(|log| log.body() == "by the program").count(), 5);
    // A failing assertion is logged, which the layer sees, too.
    let seen = watching.0.lock().unwrap().clone();
    assert!(!seen.iter().any(|(thread, _)| is_of_export(thread)), "{seen:?}");
    let is_sdk_on_own_thread = |(thread, target): &(String, String)| {
        thread.starts_with("otel-") && target.starts_with("opentelemetry")
    };
    assert!(!seen.iter().any(is_sdk_on_own_thread), "{seen:?}");
    assert!(
        seen.iter().any(|(thread, target)| thread.starts_with("otel-") && target == "callback"),
        "{seen:?}"
    );
    assert!(seen.iter().any(|(_, target)| target == "h2::program"), "{seen:?}");
    assert!(seen.iter().any(|(_, target)| target == "own_threads"), "{seen:?}");
}
