//! A configuration file that is in effect, with everything that is needed to read it again.
//!
//! | what | at the start | at a reload |
//! |---|---|---|
//! | the path | made absolute | the same |
//! | the content | read by [`LoadedFile::load`] | read by the caller, with [`read_config_file`] |
//! | variables that the file refers to | read | read again |
//! | the closure of `config_file_changes` | called | called again |
//! | what code gives | taken from the builder | the same |
//! | settings | all take effect | those take effect that can, see [`changes`](super::changes) |
//! | a panic of the closure | reaches the program | is an error, and the version in effect stays |

use std::path::{Path, PathBuf};
use std::{fmt, io};

use super::changes::fixed_changes;
use super::yaml::{MAX_BYTES, Node};
use super::{ConfigDocument, ConfigFile, Resolved};
use crate::error::InitError;
use crate::settings::Settings;
use crate::settings::builder_config::BuilderConfig;
use crate::settings::env::Env;
use crate::settings::opened_file::read_start;
use crate::user_code::catch_panic;

/// Changes a document before it is checked.
///
/// Given by [`Builder::config_file_changes`](crate::Builder::config_file_changes); called for each version of the file.
pub(crate) type ConfigChange = Box<dyn Fn(&mut ConfigDocument) + Send + Sync>;

/// A configuration file that is in effect.
///
/// The guard of telemetry owns it and reads the file again with it.
pub(crate) struct LoadedFile {
    /// The file as it was named, for messages.
    file: ConfigFile,
    /// The path at the start, when the working directory may have been another one.
    path: PathBuf,
    /// What code gives. It does not change any more.
    config: BuilderConfig,
    /// The closure that changes each version of the document.
    change: Option<ConfigChange>,
    /// What was read last.
    ///
    /// Taken by the watcher, which compares later contents with it; empty from then on.
    content: Vec<u8>,
    /// The document that telemetry was started with, after `change`.
    started: Node,
}

/// Another version of a file, checked.
///
/// It has no mistakes, neither in the file nor in code.
pub(crate) struct NewVersion {
    /// All settings of the new version. Of these the caller applies what can change at run time.
    pub(crate) settings: Settings,
    /// The paths of what differs from the start and does not take effect.
    ///
    /// Empty if the new version takes effect as a whole.
    pub(crate) needs_restart: Vec<String>,
}

impl LoadedFile {
    /// Reads a file. Returns it with its settings, or everything that is wrong.
    ///
    /// The path is made absolute here, so that a program that changes its working directory, as daemons do, still finds
    /// the file later.
    ///
    /// # Errors
    ///
    /// One [`InitError::InvalidSetting`] if the file cannot be read; otherwise what [`ConfigFile::resolve`] returns.
    pub(crate) fn load(
        file: ConfigFile,
        config: BuilderConfig,
        change: Option<ConfigChange>,
    ) -> Result<(Self, Resolved), Vec<InitError>> {
        let path = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
        let content = read_config_file(&path).map_err(|error| vec![file.unreadable(error)])?;
        let resolved = file.resolve(&content, &config, change.as_deref())?;
        let started = resolved.root.clone();
        Ok((Self { file, path, config, change, content, started }, resolved))
    }

    /// Returns the path, as messages show it.
    pub(crate) fn name(&self) -> String {
        self.file.name()
    }

    /// Returns a warning about variables that the file replaces and does not refer to.
    pub(crate) fn ignored_variables(&self, env: &Env) -> Option<String> {
        self.file.ignored_variables(env)
    }

    /// Returns where the file is, independent of the working directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what was read at the start.
    ///
    /// The first call returns it, and each later one returns nothing.
    pub(crate) fn take_content(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.content)
    }

    /// Checks another version of the file completely. Nothing is changed by it.
    ///
    /// # Errors
    ///
    /// One error for everything that is wrong: the file cannot be read, has mistakes, or the closure that changes it
    /// panicked. The version in effect stays.
    pub(crate) fn resolve(&self, content: io::Result<&[u8]>) -> Result<NewVersion, InitError> {
        let content = content.map_err(|error| self.file.unreadable(error))?;
        let resolve = || self.file.resolve(content, &self.config, self.change.as_deref());
        let resolved = catch_panic(resolve).unwrap_or_else(|| Err(vec![self.panicked()]));
        let Resolved { settings, errors, root, .. } = resolved.map_err(InitError::from_several)?;
        match InitError::from_all(errors) {
            Some(error) => Err(error),
            None => Ok(NewVersion { needs_restart: fixed_changes(&self.started, &root), settings }),
        }
    }

    /// Returns the error for a closure that panicked on a new version. At the start, the panic reaches the program.
    ///
    /// The message of the panic is not part of it: it may hold a secret.
    fn panicked(&self) -> InitError {
        InitError::InvalidSetting {
            setting: "config_file_changes",
            value: self.name(),
            origin: ".config_file_changes()".to_owned(),
            reason: "the closure panicked".to_owned(),
            source: None,
        }
    }
}

impl fmt::Debug for LoadedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedFile").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Reads the file at a path, and one byte more than is allowed, by which the parser sees that it is too large.
///
/// # Errors
///
/// The system's, and an error for anything that is no regular file: a FIFO would make the program wait.
pub(crate) fn read_config_file(path: &Path) -> io::Result<Vec<u8>> {
    read_start(path, MAX_BYTES as u64 + 1)
}
