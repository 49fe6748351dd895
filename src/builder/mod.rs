//! `init()` and its builder: setters that only store. Every check happens in `build()`.

mod logs;
mod metrics;
mod setters;
#[cfg(test)]
mod tests;
mod traces;

use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::{Key, Value};
use tracing_core::Subscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

pub use self::logs::Logs;
pub use self::metrics::Metrics;
use self::setters::{exporter_setters, queue_setters};
pub use self::traces::Traces;
use crate::error::InitError;
use crate::lifecycle::Additions;
use crate::lifecycle::TelemetryGuard;
use crate::lifecycle::assemble::mistakes_in_code;
use crate::lines::json::JsonLayer;
use crate::lines::writer::{LogOutput, NonBlockingWriter, OverflowPolicy};
use crate::redaction::Redaction;
use crate::semconv;
use crate::settings::{self, BuilderConfig, Compression, Env, LogFormat, Settings, TlsSettings};
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
/// The environment has the last word: each setter names the variable that overrides it, and
/// [`ignore_env`](Self::ignore_env) turns that off. No setter can fail; `build()` reports all that is wrong, together.
///
#[doc = include_str!("../settings/environment.md")]
#[derive(Debug, Default)]
#[must_use = "telemetry is not installed until `.build()` is called"]
pub struct Builder {
    requested: BuilderConfig,
    traces: Traces,
    metrics: Metrics,
    logs: Logs,
    parts: Additions,
    ignore_env: bool,
}

/// Who sends.
impl Builder {
    /// The name of the service (`service.name`).
    ///
    /// Overridden by `OTEL_SERVICE_NAME`, then by `service.name` in `OTEL_RESOURCE_ATTRIBUTES`. Default:
    /// `unknown_service:` and the name of the executable.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.requested.service_name = Some(name.into());
        self
    }

    /// The version of the service (`service.version`): `env!("CARGO_PKG_VERSION")`.
    ///
    /// Overridden by `service.version` in `OTEL_RESOURCE_ATTRIBUTES`. Default: none.
    pub fn service_version(self, version: impl Into<String>) -> Self {
        self.resource_attribute(semconv::SERVICE_VERSION, version.into())
    }

    /// The group that the service belongs to (`service.namespace`).
    ///
    /// Overridden by `service.namespace` in `OTEL_RESOURCE_ATTRIBUTES`. Default: none.
    pub fn service_namespace(self, namespace: impl Into<String>) -> Self {
        self.resource_attribute(semconv::SERVICE_NAMESPACE, namespace.into())
    }

    /// Where the service runs (`deployment.environment.name`): `production`, `staging`, `test`, `development`.
    ///
    /// Overridden by `deployment.environment.name` in `OTEL_RESOURCE_ATTRIBUTES`. Default: none.
    pub fn environment(self, name: impl Into<String>) -> Self {
        self.resource_attribute(semconv::DEPLOYMENT_ENVIRONMENT_NAME, name.into())
    }

    /// An attribute of everything that this process sends. A later one replaces an earlier one of the same key.
    ///
    /// Overridden by the same key in `OTEL_RESOURCE_ATTRIBUTES`. Default: none beside `service.instance.id` (random,
    /// new for each process) and what names the SDK and this crate.
    pub fn resource_attribute(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        self.requested.resource.push((key.into(), value.into()));
        self
    }
}

/// Where it is sent.
impl Builder {
    /// The collector that traces, metrics and logs are sent to, by OTLP/gRPC.
    ///
    /// | form | meaning |
    /// |---|---|
    /// | `http://collector:4317` | plaintext |
    /// | `https://collector:4317` | TLS; needs the feature `tls` |
    /// | `collector:4317`, `collector`, `[::1]:4317` | plaintext, on port 4317 unless one is given |
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_ENDPOINT` and its form for one signal. In a *variable* an address without a
    /// scheme means TLS, as the OpenTelemetry specification has it, unless `OTEL_EXPORTER_OTLP_INSECURE` is `true`;
    /// with `false` it means TLS in code too.
    ///
    /// Default: none, and nothing is exported until an endpoint is named or an exporter is turned on
    /// (`OTEL_TRACES_EXPORTER=otlp` and so on: then it is `http://localhost:4317`).
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.requested.otlp.endpoint = Some(endpoint.into());
        self
    }

    /// Adds a header to every export request, such as an access token. Values are never shown in messages.
    ///
    /// Overridden, all together, by `OTEL_EXPORTER_OTLP_HEADERS` (`name=value,name=value`, percent-encoded) and its
    /// form for one signal. Default: none.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.requested.otlp.headers.push((name.into(), value.into()));
        self
    }

    /// Limit for one export of one batch. Zero: none.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_TIMEOUT` (milliseconds) and its form for one signal. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.requested.otlp.timeout = Some(timeout);
        self
    }

    /// How requests are compressed.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_COMPRESSION` (`none`, `gzip`) and its form for one signal. Default: not at all.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.requested.otlp.compression = Some(compression);
        self
    }

    /// PEM files of `https` connections.
    ///
    /// Overridden, each file for itself, by `OTEL_EXPORTER_OTLP_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY` and
    /// `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and their forms for one signal. Default: the system's root certificates.
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.requested.otlp.tls = Some(tls);
        self
    }
}

/// The signals, one by one.
impl Builder {
    /// Settings of traces alone.
    pub fn traces(mut self, settings: impl FnOnce(Traces) -> Traces) -> Self {
        self.traces = settings(self.traces);
        self
    }

    /// Settings of metrics alone.
    pub fn metrics(mut self, settings: impl FnOnce(Metrics) -> Metrics) -> Self {
        self.metrics = settings(self.metrics);
        self
    }

    /// Settings of exported log records alone.
    pub fn logs(mut self, settings: impl FnOnce(Logs) -> Logs) -> Self {
        self.logs = settings(self.logs);
        self
    }

    /// Adds a propagator beside W3C Trace Context and Baggage.
    ///
    /// Overridden by `OTEL_PROPAGATORS` (`tracecontext`, `baggage`, `none`), which then names all that are used.
    pub fn propagator(mut self, propagator: impl TextMapPropagator + Send + Sync + 'static) -> Self {
        self.requested.custom_propagators = true;
        self.parts.propagators.push(Box::new(propagator));
        self
    }

    /// Directives that decide which `tracing` spans become OpenTelemetry spans, in the syntax of `RUST_LOG`. They are
    /// separate from the log filter: `RUST_LOG=warn` must not end the traces.
    ///
    /// Overridden by `OTEL_RUST_SPAN_FILTER`. Default: `info`, which has the spans of `#[instrument]` and leaves out the
    /// DEBUG and TRACE spans of HTTP and gRPC libraries.
    pub fn span_filter(mut self, directives: impl Into<String>) -> Self {
        self.requested.span_filter = Some(directives.into());
        self
    }
}

/// Log lines.
impl Builder {
    /// How log lines look.
    ///
    /// Overridden by `OTEL_RUST_LOG_FORMAT`: `auto`, `json`, `pretty`, `off`. Default: [`LogFormat::Auto`].
    pub fn log_format(mut self, format: LogFormat) -> Self {
        self.requested.log_format = Some(format);
        self
    }

    /// Where log lines go. Default: standard error.
    pub fn log_output(mut self, output: LogOutput) -> Self {
        self.parts.log_output = Some(output);
        self
    }

    /// Directives that decide which events are written as lines and exported as log records: `info,my_crate=debug`.
    ///
    /// Overridden by `RUST_LOG`. Default: `info`.
    pub fn log_filter(mut self, directives: impl Into<String>) -> Self {
        self.requested.log_filter = Some(directives.into());
        self
    }

    /// What happens to lines when the output does not keep up. Default: they are dropped and counted.
    pub fn log_overflow(mut self, overflow: OverflowPolicy) -> Self {
        self.parts.overflow = overflow;
        self
    }

    /// Changes how lines are written as JSON: names of keys, constant fields, fields of spans.
    ///
    /// ```
    /// use telemetry_bootstrap::json::FieldNames;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().json(|lines| lines.field_names(FieldNames::ElasticCommonSchema));
    /// ```
    pub fn json(
        mut self,
        options: impl FnOnce(JsonLayer<NonBlockingWriter>) -> JsonLayer<NonBlockingWriter> + Send + 'static,
    ) -> Self {
        self.parts.json = Some(Box::new(options));
        self
    }

    /// Fields whose values must not leave the process, in lines and log records alike. Default: none.
    pub fn redact(mut self, redaction: Redaction) -> Self {
        self.parts.redaction = redaction;
        self
    }

    /// Keys of the OpenTelemetry baggage whose entries become fields of lines and log records. Default: none, because
    /// baggage arrives from other services.
    pub fn baggage_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.parts.baggage_keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a layer of the user's own beside ours. It has no part in our filters.
    pub fn layer(mut self, layer: impl Layer<Registry> + Send + Sync + 'static) -> Self {
        self.parts.layers.push(Box::new(layer));
        self
    }
}

/// Start and end.
impl Builder {
    /// One deadline for the end of everything: all signals are flushed within it, together.
    ///
    /// Overridden by `OTEL_RUST_SHUTDOWN_TIMEOUT` (milliseconds). Default: 5 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.requested.shutdown_timeout = Some(timeout);
        self
    }

    /// Leaves the environment unread, `RUST_LOG` included: only code and defaults count.
    pub fn ignore_env(mut self) -> Self {
        self.ignore_env = true;
        self
    }

    /// Starts telemetry for the whole process: the `tracing` subscriber, records of the `log` crate, OpenTelemetry's
    /// providers and propagators, and the panic hook.
    ///
    /// Returns in milliseconds, whether or not a collector can be reached, inside and outside of any runtime.
    ///
    /// # Errors
    ///
    /// [`InitError`], and then nothing was changed: no global is set, no thread is left.
    pub fn build(self) -> Result<TelemetryGuard, InitError> {
        crate::lifecycle::install(|| self.resolve())
    }

    /// Starts telemetry without touching any global: the layer is for a subscriber of the caller's own.
    ///
    /// Layers given to [`layer`](Self::layer) are not used; they belong beside the layer that is returned. Our filters
    /// are for that one alone: a layer beside it gets every span and event, down to TRACE, unless it has a filter of its
    /// own ([`Layer::with_filter`]).
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

    /// Decides all settings; what is not plain data goes along.
    pub(crate) fn resolve(self) -> Result<(Settings, Additions), InitError> {
        let env = if self.ignore_env { Env::none() } else { Env::process() };
        let ignores_env = self.ignore_env;
        let (requested, mut parts) = self.into_parts();
        parts.ignores_env = ignores_env;
        let (settings, mut errors) = settings::resolve(&requested, &env);
        errors.extend(mistakes_in_code(&settings));
        InitError::of(errors).map_or(Ok((settings, parts)), Err)
    }

    /// Plain data on one side, parts on the other.
    pub(crate) fn into_parts(self) -> (BuilderConfig, Additions) {
        let Self { requested, traces, metrics, logs, parts, ignore_env: _ } = self;
        let requested = BuilderConfig {
            traces: traces.requested,
            metrics: metrics.requested,
            logs: logs.requested,
            ..requested
        };
        let parts = Additions {
            sampler: traces.sampler,
            custom_ids: traces.custom_ids,
            tracer_provider: traces.steps,
            meter_provider: metrics.steps,
            views: metrics.views,
            log_processors: logs.steps,
            ..parts
        };
        (requested, parts)
    }
}
