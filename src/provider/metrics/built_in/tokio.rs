//! The tokio runtime of the program. The conventions have no names for it.
//!
//! | metric | value |
//! |---|---|
//! | [`WORKER_COUNT`](names::WORKER_COUNT) | worker threads |
//! | [`TASK_COUNT`](names::TASK_COUNT) | tasks that are alive |
//! | [`GLOBAL_QUEUE_SIZE`](names::GLOBAL_QUEUE_SIZE) | tasks that wait in the queue that all workers share |
//!
//! A growing queue is the first sign of a runtime that is blocked.
//!
//! # Which runtime
//!
//! Many programs call `build()` before they have a runtime. So it is looked for again where this crate is certain to be
//! used inside of one: when a layer for calls gets its first call, and when `shutdown_signal()` is awaited. Whatever is
//! found first is kept; a runtime that the program names itself replaces it.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::metrics::{AsyncInstrument, Meter};
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::export::own_threads::{on_background_thread, on_io_thread};
use crate::semconv::tokio as names;

/// The runtime whose metrics are exported, once it is known. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObservedRuntime(Arc<Mutex<Option<RuntimeMetrics>>>);

impl ObservedRuntime {
    /// Observes this runtime from now on. Its counters can be read also after it has ended.
    pub(crate) fn set(&self, runtime: &Handle) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime.metrics());
    }

    /// Observes the runtime that the caller runs in, if it runs in one, unless one is known. One of this crate does not
    /// count.
    pub(crate) fn find(&self) {
        if on_io_thread() || on_background_thread() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| runtime.metrics());
        }
    }

    /// Returns the runtime, if it is known.
    fn get(&self) -> Option<RuntimeMetrics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads one number of the runtime. Only those that tokio offers without `tokio_unstable` are used.
type Amount = fn(&RuntimeMetrics) -> usize;

/// Creates the instruments. They have no values until the runtime is known.
pub(super) fn observe(meter: &Meter, runtime: &ObservedRuntime) {
    let amounts: [(&'static str, &'static str, Amount); 3] = [
        (names::WORKER_COUNT, "{worker}", RuntimeMetrics::num_workers),
        (names::TASK_COUNT, "{task}", RuntimeMetrics::num_alive_tasks),
        (names::GLOBAL_QUEUE_SIZE, "{task}", RuntimeMetrics::global_queue_depth),
    ];
    for (name, unit, amount) in amounts {
        let runtime = runtime.clone();
        let observe = move |instrument: &dyn AsyncInstrument<i64>| {
            if let Some(metrics) = runtime.get() {
                instrument.observe(i64::try_from(amount(&metrics)).unwrap_or(i64::MAX), &[]);
            }
        };
        let _ = meter.i64_observable_up_down_counter(name).with_unit(unit).with_callback(observe).build();
    }
}
