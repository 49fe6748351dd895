//! Outcome of telemetry, by the conventions for SDKs, which are in development. The numbers are those of
//! [`ExportStats`](crate::ExportStats).
//!
//! | outcome in the ledger | metric | `error.type` |
//! |---|---|---|
//! | delivered | `otel.sdk.exporter.….exported` | – |
//! | rejected | the same | `rejected` |
//! | failed, without an answer | the same | `timeout` |
//! | failed otherwise | the same | `_OTHER` |
//! | dropped | `otel.sdk.processor.….processed` | `queue_full` |
//! | taken by the worker, whatever becomes of it | the same | – |
//! | pending, and not taken yet | `otel.sdk.processor.….queue.size` | – |
//! | pending, and taken | `otel.sdk.exporter.….inflight` | – |
//!
//! | taken by the worker, until its outcome is known | `otel.sdk.exporter.operation.duration`, with the `error.type` above and the status of the last answer | see above |
//!
//! Every number is read from the ledger at the collection, so the metrics and the statistics of the guard agree.
//! Metrics about the export of metrics are one collection behind: a collection is not delivered yet when it is made.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Histogram, Meter};

use crate::export::{Ledger, OperationError, Operations, ResponseStatus, SignalStats};
use crate::provider::duration_histogram;
use crate::semconv::{self, sdk as names};
use crate::settings::{DestinationSettings, Protocol, Signal};

/// A destination of a signal, whose ledger is observed.
#[derive(Clone, Debug)]
pub(crate) struct ObservedPipeline {
    /// The kind of items that the pipeline exports.
    pub(crate) signal: Signal,
    /// The number of the destination among those of the signal, from 0: a part of the component's name.
    pub(crate) index: usize,
    /// The counts of the pipeline.
    pub(crate) ledger: Arc<Ledger>,
    /// Takes the end of each export.
    pub(crate) operations: Arc<Operations>,
    /// The most items that the queue holds.
    pub(crate) capacity: usize,
    /// Decides on the type of the exporter, and on its address.
    pub(crate) destination: DestinationSettings,
}

/// Selects a number of one pipeline.
type Count = fn(&Ledger) -> u64;

/// Creates the instruments for the exporter of each pipeline, and for its queue.
pub(super) fn observe(meter: &Meter, pipelines: &[ObservedPipeline]) {
    let durations = duration_histogram(meter, names::OPERATION_DURATION).build();
    for pipeline in pipelines {
        let exported: Vec<(Option<&'static str>, Count)> = vec![
            (None, |ledger| ledger.snapshot().delivered),
            (Some(names::REJECTED), |ledger| ledger.snapshot().rejected),
            (Some(names::TIMEOUT), |ledger| ledger.snapshot().unanswered),
            (Some(semconv::OTHER), |ledger| {
                let SignalStats { failed, unanswered, .. } = ledger.snapshot();
                failed.saturating_sub(unanswered)
            }),
        ];
        let (name, in_flight, unit) = match pipeline.signal {
            Signal::Traces => (names::SPAN_EXPORTED, names::SPAN_IN_FLIGHT, "{span}"),
            Signal::Logs => (names::LOG_EXPORTED, names::LOG_IN_FLIGHT, "{log_record}"),
            Signal::Metrics => (names::DATA_POINT_EXPORTED, names::DATA_POINT_IN_FLIGHT, "{data_point}"),
        };
        let attributes = exporter(pipeline);
        pipeline.record_operations(durations.clone(), attributes.clone());
        let counter = meter.u64_observable_counter(name).with_unit(unit);
        let _ = counter.with_callback(pipeline.counts(attributes.clone(), exported)).build();
        pipeline.amount(meter, (in_flight, unit), attributes, |ledger| ledger.started().1);
        processor(meter, pipeline);
    }
}

/// Creates the instruments of a queue, which the conventions call a processor. Collections of metrics have none.
///
/// | instrument | value |
/// |---|---|
/// | `….processed` | items that were handed to the exporter, whatever becomes of them there, and with `error.type=queue_full` those dropped |
/// | `….queue.size` | items that were not handed to it yet |
/// | `….queue.capacity` | the limit of items; the limit in bytes has no convention |
/// | `otel.sdk.log.created` | records, counted once, not once for each destination |
fn processor(meter: &Meter, pipeline: &ObservedPipeline) {
    let (component, unit, [processed, size, capacity]) = match pipeline.signal {
        Signal::Traces => (names::SPAN_PROCESSOR, "{span}", names::SPAN_QUEUE),
        Signal::Logs => (names::LOG_PROCESSOR, "{log_record}", names::LOG_QUEUE),
        Signal::Metrics => return,
    };
    let attributes = pipeline.component(component);
    let counts: Vec<(Option<&'static str>, Count)> = vec![
        (None, |ledger| ledger.started().0),
        (Some(names::QUEUE_FULL), |ledger| ledger.snapshot().dropped),
    ];
    let counter = meter.u64_observable_counter(processed).with_unit(unit);
    let _ = counter.with_callback(pipeline.counts(attributes.clone(), counts)).build();
    pipeline.amount(meter, (size, unit), attributes.clone(), |ledger| {
        let (_, in_flight) = ledger.started();
        ledger.snapshot().pending.saturating_sub(in_flight)
    });
    let most = saturated(pipeline.capacity as u64);
    let limit = move |queue: &dyn AsyncInstrument<i64>| queue.observe(most, &attributes);
    let _ = meter.i64_observable_up_down_counter(capacity).with_unit(unit).with_callback(limit).build();
    // Every destination gets the same records.
    if pipeline.signal == Signal::Logs && pipeline.index == 0 {
        let ledger = Arc::clone(&pipeline.ledger);
        let created =
            move |counter: &dyn AsyncInstrument<u64>| counter.observe(ledger.snapshot().accepted, &[]);
        let _ =
            meter.u64_observable_counter(names::LOG_CREATED).with_unit(unit).with_callback(created).build();
    }
}

impl ObservedPipeline {
    /// Returns the attributes that identify a component among those of its type.
    fn component(&self, kind: &str) -> Vec<KeyValue> {
        component(kind, self.index)
    }

    /// Records how long each export takes, with these attributes, and why it failed if it did.
    fn record_operations(&self, durations: Histogram<f64>, attributes: Vec<KeyValue>) {
        self.operations.set(move |operation| {
            let error = operation.error.map(|error| {
                let error = match error {
                    OperationError::Rejected => names::REJECTED,
                    OperationError::Unanswered => names::TIMEOUT,
                    OperationError::Other => semconv::OTHER,
                };
                KeyValue::new(semconv::ERROR_TYPE, error)
            });
            let status = operation.status.map(|status| match status {
                ResponseStatus::Http(status) => KeyValue::new(names::HTTP_STATUS_CODE, i64::from(status)),
                ResponseStatus::Grpc(status) => KeyValue::new(names::RPC_STATUS_CODE, status),
            });
            let attributes: Vec<_> = attributes.iter().cloned().chain(error).chain(status).collect();
            durations.record(operation.duration.as_secs_f64(), &attributes);
        });
    }

    /// Creates an instrument with one number, which rises and falls.
    fn amount(
        &self,
        meter: &Meter,
        (name, unit): (&'static str, &'static str),
        attributes: Vec<KeyValue>,
        count: Count,
    ) {
        let ledger = Arc::clone(&self.ledger);
        let observe = move |amount: &dyn AsyncInstrument<i64>| {
            amount.observe(saturated(count(&ledger)), &attributes);
        };
        let _ = meter.i64_observable_up_down_counter(name).with_unit(unit).with_callback(observe).build();
    }

    /// Returns a callback that observes each number with its `error.type`; errors that never happened are left out.
    fn counts(
        &self,
        attributes: Vec<KeyValue>,
        counts: Vec<(Option<&'static str>, Count)>,
    ) -> impl Fn(&dyn AsyncInstrument<u64>) + Send + Sync + 'static {
        let ledger = Arc::clone(&self.ledger);
        move |counter| {
            for (error, count) in &counts {
                let count = count(&ledger);
                if error.is_none() || count > 0 {
                    let error = error.map(|error| KeyValue::new(semconv::ERROR_TYPE, error));
                    let attributes: Vec<_> = attributes.iter().cloned().chain(error).collect();
                    counter.observe(count, &attributes);
                }
            }
        }
    }
}

/// Returns the attributes that identify a component among those of its type.
pub(in crate::provider::metrics) fn component(kind: &str, index: usize) -> Vec<KeyValue> {
    vec![
        KeyValue::new(names::COMPONENT_TYPE, kind.to_owned()),
        KeyValue::new(names::COMPONENT_NAME, format!("{kind}/{index}")),
    ]
}

/// Returns the attributes of an exporter: its type by protocol and signal, and the address of its destination.
fn exporter(pipeline: &ObservedPipeline) -> Vec<KeyValue> {
    let signal = match pipeline.signal {
        Signal::Traces => "span",
        Signal::Logs => "log",
        Signal::Metrics => "metric",
    };
    let export = match &pipeline.destination {
        DestinationSettings::Otlp(export) => export,
        DestinationSettings::Output(_) => return pipeline.component(&format!("file_{signal}_exporter")),
        DestinationSettings::Console => return pipeline.component(&format!("console_{signal}_exporter")),
    };
    let protocol = match export.protocol.first {
        Protocol::HttpProtobuf => "http",
        Protocol::HttpJson => "http_json",
        _ => "grpc",
    };
    let mut attributes = pipeline.component(&format!("otlp_{protocol}_{signal}_exporter"));
    if let Some(path) = &export.target.socket {
        attributes.push(KeyValue::new(names::SERVER_ADDRESS, path.display().to_string()));
        return attributes;
    }
    let uri = &export.target.uri;
    if let Some(host) = uri.host() {
        attributes.push(KeyValue::new(names::SERVER_ADDRESS, host.trim_matches(['[', ']']).to_owned()));
    }
    let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    attributes.push(KeyValue::new(names::SERVER_PORT, i64::from(uri.port_u16().unwrap_or(default_port))));
    attributes
}

/// Returns the count as a signed number, as up-down counters have it.
pub(super) fn saturated(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
