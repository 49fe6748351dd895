//! The meter provider.
//!
//! | key | default | variable or setter |
//! |---|---|---|
//! | `readers` | required, at least one | `OTEL_METRICS_EXPORTER` |
//! | `readers[].periodic.interval` | 60,000 ms | `OTEL_METRIC_EXPORT_INTERVAL` |
//! | `readers[].periodic.timeout` | 30,000 ms | `OTEL_METRIC_EXPORT_TIMEOUT` |
//! | `temporality_preference` of an exporter | `cumulative` | `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` |
//! | `readers[].….cardinality_limits` | those of the SDK | – |
//! | `views` | none | `view` in code |
//! | `exemplar_filter` | `trace_based`, without effect | `OTEL_METRICS_EXEMPLAR_FILTER`, without effect |
//! | `meter_configurator/development` | refused | a view with `drop` |
//!
//! # Versions of the Prometheus exporter
//!
//! Version 1.1 of the schema renames three options and inverts two of them. Both forms are read:
//!
//! | 1.0 | 1.1 |
//! |---|---|
//! | `without_scope_info` | `scope_info_enabled` |
//! | `without_target_info/development` | `target_info_enabled/development` |
//! | `with_resource_constant_labels` | `resource_constant_labels` |

use super::exporters::PushMetricExporter;
use super::macros::{choice, component, object, unsupported};
use super::values::{Int, List, Located, Number, Positive, Unsigned};

object! {
    /// Which metrics are collected, and where they go.
    MeterProvider = "MeterProvider", null refused {
        /// At least one.
        ///
        /// Several periodic readers are allowed, and one pull reader.
        readers: List<MetricReader>,
        /// Each that fits an instrument makes a stream of it; instruments that none fits have the default.
        views: Option<List<View>>,
        /// Default: `trace_based`.
        ///
        /// The SDK records no exemplars: `trace_based` is a warning, `always_on` a mistake.
        exemplar_filter: Option<Located<ExemplarFilter>>,
        /// Refused: there are no settings of single meters.
        configurator["meter_configurator/development"]: Option<MeterConfigurator>,
    }
}

component! {
    /// What collects metrics.
    MetricReader = "MetricReader", closed {
        /// Sends metrics to a collector, a file or the console.
        "periodic" => Periodic(Box<PeriodicReader>),
        /// Serves metrics to a scraper.
        "pull" => Pull(Box<PullReader>),
    }
}

object! {
    /// Collects and sends metrics at intervals.
    PeriodicReader = "PeriodicMetricReader", null refused {
        /// Milliseconds from one collection to the next. Default: 60 000.
        ///
        /// The schema allows 0, which is a mistake here: there must be time between two collections.
        interval: Option<Located<Unsigned>>,
        /// Milliseconds for one export; 0 is no limit. Default: 30 000.
        ///
        /// It includes all tries of the request. The exporter's own `timeout` counts if it is shorter.
        timeout: Option<Located<Unsigned>>,
        /// Data points of one request. Default: no limit.
        ///
        /// Refused: a collection is sent as a whole.
        max_export_batch_size["max_export_batch_size/development"]: Option<Located<Positive>>,
        /// Where metrics go, and in which temporality.
        exporter: PushMetricExporter,
        /// Sources beside the SDK.
        ///
        /// The schema has one, `opencensus`, which is refused.
        producers: Option<List<MetricProducer>>,
        /// Default: those of the SDK.
        ///
        /// All readers must have the same, because views apply them.
        cardinality_limits: Option<CardinalityLimits>,
    }
}

object! {
    /// Collects metrics for each scrape.
    PullReader = "PullMetricReader", null refused {
        /// The server that scrapers read from.
        exporter: PullMetricExporter,
        /// Sources beside the SDK.
        ///
        /// The schema has one, `opencensus`, which is refused.
        producers: Option<List<MetricProducer>>,
        /// Default: those of the SDK.
        ///
        /// All readers must have the same, because views apply them.
        cardinality_limits: Option<CardinalityLimits>,
    }
}

component! {
    /// An exporter that collects when it is read.
    PullMetricExporter = "PullMetricExporter", open {
        "prometheus/development" => Prometheus(Prometheus),
    }
}

object! {
    /// A page that Prometheus scrapes.
    Prometheus = "ExperimentalPrometheusMetricExporter", null default {
        /// The address to listen at. Default: `localhost`.
        ///
        /// The counterpart of `OTEL_EXPORTER_PROMETHEUS_HOST`.
        host: Option<Located<String>>,
        /// Default: 9464.
        ///
        /// The counterpart of `OTEL_EXPORTER_PROMETHEUS_PORT`. The schema has no bounds; a number that is no port is a
        /// mistake.
        port: Option<Located<AnyInt>>,
        /// Labels with name and version of the instrumentation scope. Default: `true`.
        scope_info_enabled: Option<Located<bool>>,
        /// The metric `target_info` with the attributes of the resource. Default: `true`.
        target_info_enabled["target_info_enabled/development"]: Option<Located<bool>>,
        /// Attributes of the resource that become labels of every series. Default: none.
        resource_constant_labels: Option<IncludeExclude>,
        /// Default: `underscore_escaping_with_suffixes`.
        translation_strategy: Option<Located<TranslationStrategy>>,
        /// Of version 1.0 of the schema, as are the two that follow.
        ///
        /// A file that has both forms of an option is refused.
        without_scope_info: Option<Located<bool>>,
        /// The opposite of `target_info_enabled/development`.
        without_target_info["without_target_info/development"]: Option<Located<bool>>,
        /// The former name of `resource_constant_labels`, with the same meaning.
        with_resource_constant_labels: Option<IncludeExclude>,
    }
}

/// An integer of any size.
pub(in crate::settings::file) type AnyInt = Int<{ i64::MIN }>;

choice! {
    /// How names of metrics become names for Prometheus.
    TranslationStrategy = "ExperimentalPrometheusTranslationStrategy" {
        "underscore_escaping_with_suffixes" => UnderscoresWithSuffixes,
        "underscore_escaping_without_suffixes/development" => Underscores,
        "no_utf8_escaping_with_suffixes/development" => Suffixes,
        "no_translation/development" => Unchanged,
    }
}

component! {
    /// A source of metrics beside the SDK's.
    MetricProducer = "MetricProducer", open {
        "opencensus" => OpenCensus(OpenCensus),
    }
}

object! {
    /// How many attribute sets a metric may have.
    CardinalityLimits = "CardinalityLimits", null refused {
        /// For kinds without a limit of their own.
        ///
        /// Without it, the SDK's limit of 2,000 holds.
        default: Option<Positive>,
        /// Attribute sets of one instrument of this kind, as for those that follow.
        ///
        /// Further sets become one with the attribute `otel.metric.overflow`.
        counter: Option<Positive>,
        /// The limit for each gauge.
        gauge: Option<Positive>,
        /// The limit for each histogram.
        histogram: Option<Positive>,
        /// The limit for each counter that is read by a callback.
        observable_counter: Option<Positive>,
        /// The limit for each gauge that is read by a callback.
        observable_gauge: Option<Positive>,
        /// The limit for each counter that is read by a callback and can decrease.
        observable_up_down_counter: Option<Positive>,
        /// The limit for each counter that can decrease.
        up_down_counter: Option<Positive>,
    }
}

choice! {
    /// Which measurements may become exemplars.
    ExemplarFilter = "ExemplarFilter" {
        "always_on" => AlwaysOn,
        "always_off" => AlwaysOff,
        "trace_based" => TraceBased,
    }
}

object! {
    /// Changes what is made of the measurements of some instruments.
    View = "View", null refused {
        /// Which instruments it is for.
        selector: ViewSelector,
        /// What becomes of them.
        stream: ViewStream,
    }
}

object! {
    /// The instruments that a view is for: those that fit all that is given.
    ViewSelector = "ViewSelector", null refused {
        /// A pattern with `*` and `?`.
        ///
        /// A view with a new name needs a name without `*` and `?`.
        instrument_name: Option<String>,
        /// The kind, whatever the type of its numbers.
        instrument_type: Option<InstrumentType>,
        /// As the instrument has it, such as `ms`.
        ///
        /// Compared as it is, without patterns.
        unit: Option<String>,
        /// The name of the instrumentation scope.
        ///
        /// Compared as it is, without patterns.
        meter_name: Option<String>,
        /// The version of the instrumentation scope.
        meter_version: Option<String>,
        /// The schema URL of the instrumentation scope.
        meter_schema_url: Option<String>,
    }
}

choice! {
    /// A kind of instrument.
    InstrumentType = "InstrumentType" {
        "counter" => Counter,
        "gauge" => Gauge,
        "histogram" => Histogram,
        "observable_counter" => ObservableCounter,
        "observable_gauge" => ObservableGauge,
        "observable_up_down_counter" => ObservableUpDownCounter,
        "up_down_counter" => UpDownCounter,
    }
}

object! {
    /// What a view makes of measurements.
    ViewStream = "ViewStream", null refused {
        /// Default: that of the instrument.
        ///
        /// A name for a selector that fits several instruments is a mistake: their streams would have the same name.
        name: Option<Located<String>>,
        /// Default: that of the instrument.
        description: Option<String>,
        /// Default: the one that fits the instrument.
        ///
        /// An aggregation that the SDK would refuse, such as boundaries that do not ascend, is a mistake.
        aggregation: Option<Aggregation>,
        /// Attribute sets. Default: the reader's limit.
        ///
        /// More than 10,000,000 counts as that number.
        aggregation_cardinality_limit: Option<Positive>,
        /// The attributes that are kept. Default: all.
        ///
        /// Keys under `included` are whole keys; patterns there, and `excluded` alone, are refused, because the SDK
        /// cannot apply them.
        attribute_keys: Option<IncludeExclude>,
    }
}

object! {
    /// Patterns with `*` and `?`. What is excluded wins.
    IncludeExclude = "IncludeExclude", null refused {
        /// Default: all.
        ///
        /// Case counts. In a view, patterns are not allowed.
        included: Option<List<String>>,
        /// Default: none.
        ///
        /// Case counts.
        excluded: Option<List<String>>,
    }
}

component! {
    /// How measurements become one value.
    Aggregation = "Aggregation", closed {
        "default" => Default(DefaultAggregation),
        "drop" => Drop(DropAggregation),
        "explicit_bucket_histogram" => ExplicitBuckets(ExplicitBuckets),
        "base2_exponential_bucket_histogram" => Base2Exponential(Base2Exponential),
        "last_value" => LastValue(LastValue),
        "sum" => Sum(Sum),
    }
}

object! {
    /// The one that fits the instrument.
    DefaultAggregation = "DefaultAggregation", null default {}
}

object! {
    /// Measurements are discarded.
    DropAggregation = "DropAggregation", null default {}
}

object! {
    /// A histogram with fixed boundaries.
    ExplicitBuckets = "ExplicitBucketHistogramAggregation", null default {
        /// Upper boundaries, in ascending order. Default: 0 to 10 000, as the SDK has them.
        ///
        /// The list may be empty: the histogram then has a single bucket.
        boundaries: Option<Located<List<Number, 0>>>,
        /// Default: `true`.
        ///
        /// Whether points have the least and the largest measurement.
        record_min_max: Option<bool>,
    }
}

object! {
    /// A histogram whose boundaries adapt.
    Base2Exponential = "Base2ExponentialBucketHistogramAggregation", null default {
        /// The finest scale; it becomes coarser when values need it. Default: 20.
        ///
        /// From -10 to 20.
        max_scale: Option<Int<-10, 20>>,
        /// Buckets of each sign. Default: 160.
        ///
        /// At least 2.
        max_size: Option<Int<2>>,
        /// Default: `true`.
        ///
        /// Whether points have the least and the largest measurement.
        record_min_max: Option<bool>,
    }
}

object! {
    /// The last value.
    LastValue = "LastValueAggregation", null default {}
}

object! {
    /// The sum.
    Sum = "SumAggregation", null default {}
}

unsupported! {
    /// Metrics of OpenCensus.
    OpenCensus = "OpenCensusMetricProducer": "there is no OpenCensus for Rust";
    /// Settings of single meters.
    MeterConfigurator = "ExperimentalMeterConfigurator":
        "the SDK has no meter configurator; use a view with the aggregation `drop`";
}
