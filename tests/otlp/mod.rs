//! OTLP messages and clients for the tests of the collector.
#![allow(dead_code, clippy::unwrap_used, reason = "helpers of tests, of which each uses some")]

use std::future::Future;
use std::thread::JoinHandle;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use tonic::transport::Channel;

pub(crate) struct Clients {
    pub(crate) traces: TraceServiceClient<Channel>,
    pub(crate) logs: LogsServiceClient<Channel>,
}

impl Clients {
    pub(crate) fn new(endpoint: String) -> Self {
        let channel = Channel::from_shared(endpoint).unwrap().connect_lazy();
        Self { traces: TraceServiceClient::new(channel.clone()), logs: LogsServiceClient::new(channel) }
    }
}

/// Runs a client in a thread and runtime of its own.
pub(crate) fn in_thread<F: Future<Output = ()>>(
    endpoint: String,
    client: impl FnOnce(Clients) -> F + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { client(Clients::new(endpoint)).await });
    })
}

pub(crate) fn span(id: u8, parent: u8, name: &str) -> Span {
    let start_time_unix_nano = 1_700_000_000_000_000_000 + u64::from(id);
    Span {
        trace_id: vec![7; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
        name: name.to_owned(),
        kind: 2,
        start_time_unix_nano,
        end_time_unix_nano: start_time_unix_nano + 1_000_000,
        attributes: vec![attribute("number", Value::IntValue(id.into()))],
        ..Span::default()
    }
}

pub(crate) fn spans(count: usize) -> ExportTraceServiceRequest {
    traces((0..count).map(|number| span(number as u8, 0, "span")).collect())
}

pub(crate) fn error(message: &str) -> Status {
    Status { message: message.to_owned(), code: 2 }
}

pub(crate) fn traces(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: resource(), scope_spans, ..ResourceSpans::default() }],
    }
}

pub(crate) fn logs(bodies: &[&str]) -> ExportLogsServiceRequest {
    logs_of(bodies.iter().map(|body| log(body)).collect())
}

/// In the span of this number.
pub(crate) fn log_in(span: u8, body: &str) -> ExportLogsServiceRequest {
    logs_of(vec![LogRecord { span_id: vec![span; 8], ..log(body) }])
}

fn log(body: &str) -> LogRecord {
    LogRecord {
        body: Some(AnyValue { value: Some(Value::StringValue(body.to_owned())) }),
        severity_text: "INFO".to_owned(),
        trace_id: vec![7; 16],
        ..LogRecord::default()
    }
}

fn logs_of(log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: resource(), scope_logs, ..ResourceLogs::default() }],
    }
}

pub(crate) fn metrics(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource: resource(), scope_metrics, ..Default::default() }],
    }
}

pub(crate) fn sum(name: &str, points: &[(&str, &str, i64)]) -> Metric {
    sum_with(name, points, AggregationTemporality::Cumulative)
}

pub(crate) fn delta_sum(name: &str, points: &[(&str, &str, i64)]) -> Metric {
    sum_with(name, points, AggregationTemporality::Delta)
}

fn sum_with(name: &str, points: &[(&str, &str, i64)], temporality: AggregationTemporality) -> Metric {
    let data_points = points
        .iter()
        .map(|(key, text, value)| NumberDataPoint {
            attributes: vec![attribute(key, Value::StringValue((*text).to_owned()))],
            value: Some(number_data_point::Value::AsInt(*value)),
            ..NumberDataPoint::default()
        })
        .collect();
    let sum = Sum { data_points, aggregation_temporality: temporality.into(), is_monotonic: true };
    Metric {
        name: name.to_owned(),
        unit: "{requests}".to_owned(),
        data: Some(Data::Sum(sum)),
        ..Metric::default()
    }
}

pub(crate) fn histogram(name: &str, bounds: &[f64], buckets: &[u64]) -> Metric {
    let point = HistogramDataPoint {
        count: buckets.iter().sum(),
        explicit_bounds: bounds.to_vec(),
        bucket_counts: buckets.to_vec(),
        ..HistogramDataPoint::default()
    };
    let temporality = AggregationTemporality::Cumulative.into();
    let histogram = Histogram { data_points: vec![point], aggregation_temporality: temporality };
    Metric {
        name: name.to_owned(),
        unit: "s".to_owned(),
        data: Some(Data::Histogram(histogram)),
        ..Metric::default()
    }
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "scope".to_owned(), ..InstrumentationScope::default() })
}

fn resource() -> Option<Resource> {
    let attributes = vec![attribute("service.name", Value::StringValue("otlp".to_owned()))];
    Some(Resource { attributes, ..Resource::default() })
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
