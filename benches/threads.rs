//! What an item costs two threads that record at once, beside one thread: processor time of the whole process.
//!
//! The ratio is that of what threads share: queues, the line writer, counters. It is smaller than it could be where the
//! two seldom run at the same time, on a machine with other work.

#![expect(clippy::expect_used, reason = "a program for people")]

mod support;

use std::io;
use std::thread;
use std::time::Duration;

use criterion::Criterion;
use support::{Budget, Collector, Role, Side, Work, compare};
use telemetry_bootstrap::{LogDestination, LogFormat};
use tracing::{info, info_span};

fn main() {
    support::main(&ROLES, bench);
}

const ROLES: [Role; 6] = [
    ("span, one thread", work::<SPAN, 1>),
    ("span, two threads", work::<SPAN, 2>),
    ("record, one thread", work::<RECORD, 1>),
    ("record, two threads", work::<RECORD, 2>),
    ("line, one thread", work::<LINE, 1>),
    ("line, two threads", work::<LINE, 2>),
];

fn bench(criterion: &mut Criterion) {
    let collector = Collector::start();
    for roles in ROLES.chunks(2) {
        let [(one, _), (two, _)] = roles else { continue };
        let (mut alone, mut both) = (Side::start(one, &collector), Side::start(two, &collector));
        compare(
            criterion,
            two,
            Budget::NONE,
            TURN,
            |items| both.cpu(items),
            ("one thread", |items| alone.cpu(items)),
        );
    }
}

fn work<const KIND: u8, const THREADS: u64>(endpoint: &str) -> Work {
    let format = if KIND == LINE { LogFormat::Json } else { LogFormat::Off };
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .service_name("bench")
        .endpoint(endpoint)
        .metrics(|metrics| metrics.export(false))
        .traces(|traces| traces.export(KIND == SPAN))
        .logs(|logs| logs.export(KIND == RECORD))
        .log_output(|output| output.format(format).destination(LogDestination::writer(io::sink)))
        .build()
        .expect("telemetry");
    Box::new(move |items| {
        thread::scope(|scope| {
            (0..THREADS).for_each(|_| _ = scope.spawn(|| record::<KIND>(items / THREADS)));
        });
        telemetry.force_flush(Duration::from_secs(10)).expect("a live collector");
        assert_eq!(telemetry.stats().lost(), 0);
        0
    })
}

fn record<const KIND: u8>(items: u64) {
    for number in 0..items {
        match KIND {
            SPAN => drop(info_span!("query", table = "orders", number).entered()),
            _ => info!(number, cached = false, table = "orders", "order placed"),
        }
    }
}

const SPAN: u8 = 0;
const RECORD: u8 = 1;
const LINE: u8 = 2;
const TURN: u64 = 20_000;
