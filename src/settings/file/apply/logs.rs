//! The logger provider.
//!
//! | key | setting |
//! |---|---|
//! | `processors` | `destinations` of [`Settings::logs`], and the limits of the queue |
//! | `limits` | see [`limits`](super::limits) |
//! | `logger_provider` absent | no destination: events become lines alone |
//!
//! Filters and severities of records are not part of the schema: they are settings below `distribution`, and those of
//! code count without them.

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
    ///
    /// Destinations of code are replaced, too.
    pub(super) fn logs(&mut self, settings: &mut Settings) {
        let processors = self.record_processors();
        settings.logs.destinations = self.processor_destinations(&exporter::LOGS, &processors);
    }
}

impl<'a> Apply<'a> {
    /// Returns the processors of log records, which live as long as the document.
    ///
    /// Empty without a logger provider.
    fn record_processors(&self) -> Vec<Processor<'a>> {
        let document = self.document;
        let processors = document.logger_provider.iter().flat_map(|provider| &provider.processors.0);
        processors.map(Processor::from).collect()
    }
}
