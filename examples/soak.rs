//! Load against a collector that fails at random, and then the account: to the item, what was recorded is what the
//! collector has and what the ledger says was lost.
//!
//! ```sh
//! cargo run --release --example soak -- --seconds 60
//! ```
#![expect(clippy::print_stdout, reason = "it speaks to a person")]

use std::collections::HashSet;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use telemetry_bootstrap::testing::{Code, Collector, Fault, Received, Signal};
use telemetry_bootstrap::{SignalDelivery, tracing};

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = seconds()?;
    let collector = Collector::start()?;
    let telemetry = telemetry_bootstrap::init()
        .service_name("soak")
        .ignore_env()
        .endpoint(collector.endpoint())
        .log_format(telemetry_bootstrap::LogFormat::Off)
        .timeout(Duration::from_secs(2))
        .shutdown_timeout(Duration::from_secs(10))
        .metrics(|metrics| metrics.interval(Duration::from_millis(250)))
        .build()?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let load = Load::default();
    let mut seen = Seen::default();
    std::thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        for _ in 0..2 {
            scope.spawn(|| load.run());
        }
        let outcome = trouble(&collector, &mut seen, end);
        load.stop.store(true, Ordering::Relaxed);
        outcome
    })?;
    let pending = telemetry.delivery();
    println!("at the end of the load: {pending}");
    let delivery = match telemetry.shutdown() {
        Ok(delivery) => delivery,
        Err(error) => error.delivery(),
    };
    seen.add(&collector.take());
    println!("after the shutdown:     {delivery}");
    let recorded = load.recorded.load(Ordering::Relaxed);
    let balanced = [
        balance("spans", recorded, delivery.traces, seen.spans.len() as u64),
        balance("log records", recorded, delivery.logs, seen.logs.len() as u64),
        balance("data points", delivery.metrics.accepted, delivery.metrics, seen.points),
    ];
    if balanced.contains(&false) {
        return Err("the account does not balance".into());
    }
    Ok(())
}

/// Says and checks where all of one signal went.
fn balance(what: &str, recorded: u64, counts: SignalDelivery, seen: u64) -> bool {
    let balanced = recorded == counts.accepted
        && counts.pending == 0
        && seen == counts.delivered
        && recorded == seen + counts.lost();
    let verdict = if balanced { "balanced" } else { "NOT BALANCED" };
    println!(
        "{what}: {recorded} recorded = {seen} seen by the collector + {} reported lost: {verdict}",
        counts.lost()
    );
    balanced
}

#[derive(Default)]
struct Load {
    recorded: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// A few thousand spans a second, each with a log record.
    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            for _ in 0..50 {
                let number = self.recorded.fetch_add(1, Ordering::Relaxed);
                let _span = tracing::info_span!("work", number).entered();
                tracing::info!(number, "working");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Breaks the collector in one way after the other until the time is over, then heals it.
fn trouble(collector: &Collector, seen: &mut Seen, end: Instant) -> Result<(), Box<dyn Error>> {
    let mut choices = Choices::default();
    while Instant::now() < end {
        let lasting = Duration::from_millis(50 + choices.next(1500));
        match choices.next(8) {
            0 => collector.fault(Fault::status(Code::Unavailable, "soak")),
            1 => collector.fault(Fault::status(Code::Internal, "soak").times(2)),
            2 => collector.fault(Fault::retry_after(Duration::from_millis(100)).times(3)),
            3 => collector.fault(Fault::partial_success(3, "soak").times(5)),
            4 => collector.fault(Fault::Delay(Duration::from_millis(choices.next(500)))),
            5 => collector.fault(Fault::MaxMessageSize(10_000)),
            6 => collector.stop(),
            _ => {}
        }
        std::thread::sleep(lasting.min(end.saturating_duration_since(Instant::now())));
        collector.heal();
        collector.restart()?;
        seen.add(&collector.take());
    }
    Ok(())
}

/// What the collector has, each item once: a request whose answer was lost is sent again.
#[derive(Default)]
struct Seen {
    spans: HashSet<u64>,
    logs: HashSet<u64>,
    points: u64,
}

impl Seen {
    fn add(&mut self, received: &Received) {
        self.spans.extend(received.spans().iter().filter_map(|span| number(span.attribute_text("number"))));
        self.logs.extend(received.logs().iter().filter_map(|log| number(log.attribute_text("number"))));
        self.points +=
            received.requests(Signal::Metrics).map(|request| request.export.item_count() as u64).sum::<u64>();
    }
}

fn number(text: Option<String>) -> Option<u64> {
    text?.parse().ok()
}

#[derive(Default)]
struct Choices {
    made: u64,
    state: RandomState,
}

impl Choices {
    /// One of so many.
    fn next(&mut self, of: u64) -> u64 {
        self.made += 1;
        self.state.hash_one(self.made) % of
    }
}

fn seconds() -> Result<u64, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(10),
        ["--seconds", seconds] => Ok(seconds.parse()?),
        _ => Err("usage: soak [--seconds N]".into()),
    }
}
