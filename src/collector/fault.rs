//! What a collector can do wrong, on demand.

use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::semconv::Code;
use crate::settings::Signal;

/// What happens to a request.
///
/// ```
/// use std::time::Duration;
/// use telemetry_bootstrap::testing::{Code, Collector, Fault, Signal};
///
/// # fn main() -> std::io::Result<()> {
/// let collector = Collector::start()?;
/// // Every request, until `heal()`:
/// collector.inject_fault(Fault::Silence);
/// collector.clear_faults();
/// // The next three requests with log records:
/// let busy = Fault::retry_after(Duration::from_millis(200));
/// collector.inject_fault(busy.on(Signal::Logs).times(3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Answers with this status; nothing is kept.
    #[non_exhaustive]
    Status {
        /// The code of the answer.
        code: Code,
        /// Its message.
        message: String,
        /// Asks, with a `RetryInfo`, to be left alone for so long.
        retry_after: Option<Duration>,
    },
    /// Takes the request but refuses its last `rejected` items: OTLP's partial success. The others are kept.
    #[non_exhaustive]
    PartialSuccess {
        /// Spans, log records or data points of each request.
        rejected: usize,
        /// What the answer says about it.
        message: String,
    },
    /// Answers late; a client that does not wait for it has sent nothing. Later faults still apply.
    Delay(Duration),
    /// Takes the request and never answers. The client must give up; nothing is kept.
    Silence,
    /// Refuses requests of more than so many bytes, uncompressed, as the Go collector does: RESOURCE_EXHAUSTED.
    /// Only requests that are refused count for [`times`](FaultPlan::times).
    MaxMessageSize(usize),
}

impl Fault {
    /// Answers with this code and message.
    #[must_use]
    pub fn status(code: Code, message: impl Into<String>) -> Self {
        Self::Status { code, message: message.into(), retry_after: None }
    }

    /// Answers RESOURCE_EXHAUSTED, with a `RetryInfo` that asks to be left alone for so long.
    #[must_use]
    pub fn retry_after(pause: Duration) -> Self {
        let message = "too many requests".to_owned();
        Self::Status { code: Code::ResourceExhausted, message, retry_after: Some(pause) }
    }

    /// Refuses the last `rejected` items of each request, and says why.
    #[must_use]
    pub fn partial_success(rejected: usize, message: impl Into<String>) -> Self {
        Self::PartialSuccess { rejected, message: message.into() }
    }

    /// Only for requests of this signal.
    pub fn on(self, signal: Signal) -> FaultPlan {
        FaultPlan::from(self).on(signal)
    }

    /// Only for the next so many requests.
    pub fn times(self, requests: usize) -> FaultPlan {
        FaultPlan::from(self).times(requests)
    }

    /// Whether a request of that size meets with it.
    fn concerns(&self, size: usize) -> bool {
        !matches!(self, Self::MaxMessageSize(limit) if size <= *limit)
    }
}

/// A [`Fault`], and the requests that meet with it.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a fault does nothing until it is given to `Collector::inject_fault`"]
pub struct FaultPlan {
    fault: Fault,
    signal: Option<Signal>,
    /// Requests left, if limited.
    remaining: Option<usize>,
}

impl FaultPlan {
    /// Only for requests of this signal.
    pub fn on(mut self, signal: Signal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Only for the next so many requests that it concerns.
    pub fn times(mut self, requests: usize) -> Self {
        self.remaining = Some(requests);
        self
    }

    /// The fault, if it is due for this request, which then counts.
    fn due(&mut self, signal: Signal, size: usize) -> Option<Fault> {
        if self.signal.is_some_and(|only| only != signal) || !self.fault.concerns(size) {
            return None;
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.checked_sub(1)?;
        }
        Some(self.fault.clone())
    }
}

impl From<Fault> for FaultPlan {
    fn from(fault: Fault) -> Self {
        Self { fault, signal: None, remaining: None }
    }
}

/// What becomes of one request.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    pub(super) answer: Answer,
}

#[derive(Debug, Default)]
pub(super) enum Answer {
    #[default]
    Accept,
    Reject {
        items: usize,
        message: String,
    },
    Refuse(Status),
    Never,
}

impl Fate {
    /// Goes through the faults in order, to the first that answers.
    pub(super) fn of(plans: &mut Vec<FaultPlan>, signal: Signal, size: usize) -> Self {
        let mut fate = Self::default();
        for plan in plans.iter_mut() {
            fate.answer = match plan.due(signal, size) {
                None => continue,
                Some(Fault::Delay(delay)) => {
                    fate.delay += delay;
                    continue;
                }
                Some(Fault::Status { code, message, retry_after }) => {
                    Answer::Refuse(status(code, message, retry_after))
                }
                Some(Fault::PartialSuccess { rejected, message }) => {
                    Answer::Reject { items: rejected, message }
                }
                Some(Fault::Silence) => Answer::Never,
                Some(Fault::MaxMessageSize(limit)) => Answer::Refuse(too_large(size, limit)),
            };
            break;
        }
        plans.retain(|plan| plan.remaining != Some(0));
        if size > MAX_MESSAGE_BYTES && matches!(fate.answer, Answer::Accept | Answer::Reject { .. }) {
            fate.answer = Answer::Refuse(too_large(size, MAX_MESSAGE_BYTES));
        }
        fate
    }
}

fn status(code: Code, message: String, retry_after: Option<Duration>) -> Status {
    match retry_after {
        None => Status::new(code.to_tonic(), message),
        Some(pause) => {
            let details = ErrorDetails::with_retry_info(Some(pause));
            Status::with_error_details(code.to_tonic(), message, details)
        }
    }
}

fn too_large(size: usize, limit: usize) -> Status {
    // Word for word what grpc-go says, under the Go collector.
    Status::resource_exhausted(format!("grpc: received message larger than max ({size} vs. {limit})"))
}

/// The default of collectors.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
