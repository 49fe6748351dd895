//! Settings and parts become telemetry that is complete, and known to nobody yet.

mod filters;
mod lines;

use std::sync::Arc;

use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tracing_core::Subscriber;
use tracing_subscriber::registry::LookupSpan;

pub(crate) use self::filters::mistakes_in_code;
use self::lines::LineOutput;
use crate::context_fields::{self, BaggageKeys};
use crate::diagnostics::Diagnostics;
use crate::error::InitError;
use crate::export::encode::LogFields;
use crate::export::{Exporter, Ledger, LogQueue, MetricQueue, Queue, Route, SpanQueue, Workers, encode};
use crate::lifecycle::guard::{Ledgers, Providers, Running, TelemetryGuard};
use crate::lifecycle::{Additions, tasks};
use crate::provider::SamplingShortcut;
use crate::provider::resource;
use crate::redaction::{REDACTED, Redaction};
use crate::settings::Signal;
use crate::settings::{ExportSettings, MetricSettings, QueueSettings, Settings};
use crate::subscriber::{self, BridgeTracer, LogOptions, Marks, OtlpLogs, Records, SpanAttributes};
use crate::{propagation, provider, semconv};

/// Everything that `build()` makes before it touches a global.
pub(crate) struct Assembled<S> {
    pub(crate) layer: subscriber::LayerParts<S>,
    pub(crate) ready: Ready,
}

/// What runs already, and ends when it is dropped.
pub(crate) struct Ready {
    pub(crate) guard: TelemetryGuard,
    /// `OTEL_SDK_DISABLED`: nothing is recorded.
    pub(crate) disabled: bool,
    pub(crate) ignores_env: bool,
    pub(crate) propagator: TextMapCompositePropagator,
    /// What it consists of, if of nothing else.
    pub(crate) standard: Option<propagation::Standard>,
    pub(crate) sampling_shortcut: SamplingShortcut,
    /// Whether lines are JSON on standard error, where nothing else should be written.
    pub(crate) owns_stderr: bool,
}

pub(crate) fn assemble<S>(mut settings: Settings, mut parts: Additions) -> Result<Assembled<S>, InitError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let filters = filters::parse(&mut settings);
    let diagnostics = Diagnostics::default();
    let lines = LineOutput::open(&settings, &mut parts, &diagnostics)?;
    let queues = Queues::of(&settings);
    let resource = resource::resource(&settings);
    let exporter =
        Exporter::start(queues.routes(&settings), encode::resource(&resource).into(), &diagnostics)?;
    let propagator = propagation::propagator(&settings.propagators, std::mem::take(&mut parts.propagators));
    let ignores_env = parts.ignores_env;
    let sampling_shortcut = sampling_shortcut(&settings, &parts);
    let has_log_processors = !parts.log_processors.is_empty();
    let redaction = parts.redaction.clone();
    let marks = Marks { exceptions: settings.exception_signal, redaction: redaction.clone() };
    let baggage = BaggageKeys::new(std::mem::take(&mut parts.baggage_keys));
    let providers = providers(&settings, parts, &resource, &queues, exporter.workers())?;
    let around = RecordContext {
        redaction,
        baggage,
        spans: settings
            .logs
            .span_fields
            .then_some(SpanAttributes { value_length: settings.logs.limits.value_length }),
        value_length: settings.logs.limits.value_length,
    };
    let span_attributes = around.spans;
    let records = records(&settings, &queues, &providers, has_log_processors, around);
    say(&diagnostics, &settings.warnings);
    let tracer = providers.tracer.tracer_with_scope(scope());
    let spans =
        (!settings.disabled).then(|| (BridgeTracer::new(tracer, sampling_shortcut), filters.spans.clone()));
    let layer = subscriber::LayerParts {
        lines: lines.format.map(|format| (format, filters.lines.clone())),
        span_attributes: span_attributes.filter(|_| records.is_some()),
        records: records.map(|records| (records, filters.records.clone())),
        spans,
        marks,
    };
    let guard = TelemetryGuard::new(Running {
        providers,
        exporter,
        ledgers: queues.ledgers(),
        lines: lines.writer,
        has_ended: false,
        lines_given_up: 0,
        filters,
        diagnostics,
        shutdown_timeout: settings.shutdown_timeout,
    });
    let ready = Ready {
        guard,
        disabled: settings.disabled,
        ignores_env,
        propagator,
        standard: propagation::Standard::of(&settings.propagators),
        sampling_shortcut,
        owns_stderr: lines.owns_stderr,
    };
    Ok(Assembled { layer, ready })
}

/// Which spans need not be asked for. The ids of a user's generator are not known in advance.
fn sampling_shortcut(settings: &Settings, parts: &Additions) -> SamplingShortcut {
    match parts.custom_ids {
        true => SamplingShortcut::Nothing,
        false => SamplingShortcut::of(&settings.traces.sampler, parts.sampler.as_ref()),
    }
}

fn providers(
    settings: &Settings,
    parts: Additions,
    resource: &Resource,
    queues: &Queues,
    workers: &Workers,
) -> Result<Providers, InitError> {
    let span_queue = queues
        .traces
        .as_ref()
        .map(|queue| SpanQueue::new(Arc::clone(queue), workers.clone(), settings.traces.limits));
    let metric_queue = queues
        .metrics
        .as_ref()
        .map(|queue| MetricQueue::new(Arc::clone(queue), workers.clone(), settings.metrics.temporality));
    let log_queue = queues
        .logs
        .as_ref()
        .map(|queue| LogQueue::new(Arc::clone(queue), workers.clone(), settings.logs.limits));
    let meter = provider::meter_provider(
        &settings.metrics,
        resource.clone(),
        metric_queue,
        parts.views,
        parts.meter_provider,
    );
    check_readers_run(&meter)?;
    let providers = Providers {
        tracer: provider::tracer_provider(
            &settings.traces,
            resource.clone(),
            parts.sampler,
            span_queue,
            parts.tracer_provider,
        ),
        meter,
        logger: provider::logger_provider(resource.clone(), log_queue, parts.log_processors),
    };
    if settings.disabled {
        providers.disable();
    }
    Ok(providers)
}

/// Returns an error if the system refused a thread to a metric reader.
///
/// `PeriodicReader` does not report a failed thread spawn; a failing flush reveals it, because a new provider has no
/// instrument to collect. Readers of the user may fail for other reasons.
fn check_readers_run(meter: &SdkMeterProvider) -> Result<(), InitError> {
    if meter.force_flush().is_err() && tasks::spawn("telemetry-probe", || {}).is_err() {
        return Err(InitError::Thread("the system refused one for a metric reader".into()));
    }
    Ok(())
}

/// Events as OTLP log records: straight into the queue, or through the processors that the user added.
fn records<S>(
    settings: &Settings,
    queues: &Queues,
    providers: &Providers,
    has_processors: bool,
    around: RecordContext,
) -> Option<Records<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let redaction = around.redaction.clone();
    let options = LogOptions {
        limits: settings.logs.limits,
        minimum: settings.logs.minimum_severity,
        sampled_traces_only: settings.logs.sampled_traces_only,
        is_redacted: redaction.is_some().then(|| Arc::new(move |key: &str| redaction.is_redacted(key)) as _),
    };
    let logs = match &queues.logs {
        _ if settings.disabled => return None,
        _ if has_processors => OtlpLogs::through(providers.logger.clone(), options),
        Some(queue) => OtlpLogs::direct(Arc::clone(queue), options),
        None => return None,
    };
    Some(around.with(logs))
}

/// Where records get fields from that are not their event's.
#[derive(Default)]
pub(crate) struct RecordContext {
    pub(crate) redaction: Redaction,
    pub(crate) baggage: BaggageKeys,
    pub(crate) spans: Option<SpanAttributes>,
    /// Characters of one text.
    pub(crate) value_length: Option<usize>,
}

impl RecordContext {
    /// Gives each record the fields of the context, and those of its spans if asked for, beside its own.
    pub(crate) fn with<S>(self, logs: OtlpLogs) -> Records<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        Box::new(move |event, moment, ctx| {
            // Without any such fields nothing is allocated.
            let mut around = Vec::new();
            context_fields::for_each(event.metadata().target(), &self.baggage, &mut |key, value| {
                let redacted = Value::from(REDACTED);
                let value = if self.redaction.is_redacted(key) { &redacted } else { value };
                encode::attribute_value(&mut around, LogFields::ATTRIBUTE, key, value, self.value_length);
            });
            if let Some(spans) = self.spans {
                spans.write(event, ctx, &mut around);
            }
            logs.on_event(event, moment.time, moment.ids, &around);
        })
    }
}

/// Of the spans that come from `tracing`.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(semconv::SCOPE_NAME).with_version(semconv::SCOPE_VERSION).build()
}

/// Repeats what was found in the environment before there was a place to say it.
fn say(diagnostics: &Diagnostics, warnings: &[String]) {
    for warning in warnings {
        diagnostics.warn(warning, &[]);
    }
}

/// A collection is one request, so the shorter limit counts.
fn within_collection_timeout(metrics: &MetricSettings) -> Option<ExportSettings> {
    let export = metrics.export.clone()?;
    Some(ExportSettings { timeout: export.timeout.min(metrics.timeout), ..export })
}

/// The queue of each signal that is exported.
struct Queues {
    traces: Option<Arc<Queue>>,
    metrics: Option<Arc<Queue>>,
    logs: Option<Arc<Queue>>,
}

impl Queues {
    fn of(settings: &Settings) -> Self {
        let queue = |export: &Option<ExportSettings>, limits: QueueSettings| {
            let export = export.as_ref().filter(|_| !settings.disabled);
            export.map(|_| Arc::new(Queue::new(limits, Arc::new(Ledger::default()))))
        };
        Self {
            traces: queue(&settings.traces.export, settings.traces.queue),
            metrics: queue(&settings.metrics.export, MetricQueue::LIMITS),
            logs: queue(&settings.logs.export, settings.logs.queue),
        }
    }

    fn routes(&self, settings: &Settings) -> Vec<Route> {
        let route = |signal, queue: &Option<Arc<Queue>>, export: &Option<ExportSettings>, delay| {
            let (queue, settings) = queue.clone().zip(export.clone())?;
            Some(Route { signal, settings, queue, delay })
        };
        let Settings { traces, metrics, logs, .. } = settings;
        [
            route(Signal::Traces, &self.traces, &traces.export, traces.queue.delay),
            route(
                Signal::Metrics,
                &self.metrics,
                &within_collection_timeout(metrics),
                MetricQueue::LIMITS.delay,
            ),
            route(Signal::Logs, &self.logs, &logs.export, logs.queue.delay),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn ledgers(&self) -> Ledgers {
        let ledger = |queue: &Option<Arc<Queue>>| queue.as_ref().map(|queue| Arc::clone(queue.ledger()));
        Ledgers { traces: ledger(&self.traces), metrics: ledger(&self.metrics), logs: ledger(&self.logs) }
    }
}
