//! The SDK's providers in front of the queues.

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, TraceContextExt, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample};

use super::*;
use crate::collector::{Export, Fault};
use crate::export::queue::Take;
use crate::provider::{self, TelemetryMeterProvider};
use crate::settings::{AttributeLimits, HistogramAggregation, MetricSettings, SpanLimitSettings};

#[test]
fn sampled_spans_of_the_sdk_arrive_and_others_do_not() {
    let collector = Collector::start().unwrap();
    let mut pipeline = Pipeline::to(&collector, Protocol::Grpc);
    let provider = |sampler: Box<dyn ShouldSample>| {
        let workers = pipeline.exporter.workers().clone();
        let processor = SpanQueue::new(Arc::clone(&pipeline.queue), workers, SPAN_LIMITS);
        SdkTracerProvider::builder().with_sampler(Boxed(sampler)).with_span_processor(processor).build()
    };
    let sampled = provider(Box::new(Sampler::AlwaysOn));
    sampled.tracer("tests").start("sampled").end();
    provider(Box::new(RecordOnly)).tracer("tests").start("recorded").end();
    sampled.force_flush().unwrap();
    assert_eq!(spans(&collector), ["sampled"]);
    sampled.shutdown().unwrap();
    assert_eq!(pipeline.shutdown(PATIENCE).1.accepted, 1);
}

#[test]
fn flush_through_the_sdk_returns_failures() {
    let pipeline = Pipeline::to_nowhere(Protocol::Grpc);
    let workers = pipeline.exporter.workers().clone();
    let processor = SpanQueue::new(Arc::clone(&pipeline.queue), workers, SPAN_LIMITS);
    let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
    provider.tracer("tests").start("lost").end();
    assert!(provider.force_flush().is_err());
}

#[test]
fn log_records_of_the_sdk_arrive() {
    let collector = Collector::start().unwrap();
    let settings = settings_for(Signal::Logs, &collector.endpoint());
    let pipeline = Pipeline::with(Signal::Logs, QUEUE, settings);
    let limits = SPAN_LIMITS.attributes;
    let processor = LogQueue::new(Arc::clone(&pipeline.queue), pipeline.exporter.workers().clone(), limits);
    let provider = SdkLoggerProvider::builder().with_log_processor(processor).build();
    let logger = provider.logger("tests");
    let mut record = logger.create_log_record();
    record.set_severity_number(Severity::Info);
    record.set_body(AnyValue::from("hello"));
    record.set_target("elsewhere");
    logger.emit(record);
    provider.force_flush().unwrap();
    let received = collector.received();
    let Export::Logs(request) = &received.requests(Signal::Logs).next().unwrap().export else {
        panic!("logs")
    };
    let logs = &request.resource_logs[0];
    assert_eq!(logs.resource.as_ref().unwrap().attributes[0].key, "service.name");
    assert_eq!(logs.scope_logs[0].scope.as_ref().unwrap().name, "elsewhere");
    assert_eq!(logs.scope_logs[0].log_records[0].severity_number, 9);
}

#[test]
fn metrics_arrive_and_are_counted_by_data_point() {
    let collector = Collector::start().unwrap();
    let mut pipeline = metrics_to(&collector.endpoint());
    let provider = meter_provider(&pipeline);
    let counter = provider.meter("tests").u64_counter("requests").build();
    counter.add(3, &[KeyValue::new("code", 1)]);
    counter.add(4, &[KeyValue::new("code", 2)]);
    provider.meter("tests").f64_histogram("duration").build().record(0.1, &[]);
    provider.force_flush().unwrap();
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 3, delivered: 3, ..Default::default() });
    assert_eq!(collector.received().requests(Signal::Metrics).count(), 1);
}

#[test]
fn panic_while_queueing_stops_neither_reader_nor_counts() {
    let collector = Collector::start().unwrap();
    let mut pipeline = metrics_to(&collector.endpoint());
    let diagnostics = Diagnostics::default();
    diagnostics.write_with(Box::new(|_, _, _| panic!("an output panics on purpose")));
    let provider = meter_provider_with(&pipeline, diagnostics);
    let counter = provider.meter("tests").u64_counter("requests").build();
    // So many that a line is written about them.
    (0..3000).for_each(|number| counter.add(1, &[KeyValue::new("number", number)]));
    provider.force_flush().unwrap_err();
    provider.force_flush().unwrap();
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts.accepted, counts.delivered);
    let arrived = collector.received().point_count() as u64;
    assert_eq!((counts.delivered, arrived), (2 * 2001, 2 * 2001));
}

#[test]
fn empty_collections_are_not_sent() {
    let collector = Collector::start().unwrap();
    let mut pipeline = metrics_to(&collector.endpoint());
    let provider = meter_provider(&pipeline);
    let _unused = provider.meter("tests").u64_counter("requests").build();
    provider.force_flush().unwrap();
    assert_eq!(pipeline.shutdown(PATIENCE).1, SignalStats::default());
    assert_eq!(collector.request_count(), 0);
}

#[test]
fn a_collection_does_not_wait_for_the_collector() {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Silence);
    let pipeline = metrics_to(&collector.endpoint());
    let provider = meter_provider(&pipeline);
    provider.meter("tests").u64_counter("requests").build().add(1, &[]);
    let begin = Instant::now();
    provider.collect().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[test]
fn the_oldest_collections_make_room_for_the_newest() {
    let (queue, consumer) = queue(QueueSettings { max_items: 3, ..MetricQueue::LIMITS });
    (1..=5_u8).for_each(|number| queue.push_request(&vec![number].into(), 10));
    let requests: Vec<_> = consumer.drain().iter().map(|request| request[0]).collect();
    assert_eq!(requests, [3, 4, 5]);
    let expected = SignalStats { accepted: 50, dropped: 20, pending: 30, ..Default::default() };
    assert_eq!(consumer.ledger().snapshot(), expected);
}

#[test]
fn queueing_a_span_does_not_allocate() {
    use opentelemetry_sdk::trace::SpanProcessor;

    let (queue, consumer) = queue(QueueSettings { max_items: 10_000, ..QUEUE });
    let processor = SpanQueue::new(Arc::clone(&queue), Workers::default(), SPAN_LIMITS);
    let provider = SdkTracerProvider::builder().build();
    let remote =
        SpanContext::new(1.into(), 2.into(), opentelemetry::TraceFlags::SAMPLED, true, TraceState::NONE);
    let parent = Context::new().with_remote_span_context(remote);
    let mut span = provider
        .tracer("tests")
        .span_builder("span")
        .with_kind(SpanKind::Server)
        .with_attributes([KeyValue::new("rpc.method", "greet"), KeyValue::new("port", 1)])
        .start_with_context(&provider.tracer("tests"), &parent);
    span.add_event("event", vec![KeyValue::new("key", true)]);
    let data = span.exported_data().unwrap();
    let spans = |count| vec![data.clone(); count];
    for _ in 0..4 {
        spans(150).into_iter().for_each(|span| processor.on_end(span));
        std::iter::from_fn(|| consumer.take(Take::Any)).for_each(|batch| consumer.recycle(batch));
    }
    let spans = spans(90);
    let allocations =
        allocation_counter::measure(|| spans.into_iter().for_each(|span| processor.on_end(span)));
    assert_eq!(allocations.count_total, 0);
}

pub(super) fn metrics_to(endpoint: &str) -> Pipeline {
    let settings = settings_for(Signal::Metrics, endpoint);
    Pipeline::with(Signal::Metrics, MetricQueue::LIMITS, settings)
}

fn meter_provider(pipeline: &Pipeline) -> TelemetryMeterProvider {
    meter_provider_with(pipeline, Diagnostics::default())
}

fn meter_provider_with(pipeline: &Pipeline, diagnostics: Diagnostics) -> TelemetryMeterProvider {
    let workers = pipeline.exporter.workers().clone();
    meter_provider_for(&pipeline.queue, workers, Temporality::Cumulative, diagnostics)
}

/// A provider that collects at flushes and at the end.
pub(super) fn meter_provider_for(
    queue: &Arc<Queue>,
    workers: Workers,
    temporality: Temporality,
    diagnostics: Diagnostics,
) -> TelemetryMeterProvider {
    let settings = MetricSettings {
        prometheus: None,
        destinations: Vec::new(),
        interval: Duration::from_secs(3600),
        temporality,
        histograms: HistogramAggregation::ExplicitBuckets,
        views: Vec::new(),
        cardinality: Default::default(),
        built_in: Vec::new(),
    };
    let overflow = OverflowReports::new(diagnostics.clone());
    let queue = MetricQueue::new(Arc::clone(queue), workers, temporality, overflow.clone());
    let resource = opentelemetry_sdk::Resource::builder_empty().build();
    let (views, additions) = (Vec::new(), Default::default());
    provider::meter_provider(&settings, resource, vec![queue], views, additions, overflow, &diagnostics)
        .unwrap()
}

#[derive(Clone, Debug)]
struct RecordOnly;

impl ShouldSample for RecordOnly {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: opentelemetry::TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[opentelemetry::trace::Link],
    ) -> SamplingResult {
        SamplingResult {
            decision: SamplingDecision::RecordOnly,
            attributes: Vec::new(),
            trace_state: TraceState::NONE,
        }
    }
}

#[derive(Clone, Debug)]
struct Boxed(Box<dyn ShouldSample>);

impl ShouldSample for Boxed {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: opentelemetry::TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[opentelemetry::trace::Link],
    ) -> SamplingResult {
        self.0.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}

const SPAN_LIMITS: SpanLimitSettings = SpanLimitSettings {
    attributes: AttributeLimits { count: 128, value_length: None },
    events: 128,
    links: 128,
    attributes_per_event: 128,
    attributes_per_link: 128,
};
