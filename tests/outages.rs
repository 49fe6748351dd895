//! What a collector can do to a program under load, and what becomes of the program's telemetry: nothing that fits in
//! the queue is lost, and what is lost is counted and logged.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod local;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use local::{Local, PATIENCE, assert_nothing_lost, numbers, own, with_message};
use opentelemetry::KeyValue;
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry_bootstrap::testing::{CollectedMetric, Collector, Fault, FaultPlan};
use telemetry_bootstrap::{Compression, Protocol, opentelemetry};
use telemetry_bootstrap::{GrpcCode, Signal};

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

/// A rolling restart of both.
#[test]
fn a_collector_that_restarts_while_the_program_ends_gets_everything() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), |builder| {
            builder.protocol(protocol).shutdown_timeout(PATIENCE)
        });
        local.record(0..100);
        local.guard.force_flush(PATIENCE).unwrap();
        collector.stop();
        local.record(100..300);
        let lines = std::thread::scope(|scope| {
            scope.spawn(|| {
                pause(700);
                collector.restart().unwrap();
            });
            nothing_is_lost(local, 300, &collector)
        });
        assert_eq!(with_message(&lines, FAILING).len(), 1, "{:#?}", own(&lines));
    }
}

/// The shutdown had its last answer when it began: that the restart takes longer than a container mostly does, does not end
/// it.
#[test]
fn a_slow_restart_may_take_the_whole_shutdown() {
    let collector = Collector::start().unwrap();
    let local =
        Local::with(&collector.endpoint(), |builder| builder.shutdown_timeout(Duration::from_secs(60)));
    local.record(0..100);
    local.guard.force_flush(PATIENCE).unwrap();
    collector.stop();
    local.record(100..300);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pause(33_000);
            collector.restart().unwrap();
        });
        nothing_is_lost(local, 300, &collector)
    });
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
    assert_eq!(with_message(&lines, FAILING).len(), 1);
    assert_eq!(with_message(&lines, AGAIN).len(), 1);
}

#[test]
fn outage_beyond_the_limits_counts_the_dropped_and_keeps_the_oldest() {
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
    let [failing] = with_message(&lines, FAILING)[..] else { panic!("{:#?}", own(&lines)) };
    assert_eq!(failing["level"], "WARN");
    assert!(failing["endpoint"].as_str().unwrap().starts_with(&collector.endpoint()), "{failing}");
    assert!(failing["error"].as_str().unwrap().contains("refused"), "{failing}");
    assert!(failing["check"].as_str().unwrap().contains("is the collector running"), "{failing}");
    let [again] = with_message(&lines, AGAIN)[..] else { panic!("{:#?}", own(&lines)) };
    assert_eq!(again["level"], "INFO");
    assert!(again["seconds"].as_f64().unwrap() > 1.9, "{again}");
    assert_eq!(again["signals"], "traces, metrics, logs");
    let lost: u64 = again["lost"].as_u64().unwrap();
    assert!(lost > 0 && lost <= delivery.traces.dropped, "{lost} of {delivery}");
    let exported = collector.logs();
    assert!(exported.iter().all(|log| log.body() == "recorded"), "none of that is telemetry");
}

#[test]
fn unavailable_is_retried_until_it_is_over() {
    let collector = Collector::start().unwrap();
    let local = Local::start(&collector.endpoint());
    let recorded = local.under_load(|| {
        collector.inject_fault(Fault::status(GrpcCode::Unavailable, "rolling update"));
        local.wait_until(|delivery| delivery.traces.pending > 100);
        collector.clear_faults();
    });
    let lines = nothing_is_lost(local, recorded, &collector);
    let [failing] = with_message(&lines, FAILING)[..] else { panic!("{:#?}", own(&lines)) };
    assert!(failing["error"].as_str().unwrap().contains("rolling update"), "{failing}");
}

#[test]
fn requested_pause_is_kept_and_everything_arrives_afterwards() {
    let collector = Collector::start().unwrap();
    let local = Local::start(&collector.endpoint());
    let pause = Duration::from_millis(800);
    // Before anything is recorded: the first request meets the fault, however busy the machine is.
    collector.inject_fault(Fault::retry_after(pause).on(Signal::Traces).times(1));
    let begin = Instant::now();
    let recorded = local.under_load(|| {
        collector.wait_for(PATIENCE, |received| received.span_count() > 0).unwrap();
        assert!(begin.elapsed() >= pause, "{:?}", begin.elapsed());
    });
    nothing_is_lost(local, recorded, &collector);
}

#[test]
fn final_answers_are_counted_and_logged_once() {
    // Some of these are answered to each request for hours: a line each would bury the program's own.
    let cases = [
        (GrpcCode::ResourceExhausted, "quota", "the collector limits the rate"),
        (
            GrpcCode::Unimplemented,
            "Content is compressed with `gzip` which isn't supported",
            "is the compression supported",
        ),
        (GrpcCode::Unauthenticated, "who are you", "OTEL_EXPORTER_OTLP_HEADERS"),
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
        let [failing] = with_message(&lines, FAILING)[..] else { panic!("{code:?}: {:#?}", own(&lines)) };
        assert!(failing["error"].as_str().unwrap().contains(message), "{failing}");
        assert!(failing["check"].as_str().unwrap().contains(check), "{failing}");
        assert_eq!(own(&lines).len(), 2, "one for all signals, and the statistics: {:#?}", own(&lines));
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
    let rejected = with_message(&lines, "the collector rejected a part of the telemetry");
    for (signal, reason) in [("traces", "too old"), ("logs", "too long")] {
        let lines: Vec<_> = rejected.iter().filter(|line| line["signal"] == signal).collect();
        assert_eq!(lines.len(), 1, "{rejected:?}");
        assert_eq!(lines[0]["reason"], reason);
    }
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
fn queued_collections_arrive_in_order() {
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
fn flush_with_the_longest_limit_waits_without_one() {
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
    let [failing] = with_message(&lines, FAILING)[..] else { panic!("{:#?}", own(&lines)) };
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
    // As TLS servers answer to what is no handshake: an alert, unexpected_message, and the end.
    let endpoint = speaking(&[0x15, 3, 3, 0, 2, 2, 10]);
    wrong_scheme(&endpoint);
}

fn wrong_scheme(endpoint: &str) {
    let local = Local::start(endpoint);
    local.record(0..10);
    let begin = Instant::now();
    let (delivery, lines) = local.shutdown();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert_eq!((delivery.traces.failed, delivery.logs.failed), (10, 10), "{delivery}");
    let [failing] = with_message(&lines, FAILING)[..] else { panic!("{:#?}", own(&lines)) };
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

/// One thing that can be wrong, and what the one warning for all signals says about it.
struct Situation {
    name: &'static str,
    peer: Peer,
    protocols: &'static [Protocol],
    /// In the fields `signals`, `error` and `check`.
    signals: &'static [&'static str],
    error: &'static str,
    check: [&'static str; 2],
}

enum Peer {
    Endpoint(String),
    /// Answers each connection with these bytes.
    Speaks(&'static [u8]),
    Collector(FaultPlan),
}

const BOTH: &[Protocol] = &[Protocol::Grpc, Protocol::HttpProtobuf];
const ANY: &[&str] = &["traces", "metrics", "logs"];
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn situations() -> Vec<Situation> {
    let collector = |fault: FaultPlan| Peer::Collector(fault);
    let situation = |name, peer, error, check: [&'static str; 2]| Situation {
        name,
        peer,
        protocols: BOTH,
        signals: ANY,
        error,
        check,
    };
    vec![
        situation(
            "refused",
            Peer::Endpoint(Collector::closed_endpoint().unwrap()),
            "refused",
            ["is the collector running", ENDPOINT],
        ),
        situation(
            "name",
            Peer::Endpoint("http://collector.invalid:4317".to_owned()),
            "cannot resolve",
            ["the name has no address", ENDPOINT],
        ),
        situation(
            "port 80",
            Peer::Endpoint("http://127.0.0.9".to_owned()),
            "refused",
            ["is the collector running", ENDPOINT],
        ),
        situation("TLS peer", Peer::Speaks(&[0x15, 3, 3, 0, 2, 2, 10]), "TLS", ["write https://", ENDPOINT]),
        Situation {
            protocols: &[Protocol::Grpc],
            ..situation(
                "HTTP/1 peer",
                Peer::Speaks(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
                "HTTP/1",
                ["speaks HTTP, not gRPC", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"],
            )
        },
        Situation {
            protocols: &[Protocol::HttpProtobuf],
            ..situation(
                "gRPC peer",
                Peer::Speaks(&[0, 0, 0, 4, 0, 0, 0, 0, 0]),
                "HTTP/2",
                ["speaks gRPC, not HTTP", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"],
            )
        },
        situation(
            "another protocol",
            Peer::Speaks(b"SSH-2.0-OpenSSH_9.9\r\n"),
            "neither HTTP nor TLS",
            ["not that of an OTLP receiver", ENDPOINT],
        ),
        situation("gateway", collector(Fault::http(502).into()), "502", ["the gateway", ENDPOINT]),
        situation("redirect", collector(Fault::http(308).into()), "308", ["redirects", ENDPOINT]),
        situation(
            "unauthenticated",
            collector(Fault::http(401).into()),
            "401",
            ["credentials", "OTEL_EXPORTER_OTLP_HEADERS"],
        ),
        situation("throttled", collector(Fault::http(429).into()), "429", ["rate", "OTEL_TRACES_SAMPLER"]),
        situation(
            "too large",
            collector(Fault::MaxMessageSize(10).into()),
            "",
            ["over the limit", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"],
        ),
        situation("nothing there", collector(Fault::http(404).into()), "404", ["the path", ENDPOINT]),
        Situation {
            signals: &["metrics"],
            ..situation(
                "no pipeline for metrics",
                collector(Fault::status(GrpcCode::Unimplemented, "unknown service").on(Signal::Metrics)),
                "",
                ["a pipeline", "OTEL_METRICS_EXPORTER=none"],
            )
        },
    ]
}

#[test]
fn each_situation_is_one_warning_that_names_the_variable_to_change() {
    for Situation { name, peer, protocols, signals, error, check } in situations() {
        for protocol in protocols {
            let collector = Collector::start().unwrap();
            let endpoint = match &peer {
                Peer::Endpoint(endpoint) => endpoint.clone(),
                Peer::Speaks(bytes) => speaking(bytes),
                Peer::Collector(fault) => {
                    collector.inject_fault(fault.clone());
                    collector.endpoint()
                }
            };
            let local = Local::with(&endpoint, |builder| {
                builder.protocol(*protocol).shutdown_timeout(Duration::from_millis(300))
            });
            local.record(0..3);
            let begin = Instant::now();
            // The other signals come meanwhile, and once more at the end.
            while with_message(&local.lines(), FAILING).is_empty() {
                assert!(begin.elapsed() < PATIENCE, "{name}, {protocol:?}: {:#?}", local.lines());
                pause(5);
            }
            let _ = local.guard.force_flush(Duration::from_millis(500));
            let (_, lines) = local.shutdown();
            let [failing] = with_message(&lines, FAILING)[..] else {
                panic!("{name}, {protocol:?}: {:#?}", own(&lines))
            };
            let field = |field: &str| failing[field].as_str().unwrap().to_owned();
            assert!(signals.contains(&field("signals").as_str()), "{name}, {protocol:?}: {failing}");
            assert!(field("error").contains(error), "{name}, {protocol:?}: {failing}");
            assert!(
                check.iter().all(|part| field("check").contains(part)),
                "{name}, {protocol:?}: {failing}"
            );
            // With its port, also where that is the scheme's own.
            assert!(field("endpoint")[8..].contains(':'), "{name}, {protocol:?}: {failing}");
        }
    }
}

/// The endpoint of a listener that answers each connection with these bytes.
fn speaking(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(bytes);
                // Until the client closes it: a reset would take the answer back.
                while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
            });
        }
    });
    endpoint
}
