//! The metrics of calls, bound once for each method and status.
//!
//! Binding an instrument to its attributes takes far longer than a measurement. Each method therefore keeps its bound
//! instruments ([`MethodInstruments`]): a duration for each status code, the others once. They are bound on first
//! use, so unused series are not exported.
//!
//! | instrument | conventions | unit | attributes |
//! |---|---|---|---|
//! | `rpc.{server,client}.call.duration` | stable | s | system, method, status, `error.type`, a client's server |
//! | `rpc.{server,client}.duration` | old | ms | system, service, method, status number |
//! | `rpc.{server,client}.active_calls` | own | `{call}` | those of the duration, without status |
//! | `rpc.{server,client}.{request,response}.size` | old names | By | those of the duration, without status |
//! | `rpc.{server,client}.{requests,responses}_per_rpc` | old names | `{message}` | the same |
//!
//! A measurement is an atomic load for the bound instrument and an addition in the SDK: no attributes are made, hashed
//! or compared. The number of series is bounded by methods × codes, because methods that are not known are `_OTHER`.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, BoundUpDownCounter, Histogram, Meter, UpDownCounter};

use super::options::{IsError, MetricOptions, Side};
use crate::calls::address::Address;
use crate::semconv;
use crate::semconv::GrpcCode;
use crate::settings::RpcConventions;

/// The instruments of one layer.
pub(super) struct Instruments {
    /// The names to emit: the stable ones, those before 1.39, or both.
    conventions: RpcConventions,
    /// The codes that get `error.type`.
    is_error: IsError,
    /// The address of a client's target. A server's address comes from its callers, so it is not on metrics.
    address: Option<Address>,
    /// Seconds, under the stable name.
    duration: Option<Histogram<f64>>,
    /// Milliseconds, under the old name.
    old_duration: Option<Histogram<f64>>,
    /// Calls under way, if requested.
    active: Option<UpDownCounter<i64>>,
    /// Bytes of each message, if requested.
    sizes: Option<Pair>,
    /// Messages of each call, if requested.
    counts: Option<Pair>,
}

/// A histogram for requests and one for responses.
struct Pair {
    /// Instruments for messages from the client.
    request: Histogram<u64>,
    /// Instruments for messages from the server.
    response: Histogram<u64>,
}

impl Instruments {
    /// Creates the instruments that the options and the conventions require.
    pub(super) fn new(
        meter: &Meter,
        side: Side,
        conventions: RpcConventions,
        enabled: MetricOptions,
        is_error: IsError,
        address: Option<Address>,
    ) -> Self {
        let stable = conventions != RpcConventions::Old;
        let old = conventions != RpcConventions::Stable;
        Self {
            conventions,
            is_error,
            address,
            duration: stable.then(|| duration(meter, side)),
            old_duration: old.then(|| old_duration(meter, side)),
            active: enabled.active.then(|| active(meter, side)),
            sizes: (enabled.sizes || old).then(|| sizes(meter, side)),
            counts: enabled.counts.then(|| counts(meter, side)),
        }
    }

    /// Returns `true` if an instrument needs the messages of calls.
    pub(super) fn track_messages(&self) -> bool {
        self.sizes.is_some() || self.counts.is_some()
    }

    /// The attributes of a method's metrics, with the status if it is known.
    fn attributes(&self, method: &str, code: Option<GrpcCode>) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(8);
        if self.conventions == RpcConventions::Old {
            old_attributes(&mut attributes, method, code);
        } else {
            self.stable_attributes(&mut attributes, method, code);
        }
        attributes
    }

    /// Appends the attributes of the stable conventions.
    fn stable_attributes(&self, attributes: &mut Vec<KeyValue>, method: &str, code: Option<GrpcCode>) {
        attributes.push(KeyValue::new(semconv::RPC_SYSTEM_NAME, semconv::GRPC));
        attributes.push(KeyValue::new(semconv::RPC_METHOD, method.to_owned()));
        if let Some(code) = code {
            attributes.push(KeyValue::new(semconv::RPC_STATUS_CODE, code.name()));
            if (self.is_error)(code) {
                attributes.push(KeyValue::new(semconv::ERROR_TYPE, code.name()));
            }
        }
        if let Some(address) = &self.address {
            address.push_attributes(attributes);
        }
    }

    /// Binds the histograms of durations to a method and a code.
    fn bind_duration(&self, method: &str, code: GrpcCode) -> BoundDuration {
        let old = |histogram: &Histogram<f64>| {
            let mut attributes = Vec::new();
            old_attributes(&mut attributes, method, Some(code));
            histogram.bind(&attributes)
        };
        BoundDuration {
            seconds: self
                .duration
                .as_ref()
                .map(|histogram| histogram.bind(&self.attributes(method, Some(code)))),
            milliseconds: self.old_duration.as_ref().map(old),
        }
    }

    /// Binds a histogram to a method.
    fn bind(&self, histogram: Option<&Histogram<u64>>, method: &str) -> Option<BoundHistogram<u64>> {
        Some(histogram?.bind(&self.attributes(method, None)))
    }
}

/// The names before 1.39, as the Python instrumentation uses them.
fn old_attributes(attributes: &mut Vec<KeyValue>, method: &str, code: Option<GrpcCode>) {
    let (service, short) = split(method);
    attributes.push(KeyValue::new(semconv::OLD_RPC_SYSTEM, semconv::GRPC));
    attributes.push(KeyValue::new(semconv::OLD_RPC_SERVICE, service.to_owned()));
    attributes.push(KeyValue::new(semconv::RPC_METHOD, short.to_owned()));
    if let Some(code) = code {
        attributes.push(KeyValue::new(semconv::OLD_RPC_GRPC_STATUS_CODE, code as i64));
    }
}

/// Splits `pkg.Service/Method`. A name without a slash (`_OTHER`) is used for both parts.
pub(super) fn split(method: &str) -> (&str, &str) {
    method.rsplit_once('/').unwrap_or((method, method))
}

/// The bound instruments of one method, created when they are first needed.
#[derive(Default)]
pub(super) struct MethodInstruments {
    /// Histograms by the number of the code.
    durations: [OnceLock<BoundDuration>; GrpcCode::COUNT],
    /// `None` inside if the instrument is not enabled.
    active: OnceLock<Option<BoundUpDownCounter<i64>>>,
    /// Bytes of each message.
    sizes: BoundPair,
    /// Messages of each call.
    counts: BoundPair,
}

/// The histograms of durations of one method and code.
struct BoundDuration {
    /// The histogram of the stable conventions.
    seconds: Option<BoundHistogram<f64>>,
    /// The histogram of the old conventions.
    milliseconds: Option<BoundHistogram<f64>>,
}

/// The histograms of requests and responses of one method, bound at the first measurement: a bound histogram is
/// exported even if it is empty.
#[derive(Default)]
struct BoundPair {
    /// `None` inside if the instrument is not enabled.
    request: OnceLock<Option<BoundHistogram<u64>>>,
    /// `None` inside if the instrument is not enabled.
    response: OnceLock<Option<BoundHistogram<u64>>>,
}

impl MethodInstruments {
    /// Records a finished call.
    pub(super) fn record_duration(
        &self,
        instruments: &Instruments,
        method: &str,
        code: GrpcCode,
        duration: Duration,
    ) {
        let Some(slot) = self.durations.get(code as usize) else {
            return;
        };
        let bound = slot.get_or_init(|| instruments.bind_duration(method, code));
        let seconds = duration.as_secs_f64();
        if let Some(histogram) = &bound.seconds {
            histogram.record(seconds);
        }
        if let Some(histogram) = &bound.milliseconds {
            histogram.record(seconds * 1e3);
        }
    }

    /// Adds `change` to the number of active calls.
    pub(super) fn add_active(&self, instruments: &Instruments, method: &str, change: i64) {
        let Some(counter) = &instruments.active else {
            return;
        };
        let bind = || Some(counter.bind(&instruments.attributes(method, None)));
        if let Some(counter) = self.active.get_or_init(bind) {
            counter.add(change);
        }
    }

    /// Records the size of one message of a request.
    pub(super) fn record_request_size(&self, instruments: &Instruments, method: &str, size: u64) {
        let histogram = instruments.sizes.as_ref().map(|sizes| &sizes.request);
        self.record(instruments, method, histogram, &self.sizes.request, size);
    }

    /// Records the size of one message of a response.
    pub(super) fn record_response_size(&self, instruments: &Instruments, method: &str, size: u64) {
        let histogram = instruments.sizes.as_ref().map(|sizes| &sizes.response);
        self.record(instruments, method, histogram, &self.sizes.response, size);
    }

    /// Records how many messages a finished call had.
    pub(super) fn record_counts(
        &self,
        instruments: &Instruments,
        method: &str,
        requests: u64,
        responses: u64,
    ) {
        let Some(counts) = &instruments.counts else {
            return;
        };
        let bound = &self.counts;
        self.record(instruments, method, Some(&counts.request), &bound.request, requests);
        self.record(instruments, method, Some(&counts.response), &bound.response, responses);
    }

    /// Records a value, after binding the histogram if this is the first one.
    fn record(
        &self,
        instruments: &Instruments,
        method: &str,
        histogram: Option<&Histogram<u64>>,
        bound: &OnceLock<Option<BoundHistogram<u64>>>,
        value: u64,
    ) {
        if let Some(bound) = bound.get_or_init(|| instruments.bind(histogram, method)) {
            bound.record(value);
        }
    }
}

/// Creates the stable histogram of durations.
fn duration(meter: &Meter, side: Side) -> Histogram<f64> {
    let (name, description) = match side {
        Side::Server => (
            semconv::RPC_SERVER_CALL_DURATION,
            "Measures the duration of an incoming Remote Procedure Call (RPC).",
        ),
        Side::Client => (
            semconv::RPC_CLIENT_CALL_DURATION,
            "Measures the duration of an outgoing Remote Procedure Call (RPC).",
        ),
    };
    meter
        .f64_histogram(name)
        .with_unit("s")
        .with_description(description)
        .with_boundaries(semconv::DURATION_BOUNDARIES.to_vec())
        .build()
}

/// Creates the old histogram of durations, with the SDK's boundaries, which are made for milliseconds.
fn old_duration(meter: &Meter, side: Side) -> Histogram<f64> {
    let (name, description) = match side {
        Side::Server => (semconv::OLD_RPC_SERVER_DURATION, "Measures the duration of inbound RPC."),
        Side::Client => (semconv::OLD_RPC_CLIENT_DURATION, "Measures the duration of outbound RPC."),
    };
    meter.f64_histogram(name).with_unit("ms").with_description(description).build()
}

/// Creates the counter of calls under way.
fn active(meter: &Meter, side: Side) -> UpDownCounter<i64> {
    let (name, description) = match side {
        Side::Server => (semconv::RPC_SERVER_ACTIVE_CALLS, "Incoming calls that have not ended."),
        Side::Client => (semconv::RPC_CLIENT_ACTIVE_CALLS, "Outgoing calls that have not ended."),
    };
    meter.i64_up_down_counter(name).with_unit("{call}").with_description(description).build()
}

/// Creates the histograms of message sizes, for which only the old conventions have names.
fn sizes(meter: &Meter, side: Side) -> Pair {
    let (request, response) = match side {
        Side::Server => (semconv::OLD_RPC_SERVER_REQUEST_SIZE, semconv::OLD_RPC_SERVER_RESPONSE_SIZE),
        Side::Client => (semconv::OLD_RPC_CLIENT_REQUEST_SIZE, semconv::OLD_RPC_CLIENT_RESPONSE_SIZE),
    };
    Pair {
        request: histogram(meter, request, "By", "Size of each request message on the wire."),
        response: histogram(meter, response, "By", "Size of each response message on the wire."),
    }
}

/// Creates the histograms of message counts, for which only the old conventions have names.
fn counts(meter: &Meter, side: Side) -> Pair {
    let (request, response) = match side {
        Side::Server => (semconv::OLD_RPC_SERVER_REQUESTS_PER_RPC, semconv::OLD_RPC_SERVER_RESPONSES_PER_RPC),
        Side::Client => (semconv::OLD_RPC_CLIENT_REQUESTS_PER_RPC, semconv::OLD_RPC_CLIENT_RESPONSES_PER_RPC),
    };
    Pair {
        request: histogram(meter, request, "{message}", "Request messages in one call."),
        response: histogram(meter, response, "{message}", "Response messages in one call."),
    }
}

/// Creates a histogram with the SDK's boundaries.
fn histogram(
    meter: &Meter,
    name: &'static str,
    unit: &'static str,
    description: &'static str,
) -> Histogram<u64> {
    meter.u64_histogram(name).with_unit(unit).with_description(description).build()
}
