//! Calls the sources of credentials, off the I/O thread and with a limit.
//!
//! A source is code of the user: it may block, hang or panic. It runs on a helper thread of the runtime. A call that
//! has not returned within its limit fails the requests that wait for it, which are tried again later; these then wait
//! for the same call instead of starting another one. So a source that hangs takes one thread and no more.
//!
//! ```text
//! request ─▶ headers of sources: cached value, or one call per source that all requests wait for
//!         ─▶ signer: one call per request, at most MAX_SIGNING at once
//!         ─▶ sent; after 401 or 403: values fetched before the request was made are discarded
//! ```
//!
//! A value is kept for as long as its source says, counted from its return. If no request waits for a call any more, the
//! next request uses the value if it is still valid, or, without a time of validity, if it is not older than
//! [`MAX_UNUSED`]; it does not use a failure. A refusal ends that early, once for each value: the next request
//! gets a new one. If that is refused too, it is kept for a pause that grows with each refusal ([`Renewals`]): no token
//! helps where a permission is missing.
//!
//! | a source | the request |
//! |---|---|
//! | returns a value | is sent with it |
//! | fails, panics, or returns what no header can hold | waits: it is retried after a pause |
//! | does not return within the limit | the same; the call goes on |
//! | returns a value that the receiver refuses | is sent once more with a new value, and then retried after a pause |
//! | returns an earlier value, because its file cannot be read | is sent with it; a refusal is logged with the reason |
//!
//! Values are marked as sensitive: they are in no log line, and HTTP/2 does not keep them in its tables.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};

use super::exchange::{RequestBody, plain_text};
use super::outcome::{Cause, Failure};
use crate::settings::secrets::shown_words;
use crate::settings::{self, HeaderSource, HeaderToken, RequestSigner};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The credentials of one signal's requests that change.
pub(super) struct Credentials {
    /// The headers whose values come from a source. Called in this order.
    sources: Vec<(HeaderName, Arc<Source>)>,
    /// Called last, with all other headers in place. It signs the body as well.
    signer: Option<Signer>,
    /// The backoff for replacing rejected values.
    renewals: std::sync::Mutex<Renewals>,
}

/// A request with its credentials.
pub(super) struct Authorized {
    /// With all headers.
    pub(super) request: Request<RequestBody>,
    /// The reason why a value in it is a previous one, for the message if the receiver rejects it. Contains no
    /// secrets.
    pub(super) outdated: Option<String>,
}

impl Credentials {
    /// Prepares the credentials of one signal. `known` holds the sources of the others: those with one source share its
    /// value.
    pub(super) fn new(settings: &settings::Credentials, known: &mut Vec<Arc<Source>>) -> Self {
        let sources = settings.sources.iter().map(|(name, source)| (name.clone(), shared(source, known)));
        let signer = settings.signer.clone().map(Signer::new);
        Self { sources: sources.collect(), signer, renewals: std::sync::Mutex::default() }
    }

    /// Returns `true` if requests are sent as they are.
    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.signer.is_none()
    }

    /// Adds the headers of the sources, then those of the signer, which signs them too.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that names the header or the signer. Texts of user code are shortened, and words that may be
    /// secrets are left out.
    ///
    /// `limit` is that of a try, for each call of user code, and at most [`MAX_WAIT`].
    pub(super) async fn add_to(
        &self,
        mut request: Request<RequestBody>,
        limit: Duration,
    ) -> Result<Authorized, Failure> {
        let limit = limit.min(MAX_WAIT);
        let mut outdated = None;
        let failed =
            |what: String, reason: String| Failure::new(Cause::CredentialSource, format!("{what} {reason}"));
        for (name, source) in &self.sources {
            let value = source.value(limit).await;
            let what = || format!("the source of the header {name}");
            let value = value.map_err(|reason| failed(what(), reason))?;
            request.headers_mut().insert(name, value.header);
            let reason = value.outdated.map(|reason| format!("{} {reason}; the last value was used", what()));
            outdated = outdated.or(reason);
        }
        let Some(signer) = &self.signer else { return Ok(Authorized { request, outdated }) };
        let request = request.map(RequestBody::into_bytes);
        let signed = signer.sign(request, limit).await;
        let signed = signed.map_err(|reason| failed("the signer of requests".to_owned(), reason))?;
        let request = signed.map(|body| RequestBody::new(Bytes::new(), body));
        Ok(Authorized { request, outdated })
    }

    /// Discards the rejected credentials of a request that completed at `time`, unless they were renewed too
    /// recently. Returns `true` if the next request has other credentials.
    pub(super) fn refused(&self, made: Instant) -> bool {
        let mut renewals = self.renewals();
        let now = Instant::now();
        let may_renew = renewals.is_due(now);
        let (mut has_discarded, mut has_others) = (false, false);
        for (_, source) in &self.sources {
            let refused = source.refused(made, may_renew);
            has_discarded |= refused == RefusedValue::Discarded;
            has_others |= refused != RefusedValue::Kept;
        }
        if self.sources.is_empty() {
            (has_discarded, has_others) = (may_renew, may_renew);
        }
        if has_discarded {
            renewals.renewed(now);
        }
        has_others
    }

    /// Records that the receiver has taken a request: the next value that it refuses is replaced at once.
    pub(super) fn accepted(&self) {
        *self.renewals() = Renewals::default();
    }

    fn renewals(&self) -> std::sync::MutexGuard<'_, Renewals> {
        self.renewals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Backoff for renewing rejected values.
///
/// The first time at once, and then after a pause that doubles from [`MIN_RENEWAL`] to [`MAX_RENEWAL`], until a request
/// is accepted. Each destination has its own: one that another destination accepts must not be fetched for each refusal.
#[derive(Default)]
struct Renewals {
    /// `None` until a value was replaced.
    last: Option<Renewal>,
}

/// The last replacement of a value.
struct Renewal {
    /// The time of the rejection.
    at: Instant,
    /// The time until the next one.
    pause: Duration,
}

impl Renewals {
    /// Returns `true` if a refused value may be replaced.
    fn is_due(&self, now: Instant) -> bool {
        self.last.as_ref().is_none_or(|last| now.saturating_duration_since(last.at) >= last.pause)
    }

    /// Records a replacement.
    fn renewed(&mut self, now: Instant) {
        let pause = self.last.as_ref().map_or(MIN_RENEWAL, |last| (last.pause * 2).min(MAX_RENEWAL));
        self.last = Some(Renewal { at: now, pause });
    }
}

/// Outcome of a rejected value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RefusedValue {
    /// It is used again.
    Kept,
    /// The next request gets a new one.
    Discarded,
    /// There is a later one, or one is on its way.
    Replaced,
}

/// Returns the state of a source, which all destinations that use it share.
fn shared(source: &HeaderSource, known: &mut Vec<Arc<Source>>) -> Arc<Source> {
    if let Some(known) = known.iter().find(|known| known.source.is_same(source)) {
        return Arc::clone(known);
    }
    let new = Arc::new(Source { source: source.clone(), state: Mutex::default() });
    known.push(Arc::clone(&new));
    new
}

/// One source, with what it has returned.
pub(super) struct Source {
    /// The closure or file.
    source: HeaderSource,
    /// Locked while the source is called, so all requests wait for one call.
    state: Mutex<SourceState>,
}

/// State of a source.
#[derive(Default)]
struct SourceState {
    /// `None` before the first call, and after a refusal.
    current: Option<Fetched>,
    /// A call that has not returned yet. It goes on if the requests that wait for it give up.
    running: Option<JoinHandle<Result<Fetched, String>>>,
}

impl SourceState {
    /// Keeps what a source has returned, and returns the value.
    fn keep(&mut self, fetched: Fetched) -> Value {
        let value = fetched.value.clone();
        self.current = Some(fetched);
        value
    }
}

/// The value of a header.
#[derive(Clone, Debug)]
struct Value {
    /// Marked as sensitive.
    header: HeaderValue,
    /// The reason why it is a previous value. Contains no secrets.
    outdated: Option<String>,
}

/// A value that a source has returned.
struct Fetched {
    /// The value.
    value: Value,
    /// The time at which it was returned.
    at: Instant,
    /// The time at which the source must be called again.
    valid_until: Instant,
}

impl Fetched {
    /// Returns the value that a source has just returned.
    ///
    /// # Errors
    ///
    /// The reason as text, if the source has failed, or has returned what no header can hold.
    fn now(token: Result<HeaderToken, BoxError>) -> Result<Self, String> {
        let token = token.map_err(|error| failed(&error))?;
        let mut header = settings::printable_header_value(&token.value)
            .ok_or_else(|| "returned a value that is not printable ASCII".to_owned())?;
        header.set_sensitive(true);
        let value = Value { header, outdated: token.outdated.map(|reason| failed(&reason.into())) };
        let at = Instant::now();
        Ok(Self { value, at, valid_until: at + token.valid_for.min(settings::YEAR) })
    }

    /// Returns `true` if the value can be used by a request that did not wait for it.
    fn is_valid(&self) -> bool {
        Instant::now() < self.valid_until
    }

    /// Returns `true` if the value can be used by a request, where no other has used it.
    fn is_valid_at_first(&self) -> bool {
        self.is_valid() || (self.valid_until == self.at && self.at.elapsed() < MAX_UNUSED)
    }
}

impl Source {
    /// Returns the value, from the source if the last one is not valid any more.
    ///
    /// # Errors
    ///
    /// The reason as text, if the source fails, panics, or does not return within `limit`.
    async fn value(&self, limit: Duration) -> Result<Value, String> {
        timeout(limit, self.fetch()).await.unwrap_or_else(|_| Err(not_answered(limit)))
    }

    /// Returns the kept value, or calls the source. Dropping the future at any time leaves the call running for the
    /// next request.
    async fn fetch(&self) -> Result<Value, String> {
        let mut state = self.state.lock().await;
        if let Some(current) = state.current.as_ref().filter(|current| current.is_valid()) {
            return Ok(current.value.clone());
        }
        // A call that no request waited for when it ended.
        if let Some(ended) = state.running.take_if(|running| running.is_finished())
            && let Ok(Ok(fetched)) = ended.await
            && fetched.is_valid_at_first()
        {
            return Ok(state.keep(fetched));
        }
        let source = self.source.clone();
        let running =
            state.running.get_or_insert_with(|| spawn_blocking(move || Fetched::now(source.fetch())));
        let returned = running.await;
        state.running = None;
        let fetched = returned.map_err(|_| PANICKED.to_owned())??;
        Ok(state.keep(fetched))
    }

    /// Discards a value that a receiver has refused, if `may_renew` is `true`, so the next request gets a new one.
    fn refused(&self, made: Instant, may_renew: bool) -> RefusedValue {
        // While it is locked, a new value is on its way.
        let Ok(mut state) = self.state.try_lock() else { return RefusedValue::Replaced };
        // What was fetched later has not been tried yet.
        if state.current.as_ref().is_none_or(|current| current.at > made) {
            return RefusedValue::Replaced;
        }
        if !may_renew {
            return RefusedValue::Kept;
        }
        state.current = None;
        RefusedValue::Discarded
    }
}

/// Signs requests, a few at a time.
struct Signer {
    /// The closure.
    signer: RequestSigner,
    /// Calls that may run at once. A call that hangs keeps its place, so hanging calls cannot use up all threads.
    threads: Arc<Semaphore>,
}

impl Signer {
    /// Creates a signer without calls under way.
    fn new(signer: RequestSigner) -> Self {
        Self { signer, threads: Arc::new(Semaphore::new(MAX_SIGNING)) }
    }

    /// Returns the request with the headers that the signer has added. What else it has changed is not sent.
    ///
    /// The signer works on a copy. Values that it has added or changed are marked as sensitive, so they are in no
    /// message.
    ///
    /// # Errors
    ///
    /// The reason as text, if the signer fails, panics, or does not return within `limit`, the wait for its turn
    /// included.
    async fn sign(&self, request: Request<Bytes>, limit: Duration) -> Result<Request<Bytes>, String> {
        let signing = async {
            let thread =
                Arc::clone(&self.threads).acquire_owned().await.map_err(|error| error.to_string())?;
            let (signer, mut copy) = (self.signer.clone(), request.clone());
            let signing = spawn_blocking(move || {
                let _thread = thread;
                signer.sign(&mut copy).map(|()| copy.into_parts().0.headers)
            });
            signing.await.map_err(|_| PANICKED.to_owned())?.map_err(|error| failed(&error))
        };
        let mut headers: HeaderMap =
            timeout(limit, signing).await.unwrap_or_else(|_| Err(not_answered(limit)))?;
        for (name, value) in &mut headers {
            let is_new = request.headers().get(name) != Some(value);
            value.set_sensitive(is_new || value.is_sensitive());
        }
        let (mut head, body) = request.into_parts();
        head.headers = headers;
        Ok(Request::from_parts(head, body))
    }
}

/// Returns the reason of a failure without words that look like secrets.
fn failed(error: &BoxError) -> String {
    format!("failed: {}", plain_text(shown_words(&error.to_string()).as_bytes()))
}

/// Returns the reason for a call that takes too long.
fn not_answered(limit: Duration) -> String {
    format!("has not returned within {limit:?}")
}

/// The reason for a call that panicked; the panic hook has reported the rest.
const PANICKED: &str = "panicked";
/// The longest wait for a source or signer, if the limit of a try is longer.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// The longest time that a value without a time of validity may wait for a request. Otherwise a source that always takes
/// longer than the limit would serve none.
const MAX_UNUSED: Duration = Duration::from_secs(30);
/// The shortest time from the first replacement of a refused value to the next.
const MIN_RENEWAL: Duration = Duration::from_secs(1);
/// The longest.
const MAX_RENEWAL: Duration = Duration::from_secs(60);
/// The most calls of a signer at once: as many as there are requests of one signal in flight.
const MAX_SIGNING: usize = 8;

#[cfg(test)]
mod tests;
