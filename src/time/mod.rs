//! Time: when something started, and timestamps as text.
//!
//! | module | used by | clock |
//! |---|---|---|
//! | `start_time` | spans and calls | wall clock at the start, monotonic clock from then on |
//! | `clock` | log lines | wall clock, one read for each event |

pub(crate) mod clock;
pub(crate) mod start_time;
