//! Setters for resource attributes.

use opentelemetry::{Key, Value};

use super::Builder;
use crate::{semconv, settings};

/// Service and resource.
impl Builder {
    /// Sets the name of the service (`service.name`).
    ///
    /// Overridden by `OTEL_SERVICE_NAME`, then by `service.name` in `OTEL_RESOURCE_ATTRIBUTES`. Default:
    /// `unknown_service:` followed by the name of the executable.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().service_name("greeter");
    /// ```
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.config.common.values.set(&settings::SERVICE_NAME, name.into());
        self
    }

    /// Sets the version of the service (`service.version`), such as `env!("CARGO_PKG_VERSION")`.
    ///
    /// Overridden by `service.version` in `OTEL_RESOURCE_ATTRIBUTES`. Default: none.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().service_version(env!("CARGO_PKG_VERSION"));
    /// ```
    pub fn service_version(self, version: impl Into<String>) -> Self {
        self.resource_attribute(semconv::SERVICE_VERSION, version.into())
    }

    /// Sets the group that the service belongs to (`service.namespace`).
    ///
    /// Overridden by `service.namespace` in `OTEL_RESOURCE_ATTRIBUTES`. Default: none.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().service_namespace("shop");
    /// ```
    pub fn service_namespace(self, namespace: impl Into<String>) -> Self {
        self.resource_attribute(semconv::SERVICE_NAMESPACE, namespace.into())
    }

    /// Sets the deployment environment (`deployment.environment.name`): `production`, `staging`, `test`,
    /// `development`.
    ///
    /// Overridden by `deployment.environment.name` in `OTEL_RESOURCE_ATTRIBUTES`. Default: none.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().environment("production");
    /// ```
    pub fn environment(self, name: impl Into<String>) -> Self {
        self.resource_attribute(semconv::DEPLOYMENT_ENVIRONMENT_NAME, name.into())
    }

    /// Adds a resource attribute. Setting a key again replaces its value.
    ///
    /// Overridden by the same key in `OTEL_RESOURCE_ATTRIBUTES`. Default: only `service.instance.id` (random,
    /// new for each process) and the attributes that identify the SDK and this crate.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().resource_attribute("team", "payments");
    /// ```
    pub fn resource_attribute(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        self.config.resource.push((key.into(), value.into()));
        self
    }
}
