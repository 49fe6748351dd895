//! Builds telemetry from settings, without installing it globally.
//!
//! | file | builds |
//! |---|---|
//! | `bridge` | the bridge from `tracing` spans to OpenTelemetry, as the user's additions require |
//! | `filters` | the three filters, for lines, records and spans, with the errors in their directives |
//! | `layer` | the parts of the layer for the subscriber |
//! | `lines` | the output of log lines: format, writer, colours |
//! | `pipelines` | a queue and a ledger for each destination of each signal |
//! | `providers` | the SDK's providers, which feed the queues |
//! | `records` | the output that turns events into log records |
//!
//! The order matters: lines are opened first, so that warnings of all later steps are visible, and threads are
//! started before anything that is visible from outside.
//!
//! ```text
//! Settings + Additions ─▶ filters ─▶ lines ─▶ pipelines ─▶ Exporter (I/O thread) ─▶ providers ─▶ records, bridge
//!                                                                                      │
//!                                        Assembled { layer, running, globals } ◀───────┘
//! ```
//!
//! If a step fails, everything that was started before it is dropped and its threads exit. Nothing of it was visible.

mod bridge;
mod filters;
mod layer;
mod lines;
mod pipelines;
#[cfg(feature = "prometheus")]
mod prometheus;
mod providers;
mod records;

use std::sync::Arc;

use opentelemetry::propagation::TextMapCompositePropagator;
use tracing_core::Subscriber;
use tracing_subscriber::registry::LookupSpan;

#[cfg(feature = "config-file")]
pub(crate) use self::filters::filter_warnings;
pub(crate) use self::filters::mistakes_in_code;
use self::layer::LayerPlan;
pub(crate) use self::lines::LineOutput;
pub(crate) use self::pipelines::{ExportTo, Pipelines};
#[cfg(feature = "prometheus")]
pub(crate) use self::prometheus::Prometheus;
use crate::diagnostics::Diagnostics;
use crate::error::InitError;
use crate::export::{Exporter, encode};
use crate::lifecycle::Additions;
use crate::lifecycle::guard::Running;
#[cfg(feature = "config-file")]
use crate::lifecycle::reload::reloader;
use crate::lifecycle::start_line::StartLine;
use crate::propagation;
use crate::provider::installed::DirectSpans;
use crate::provider::{SharedSampler, resource};
use crate::settings::{BuiltInMetrics, Env, Settings};
use crate::subscriber::LayerParts;

/// Running telemetry that is not installed globally yet. Dropping it shuts it down.
pub(crate) struct Assembled<S> {
    /// The outputs, from which the subscriber's layer is built.
    pub(crate) layer: LayerParts<S>,
    /// The parts that the guard shuts down.
    pub(crate) running: Running,
    /// The queues, for tests that read their contents and for forked children that continue them.
    pub(crate) pipelines: Pipelines,
    /// The values that `build()` makes global.
    pub(crate) globals: Globals,
}

/// The values that `build()` makes global, in addition to the providers.
///
/// `build_local` drops them: a local subscriber leaves the process as it is.
pub(crate) struct Globals {
    /// `true` with `OTEL_SDK_DISABLED`: nothing is recorded.
    pub(crate) disabled: bool,
    /// `true` if spans are recorded, for an exporter or for the user's processors.
    pub(crate) has_spans: bool,
    /// `true` if the trace ids of roots are random.
    pub(crate) has_random_ids: bool,
    /// The environment that layers read instead of the process's.
    pub(crate) layer_env: Option<Env>,
    /// The composite of the propagators from the settings or the user.
    pub(crate) propagator: TextMapCompositePropagator,
    /// Its parts, if all of them are standard propagators: layers then call these directly.
    pub(crate) standard: Option<propagation::Standard>,
    /// The sampler of the tracer provider.
    pub(crate) sampler: SharedSampler,
    /// Resources for the spans of call layers. `None` if these must be SDK spans.
    pub(crate) direct_spans: Option<DirectSpans>,
    /// The line that shows where telemetry is sent. Written once everything is global.
    pub(crate) start_line: StartLine,
    /// `true` if lines go to standard error or standard output, where a panic should not be reported twice.
    pub(crate) writes_to_console: bool,
}

/// Builds telemetry whose lines go to the output that `open_lines` opens.
///
/// This is the only path from settings to telemetry, used for the process, for a user's subscriber and for tests.
///
/// Warnings of the settings are written once the log output and the providers exist.
///
/// # Errors
///
/// - [`InitError::InvalidSetting`] if the log file cannot be opened;
/// - [`InitError::Thread`] if a thread cannot be spawned;
/// - the errors of [`Exporter::start`] for a destination that cannot be configured.
pub(crate) fn assemble<S>(
    mut settings: Settings,
    mut additions: Additions,
    export_to: ExportTo,
    open_lines: impl FnOnce(&Settings, &mut Additions, &Diagnostics) -> Result<LineOutput, InitError>,
) -> Result<Assembled<S>, InitError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let filters = filters::parse(&mut settings);
    additions.custom_ids &= !settings.traces.requires_random_ids;
    let diagnostics = Diagnostics::default();
    diagnostics.limit_to(settings.diagnostic_level);
    let lines = open_lines(&settings, &mut additions, &diagnostics)?;
    #[cfg(feature = "prometheus")]
    let listeners = Prometheus::bind(&mut settings, &diagnostics);
    let pipelines = Pipelines::new(&settings, export_to);
    let resource = resource::resource(&settings);
    let resource_bytes = encode::resource(&resource);
    let routes = pipelines.routes(&settings);
    let exporter = Exporter::start(routes, resource_bytes.into(), settings.lines.no_color, &diagnostics)?;
    let start_line = StartLine::new(&settings, lines.description);
    let sampler = sampler(&settings, &mut additions);
    let mut globals =
        globals(&settings, &mut additions, start_line, lines.writes_to_console, sampler.clone());
    #[cfg(feature = "config-file")]
    let reloader = reloader(additions.config_file.take(), &settings, &filters, &sampler, &diagnostics);
    let layer = LayerPlan::new(&settings, &mut additions, &pipelines, &sampler);
    let providers = providers::providers(
        &settings,
        additions,
        sampler,
        &resource,
        &pipelines,
        exporter.workers(),
        &diagnostics,
    )?;
    #[cfg(feature = "prometheus")]
    let prometheus = Prometheus::start(&settings, listeners, &providers.meter, &diagnostics)?;
    settings.warnings.iter().for_each(|warning| diagnostics.warn(warning, &[]));
    globals.direct_spans = layer.direct_spans(&providers);
    let (layer, bridge) = layer.parts(&settings, lines.format, &pipelines, &providers, &filters);
    let running = Running {
        providers,
        exporter,
        #[cfg(feature = "prometheus")]
        prometheus,
        ledgers: pipelines.ledgers(&settings),
        lines: lines.writer,
        has_ended: false,
        lines_given_up: 0,
        metrics_not_collected: false,
        filters,
        bridge,
        diagnostics,
        #[cfg(feature = "config-file")]
        reloader,
        #[cfg(feature = "config-file")]
        reload_interval: settings.reload_interval,
        shutdown_timeout: settings.shutdown_timeout,
        started: None,
    };
    Ok(Assembled { layer, running, pipelines, globals })
}

/// Returns the sampler, which a reload can replace.
///
/// If the user set an id generator, the sampler has no shortcuts: ids of unrecorded spans must come from the
/// generator as well.
fn sampler(settings: &Settings, additions: &mut Additions) -> SharedSampler {
    let has_shortcuts = !additions.custom_ids;
    let sampler =
        SharedSampler::with_shortcuts(&settings.traces.sampler, additions.sampler.take(), has_shortcuts);
    match settings.metrics.built_in.contains(&BuiltInMetrics::Sdk) {
        true => sampler.with_counts(Arc::default()),
        false => sampler,
    }
}

/// Takes the values that become global from settings and additions.
fn globals(
    settings: &Settings,
    additions: &mut Additions,
    start_line: StartLine,
    writes_to_console: bool,
    sampler: SharedSampler,
) -> Globals {
    let mut custom = std::mem::take(&mut additions.propagators);
    if !settings.uses_custom_propagators {
        custom.clear();
    }
    Globals {
        disabled: settings.disabled,
        has_spans: settings.has_spans(),
        has_random_ids: !additions.custom_ids,
        layer_env: additions.layer_env.take(),
        standard: propagation::Standard::from_propagators(&settings.propagators, &custom),
        propagator: propagation::propagator(&settings.propagators, custom),
        sampler,
        direct_spans: None,
        start_line,
        writes_to_console,
    }
}
