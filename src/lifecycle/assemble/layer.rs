//! The parts of the subscriber's layer: lines, records, spans and error recording.
//!
//! Everything that depends on the user's additions is read before the providers take them.
//!
//! | part | taken from | `None` if |
//! |---|---|---|
//! | lines | the log output, with the filter of lines | the log output is off |
//! | records | the queue of log records, or the logger provider if the user has processors | neither exists |
//! | spans | [`BridgeOptions`] | no spans are recorded |
//! | marks | the settings for recording errors on spans | – |

use std::sync::Arc;

use tracing_core::Subscriber;
use tracing_subscriber::registry::LookupSpan;

use super::bridge::{BridgeOptions, direct_source};
use super::pipelines::Pipelines;
use super::records::{self, RecordContext};
use crate::lifecycle::Additions;
use crate::lifecycle::guard::Providers;
use crate::lines::context_fields::BaggageKeys;
use crate::provider::SharedSampler;
use crate::provider::installed::DirectSpans;
use crate::settings::Settings;
use crate::subscriber::{DirectSource, Filters, LayerParts, Lines, Marks, SpanBridge};

/// The decisions about the layer that depend on settings and additions, kept until the providers exist.
pub(super) struct LayerPlan {
    /// `None` if no spans are recorded. Nothing is set up for spans then.
    bridge: Option<BridgeOptions>,
    /// The path of spans that bypasses the SDK, unless the user's additions need SDK spans.
    direct: DirectSource,
    /// The data that lines and records contain in addition to the event.
    context: RecordContext,
    /// `true` if the user added log processors, which records then pass through.
    has_log_processors: bool,
    /// Options for recording errors on spans.
    marks: Marks,
}

impl LayerPlan {
    /// Reads settings and additions. Baggage keys are taken; everything else stays for the providers.
    pub(super) fn new(
        settings: &Settings,
        additions: &mut Additions,
        pipelines: &Pipelines,
        sampler: &SharedSampler,
    ) -> Self {
        let context = record_context(settings, additions);
        Self {
            bridge: settings.has_spans().then(|| BridgeOptions::new(additions, sampler.clone())),
            direct: direct_source(settings, pipelines, sampler),
            has_log_processors: !additions.log_processors.is_empty(),
            marks: Marks { exceptions: settings.exception_signal, redaction: context.redaction.clone() },
            context,
        }
    }

    /// Returns the resources that call layers need to encode spans while they are recorded. `None` if the program
    /// needs SDK spans, or records none.
    pub(super) fn direct_spans(&self, providers: &Providers) -> Option<DirectSpans> {
        self.bridge.as_ref().filter(|options| options.is_direct())?;
        Some(DirectSpans {
            queue: self.direct.queue.clone(),
            limits: self.direct.limits,
            open: Arc::clone(&providers.open_spans),
        })
    }

    /// Returns the parts of the layer, and a second reference to the bridge for the guard, which reports the spans
    /// that are still open at shutdown.
    pub(super) fn parts<S>(
        self,
        settings: &Settings,
        lines: Option<Lines>,
        pipelines: &Pipelines,
        providers: &Providers,
        filters: &Filters,
    ) -> (LayerParts<S>, Option<Arc<SpanBridge>>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Self { bridge, direct, context, has_log_processors, marks } = self;
        let has_span_fields = context.has_span_fields;
        let level = filters.record_level.clone();
        let records = records::records(settings, pipelines, providers, has_log_processors, context, level);
        let bridge = bridge.map(|options| options.bridge(&providers.tracer, direct, filters));
        let (spans, bridge) = bridge.unwrap_or_default();
        let parts = LayerParts {
            lines: lines.map(|format| (format, filters.lines.clone())),
            has_span_fields_in_records: has_span_fields && records.is_some(),
            records: records.map(|records| (records, filters.records.clone())),
            spans,
            marks,
        };
        (parts, bridge)
    }
}

/// Returns the data that lines and records contain in addition to an event: redaction, baggage, span fields.
fn record_context(settings: &Settings, additions: &mut Additions) -> RecordContext {
    let value_length = settings.logs.limits.value_length;
    RecordContext {
        redaction: additions.redaction.clone(),
        baggage: BaggageKeys::new(std::mem::take(&mut additions.baggage_keys)),
        has_span_fields: settings.logs.span_fields,
        value_length,
    }
}
