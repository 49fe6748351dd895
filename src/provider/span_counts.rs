//! The spans that were started and ended, counted for `otel.sdk.span.started` and `otel.sdk.span.live`.
//!
//! | span | start counted by | end counted by |
//! |---|---|---|
//! | encoded as it is recorded, of `tracing` or of a call | what starts it, after the decision | the span itself |
//! | of the SDK | the sampler of its provider | a span processor |
//! | dropped without a call of the sampler | what starts it | – (it is not recorded) |
//! | below a local span that is not sampled, which it stands for | what starts it, or its close | – |
//!
//! Nothing is counted unless the metrics of the SDK are chosen. Then a start and an end cost an addition each, to
//! counters that few threads share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::SpanContext;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SamplingDecision, Span, SpanData, SpanProcessor};

use crate::export::own_threads::thread_number;

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct SpanCounts([Shard; SHARDS]);

/// The counters of a part of the threads, in cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// Starts by the origin of the parent, then by the decision.
    started: [[AtomicU64; 3]; 3],
    /// Recorded spans that ended: those that were not sampled, then those that were.
    ended: [AtomicU64; 2],
}

/// Origin of a span's parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParentOrigin {
    /// It has none.
    None,
    /// In this process.
    Local,
    /// In another process.
    Remote,
}

impl ParentOrigin {
    /// All of them, in the order of the counters.
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Local, Self::Remote];

    /// Returns the origin of a parent. An invalid span context is no parent.
    fn from_parent(parent: &SpanContext) -> Self {
        match parent.is_valid() {
            false => Self::None,
            true if parent.is_remote() => Self::Remote,
            true => Self::Local,
        }
    }
}

/// All decisions, in the order of the counters.
pub(crate) const DECISIONS: [SamplingDecision; 3] =
    [SamplingDecision::Drop, SamplingDecision::RecordOnly, SamplingDecision::RecordAndSample];

impl SpanCounts {
    /// Counts a span that starts.
    #[inline(never)]
    pub(crate) fn start(&self, parent: &SpanContext, decision: &SamplingDecision) {
        let started = &self.shard().started[ParentOrigin::from_parent(parent) as usize];
        started[decision.clone() as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a span that stands for its parent, a span of this process that is not sampled.
    #[inline(never)]
    pub(crate) fn start_follower(&self) {
        let dropped = SamplingDecision::Drop as usize;
        self.shard().started[ParentOrigin::Local as usize][dropped].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a recorded span that ends.
    #[inline(never)]
    pub(crate) fn end(&self, is_sampled: bool) {
        self.shard().ended[usize::from(is_sampled)].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many spans were started below such a parent, with this decision.
    pub(crate) fn started(&self, origin: ParentOrigin, decision: &SamplingDecision) -> u64 {
        let counters = self.0.iter().map(|shard| &shard.started[origin as usize][decision.clone() as usize]);
        counters.map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    /// Returns how many recorded spans have started and not ended, of those that are sampled, or of the others.
    pub(crate) fn live(&self, is_sampled: bool) -> u64 {
        let decision =
            if is_sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::RecordOnly };
        // Read first: what has ended was started before.
        let ended = self.0.iter().map(|shard| shard.ended[usize::from(is_sampled)].load(Ordering::Acquire));
        let ended: u64 = ended.sum();
        let started: u64 = ParentOrigin::ALL.iter().map(|origin| self.started(*origin, &decision)).sum();
        started.saturating_sub(ended)
    }

    /// Returns the counters of this thread.
    fn shard(&self) -> &Shard {
        &self.0[usize::from(thread_number()) % SHARDS]
    }
}

/// A span processor that counts the ends of recorded spans of the SDK.
#[derive(Debug)]
pub(super) struct CountedEnds(pub(super) Arc<SpanCounts>);

impl SpanProcessor for CountedEnds {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.end(span.span_context.is_sampled());
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The number of counters. Threads beyond it share.
const SHARDS: usize = 16;
