//! The choice of a configuration file.

use std::fmt;
#[cfg(feature = "config-file")]
use std::path::PathBuf;
#[cfg(feature = "config-file")]
use std::time::Duration;

#[cfg(feature = "config-file")]
use super::Builder;
use crate::error::InitError;
#[cfg(feature = "config-file")]
use crate::settings::secrets::shown_path;
use crate::settings::{self, BuilderConfig, Env, Settings};
#[cfg(feature = "config-file")]
use crate::settings::{
    CONFIG_FILE, ConfigChange, ConfigDocument, ConfigFile, EXPERIMENTAL_CONFIG_FILE, EffectiveConfiguration,
    LoadedFile, ResolvedFile,
};

/// The file that is named in code, and what is done to it.
#[derive(Default)]
pub(super) struct ConfigFileChoice {
    #[cfg(feature = "config-file")]
    path: Option<PathBuf>,
    #[cfg(feature = "config-file")]
    change: Option<ConfigChange>,
}

/// What the environment or a file says, together with code.
pub(super) struct Resolution {
    pub(super) settings: Settings,
    /// Mistakes in code.
    pub(super) errors: Vec<InitError>,
    /// What layers read in place of the environment, if a file replaces it.
    pub(super) layer_env: Option<Env>,
    #[cfg(feature = "config-file")]
    pub(super) file: Option<LoadedFile>,
}

impl ConfigFileChoice {
    /// Resolves the settings: from the file if one is named, otherwise from the environment.
    #[cfg(feature = "config-file")]
    pub(super) fn resolve(self, config: BuilderConfig, env: &Env) -> Result<Resolution, Vec<InitError>> {
        if let Some(path) = env.config_file(EXPERIMENTAL_CONFIG_FILE) {
            return Err(vec![InitError::InvalidSetting {
                setting: "config_file",
                value: shown_path(&path),
                origin: EXPERIMENTAL_CONFIG_FILE.to_owned(),
                reason: format!("this variable is no longer read: name the file by {CONFIG_FILE}"),
                source: None,
            }]);
        }
        let from_env = env.config_file(CONFIG_FILE).map(|path| ConfigFile::new(path, CONFIG_FILE));
        let from_code = self.path.map(|path| ConfigFile::new(path, ".config_file()"));
        let Some(file) = from_env.or(from_code) else {
            let (settings, errors) = settings::resolve(&config, env);
            return Ok(Resolution { settings, errors, layer_env: None, file: None });
        };
        let (file, resolved) = LoadedFile::load(file, config, self.change)?;
        let ResolvedFile { mut settings, layers, errors, .. } = resolved;
        settings.warnings.extend(file.ignored_variables(env));
        Ok(Resolution { settings, errors, layer_env: Some(layers), file: Some(file) })
    }

    #[cfg(not(feature = "config-file"))]
    pub(super) fn resolve(self, config: BuilderConfig, env: &Env) -> Result<Resolution, Vec<InitError>> {
        let (settings, errors) = settings::resolve(&config, env);
        Ok(Resolution { settings, errors, layer_env: None })
    }
}

impl fmt::Debug for ConfigFileChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "config-file")]
        return f
            .debug_struct("ConfigFileChoice")
            .field("path", &self.path.as_deref().map(shown_path))
            .finish_non_exhaustive();
        #[cfg(not(feature = "config-file"))]
        f.debug_struct("ConfigFileChoice").finish()
    }
}

/// The configuration file.
#[cfg(feature = "config-file")]
impl Builder {
    /// The standard configuration file of OpenTelemetry, in YAML; needs the feature `config-file`.
    ///
    /// A file replaces the environment as a whole: other variables count only where the file refers to them, as
    /// `${NAME}`. Code gives what a file cannot (layers, processors, closures), attributes of the resource that the
    /// file does not name, and settings of this crate that are absent from its section
    /// `distribution.telemetry_bootstrap`. A mistake in the file is an error of `build()`, which lists them all.
    ///
    /// Overridden by `OTEL_CONFIG_FILE`. Default: none. The chapter
    /// [`configuration_file`](crate::_documentation::configuration_file) has all of it.
    ///
    /// ```no_run
    /// let _telemetry = telemetry_bootstrap::init().config_file("/etc/otel/config.yaml").build()?;
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config_file.path = Some(path.into());
        self
    }

    /// Returns the settings in effect as a configuration file, of which [`build`](Self::build) makes the same
    /// telemetry. Starts nothing.
    ///
    /// With it a program moves from variables and code to a file: print the file, look through it, and name it by
    /// `OTEL_CONFIG_FILE`. Comments say which variable or setter each value came from, and at the top, what a file has
    /// no place for. Secrets, such as the values of headers, are references to variables; a comment says so where the
    /// variable has to be set first.
    ///
    /// ```
    /// let builder = || telemetry_bootstrap::init().service_name("greeter").endpoint("http://collector:4317");
    /// let file = builder().effective_configuration()?;
    /// assert!(file.contains("endpoint: http://collector:4317  # .endpoint()\n"));
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InitError`] for the mistakes in settings that `build()` would report.
    pub fn effective_configuration(self) -> Result<String, InitError> {
        let env = if self.ignore_env { Env::none() } else { Env::process() };
        let (settings, additions) = self.resolve()?;
        let layers = additions.layer_env.as_ref().unwrap_or(&env);
        let in_code = additions.describe(&settings);
        Ok(EffectiveConfiguration { settings: &settings, env: &env, layers, in_code }.to_file())
    }

    /// Changes the document of the configuration file before it is checked, wherever the file was named. Without a file
    /// the closure is not called; it is called again for each version of the file that is read later.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().config_file("/etc/otel/config.yaml").config_file_changes(|document| {
    ///     document.set("distribution.telemetry_bootstrap.log_output.format", "json");
    /// });
    /// ```
    pub fn config_file_changes(
        mut self,
        change: impl Fn(&mut ConfigDocument) + Send + Sync + 'static,
    ) -> Self {
        self.config_file.change = Some(Box::new(change));
        self
    }

    /// Watches the configuration file: reads it again every `interval`, and applies what has changed, as
    /// [`TelemetryGuard::reload`](crate::TelemetryGuard::reload) does. Zero: not watched. Without a file nothing is watched.
    ///
    /// The content is compared, so that files which are replaced or mounted (a Kubernetes `ConfigMap`) are noticed as
    /// well. What changed, what changes only at the next start, and what is wrong with a version of the file, is logged
    /// once.
    ///
    /// Overridden by `distribution.telemetry_bootstrap.reload_interval` in the file (milliseconds). Default: zero.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().config_file("/etc/otel/config.yaml").reload_interval(Duration::from_secs(5));
    /// ```
    pub fn reload_interval(mut self, interval: Duration) -> Self {
        self.config.common.values.set(&settings::RELOAD_INTERVAL, interval);
        self
    }
}
