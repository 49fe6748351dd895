//! Trace and span ids that a forked process does not share with its parent.

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwapOption;
use opentelemetry::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use uuid::Uuid;

use crate::fork::Fork;

/// The SDK's random ids.
///
/// The thread that forks has the same random numbers before it in both processes. In a child they are changed by bits
/// that are random for this process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RandomIds;

impl IdGenerator for RandomIds {
    fn new_trace_id(&self) -> TraceId {
        let id = RandomIdGenerator::default().new_trace_id();
        if FIRST_PROCESS.is_child() { changed_trace_id(id) } else { id }
    }

    fn new_span_id(&self) -> SpanId {
        let id = RandomIdGenerator::default().new_span_id();
        if FIRST_PROCESS.is_child() { changed_span_id(id) } else { id }
    }
}

/// Remembers this process as one that makes ids, before any thread makes one.
pub(crate) fn remember_process() {
    LazyLock::force(&FIRST_PROCESS);
}

#[cold]
fn changed_trace_id(id: TraceId) -> TraceId {
    TraceId::from(u128::from_be_bytes(id.to_bytes()) ^ bits())
}

#[cold]
fn changed_span_id(id: SpanId) -> SpanId {
    // The last bytes of a UUID of version 4 hold its variant, and 62 random bits.
    let [.., a, b, c, d, e, f, g, h] = bits().to_be_bytes();
    SpanId::from(u64::from_be_bytes(id.to_bytes()) ^ u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// Bits that are random for this process.
fn bits() -> u128 {
    if let Some(child) = CHILD.load_full().filter(|child| !child.fork.is_child()) {
        return child.bits;
    }
    let child = Child { fork: Fork::new(), bits: Uuid::new_v4().as_u128() };
    let bits = child.bits;
    CHILD.store(Some(Arc::new(child)));
    bits
}

struct Child {
    fork: Fork,
    bits: u128,
}

static FIRST_PROCESS: LazyLock<Fork> = LazyLock::new(Fork::new);
static CHILD: ArcSwapOption<Child> = ArcSwapOption::const_empty();
