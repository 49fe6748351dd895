//! What a flush of the guard returns.

#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "test code")]

mod local;

use std::time::Duration;

use local::{Local, PATIENCE};
use telemetry_bootstrap::testing::{Collector, Fault};
use telemetry_bootstrap::{ExportError, GrpcCode, Protocol, Signal};

const NEVER: Duration = Duration::from_secs(3600);

/// Nothing is sent before a flush.
fn start(collector: &Collector, protocol: Protocol) -> Local {
    Local::with(&collector.endpoint(), |builder| {
        builder
            .protocol(protocol)
            .traces(|traces| traces.scheduled_delay(NEVER))
            .metrics(|metrics| metrics.interval(NEVER))
            .logs(|logs| logs.scheduled_delay(NEVER))
    })
}

#[test]
fn flush_fails_if_a_signal_is_refused() {
    for (protocol, fault) in [
        (Protocol::Grpc, Fault::status(GrpcCode::Unimplemented, "unknown service")),
        (Protocol::HttpProtobuf, Fault::http(404)),
    ] {
        for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
            let collector = Collector::start().unwrap();
            collector.inject_fault(fault.clone().on(signal));
            let local = start(&collector, protocol);
            // The items of each flush are gone when the next one begins.
            for number in 0..3 {
                local.record(number..number + 1);
                match local.guard.force_flush(PATIENCE) {
                    Err(ExportError::Failed { .. }) => {}
                    other => panic!("{protocol:?} {signal}: {other:?}"),
                }
            }
            let stats = local.guard.stats();
            assert_eq!(stats.lost(), 3, "{protocol:?} {signal}: {stats}");
        }
    }
}

#[test]
fn flush_succeeds_after_one_that_failed() {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::http(404).on(Signal::Traces).times(1));
    let local = start(&collector, Protocol::HttpProtobuf);
    local.record(0..1);
    local.guard.force_flush(PATIENCE).unwrap_err();
    local.record(1..2);
    local.guard.force_flush(PATIENCE).unwrap();
    assert_eq!(local.guard.stats().lost(), 1);
}
