//! The telemetry of one test, captured in memory: the same path as in production, up to the bytes that would be sent.
//!
//! A capture is assembled by the same function as the telemetry of a process, with two differences: batches stay in
//! the queues until [`Capture::received`] takes them, and log lines go to memory. So captured telemetry has been
//! encoded, and decoded again by `opentelemetry-proto`.
//!
//! | | telemetry of the process | a capture |
//! |---|---|---|
//! | spans, records, metrics | encoded into queues | the same |
//! | delivery | worker, I/O thread, destination | [`Capture::received`] takes the queued items |
//! | limits of the queues | from the settings | none |
//! | log lines | writer, standard error | memory, as JSON |
//! | subscriber | global | current thread only |
//! | environment, configuration file | read | ignored |

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::subscriber::DefaultGuard;
use tracing_core::Dispatch;
use tracing_subscriber::Registry;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{CollectedLog, CollectedMetric, CollectedSpan, CollectedTelemetry, Export, Request};
use crate::diagnostics::Diagnostics;
use crate::error::InitError;
use crate::export::{Take, encode};
use crate::lifecycle::assemble::{Assembled, ExportTo, LineOutput, Pipelines, assemble};
use crate::lifecycle::{Additions, Providers};
use crate::lines::json::JsonLayer;
use crate::provider::{TelemetryMeterProvider, resource};
use crate::settings::Settings;
use crate::subscriber;

/// Captures the telemetry of this thread until the capture is dropped.
///
/// `tracing` spans and events on this thread go through the same layer as in production, with its default filters
/// (level INFO and above) and without settings from the environment; a `#[tokio::test]` and its tasks share one
/// thread. No global is set, so tests can run in parallel, and nothing is sent. For work on other threads see
/// [`dispatch`](Capture::dispatch); for code that uses the OpenTelemetry API or the gRPC layers, see
/// [`tracer_provider`](Capture::tracer_provider) and [`meter_provider`](Capture::meter_provider).
///
/// ```
/// use telemetry_bootstrap::testing;
/// use telemetry_bootstrap::tracing::{info, info_span};
///
/// let telemetry = testing::capture();
///
/// info_span!("checkout", basket = "b1").in_scope(|| info!(items = 3, "paid"));
///
/// let span = telemetry.span("checkout");
/// assert_eq!(span.attribute("basket"), Some("b1".into()));
/// let log = telemetry.log("paid");
/// assert_eq!(log.attribute("items"), Some(3.into()));
/// assert_eq!(log.span_id(), Some(span.span_id()));
/// assert!(telemetry.lines()[0].contains(&span.trace_id()));
/// ```
///
/// # Panics
/// Never, unless the defaults of this crate were invalid.
#[expect(clippy::expect_used, reason = "the defaults are valid")]
pub fn capture() -> Capture {
    Capture::new().expect("default settings")
}

/// The telemetry captured so far. See [`capture`].
#[derive(Debug)]
#[must_use = "dropping the capture ends it: bind it to a named variable"]
pub struct Capture {
    /// Telemetry that earlier calls have taken from the queues.
    received: Mutex<CollectedTelemetry>,
    /// Queues without workers.
    pipelines: Pipelines,
    /// The encoded resource, which is part of every request.
    resource: Vec<u8>,
    /// The log lines so far.
    lines: Lines,
    /// The providers, for [`Capture::tracer_provider`] and its siblings.
    providers: Providers,
    /// The subscriber, for other threads.
    dispatch: Dispatch,
    /// Sets the subscriber as the default of this thread, until dropped.
    _installed: DefaultGuard,
}

impl Capture {
    fn new() -> Result<Self, InitError> {
        let (settings, additions) = crate::builder::init().service_name("test").ignore_env().resolve()?;
        let resource = encode::resource(&resource::resource(&settings));
        let lines = Lines::default();
        let open_lines = |_: &Settings, _: &mut Additions, _: &Diagnostics| {
            let format: subscriber::Lines = Arc::new(JsonLayer::new(lines.clone()));
            Ok(LineOutput {
                writer: None,
                format: Some(format),
                writes_to_console: false,
                description: String::new(),
            })
        };
        let Assembled { layer, running, pipelines, .. } =
            assemble(settings, additions, ExportTo::Memory, open_lines)?;
        let dispatch = Dispatch::new(Registry::default().with(layer.into_only_layer()));
        Ok(Self {
            received: Mutex::default(),
            pipelines,
            resource,
            lines,
            providers: running.providers,
            _installed: tracing::dispatcher::set_default(&dispatch),
            dispatch,
        })
    }

    /// Returns all telemetry so far: spans that have ended, log records, and metrics, which this call collects.
    ///
    /// Each call collects the metrics once; see [`CollectedTelemetry::value`] for how collections are combined.
    #[must_use]
    #[expect(clippy::expect_used, reason = "this crate has encoded it")]
    pub fn received(&self) -> CollectedTelemetry {
        // The reader only feeds the queue, which cannot fail.
        let _ = self.providers.meter.collect();
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        for (signal, queue) in self.pipelines.iter() {
            while let Some(batch) = queue.take(Take::Any) {
                let export = Export::decode(signal, &batch.to_request(&self.resource)).expect("valid OTLP");
                received.push(Request::new(HeaderMap::new(), export));
                queue.recycle(batch);
            }
        }
        received.clone()
    }

    /// Returns all spans that have ended.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.received().spans()
    }

    /// Returns all log records.
    #[must_use]
    pub fn logs(&self) -> Vec<CollectedLog> {
        self.received().logs()
    }

    /// Returns all metrics, of this collection and earlier ones. For values see [`value`](Self::value).
    #[must_use]
    pub fn metrics(&self) -> Vec<CollectedMetric> {
        self.received().metrics()
    }

    /// Returns the log lines, as JSON.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.all()
    }

    /// Returns the only span with this name that has ended.
    ///
    /// # Panics
    ///
    /// Panics if there is none, or more than one.
    #[must_use]
    #[track_caller]
    pub fn span(&self, name: &str) -> CollectedSpan {
        self.received().span(name)
    }

    /// Returns the only log record with this message.
    ///
    /// # Panics
    ///
    /// Panics if there is none, or more than one.
    #[must_use]
    #[track_caller]
    pub fn log(&self, message: &str) -> CollectedLog {
        self.received().log(message)
    }

    /// Returns the value of a sum or gauge over all series that have these attributes; see
    /// [`CollectedTelemetry::value`].
    ///
    /// ```
    /// let telemetry = telemetry_bootstrap::testing::capture();
    /// telemetry.meter("shop").u64_counter("orders").build().add(2, &[]);
    /// assert_eq!(telemetry.value("orders", &[]), Some(2.0));
    /// ```
    #[must_use]
    pub fn value(&self, metric: &str, attributes: &[(&str, &str)]) -> Option<f64> {
        self.received().value(metric, attributes)
    }

    /// Asserts that there is no span with the status Error, and no log record of level ERROR or above.
    ///
    /// # Panics
    ///
    /// Panics if there is one.
    #[track_caller]
    pub fn assert_no_errors(&self) {
        self.received().assert_no_errors();
    }

    /// Returns the tracer provider, for layers:
    /// `ServerLayer::new().tracer_provider(telemetry.tracer_provider().clone())`.
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.providers.tracer
    }

    /// Returns the meter provider, for code that takes one.
    #[must_use]
    pub fn meter_provider(&self) -> &TelemetryMeterProvider {
        &self.providers.meter
    }

    /// Returns the logger provider, for code that takes one.
    #[must_use]
    pub fn logger_provider(&self) -> &SdkLoggerProvider {
        &self.providers.logger
    }

    /// Returns a tracer with this instrumentation scope.
    #[must_use]
    pub fn tracer(&self, scope: &'static str) -> SdkTracer {
        self.providers.tracer.tracer(scope)
    }

    /// Returns a meter with this instrumentation scope.
    #[must_use]
    pub fn meter(&self, scope: &'static str) -> Meter {
        self.providers.meter.meter(scope)
    }

    /// Returns the subscriber, for other threads: use `tracing::dispatcher::with_default(&dispatch, || …)` there, or
    /// `future.with_subscriber(dispatch)`.
    ///
    /// ```
    /// use telemetry_bootstrap::{testing, tracing};
    ///
    /// let telemetry = testing::capture();
    /// let dispatch = telemetry.dispatch();
    /// let worker = std::thread::spawn(move || {
    ///     tracing::dispatcher::with_default(&dispatch, || tracing::info!("done"));
    /// });
    /// worker.join().map_err(|_| "the worker panicked")?;
    /// assert_eq!(telemetry.log("done").severity(), "INFO");
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn dispatch(&self) -> Dispatch {
        self.dispatch.clone()
    }
}

/// The log output, in memory.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Returns the lines so far.
    fn all(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
