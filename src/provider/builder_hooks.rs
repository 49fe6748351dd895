//! Additions of the user to the SDK's builders.

use std::fmt;

use opentelemetry_sdk::metrics::{Instrument, Stream};

/// Chooses a stream for an instrument.
pub(crate) type View = Box<dyn Fn(&Instrument) -> Option<Stream> + Send + Sync>;

/// Additions to an SDK builder.
pub(crate) struct BuilderHooks<B>(Vec<Box<dyn FnOnce(B) -> B + Send>>);

impl<B> BuilderHooks<B> {
    pub(crate) fn push(&mut self, step: impl FnOnce(B) -> B + Send + 'static) {
        self.0.push(Box::new(step));
    }

    pub(crate) fn apply(self, builder: B) -> B {
        self.0.into_iter().fold(builder, |builder, step| step(builder))
    }

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
