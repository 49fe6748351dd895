use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span as SdkSpan, SpanData, SpanProcessor};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use super::filter::{Filter, FilterHandle};
use super::lines::LineFormat;
use super::moment::Moment;
use super::{Lines, Parts};
use crate::settings::ExceptionSignal;
use crate::trace_ids::TraceIds;

/// A telemetry layer with outputs in memory, installed for this thread.
pub(super) struct Rig {
    pub(super) spans: Spans,
    pub(super) lines: Written,
    pub(super) records: Written,
    pub(super) line_filter: FilterHandle,
    pub(super) span_filter: FilterHandle,
    provider: SdkTracerProvider,
    _installed: DefaultGuard,
}

/// What an output was given: `message [span fields…]`, and the ids.
pub(super) type Written = Arc<Mutex<Vec<(String, Option<TraceIds>)>>>;

pub(super) struct Options {
    pub(super) lines: &'static str,
    pub(super) records: &'static str,
    pub(super) spans: &'static str,
    pub(super) exceptions: ExceptionSignal,
    pub(super) beside_others: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lines: "info",
            records: "info",
            spans: "info",
            exceptions: ExceptionSignal::SpanEvent,
            beside_others: false,
        }
    }
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(super) fn with(options: Options) -> Self {
        let spans = Spans::default();
        let provider = SdkTracerProvider::builder().with_span_processor(spans.clone()).build();
        let handle = |text| FilterHandle::new(Filter::parse(text).0);
        let (line_filter, span_filter) = (handle(options.lines), handle(options.spans));
        let (lines, records) = (Written::default(), Written::default());
        let written = Arc::clone(&records);
        let parts = Parts {
            lines: Some((lines_into(&lines), line_filter.clone())),
            records: Some((
                Box::new(move |event, moment, _| {
                    written.lock().unwrap().push((message(event), moment.ids));
                }),
                handle(options.records),
            )),
            spans: Some((provider.tracer("test"), span_filter.clone())),
            exceptions: options.exceptions,
        };
        let installed = if options.beside_others {
            tracing::subscriber::set_default(Registry::default().with(parts.beside_others()))
        } else {
            tracing::subscriber::set_default(Registry::default().with(parts.alone()))
        };
        Self { spans, lines, records, line_filter, span_filter, provider, _installed: installed }
    }

    pub(super) fn tracer(&self) -> opentelemetry_sdk::trace::SdkTracer {
        self.provider.tracer("raw")
    }
}

pub(super) fn texts(written: &Written) -> Vec<String> {
    written.lock().unwrap().iter().map(|(text, _)| text.clone()).collect()
}

pub(super) fn ids(written: &Written) -> Vec<Option<TraceIds>> {
    written.lock().unwrap().iter().map(|(_, ids)| *ids).collect()
}

/// Keeps ended spans.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl Spans {
    pub(super) fn named(&self, name: &str) -> SpanData {
        let spans = self.0.lock().unwrap();
        let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "spans named {name} among {:?}", names(&spans));
        found[0].clone()
    }

    pub(super) fn names(&self) -> Vec<String> {
        names(&self.0.lock().unwrap())
    }
}

fn names(spans: &[SpanData]) -> Vec<String> {
    spans.iter().map(|span| span.name.to_string()).collect()
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

/// A layer that writes each event with the names of the spans that it was shown.
pub(super) fn lines_into<S>(written: &Written) -> Lines<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Box::new(SpanNames(Arc::clone(written)))
}

struct SpanNames(Written);
struct Seen;

impl<S> Layer<S> for SpanNames
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, _: &tracing::span::Attributes<'_>, id: &tracing::Id, ctx: Context<'_, S>) {
        ctx.span(id).unwrap().extensions_mut().insert(Seen);
    }
}

impl<S> LineFormat<S> for SpanNames
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn write_event(&self, event: &Event<'_>, ctx: &Context<'_, S>, moment: &Moment) {
        let mut text = message(event);
        for span in ctx.event_scope(event).into_iter().flatten() {
            if span.extensions().get::<Seen>().is_some() {
                text.push_str(&format!(" in {}", span.name()));
            }
        }
        self.0.lock().unwrap().push((text, moment.ids));
    }
}

pub(super) fn message(event: &Event<'_>) -> String {
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

#[test]
fn spans_become_opentelemetry_spans_and_events_go_to_both_outputs_with_their_ids() {
    let rig = Rig::new();
    tracing::info_span!("outer", user = 7).in_scope(|| {
        tracing::info_span!("inner").in_scope(|| tracing::info!("hello"));
    });
    let (inner, outer) = (rig.spans.named("inner"), rig.spans.named("outer"));
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    assert!(inner.events.events.is_empty(), "events are not span events");
    assert_eq!(outer.attributes, [opentelemetry::KeyValue::new("user", 7)]);
    assert_eq!(texts(&rig.lines), ["hello in inner in outer"]);
    for written in [&rig.lines, &rig.records] {
        let ids = ids(written)[0].unwrap();
        assert_eq!(ids.span_id, inner.span_context.span_id());
        assert_eq!(ids.trace_id, inner.span_context.trace_id());
    }
}
