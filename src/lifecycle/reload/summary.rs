//! The summary of a reload.

use std::fmt;

/// Summary of a reload: applied changes, and changes that require a restart.
///
/// Returned by [`TelemetryGuard::reload`](crate::TelemetryGuard::reload).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadSummary {
    /// The applied changes.
    pub(super) changed: Vec<Change>,
    /// Paths in the file.
    pub(super) needs_restart: Vec<String>,
}

/// A setting with its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The path in the file.
    pub(super) path: &'static str,
    /// The name of its field in the log line.
    pub(super) name: &'static str,
    /// The new value, as it is written. Control characters are escaped.
    pub(super) value: String,
}

impl ReloadSummary {
    /// Returns the settings that were changed, each by its path in the file, with the new value.
    ///
    /// ```no_run
    /// # fn reload(telemetry: &telemetry_bootstrap::TelemetryGuard) -> Result<(), telemetry_bootstrap::ReloadError> {
    /// for (setting, value) in telemetry.reload()?.changed() {
    ///     println!("{setting} is now {value}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn changed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.changed.iter().map(|change| (change.path, change.value.as_str()))
    }

    /// Returns the paths of settings that differ from the file that telemetry was started with and take effect only
    /// after a restart, such as `tracer_provider.processors[0].batch.schedule_delay`.
    pub fn needs_restart(&self) -> &[String] {
        &self.needs_restart
    }
}

impl fmt::Display for ReloadSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.changed[..] {
            [] => f.write_str("nothing changed")?,
            changed => {
                let changed = changed.iter().map(|Change { path, value, .. }| format!("{path}: {value}"));
                write!(f, "changed: {}", changed.collect::<Vec<_>>().join(", "))?;
            }
        }
        match &self.needs_restart[..] {
            [] => Ok(()),
            paths => write!(f, "; at the next start: {}", paths.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_lists_changes_with_their_values() {
        assert_eq!(ReloadSummary::default().to_string(), "nothing changed");
        let change = Change { path: "log_level", name: "log_level", value: "warn".to_owned() };
        let summary = ReloadSummary { changed: vec![change], needs_restart: vec!["disabled".to_owned()] };
        assert_eq!(summary.to_string(), "changed: log_level: warn; at the next start: disabled");
        assert_eq!(summary.changed().collect::<Vec<_>>(), [("log_level", "warn")]);
    }
}
