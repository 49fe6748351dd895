//! The tracer provider.

use std::time::Duration;

use super::Apply;
use super::exporters::Exporter;
use crate::settings::file::model::{
    At, BatchSpanProcessor, Int, Located, ParentBased, Sampler, SpanExporter, SpanProcessor, TraceIdRatio,
};
use crate::settings::queue::{QueueSetting, SPAN_QUEUE};
use crate::settings::types::{ParentSampling, SamplerSetting};
use crate::settings::value_kind::or_unlimited;
use crate::settings::{Settings, exporter};

/// What both batch processors have.
pub(super) struct Batch<'a> {
    /// The node of the processor.
    pub(super) at: &'a At,
    /// Milliseconds from one batch to the next.
    pub(super) delay: Option<(&'a At, u64)>,
    /// Milliseconds; 0 is no limit.
    pub(super) export_timeout: Option<(&'a At, u64)>,
    /// Items.
    pub(super) queue_size: Option<(&'a At, u64)>,
    /// Items.
    pub(super) batch_size: Option<(&'a At, u64)>,
    /// The schema's.
    pub(super) default_delay: u64,
    /// A simple processor: its queue is sent item by item, at once.
    pub(super) is_simple: bool,
}

impl<'a> Batch<'a> {
    /// Describes a simple processor as a batch processor with batches of one.
    pub(super) fn simple(at: &'a At) -> Self {
        let batch_size = Some((at, 1));
        let none = (None, None, None);
        let (delay, export_timeout, queue_size) = none;
        Self { at, delay, export_timeout, queue_size, batch_size, default_delay: 1, is_simple: true }
    }

    /// What the processors of a signal must have in common.
    fn limits(&self) -> [u64; 3] {
        let number = |given: Option<(&At, u64)>, default| given.map_or(default, |(_, number)| number);
        [
            number(self.delay, self.default_delay),
            number(self.queue_size, DEFAULT_QUEUE_SIZE),
            number(self.batch_size, DEFAULT_BATCH_SIZE),
        ]
    }

    /// The limit for one batch.
    pub(super) fn export_timeout(&self) -> Duration {
        or_unlimited(Duration::from_millis(
            self.export_timeout.map_or(DEFAULT_EXPORT_TIMEOUT, |(_, limit)| limit),
        ))
    }
}

/// What a processor of spans says about batches.
fn batch(processor: &SpanProcessor) -> Batch<'_> {
    match processor {
        SpanProcessor::Simple(simple) => Batch::simple(&simple.at),
        SpanProcessor::Batch(batch) => {
            let BatchSpanProcessor {
                at,
                schedule_delay,
                export_timeout,
                max_queue_size,
                max_export_batch_size,
                ..
            } = &**batch;
            Batch {
                at,
                delay: located(schedule_delay),
                export_timeout: located(export_timeout),
                queue_size: located(max_queue_size),
                batch_size: located(max_export_batch_size),
                default_delay: 5_000,
                is_simple: false,
            }
        }
    }
}

/// Returns a number with its place.
pub(super) fn located<const MIN: i64>(value: &Option<Located<Int<MIN>>>) -> Option<(&At, u64)> {
    value.as_ref().map(|located| (&located.at, located.value.unsigned()))
}

impl Apply<'_> {
    /// The first pass: limits of the queue.
    pub(super) fn trace_values(&mut self) {
        let Some(provider) = &self.document.tracer_provider else { return };
        let batches: Vec<_> = provider.processors.0.iter().map(batch).collect();
        self.queue_values(&SPAN_QUEUE, &batches);
    }

    /// The limits of a signal's queue, which all of its processors share.
    pub(super) fn queue_values(&mut self, queue: &QueueSetting, batches: &[Batch<'_>]) {
        let Some(first) = batches.first() else { return };
        self.batch_values(queue, first);
        for other in batches {
            if other.limits() != first.limits() {
                self.unsupported(
                    other.at,
                    "the processors of a signal share a queue: its delay and sizes must be those of the first",
                );
            }
        }
    }

    /// The limits of a queue. Both batch processors have the same.
    pub(super) fn batch_values(&mut self, queue: &QueueSetting, batch: &Batch<'_>) {
        let (_, size) = batch.queue_size.unwrap_or((batch.at, DEFAULT_QUEUE_SIZE));
        if let Some((at, batch_size)) = batch.batch_size
            && batch_size > size
        {
            self.mistake(at, format!("{batch_size} is more than max_queue_size, {size}"));
        }
        // At once means as soon as the worker gets there.
        let delay = batch.delay.map(|(at, delay)| (at, delay.max(1)));
        self.number(queue.scheduled_delay.key(), delay, batch.default_delay, batch.at);
        if !batch.is_simple {
            self.number(queue.max_queue_size.key(), batch.queue_size, DEFAULT_QUEUE_SIZE, batch.at);
        }
        let batch_size = batch.batch_size.or(Some((batch.at, DEFAULT_BATCH_SIZE.min(size))));
        self.number(queue.max_export_batch_size.key(), batch_size, DEFAULT_BATCH_SIZE, batch.at);
    }

    /// The second pass: exporters and sampler. Without a provider in the file, traces are off.
    pub(super) fn traces(&mut self, settings: &mut Settings) {
        settings.traces.destinations.clear();
        let Some(provider) = &self.document.tracer_provider else {
            settings.traces.is_off = true;
            return;
        };
        for processor in &provider.processors.0 {
            let exporter = match processor {
                SpanProcessor::Batch(batch) => &batch.exporter,
                SpanProcessor::Simple(simple) => &simple.exporter,
            };
            let otlp = match exporter {
                SpanExporter::OtlpHttp(otlp) => Exporter::from(otlp),
                SpanExporter::OtlpGrpc(otlp) => Exporter::from(otlp),
                SpanExporter::OtlpFile(file) => {
                    self.unsupported(&file.at, NO_SUCH_EXPORTER);
                    continue;
                }
                SpanExporter::Console(console) => {
                    self.unsupported(&console.at, NO_SUCH_EXPORTER);
                    continue;
                }
            };
            let destination = self.otlp(&exporter::TRACES, &otlp);
            let limit = batch(processor).export_timeout();
            settings.traces.destinations.extend(destination.map(|destination| destination.within(limit)));
        }
        settings.traces.requires_random_ids = provider.id_generator.is_some();
        match &provider.sampler {
            Some(given) => settings.traces.sampler = sampler(given),
            // The file cannot name a sampler that is code.
            None if settings.traces.sampler == SamplerSetting::Custom => {}
            None => settings.traces.sampler = SamplerSetting::ParentBasedAlwaysOn,
        }
    }
}

/// Absent samplers are those of the schema.
fn sampler(model: &Sampler) -> SamplerSetting {
    match model {
        Sampler::AlwaysOn(_) => SamplerSetting::AlwaysOn,
        Sampler::AlwaysOff(_) => SamplerSetting::AlwaysOff,
        Sampler::TraceIdRatio(TraceIdRatio { ratio, .. }) => {
            SamplerSetting::TraceIdRatio(ratio.map_or(1.0, |ratio| ratio.0))
        }
        Sampler::ParentBased(parent_based) => {
            let ParentBased {
                root,
                remote_parent_sampled,
                remote_parent_not_sampled,
                local_parent_sampled,
                local_parent_not_sampled,
                ..
            } = &**parent_based;
            let or = |given: &Option<Sampler>, default| given.as_ref().map_or(default, sampler);
            SamplerSetting::ParentBased(Box::new(ParentSampling {
                root: or(root, SamplerSetting::AlwaysOn),
                remote_sampled: or(remote_parent_sampled, SamplerSetting::AlwaysOn),
                remote_not_sampled: or(remote_parent_not_sampled, SamplerSetting::AlwaysOff),
                local_sampled: or(local_parent_sampled, SamplerSetting::AlwaysOn),
                local_not_sampled: or(local_parent_not_sampled, SamplerSetting::AlwaysOff),
            }))
        }
        Sampler::Composite(never) => match *never {},
        Sampler::JaegerRemote(never) => match *never {},
        Sampler::Probability(never) => match *never {},
    }
}

/// What is said of exporters that this crate does not have.
pub(super) const NO_SUCH_EXPORTER: &str = "only otlp_http and otlp_grpc are, so far";
// The schema's defaults.
const DEFAULT_QUEUE_SIZE: u64 = 2_048;
const DEFAULT_BATCH_SIZE: u64 = 512;
const DEFAULT_EXPORT_TIMEOUT: u64 = 30_000;
