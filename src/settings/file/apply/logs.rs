//! The logger provider.

use super::Apply;
use super::exporters::Exporter;
use super::traces::{Batch, NO_SUCH_EXPORTER, located};
use crate::settings::file::model::{BatchLogRecordProcessor, LogRecordExporter, LogRecordProcessor};
use crate::settings::queue::LOG_QUEUE;
use crate::settings::{Settings, exporter};

impl Apply<'_> {
    pub(super) fn log_values(&mut self) {
        let Some(provider) = &self.document.logger_provider else { return };
        let batches: Vec<_> = provider.processors.0.iter().map(batch).collect();
        self.queue_values(&LOG_QUEUE, &batches);
    }

    pub(super) fn logs(&mut self, settings: &mut Settings) {
        settings.logs.destinations.clear();
        let Some(provider) = &self.document.logger_provider else { return };
        for processor in &provider.processors.0 {
            let exporter = match processor {
                LogRecordProcessor::Batch(batch) => &batch.exporter,
                LogRecordProcessor::Simple(simple) => &simple.exporter,
                LogRecordProcessor::EventToSpanEvent(never) => match *never {},
            };
            let otlp = match exporter {
                LogRecordExporter::OtlpHttp(otlp) => Exporter::from(otlp),
                LogRecordExporter::OtlpGrpc(otlp) => Exporter::from(otlp),
                LogRecordExporter::OtlpFile(file) => {
                    self.unsupported(&file.at, NO_SUCH_EXPORTER);
                    continue;
                }
                LogRecordExporter::Console(console) => {
                    self.unsupported(&console.at, NO_SUCH_EXPORTER);
                    continue;
                }
            };
            let destination = self.otlp(&exporter::LOGS, &otlp);
            let limit = batch(processor).export_timeout();
            settings.logs.destinations.extend(destination.map(|destination| destination.within(limit)));
        }
    }
}

/// What a processor of log records says about batches.
fn batch(processor: &LogRecordProcessor) -> Batch<'_> {
    match processor {
        LogRecordProcessor::EventToSpanEvent(never) => match *never {},
        LogRecordProcessor::Simple(simple) => Batch::simple(&simple.at),
        LogRecordProcessor::Batch(batch) => {
            let BatchLogRecordProcessor {
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
                default_delay: 1_000,
                is_simple: false,
            }
        }
    }
}
