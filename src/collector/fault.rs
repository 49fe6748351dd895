//! Faults that can be injected into a collector.
//!
//! Faults form a list in the order in which they were injected. For each request the list is read from the start: a
//! fault that does not apply (another signal, used up, a message below the limit) is skipped, delays are added up,
//! and the first fault that determines the response ends the reading. [`FaultPlan`]s that are used up are removed.
//!
//! | fault | over gRPC | over HTTP | the items count as |
//! |---|---|---|---|
//! | `Status`, a code that may be retried | that status | the corresponding status | pending, until a response without the fault |
//! | `Status`, any other code | that status | the corresponding status | failed |
//! | `Http` | the HTTP response as it is | the same | determined by its status |
//! | `PartialSuccess` | OK, with the count | 200, with the count | rejected, the others as delivered |
//! | `Delay` | a late response | the same | delivered, or pending if the exporter gave up earlier |
//! | `Silence` | no response | no response | pending, and failed without a response at shutdown |
//! | `MaxMessageSize` | RESOURCE_EXHAUSTED | 413 | delivered in halves; a single item that is too large fails |

use std::time::Duration;

use crate::semconv::GrpcCode;
use crate::settings::Signal;

/// A fault to inject into the collector.
///
/// ```
/// use std::time::Duration;
/// use telemetry_bootstrap::testing::{Collector, Fault};
/// use telemetry_bootstrap::{GrpcCode, Signal};
///
/// # fn main() -> std::io::Result<()> {
/// let collector = Collector::start()?;
/// // Every request, until `clear_faults()`:
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
    /// Responds with this status, or over HTTP with the corresponding one (503 for UNAVAILABLE). Nothing is kept.
    #[non_exhaustive]
    Status {
        /// The status code.
        code: GrpcCode,
        /// The status message.
        message: String,
        /// Requests a pause of this length, by `RetryInfo` or `Retry-After` (in whole seconds).
        retry_after: Option<Duration>,
    },
    /// Responds with this HTTP response, as a gateway in front of the collector does, regardless of the protocol.
    /// Nothing is kept.
    Http(HttpAnswer),
    /// Accepts the request but rejects its last `rejected` items: OTLP's partial success. The others are kept.
    #[non_exhaustive]
    PartialSuccess {
        /// The number of spans, log records or data points of each request.
        rejected: usize,
        /// The message of the response.
        message: String,
    },
    /// Delays the response; if the client gives up before, nothing is kept. Later faults still apply.
    Delay(Duration),
    /// Accepts the request and never responds. The client must give up; nothing is kept.
    Silence,
    /// Rejects requests of more than this number of bytes, uncompressed, as the Go collector does: RESOURCE_EXHAUSTED
    /// over gRPC, 413 over HTTP. Only rejected requests count for [`times`](FaultPlan::times).
    MaxMessageSize(usize),
}

impl Fault {
    /// Responds with this code and message.
    #[must_use]
    pub fn status(code: GrpcCode, message: impl Into<String>) -> Self {
        Self::Status { code, message: message.into(), retry_after: None }
    }

    /// Responds with RESOURCE_EXHAUSTED (429 over HTTP) and requests a pause of this length.
    #[must_use]
    pub fn retry_after(pause: Duration) -> Self {
        let message = "too many requests".to_owned();
        Self::Status { code: GrpcCode::ResourceExhausted, message, retry_after: Some(pause) }
    }

    /// Responds with this HTTP status, as a gateway does; see [`HttpAnswer`] for headers and a body.
    #[must_use]
    pub fn http(status: u16) -> Self {
        Self::Http(HttpAnswer::new(status))
    }

    /// Rejects the last `rejected` items of each request, with a reason.
    #[must_use]
    pub fn partial_success(rejected: usize, message: impl Into<String>) -> Self {
        Self::PartialSuccess { rejected, message: message.into() }
    }

    /// Limits the fault to requests of this signal.
    ///
    /// ```
    /// use telemetry_bootstrap::Signal;
    /// use telemetry_bootstrap::testing::Fault;
    ///
    /// let plan = Fault::Silence.on(Signal::Metrics);
    /// ```
    pub fn on(self, signal: Signal) -> FaultPlan {
        FaultPlan::from(self).on(signal)
    }

    /// Limits the fault to the next `requests` requests.
    pub fn times(self, requests: usize) -> FaultPlan {
        FaultPlan::from(self).times(requests)
    }

    /// Returns `true` if the fault applies to a request of that size.
    ///
    /// Only [`MaxMessageSize`](Self::MaxMessageSize) depends on the size. A request that is skipped does not count
    /// for `times`.
    fn concerns(&self, size: usize) -> bool {
        !matches!(self, Self::MaxMessageSize(limit) if size <= *limit)
    }
}

/// An HTTP response, as a gateway sends it.
///
/// ```
/// use telemetry_bootstrap::testing::{Collector, HttpAnswer};
///
/// # fn main() -> std::io::Result<()> {
/// let collector = Collector::start()?;
/// let busy = HttpAnswer::new(503).header("retry-after", "1").body("<html>try again</html>");
/// collector.inject_fault(busy);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an answer does nothing until it is given to `Collector::inject_fault`"]
pub struct HttpAnswer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl HttpAnswer {
    /// Creates a response with this status and nothing else.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    /// Limits the fault to the next `requests` requests.
    pub fn times(self, requests: usize) -> FaultPlan {
        FaultPlan::from(self).times(requests)
    }
}

impl From<HttpAnswer> for FaultPlan {
    fn from(answer: HttpAnswer) -> Self {
        Fault::Http(answer).into()
    }
}

/// A [`Fault`], and the requests that it applies to.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a fault does nothing until it is given to `Collector::inject_fault`"]
pub struct FaultPlan {
    fault: Fault,
    /// All signals if `None`.
    signal: Option<Signal>,
    /// Requests left, if limited.
    remaining: Option<usize>,
}

impl FaultPlan {
    /// Limits the fault to requests of this signal.
    pub fn on(mut self, signal: Signal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Limits the fault to the next `requests` requests that it applies to.
    pub fn times(mut self, requests: usize) -> Self {
        self.remaining = Some(requests);
        self
    }

    /// Returns the fault if it applies to this request, and counts the request.
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

/// Decision for one request.
#[derive(Debug, Default)]
pub(super) struct FaultDecision {
    /// The sum of all delays, which pass before the response.
    pub(super) delay: Duration,
    /// The response after the delay.
    pub(super) answer: Answer,
}

/// The response to one request.
#[derive(Debug, Default)]
pub(super) enum Answer {
    /// Keep everything.
    #[default]
    Accept,
    /// Keep all but the last `items`, and report those as rejected, with this message.
    Reject { items: usize, message: String },
    /// Keep nothing, and respond with this status in the protocol of the request.
    Refuse(Refusal),
    /// Keep nothing, and respond as a gateway does.
    Http(HttpAnswer),
    /// Keep nothing, and do not respond.
    Never,
}

impl FaultDecision {
    /// Applies the faults in order, up to the first one that determines the response. Then the limit of 4 MiB
    /// applies, which every collector has by default.
    pub(super) fn from_plans(plans: &mut Vec<FaultPlan>, signal: Signal, size: usize) -> Self {
        let mut decision = Self::default();
        for plan in plans.iter_mut() {
            decision.answer = match plan.due(signal, size) {
                None => continue,
                Some(Fault::Delay(delay)) => {
                    decision.delay += delay;
                    continue;
                }
                Some(Fault::Status { code, message, retry_after }) => {
                    Answer::Refuse(Refusal { code, message, retry_after, is_about_size: false })
                }
                Some(Fault::Http(answer)) => Answer::Http(answer),
                Some(Fault::PartialSuccess { rejected, message }) => {
                    Answer::Reject { items: rejected, message }
                }
                Some(Fault::Silence) => Answer::Never,
                Some(Fault::MaxMessageSize(limit)) => Answer::Refuse(too_large(size, limit)),
            };
            break;
        }
        plans.retain(|plan| plan.remaining != Some(0));
        if size > MAX_MESSAGE_BYTES && matches!(decision.answer, Answer::Accept | Answer::Reject { .. }) {
            decision.answer = Answer::Refuse(too_large(size, MAX_MESSAGE_BYTES));
        }
        decision
    }
}

/// A request that is not accepted, as a gRPC status; [`http_status`](super::receiver::http_status) maps it for HTTP.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: GrpcCode,
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
    /// `true` if the size is the reason. Over HTTP the status is then 413; the code alone would map to 429.
    pub(super) is_about_size: bool,
}

impl Refusal {
    /// Creates a refusal without a retry pause.
    pub(super) fn new(code: GrpcCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, is_about_size: false }
    }
}

/// Creates the refusal of a message of `size` bytes.
fn too_large(size: usize, limit: usize) -> Refusal {
    // The exact message of grpc-go, which the Go collector uses.
    let message = format!("grpc: received message larger than max ({size} vs. {limit})");
    Refusal { is_about_size: true, ..Refusal::new(GrpcCode::ResourceExhausted, message) }
}

/// The default limit of collectors.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
