//! User-provided components: parts of the SDK, layers, outputs.
//!
//! Settings are data: they can be compared, printed, and read from a file. Components are code and cannot. The
//! builder stores each call in one of the two, and `assemble` uses both.

use std::fmt;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::logs::LoggerProviderBuilder;
use opentelemetry_sdk::metrics::MeterProviderBuilder;
use opentelemetry_sdk::trace::TracerProviderBuilder;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::Layer;

use crate::lines::json::JsonLayer;
use crate::lines::redaction::Redaction;
use crate::lines::writer::{LogDestination, NonBlockingWriter, OverflowPolicy};
use crate::provider::{BuilderHooks, CustomSampler, View};
use crate::settings::Env;
use crate::settings::secrets::shown_name;
#[cfg(feature = "config-file")]
use crate::settings::{LoadedFile, SamplerSetting, Settings};

/// User-provided components, held until the providers and the subscriber are built.
///
/// Each component is moved out by the part that uses it. Components that remain unused after telemetry was built are
/// dropped.
#[derive(Default)]
pub(crate) struct Additions {
    /// Used if the settings say [`Custom`](crate::settings::SamplerSetting::Custom). The environment can select
    /// another sampler.
    pub(crate) sampler: Option<CustomSampler>,
    /// `true` if the user set an id generator. Ids then cannot be generated in advance, and are not declared to be
    /// random.
    pub(crate) custom_ids: bool,
    /// `true` if `tracing` events become span events as well.
    pub(crate) events_on_spans: bool,
    /// `true` if spans record their code location as attributes.
    pub(crate) records_code_location: bool,
    /// `true` if the bridge of `tracing-opentelemetry` creates the spans, instead of ours.
    pub(crate) uses_stock_bridge: bool,
    /// Span processors and the id generator, in the order of the calls.
    pub(crate) tracer_provider: BuilderHooks<TracerProviderBuilder>,
    /// Metric readers.
    pub(crate) meter_provider: BuilderHooks<MeterProviderBuilder>,
    /// Views, each of which creates a stream for the instruments that it matches.
    pub(crate) views: Vec<View>,
    /// Log processors, called before the export.
    pub(crate) log_processors: BuilderHooks<LoggerProviderBuilder>,
    /// Used unless the environment selects the propagators.
    pub(crate) propagators: Vec<Box<dyn TextMapPropagator + Send + Sync>>,
    /// Layers alongside ours, in the order of the calls.
    pub(crate) layers: Vec<UserLayer>,
    /// Destination of lines; standard error unless set.
    pub(crate) log_destination: Option<LogDestination>,
    /// Policy for lines that arrive faster than they can be written.
    pub(crate) overflow: OverflowPolicy,
    /// Changes the JSON layer, after the settings.
    pub(crate) json: Option<JsonOptions>,
    /// The fields whose values are replaced, in lines and records.
    pub(crate) redaction: Redaction,
    /// Baggage entries that lines and records contain.
    pub(crate) baggage_keys: Vec<String>,
    /// The environment that call layers read instead of the process's.
    pub(crate) layer_env: Option<Env>,
    /// The file that the settings come from, if any. Kept for reloads.
    #[cfg(feature = "config-file")]
    pub(crate) config_file: Option<LoadedFile>,
}

impl Additions {
    /// Returns a description of each addition, for the configuration file that is written from the settings and
    /// cannot express them.
    #[cfg(feature = "config-file")]
    pub(crate) fn describe(&self, settings: &Settings) -> Vec<&'static str> {
        let is_sampler_used = settings.traces.sampler == SamplerSetting::Custom;
        let has_propagators = settings.uses_custom_propagators && !self.propagators.is_empty();
        [
            (self.sampler.is_some() && is_sampler_used, "the sampler"),
            (self.custom_ids, "the id generator"),
            (self.tracer_provider.len() > usize::from(self.custom_ids), "span processors"),
            (self.events_on_spans, "events on spans"),
            (self.records_code_location, "the place of spans in the code"),
            (self.uses_stock_bridge, "the bridge of tracing-opentelemetry"),
            (!self.meter_provider.is_empty(), "metric readers"),
            (!self.views.is_empty(), "views"),
            (!self.log_processors.is_empty(), "log processors"),
            (has_propagators, "propagators of the program's own"),
            (!self.layers.is_empty(), "layers"),
            (self.log_destination.is_some(), "the destination of log lines"),
            (self.overflow != OverflowPolicy::default(), "the overflow policy of log lines"),
            (self.json.is_some(), "options of lines in JSON"),
            (self.redaction.is_some(), "redaction"),
            (!self.baggage_keys.is_empty(), "baggage keys"),
        ]
        .into_iter()
        .filter_map(|(is_there, words)| is_there.then_some(words))
        .collect()
    }
}

/// A layer of the user, alongside ours.
pub(crate) type UserLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// A change to the JSON format of lines.
pub(crate) type JsonOptions =
    Box<dyn FnOnce(JsonLayer<NonBlockingWriter>) -> JsonLayer<NonBlockingWriter> + Send>;

impl fmt::Debug for Additions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Additions")
            .field("sampler", &self.sampler)
            .field("custom_ids", &self.custom_ids)
            .field("tracer_provider", &self.tracer_provider)
            .field("meter_provider", &self.meter_provider)
            .field("views", &self.views.len())
            .field("log_processors", &self.log_processors)
            .field("propagators", &self.propagators)
            .field("layers", &self.layers.len())
            .field("overflow", &self.overflow)
            .field("redaction", &self.redaction)
            .field("baggage_keys", &self.baggage_keys.iter().map(|key| shown_name(key)).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
