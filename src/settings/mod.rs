//! Settings: environment and builder, resolved to plain data.
//!
//! A setting is one constant, a [`Setting`](setting::Setting): its setter, its variables, how values are read, and its
//! default. To add one, define the constant beside those of its concept, add the setter to the builder, and use the
//! value.
//!
//! [`Env`] is a snapshot of the variables, [`BuilderConfig`] holds the values given in code, and [`resolve()`] makes [`Settings`]
//! from both. The precedence is always the same:
//!
//! | first | then | then |
//! |---|---|---|
//! | the variable, the signal's own before the common one | the setter, the signal's own before the common one | the default |
//!
//! A mistake in code is an error. A mistake in the environment is a warning, and the variable counts as not set: the
//! OpenTelemetry specification requires that the program goes on. Both name the setting, the value and its origin;
//! neither shows a secret.
//!
//! | file | holds |
//! |---|---|
//! | `setting`, `value_kind` | what a setting is, and how values are read, checked and shown |
//! | `traces`, `metrics`, `logs`, `queue`, `limits`, `exporter/`, … | the settings of one concept, and their resolved form |
//! | `env` | the variables of the process, read once |
//! | `values`, `builder_config` | what setters have stored |
//! | `resolve` | the precedence, warnings and errors |
//! | `file/` | the configuration file, which takes the place of the environment |
//! | `environment.md` | the table of all variables, which a test compares with the constants |
//!
//! # From text to types
//!
//! Text is parsed here, once, into types that cannot be wrong: an endpoint is a URI with a protocol, a sampler an enum,
//! a header a name and a value that HTTP accepts. Nothing behind this module checks a setting again, and nothing else
//! reads a variable, but for the layers for calls, which work without `init()` (they use the parsers of this module).
//!
//! # Where a mistake is reported
//!
//! | made in | result | seen |
//! |---|---|---|
//! | code | [`InitError`], all of them together | by the developer, at the first start |
//! | the environment | a warning in [`Settings::warnings`], and the next source counts | by the operator, in the log |
//! | the configuration file | [`InitError::ConfigFile`], with line and column | by the operator; the program decides |

mod builder_config;
mod choices;
mod conventions;
mod credentials;
mod deadline;
mod detectors;
mod endpoint;
mod env;
mod exporter;
#[cfg(feature = "config-file")]
mod file;
mod lifecycle;
mod limits;
mod log_output;
mod logs;
mod metrics;
mod misspelt;
mod opened_file;
mod pattern;
mod pem;
mod propagators;
mod proxy;
mod queue;
mod resolve;
mod resource;
pub(crate) mod secrets;
mod setting;
mod signal;
mod traces;
mod types;
mod value_kind;
mod values;
mod views;

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry::KeyValue;
use tracing_core::LevelFilter;

pub(crate) use self::builder_config::{BuilderConfig, SignalConfig};
pub(crate) use self::conventions::rpc_conventions;
pub(crate) use self::credentials::{Credentials, RequestSigner};
pub use self::credentials::{HeaderSource, HeaderToken};
pub(crate) use self::deadline::deadline_after;
pub(crate) use self::detectors::RESOURCE_DETECTORS;
pub(crate) use self::env::Env;
#[cfg(feature = "grpc")]
pub(crate) use self::env::grpc_captured_headers;
#[cfg(feature = "config-file")]
pub(crate) use self::env::names::{CONFIG_FILE, EXPERIMENTAL_CONFIG_FILE};
#[cfg(feature = "http")]
pub(crate) use self::env::{http_captured_headers, http_known_methods};
#[cfg(feature = "prometheus")]
pub use self::exporter::PrometheusExporter;
#[cfg(any(test, feature = "tls"))]
pub(crate) use self::exporter::TlsFiles;
pub use self::exporter::{Destination, OtlpDestination};
pub(crate) use self::exporter::{
    DestinationSettings, ExportSettings, ExporterName, LOGS_EXPORTER, METRICS_EXPORTER, OTLP, OTLP_LOGS,
    OTLP_METRICS, OTLP_TRACES, OutputTarget, PrometheusSettings, ProtocolSetting, TRACES_EXPORTER, Target,
};
#[cfg(feature = "prometheus")]
pub(crate) use self::exporter::{NameTranslation, PrometheusText, ServerAddress};
#[cfg(feature = "config-file")]
pub use self::file::ConfigDocument;
#[cfg(all(fuzzing, feature = "config-file"))]
pub(crate) use self::file::settings_of;
#[cfg(feature = "config-file")]
pub(crate) use self::file::{
    ConfigChange, ConfigFile, EffectiveConfiguration, LoadedFile, Resolved as ResolvedFile, read_config_file,
};
pub(crate) use self::lifecycle::{RELOAD_INTERVAL, SDK_DISABLED, SHUTDOWN_TIMEOUT};
pub(crate) use self::limits::{
    AttributeLimits, EVENT_ATTRIBUTE_COUNT, LINK_ATTRIBUTE_COUNT, RECORD_ATTRIBUTE_COUNT,
    RECORD_VALUE_LENGTH, SPAN_ATTRIBUTE_COUNT, SPAN_EVENT_COUNT, SPAN_LINK_COUNT, SPAN_VALUE_LENGTH,
    SpanLimitSettings,
};
pub(crate) use self::log_output::{LINE_FILTER, LINE_FORMAT, LOG_FILTER, LineSettings};
pub(crate) use self::logs::{
    INCLUDE_SPAN_FIELDS, LogSettings, MINIMUM_SEVERITY, RECORD_FILTER, SAMPLED_TRACES_ONLY,
};
pub(crate) use self::metrics::{
    BUILT_IN_METRICS, HISTOGRAM_AGGREGATION, METRIC_EXPORT_TIMEOUT, METRIC_INTERVAL, METRIC_TEMPORALITY,
    MetricSettings,
};
pub(crate) use self::misspelt::edit_distance;
#[cfg(test)]
pub(crate) use self::misspelt::known_variables;
pub(crate) use self::opened_file::{is_fifo, open_to_append, read_start};
#[cfg(feature = "tls")]
pub(crate) use self::pem::read_pem;
pub(crate) use self::propagators::PROPAGATORS;
pub(crate) use self::proxy::{Proxy, ProxyLogin, ProxyProtocol};
pub(crate) use self::queue::{DEFAULT_BATCH_BYTES, LOG_QUEUE, QueueSettings, SPAN_QUEUE};
use self::resolve::Resolver;
pub(crate) use self::resource::{AttributeSelection, SERVICE_NAME};
use self::setting::Description;
pub(crate) use self::signal::PerSignal;
pub use self::signal::Signal;
pub(crate) use self::traces::{SAMPLER, SPAN_FILTER, TraceSettings};
pub(crate) use self::types::*;
pub use self::types::{
    BuiltInMetrics, Compression, HistogramAggregation, LogFormat, Propagator, Protocol, ResourceDetector,
    TlsSettings,
};
pub(crate) use self::value_kind::{YEAR, printable_header_value};
pub(crate) use self::values::Values;
pub(crate) use self::views::{CardinalityLimits, ViewSelector, ViewSetting, ViewStream};
use crate::error::InitError;

#[cfg(test)]
mod tests;

/// The resolved settings.
///
/// Plain data without references to the environment or the builder: it can be cloned, compared in tests and printed.
/// Secrets in it (headers, credentials of a proxy) are left out by the `Debug` of their types.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `OTEL_SDK_DISABLED`: no providers, no export; context propagation and log lines stay.
    pub(crate) disabled: bool,
    /// Attributes of the resource, `service.name` among them, without duplicates.
    pub(crate) resource: Vec<KeyValue>,
    /// The conventions that the attributes follow, if not those of this crate.
    pub(crate) schema_url: Option<String>,
    /// In the order in which they run.
    pub(crate) resource_detectors: Vec<ResourceDetector>,
    /// Which of the attributes that detectors find are kept.
    pub(crate) detected_attributes: AttributeSelection,
    /// In the order in which they are called.
    pub(crate) propagators: Vec<Propagator>,
    /// Whether propagators that the user wrote are used beside these.
    pub(crate) uses_custom_propagators: bool,
    pub(crate) traces: TraceSettings,
    pub(crate) metrics: MetricSettings,
    pub(crate) logs: LogSettings,
    pub(crate) lines: LineSettings,
    /// Directives that decide which `tracing` spans become OpenTelemetry spans.
    pub(crate) span_filter: Directives,
    /// One deadline for the whole shutdown.
    pub(crate) shutdown_timeout: Duration,
    /// How often the configuration file is read again; `None`: only when the program calls for it.
    #[cfg_attr(not(feature = "config-file"), expect(dead_code, reason = "only a file can be read again"))]
    pub(crate) reload_interval: Option<Duration>,
    /// The least severe lines of this crate itself.
    pub(crate) diagnostic_level: LevelFilter,
    /// Whether exceptions are recorded as span events, as log records, or as both.
    pub(crate) exception_signal: ExceptionSignal,
    /// Mistakes in the environment, as text for the operator; logged once a log output exists.
    pub(crate) warnings: Vec<String>,
    /// The variables and setters whose values are used: `OTEL_SERVICE_NAME`, `.endpoint()`.
    pub(crate) origins: Vec<String>,
    /// The variable, setter or line of a file that each setting has its value from, by its key. The others have their
    /// default.
    pub(crate) value_origins: BTreeMap<&'static str, String>,
}

impl Settings {
    /// Returns the destinations of each signal: none where nothing is recorded.
    pub(crate) fn destinations(&self) -> PerSignal<&[DestinationSettings]> {
        let Self { traces, metrics, logs, .. } = self;
        let all = PerSignal {
            traces: &traces.destinations,
            metrics: &metrics.destinations,
            logs: &logs.destinations,
        };
        all.map(|_, destinations| if self.disabled { &[] } else { &**destinations })
    }

    /// Returns `true` if spans are made, exported or not.
    pub(crate) fn has_spans(&self) -> bool {
        !self.disabled && !self.traces.is_off
    }
}

/// Resolves every setting. Also returns everything that is wrong in code; mistakes in the environment are warnings in
/// the settings.
pub(crate) fn resolve(config: &BuilderConfig, env: &Env) -> (Settings, Vec<InitError>) {
    let mut resolver = Resolver::new(env);
    warn_variables_without_effect(&mut resolver);
    misspelt::warn_misspelt_variables(&mut resolver);
    let mut settings = settings(&mut resolver, config);
    // The layers for calls read these variables themselves, as they work without `init()` too; here they are only
    // checked.
    rpc_conventions(env, resolver.warnings_mut());
    #[cfg(feature = "http")]
    conventions::warn_old_http_names(env, resolver.warnings_mut());
    #[cfg(feature = "grpc")]
    grpc_captured_headers(env, resolver.warnings_mut());
    #[cfg(feature = "http")]
    http_captured_headers(env, resolver.warnings_mut());
    let errors;
    (settings.warnings, settings.origins, errors) = resolver.finish();
    (settings, errors)
}

/// Resolves every setting, from the environment or from a configuration file.
fn settings(resolver: &mut Resolver<'_>, config: &BuilderConfig) -> Settings {
    let common = &config.common.values;
    let (propagators, uses_custom_propagators) = resolver.propagators(config);
    Settings {
        disabled: resolver.resolve_env(&SDK_DISABLED),
        resource: resolver.resource(config),
        schema_url: None,
        resource_detectors: resolver.resource_detectors(config),
        detected_attributes: AttributeSelection::default(),
        propagators,
        uses_custom_propagators,
        traces: resolver.traces(config),
        metrics: resolver.metrics(config),
        logs: resolver.logs(config),
        lines: resolver.lines(config),
        span_filter: resolver.directives(&[(&SPAN_FILTER, common)]),
        shutdown_timeout: resolver.resolve_limit(&[(&SHUTDOWN_TIMEOUT, common)]),
        reload_interval: Some(resolver.resolve(&RELOAD_INTERVAL, common))
            .filter(|interval| !interval.is_zero()),
        diagnostic_level: resolver.resolve_env(&lifecycle::DIAGNOSTIC_LEVEL),
        exception_signal: resolver.resolve_env(&conventions::EXCEPTION_SIGNAL),
        warnings: Vec::new(),
        origins: Vec::new(),
        value_origins: resolver.take_value_origins(),
    }
}

/// Returns a description of every setting.
///
/// Each module of settings has a list of its own, made by the macro that defines them.
fn descriptions() -> Vec<Description> {
    [
        conventions::descriptions(),
        detectors::descriptions(),
        exporter::descriptions(),
        exporter::all::descriptions(),
        exporter::in_code::descriptions(),
        exporter::destination::descriptions(),
        exporter::prometheus::descriptions(),
        exporter::traces::descriptions(),
        exporter::metrics::descriptions(),
        exporter::logs::descriptions(),
        lifecycle::descriptions(),
        limits::descriptions(),
        log_output::descriptions(),
        logs::descriptions(),
        metrics::descriptions(),
        propagators::descriptions(),
        proxy::descriptions(),
        queue::spans::descriptions(),
        queue::records::descriptions(),
        resource::descriptions(),
        traces::descriptions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Warns about variables of the specification that this crate does not read, and names what takes their place.
fn warn_variables_without_effect(resolver: &mut Resolver<'_>) {
    for (name, instead) in env::names::WITHOUT_EFFECT {
        let is_in_effect = |value: &str| {
            *name == env::names::EXEMPLAR_FILTER && value.eq_ignore_ascii_case(env::names::NO_EXEMPLARS)
        };
        if resolver.env.get(name).is_some_and(|value| !is_in_effect(value)) {
            resolver.warn_once(name, format!("this variable has no effect here: {instead}"));
        }
    }
}
