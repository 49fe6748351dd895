//! Settings and parts become telemetry that is complete, and known to nobody yet.

use std::sync::Arc;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracer;
use tracing_core::Subscriber;
use tracing_subscriber::registry::LookupSpan;

use crate::builder::{Builder, Parts};
use crate::diagnostics::Diagnostics;
use crate::error::InitError;
use crate::export::{Exporter, Ledger, LogQueue, MetricQueue, Queue, Route, Signal, SpanQueue};
use crate::guard::{Ledgers, Providers, Running, TelemetryGuard};
use crate::settings::{self, Directives, ExportSettings, QueueSettings, Settings};
use crate::subscriber::filter::{BadDirective, Filter, FilterHandle};
use crate::subscriber::{self, Filters};
use crate::{propagation, provider, resource, semconv};

mod lines;

/// Everything that `build()` makes before it touches a global.
pub(crate) struct Assembled<S> {
    pub(crate) layer: subscriber::Parts<S>,
    pub(crate) guard: TelemetryGuard,
    pub(crate) propagator: Box<dyn opentelemetry::propagation::TextMapPropagator + Send + Sync>,
}
