//! The panic hook.
