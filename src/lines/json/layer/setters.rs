//! The options of a layer.

use opentelemetry::Value;

use super::JsonLayer;
use crate::lines::context_fields::BaggageKeys;
use crate::lines::json::keys::{Field, FieldNames, MissingIds, SpanFields};
use crate::lines::redaction::Redaction;

impl<W> JsonLayer<W> {
    /// Sets the names that a backend expects. Default: [`FieldNames::OpenTelemetry`].
    ///
    /// ```
    /// use telemetry_bootstrap::json::{FieldNames, JsonLayer};
    ///
    /// let layer = JsonLayer::new(std::io::stderr).field_names(FieldNames::ElasticCommonSchema);
    /// # drop(layer);
    /// ```
    pub fn field_names(self, names: FieldNames) -> Self {
        self.with(|options| options.style = names)
    }

    /// Renames one field in all lines. A name that is taken or that the backend owns gets the prefix `field.`.
    /// Default: the names of [`field_names`](Self::field_names).
    ///
    /// ```
    /// use telemetry_bootstrap::json::{Field, JsonLayer};
    ///
    /// let layer = JsonLayer::new(std::io::stderr).rename(Field::Target, "logger");
    /// # drop(layer);
    /// ```
    pub fn rename(self, field: Field, name: impl Into<String>) -> Self {
        self.with(|options| options.renamed.push((field, Some(name.into()))))
    }

    /// Leaves one field out of all lines. Default: none is left out.
    ///
    /// ```
    /// use telemetry_bootstrap::json::{Field, JsonLayer};
    ///
    /// let layer = JsonLayer::new(std::io::stderr).without(Field::TraceFlags);
    /// # drop(layer);
    /// ```
    pub fn without(self, field: Field) -> Self {
        self.with(|options| options.renamed.push((field, None)))
    }

    /// Adds the name of the service to every line. Default: not in lines; log shippers usually know it.
    ///
    /// ```
    /// use telemetry_bootstrap::json::JsonLayer;
    ///
    /// let layer = JsonLayer::new(std::io::stderr).service_name("shop");
    /// # drop(layer);
    /// ```
    pub fn service_name(self, name: impl Into<String>) -> Self {
        self.with(|options| options.service[0] = Some(name.into()))
    }

    /// Adds the version of the service to every line. Default: not in lines.
    ///
    /// ```
    /// use telemetry_bootstrap::json::JsonLayer;
    ///
    /// let layer = JsonLayer::new(std::io::stderr).service_version(env!("CARGO_PKG_VERSION"));
    /// # drop(layer);
    /// ```
    pub fn service_version(self, version: impl Into<String>) -> Self {
        self.with(|options| options.service[1] = Some(version.into()))
    }

    /// Adds the environment that the service runs in to every line. Default: not in lines.
    ///
    /// ```
    /// use telemetry_bootstrap::json::JsonLayer;
    ///
    /// let layer = JsonLayer::new(std::io::stderr).environment("production");
    /// # drop(layer);
    /// ```
    pub fn environment(self, environment: impl Into<String>) -> Self {
        self.with(|options| options.service[2] = Some(environment.into()))
    }

    /// Adds a field that is the same in every line. `Debug` of the layer shows its key only.
    ///
    /// ```
    /// use telemetry_bootstrap::json::JsonLayer;
    ///
    /// let layer = JsonLayer::new(std::io::stderr).constant("region", "eu-1");
    /// # drop(layer);
    /// ```
    pub fn constant(self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|options| options.constants.push((key.into(), value.into())))
    }

    /// Names the project whose traces [`FieldNames::GoogleCloudLogging`] refers to:
    /// `"logging.googleapis.com/trace":"projects/<project>/traces/<trace id>"`. Other presets ignore it. Default: the
    /// trace id alone.
    ///
    /// ```
    /// use telemetry_bootstrap::json::{FieldNames, JsonLayer};
    ///
    /// let layer = JsonLayer::new(std::io::stderr)
    ///     .field_names(FieldNames::GoogleCloudLogging)
    ///     .google_cloud_project("my-project");
    /// # drop(layer);
    /// ```
    pub fn google_cloud_project(self, project: impl Into<String>) -> Self {
        self.with(|options| options.google_cloud_project = Some(project.into()))
    }

    /// Sets what is written for an event without a trace. Default: [`MissingIds::Omit`].
    ///
    /// ```
    /// use telemetry_bootstrap::json::{JsonLayer, MissingIds};
    ///
    /// let layer = JsonLayer::new(std::io::stderr).missing_ids(MissingIds::Null);
    /// # drop(layer);
    /// ```
    pub fn missing_ids(self, missing: MissingIds) -> Self {
        self.with(|options| options.missing_ids = missing)
    }

    /// Sets whether and how lines include the fields of the spans around an event. Default: [`SpanFields::Merged`].
    ///
    /// ```
    /// use telemetry_bootstrap::json::{JsonLayer, SpanFields};
    ///
    /// let layer = JsonLayer::new(std::io::stderr).include_span_fields(SpanFields::Nested);
    /// # drop(layer);
    /// ```
    pub fn include_span_fields(self, span_fields: SpanFields) -> Self {
        self.with(|options| options.span_fields = span_fields)
    }

    /// Limits the message and each other text in a line to this many bytes, before they are escaped. A text that is
    /// cut ends with `…`.
    ///
    /// Container runtimes split lines of more than 16 KiB, and a part of a line is no longer JSON. Default, and at most:
    /// 16 MiB.
    ///
    /// ```
    /// use telemetry_bootstrap::json::JsonLayer;
    ///
    /// let layer = JsonLayer::new(std::io::stderr).max_field_length(4096);
    /// # drop(layer);
    /// ```
    pub fn max_field_length(self, bytes: usize) -> Self {
        self.with(|options| options.max_field_length = bytes)
    }

    /// Replaces the values of some fields by `"[redacted]"`. Default: none.
    ///
    /// ```
    /// use telemetry_bootstrap::Redaction;
    /// use telemetry_bootstrap::json::JsonLayer;
    ///
    /// let layer = JsonLayer::new(std::io::stderr).redact(Redaction::keys(["password"]));
    /// # drop(layer);
    /// ```
    pub fn redact(self, redaction: Redaction) -> Self {
        Self { redaction, ..self }
    }

    /// Includes entries of the OpenTelemetry baggage with these keys as fields. Default: none, because baggage arrives
    /// from other services.
    ///
    /// ```
    /// use telemetry_bootstrap::json::JsonLayer;
    ///
    /// let layer = JsonLayer::new(std::io::stderr).baggage_keys(["tenant"]);
    /// # drop(layer);
    /// ```
    pub fn baggage_keys<K: Into<String>>(self, keys: impl IntoIterator<Item = K>) -> Self {
        Self { baggage: BaggageKeys::new(keys), ..self }
    }
}
