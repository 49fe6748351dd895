//! Load against a collector that fails at random, and then the account: to the item, what was recorded is what the
//! collector has and what the ledger counts as lost.
//!
//! ```sh
//! cargo run --release --example soak -- --seconds 60
//! ```
//!
//! # Why the account can be exact
//!
//! A client that gets no answer cannot know whether the collector has kept its request. It sends the request again, so
//! the collector may have items twice: they are counted once. A request that was kept, whose answer was lost, and which is
//! then refused for good, is at the collector *and* counted as failed. Such items are counted as unanswered, so the
//! collector has at least what the ledger counts as delivered, and at most the unanswered items more. There is one
//! trouble at a time, and the next one begins when everything that was recorded until then has its answer.
//!
//! Between the program and the collector is a gateway, as in production: it answers in place of the collector with the
//! statuses and pages of gateways, is slow, and closes connections in the middle of requests.

#![expect(clippy::print_stdout, reason = "the result is printed")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a surprise ends it")]

pub(crate) mod account;
pub(crate) mod gateway;

use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use account::Seen;
use gateway::Gateway;
use telemetry_bootstrap::GrpcCode;
use telemetry_bootstrap::testing::{Collector, Fault};
use telemetry_bootstrap::{
    ExportStats, LogFormat, Protocol, SignalStats, TelemetryGuard, opentelemetry, tracing,
};

fn main() -> Result<(), Box<dyn Error>> {
    run(seconds()?)
}

/// Makes trouble for so long, and then checks the account.
pub(crate) fn run(lasting: Duration) -> Result<(), Box<dyn Error>> {
    let end = Instant::now() + lasting;
    let collector = Collector::start()?;
    let gateway = Gateway::start(collector.port())?;
    let protocol = choose_protocol();
    println!("over {protocol:?}");
    let telemetry = telemetry_bootstrap::init()
        .service_name("soak")
        .ignore_env()
        .endpoint(gateway.endpoint())
        .protocol(protocol)
        .log_output(|output| output.format(LogFormat::Off))
        .timeout(Duration::from_secs(1))
        .shutdown_timeout(Duration::from_secs(10))
        // Small, so that outages are longer than what fits.
        .traces(|traces| traces.max_queue_size(8_000).scheduled_delay(DELAY))
        .logs(|logs| logs.max_queue_size(10_000).scheduled_delay(DELAY))
        .metrics(|metrics| metrics.interval(Duration::from_millis(100)))
        .build()?;
    let load = Load::default();
    let mut soak = Soak { collector, gateway, telemetry, seen: Seen::default(), choices: Choices::default() };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| load.run());
        }
        // Also after an error, or the threads would go on for ever.
        let outcome = soak.trouble(end);
        load.stop.store(true, Ordering::Relaxed);
        outcome
    })?;
    let Soak { collector, telemetry, mut seen, .. } = soak;
    println!("at the end of the load: {}", telemetry.stats());
    let begin = Instant::now();
    let delivery = telemetry.shutdown().unwrap_or_else(|error| error.stats());
    println!("the shutdown took {:.1?}", begin.elapsed());
    seen.add(&collector.take());
    if !seen.balances(load.recorded.load(Ordering::Relaxed), &delivery) {
        return Err("the account does not balance".into());
    }
    Ok(())
}

#[derive(Default)]
struct Load {
    recorded: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// A few thousand spans a second, each with a log record.
    fn run(&self) {
        let counter = opentelemetry::global::meter("soak").u64_counter("work").build();
        while !self.stop.load(Ordering::Relaxed) {
            for _ in 0..50 {
                let number = self.recorded.fetch_add(1, Ordering::Relaxed);
                let _span = tracing::info_span!("work", number).entered();
                tracing::info!(number, "working");
                counter.add(1, &[]);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

struct Soak {
    collector: Collector,
    gateway: Gateway,
    telemetry: TelemetryGuard,
    seen: Seen,
    choices: Choices,
}

/// A way in which things go wrong.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Unavailable,
    Refused,
    Busy,
    PartlyRejected,
    Slow,
    TooLarge,
    Silent,
    Stopped,
    Cut,
    Gateway,
    None,
}

const TROUBLES: [Trouble; 11] = [
    Trouble::Unavailable,
    Trouble::Refused,
    Trouble::Busy,
    Trouble::PartlyRejected,
    Trouble::Slow,
    Trouble::TooLarge,
    Trouble::Silent,
    Trouble::Stopped,
    Trouble::Cut,
    Trouble::Gateway,
    Trouble::None,
];

/// The place of the gateway among them.
const GATEWAY: usize = 9;

impl Soak {
    /// One trouble after the other until the time is over.
    fn trouble(&mut self, end: Instant) -> Result<(), Box<dyn Error>> {
        let mut rounds = [0_u64; TROUBLES.len()];
        while Instant::now() < end {
            // The gateway every other time: it is what a program meets most.
            let choice = match rounds.iter().sum::<u64>() % 2 {
                0 => GATEWAY,
                _ => self.choices.next(TROUBLES.len() as u64) as usize,
            };
            rounds[choice] += 1;
            let lasting = Duration::from_millis(50 + self.choices.next(1_500));
            self.suffer(TROUBLES[choice], lasting)?;
            self.seen.add(&self.collector.take());
            check(&self.telemetry.stats())?;
        }
        println!("{}", Rounds(&rounds));
        Ok(())
    }

    fn suffer(&mut self, trouble: Trouble, lasting: Duration) -> Result<(), Box<dyn Error>> {
        match trouble {
            Trouble::Unavailable => self.collector.inject_fault(Fault::status(GrpcCode::Unavailable, "soak")),
            Trouble::Refused => {
                self.collector.inject_fault(Fault::status(GrpcCode::Internal, "soak").times(3))
            }
            Trouble::Busy => {
                self.collector.inject_fault(Fault::retry_after(Duration::from_millis(100)).times(3))
            }
            Trouble::PartlyRejected => {
                self.collector.inject_fault(Fault::partial_success(3, "soak").times(5))
            }
            Trouble::Slow => {
                self.collector.inject_fault(Fault::Delay(Duration::from_millis(self.choices.next(300))))
            }
            Trouble::TooLarge => self.collector.inject_fault(Fault::MaxMessageSize(10_000)),
            Trouble::Silent => self.collector.inject_fault(Fault::Silence),
            Trouble::Stopped => self.collector.stop(),
            Trouble::Gateway => self.gateway.set_trouble(true),
            Trouble::Cut | Trouble::None => {}
        }
        let end = Instant::now() + lasting;
        while matches!(trouble, Trouble::Cut | Trouble::Gateway) && Instant::now() < end {
            // In the middle of requests and answers, which leaves it open whether they were kept.
            std::thread::sleep(Duration::from_millis(self.choices.next(120)));
            self.gateway.cut();
        }
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        self.collector.clear_faults();
        self.gateway.set_trouble(false);
        if matches!(trouble, Trouble::Stopped) {
            self.collector.restart()?;
        }
        self.settle()
    }

    /// Waits until all that was recorded before has its answer.
    fn settle(&self) -> Result<(), Box<dyn Error>> {
        let until = self.telemetry.stats();
        let begin = Instant::now();
        let settled = |now: SignalStats, until: SignalStats| now.delivered + now.lost() >= until.accepted;
        loop {
            let now = self.telemetry.stats();
            if settled(now.traces, until.traces)
                && settled(now.metrics, until.metrics)
                && settled(now.logs, until.logs)
            {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("not settled within {PATIENCE:?}: {now}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// At any moment.
fn check(delivery: &ExportStats) -> Result<(), Box<dyn Error>> {
    for counts in [delivery.traces, delivery.metrics, delivery.logs] {
        if counts.accepted != counts.delivered + counts.lost() + counts.pending {
            return Err(format!("the ledger does not add up: {delivery}").into());
        }
    }
    Ok(())
}

struct Rounds<'a>(&'a [u64]);

impl fmt::Display for Rounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rounds:")?;
        TROUBLES.iter().zip(self.0).try_for_each(|(trouble, rounds)| write!(f, " {trouble:?} {rounds}"))
    }
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

/// By chance, so that many runs cover all of them.
fn choose_protocol() -> Protocol {
    let protocols = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];
    protocols[Choices::default().next(protocols.len() as u64) as usize]
}

fn seconds() -> Result<Duration, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(Duration::from_secs(10)),
        ["--seconds", seconds] => Ok(Duration::from_secs(seconds.parse()?)),
        _ => Err("usage: soak [--seconds N]".into()),
    }
}

const DELAY: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);
