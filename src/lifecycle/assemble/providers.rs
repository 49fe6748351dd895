//! Builds the SDK's providers that feed the queues.
//!
//! | signal | with a destination | without one |
//! |---|---|---|
//! | traces | a span queue as the last processor | the provider is shut down, unless the user has processors |
//! | metrics | one reader per temporality | a provider whose instruments do nothing, unless the user has readers |
//! | logs | a log queue as the last processor | a provider whose loggers have no processor |
//!
//! If `OTEL_SDK_DISABLED` is set, all three are shut down immediately.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use opentelemetry_sdk::Resource;

use super::pipelines::Pipelines;
use crate::diagnostics::Diagnostics;
use crate::error::InitError;
use crate::export::{LogQueue, MetricQueue, OverflowReports, SpanQueue, Workers};
use crate::lifecycle::guard::Providers;
use crate::lifecycle::{Additions, tasks};
use crate::provider::built_in::ObservedRuntime;
use crate::provider::{self, SharedSampler, TelemetryMeterProvider};
use crate::settings::{Settings, Signal};

/// Creates the three providers, and the instruments of the built-in metrics.
///
/// A signal without a queue still gets a provider, because processors and readers of the user may be attached to it.
/// Without any of these, its spans are not recorded: the provider is shut down immediately, which makes its tracers
/// no-ops.
///
/// # Errors
///
/// [`InitError::Thread`] if a thread of a metric reader, ours or the user's, cannot be spawned.
pub(super) fn providers(
    settings: &Settings,
    additions: Additions,
    sampler: SharedSampler,
    resource: &Resource,
    pipelines: &Pipelines,
    workers: &Workers,
    diagnostics: &Diagnostics,
) -> Result<Providers, InitError> {
    let open_spans = Arc::<AtomicU64>::default();
    let span_queue = pipelines
        .queue(Signal::Traces)
        .map(|queue| SpanQueue::new(Arc::clone(queue), workers.clone(), settings.traces.limits))
        .map(|queue| queue.with_random_ids(!additions.custom_ids).with_open_spans(Arc::clone(&open_spans)));
    let overflow = OverflowReports::new(diagnostics.clone());
    let metric_queue = |(temporality, queue): (_, &Arc<_>)| {
        MetricQueue::new(Arc::clone(queue), workers.clone(), temporality, overflow.clone())
    };
    let metric_queues = pipelines.metric_queues().map(metric_queue).collect();
    let log_queue = pipelines
        .queue(Signal::Logs)
        .map(|queue| LogQueue::new(Arc::clone(queue), workers.clone(), settings.logs.limits));
    let meter = provider::meter_provider(
        &settings.metrics,
        resource.clone(),
        metric_queues,
        additions.views,
        additions.meter_provider,
        overflow,
        diagnostics,
    )?;
    let runtime = ObservedRuntime::default();
    // A shutdown collects once more, for readers of the user. If telemetry is disabled, they must receive nothing.
    if !settings.disabled {
        check_readers_run(&meter)?;
        let observed = pipelines.observed(settings);
        runtime.find();
        let spans = sampler.counts().filter(|_| settings.has_spans());
        provider::built_in::observe(&settings.metrics.built_in, &meter, observed, spans, &runtime);
    }
    let providers = Providers {
        tracer: provider::tracer_provider(
            &settings.traces,
            resource.clone(),
            sampler,
            span_queue,
            additions.tracer_provider,
        ),
        meter,
        logger: provider::logger_provider(resource.clone(), log_queue, additions.log_processors),
        open_spans,
        runtime,
    };
    if settings.disabled {
        providers.disable();
    } else if !settings.has_spans() {
        let _ = providers.tracer.shutdown();
    }
    Ok(providers)
}

/// Returns an error if the thread of a user's metric reader could not be spawned.
///
/// `PeriodicReader` does not report a failed thread spawn. A failing flush reveals it, because a new provider has no
/// instrument to collect. Readers of the user may fail for other reasons.
fn check_readers_run(meter: &TelemetryMeterProvider) -> Result<(), InitError> {
    let has_failed = meter.has_custom_readers() && meter.flush_custom_readers().is_err();
    if has_failed && tasks::spawn("otel-probe", || {}).is_err() {
        return Err(InitError::Thread("the system refused one for a metric reader".into()));
    }
    Ok(())
}
