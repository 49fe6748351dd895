//! The three signals.

use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;
use tracing_core::LevelFilter;

use super::decide::Resolver;
use super::export::{Signal, or_unlimited};
use crate::settings::builder_config::{BuilderConfig, LogsRequested, TracesRequested};
use crate::settings::env::names::{self, Batch};
use crate::settings::types::{
    AttributeLimits, ExportSettings, HistogramAggregation, LogSettings, MetricSettings, SpanLimitSettings,
    TraceSettings,
};
use crate::settings::value_kind::{DURATION, HISTOGRAMS, LENGTH, LIMIT, TEMPORALITY, TIMEOUT};

impl Resolver<'_> {
    pub(super) fn traces(&mut self, requested: &BuilderConfig) -> TraceSettings {
        let traces = &requested.traces;
        let export = self.export(&Signal {
            scope: TRACES,
            variables: names::OTLP_TRACES,
            exporter_variable: names::OTEL_TRACES_EXPORTER,
            export: traces.export,
            own: &traces.otlp,
            common: &requested.otlp,
        });
        TraceSettings {
            export: self.within_batch_timeout(TRACES, export, &names::BSP),
            sampler: self.sampler(traces.custom_sampler),
            limits: self.span_limits(traces),
            queue: self.queue(TRACES, &names::BSP, traces.queue, DEFAULT_SPAN_DELAY),
        }
    }

    pub(super) fn metrics(&mut self, requested: &BuilderConfig) -> MetricSettings {
        let metrics = &requested.metrics;
        let export = self.export(&Signal {
            scope: METRICS,
            variables: names::OTLP_METRICS,
            exporter_variable: names::OTEL_METRICS_EXPORTER,
            export: metrics.export,
            own: &metrics.otlp,
            common: &requested.otlp,
        });
        MetricSettings {
            export,
            interval: self.decide_own(
                &DURATION,
                (METRICS, "interval", metrics.interval),
                &[names::OTEL_METRIC_EXPORT_INTERVAL],
                DEFAULT_INTERVAL,
            ),
            timeout: or_unlimited(self.decide_own(
                &TIMEOUT,
                (METRICS, "export_timeout", metrics.export_timeout),
                &[names::OTEL_METRIC_EXPORT_TIMEOUT],
                DEFAULT_COLLECTION_TIMEOUT,
            )),
            temporality: self.decide_own(
                &TEMPORALITY,
                (METRICS, "temporality", metrics.temporality),
                &[names::OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE],
                Temporality::Cumulative,
            ),
            histograms: self.decide_own(
                &HISTOGRAMS,
                (METRICS, "histogram_aggregation", metrics.histograms),
                &[names::OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION],
                HistogramAggregation::ExplicitBuckets,
            ),
        }
    }

    pub(super) fn logs(&mut self, requested: &BuilderConfig) -> LogSettings {
        let logs = &requested.logs;
        let export = self.export(&Signal {
            scope: LOGS,
            variables: names::OTLP_LOGS,
            exporter_variable: names::OTEL_LOGS_EXPORTER,
            export: logs.export,
            own: &logs.otlp,
            common: &requested.otlp,
        });
        LogSettings {
            export: self.within_batch_timeout(LOGS, export, &names::BLRP),
            filter: self.directives(
                &[names::OTEL_RUST_OTLP_LOG_FILTER, names::RUST_LOG],
                &[
                    (".logs(|l| l.filter())", logs.filter.as_deref()),
                    (".log_filter()", requested.log_filter.as_deref()),
                ],
            ),
            minimum_severity: logs.minimum_severity.map_or(LevelFilter::TRACE, LevelFilter::from_level),
            sampled_traces_only: logs.sampled_traces_only,
            span_fields: logs.span_fields,
            limits: self.log_limits(logs),
            queue: self.queue(LOGS, &names::BLRP, logs.queue, DEFAULT_LOG_DELAY),
        }
    }

    /// The processor's limit for a batch and the exporter's for a request are one here: the shorter counts.
    fn within_batch_timeout(
        &mut self,
        scope: &'static str,
        export: Option<ExportSettings>,
        variables: &Batch,
    ) -> Option<ExportSettings> {
        let asked = (scope, "timeout", None);
        let limit =
            or_unlimited(self.decide_own(&TIMEOUT, asked, &[variables.export_timeout], Duration::ZERO));
        export.map(|export| ExportSettings { timeout: export.timeout.min(limit), ..export })
    }

    fn span_limits(&mut self, traces: &TracesRequested) -> SpanLimitSettings {
        let attributes = self.attribute_limits(
            TRACES,
            (traces.max_attributes, names::OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT),
            (traces.max_value_length, names::OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT),
        );
        let mut limit = |setting, value, variables: &[&'static str]| {
            self.decide_own(&LIMIT, (TRACES, setting, value), variables, DEFAULT_COUNT_LIMIT)
        };
        SpanLimitSettings {
            attributes,
            events: limit("max_events", traces.max_events, &[names::OTEL_SPAN_EVENT_COUNT_LIMIT]),
            links: limit("max_links", traces.max_links, &[names::OTEL_SPAN_LINK_COUNT_LIMIT]),
            attributes_per_event: limit(
                "max_attributes_per_event",
                traces.max_attributes_per_event,
                &[names::OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT, names::OTEL_ATTRIBUTE_COUNT_LIMIT],
            ),
            attributes_per_link: limit(
                "max_attributes_per_link",
                traces.max_attributes_per_link,
                &[names::OTEL_LINK_ATTRIBUTE_COUNT_LIMIT, names::OTEL_ATTRIBUTE_COUNT_LIMIT],
            ),
        }
    }

    fn log_limits(&mut self, logs: &LogsRequested) -> AttributeLimits {
        self.attribute_limits(
            LOGS,
            (logs.max_attributes, names::OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT),
            (logs.max_value_length, names::OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT),
        )
    }

    fn attribute_limits(
        &mut self,
        scope: &'static str,
        (count, count_variable): (Option<u32>, &'static str),
        (length, length_variable): (Option<usize>, &'static str),
    ) -> AttributeLimits {
        AttributeLimits {
            count: self.decide_own(
                &LIMIT,
                (scope, "max_attributes", count),
                &[count_variable, names::OTEL_ATTRIBUTE_COUNT_LIMIT],
                DEFAULT_COUNT_LIMIT,
            ),
            value_length: self.decide_own(
                &LENGTH,
                (scope, "max_value_length", length.map(Some)),
                &[length_variable, names::OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT],
                None,
            ),
        }
    }
}

const TRACES: &str = "traces";
const METRICS: &str = "metrics";
const LOGS: &str = "logs";

/// As the Python program has it; the specification's 60 s is long for people who watch.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
/// The specification's, as are the following.
const DEFAULT_COLLECTION_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_SPAN_DELAY: Duration = Duration::from_secs(5);
const DEFAULT_LOG_DELAY: Duration = Duration::from_secs(1);
const DEFAULT_COUNT_LIMIT: u32 = 128;
