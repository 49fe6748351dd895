//! The exporter that Prometheus scrapes.
//!
//! Version 1.0 of the schema names the options by what they leave out (`without_scope_info`), version 1.1 by what they
//! add (`scope_info_enabled`). Both are read, since a file of either version is valid; both at once are a mistake.
//!
//! | `translation_strategy` | here |
//! |---|---|
//! | `underscore_escaping_with_suffixes`, absent | names with units and `_total` |
//! | `underscore_escaping_without_suffixes/development` | names without them |
//! | `no_utf8_escaping_with_suffixes/development` | names in UTF-8, with units and `_total` |
//! | `no_translation/development` | names in UTF-8, as they are |
//!
//! | key | default | in [`PrometheusSettings`] |
//! |---|---|---|
//! | `host` | `localhost`, `OTEL_EXPORTER_PROMETHEUS_HOST` | `server.host` |
//! | `port` | 9464, `OTEL_EXPORTER_PROMETHEUS_PORT` | `server.port` |
//! | `scope_info_enabled` | `true` | `text.scope_labels` |
//! | `target_info_enabled/development` | `true` | `text.target_info` |
//! | `resource_constant_labels` | none | `text.resource_labels` |
//! | `translation_strategy` | underscores, with suffixes | `text.names` |
//! | – | code | `text.created_series` |
//!
//! The variables are named for comparison: with a file they are not read.

use super::Apply;
use crate::settings::exporter::prometheus::{
    NameTranslation, PROMETHEUS_HOST, PROMETHEUS_PORT, PrometheusSettings, PrometheusText, ServerAddress,
};
use crate::settings::file::model::{At, Located, Prometheus, TranslationStrategy};
use crate::settings::secrets::quoted;

impl Apply<'_> {
    /// Returns the exporter of a pull reader. The one in code counts for what a file cannot say: that it has no server,
    /// unless the file names an address, and that it writes when series began.
    ///
    /// `None` without the feature `prometheus`, which is reported. `in_code` is the exporter that the program has
    /// added, if any.
    pub(super) fn prometheus(
        &mut self,
        exporter: &Prometheus,
        in_code: Option<&PrometheusSettings>,
    ) -> Option<PrometheusSettings> {
        if cfg!(not(feature = "prometheus")) {
            self.unsupported(&exporter.at, "needs the feature `prometheus` of telemetry-bootstrap");
            return None;
        }
        let is_named = exporter.host.is_some() || exporter.port.is_some();
        let has_server = is_named || in_code.is_none_or(|exporter| exporter.server.is_some());
        let address = self.server_address(exporter);
        let created_series = in_code.is_some_and(|exporter| exporter.text.created_series);
        let text = PrometheusText { created_series, ..self.prometheus_text(exporter) };
        Some(PrometheusSettings { server: has_server.then_some(address), text })
    }

    /// Returns the address to listen on. Host and port are checked as their variables are; what the file leaves out has
    /// the default of the variable.
    ///
    /// Mistakes are reported, and the default is then used until the file is refused. The origin, for the error of a
    /// port that is in use, names the line of the port, of the host, or of the exporter.
    fn server_address(&mut self, Prometheus { at, host, port, .. }: &Prometheus) -> ServerAddress {
        let named = port.as_ref().map(|port| &port.at).or(host.as_ref().map(|host| &host.at));
        let position = named.unwrap_or(at).position;
        let host = host.as_ref().and_then(|Located { at, value }| {
            let read = PROMETHEUS_HOST.kind.read(value);
            read.map_err(|reason| self.mistake(at, format!("{}: {reason}", quoted(value)))).ok()
        });
        let port = port.as_ref().and_then(|Located { at, value }| {
            let read = PROMETHEUS_PORT.kind.read(&value.get().to_string());
            read.map_err(|reason| self.mistake(at, format!("{}: {reason}", value.get()))).ok()
        });
        ServerAddress {
            host: host.unwrap_or(PROMETHEUS_HOST.default).into_owned(),
            port: port.unwrap_or(PROMETHEUS_PORT.default),
            origin: position.origin(&self.values.name),
        }
    }

    /// Returns the options of the text: labels of scopes and of the resource, `target_info`, suffixes of names.
    ///
    /// Both names of an option at once are a mistake. Without suffixes, scrapes are answered in the text format alone,
    /// as OpenMetrics requires them.
    fn prometheus_text(&mut self, exporter: &Prometheus) -> PrometheusText {
        let Prometheus { scope_info_enabled, target_info_enabled, translation_strategy, .. } = exporter;
        let Prometheus { without_scope_info, without_target_info, .. } = exporter;
        let labels = [&exporter.resource_constant_labels, &exporter.with_resource_constant_labels];
        if let [Some(_), Some(former)] = labels {
            self.named_twice(&former.at, "resource_constant_labels");
        }
        let names = match translation_strategy.as_ref().map(|strategy| strategy.value) {
            None | Some(TranslationStrategy::UnderscoresWithSuffixes) => {
                NameTranslation::UnderscoresWithSuffixes
            }
            Some(TranslationStrategy::Underscores) => NameTranslation::Underscores,
            Some(TranslationStrategy::Suffixes) => NameTranslation::Utf8WithSuffixes,
            Some(TranslationStrategy::Unchanged) => NameTranslation::Unchanged,
        };
        PrometheusText {
            scope_labels: self.enabled(scope_info_enabled, without_scope_info, "scope_info_enabled"),
            target_info: self.enabled(
                target_info_enabled,
                without_target_info,
                "target_info_enabled/development",
            ),
            resource_labels: labels.into_iter().flatten().next().map(Into::into),
            names,
            created_series: false,
        }
    }

    /// Reads an option that has another name, with the opposite meaning, in version 1.0 of the schema.
    ///
    /// `enabled` is the option of version 1.1 and `without` that of 1.0; `name` is the name in 1.1. Returns `true` if
    /// neither is there.
    fn enabled(
        &mut self,
        enabled: &Option<Located<bool>>,
        without: &Option<Located<bool>>,
        name: &str,
    ) -> bool {
        if let (Some(_), Some(former)) = (enabled, without) {
            self.named_twice(&former.at, name);
        }
        let enabled = enabled.as_ref().map(|enabled| enabled.value);
        enabled.or(without.as_ref().map(|without| !without.value)).unwrap_or(true)
    }

    /// Reports that an option has two names, both of which are given.
    ///
    /// `at` is the place of the former name, and `name` the one of version 1.1.
    fn named_twice(&mut self, at: &At, name: &str) {
        self.mistake(at, format!("is the former name of `{name}`, which is there as well"));
    }
}
