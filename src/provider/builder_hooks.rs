//! Additions of the user to the SDK's builders.
//!
//! The SDK's builders change their type or consume themselves with each call, and exist only once the settings are
//! resolved. Until then, each addition is kept as a closure.

use std::fmt;

use opentelemetry_sdk::metrics::{Instrument, Stream};

/// A view of the user: chooses a stream for an instrument, or none.
pub(crate) type View = Box<dyn Fn(&Instrument) -> Option<Stream> + Send + Sync>;

/// Additions to an SDK builder, in the order in which the user made them.
pub(crate) struct BuilderHooks<B>(Vec<Box<dyn FnOnce(B) -> B + Send>>);

impl<B> BuilderHooks<B> {
    /// Adds a step, which runs after the earlier ones.
    pub(crate) fn push(&mut self, step: impl FnOnce(B) -> B + Send + 'static) {
        self.0.push(Box::new(step));
    }

    /// Runs all steps in their order.
    pub(crate) fn apply(self, builder: B) -> B {
        self.0.into_iter().fold(builder, |builder, step| step(builder))
    }

    /// Returns the number of additions, for a report of what a configuration file cannot express.
    #[cfg(feature = "config-file")]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if the user added nothing, so shortcuts are possible.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<B> fmt::Debug for BuilderHooks<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} additions", self.0.len())
    }
}

impl<B> Default for BuilderHooks<B> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
