//! Time: when something started, and timestamps as text.

pub(crate) mod clock;
pub(crate) mod start_time;
