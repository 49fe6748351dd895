//! The meter provider that programs and libraries get.
//!
//! It stands in front of the SDK's, because what it adds cannot be done behind it: a view does not see what an
//! instrument was created with, and a reader does not see single measurements. The type is public, so the guard can
//! hand it out and a program can pass it to libraries that take a `MeterProvider`.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::noop::NoopMeterProvider;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::built_in;
use super::identity::Identities;
use super::meter::CheckedMeter;
use super::observer::Observer;
#[cfg(feature = "prometheus")]
use super::pull::PullReader;
use super::reader::{Answer, QUEUE_IS_FULL, QueueReader};
use super::stream_conflicts::StreamConflicts;
use super::sums::SumSettings;
use crate::diagnostics::Diagnostics;
use crate::export::MetricQueue;
use crate::export::own_threads::{Fork, ThreadFlag, without_sdk_chatter};
use crate::semconv;
use crate::settings::deadline_after;

/// The meter provider of running telemetry. Cheap to clone.
///
/// Wraps the SDK's meter provider and adds the following:
///
/// - callbacks of observable instruments run on a thread of their own and without a lock, so they may create
///   instruments and hold up no other thread. One that takes longer than half an interval (0.1 s to 5 s), or than a
///   flush or the shutdown leaves it, is reported, and metrics are exported without what it observes until it
///   returns;
/// - an attribute that is given twice has its last value;
/// - sums of integers do not wrap: a counter that has overflowed shows the largest value of its type, and is reported
///   once. Sums within 2⁵⁹ of that limit are reported as the limit. The only sums that can still wrap are those of
///   up-down counters whose attribute sets are merged by a view;
/// - a histogram of unit `s` without boundaries gets those of [`duration_histogram`](crate::duration_histogram);
/// - two instruments of one name that differ in kind, unit, description or boundaries are reported, once; where a
///   view may be for them, two metrics of one name that differ in kind or unit. Where the description alone differs,
///   the first one wins, and both are one metric;
/// - without a reader, as without an endpoint, instruments do nothing, and observable ones are not reported.
///
/// A reader of the user ([`Metrics::reader`](crate::Metrics::reader)) collects by itself: for it the SDK calls the
/// callbacks, and holds a lock meanwhile that the creation of an instrument waits for.
///
/// ```
/// use telemetry_bootstrap::opentelemetry::metrics::MeterProvider as _;
///
/// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
/// let provider = telemetry.meter_provider().clone();
/// let queue_length = provider.meter("shop").u64_gauge("shop.queue.length").with_unit("{order}").build();
/// queue_length.record(3, &[]);
/// # Ok::<(), telemetry_bootstrap::InitError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TelemetryMeterProvider(Arc<Inner>);

/// State shared by all clones of a provider.
#[derive(Debug)]
struct Inner {
    /// Aggregates and collects.
    sdk: SdkMeterProvider,
    /// Decides whether instruments do anything, and how histograms of integers are added up.
    readers: Readers,
    /// The readers of the export: one for each temporality.
    own: Vec<QueueReader>,
    /// The reader for scrapes.
    #[cfg(feature = "prometheus")]
    pull: Option<PullReader>,
    /// Shared with the readers.
    observer: Arc<Observer>,
    /// The handling of integer sums.
    sum_settings: SumSettings,
    /// Compares metrics behind views.
    conflicts: StreamConflicts,
    /// Gets warnings about instruments.
    diagnostics: Diagnostics,
    /// The instruments by scope: the checks compare all instruments of one scope, whichever handle creates them.
    meters: Mutex<HashMap<InstrumentationScope, Meter>>,
    /// In a child process nothing is collected, and locks of the SDK may stay held.
    fork: Fork,
}

/// Who reads the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// No one.
    None,
    /// The export alone.
    Own,
    /// Readers of the user, maybe beside the export.
    Custom,
}

impl TelemetryMeterProvider {
    /// Puts the checks in front of the SDK's provider.
    pub(super) fn new(
        sdk: SdkMeterProvider,
        readers: Readers,
        own: Vec<QueueReader>,
        observer: Arc<Observer>,
        sum_settings: SumSettings,
        conflicts: StreamConflicts,
        diagnostics: Diagnostics,
    ) -> Self {
        Self(Arc::new(Inner {
            sdk,
            readers,
            own,
            #[cfg(feature = "prometheus")]
            pull: None,
            observer,
            sum_settings,
            conflicts,
            diagnostics,
            meters: Mutex::default(),
            fork: Fork::new(),
        }))
    }

    /// Keeps the reader for scrapes.
    ///
    /// Called once, before the provider is shared.
    #[cfg(feature = "prometheus")]
    pub(super) fn with_pull_reader(mut self, pull: Option<PullReader>) -> Self {
        // Nothing else refers to a provider that is being built.
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.pull = pull;
        }
        self
    }

    /// Returns the reader for scrapes, if there is one.
    #[cfg(feature = "prometheus")]
    pub(crate) fn pull_reader(&self) -> Option<&PullReader> {
        self.0.pull.as_ref()
    }

    /// Records how long each collection of our readers takes.
    pub(super) fn record_collections(&self, durations: &Histogram<f64>) {
        for (index, reader) in self.0.own.iter().enumerate() {
            let attributes = built_in::component(semconv::sdk::METRIC_READER, index);
            reader.times().record_with(durations.clone(), attributes);
        }
        #[cfg(feature = "prometheus")]
        if let Some(reader) = &self.0.pull {
            let attributes = built_in::component(semconv::sdk::PROMETHEUS_EXPORTER, 0);
            reader.times().record_with(durations.clone(), attributes);
        }
    }

    /// Collects now, and returns when the metrics are delivered: within 5 seconds, or later if callbacks take longer.
    ///
    /// Readers of the user are flushed afterwards, for as long as they take. In a forked child this does nothing.
    ///
    /// # Errors
    ///
    /// `InternalFailure` if metrics could not be collected or delivered, and `Timeout` if they were not in time. If the
    /// queue is full, deltas are not collected, and are part of a later collection.
    pub fn force_flush(&self) -> OTelSdkResult {
        if self.0.fork.is_child() {
            return Ok(());
        }
        // The export comes first: a reader of the user may hang.
        self.export().and(self.flush_custom_readers())
    }

    /// Collects for the export, and delivers.
    fn export(&self) -> OTelSdkResult {
        let deadline = deadline_after(MetricQueue::FLUSH_TIMEOUT);
        loop {
            let collected = self.collect();
            self.deliver(deadline)?;
            // A queue that was full has room after the delivery.
            if !collected.as_ref().is_err_and(is_full_queue) || Instant::now() >= deadline {
                return collected;
            }
        }
    }

    /// Waits until what was collected is delivered.
    fn deliver(&self, deadline: Instant) -> OTelSdkResult {
        let left = deadline.saturating_duration_since(Instant::now());
        // One flush reaches the destinations of all readers.
        self.0.own.first().map_or(Ok(()), |reader| reader.deliver(left))
    }

    /// Collects once more, delivers within 5 seconds, and ends all readers. Later measurements are discarded.
    ///
    /// In a forked child this does nothing. The guard does the same when it is shut down or dropped.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`force_flush`](Self::force_flush), and `AlreadyShutdown` after the first call.
    pub fn shutdown(&self) -> OTelSdkResult {
        self.shutdown_with_timeout(MetricQueue::FLUSH_TIMEOUT)
    }

    /// [`shutdown`](Self::shutdown) with another limit for the last collection and its delivery. Readers of the user
    /// have their own.
    ///
    /// # Errors
    ///
    /// Those of [`shutdown`](Self::shutdown).
    pub fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if self.0.fork.is_child() {
            return Ok(());
        }
        let deadline = deadline_after(timeout);
        let collected = self.collect_last(timeout);
        let exported = collected.and(self.deliver(deadline));
        exported.and(self.end_custom_readers())
    }

    /// Runs `action` while another collection runs, which all others wait for.
    #[cfg(test)]
    pub(crate) fn during_a_collection<R>(&self, action: impl FnOnce() -> R) -> R {
        self.0.observer.collect(Duration::ZERO, Instant::now(), action)
    }

    /// Returns `true` if the user has metric readers.
    pub(crate) fn has_custom_readers(&self) -> bool {
        self.0.readers == Readers::Custom
    }

    /// Collects now, for the export, which goes on afterwards.
    ///
    /// # Errors
    ///
    /// The first error of a collection.
    pub(crate) fn collect(&self) -> OTelSdkResult {
        match self.0.fork.is_child() {
            true => Ok(()),
            false => wait_for_all(self.0.own.iter().map(QueueReader::begin_collection).collect()),
        }
    }

    /// Collects once more within this time, for the export. Readers of ours end with it: at the same time, each with
    /// the whole `timeout`.
    ///
    /// # Errors
    ///
    /// `Timeout` if a collection did not begin or end in time, `InternalFailure` if it failed, and `AlreadyShutdown`
    /// after the first call.
    pub(crate) fn collect_last(&self, timeout: Duration) -> OTelSdkResult {
        wait_for_all(self.0.own.iter().map(|reader| reader.begin_end(timeout)).collect())
    }

    /// Flushes the readers of the user.
    ///
    /// # Errors
    ///
    /// Those of the readers, and `AlreadyShutdown` after the shutdown.
    pub(crate) fn flush_custom_readers(&self) -> OTelSdkResult {
        let _without_ours = ThreadFlag::CustomReaders.set();
        if self.0.fork.is_child() { Ok(()) } else { self.0.sdk.force_flush() }
    }

    /// Shuts the SDK's provider down, with the readers of the user.
    ///
    /// # Errors
    ///
    /// Those of the readers, and `AlreadyShutdown` after the first call.
    pub(crate) fn end_custom_readers(&self) -> OTelSdkResult {
        let _without_ours = ThreadFlag::CustomReaders.set();
        self.0.sdk.shutdown()
    }
}

/// Waits for collections that were begun before. Returns the first error.
fn wait_for_all(begun: Vec<Answer>) -> OTelSdkResult {
    begun.into_iter().map(Answer::wait).fold(Ok(()), Result::and)
}

impl MeterProvider for TelemetryMeterProvider {
    /// Returns the meter of a scope: the same one for the same name, version, schema URL and attributes.
    ///
    /// No lock of ours is held while the SDK creates a meter. If two threads create one at the same time, the first one
    /// stays; behind both is the same meter of the SDK.
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        let Inner { sdk, readers, observer, sum_settings, conflicts, diagnostics, meters, fork, .. } =
            &*self.0;
        if *readers == Readers::None || fork.is_child() {
            // The SDK reports each observable instrument that no reader collects as an error.
            return NoopMeterProvider::new().meter_with_scope(scope);
        }
        let meters = || meters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = meters().get(&scope) {
            return known.clone();
        }
        let created = Meter::new(Arc::new(CheckedMeter {
            scope: scope.name().to_owned(),
            inner: without_sdk_chatter(|| sdk.meter_with_scope(scope.clone())),
            identities: Identities::default(),
            conflicts: conflicts.clone(),
            observer: Arc::clone(observer),
            diagnostics: diagnostics.clone(),
            is_trusted: scope.name() == semconv::SCOPE_NAME,
            histograms_as_float: *readers == Readers::Own,
            fork: fork.clone(),
            sum_settings: sum_settings.clone(),
            sums: Mutex::default(),
        }));
        meters().entry(scope).or_insert(created).clone()
    }
}

/// Returns `true` if a flush was refused because deltas would be lost. The SDK returns the errors of all readers as one
/// text.
fn is_full_queue(error: &OTelSdkError) -> bool {
    error.to_string().contains(QUEUE_IS_FULL)
}

/// The SDK's provider behind it. Instruments that it creates are not checked, and its flush does not wait for the
/// delivery.
impl Deref for TelemetryMeterProvider {
    type Target = SdkMeterProvider;

    fn deref(&self) -> &SdkMeterProvider {
        &self.0.sdk
    }
}
