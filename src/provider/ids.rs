//! Trace and span ids that a forked process does not share with its parent.
//!
//! A fork copies the state of the random generator of the thread that forks. Without a change, parent and child would
//! go on with the same ids.
//!
//! ```text
//! id of the SDK's generator ─ in the first process ─▶ as it is
//!                           └ in a forked child ────▶ XOR bits that are random for the child
//! ```
//!
//! The bits are made by the first id of each child, and again in a child of that child.

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
    #[inline]
    fn new_trace_id(&self) -> TraceId {
        let id = RandomIdGenerator::default().new_trace_id();
        if FIRST_PROCESS.is_child() { changed_trace_id(id) } else { id }
    }

    #[inline]
    fn new_span_id(&self) -> SpanId {
        let id = RandomIdGenerator::default().new_span_id();
        if FIRST_PROCESS.is_child() { changed_span_id(id) } else { id }
    }
}

/// Marks this process as the one whose ids are not changed. Must be called before a fork can happen, so a provider
/// does it when it is created.
pub(crate) fn remember_process() {
    LazyLock::force(&FIRST_PROCESS);
}

/// Returns the id, combined with the bits of this process: ids stay random, and differ from those of the parent.
#[cold]
fn changed_trace_id(id: TraceId) -> TraceId {
    TraceId::from(u128::from_be_bytes(id.to_bytes()) ^ bits())
}

/// Like [`changed_trace_id`], for the lower half of the bits.
#[cold]
fn changed_span_id(id: SpanId) -> SpanId {
    let [.., a, b, c, d, e, f, g, h] = bits().to_be_bytes();
    SpanId::from(u64::from_be_bytes(id.to_bytes()) ^ u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// Returns bits that are random for this process, and always the same in it.
///
/// Two threads of a child that ask for them first may get different ones for one id each, which does no harm.
fn bits() -> u128 {
    if let Some(child) = CHILD.load_full().filter(|child| !child.fork.is_child()) {
        return child.bits;
    }
    let child = Child { fork: Fork::new(), bits: random_bits() };
    let bits = child.bits;
    CHILD.store(Some(Arc::new(child)));
    bits
}

/// Returns random bits of the operating system. If it has none, those of the SDK's generator, combined with the process
/// id.
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
    /// The process in which `bits` were made: a child of it needs others.
    fork: Fork,
    /// The bits that its ids are combined with.
    bits: u128,
}

/// The process in which telemetry started; ids are not changed there.
static FIRST_PROCESS: LazyLock<Fork> = LazyLock::new(Fork::new);
/// The bits of the process that asked last. A child of that process finds them outdated.
static CHILD: ArcSwapOption<Child> = ArcSwapOption::const_empty();
