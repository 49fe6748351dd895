//! The tokio runtime in which telemetry was started. The conventions have no names for it.
//!
//! | metric | value |
//! |---|---|
//! | [`WORKER_COUNT`](names::WORKER_COUNT) | worker threads |
//! | [`TASK_COUNT`](names::TASK_COUNT) | tasks that are alive |
//! | [`GLOBAL_QUEUE_SIZE`](names::GLOBAL_QUEUE_SIZE) | tasks that wait in the queue that all workers share |
//!
//! A growing queue is the first sign of a runtime that is blocked.

use opentelemetry::metrics::{AsyncInstrument, Meter};
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::semconv::tokio as names;

/// Reads one number of the runtime. Only those that tokio offers without `tokio_unstable` are used.
type Amount = fn(&RuntimeMetrics) -> usize;

/// Creates the instruments. They read the runtime's counters also after it has ended.
pub(super) fn observe(meter: &Meter, runtime: &Handle) {
    let amounts: [(&'static str, &'static str, Amount); 3] = [
        (names::WORKER_COUNT, "{worker}", RuntimeMetrics::num_workers),
        (names::TASK_COUNT, "{task}", RuntimeMetrics::num_alive_tasks),
        (names::GLOBAL_QUEUE_SIZE, "{task}", RuntimeMetrics::global_queue_depth),
    ];
    for (name, unit, amount) in amounts {
        let metrics = runtime.metrics();
        let observe = move |instrument: &dyn AsyncInstrument<i64>| {
            instrument.observe(i64::try_from(amount(&metrics)).unwrap_or(i64::MAX), &[]);
        };
        let _ = meter.i64_observable_up_down_counter(name).with_unit(unit).with_callback(observe).build();
    }
}
