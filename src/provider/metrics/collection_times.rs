//! Durations of collections, for `otel.sdk.metric_reader.collection.duration`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;

use crate::semconv;

/// The histogram in which a reader records the durations of its collections. Empty until the instrument exists, which
/// it does only if the metrics of the SDK are chosen. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct CollectionTimes(Arc<OnceLock<Recorded>>);

/// The instrument, and the attributes of the reader.
#[derive(Debug)]
struct Recorded {
    durations: Histogram<f64>,
    reader: Vec<KeyValue>,
}

impl CollectionTimes {
    /// Records collections from now on. Only the first call has an effect.
    pub(super) fn record_with(&self, durations: Histogram<f64>, reader: Vec<KeyValue>) {
        let _ = self.0.set(Recorded { durations, reader });
    }

    /// Records a collection that has ended. It is in the metrics of the next one.
    pub(super) fn ended(&self, duration: Duration, has_failed: bool) {
        let Some(Recorded { durations, reader }) = self.0.get() else { return };
        let error = has_failed.then(|| KeyValue::new(semconv::ERROR_TYPE, semconv::OTHER));
        let attributes: Vec<_> = reader.iter().cloned().chain(error).collect();
        durations.record(duration.as_secs_f64(), &attributes);
    }
}
