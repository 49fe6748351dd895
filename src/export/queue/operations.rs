//! Export operations: a batch, from its first try to its last, for `otel.sdk.exporter.operation.duration`. What is still
//! pending at the end of the shutdown is not measured: the metrics have been collected by then.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

/// An export operation that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    /// The time from the first try to the end of the last, with the pauses between them.
    pub(crate) duration: Duration,
    /// Error category for metrics. `None` only if the receiver took all items.
    pub(crate) error: Option<OperationError>,
    /// The answer to the last request, if there was one.
    pub(crate) status: Option<ResponseStatus>,
}

/// The reason why an export operation failed, as distinguished by the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationError {
    /// The receiver accepted the request and refused items.
    Rejected,
    /// It was given up, and a request of it was sent and not answered.
    Unanswered,
    /// It was given up for another reason.
    Other,
}

/// The status of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseStatus {
    /// A status of OTLP/HTTP.
    Http(u16),
    /// The name of the gRPC code.
    Grpc(&'static str),
}

/// Callback for finished exports. Set once the instruments exist.
#[derive(Default)]
pub(crate) struct Operations(OnceLock<Observe>);

/// Called on the I/O thread, or on the thread that collects metrics; not under the lock of the queue.
type Observe = Box<dyn Fn(Operation) + Send + Sync>;

impl Operations {
    /// Sets the callback for finished exports. Only the first call has an effect.
    pub(crate) fn set(&self, observe: impl Fn(Operation) + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(observe));
    }

    /// Reports an operation that has ended.
    pub(super) fn ended(&self, operation: Operation) {
        if let Some(observe) = self.0.get() {
            observe(operation);
        }
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").field("is_observed", &self.0.get().is_some()).finish()
    }
}
