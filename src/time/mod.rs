//! Time: when something started, and timestamps as text.

pub(crate) mod clock;
#[cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    expect(dead_code, reason = "calls use more of it than spans")
)]
pub(crate) mod start_time;
