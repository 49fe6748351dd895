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

/// The configuration file set in code, and the changes applied to it.
#[derive(Default)]
pub(super) struct ConfigFileChoice {
    #[cfg(feature = "config-file")]
    path: Option<PathBuf>,
    #[cfg(feature = "config-file")]
    change: Option<ConfigChange>,
}

/// Settings resolved from the environment or a file, and from code.
pub(super) struct Resolution {
    pub(super) settings: Settings,
    /// Errors in settings from code.
    pub(super) errors: Vec<InitError>,
    /// The environment that layers read instead of the process's, if a file replaces it.
    pub(super) layer_env: Option<Env>,
    #[cfg(feature = "config-file")]
    pub(super) file: Option<LoadedFile>,
}

impl ConfigFileChoice {
    /// Resolves the settings, from the configuration file if there is one, and otherwise from the
    /// environment.
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
    /// Sets the standard OpenTelemetry configuration file, in YAML. Needs the feature `config-file`.
    ///
    /// A configuration file replaces the environment: other variables are only read where the file references
    /// them, as `${NAME}`. Code provides what a file cannot (layers, processors, closures), resource
    /// attributes that the file does not set, and settings of this crate that are absent from its section
    /// `distribution.telemetry_bootstrap`. An error in the file is an error of `build()`, which lists all of
    /// them.
    ///
    /// Overridden by `OTEL_CONFIG_FILE`. Default: none. See the chapter
    /// [`configuration_file`](crate::_documentation::configuration_file).
    ///
    /// ```no_run
    /// let _telemetry = telemetry_bootstrap::init().config_file("/etc/otel/config.yaml").build()?;
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config_file.path = Some(path.into());
        self
    }

    /// Returns the effective settings as a configuration file, without starting telemetry.
    /// [Building](Self::build) from that file gives the same telemetry.
    ///
    /// Use it to move a program from variables and code to a file: print the file, review it, and set
    /// `OTEL_CONFIG_FILE` to its path. Comments name the variable or setter of each value; those at the top
    /// list what a file cannot express. Secrets, such as header values, are written as references to
    /// variables, with a comment if the variable has to be set first.
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
    /// [`InitError`] for the invalid settings that `build()` would report.
    pub fn effective_configuration(self) -> Result<String, InitError> {
        let env = if self.ignore_env { Env::none() } else { Env::process() };
        let (settings, additions) = self.resolve()?;
        let layers = additions.layer_env.as_ref().unwrap_or(&env);
        let in_code = additions.describe(&settings);
        Ok(EffectiveConfiguration { settings: &settings, env: &env, layers, in_code }.to_file())
    }

    /// Changes the document of the configuration file before it is checked, no matter where the file was set.
    /// The closure is called once for each version of the file that is read, and never without a file.
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

    /// Watches the configuration file: reads it every `interval` and applies changes, as
    /// [`TelemetryGuard::reload`](crate::TelemetryGuard::reload) does. Zero disables watching. Has no effect
    /// without a configuration file.
    ///
    /// File contents are compared, so files that are replaced or mounted (a Kubernetes `ConfigMap`) are
    /// noticed as well. Applied changes, changes that need a restart, and errors in a version of the file are
    /// each logged once.
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
