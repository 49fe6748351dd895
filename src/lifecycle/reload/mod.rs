//! The configuration file, read again while the program runs.
//!
//! | part | does |
//! |---|---|
//! | [`Reloader`] | checks a version of the file completely, then applies what can change |
//! | `live` | the settings that can change, and what they change |
//! | `watch` | reads the file again and again, if `reload_interval` is set |
//!
//! A version with a mistake changes nothing. While the file is watched, each version is logged once; the guard's
//! `reload` logs what it applied each time, and returns errors.
//!
//! ```text
//! path ─ read ─▶ version ─ same as the last ─▶ nothing
//!                    └ another ─▶ resolve ─ mistakes ─▶ error, nothing is changed
//!                                    └ valid ─▶ compare with the settings in effect ─▶ apply ─▶ summary
//! ```
//!
//! Two locks: `state` is held for a whole reload, so that an older version cannot replace a newer one, and `thread`
//! names its holder, so that a reload inside the user's closure is an error instead of a deadlock.

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
    /// The path as it was given. It may lead to another file each time.
    path: PathBuf,
    /// What a version changes.
    parts: LiveParts,
    /// What is known about the file; locked for a whole reload.
    state: Mutex<State>,
    /// The thread that has locked the state for a reload.
    thread: Mutex<Option<ThreadId>>,
}

/// What is known about the file between two reloads.
struct State {
    /// Resolves a content into settings, together with what was set in code.
    file: LoadedFile,
    /// The settings in effect.
    live: LiveSettings,
    /// The version that was examined last, valid or not.
    version: Version,
    /// The warnings of the last valid version. They are not repeated.
    warnings: Vec<String>,
}

/// A version of the file, compared with the next one.
#[derive(PartialEq, Eq)]
enum Version {
    /// The bytes of the file.
    Content(Vec<u8>),
    /// It cannot be read, for this reason.
    Unreadable(String),
}

impl Reloader {
    /// Creates the reloader. `settings` are those of `file`, with which telemetry is started.
    fn new(mut file: LoadedFile, settings: &Settings, parts: LiveParts) -> Self {
        let state = State {
            version: Version::Content(file.take_content()),
            live: LiveSettings::new(settings),
            warnings: settings.warnings.clone(),
            file,
        };
        Self { path: state.file.path().to_owned(), parts, state: Mutex::new(state), thread: Mutex::default() }
    }

    /// Makes changes reach the subscriber of the parent, in a forked child that built telemetry of its own.
    pub(crate) fn continue_with(&mut self, filters: Filters, sampler: SharedSampler) {
        self.parts.filters = filters;
        self.parts.samplers.push(sampler);
    }

    /// Reads the file and applies it, also if it is the same as before: what it refers to may have changed.
    ///
    /// # Errors
    ///
    /// [`ReloadError::InProgress`] inside of the user's closure, and [`ReloadError::Invalid`] for a version with
    /// mistakes.
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

    /// Reads the file, and applies and reports it if it is another version than the last one. Called by the watching
    /// thread.
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

    /// Returns `true` if the file is not what was examined last.
    fn is_new(&self, version: &Version) -> bool {
        lock(&self.state).version != *version
    }

    /// Reads the version that is there now, without applying it.
    fn read(&self) -> Version {
        Version::new(&read_config_file(&self.path))
    }

    /// Waits until no other thread reloads. Returns `None` if this thread does so already.
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

/// Without the content of the file, which may hold secrets.
impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl State {
    /// Checks what was read completely, then applies it.
    ///
    /// # Errors
    ///
    /// The mistakes of this version. Nothing is changed then but the version that was examined last.
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
    /// Returns the version for what was read.
    fn new(content: &io::Result<Vec<u8>>) -> Self {
        match content {
            Ok(content) => Self::Content(content.clone()),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

/// A reload under way: the state, locked, and the mark of this thread, which is removed at the end.
struct Reloading<'a> {
    /// The locked state.
    state: MutexGuard<'a, State>,
    /// Where this thread is named.
    thread: &'a Mutex<Option<ThreadId>>,
}

impl Drop for Reloading<'_> {
    fn drop(&mut self) {
        *lock(self.thread) = None;
    }
}

/// Locks a mutex. A poisoned lock is used as it is: a panic of the user's closure leaves the state of before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns an error of the same kind and text, because `io::Error` cannot be cloned.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Logs what changed, and, in a line of its own, what needs a new start.
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

/// Logs why a version is not applied, in one line.
fn log_error(error: &InitError, name: &str, diagnostics: &Diagnostics) {
    let text = one_line(error);
    let fields = [("path", FieldValue::Text(&name)), ("error", FieldValue::Text(&text))];
    diagnostics.warn("the configuration file cannot be used, the settings stay as they are", &fields);
}

/// Returns the text of an error with its causes, the mistakes of a file separated by semicolons.
fn one_line(error: &InitError) -> String {
    let text = format!("{error:?}");
    let mut lines = text.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    match lines.collect::<Vec<_>>()[..] {
        [] => first.to_owned(),
        ref mistakes => format!("{first} {}", mistakes.join("; ")),
    }
}
