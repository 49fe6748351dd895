//! The logger provider.

use super::Apply;
use super::processors::Processor;
use crate::settings::queue::LOG_QUEUE;
use crate::settings::{Settings, exporter};

impl Apply<'_> {
    /// The first pass: limits of the queue.
    pub(super) fn log_values(&mut self) {
        let processors = self.record_processors();
        self.queue_values(&LOG_QUEUE, &processors);
    }

    /// The second pass: where records go. Without a provider in the file there is no destination.
    pub(super) fn logs(&mut self, settings: &mut Settings) {
        let processors = self.record_processors();
        settings.logs.destinations = self.processor_destinations(&exporter::LOGS, &processors);
    }
}

impl<'a> Apply<'a> {
    /// Returns the processors of log records, which live as long as the document.
    fn record_processors(&self) -> Vec<Processor<'a>> {
        let document = self.document;
        let processors = document.logger_provider.iter().flat_map(|provider| &provider.processors.0);
        processors.map(Processor::from).collect()
    }
}
