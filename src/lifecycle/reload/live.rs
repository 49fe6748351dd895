//! The settings that can change while the program runs.
//!
//! | setting in the file | changes |
//! |---|---|
//! | `log_filter`, `log_output.filter`, `logs.filter` | the events that become lines and records |
//! | `span_filter` | the `tracing` spans that become OpenTelemetry spans |
//! | `logs.minimum_severity` | the records that are exported |
//! | `tracer_provider.sampler` | the sampler; spans that have started keep their decision |
//! | `log_level` | the lines that this crate writes about itself |
//!
//! Everything else is fixed at startup, and is reported as needing a restart.

use tracing_core::LevelFilter;

use super::summary::Change;
use crate::diagnostics::Diagnostics;
use crate::provider::SharedSampler;
use crate::settings::secrets::{REDACTED, is_filter_with_secret};
use crate::settings::{SamplerSetting, Settings};
use crate::subscriber::Filters;

/// The values that are in effect, compared with those of the next version.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LiveSettings {
    /// The directives for lines.
    line_filter: String,
    /// The directives for records.
    record_filter: String,
    /// The directives for spans.
    span_filter: String,
    /// The most verbose level of records.
    record_level: LevelFilter,
    /// The sampler. `None` if no spans are recorded: it then stays unchanged.
    sampler: Option<SamplerSetting>,
    /// The lowest severity of this crate's own lines.
    diagnostic_level: LevelFilter,
}

/// Components affected by a reload. All are shared with the subscriber and the providers.
#[derive(Debug)]
pub(crate) struct LiveParts {
    /// The filters, and the level of records.
    pub(crate) filters: Filters,
    /// The samplers. In a forked child there are two: that of its providers, and that of the subscriber, which is the
    /// parent's.
    pub(crate) samplers: Vec<SharedSampler>,
    /// The level of this crate's own lines.
    pub(crate) diagnostics: Diagnostics,
}

impl LiveSettings {
    /// Takes the values from resolved settings.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            line_filter: settings.lines.filter.text.clone(),
            record_filter: settings.logs.filter.text.clone(),
            span_filter: settings.span_filter.text.clone(),
            record_level: settings.logs.minimum_severity,
            sampler: settings.has_spans().then(|| settings.traces.sampler.clone()),
            diagnostic_level: settings.diagnostic_level,
        }
    }

    /// Applies the values that differ in `new`, and returns them. The settings are valid.
    ///
    /// A filter that is unchanged is not set again, because it would lose track of the open spans that match it.
    pub(super) fn apply(&mut self, mut new: Self, parts: &LiveParts) -> Vec<Change> {
        // Whether spans are recorded is decided at startup.
        new.sampler = self.sampler.as_ref().map(|old| new.sampler.take().unwrap_or_else(|| old.clone()));
        if new.diagnostic_level != self.diagnostic_level {
            parts.diagnostics.limit_to(new.diagnostic_level);
        }
        if let Some(sampler) = new.sampler.as_ref().filter(|_| new.sampler != self.sampler) {
            parts.samplers.iter().for_each(|shared| shared.set(sampler));
        }
        if new.record_level != self.record_level {
            parts.filters.record_level.set(new.record_level);
        }
        let filters = [
            (&parts.filters.lines, &self.line_filter, &new.line_filter),
            (&parts.filters.records, &self.record_filter, &new.record_filter),
            (&parts.filters.spans, &self.span_filter, &new.span_filter),
        ];
        for (filter, _, new) in filters.into_iter().filter(|(_, old, new)| old != new) {
            // Invalid directives were rejected earlier.
            let _ = filter.set(new);
        }
        let changes = self.changes(&new);
        *self = new;
        changes
    }

    /// Returns the differences of `new`, by path in the file.
    fn changes(&self, new: &Self) -> Vec<Change> {
        let filter =
            |text: &str| if is_filter_with_secret(text) { REDACTED.to_owned() } else { text.to_owned() };
        let (lines, records) = (self.line_filter != new.line_filter, self.record_filter != new.record_filter);
        let is_common = lines && records && new.line_filter == new.record_filter;
        let sampler = new.sampler.as_ref().map(ToString::to_string).unwrap_or_default();
        let all = [
            (is_common, LOG_FILTER, filter(&new.line_filter)),
            (lines && !is_common, LINE_FILTER, filter(&new.line_filter)),
            (records && !is_common, RECORD_FILTER, filter(&new.record_filter)),
            (self.span_filter != new.span_filter, SPAN_FILTER, filter(&new.span_filter)),
            (self.record_level != new.record_level, RECORD_LEVEL, new.record_level.to_string()),
            (self.sampler != new.sampler, SAMPLER, sampler),
            (self.diagnostic_level != new.diagnostic_level, LOG_LEVEL, new.diagnostic_level.to_string()),
        ];
        let changed = all.into_iter().filter(|(is_changed, ..)| *is_changed);
        changed.map(|(_, (path, name), value)| Change { path, name, value }).collect()
    }
}

/// The path of a setting in the file, and the name of its field in the log line.
type Named = (&'static str, &'static str);

const LOG_FILTER: Named = ("distribution.telemetry_bootstrap.log_filter", "log_filter");
const LINE_FILTER: Named = ("distribution.telemetry_bootstrap.log_output.filter", "log_output.filter");
const RECORD_FILTER: Named = ("distribution.telemetry_bootstrap.logs.filter", "logs.filter");
const SPAN_FILTER: Named = ("distribution.telemetry_bootstrap.span_filter", "span_filter");
const RECORD_LEVEL: Named =
    ("distribution.telemetry_bootstrap.logs.minimum_severity", "logs.minimum_severity");
const SAMPLER: Named = ("tracer_provider.sampler", "sampler");
const LOG_LEVEL: Named = ("log_level", "log_level");
