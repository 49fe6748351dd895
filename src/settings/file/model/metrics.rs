//! The meter provider.

use super::exporters::PushMetricExporter;
use super::macros::{choice, component, object, unsupported};
use super::values::{Int, List, Located, Number, Positive, Unsigned};

object! {
    /// Which metrics are collected, and where they go.
    MeterProvider = "MeterProvider", null refused {
        readers: List<MetricReader>,
        views: Option<List<View>>,
        exemplar_filter: Option<Located<ExemplarFilter>>,
        configurator["meter_configurator/development"]: Option<MeterConfigurator>,
    }
}

component! {
    /// What collects metrics.
    MetricReader = "MetricReader", closed {
        "periodic" => Periodic(Box<PeriodicReader>),
        "pull" => Pull(Box<PullReader>),
    }
}

object! {
    /// Collects and sends metrics at intervals.
    PeriodicReader = "PeriodicMetricReader", null refused {
        interval: Option<Located<Unsigned>>,
        timeout: Option<Located<Unsigned>>,
        max_export_batch_size["max_export_batch_size/development"]: Option<Located<Positive>>,
        exporter: PushMetricExporter,
        producers: Option<List<MetricProducer>>,
        cardinality_limits: Option<CardinalityLimits>,
    }
}

object! {
    /// Collects metrics when it is asked.
    PullReader = "PullMetricReader", null refused {
        exporter: PullMetricExporter,
        producers: Option<List<MetricProducer>>,
        cardinality_limits: Option<CardinalityLimits>,
    }
}

component! {
    /// What asks a pull reader.
    PullMetricExporter = "PullMetricExporter", open {
        "prometheus/development" => Prometheus(Prometheus),
    }
}

object! {
    /// A page that Prometheus scrapes.
    Prometheus = "ExperimentalPrometheusMetricExporter", null default {
        host: Option<Located<String>>,
        port: Option<Located<AnyInt>>,
        scope_info_enabled: Option<Located<bool>>,
        target_info_enabled["target_info_enabled/development"]: Option<Located<bool>>,
        resource_constant_labels: Option<IncludeExclude>,
        translation_strategy: Option<Located<TranslationStrategy>>,
        /// Of version 1.0 of the schema, as are the two that follow.
        without_scope_info: Option<Located<bool>>,
        without_target_info["without_target_info/development"]: Option<Located<bool>>,
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
        default: Option<Positive>,
        counter: Option<Positive>,
        gauge: Option<Positive>,
        histogram: Option<Positive>,
        observable_counter: Option<Positive>,
        observable_gauge: Option<Positive>,
        observable_up_down_counter: Option<Positive>,
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
        selector: ViewSelector,
        stream: ViewStream,
    }
}

object! {
    /// The instruments that a view is for: those that fit all that is given.
    ViewSelector = "ViewSelector", null refused {
        instrument_name: Option<String>,
        instrument_type: Option<InstrumentType>,
        unit: Option<String>,
        meter_name: Option<String>,
        meter_version: Option<String>,
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
        name: Option<Located<String>>,
        description: Option<String>,
        aggregation: Option<Aggregation>,
        aggregation_cardinality_limit: Option<Positive>,
        attribute_keys: Option<IncludeExclude>,
    }
}

object! {
    /// Patterns with `*` and `?`. What is excluded wins.
    IncludeExclude = "IncludeExclude", null refused {
        included: Option<List<String>>,
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
        boundaries: Option<Located<List<Number, 0>>>,
        record_min_max: Option<bool>,
    }
}

object! {
    /// A histogram whose boundaries adapt.
    Base2Exponential = "Base2ExponentialBucketHistogramAggregation", null default {
        max_scale: Option<Int<-10, 20>>,
        max_size: Option<Int<2>>,
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
