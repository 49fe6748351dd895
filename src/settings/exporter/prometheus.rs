//! The exporter that Prometheus scrapes.

use std::borrow::Cow;

use super::{ExporterName, METRICS};
use crate::settings::builder_config::SignalConfig;
use crate::settings::resolve::Resolver;
use crate::settings::resource::AttributeSelection;
use crate::settings::secrets::shown_host;
use crate::settings::setting::settings;
use crate::settings::value_kind::{FLAG, Kind, any, plain};
#[cfg(feature = "prometheus")]
use crate::settings::values::Values;

/// Resolved settings of the exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrometheusSettings {
    /// Where its own server listens, if it has one.
    pub(crate) server: Option<ServerAddress>,
    /// What scrapes contain.
    pub(crate) text: PrometheusText,
}

/// What the answers to scrapes contain. Only a configuration file can change it, unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrometheusText {
    /// Each series has labels with the name and the attributes of its instrumentation scope.
    pub(crate) scope_labels: bool,
    /// The attributes of the resource are the labels of `target_info`.
    pub(crate) target_info: bool,
    /// Attributes of the resource that are labels of each series; `None` for none of them.
    pub(crate) resource_labels: Option<AttributeSelection>,
    /// How names of metrics and attributes become names for Prometheus.
    pub(crate) names: NameTranslation,
    /// OpenMetrics has a series `_created` for each of a counter and of a histogram. Only code can change it.
    pub(crate) created_series: bool,
}

impl Default for PrometheusText {
    fn default() -> Self {
        Self {
            scope_labels: true,
            target_info: true,
            resource_labels: None,
            names: NameTranslation::default(),
            created_series: false,
        }
    }
}

/// How names of metrics and attributes become names for Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, feature = "config-file")),
    expect(dead_code, reason = "only a file can choose another")
)]
pub(crate) enum NameTranslation {
    /// Characters that need quotes become underscores. Names end with their unit, and those of counters with `_total`.
    #[default]
    UnderscoresWithSuffixes,
    /// Characters that need quotes become underscores.
    Underscores,
    /// Names end with their unit, and those of counters with `_total`.
    Utf8WithSuffixes,
    /// Names are as they are.
    Unchanged,
}

#[cfg(feature = "prometheus")]
impl NameTranslation {
    /// Returns `true` if names end with their unit, and those of counters with `_total`.
    pub(crate) fn has_suffixes(self) -> bool {
        matches!(self, Self::UnderscoresWithSuffixes | Self::Utf8WithSuffixes)
    }

    /// Returns `true` if scrapers that accept it get names with any characters.
    pub(crate) fn has_utf8(self) -> bool {
        matches!(self, Self::Utf8WithSuffixes | Self::Unchanged)
    }
}

impl PrometheusSettings {
    /// For messages: `prometheus at localhost:9464`.
    pub(crate) fn name(&self) -> String {
        match &self.server {
            Some(ServerAddress { host, port, .. }) => format!("prometheus at {}:{port}", shown_host(host)),
            None => "prometheus".to_owned(),
        }
    }
}

/// A host and a port to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    /// A name or an address; it is resolved when the server starts.
    pub(crate) host: String,
    /// Zero lets the system choose.
    pub(crate) port: u16,
    /// The variables or setters to change, if it cannot be used.
    pub(crate) origin: String,
}

/// Metrics for Prometheus, and for all that scrapes in its text format or in OpenMetrics; given to
/// [`Metrics::prometheus`](crate::Metrics::prometheus).
///
/// By default a server listens at `localhost:9464` and answers `GET /metrics`. Values are counted since the start,
/// whatever the temporality of other exporters.
///
/// ```
/// use telemetry_bootstrap::PrometheusExporter;
///
/// # let _ =
/// telemetry_bootstrap::init().metrics(|metrics| metrics.prometheus(PrometheusExporter::new().host("0.0.0.0")));
/// ```
#[cfg(feature = "prometheus")]
#[derive(Debug)]
#[must_use = "the exporter has no effect until it is given to `prometheus`"]
pub struct PrometheusExporter {
    values: Values,
}

#[cfg(feature = "prometheus")]
impl PrometheusExporter {
    /// The exporter with its defaults.
    #[expect(clippy::new_without_default, reason = "a default would hide that it opens a port")]
    pub fn new() -> Self {
        let mut values = Values::default();
        values.set(&PROMETHEUS, true);
        Self { values }
    }

    /// The host that the server listens at: a name or an address. `0.0.0.0` and `::` are all addresses of the machine:
    /// every client that reaches one of them can read the metrics.
    ///
    /// Of a name, all addresses are listened at: both `127.0.0.1` and `::1` of `localhost`.
    ///
    /// Overridden by `OTEL_EXPORTER_PROMETHEUS_HOST`. Default: `localhost`.
    ///
    /// ```
    /// # use telemetry_bootstrap::PrometheusExporter;
    /// let _ = PrometheusExporter::new().host("127.0.0.1");
    /// ```
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.values.set(&PROMETHEUS_HOST, Cow::Owned(host.into()));
        self
    }

    /// The port that the server listens at. 0: one that is free; see
    /// [`PrometheusHandler::address`](crate::PrometheusHandler::address).
    ///
    /// Overridden by `OTEL_EXPORTER_PROMETHEUS_PORT`. Default: 9464.
    ///
    /// ```
    /// # use telemetry_bootstrap::PrometheusExporter;
    /// let _ = PrometheusExporter::new().port(9100);
    /// ```
    pub fn port(mut self, port: u16) -> Self {
        self.values.set(&PROMETHEUS_PORT, port);
        self
    }

    /// Opens no port: the program mounts [`TelemetryGuard::prometheus`](crate::TelemetryGuard::prometheus) in a server
    /// of its own.
    ///
    /// Overridden by `OTEL_EXPORTER_PROMETHEUS_HOST` and `OTEL_EXPORTER_PROMETHEUS_PORT`.
    ///
    /// ```
    /// # use telemetry_bootstrap::PrometheusExporter;
    /// let _ = PrometheusExporter::new().without_server();
    /// ```
    pub fn without_server(mut self) -> Self {
        self.values.set(&PROMETHEUS_SERVER, false);
        self
    }

    /// Writes when each counter and histogram began, as OpenMetrics has it: a series `requests_created` beside
    /// `requests_total`, with the time in seconds since 1970.
    ///
    /// By default these are left out: Prometheus stores them as series of their own, so that a counter costs twice as
    /// much. It uses them to find restarts if it runs with `--enable-feature=created-timestamp-zero-ingestion`. The
    /// text format of Prometheus has no such series.
    ///
    /// Only code turns them on: there is no variable for it, and no key in a configuration file. The call has its
    /// effect under a file, too.
    ///
    /// ```
    /// # use telemetry_bootstrap::PrometheusExporter;
    /// let _ = PrometheusExporter::new().write_created_series();
    /// ```
    pub fn write_created_series(mut self) -> Self {
        self.values.set(&PROMETHEUS_CREATED, true);
        self
    }

    pub(crate) fn into_values(self) -> Values {
        self.values
    }
}

impl Resolver<'_> {
    /// Returns the settings of the exporter, if it is used. `chosen`: the exporters of metrics, and whether the
    /// environment chose them.
    pub(in crate::settings) fn prometheus(
        &mut self,
        chosen: Option<&(Vec<ExporterName>, bool)>,
        metrics: &SignalConfig,
    ) -> Option<PrometheusSettings> {
        let values = &metrics.values;
        let is_in_code = self.find_in_code(&PROMETHEUS, values).is_some_and(|given| given.value);
        let is_listed = chosen.is_some_and(|(exporters, _)| exporters.contains(&ExporterName::Prometheus));
        let is_off = chosen.is_some_and(|(exporters, is_from_env)| *is_from_env || exporters.is_empty());
        let host = self.find(&PROMETHEUS_HOST, values);
        let port = self.find(&PROMETHEUS_PORT, values);
        let host_origin = host.as_ref().map(|host| (host.is_from_code, host.origin.to_string()));
        let port_origin = port.as_ref().map(|port| (port.is_from_code, port.origin.to_string()));
        let mut origins: Vec<_> = host_origin.into_iter().chain(port_origin).collect();
        if !is_listed && (is_off || !is_in_code) {
            if let ([variable], true) = (METRICS.exporters.variables, is_in_code && is_off) {
                self.warn_once(variable, "it replaces the exporter for Prometheus that was given in code");
            }
            for (_, variable) in origins.iter().filter(|(is_from_code, _)| !is_from_code) {
                self.warn_once(variable, NOT_SCRAPED);
            }
            return None;
        }
        if cfg!(not(feature = "prometheus")) {
            let [variable] = METRICS.exporters.variables else { return None };
            self.warn_once(
                variable,
                "prometheus needs the feature `prometheus` of telemetry-bootstrap; it is ignored",
            );
            return None;
        }
        let is_in_env = origins.iter().any(|(is_from_code, _)| !is_from_code);
        let has_server = self.resolve(&PROMETHEUS_SERVER, values) || is_in_env;
        origins.dedup();
        let mut origins: Vec<_> = origins.into_iter().map(|(_, origin)| origin).collect();
        if origins.is_empty() {
            origins.extend(PROMETHEUS_PORT.variables.iter().map(|variable| (*variable).to_owned()));
        }
        let server = has_server.then(|| ServerAddress {
            host: host.map_or(PROMETHEUS_HOST.default, |host| host.value).into_owned(),
            port: port.map_or(PROMETHEUS_PORT.default, |port| port.value),
            origin: origins.join(", "),
        });
        let created_series = self.resolve(&PROMETHEUS_CREATED, values);
        Some(PrometheusSettings { server, text: PrometheusText { created_series, ..Default::default() } })
    }
}

settings! {
    /// Whether code turned the exporter on.
    PROMETHEUS: bool = "metrics.prometheus", [], FLAG, false;
    /// The host that its server listens at. The default is the specification's.
    PROMETHEUS_HOST: Cow<'static, str> =
        "metrics.prometheus/host", ["OTEL_EXPORTER_PROMETHEUS_HOST"], HOST, Cow::Borrowed("localhost");
    /// The port that its server listens at. The default is the specification's.
    PROMETHEUS_PORT: u16 = "metrics.prometheus/port", ["OTEL_EXPORTER_PROMETHEUS_PORT"], PORT, 9464;
    /// Whether series say when they began.
    PROMETHEUS_CREATED: bool = "metrics.prometheus/created_series", [], FLAG, false;
    /// Whether it has a server.
    PROMETHEUS_SERVER: bool = "metrics.prometheus/server", [], FLAG, true;
}

/// The warning for an address that is given without the exporter.
const NOT_SCRAPED: &str =
    "ignored, since metrics are not exported to Prometheus: add prometheus to OTEL_METRICS_EXPORTER";

const HOST: Kind<Cow<'static, str>> = Kind {
    parse: |text| Ok(text.to_owned().into()),
    check: |host| if host.trim().is_empty() { Err("empty".into()) } else { Ok(()) },
    show: |host| shown_host(host).into_owned(),
    quote: plain,
};

const PORT: Kind<u16> = Kind {
    parse: |text| text.parse().map_err(|_| "not a port, a whole number from 0 to 65535".into()),
    check: any,
    show: u16::to_string,
    quote: plain,
};
