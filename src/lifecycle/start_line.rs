//! The line that is logged at startup: where each signal is sent, and the settings in effect.
//!
//! ```text
//! telemetry started traces="http://collector:4317 (grpc at first)" metrics=… logs=… sampler=parentbased_always_on …
//! ```
//!
//! It is followed by hints about destinations that are known to reject what they are sent, such as a signal or
//! cumulative metrics. A line filter that hides the line hides the hints as well.
//!
//! It shows where telemetry is sent without access to the process's environment. Header values and other secrets are
//! not part of it: destinations and proxies are shown by address, without credentials.
//!
//! | state | message | fields |
//! |---|---|---|
//! | something is exported | `telemetry started` | one for each signal, `sampler`, `log_output`, `settings_from` |
//! | nothing is exported | `telemetry started, nothing is exported` | `reason`, `log_output`, `settings_from` |

use tracing_core::callsite::Callsite;
use tracing_core::metadata::Kind;
use tracing_core::subscriber::Interest;
use tracing_core::{Level, Metadata};

use crate::diagnostics::{Diagnostics, Field, FieldValue};
use crate::semconv::OWN_TARGET;
use crate::settings::{DestinationSettings, PerSignal, PrometheusSettings, SDK_DISABLED, Settings, Signal};
use crate::subscriber::filter::FilterHandle;

/// Summary of startup, created before anything is installed and written afterwards.
#[derive(Debug)]
pub(crate) struct StartLine {
    /// The destinations of each signal: `http://collector:4317 (grpc)`, several of these, or `off`.
    destinations: PerSignal<String>,
    /// The reason why nothing is exported; `None` if something is.
    nothing_exported: Option<&'static str>,
    /// The sampler, as the setting is written.
    sampler: String,
    /// The log output, such as `JSON to standard error`.
    lines: String,
    /// The variables, setters and files that provided settings.
    origins: String,
    /// One hint for each destination and problem.
    hints: Vec<Hint>,
}

/// Something that a destination does not accept, for one signal or several.
#[derive(Debug)]
struct Hint {
    /// The name of the destination.
    destination: &'static str,
    /// What the destination accepts instead.
    takes: String,
    /// The affected signals.
    signals: String,
    /// The settings to use: `NAME=value`.
    settings: String,
    /// URL of the destination's documentation.
    source: &'static str,
}

impl StartLine {
    /// Summarises the settings. `lines` describes the log output.
    pub(crate) fn new(settings: &Settings, lines: String) -> Self {
        let names = settings.destinations().map(|signal, destinations| {
            let scraped = settings.metrics.prometheus.as_ref().filter(|_| signal == Signal::Metrics);
            let scraped = scraped.filter(|_| !settings.disabled).map(PrometheusSettings::name);
            destinations.iter().map(DestinationSettings::description).chain(scraped).collect::<Vec<_>>()
        });
        let is_exported = names.iter().any(|(_, names)| !names.is_empty());
        Self {
            destinations: names.map(|_, names| match &names[..] {
                [] => "off".to_owned(),
                names => names.join(", "),
            }),
            nothing_exported: (!is_exported).then(|| reason(settings)),
            sampler: settings.traces.sampler.to_string(),
            lines,
            origins: settings.origins.join(", "),
            hints: hints(settings),
        }
    }

    /// Writes the line and the hints if the line filter enables INFO events of this crate.
    ///
    /// The line is about exporting, so it is not an event, which would be exported.
    pub(crate) fn write(&self, filter: &FilterHandle, diagnostics: &Diagnostics) {
        // A filter with span directives is also interested in events that it only enables inside a span. This line is
        // outside of any span.
        if !filter.interest(&METADATA).is_always() {
            return;
        }
        let mut fields: Vec<Field<'_>> = Vec::new();
        let message = match &self.nothing_exported {
            Some(reason) => {
                fields.push(("reason", FieldValue::Text(reason)));
                "telemetry started, nothing is exported"
            }
            None => {
                let destinations = self.destinations.iter();
                fields.extend(destinations.map(|(signal, names)| (signal.name(), FieldValue::Text(names))));
                fields.push(("sampler", FieldValue::Text(&self.sampler)));
                "telemetry started"
            }
        };
        fields.push(("log_output", FieldValue::Text(&self.lines)));
        if !self.origins.is_empty() {
            fields.push(("settings_from", FieldValue::Text(&self.origins)));
        }
        diagnostics.info(message, &fields);
        self.hints.iter().for_each(|hint| hint.write(diagnostics));
    }
}

impl Hint {
    /// Logs the hint.
    fn write(&self, diagnostics: &Diagnostics) {
        let message = format!("this destination takes {}", self.takes);
        diagnostics.info(
            &message,
            &[
                ("destination", FieldValue::Text(&self.destination)),
                ("signals", FieldValue::Text(&self.signals)),
                ("set", FieldValue::Text(&self.settings)),
                ("see", FieldValue::Text(&self.source)),
            ],
        );
    }
}

/// Returns the problems that the destinations are known to have. A hint that several signals share is returned once.
fn hints(settings: &Settings) -> Vec<Hint> {
    let mut all: Vec<Hint> = Vec::new();
    let destinations = settings.destinations();
    let each = destinations.iter().flat_map(|(signal, some)| some.iter().map(move |one| (signal, one)));
    for (signal, destination) in each {
        let DestinationSettings::Otlp(export) = destination else { continue };
        for hint in crate::export::hints(signal, export, settings.metrics.temporality_of(destination)) {
            let known = all
                .iter_mut()
                .find(|known| known.destination == hint.destination && known.takes == hint.takes);
            match known {
                Some(known) => {
                    known.signals = format!("{}, {signal}", known.signals);
                    known.settings = format!("{} {}", known.settings, hint.setting);
                }
                None => all.push(Hint {
                    destination: hint.destination,
                    takes: hint.takes,
                    signals: signal.to_string(),
                    settings: hint.setting,
                    source: hint.source,
                }),
            }
        }
    }
    all
}

/// Callsite of the line, used only by the line filter: the line is not an event.
struct StartCallsite;

impl Callsite for StartCallsite {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &METADATA
    }
}

/// Metadata of the line, for filters.
static METADATA: Metadata<'static> = tracing_core::metadata! {
    name: "start",
    target: OWN_TARGET,
    level: Level::INFO,
    fields: &[],
    callsite: &StartCallsite,
    kind: Kind::EVENT
};

/// Returns the reason why nothing is exported, and the setting to change.
fn reason(settings: &Settings) -> &'static str {
    let is_turned_off = |origin: &String| origin.ends_with("_EXPORTER") || origin.ends_with("export())");
    let is_in_env = settings.value_origins.contains_key(SDK_DISABLED.key());
    if settings.disabled {
        if is_in_env { "OTEL_SDK_DISABLED is true" } else { "the configuration file says `disabled: true`" }
    } else if settings.origins.iter().filter(|origin| is_turned_off(origin)).count() == 3 {
        "every exporter is turned off"
    } else if settings.traces.is_off {
        "the configuration file names no exporter"
    } else {
        "no endpoint is set: set OTEL_EXPORTER_OTLP_ENDPOINT, or call .endpoint()"
    }
}
