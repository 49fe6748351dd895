//! The state that a layer shares between its services, created at the first call.
//!
//! A layer is often created before `build()`, in a static or while a router is assembled. The global providers are therefore
//! looked up at the first call, and once more at the first call after `build()`: a client can be used before, for example to
//! fetch the configuration. All clones of a layer, and all services that it makes, share the result.

use std::fmt;
use std::sync::{Arc, OnceLock};

use opentelemetry::Context;

use crate::provider::installed::Installed;

/// The options of a layer, and the recorder that is created from them at the first call, when the global providers are
/// installed.
pub(super) struct LazyRecorder<O, R> {
    /// The options set by the setters; clones of a layer share them until one is changed.
    options: Arc<O>,
    /// Created at the first call, for all clones.
    recorders: Arc<Recorders<R>>,
}

/// The recorders of a layer.
struct Recorders<R> {
    /// The recorder for calls before `build()`, or without it.
    before_build: OnceLock<Arc<R>>,
    /// The recorder for calls after it.
    installed: OnceLock<Arc<R>>,
}

impl<R> Default for Recorders<R> {
    fn default() -> Self {
        Self { before_build: OnceLock::new(), installed: OnceLock::new() }
    }
}

impl<O: Clone, R> LazyRecorder<O, R> {
    /// Keeps the options; nothing is looked up.
    pub(super) fn new(options: O) -> Self {
        Self { options: Arc::new(options), recorders: Arc::default() }
    }

    /// Changes the options. Services that were already created keep theirs.
    ///
    /// Used by the setters of a layer, which are called before the layer is applied. Options that clones share are
    /// copied first.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut O)) {
        change(Arc::make_mut(&mut self.options));
        self.recorders = Arc::default();
    }

    /// Returns the options as they are now.
    pub(super) fn options(&self) -> &O {
        &self.options
    }

    /// Returns the recorder, creating it with `create` if this is the first call. Returns `None` where telemetry is
    /// suppressed, such as in an exporter.
    ///
    /// Concurrent first calls wait for the one that creates it.
    pub(super) fn get_or_create(&self, create: impl FnOnce(Arc<O>) -> R) -> Option<&Arc<R>> {
        let recorder = || {
            let recorders = &*self.recorders;
            let recorder =
                if Installed::get().is_some() { &recorders.installed } else { &recorders.before_build };
            recorder.get_or_init(|| Arc::new(create(Arc::clone(&self.options))))
        };
        (!Context::is_current_telemetry_suppressed()).then(recorder)
    }
}

impl<O, R> Clone for LazyRecorder<O, R> {
    fn clone(&self) -> Self {
        Self { options: Arc::clone(&self.options), recorders: Arc::clone(&self.recorders) }
    }
}

impl<O: fmt::Debug, R> fmt::Debug for LazyRecorder<O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}
