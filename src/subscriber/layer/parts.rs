//! The parts that a telemetry layer is put together from.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use tracing_core::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::registry::LookupSpan;

use super::Outputs;
use super::callsites::{CallsiteFilter, Filtering};
use crate::lines::event_context::EventContext;
use crate::lines::span::SpanChain;
use crate::subscriber::TelemetryLayer;
use crate::subscriber::combined_filter::CombinedFilter;
use crate::subscriber::errors::Marks;
use crate::subscriber::filter::FilterHandle;
use crate::subscriber::lines::Lines;
use crate::subscriber::logs::VisitEvent;
use crate::subscriber::rate_limit::RateLimit;
use crate::subscriber::spans::{OpenSpans, SpanAccess, SpanBridge, StockBridge, StockExtensions};

/// The parts of a telemetry layer. Absent parts cost nothing.
pub(crate) struct LayerParts<S> {
    /// The log output with its filter.
    pub(crate) lines: Option<(Lines, FilterHandle)>,
    /// The output of log records with its filter.
    pub(crate) records: Option<(Records, FilterHandle)>,
    /// Records carry the fields of the spans around them.
    pub(crate) has_span_fields_in_records: bool,
    /// The bridge that creates OpenTelemetry spans; it applies its filter itself.
    pub(crate) spans: Option<Spans<S>>,
    /// The options for marking the span of an error event.
    pub(crate) marks: Marks,
}

/// The bridge that creates OpenTelemetry spans.
pub(crate) enum Spans<S> {
    /// Ours, the default.
    Own(Arc<SpanBridge>),
    /// That of `tracing-opentelemetry`.
    Stock(StockBridge<S>),
}

impl<S> fmt::Debug for Spans<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(bridge) => bridge.fmt(f),
            Self::Stock(stock) => stock.fmt(f),
        }
    }
}

impl<S> From<Arc<SpanBridge>> for Spans<S> {
    fn from(bridge: Arc<SpanBridge>) -> Self {
        Self::Own(bridge)
    }
}

/// Writes an event in a span as an OTLP record. Shows its fields to the visitors of other outputs, too, if there are any.
pub(crate) type Records = Box<
    dyn Fn(&Event<'_>, &EventContext<'_>, Option<&dyn SpanChain>, Option<&mut VisitEvent<'_>>) + Send + Sync,
>;

impl<S> LayerParts<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    /// The layer for a subscriber without other layers: callsites that no output needs are disabled permanently, at the
    /// cost of `tracing` alone.
    pub(crate) fn into_only_layer(self) -> impl Layer<S> + Send + Sync {
        self.stack(Filtering::Global).0
    }

    /// The layer for a subscriber that may have other layers, which its filters do not affect.
    pub(crate) fn into_filtered_layer(self) -> TelemetryLayer<S> {
        let (stack, filter) = self.stack(Filtering::PerLayer);
        Box::new(Filtered::new(stack, CallsiteFilter(filter)))
    }

    /// Puts the layers on each other: access for extension traits, then the outputs. Returns them with the filter of
    /// all.
    fn stack(self, filtering: Filtering) -> (impl Layer<S> + Send + Sync + use<S>, CombinedFilter) {
        let (lines, line_filter) = self.lines.unzip();
        let (records, record_filter) = self.records.unzip();
        let (bridge, stock) = match self.spans {
            Some(Spans::Own(bridge)) => (Some(bridge), None),
            Some(Spans::Stock(stock)) => (None, Some(stock)),
            None => (None, None),
        };
        let own_filter = bridge.as_ref().map(|bridge| (bridge.filter().clone(), bridge.records_events()));
        let stock_filter = stock.as_ref().map(|stock| (stock.filter().clone(), stock.records_events()));
        let (span_filter, records_events) = own_filter.or(stock_filter).unzip();
        let records_events = records_events.unwrap_or_default();
        let filters = CombinedFilter::new(line_filter, record_filter, span_filter, records_events);
        let extensions = match &stock {
            Some(stock) => Some(StockExtensions::from_stock_bridge(stock)),
            None => bridge.as_ref().map(StockExtensions::new),
        };
        let outputs = Outputs {
            lines,
            records,
            spans: bridge
                .as_ref()
                .map_or_else(|| Arc::new(OpenSpans::new()), |bridge| Arc::clone(bridge.spans())),
            has_span_fields_in_records: self.has_span_fields_in_records,
            filters: filters.clone(),
            marks: self.marks,
            filtering,
            bridge: bridge.clone(),
            stock,
            sdk_lines: RateLimit::new(Instant::now()),
        };
        let access = bridge.as_ref().map(|bridge| SpanAccess::new(Arc::clone(bridge)));
        let access = Layer::<S>::and_then(access, extensions);
        (Layer::<S>::and_then(access, outputs), filters)
    }
}

impl<S> fmt::Debug for LayerParts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerParts")
            .field("lines", &self.lines.as_ref().map(|(_, filter)| filter))
            .field("records", &self.records.as_ref().map(|(_, filter)| filter))
            .field("spans", &self.spans)
            .field("marks", &self.marks)
            .finish()
    }
}
