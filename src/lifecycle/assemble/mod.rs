//! Builds telemetry from settings, without installing it globally.
//!
//! | file | builds |
//! |---|---|
//! | `bridge` | the bridge from `tracing` spans to OpenTelemetry, of the kind that the user's additions need |
//! | `filters` | the three filters, for lines, records and spans, with what is wrong with them |
//! | `layer` | the parts of the layer for the subscriber |
//! | `lines` | the output of log lines: format, writer, colours |
//! | `pipelines` | a queue and a ledger for each destination of each signal |
//! | `providers` | the SDK's providers, which feed the queues |
//! | `records` | what makes log records of events |
//!
//! The order matters: lines are opened first, so that warnings of everything after them are seen, and threads are
//! started before anything that is visible from outside.
//!
//! ```text
//! Settings + Additions ─▶ filters ─▶ lines ─▶ pipelines ─▶ Exporter (I/O thread) ─▶ providers ─▶ records, bridge
//!                                                                                      │
//!                                        Assembled { layer, running, globals } ◀───────┘
//! ```
//!
//! If a step fails, what was started before it is dropped, and its threads end: nothing of it was visible.

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

/// Telemetry that runs and that no global refers to yet. Dropping it ends everything.
pub(crate) struct Assembled<S> {
    /// The outputs, to be made a layer of the subscriber.
    pub(crate) layer: LayerParts<S>,
    /// What the guard ends.
    pub(crate) running: Running,
    /// The queues: for tests, which take what is in them, and for what a forked child continues.
    pub(crate) pipelines: Pipelines,
    /// What `build()` makes global.
    pub(crate) globals: Globals,
}

/// The values that `build()` makes global, beside the providers.
///
/// `build_local` drops them: a local subscriber leaves the process as it is.
pub(crate) struct Globals {
    /// `true` with `OTEL_SDK_DISABLED`: nothing is recorded.
    pub(crate) disabled: bool,
    /// `true` if spans are recorded, for an exporter or for the user's processors.
    pub(crate) has_spans: bool,
    /// `true` if the trace ids of roots are random.
    pub(crate) has_random_ids: bool,
    /// What layers read in place of the environment of the process.
    pub(crate) layer_env: Option<Env>,
    /// The propagators of the settings, or of the user, as one.
    pub(crate) propagator: TextMapCompositePropagator,
    /// The propagators it consists of, if all of them are standard ones: layers then call these directly.
    pub(crate) standard: Option<propagation::Standard>,
    /// The sampler of the tracer provider.
    pub(crate) sampler: SharedSampler,
    /// For spans of the layers for calls. `None` if they must be spans of the SDK.
    pub(crate) direct_spans: Option<DirectSpans>,
    /// The line that says where telemetry goes. Written once everything is global.
    pub(crate) start_line: StartLine,
    /// `true` if lines go to standard error or standard output, where a panic need not be reported twice.
    pub(crate) writes_to_console: bool,
}

/// Builds telemetry whose lines go to the output that `open_lines` opens.
///
/// This is the only way from settings to telemetry: for the process, for a subscriber of the user, and for tests.
///
/// Warnings of the settings are written once the log output and the providers exist.
///
/// # Errors
///
/// - [`InitError::InvalidSetting`] if the log file cannot be opened;
/// - [`InitError::Thread`] if the system refuses a thread;
/// - what [`Exporter::start`] returns for a destination that cannot be configured.
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
/// With an id generator of the user it has no shortcuts: ids of spans that are not recorded come from the generator as
/// well.
fn sampler(settings: &Settings, additions: &mut Additions) -> SharedSampler {
    let has_shortcuts = !additions.custom_ids;
    let sampler =
        SharedSampler::with_shortcuts(&settings.traces.sampler, additions.sampler.take(), has_shortcuts);
    match settings.metrics.built_in.contains(&BuiltInMetrics::Sdk) {
        true => sampler.with_counts(Arc::default()),
        false => sampler,
    }
}

/// Takes what becomes global from settings and additions.
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
