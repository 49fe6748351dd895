//! The installation by `build()`, for the parts of this crate that are created without a guard.
//!
//! A [`grpc::ServerLayer`](crate::grpc::ServerLayer), for example, can be created anywhere in the program, before or
//! after `build()`. It looks here when the first call arrives, not when it is created.
//!
//! These values are read on each first call of a layer and, for propagators, on each call: all of them are behind a
//! `OnceLock` and an atomic flag, without a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::diagnostics::Diagnostics;
use crate::export::Queue;
use crate::propagation::Standard;
use crate::provider::SharedSampler;
use crate::provider::built_in::ObservedRuntime;
use crate::settings::{Env, SpanLimitSettings};

/// Resources for spans that are encoded directly.
#[derive(Clone, Debug)]
pub(crate) struct DirectSpans {
    /// `None`: spans have ids and are sampled, but not exported.
    pub(crate) queue: Option<Arc<Queue>>,
    pub(crate) limits: SpanLimitSettings,
    /// Sampled spans that have started and not ended.
    pub(crate) open: Arc<AtomicU64>,
}

/// The installation of this process. Set once, by `install`, and kept until the process ends.
#[derive(Debug)]
pub(crate) struct Installed {
    /// The global provider without its indirection. `None` with `OTEL_SDK_DISABLED`.
    pub(crate) tracer_provider: Option<SdkTracerProvider>,
    /// For spans without that provider. `None` if the program needs those of the SDK.
    pub(crate) direct_spans: Option<DirectSpans>,
    /// The sampler of the provider, which shows for some spans in advance that they are not recorded.
    pub(crate) sampler: SharedSampler,
    /// `true` if the trace ids of its roots are random.
    pub(crate) has_random_ids: bool,
    /// The variables that layers read instead of the process environment: nothing after `Builder::ignore_env`, or the
    /// parts of a configuration file.
    pub(crate) layer_env: Option<Env>,
    /// The standard propagators of the global propagator, if it has no others.
    pub(crate) propagators: Option<Standard>,
    /// `true` once another propagator was made global after that of this installation.
    pub(crate) is_propagator_replaced: Arc<AtomicBool>,
    /// The runtime of the program, for its metrics.
    pub(crate) runtime: ObservedRuntime,
    /// Gets the warnings of layers about their options.
    pub(crate) diagnostics: Diagnostics,
}

impl Installed {
    /// Returns the installation, or `None` before `build()`. In a forked child with telemetry of its own, that one.
    pub(crate) fn get() -> Option<&'static Self> {
        let mut slot = INSTALLED.get()?;
        while let Some(later) = slot.in_child.get() {
            slot = later;
        }
        Some(&slot.installed)
    }

    /// Returns the variables that layers read.
    pub(crate) fn env() -> Env {
        Self::get().and_then(|installed| installed.layer_env.clone()).unwrap_or_else(Env::process)
    }

    /// The standard propagators of the global propagator, as long as it is the installed one.
    ///
    /// A program that makes another propagator global after `build()` must get that one: the drop of
    /// [`GlobalPropagator`], which the API's replacement causes, turns the direct way off for good.
    pub(crate) fn propagators() -> Option<Standard> {
        let installed = Self::get()?;
        installed.propagators.filter(|_| !installed.is_propagator_replaced.load(Ordering::Relaxed))
    }

    /// Stores the installation, in a forked child in place of the parent's.
    pub(crate) fn set(self) {
        let Err(slot) = INSTALLED.set(Slot { installed: self, in_child: OnceLock::new() }) else { return };
        let Some(mut last) = INSTALLED.get() else { return };
        while let Some(later) = last.in_child.get() {
            last = later;
        }
        let _ = last.in_child.set(Box::new(slot));
    }
}

/// The installation of one process, and the place for that of its child.
#[derive(Debug)]
struct Slot {
    /// The installation.
    installed: Installed,
    /// The installation of a child of this process. Only ever set in the child, whose memory is a copy.
    in_child: OnceLock<Box<Self>>,
}

/// The propagator that is made global. Once another one is, this one is dropped.
#[derive(Debug)]
pub(crate) struct GlobalPropagator {
    pub(crate) inner: TextMapCompositePropagator,
    /// The flag of the [`Installed`] that it belongs to: a forked child replaces that of its parent.
    pub(crate) is_replaced: Arc<AtomicBool>,
}

impl TextMapPropagator for GlobalPropagator {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        self.inner.inject_context(context, injector);
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        self.inner.extract_with_context(context, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.inner.fields()
    }
}

impl Drop for GlobalPropagator {
    fn drop(&mut self) {
        self.is_replaced.store(true, Ordering::Relaxed);
    }
}

/// The installation of the first process. Never cleared: after the end of telemetry its providers do nothing, and a
/// second `build()` is an error.
static INSTALLED: OnceLock<Slot> = OnceLock::new();
