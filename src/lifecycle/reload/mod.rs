//! Reloads of the configuration file while the program runs.
//!
//! | part | does |
//! |---|---|
//! | [`Reloader`] | validates a version of the file completely, then applies the settings that can change |
//! | `live` | the settings that can change, and the components they affect |
//! | `watch` | reads the file periodically, if `reload_interval` is set |
//!
//! An invalid version changes nothing. While the file is watched, each version is logged once;
//! `TelemetryGuard::reload` logs each applied change and returns errors to the caller.
//!
//! ```text
//! path ─ read ─▶ version ─ same as the last ─▶ nothing
//!                    └ another ─▶ resolve ─ mistakes ─▶ error, nothing is changed
//!                                    └ valid ─▶ compare with the settings in effect ─▶ apply ─▶ summary
//! ```
//!
//! There are two locks. `state` is held for a whole reload, so that an older version cannot replace a newer one.
//! `thread` names its holder, so that a reload inside the user's closure is an error instead of a deadlock.

mod error;
mod live;
mod summary;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::{fmt, io};

pub use self::error::ReloadError;
use self::live::{LiveParts, LiveSettings};
pub use self::summary::ReloadSummary;
pub(crate) use self::watch::Watcher;
use crate::diagnostics::{Diagnostics, Field, FieldValue};
use crate::error::InitError;
use crate::lifecycle::assemble::{filter_warnings, mistakes_in_code};
use crate::provider::SharedSampler;
use crate::settings::{LoadedFile, Settings, read_config_file};
use crate::subscriber::Filters;

/// Applies later versions of the configuration file. Shared by the guard and the watching thread.
pub(crate) struct Reloader {
    /// The path as it was given. It may refer to a different file each time.
    path: PathBuf,
    /// The components that a version changes.
    parts: LiveParts,
    /// The state of the file; locked for a whole reload.
    state: Mutex<State>,
    /// The thread that holds the state for a reload.
    thread: Mutex<Option<ThreadId>>,
}

/// State of the file between reloads.
struct State {
    /// Resolves file contents into settings, together with those from code.
    file: LoadedFile,
    /// The settings in effect.
    live: LiveSettings,
    /// The version that was read last, valid or not.
    version: Version,
    /// The warnings of the last valid version, which are not repeated.
    warnings: Vec<String>,
}

/// A version of the file, for comparison with the next one.
#[derive(PartialEq, Eq)]
enum Version {
    /// The bytes of the file.
    Content(Vec<u8>),
    /// The reason why it cannot be read.
    Unreadable(String),
}

impl Reloader {
    /// Creates the reloader. `settings` are those of `file`, with which telemetry was started.
    fn new(mut file: LoadedFile, settings: &Settings, parts: LiveParts) -> Self {
        let state = State {
            version: Version::Content(file.take_content()),
            live: LiveSettings::new(settings),
            warnings: settings.warnings.clone(),
            file,
        };
        Self { path: state.file.path().to_owned(), parts, state: Mutex::new(state), thread: Mutex::default() }
    }

    /// In a forked child that built its own telemetry, applies changes to the parent's subscriber as well.
    pub(crate) fn continue_with(&mut self, filters: Filters, sampler: SharedSampler) {
        self.parts.filters = filters;
        self.parts.samplers.push(sampler);
    }

    /// Reads the file and applies it, even if it is unchanged, because values that it references may have changed.
    ///
    /// # Errors
    ///
    /// [`ReloadError::InProgress`] inside the user's closure, and [`ReloadError::Invalid`] for an invalid version.
    pub(crate) fn reload(&self) -> Result<ReloadSummary, ReloadError> {
        let mut reloading = self.start().ok_or(ReloadError::InProgress)?;
        let state = &mut *reloading.state;
        // Read under the lock, so that an older version cannot replace a newer one.
        let content = read_config_file(&self.path);
        let summary = state.apply(content, &self.parts).map_err(ReloadError::Invalid)?;
        if summary != ReloadSummary::default() {
            log_summary(&summary, &state.file.name(), &self.parts.diagnostics);
        }
        Ok(summary)
    }

    /// Reads the file, and applies and reports it if it differs from the version that was read last. Called by the
    /// watching thread.
    fn apply_new_version(&self) {
        let Some(mut reloading) = self.start() else { return };
        let state = &mut *reloading.state;
        let content = read_config_file(&self.path);
        if Version::new(&content) == state.version {
            return;
        }
        let name = state.file.name();
        match state.apply(content, &self.parts) {
            Ok(summary) => log_summary(&summary, &name, &self.parts.diagnostics),
            Err(error) => log_error(&error, &name, &self.parts.diagnostics),
        }
    }

    /// Returns `true` if the file differs from the version that was read last.
    fn is_new(&self, version: &Version) -> bool {
        lock(&self.state).version != *version
    }

    /// Reads the current version, without applying it.
    fn read(&self) -> Version {
        Version::new(&read_config_file(&self.path))
    }

    /// Waits until no other thread reloads. Returns `None` if this thread is already reloading.
    fn start(&self) -> Option<Reloading<'_>> {
        let current = std::thread::current().id();
        if *lock(&self.thread) == Some(current) {
            return None;
        }
        let state = lock(&self.state);
        *lock(&self.thread) = Some(current);
        Some(Reloading { state, thread: &self.thread })
    }
}

/// Returns the reloader of a configuration file, or `None` if the settings come from elsewhere.
pub(crate) fn reloader(
    file: Option<LoadedFile>,
    settings: &Settings,
    filters: &Filters,
    sampler: &SharedSampler,
    diagnostics: &Diagnostics,
) -> Option<Arc<Reloader>> {
    let (filters, samplers) = (filters.clone(), vec![sampler.clone()]);
    let parts = LiveParts { filters, samplers, diagnostics: diagnostics.clone() };
    Some(Arc::new(Reloader::new(file?, settings, parts)))
}

/// Omits the content of the file, which may contain secrets.
impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl State {
    /// Validates the content completely, then applies it.
    ///
    /// # Errors
    ///
    /// The errors of this version. Only the version that was read last is updated in that case.
    fn apply(&mut self, content: io::Result<Vec<u8>>, parts: &LiveParts) -> Result<ReloadSummary, InitError> {
        self.version = Version::new(&content);
        let new = self.file.resolve(content.as_deref().map_err(copy_of))?;
        if let Some(error) = InitError::from_all(mistakes_in_code(&new.settings)) {
            return Err(error);
        }
        let mut warnings = new.settings.warnings.clone();
        warnings.extend(filter_warnings(&new.settings));
        let changed = self.live.apply(LiveSettings::new(&new.settings), parts);
        for warning in warnings.iter().filter(|warning| !self.warnings.contains(warning)) {
            parts.diagnostics.warn(warning, &[]);
        }
        self.warnings = warnings;
        Ok(ReloadSummary { changed, needs_restart: new.needs_restart })
    }
}

impl Version {
    /// Returns the version of the content.
    fn new(content: &io::Result<Vec<u8>>) -> Self {
        match content {
            Ok(content) => Self::Content(content.clone()),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

/// A reload in progress: the locked state, and the entry of this thread, which is removed on drop.
struct Reloading<'a> {
    /// The locked state.
    state: MutexGuard<'a, State>,
    /// The entry of the reloading thread.
    thread: &'a Mutex<Option<ThreadId>>,
}

impl Drop for Reloading<'_> {
    fn drop(&mut self) {
        *lock(self.thread) = None;
    }
}

/// Locks a mutex. A poisoned lock is used as it is: a panic of the user's closure leaves the previous state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns an error of the same kind and message, because `io::Error` cannot be cloned.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Logs the changes, and, in a separate line, the settings that need a restart.
fn log_summary(summary: &ReloadSummary, name: &str, diagnostics: &Diagnostics) {
    let mut fields: Vec<Field<'_>> = vec![("path", FieldValue::Text(&name))];
    fields.extend(summary.changed.iter().map(|change| (change.name, FieldValue::Text(&change.value) as _)));
    diagnostics.info("configuration file reloaded", &fields);
    if !summary.needs_restart.is_empty() {
        let settings = summary.needs_restart.join(", ");
        let fields = [("path", FieldValue::Text(&name)), ("settings", FieldValue::Text(&settings))];
        diagnostics.warn("changes of the configuration file take effect only at the next start", &fields);
    }
}

/// Logs the reason for which a version is not applied, in one line.
fn log_error(error: &InitError, name: &str, diagnostics: &Diagnostics) {
    let text = one_line(error);
    let fields = [("path", FieldValue::Text(&name)), ("error", FieldValue::Text(&text))];
    diagnostics.warn("the configuration file cannot be used, the settings stay as they are", &fields);
}

/// Returns the message of an error with its causes, the errors of a file separated by semicolons.
fn one_line(error: &InitError) -> String {
    let text = format!("{error:?}");
    let mut lines = text.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    match lines.collect::<Vec<_>>()[..] {
        [] => first.to_owned(),
        ref mistakes => format!("{first} {}", mistakes.join("; ")),
    }
}
