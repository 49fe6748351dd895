//! The panic hook.

/// Of the events that tell of panics.
pub(crate) const TARGET: &str = "panic";
