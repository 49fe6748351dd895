//! The load of one busy client.

#![allow(dead_code, clippy::allow_attributes, clippy::expect_used, reason = "each bench uses its part")]

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Runtime;

/// Makes so many calls, a few at once.
pub(crate) async fn make_calls<F: Future>(calls: u64, call: impl Fn(u64) -> F) {
    let mut at_once = FuturesUnordered::new();
    for number in 0..calls {
        if at_once.len() == AT_ONCE {
            at_once.next().await;
        }
        at_once.push(call(number));
    }
    while at_once.next().await.is_some() {}
}

/// One thread serves: there is least noise then, and the call without telemetry is cheapest.
pub(crate) fn current_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The caller's context, when the caller has sampled the call.
pub(crate) const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// And when it has not.
pub(crate) const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
/// Calls that are measured together.
pub(crate) const TURN: u64 = 2_000;
/// Calls on their way at once, as one busy client has them.
const AT_ONCE: usize = 16;
