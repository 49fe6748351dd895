//! `distribution.telemetry_bootstrap`: this crate's own settings.
//!
//! The counterpart of `apply/distribution.rs`: each key that is written here is one that is read there, and a test
//! reads every written file back.
//!
//! A value stands below `distribution` only if the schema has no place for it. Options that are off by default are left
//! out while they are off; values with a default are written, so that the file shows what is in effect.
//!
//! The schema describes exporters one by one, and `distribution` one signal at a time. Where the destinations of a
//! signal differ in what stands here (proxy, sources of headers, size of requests), the file cannot say so, and a note
//! at its top does.
//!
//! | key | written if |
//! |---|---|
//! | `log_filter` | lines and records have the same filter |
//! | `log_output.filter`, `logs.filter` | they have different ones |
//! | `span_filter`, `shutdown_timeout`, `no_color`, `log_output.format` | always |
//! | `traces.max_queue_bytes`, `logs.max_queue_bytes` | always |
//! | `max_request_size` of a signal | the signal has an OTLP destination |
//! | `reload_interval`, `exception_signal`, `resource_detectors`, `metrics.built_in` | they are not the default |
//! | `no_proxy` | its variable is set |
//! | `proxy`, `header_files` of a signal | one of its OTLP destinations has them |
//! | `logs.minimum_severity` | it was given |
//! | `logs.sampled_traces_only`, `logs.include_span_fields` | they are `true` |
//! | `grpc` | metadata of calls is captured |

use super::Writer;
use super::exporters::{SECRET, TO_BE_SET, absolute};
use super::yaml::{Map, Yaml};
use crate::settings::conventions::EXCEPTION_SIGNAL;
use crate::settings::credentials::HeaderSource;
use crate::settings::detectors::{NAMES, RESOURCE_DETECTORS};
use crate::settings::exporter::{DestinationSettings, ExportSettings, LOGS, METRICS, SignalExporter, TRACES};
use crate::settings::lifecycle::{RELOAD_INTERVAL, SHUTDOWN_TIMEOUT};
use crate::settings::log_output::{LINE_FORMAT, NO_COLOR};
use crate::settings::logs::{INCLUDE_SPAN_FIELDS, MINIMUM_SEVERITY, SAMPLED_TRACES_ONLY};
use crate::settings::metrics::{BUILT_IN_METRICS, BUILT_IN_NAMES};
use crate::settings::proxy::{self, HTTP_PROXY, HTTPS_PROXY, NO_PROXY, Proxy};
use crate::settings::queue::{LOG_QUEUE, SPAN_QUEUE};
use crate::settings::types::ExceptionSignal;
use crate::settings::{Target, choices};

impl Writer<'_> {
    /// Returns the settings below `distribution.telemetry_bootstrap`.
    ///
    /// The filters of lines and of records are one key, `log_filter`, while they are the same, and two keys below
    /// `log_output` and `logs` otherwise. Captured headers of gRPC calls are here, and those of HTTP calls are not: the
    /// schema has keys for them.
    ///
    /// Never empty: the filters are always there.
    pub(super) fn distribution(&mut self) -> Map {
        let settings = self.settings;
        let mut own = Map::default();
        let [lines, records, spans] = [&settings.lines.filter, &settings.logs.filter, &settings.span_filter];
        let is_common = lines == records;
        if is_common {
            own.set_from("log_filter", &*lines.text, &*lines.origin);
        }
        own.set_from("span_filter", &*spans.text, &*spans.origin);
        own.set_from("shutdown_timeout", settings.shutdown_timeout, self.origin(SHUTDOWN_TIMEOUT.key()));
        if let Some(interval) = settings.reload_interval {
            own.set_from("reload_interval", interval, self.origin(RELOAD_INTERVAL.key()));
        }
        own.set_from("no_color", settings.lines.no_color, self.origin(NO_COLOR.key()));
        let exceptions = match settings.exception_signal {
            ExceptionSignal::SpanEvent => None,
            ExceptionSignal::Logs => Some("logs"),
            ExceptionSignal::Both => Some("logs/dup"),
        };
        if let Some(signal) = exceptions {
            own.set_from("exception_signal", signal, self.origin(EXCEPTION_SIGNAL.key()));
        }
        if !settings.resource_detectors.is_empty() {
            let names: Vec<_> =
                settings.resource_detectors.iter().map(|detector| choices::name(detector, &NAMES)).collect();
            own.set_from("resource_detectors", names, self.origin(RESOURCE_DETECTORS.key()));
        }
        if let Some(list) = self.no_proxy() {
            own.set_from("no_proxy", list, NO_PROXY.key());
        }
        let mut output = Map::default();
        let format = (LINE_FORMAT.kind.show)(&settings.lines.format);
        output.set_from("format", format, self.origin(LINE_FORMAT.key()));
        if !is_common {
            output.set_from("filter", &*lines.text, &*lines.origin);
        }
        own.set("log_output", output);
        own.set_some("traces", Some(self.distribution_of_traces()));
        own.set_some("metrics", Some(self.distribution_of_metrics()));
        own.set_some("logs", Some(self.distribution_of_logs(is_common)));
        own.set_some("grpc", Some(self.grpc_captures()));
        own
    }

    /// Returns the hosts that are reached directly.
    ///
    /// The setting is read from the environment again, because [`Settings`](crate::settings::Settings) hold only its
    /// effect: a target on the list has no proxy.
    ///
    /// `None` if no variable is set, or if the environment is ignored.
    fn no_proxy(&self) -> Option<&str> {
        NO_PROXY.variables.iter().find_map(|variable| self.env.get(variable))
    }

    /// Returns what the schema has no place for in traces: the bytes of the queue, and the options of its exporters.
    fn distribution_of_traces(&mut self) -> Map {
        let traces = &self.settings.traces;
        let mut own = self.distribution_of_exporters(&TRACES, &traces.destinations);
        let origin = self.origin(SPAN_QUEUE.max_queue_bytes.key());
        own.set_from("max_queue_bytes", traces.queue.max_bytes, origin);
        own
    }

    /// Returns what the schema has no place for in metrics: the built-in ones, and the options of their exporters.
    fn distribution_of_metrics(&mut self) -> Map {
        let metrics = &self.settings.metrics;
        let mut own = self.distribution_of_exporters(&METRICS, &metrics.destinations);
        if !metrics.built_in.is_empty() {
            let names: Vec<_> =
                metrics.built_in.iter().map(|group| choices::name(group, &BUILT_IN_NAMES)).collect();
            own.set_from("built_in", names, self.origin(BUILT_IN_METRICS.key()));
        }
        own
    }

    /// Returns what the schema has no place for in log records.
    ///
    /// The severity is written only if it was given: by default every record passes. `is_filter_common` leaves the
    /// filter to `log_filter`.
    fn distribution_of_logs(&mut self, is_filter_common: bool) -> Map {
        let logs = &self.settings.logs;
        let mut own = self.distribution_of_exporters(&LOGS, &logs.destinations);
        if !is_filter_common {
            own.set_from("filter", &*logs.filter.text, &*logs.filter.origin);
        }
        let origin = self.origin(LOG_QUEUE.max_queue_bytes.key());
        own.set_from("max_queue_bytes", logs.queue.max_bytes, origin);
        if self.is_given(MINIMUM_SEVERITY.key()) {
            let level = (MINIMUM_SEVERITY.kind.show)(&logs.minimum_severity);
            own.set_from("minimum_severity", level, self.origin(MINIMUM_SEVERITY.key()));
        }
        if logs.sampled_traces_only {
            own.set_from("sampled_traces_only", true, self.origin(SAMPLED_TRACES_ONLY.key()));
        }
        if logs.span_fields {
            own.set_from("include_span_fields", true, self.origin(INCLUDE_SPAN_FIELDS.key()));
        }
        own
    }

    /// What the schema has no place for in exporters. A file has it for all destinations of a signal.
    ///
    /// The first OTLP destination stands for the signal. A destination without a proxy counts as equal if `NO_PROXY` or
    /// a Unix socket explains the difference. Sources of headers in code, and signers, become notes: no file can hold a
    /// closure.
    ///
    /// Empty without an OTLP destination. Notes are added for what differs between the destinations.
    fn distribution_of_exporters(
        &mut self,
        signal: &SignalExporter,
        destinations: &[DestinationSettings],
    ) -> Map {
        let mut own = Map::default();
        let exports: Vec<_> = destinations
            .iter()
            .filter_map(|destination| match destination {
                DestinationSettings::Otlp(export) => Some(&**export),
                DestinationSettings::Output(_) | DestinationSettings::Console => None,
            })
            .collect();
        let Some(first) = exports.first() else { return own };
        let proxy = exports.iter().find_map(|export| export.target.proxy.as_ref());
        let no_proxy = self.no_proxy().unwrap_or_default();
        let has_other_proxy = |Target { uri, proxy: own, socket, .. }: &Target| {
            let may_be_without = socket.is_some() || proxy::is_exempt(uri, no_proxy);
            own.as_ref() != proxy && !(own.is_none() && may_be_without)
        };
        let differs = |export: &ExportSettings| {
            export.credentials != first.credentials
                || export.max_request_size != first.max_request_size
                || has_other_proxy(&export.target)
        };
        if exports.iter().any(|export| differs(export)) {
            self.note(format!(
                "the destinations for {} have different proxies, sources of headers or sizes of requests: with a file \
                 they share them",
                signal.path
            ));
        }
        if let Some(proxy) = proxy {
            self.proxy(&mut own, proxy);
        }
        let origin = self.origin(signal.otlp.max_request_size.key());
        own.set_from("max_request_size", first.max_request_size, origin);
        let mut files = Map::default();
        for (name, source) in &first.credentials.sources {
            match source.file() {
                Some(_) => files.set(name.as_str(), self.header_file(name.as_str(), source)),
                None => self.note(format!(
                    "the header {name} has a source in code, which a file replaces: write its value to a file, and \
                     name that below `header_files`"
                )),
            }
        }
        own.set_some("header_files", Some(files));
        if first.credentials.signer.is_some() {
            self.note(
                "requests are signed in code, which no file can do: destinations of a file are not signed",
            );
        }
        own
    }

    /// Returns the entry of a header that is read from a file: its path, and the text before the value.
    ///
    /// A prefix that is not the name of an authentication scheme may itself be a secret, so that a variable takes its
    /// place.
    fn header_file(&mut self, header: &str, source: &HeaderSource) -> Map {
        let path = source.file().map(absolute).unwrap_or_default();
        let mut file = Map::from_entry("file", path.to_string_lossy().into_owned());
        match source.prefix_text() {
            "" => {}
            // The name of a scheme, such as `Bearer`. Anything else may be a part of the secret.
            scheme if is_scheme(scheme) => file.set("prefix", scheme),
            secret => {
                let variable = format!("OTLP_PREFIX_{}", header.to_ascii_uppercase().replace('-', "_"));
                file.set_from("prefix", self.placeholders.reference(&variable, secret.as_bytes()), TO_BE_SET);
            }
        }
        file
    }

    /// Sets the proxy: its address, or a reference to a variable if the address has credentials.
    ///
    /// The reference is to the variable that the proxy came from, if there is one with the same address and
    /// credentials.
    ///
    /// An address without credentials is written as it is.
    fn proxy(&mut self, own: &mut Map, proxy: &Proxy) {
        let Some(secret) = proxy.secret() else {
            return own.set_from("proxy", proxy.address(), &*proxy.origin);
        };
        let is_same = |text: &str| {
            proxy::parse(text).is_ok_and(|other| other.uri == proxy.uri && other.protocol == proxy.protocol)
        };
        let mut variables = HTTPS_PROXY.variables.iter().chain(HTTP_PROXY.variables);
        match variables.find(|variable| self.env.get(variable).is_some_and(is_same)) {
            Some(variable) => own.set_from("proxy", Yaml::Reference(format!("${{{variable}}}")), SECRET),
            None => own.set_from("proxy", self.placeholders.reference("OTLP_PROXY", &secret), TO_BE_SET),
        }
    }
}

/// Returns `true` for the name of an authentication scheme with a blank.
///
/// Case does not count. The blank at the end is required, since the value follows without one.
fn is_scheme(prefix: &str) -> bool {
    let name = prefix.strip_suffix(' ').unwrap_or_default();
    ["bearer", "basic", "apikey", "api-token", "token"].iter().any(|known| known.eq_ignore_ascii_case(name))
}
