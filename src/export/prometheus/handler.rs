//! Answers to scrapes, as HTTP responses.
//!
//! ```text
//! respond ─ try_send(Scrape) ─▶ thread: recv + what waits ─▶ collect once ─▶ one text for each format ─▶ all replies
//! ```
//!
//! Scrapes that arrive while a collection runs wait for the next one, which all of them share: any number of scrapers
//! costs one collection after the other. At most [`MAX_WAITING`] wait; further ones get 503 at once.
//!
//! The thread ends when the last handle is dropped, or at [`end`](PrometheusHandler::end), after the collection under
//! way.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::Either;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::sync::oneshot;
use tower_service::Service;

use super::format::Accepted;
use super::text::{Conflict, Families};
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::export::own_threads::{Fork, become_io_thread};
use crate::settings::{NameTranslation, PrometheusText};

/// Answers scrapes with the metrics of this program, in any HTTP server.
///
/// Returned by [`TelemetryGuard::prometheus`](crate::TelemetryGuard::prometheus). It is a tower service, so a router
/// can mount it, and cheap to clone. A scraper gets OpenMetrics if it prefers that, and otherwise the text format of
/// Prometheus. Values are counted since the start, whatever the temporality of other exporters.
///
/// Metrics are collected on its own thread: a slow callback of an observable instrument holds up no task. Scrapes
/// that wait at the same time share one collection. Without telemetry, and after its end, the answer is 503.
///
/// ```
/// use telemetry_bootstrap::PrometheusExporter;
/// use telemetry_bootstrap::tracing_subscriber::Registry;
///
/// let builder = telemetry_bootstrap::init()
///     .metrics(|metrics| metrics.prometheus(PrometheusExporter::new().without_server()));
/// let (_, telemetry) = builder.build_local::<Registry>()?;
/// if let Some(prometheus) = telemetry.prometheus() {
///     let router: axum::Router = axum::Router::new().route_service("/metrics", prometheus);
/// }
/// # Ok::<(), telemetry_bootstrap::InitError>(())
/// ```
#[derive(Clone)]
pub struct PrometheusHandler(Arc<Shared>);

/// State shared by all clones of a handler.
struct Shared {
    /// The sender to the thread that collects; `None` after the end.
    scrapes: Mutex<Option<SyncSender<Scrape>>>,
    /// The address of the exporter's own server.
    address: Option<SocketAddr>,
    /// Decides on the formats that can be written.
    names: NameTranslation,
    /// A child process has no such thread.
    fork: Fork,
}

/// A scraper that waits for its answer.
struct Scrape {
    accepted: Accepted,
    /// Gets the text, or `None` if nothing can be collected.
    reply: oneshot::Sender<Option<Arc<str>>>,
}

/// Collects, and returns the encoded export request. `None` after the end.
pub(crate) type Collect = Box<dyn FnMut() -> Option<Vec<u8>> + Send>;

impl PrometheusHandler {
    /// Starts the thread that collects.
    ///
    /// # Errors
    ///
    /// The operating system's, if it refuses the thread.
    pub(crate) fn start(
        collect: Collect,
        text: PrometheusText,
        address: Option<SocketAddr>,
        diagnostics: Diagnostics,
    ) -> io::Result<Self> {
        let names = text.names;
        let (scrapes, waiting) = sync_channel(MAX_WAITING);
        std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || run(collect, &text, &waiting, &diagnostics))?;
        let (scrapes, fork) = (Mutex::new(Some(scrapes)), Fork::new());
        Ok(Self(Arc::new(Shared { scrapes, address, names, fork })))
    }

    /// Answers a scrape with these headers: collects, and returns the metrics in the format that they accept.
    ///
    /// The status is 503 after the end of telemetry, in a forked child process, and if too many scrapes are waiting.
    ///
    /// ```
    /// # use telemetry_bootstrap::PrometheusHandler;
    /// async fn metrics(prometheus: PrometheusHandler, headers: http::HeaderMap) -> http::Response<String> {
    ///     prometheus.respond(&headers).await
    /// }
    /// ```
    pub fn respond(&self, headers: &HeaderMap) -> impl Future<Output = Response<String>> + Send + 'static {
        if self.0.fork.is_child() {
            return Either::Left(ready(unavailable()));
        }
        let accepted = Accepted::negotiate(headers, self.0.names);
        let (reply, answer) = oneshot::channel();
        let scrapes = self.0.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = scrapes.as_ref().map(|scrapes| scrapes.try_send(Scrape { accepted, reply }));
        drop(scrapes);
        if !matches!(sent, Some(Ok(()))) {
            return Either::Left(ready(unavailable()));
        }
        Either::Right(answer.map(move |answer| match answer {
            Ok(Some(text)) => {
                let mut response = response(StatusCode::OK, accepted.content_type(), text.to_string());
                response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
                response
            }
            Ok(None) | Err(_) => unavailable(),
        }))
    }

    /// The address that the exporter's own server listens at, the first one if its host has several. `None` if it has no
    /// server.
    ///
    /// ```
    /// # use telemetry_bootstrap::PrometheusExporter;
    /// # use telemetry_bootstrap::tracing_subscriber::Registry;
    /// let builder = telemetry_bootstrap::init()
    ///     .ignore_env()
    ///     .metrics(|metrics| metrics.prometheus(PrometheusExporter::new().port(0)));
    /// let (_, telemetry) = builder.build_local::<Registry>()?;
    /// let address = telemetry.prometheus().and_then(|prometheus| prometheus.address());
    /// assert!(address.is_some_and(|address| address.ip().is_loopback() && address.port() > 0));
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.address
    }

    /// Answers no further scrape.
    pub(crate) fn end(&self) {
        if self.0.fork.is_child() {
            return;
        }
        *self.0.scrapes.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl<B> Service<Request<B>> for PrometheusHandler {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Answers GET and HEAD, whatever the path; other methods get 405. The body of the request is not read.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        match *request.method() {
            Method::GET | Method::HEAD => Box::pin(self.respond(request.headers()).map(Ok)),
            _ => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
                Box::pin(ready(Ok(response)))
            }
        }
    }
}

impl fmt::Debug for PrometheusHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusHandler").field("address", &self.0.address).finish_non_exhaustive()
    }
}

/// The thread that collects. Nothing that it does is telemetry.
fn run(mut collect: Collect, text: &PrometheusText, waiting: &Receiver<Scrape>, diagnostics: &Diagnostics) {
    become_io_thread();
    let _suppressed = opentelemetry::Context::enter_telemetry_suppressed_scope();
    let mut reported = HashSet::new();
    while let Ok(first) = waiting.recv() {
        // What arrives during the collection waits for the next one: it may have seen something that this one has not.
        let mut scrapes = vec![first];
        scrapes.extend(waiting.try_iter());
        // The scraper may have gone away.
        scrapes.retain(|scrape| !scrape.reply.is_closed());
        if scrapes.is_empty() {
            continue;
        }
        let request = collect();
        let mut texts: Vec<(Accepted, Arc<str>)> = Vec::new();
        for Scrape { accepted, reply } in scrapes {
            let known = texts.iter().find(|(known, _)| *known == accepted).map(|(_, text)| Arc::clone(text));
            let text = known.or_else(|| {
                let families = Families::new(request.as_ref()?, text, accepted.has_utf8());
                report(&families.conflicts, &mut reported, diagnostics);
                let text: Arc<str> = families.to_text(accepted.format).into();
                texts.push((accepted, Arc::clone(&text)));
                Some(text)
            });
            let _ = reply.send(text);
        }
    }
}

/// Warns of each conflict once.
///
/// At most [`MAX_REPORTS`] are remembered; further ones are not reported, so metric names made from input cost no
/// memory.
fn report(conflicts: &[Conflict], reported: &mut HashSet<Conflict>, diagnostics: &Diagnostics) {
    for conflict in conflicts {
        if reported.len() < MAX_REPORTS && reported.insert(conflict.clone()) {
            diagnostics.warn(
                "a metric is not shown to Prometheus, where another one has its name: rename it",
                &[
                    ("instrument", FieldValue::Text(&conflict.metric)),
                    ("scope", FieldValue::Text(&conflict.scope)),
                    ("name", FieldValue::Text(&conflict.name)),
                ],
            );
        }
    }
}

/// Returns a response with a line of text, for people.
pub(super) fn plain(status: StatusCode, text: &str) -> Response<String> {
    response(status, "text/plain; charset=utf-8", text.to_owned())
}

/// Returns 503, which a scraper counts as a failed scrape: it shows a gap, not zeros.
fn unavailable() -> Response<String> {
    plain(StatusCode::SERVICE_UNAVAILABLE, "metrics are not available\n")
}

/// Returns a response with this content type.
fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The name of the thread that collects.
const THREAD_NAME: &str = "otel-scrape";
/// Scrapes that may wait for a collection.
const MAX_WAITING: usize = 64;
/// Conflicts that are remembered.
const MAX_REPORTS: usize = 1000;
