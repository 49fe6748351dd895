//! A telemetry layer with outputs in memory.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span as SdkSpan, SpanData, SpanProcessor};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use super::super::filter::{Filter, FilterHandle};
use super::super::lines::LineFormat;
use super::super::{LayerParts, Lines, Marks, SpanBridge, SpanSource};
use crate::lines::event_context::EventContext;
use crate::lines::field_visit::SharedVisit;
use crate::lines::span::{SpanChain, scope};
use crate::provider::SharedSampler;
use crate::settings::ExceptionSignal;
use crate::settings::SamplerSetting;
use crate::trace_ids::TraceIds;

/// A bridge, and the subscriber that it is installed in.
pub(crate) fn installed(source: SpanSource) -> (Arc<SpanBridge>, Dispatch) {
    let (bridge, layer) = layer(source);
    (bridge, Dispatch::new(Registry::default().with(layer)))
}

/// A bridge, and the layer that it is part of.
pub(crate) fn layer<S>(source: SpanSource) -> (Arc<SpanBridge>, impl Layer<S> + Send + Sync)
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let bridge = Arc::new(SpanBridge::new(source, FilterHandle::new(Filter::parse("info").0)));
    let parts = LayerParts {
        lines: None,
        records: None,
        has_span_fields_in_records: false,
        spans: Some(Arc::clone(&bridge).into()),
        marks: Marks::default(),
    };
    (bridge, parts.into_only_layer())
}

/// The layer, installed for this thread, and what its outputs were given.
pub(crate) struct Rig {
    pub(crate) spans: Spans,
    pub(crate) lines: Written,
    pub(crate) records: Written,
    pub(crate) line_filter: FilterHandle,
    pub(crate) span_filter: FilterHandle,
    provider: SdkTracerProvider,
    _installed: DefaultGuard,
}

/// What an output was given: `message [span fields…]`, and the ids.
pub(crate) type Written = Arc<Mutex<Vec<(String, Option<TraceIds>)>>>;

pub(crate) struct Options {
    pub(crate) lines: &'static str,
    pub(crate) records: &'static str,
    pub(crate) spans: &'static str,
    pub(crate) exceptions: ExceptionSignal,
    pub(crate) beside_others: bool,
    pub(crate) logs_in_processor: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lines: "info",
            records: "info",
            spans: "info",
            exceptions: ExceptionSignal::SpanEvent,
            beside_others: false,
            logs_in_processor: false,
        }
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let spans = Spans::default();
        let mut provider = SdkTracerProvider::builder().with_span_processor(spans.clone());
        if options.logs_in_processor {
            provider = provider.with_span_processor(Chatter);
        }
        let provider = provider.build();
        let handle = |text| FilterHandle::new(Filter::parse(text).0);
        let (line_filter, span_filter) = (handle(options.lines), handle(options.spans));
        let (lines, records) = (Written::default(), Written::default());
        let written = Arc::clone(&records);
        let parts = LayerParts {
            lines: Some((lines_into(&lines), line_filter.clone())),
            records: Some((
                Box::new(move |event, moment, _, visit| {
                    visit.into_iter().for_each(|visit| visit(None));
                    written.lock().unwrap().push((message(event), moment.ids));
                }),
                handle(options.records),
            )),
            has_span_fields_in_records: false,
            spans: Some(
                Arc::new(SpanBridge::new(
                    SpanSource::sdk(
                        provider.tracer("test"),
                        SharedSampler::new(&SamplerSetting::AlwaysOn, None),
                        true,
                    ),
                    span_filter.clone(),
                ))
                .into(),
            ),
            marks: Marks { exceptions: options.exceptions, ..Marks::default() },
        };
        let installed = if options.beside_others {
            tracing::subscriber::set_default(Registry::default().with(parts.into_filtered_layer()))
        } else {
            tracing::subscriber::set_default(Registry::default().with(parts.into_only_layer()))
        };
        Self { spans, lines, records, line_filter, span_filter, provider, _installed: installed }
    }

    pub(crate) fn tracer(&self) -> opentelemetry_sdk::trace::SdkTracer {
        self.provider.tracer("raw")
    }
}

pub(crate) fn texts(written: &Written) -> Vec<String> {
    written.lock().unwrap().iter().map(|(text, _)| text.clone()).collect()
}

pub(crate) fn ids(written: &Written) -> Vec<Option<TraceIds>> {
    written.lock().unwrap().iter().map(|(_, ids)| *ids).collect()
}

/// Keeps ended spans.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl Spans {
    pub(crate) fn named(&self, name: &str) -> SpanData {
        let mut found = self.all(name);
        assert_eq!(found.len(), 1, "spans named {name} among {:?}", self.names());
        found.remove(0)
    }

    pub(crate) fn all(&self, name: &str) -> Vec<SpanData> {
        self.0.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|span| span.name.to_string()).collect()
    }
}

impl SpanProcessor for Spans {
    fn on_start(&self, _: &mut SdkSpan, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Logs errors while the bridge or the user's call has the span locked.
#[derive(Debug)]
struct Chatter;

impl SpanProcessor for Chatter {
    fn on_start(&self, _: &mut SdkSpan, _: &opentelemetry::Context) {
        tracing::error!("started");
    }

    fn on_end(&self, _: SpanData) {
        tracing::error!("ended");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Lines with the names of the spans around an event.
pub(crate) fn lines_into(written: &Written) -> Lines {
    Arc::new(SpanNameLines(Arc::clone(written)))
}

/// A layer that writes each event with the names of the spans that it was shown.
pub(crate) struct SpanNames(pub(crate) Written);
/// The layers that were shown a span.
#[derive(Default)]
struct Seen(Vec<usize>);

impl<S> Layer<S> for SpanNames
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, _: &tracing::span::Attributes<'_>, id: &tracing::Id, ctx: Context<'_, S>) {
        let span = ctx.span(id).unwrap();
        let mut extensions = span.extensions_mut();
        let mut seen = extensions.remove::<Seen>().unwrap_or_default();
        seen.0.push(Arc::as_ptr(&self.0).addr());
        extensions.insert(seen);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut text = message(event);
        for span in ctx.event_scope(event).into_iter().flatten() {
            let layer = Arc::as_ptr(&self.0).addr();
            if span.extensions().get::<Seen>().is_some_and(|seen| seen.0.contains(&layer)) {
                text.push_str(&format!(" in {}", span.name()));
            }
        }
        self.0.lock().unwrap().push((text, None));
    }
}

/// Writes each event with the names of the spans around it.
struct SpanNameLines(Written);

impl LineFormat for SpanNameLines {
    fn write_event(
        &self,
        event: &Event<'_>,
        span: Option<&dyn SpanChain>,
        moment: &EventContext<'_>,
        others: &mut SharedVisit<'_>,
    ) {
        others.visit_without_line(event, moment.is_log_record);
        let spans = span.into_iter().flat_map(scope).filter(|span| span.is_in_lines);
        let names: String = spans.map(|span| format!(" in {}", span.name)).collect();
        let text = message(event) + &names;
        self.0.lock().unwrap().push((text, moment.ids));
    }
}

pub(crate) fn message(event: &Event<'_>) -> String {
    struct Message(String);
    impl tracing::field::Visit for Message {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }
    let mut message = Message(String::new());
    event.record(&mut message);
    message.0
}
