//! Events become OTLP log records.
