//! Resolves settings from environment and builder.

mod decide;
mod export;

pub(super) use decide::{Chosen, Resolver};
pub(super) use export::{SignalNames, or_unlimited};
