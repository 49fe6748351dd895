//! Trace and span ids that a forked process does not share with its parent.
//!
//! A fork copies the state of the random generator of the thread that forks. Without a change, parent and child would go on
//! with the same ids.

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwapOption;
use opentelemetry::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use crate::export::own_threads::Fork;

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

/// Combines the id with the bits of this process: ids stay random, and differ from those of the parent.
#[cold]
fn changed_trace_id(id: TraceId) -> TraceId {
    TraceId::from(u128::from_be_bytes(id.to_bytes()) ^ bits())
}

/// Like [`changed_trace_id`].
#[cold]
fn changed_span_id(id: SpanId) -> SpanId {
    let [.., a, b, c, d, e, f, g, h] = bits().to_be_bytes();
    SpanId::from(u64::from_be_bytes(id.to_bytes()) ^ u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// Bits that are random for this process.
fn bits() -> u128 {
    if let Some(child) = CHILD.load_full().filter(|child| !child.fork.is_child()) {
        return child.bits;
    }
    let child = Child { fork: Fork::new(), bits: random_bits() };
    let bits = child.bits;
    CHILD.store(Some(Arc::new(child)));
    bits
}

/// Returns random bits of the operating system. If it has none, those of the SDK's generator, and the process id.
pub(super) fn random_bits() -> u128 {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        bytes = RandomIdGenerator::default().new_trace_id().to_bytes();
        return u128::from_be_bytes(bytes) ^ u128::from(std::process::id());
    }
    u128::from_be_bytes(bytes)
}

/// A forked process, with its bits.
struct Child {
    /// Tells whether the current process is a child of that one again.
    fork: Fork,
    bits: u128,
}

/// The process in which telemetry started; ids are not changed there.
static FIRST_PROCESS: LazyLock<Fork> = LazyLock::new(Fork::new);
/// Bits of the process that asked last. A child of it finds them outdated.
static CHILD: ArcSwapOption<Child> = ArcSwapOption::const_empty();
