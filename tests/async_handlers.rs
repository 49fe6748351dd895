//! The guard's functions in handlers on a runtime with one thread: none of them keeps the thread from other tasks.

#![expect(clippy::unwrap_used, reason = "test code")]

mod local;

use std::cell::Cell;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::{Duration, Instant};

use local::Local;
use telemetry_bootstrap::{record_error, tracing};
use tokio::task::LocalSet;
use tracing::instrument::WithSubscriber as _;

/// How long the flush and the shutdown wait for a collector that does not answer.
const LIMIT: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(5);

#[test]
fn a_silent_collector_delays_no_other_task_of_the_thread() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let local = Local::with(&endpoint, |builder| builder.shutdown_timeout(LIMIT));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let longest = Rc::new(Cell::new(Duration::ZERO));
    let ticks = {
        let longest = Rc::clone(&longest);
        async move {
            let mut last = Instant::now();
            loop {
                tokio::time::sleep(TICK).await;
                longest.set(longest.get().max(last.elapsed()));
                last = Instant::now();
            }
        }
    };
    let subscriber = local.subscriber.clone();
    let handler = async move {
        local.record(0..1_000);
        record_error(&std::io::Error::other("on purpose"));
        local.guard.set_log_filter("debug").unwrap();
        local.guard.set_span_filter("debug").unwrap();
        assert_eq!(local.guard.stats().traces.accepted, 1_000);
        let begin = Instant::now();
        local.guard.force_flush_async(LIMIT).await.unwrap_err();
        local.guard.shutdown_async().await.unwrap_err();
        begin.elapsed()
    };
    let waited = LocalSet::new().block_on(&runtime, async {
        tokio::task::spawn_local(ticks);
        tokio::task::spawn_local(handler.with_subscriber(subscriber)).await.unwrap()
    });
    assert!(waited > LIMIT, "nothing was waited for: {waited:?}");
    assert!(longest.get() < LIMIT / 2, "no other task ran for {:?}", longest.get());
}
