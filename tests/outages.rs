//! What a collector can do to a program under load, and what becomes of the program's telemetry: nothing that fits in
//! the queue is lost, and what is lost is counted and logged.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod local;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use local::{Local, PATIENCE, assert_nothing_lost, lines_with, numbers, own};
use opentelemetry::KeyValue;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry_bootstrap::testing::{Code, CollectedMetric, Collector, Fault, Signal};
use telemetry_bootstrap::{Compression, opentelemetry};

const FAILING: &str = "telemetry is not being delivered";
const AGAIN: &str = "telemetry is being delivered again";
const LOST: &str = "telemetry was lost";

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Shuts down, and expects that everything arrived and that no warning was logged beyond these lines for each signal.
fn nothing_is_lost(local: Local, recorded: u64, collector: &Collector) -> Vec<serde_json::Value> {
    let (delivery, lines) = local.shutdown();
    assert_nothing_lost(recorded, delivery, &collector.received());
    lines
}

#[test]
fn a_collector_that_comes_up_three_seconds_late_gets_everything() {
    let collector = Collector::start().unwrap();
    collector.stop();
    let local = Local::start(&collector.endpoint());
    let recorded = local.under_load(|| {
        local.wait_until(|delivery| delivery.traces.pending > 0);
        pause(3_000);
        collector.restart().unwrap();
        local.wait_until(|delivery| delivery.traces.delivered > 0 && delivery.logs.delivered > 0);
    });
    nothing_is_lost(local, recorded, &collector);
}

#[test]
fn five_seconds_without_a_collector_under_load_lose_nothing_that_fits() {
    let collector = Collector::start().unwrap();
    let local = Local::start(&collector.endpoint());
    let recorded = local.under_load(|| {
        collector.wait_for(PATIENCE, |received| received.span_count() > 50).unwrap();
        collector.stop();
        let before = local.guard.stats().traces;
        pause(5_000);
        collector.restart().unwrap();
        local.wait_until(|delivery| delivery.traces.delivered > before.accepted + 100);
    });
    nothing_is_lost(local, recorded, &collector);
}

#[test]
fn a_collector_that_flaps_loses_nothing() {
    let collector = Collector::start().unwrap();
    let local = Local::start(&collector.endpoint());
    let recorded = local.under_load(|| {
        for _ in 0..15 {
            pause(100);
            collector.stop();
            pause(100);
            collector.restart().unwrap();
        }
    });
    let lines = nothing_is_lost(local, recorded, &collector);
    // Told once a minute, not fifteen times.
    assert_eq!(lines_with(&lines, FAILING, "traces").len(), 1);
    assert_eq!(lines_with(&lines, AGAIN, "traces").len(), 1);
}

#[test]
fn what_does_not_fit_during_an_outage_is_counted_and_the_oldest_kept() {
    let collector = Collector::start().unwrap();
    collector.stop();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder.traces(|traces| traces.max_queue_size(100)).logs(|logs| logs.max_queue_size(150))
    });
    local.record(0..400);
    collector.restart().unwrap();
    local.wait_until(|delivery| delivery.traces.pending + delivery.logs.pending == 0);
    let (delivery, lines) = local.shutdown();
    let (spans, logs) = numbers(&collector.received());
    assert_eq!((spans.len() as u64, logs.len() as u64), (delivery.traces.delivered, delivery.logs.delivered));
    assert!((0..100).all(|number| spans.contains(&number)) && (0..150).all(|number| logs.contains(&number)));
    // What is on its way leaves room for as much again.
    assert!((100..=200).contains(&delivery.traces.delivered), "{delivery}");
    assert!((150..=300).contains(&delivery.logs.delivered), "{delivery}");
    assert_eq!(delivery.traces.dropped, 400 - delivery.traces.delivered);
    assert_eq!(delivery.logs.dropped, 400 - delivery.logs.delivered);
    let about_loss: Vec<_> = lines.iter().filter(|line| line["message"] == LOST).collect();
    assert_eq!(about_loss.len(), 1);
    assert_eq!(about_loss[0]["traces"], delivery.traces.to_string());
    assert_eq!(about_loss[0]["logs"], delivery.logs.to_string());
}

/// The reporter from end to end.
#[test]
fn outage_is_logged_once_with_advice_and_its_end_with_the_losses() {
    let collector = Collector::start().unwrap();
    collector.stop();
    let local =
        Local::with(&collector.endpoint(), |builder| builder.traces(|traces| traces.max_queue_size(50)));
    let recorded = local.under_load(|| {
        local.wait_until(|delivery| delivery.traces.dropped > 0);
        // Long enough for many tries.
        pause(2_000);
        collector.restart().unwrap();
        local.wait_until(|delivery| delivery.traces.pending + delivery.logs.pending < 20);
    });
    let (delivery, lines) = local.shutdown();
    let (spans, logs) = numbers(&collector.received());
    assert_eq!(spans.len() as u64 + delivery.traces.dropped, recorded, "{delivery}");
    assert_eq!(logs.len() as u64, recorded, "{delivery}");
    for signal in ["traces", "metrics", "logs"] {
        let [failing] = lines_with(&lines, FAILING, signal)[..] else { panic!("{:#?}", own(&lines)) };
        assert_eq!(failing["level"], "WARN");
        assert!(failing["endpoint"].as_str().unwrap().starts_with(&collector.endpoint()), "{failing}");
        assert!(failing["error"].as_str().unwrap().contains("refused"), "{failing}");
        assert!(failing["check"].as_str().unwrap().contains("is the collector running"), "{failing}");
        let [again] = lines_with(&lines, AGAIN, signal)[..] else { panic!("{:#?}", own(&lines)) };
        assert_eq!(again["level"], "INFO");
        assert!(again["seconds"].as_f64().unwrap() > 1.9, "{again}");
    }
    // Whether numbers arrive as numbers or as text is the business of the line format.
    let lost: u64 = lines_with(&lines, AGAIN, "traces")[0]["lost"].as_u64().unwrap();
    assert!(lost > 0 && lost <= delivery.traces.dropped, "{lost} of {delivery}");
    assert_eq!(lines_with(&lines, AGAIN, "logs")[0]["lost"], 0);
    let exported = collector.logs();
    assert!(exported.iter().all(|log| log.body() == "recorded"), "none of that is telemetry");
}

#[test]
fn unavailable_is_tried_again_until_it_is_over() {
    let collector = Collector::start().unwrap();
    let local = Local::start(&collector.endpoint());
    let recorded = local.under_load(|| {
        collector.inject_fault(Fault::status(Code::Unavailable, "rolling update"));
        local.wait_until(|delivery| delivery.traces.pending > 100);
        collector.clear_faults();
    });
    let lines = nothing_is_lost(local, recorded, &collector);
    let [failing] = lines_with(&lines, FAILING, "logs")[..] else { panic!("{:#?}", own(&lines)) };
    assert!(failing["error"].as_str().unwrap().contains("rolling update"), "{failing}");
}

#[test]
fn a_collector_that_asks_for_a_pause_gets_it_and_then_everything() {
    let collector = Collector::start().unwrap();
    let local = Local::start(&collector.endpoint());
    let pause = Duration::from_millis(800);
    let begin = Instant::now();
    let recorded = local.under_load(|| {
        collector.inject_fault(Fault::retry_after(pause).on(Signal::Traces).times(1));
        collector.wait_for(PATIENCE, |received| received.span_count() > 0).unwrap();
        assert!(begin.elapsed() >= pause, "{:?}", begin.elapsed());
    });
    nothing_is_lost(local, recorded, &collector);
}

#[test]
fn final_answers_are_counted_and_logged_once() {
    // Some of these are answered to each request for hours: a line each would bury the program's own.
    let cases = [
        (Code::ResourceExhausted, "quota", "the collector limits the rate"),
        (
            Code::Unimplemented,
            "Content is compressed with `gzip` which isn't supported",
            "is the compression supported",
        ),
        (Code::Unauthenticated, "who are you", "OTEL_EXPORTER_OTLP_HEADERS"),
    ];
    for (code, message, check) in cases {
        let collector = Collector::start().unwrap();
        collector.inject_fault(Fault::status(code, message));
        let local = Local::with(&collector.endpoint(), |builder| {
            builder.header("authorization", "Bearer s3cret").compression(Compression::Gzip)
        });
        let recorded = local.under_load(|| {
            // Many requests, over many intervals.
            local.wait_until(|delivery| delivery.traces.failed > 100 && delivery.logs.failed > 100);
        });
        let (delivery, lines) = local.shutdown();
        assert_eq!(
            (delivery.traces.failed, delivery.logs.failed),
            (recorded, recorded),
            "{code:?}: {delivery}"
        );
        assert_eq!(delivery.metrics.failed, delivery.metrics.accepted);
        for signal in ["traces", "metrics", "logs"] {
            let [failing] = lines_with(&lines, FAILING, signal)[..] else {
                panic!("{code:?}: {:#?}", own(&lines))
            };
            assert!(failing["error"].as_str().unwrap().contains(message), "{failing}");
            assert!(failing["check"].as_str().unwrap().contains(check), "{failing}");
        }
        assert_eq!(own(&lines).len(), 4, "three signals, and the account: {:#?}", own(&lines));
        assert!(!format!("{lines:?}").contains("s3cret"));
        assert_eq!(collector.received().span_count(), 0);
    }
}

#[test]
fn rejected_items_are_counted_and_logged() {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::partial_success(2, "too old").on(Signal::Traces).times(3));
    collector.inject_fault(Fault::partial_success(1, "too long").on(Signal::Logs).times(2));
    let local = Local::start(&collector.endpoint());
    let recorded = local.under_load(|| {
        local.wait_until(|delivery| delivery.traces.rejected == 6 && delivery.logs.rejected == 2);
    });
    let (delivery, lines) = local.shutdown();
    let (spans, logs) = numbers(&collector.received());
    assert_eq!((spans.len() as u64, logs.len() as u64), (recorded - 6, recorded - 2), "{delivery}");
    assert_eq!((delivery.traces.delivered, delivery.logs.delivered), (recorded - 6, recorded - 2));
    let rejected = lines_with(&lines, "the collector rejected a part of the telemetry", "traces");
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0]["reason"], "too old");
    assert_eq!(own(&lines).iter().filter(|line| line["message"] == LOST).count(), 1);
}

#[test]
fn requests_that_are_too_large_are_split_without_a_warning() {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::MaxMessageSize(3_000));
    let local = Local::with(&collector.endpoint(), |builder| {
        builder.traces(|traces| traces.scheduled_delay(PATIENCE)).logs(|logs| logs.scheduled_delay(PATIENCE))
    });
    local.record(0..1_000);
    let lines = nothing_is_lost(local, 1_000, &collector);
    assert!(own(&lines).is_empty(), "{:#?}", own(&lines));
}

#[test]
fn a_collection_of_metrics_that_is_too_large_is_split() {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::MaxMessageSize(10_000).on(Signal::Metrics));
    let local = Local::with(&collector.endpoint(), |builder| builder.metrics(|m| m.interval(PATIENCE)));
    let meter = local.guard.meter("large");
    let (sizes, counts) = (meter.f64_histogram("sizes").build(), meter.u64_counter("counts").build());
    for series in 0..200 {
        let attributes = [KeyValue::new("series", series)];
        sizes.record(1.0, &attributes);
        counts.add(1, &attributes);
    }
    let (delivery, lines) = local.shutdown();
    assert_eq!((delivery.metrics.accepted, delivery.metrics.delivered), (400, 400), "{delivery}");
    let received = collector.received();
    assert_eq!(received.value("counts", &[]), Some(200.0));
    assert_eq!(received.histogram("sizes", &[]).unwrap().count, 200);
    assert!(own(&lines).is_empty(), "{:#?}", own(&lines));
}

/// A database refuses points that are older than those it has.
#[test]
fn collections_that_waited_arrive_in_their_order() {
    let collector = Collector::start().unwrap();
    collector.stop();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder.metrics(|metrics| metrics.interval(Duration::from_millis(20)))
    });
    local.record(0..1);
    local.wait_until(|delivery| delivery.metrics.pending > 20);
    // The first finds out that the collector is there; those that come then must not pass each other.
    collector.inject_fault(Fault::Delay(Duration::from_millis(200)).on(Signal::Metrics).times(2));
    collector.restart().unwrap();
    // So many that those which were passed have arrived, too.
    let received = collector.wait_for(PATIENCE, |received| received.point_count() > 60).unwrap();
    let time = |metric: &CollectedMetric| match &metric.metric.data {
        Some(Data::Sum(sum)) => sum.data_points[0].time_unix_nano,
        data => panic!("{data:?}"),
    };
    assert!(received.metrics().iter().map(time).is_sorted());
}

#[test]
fn a_flush_with_a_limit_that_no_clock_can_reach_has_none() {
    let collector = Collector::start().unwrap();
    let local = Local::start(&collector.endpoint());
    local.record(0..10);
    local.guard.force_flush(Duration::MAX).unwrap();
    nothing_is_lost(local, 10, &collector);
}

#[test]
fn a_slow_collector_gets_everything() {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Delay(Duration::from_millis(300)));
    let local = Local::start(&collector.endpoint());
    let recorded = local.under_load(|| pause(1_500));
    let lines = nothing_is_lost(local, recorded, &collector);
    assert!(own(&lines).is_empty(), "{:#?}", own(&lines));
}

#[test]
fn a_collector_that_hung_for_a_while_gets_everything() {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| builder.timeout(Duration::from_millis(300)));
    let recorded = local.under_load(|| {
        collector.inject_fault(Fault::Silence);
        local.wait_until(|delivery| delivery.traces.pending > 200);
        collector.clear_faults();
    });
    let lines = nothing_is_lost(local, recorded, &collector);
    let [failing] = lines_with(&lines, FAILING, "traces")[..] else { panic!("{:#?}", own(&lines)) };
    assert_eq!(failing["error"], "no answer within 300ms");
}

#[test]
fn https_to_a_plaintext_port_gets_advice_about_the_scheme() {
    let collector = Collector::start().unwrap();
    wrong_scheme(&collector.endpoint().replace("http://", "https://"));
    assert_eq!(collector.received().span_count(), 0);
}

#[test]
fn http_to_a_tls_port_gets_advice_about_the_scheme() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // As TLS servers answer to what is no handshake: an alert, unexpected_message, and the end.
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 10]);
        }
    });
    wrong_scheme(&endpoint);
}

fn wrong_scheme(endpoint: &str) {
    let local = Local::start(endpoint);
    local.record(0..10);
    let begin = Instant::now();
    let (delivery, lines) = local.shutdown();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert_eq!((delivery.traces.failed, delivery.logs.failed), (10, 10), "{delivery}");
    let [failing] = lines_with(&lines, FAILING, "traces")[..] else { panic!("{:#?}", own(&lines)) };
    assert!(failing["check"].as_str().unwrap().contains("scheme (http or https)"), "{failing}");
}

/// Whoever records must not notice the collector's state. The quickest rounds are compared: noise only adds.
#[test]
fn recording_takes_as_long_without_a_collector_as_with_one() {
    let collector = Collector::start().unwrap();
    let local = Local::start(&collector.endpoint());
    let quickest = || {
        let rounds = (0..40).map(|_| {
            let begin = Instant::now();
            local.record(0..50);
            begin.elapsed()
        });
        rounds.min().unwrap()
    };
    let (mut with, mut without) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        with = with.min(quickest());
        collector.stop();
        without = without.min(quickest());
        collector.restart().unwrap();
    }
    assert!(without < with * 2, "{without:?} without a collector, {with:?} with one");
}
