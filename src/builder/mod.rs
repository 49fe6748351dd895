//! `init()` and its builder: setters that only store. Every check happens in `build()`.
//!
//! | file | setters |
//! |---|---|
//! | `identity` | who the service is |
//! | `signals` | traces, metrics and logs, propagators, detectors |
//! | `traces`, `metrics`, `logs`, `log_output` | the builders that their closures get |
//! | `exporter`, `queue` | what signals share, made by macros for each of them |
//! | `config_file` | which file is read, and changes to it |
//!
//! A value that a variable can override is stored under its setting ([`Values`](crate::settings::Values)); a component
//! that is code goes to the [`Additions`]. `build()` then resolves all settings and returns every mistake.

mod config_file;
mod exporter;
mod identity;
mod log_output;
mod logs;
mod metrics;
mod queue;
mod signals;
#[cfg(test)]
mod tests;
mod traces;

use std::time::Duration;

use tracing_core::{Dispatch, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use self::config_file::ConfigFileChoice;
use self::exporter::exporter_setters;
pub use self::log_output::LogOutput;
pub use self::logs::Logs;
pub use self::metrics::Metrics;
use self::queue::queue_setters;
pub use self::traces::Traces;
use crate::error::InitError;
use crate::lifecycle::Additions;
use crate::lifecycle::TelemetryGuard;
use crate::lifecycle::assemble::mistakes_in_code;
use crate::lines::redaction::Redaction;
use crate::settings::{self, BuilderConfig, Env, Settings};
use crate::subscriber::TelemetryLayer;

/// Starts the description of this program's telemetry.
///
/// ```
/// # let _ =
/// telemetry_bootstrap::init()
///     .service_name("greeter")
///     .service_version(env!("CARGO_PKG_VERSION"))
///     .endpoint("otel-collector:4317");
/// ```
pub fn init() -> Builder {
    Builder::default()
}

/// What is to be set up, in code.
///
/// The environment takes precedence: each setter names the variable that overrides it, and
/// [`ignore_env`](Self::ignore_env) turns that off. No setter can fail; `build()` reports all that is wrong, together.
///
#[doc = include_str!("../settings/environment.md")]
#[derive(Debug, Default)]
#[must_use = "telemetry is not installed until `.build()` is called"]
pub struct Builder {
    config: BuilderConfig,
    traces: Traces,
    metrics: Metrics,
    logs: Logs,
    log_output: LogOutput,
    additions: Additions,
    ignore_env: bool,
    config_file: ConfigFileChoice,
}

/// Log lines.
impl Builder {
    /// Settings of the log output: log lines for people and log shippers.
    ///
    /// ```
    /// use telemetry_bootstrap::{LogDestination, LogFormat};
    ///
    /// # let _ =
    /// telemetry_bootstrap::init()
    ///     .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::Stdout));
    /// ```
    pub fn log_output(mut self, settings: impl FnOnce(LogOutput) -> LogOutput) -> Self {
        self.log_output = settings(self.log_output);
        self
    }

    /// Directives that decide which events are written as lines and exported as log records: `info,my_crate=debug`.
    ///
    /// The syntax is that of `tracing_subscriber::EnvFilter`. The events of panics and of
    /// [`record_error`](crate::record_error) pass filters that do not name them, as far as their level passes anywhere;
    /// `panic=off` and `record_error=off` turn them off.
    ///
    /// Overridden by `RUST_LOG`. Default: `info`.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().log_filter("info,my_crate=debug");
    /// ```
    pub fn log_filter(mut self, directives: impl Into<String>) -> Self {
        self.config.common.values.set(&settings::LOG_FILTER, directives.into());
        self
    }

    /// Fields whose values are replaced by `[redacted]`: fields of events in log lines, log records and the events and
    /// errors of spans, and fields of spans in log lines and log records. Default: none.
    ///
    /// The attributes of spans are exported as they are: leave a secret out of them, as with
    /// `#[instrument(skip(password))]`.
    ///
    /// ```
    /// use telemetry_bootstrap::Redaction;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().redact(Redaction::keys(["password", "token"]));
    /// ```
    pub fn redact(mut self, redaction: Redaction) -> Self {
        self.additions.redaction = redaction;
        self
    }

    /// Keys of the OpenTelemetry baggage whose entries become fields of lines and log records. Default: none, because
    /// baggage arrives from other services.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().baggage_keys(["tenant.id"]);
    /// ```
    pub fn baggage_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.additions.baggage_keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a layer of the user's own beside ours. Our filters do not apply to it.
    ///
    /// ```
    /// # struct Own;
    /// # impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Own {}
    /// # let _ =
    /// telemetry_bootstrap::init().layer(Own);
    /// ```
    pub fn layer(mut self, layer: impl Layer<Registry> + Send + Sync + 'static) -> Self {
        self.additions.layers.push(Box::new(layer));
        self
    }
}

/// Start and end.
impl Builder {
    /// The deadline of the shutdown: all signals together are flushed within it.
    ///
    /// Overridden by `OTEL_RUST_SHUTDOWN_TIMEOUT` (milliseconds). Default: 5 s.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().shutdown_timeout(Duration::from_secs(2));
    /// ```
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.config.common.values.set(&settings::SHUTDOWN_TIMEOUT, timeout);
        self
    }

    /// Ignores the environment, including `RUST_LOG`: only code and defaults count.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().ignore_env();
    /// ```
    pub fn ignore_env(mut self) -> Self {
        self.ignore_env = true;
        self
    }

    /// Starts telemetry for the whole process: the `tracing` subscriber, records of the `log` crate, OpenTelemetry's
    /// providers and propagators, and the panic hook.
    ///
    /// Returns in milliseconds, whether or not a collector can be reached, inside and outside of any runtime.
    ///
    /// ```
    /// let telemetry = telemetry_bootstrap::init().service_name("greeter").build()?;
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InitError`], and then nothing was changed: no global is set, no thread is left.
    pub fn build(self) -> Result<TelemetryGuard, InitError> {
        crate::lifecycle::install(|| self.resolve())
    }

    /// Starts telemetry for the whole process with a subscriber of the caller's own: everything that
    /// [`build`](Self::build) installs, but the `tracing` subscriber is the one that `subscriber` returns.
    ///
    /// Layers given to [`layer`](Self::layer) are not used; they belong beside the layer that is passed in. Our filters
    /// apply to that layer alone: a layer beside it gets every span and event, down to TRACE, unless it has a filter of
    /// its own ([`Layer::with_filter`]).
    ///
    /// ```
    /// use telemetry_bootstrap::tracing_subscriber::layer::SubscriberExt as _;
    /// use telemetry_bootstrap::tracing_subscriber::registry;
    ///
    /// # struct Own;
    /// # impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Own {}
    /// let _telemetry = telemetry_bootstrap::init()
    ///     .service_name("greeter")
    ///     .build_with(|telemetry| registry().with(Own).with(telemetry))?;
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InitError`], and then nothing was changed: no global is set, no thread is left.
    pub fn build_with<S, R>(
        self,
        subscriber: impl FnOnce(TelemetryLayer<S>) -> R,
    ) -> Result<TelemetryGuard, InitError>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
        R: Subscriber + Send + Sync + 'static,
    {
        crate::lifecycle::install_with(|| self.resolve(), |layer| Dispatch::new(subscriber(layer)))
    }

    /// Starts telemetry without touching any global: the layer is for a subscriber of the caller's own.
    ///
    /// Layers given to [`layer`](Self::layer) are not used; they belong beside the layer that is returned. Our filters
    /// are for that one alone: a layer beside it gets every span and event, down to TRACE, unless it has a filter of
    /// its own ([`Layer::with_filter`]).
    ///
    /// Besides the globals, it leaves out the panic hook, the line `telemetry started` with the hints about
    /// destinations, the warning about a guard that is dropped at once, and the flush on the first signal of
    /// [`shutdown_signal`](crate::shutdown_signal). The chapter [`own_subscriber`](crate::_documentation::own_subscriber)
    /// lists all of it, and what takes its place.
    ///
    /// ```
    /// use tracing_subscriber::layer::SubscriberExt as _;
    ///
    /// let (layer, guard) = telemetry_bootstrap::init().service_name("greeter").build_local()?;
    /// let subscriber = tracing_subscriber::registry().with(layer);
    /// tracing::subscriber::with_default(subscriber, || tracing::info!("recorded here alone"));
    /// # drop(guard);
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InitError`]; nothing was started.
    pub fn build_local<S>(self) -> Result<(TelemetryLayer<S>, TelemetryGuard), InitError>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        crate::lifecycle::local(|| self.resolve())
    }

    /// Resolves all settings; what is not plain data is passed along.
    pub(crate) fn resolve(mut self) -> Result<(Settings, Additions), InitError> {
        let ignores_env = self.ignore_env;
        let env = if ignores_env { Env::none() } else { Env::process() };
        let file = std::mem::take(&mut self.config_file);
        let (config, mut additions) = self.into_parts();
        let resolution = file.resolve(config, &env).map_err(InitError::from_several)?;
        let (settings, mut errors) = (resolution.settings, resolution.errors);
        additions.layer_env = resolution.layer_env.or(ignores_env.then(Env::none));
        #[cfg(feature = "config-file")]
        {
            additions.config_file = resolution.file;
        }
        errors.extend(mistakes_in_code(&settings));
        InitError::from_all(errors).map_or(Ok((settings, additions)), Err)
    }

    /// Returns plain data and user-provided components.
    pub(crate) fn into_parts(self) -> (BuilderConfig, Additions) {
        let Self { config, traces, metrics, logs, log_output, additions, .. } = self;
        let config = BuilderConfig {
            traces: traces.config,
            metrics: metrics.config,
            logs: logs.config,
            log_output: log_output.values,
            ..config
        };
        let additions = Additions {
            sampler: traces.sampler,
            custom_ids: traces.custom_ids,
            events_on_spans: traces.events_on_spans,
            records_code_location: traces.records_code_location,
            uses_stock_bridge: traces.uses_stock_bridge,
            tracer_provider: traces.hooks,
            meter_provider: metrics.hooks,
            views: metrics.views,
            log_processors: logs.hooks,
            log_destination: log_output.destination,
            overflow: log_output.overflow,
            json: log_output.json,
            ..additions
        };
        (config, additions)
    }
}
