//! Assertions on received telemetry. Failures show the received telemetry.

use std::fmt::Write;

use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::{CollectedLog, CollectedSpan, CollectedTelemetry};

impl CollectedTelemetry {
    /// Returns the only span with this name.
    ///
    /// # Panics
    ///
    /// Panics if there is none, or more than one. The message shows all received telemetry.
    #[must_use]
    #[track_caller]
    pub fn span(&self, name: &str) -> CollectedSpan {
        let mut spans = self.spans_named(name);
        match (spans.pop(), spans.len()) {
            (Some(span), 0) => span,
            (None, _) => self.fail(&format!("no span '{name}'")),
            (Some(_), others) => self.fail(&format!("{} spans '{name}' instead of one", others + 1)),
        }
    }

    /// Returns the only log record with this message.
    ///
    /// # Panics
    ///
    /// Panics if there is none, or more than one. The message shows all received telemetry.
    #[must_use]
    #[track_caller]
    pub fn log(&self, message: &str) -> CollectedLog {
        let mut logs = self.logs();
        logs.retain(|log| log.body() == message);
        match (logs.pop(), logs.len()) {
            (Some(log), 0) => log,
            (None, _) => self.fail(&format!("no log record '{message}'")),
            (Some(_), others) => self.fail(&format!("{} log records '{message}' instead of one", others + 1)),
        }
    }

    /// Asserts that there is no span with the status Error, and no log record of level ERROR or above.
    ///
    /// # Panics
    ///
    /// Panics if there is one. The message shows all received telemetry.
    #[track_caller]
    pub fn assert_no_errors(&self) {
        if let Some(span) = self.spans().iter().find(|span| span.status() == StatusCode::Error) {
            self.fail(&format!("span '{}' has the status Error", span.name()));
        }
        let is_error = |log: &CollectedLog| log.record.severity_number >= SeverityNumber::Error.into();
        if let Some(log) = self.logs().into_iter().find(is_error) {
            self.fail(&format!("log record '{}' has the level {}", log.body(), log.severity()));
        }
    }

    /// Fails the test and shows all received telemetry, as trees of spans and a table of metrics.
    #[track_caller]
    #[expect(clippy::panic, reason = "an assertion")]
    fn fail(&self, what: &str) -> ! {
        panic!("{what}; received were {self}:\n{}", self.picture());
    }

    /// Returns all received telemetry as text.
    fn picture(&self) -> String {
        let mut picture: String = self.trace_ids().iter().map(|id| self.render_trace(id)).collect();
        for log in self.logs().iter().filter(|log| log.trace_id().is_none()) {
            // Writing to a `String` cannot fail.
            let _ = writeln!(picture, "· {} {}", log.severity(), log.body());
        }
        picture + &self.render_metrics()
    }
}
