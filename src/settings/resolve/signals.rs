//! The three signals.

use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;

use super::decide::{Resolution, Sources, code};
use super::export::{Signal, or_unlimited};
use crate::settings::env::names::{self, Batch};
use crate::settings::kind::{COUNT, DURATION, HISTOGRAMS, LENGTH, LIMIT, TEMPORALITY, TIMEOUT};
use crate::settings::requested::{
    LogsRequested, MetricsRequested, QueueRequested, Requested, TracesRequested,
};
use crate::settings::types::{
    AttributeLimits, ExportSettings, HistogramAggregation, LogSettings, MetricSettings, QueueSettings,
    SpanLimitSettings, TraceSettings,
};

impl Resolution<'_> {
    pub(super) fn traces(&mut self, requested: &Requested) -> TraceSettings {
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
            export: self.within_batch_timeout(export, &names::BSP),
            sampler: self.sampler(traces.custom_sampler),
            limits: self.span_limits(traces),
            queue: self.queue(TRACES, &names::BSP, traces.queue, DEFAULT_SPAN_DELAY),
        }
    }

    pub(super) fn metrics(&mut self, requested: &Requested) -> MetricSettings {
        let metrics = &requested.metrics;
        MetricSettings {
            export: self.export(&Signal {
                scope: METRICS,
                variables: names::OTLP_METRICS,
                exporter_variable: names::OTEL_METRICS_EXPORTER,
                export: metrics.export,
                own: &metrics.otlp,
                common: &requested.otlp,
            }),
            interval: self.decide(
                &DURATION,
                Sources {
                    setting: "interval",
                    variables: &[names::OTEL_METRIC_EXPORT_INTERVAL],
                    code: code([(Some(METRICS), metrics.interval)]),
                },
                DEFAULT_INTERVAL,
            ),
            timeout: self.collection_timeout(metrics),
            temporality: self.decide(
                &TEMPORALITY,
                Sources {
                    setting: "temporality",
                    variables: &[names::OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE],
                    code: code([(Some(METRICS), metrics.temporality)]),
                },
                Temporality::Cumulative,
            ),
            histograms: self.decide(
                &HISTOGRAMS,
                Sources {
                    setting: "histogram_aggregation",
                    variables: &[names::OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION],
                    code: code([(Some(METRICS), metrics.histograms)]),
                },
                HistogramAggregation::ExplicitBuckets,
            ),
        }
    }

    pub(super) fn logs(&mut self, requested: &Requested) -> LogSettings {
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
            export: self.within_batch_timeout(export, &names::BLRP),
            filter: self.directives(
                &[names::OTEL_RUST_OTLP_LOG_FILTER, names::RUST_LOG],
                &[
                    (".logs(|l| l.filter())", logs.filter.as_deref()),
                    (".log_filter()", requested.log_filter.as_deref()),
                ],
            ),
            limits: self.log_limits(logs),
            queue: self.queue(LOGS, &names::BLRP, logs.queue, DEFAULT_LOG_DELAY),
        }
    }

    fn collection_timeout(&mut self, metrics: &MetricsRequested) -> Duration {
        let sources = Sources {
            setting: "collection_timeout",
            variables: &[names::OTEL_METRIC_EXPORT_TIMEOUT],
            code: code([(Some(METRICS), metrics.collection_timeout)]),
        };
        or_unlimited(self.decide(&TIMEOUT, sources, DEFAULT_COLLECTION_TIMEOUT))
    }

    /// The processor's limit for a batch and the exporter's for a request are one here: the shorter counts.
    fn within_batch_timeout(
        &mut self,
        export: Option<ExportSettings>,
        variables: &Batch,
    ) -> Option<ExportSettings> {
        let sources =
            Sources { setting: "timeout", variables: &[variables.export_timeout], code: Vec::new() };
        let limit = or_unlimited(self.decide(&TIMEOUT, sources, Duration::ZERO));
        export.map(|export| ExportSettings { timeout: export.timeout.min(limit), ..export })
    }

    fn span_limits(&mut self, traces: &TracesRequested) -> SpanLimitSettings {
        SpanLimitSettings {
            attributes: AttributeLimits {
                count: self.count_limit(
                    "max_attributes",
                    &[names::OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, names::OTEL_ATTRIBUTE_COUNT_LIMIT],
                    (TRACES, traces.max_attributes),
                ),
                value_length: self.value_length(
                    names::OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT,
                    (TRACES, traces.max_value_length),
                ),
            },
            events: self.count_limit(
                "max_events",
                &[names::OTEL_SPAN_EVENT_COUNT_LIMIT],
                (TRACES, traces.max_events),
            ),
            links: self.count_limit(
                "max_links",
                &[names::OTEL_SPAN_LINK_COUNT_LIMIT],
                (TRACES, traces.max_links),
            ),
            attributes_per_event: self.count_limit(
                "max_attributes_per_event",
                &[names::OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT, names::OTEL_ATTRIBUTE_COUNT_LIMIT],
                (TRACES, traces.max_attributes_per_event),
            ),
            attributes_per_link: self.count_limit(
                "max_attributes_per_link",
                &[names::OTEL_LINK_ATTRIBUTE_COUNT_LIMIT, names::OTEL_ATTRIBUTE_COUNT_LIMIT],
                (TRACES, traces.max_attributes_per_link),
            ),
        }
    }

    fn log_limits(&mut self, logs: &LogsRequested) -> AttributeLimits {
        AttributeLimits {
            count: self.count_limit(
                "max_attributes",
                &[names::OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT, names::OTEL_ATTRIBUTE_COUNT_LIMIT],
                (LOGS, logs.max_attributes),
            ),
            value_length: self.value_length(
                names::OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT,
                (LOGS, logs.max_value_length),
            ),
        }
    }

    fn count_limit(
        &mut self,
        setting: &'static str,
        variables: &[&'static str],
        (scope, value): (&'static str, Option<u32>),
    ) -> u32 {
        let sources = Sources { setting, variables, code: code([(Some(scope), value)]) };
        self.decide(&LIMIT, sources, DEFAULT_COUNT_LIMIT)
    }

    fn value_length(
        &mut self,
        variable: &'static str,
        (scope, value): (&'static str, Option<usize>),
    ) -> Option<usize> {
        let variables = [variable, names::OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT];
        let code = code([(Some(scope), value.map(Some))]);
        self.decide(&LENGTH, Sources { setting: "max_value_length", variables: &variables, code }, None)
    }

    fn queue(
        &mut self,
        scope: &'static str,
        variables: &Batch,
        requested: QueueRequested,
        default_delay: Duration,
    ) -> QueueSettings {
        let max_items = self.decide(
            &COUNT,
            Sources {
                setting: "max_queue_items",
                variables: &[variables.max_queue_size],
                code: code([(Some(scope), requested.max_items)]),
            },
            DEFAULT_QUEUE_ITEMS,
        );
        QueueSettings {
            max_items,
            max_bytes: self.decide(
                &COUNT,
                Sources {
                    setting: "max_queue_bytes",
                    variables: &[variables.max_queue_bytes],
                    code: code([(Some(scope), requested.max_bytes)]),
                },
                DEFAULT_QUEUE_BYTES,
            ),
            max_batch_items: self.batch(scope, variables, requested, max_items),
            delay: self.decide(
                &DURATION,
                Sources {
                    setting: "batch_delay",
                    variables: &[variables.schedule_delay],
                    code: code([(Some(scope), requested.delay)]),
                },
                default_delay,
            ),
        }
    }

    /// Items in one request: never more than wait.
    fn batch(
        &mut self,
        scope: &'static str,
        variables: &Batch,
        requested: QueueRequested,
        max_items: usize,
    ) -> usize {
        if let (Some(batch), Some(queue)) = (requested.max_batch_items, requested.max_items)
            && batch > queue
        {
            let reason = format!("more than max_queue_items, {queue}");
            self.invalid("max_batch_items", Some(scope), batch.to_string(), &reason);
        }
        let sources = Sources {
            setting: "max_batch_items",
            variables: &[variables.max_export_batch_size],
            code: code([(Some(scope), requested.max_batch_items)]),
        };
        let Some(batch) = self.choose(&COUNT, sources, &DEFAULT_BATCH_ITEMS.to_string()) else {
            return DEFAULT_BATCH_ITEMS.min(max_items);
        };
        if batch.value > max_items && !batch.is_from_code {
            let words = format!("{} is more than the queue holds; using {max_items}", batch.value);
            self.warn_of(&batch.origin, words);
        }
        batch.value.min(max_items)
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
const DEFAULT_BATCH_ITEMS: usize = 512;
const DEFAULT_COUNT_LIMIT: u32 = 128;
/// What a signal may hold in memory while the collector is slow or away; this is the limit that counts.
const DEFAULT_QUEUE_BYTES: usize = 32 << 20;
/// The specification's 2048 are gone in 7 ms at 300 000 spans a second. An item is hardly ever under 128 bytes, so
/// that the limit in bytes is reached first.
const DEFAULT_QUEUE_ITEMS: usize = DEFAULT_QUEUE_BYTES / 128;
