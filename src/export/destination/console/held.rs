//! The traces that the console holds until they are complete.
//!
//! ```text
//!               root ended            SETTLE without an arrival
//!  collecting ─────────────▶ ended ────────────────────────────▶ printed ─▶ delivered
//!       │                                                           ▲
//!       ├── MAX_AGE after its first item ───────────────────────────┤
//!       ├── MAX_HELD or MAX_HELD_BYTES is exceeded; it is the oldest┤
//!       └── the shutdown ───────────────────────────────────────────┘
//! ```
//!
//! A write that fails puts its traces back, and they are printed together with what has arrived meanwhile. Those of a write
//! that has not ended in time are printed as they were: it may succeed after all.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::{clock, headline};
use crate::export::queue::Consumer;
use crate::export::render::terminal::Colors;
use crate::export::render::{self, LogRecord, Span, hex};

/// Selection of the held traces to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Those that have ended or are held for too long.
    Now,
    /// Every trace, if it is present.
    All,
}

/// The traces that have not been printed.
#[derive(Default)]
pub(super) struct Held {
    /// The held traces by trace id.
    traces: HashMap<Vec<u8>, Trace>,
    /// Traces whose write has not ended in time. They are printed as they were, so a write that succeeds after all is
    /// not repeated.
    unfinished: VecDeque<Vec<Trace>>,
    /// The number of spans and records in them.
    pub(super) items: usize,
    /// Their bytes, in their encoded form.
    pub(super) bytes: usize,
}

/// A trace that is held, with what has arrived of it.
pub(super) struct Trace {
    /// The trace id.
    id: Vec<u8>,
    /// In the order of arrival; a span that was sent twice is here once.
    spans: Vec<Span>,
    /// The ids of the spans.
    span_ids: HashSet<Vec<u8>>,
    /// In the order of arrival.
    pub(super) records: Vec<LogRecord>,
    /// The lane of each item, in no particular order: there are as many as spans and records together.
    pub(super) queues: Vec<Consumer>,
    /// The size of all items in encoded form.
    bytes: usize,
    /// `true` if a span without a parent in this process has ended.
    has_ended: bool,
    /// The arrival of its first item, for [`MAX_AGE`].
    first_arrival: Instant,
    /// The arrival of its newest item, for [`SETTLE`].
    last_arrival: Instant,
}

impl Held {
    /// Changes a trace by `add`, which returns `true` if it adds an item of `queue`, which has `size` bytes. Returns
    /// `true` if the trace has ended.
    ///
    /// The trace is created if there is none with this id.
    pub(super) fn add(
        &mut self,
        queue: &Consumer,
        id: Vec<u8>,
        size: usize,
        add: impl FnOnce(&mut Trace) -> bool,
    ) -> bool {
        let now = Instant::now();
        let trace = self.traces.entry(id).or_insert_with_key(|id| Trace {
            id: id.clone(),
            spans: Vec::new(),
            span_ids: HashSet::new(),
            records: Vec::new(),
            queues: Vec::new(),
            bytes: 0,
            has_ended: false,
            first_arrival: now,
            last_arrival: now,
        });
        trace.last_arrival = now;
        if add(trace) {
            trace.queues.push(queue.clone());
            trace.bytes += size;
            self.items += 1;
            self.bytes += size;
        }
        trace.has_ended
    }

    /// Returns `true` if [`take`](Self::take) with [`Due::Now`] would return a trace.
    pub(super) fn has_due(&self) -> bool {
        let now = Instant::now();
        !self.unfinished.is_empty() || self.is_full() || self.traces.values().any(|trace| trace.is_due(now))
    }

    /// Returns `true` if more is held than the limits allow.
    fn is_full(&self) -> bool {
        self.items > MAX_HELD || self.bytes > MAX_HELD_BYTES
    }

    /// Takes out the traces that are due, in the order of their start: those of an unfinished write alone. If too many
    /// items are held, the oldest traces are among them. Called again until it returns none.
    pub(super) fn take(&mut self, due: Due) -> Vec<Trace> {
        if let Some(unfinished) = self.unfinished.pop_front() {
            unfinished.iter().for_each(|trace| self.subtract(trace));
            return unfinished;
        }
        let now = Instant::now();
        let is_due = |_: &Vec<u8>, trace: &mut Trace| due == Due::All || trace.is_due(now);
        let mut taken: Vec<_> = self.traces.extract_if(is_due).map(|(_, trace)| trace).collect();
        taken.iter().for_each(|trace| self.subtract(trace));
        while self.is_full()
            && let Some(oldest) = self.traces.values().min_by_key(|trace| trace.first_arrival)
            && let Some(oldest) = self.traces.remove(&oldest.id.clone())
        {
            self.subtract(&oldest);
            taken.push(oldest);
        }
        taken.sort_by_key(Trace::start);
        taken
    }

    /// Counts a trace that is not held any more.
    fn subtract(&mut self, trace: &Trace) {
        self.items -= trace.items();
        self.bytes -= trace.bytes;
    }

    /// Holds traces again whose write has not ended in time.
    pub(super) fn put_back_unfinished(&mut self, traces: Vec<Trace>) {
        self.items += traces.iter().map(Trace::items).sum::<usize>();
        self.bytes += traces.iter().map(|trace| trace.bytes).sum::<usize>();
        self.unfinished.push_back(traces);
    }

    /// Holds traces again that could not be printed, and joins them with what has arrived of them since.
    pub(super) fn put_back(&mut self, traces: Vec<Trace>) {
        for trace in traces {
            self.items += trace.items();
            self.bytes += trace.bytes;
            match self.traces.get_mut(&trace.id) {
                Some(later) => later.merge(trace),
                None => drop(self.traces.insert(trace.id.clone(), trace)),
            }
        }
    }
}

impl Trace {
    /// Returns `true` if the span is new: a request that is sent again does not add its spans twice.
    pub(super) fn add_span(&mut self, span: Span) -> bool {
        if !self.span_ids.insert(span.span_id.clone()) {
            return false;
        }
        self.has_ended |= span.is_local_root();
        self.spans.push(span);
        true
    }

    /// Adds the items that were taken out before.
    fn merge(&mut self, earlier: Self) {
        self.spans.extend(earlier.spans);
        self.span_ids.extend(earlier.span_ids);
        self.bytes += earlier.bytes;
        self.records.extend(earlier.records);
        self.queues.extend(earlier.queues);
        self.has_ended |= earlier.has_ended;
        self.first_arrival = earlier.first_arrival;
    }

    /// Returns `true` if the trace has ended and settled, or is held for too long.
    fn is_due(&self, now: Instant) -> bool {
        let age = |arrival| now.saturating_duration_since(arrival);
        (self.has_ended && age(self.last_arrival) >= SETTLE) || age(self.first_arrival) >= MAX_AGE
    }

    /// Returns the number of spans and records.
    fn items(&self) -> usize {
        self.queues.len()
    }

    /// Returns the earliest time in the trace, in nanoseconds since 1970.
    fn start(&self) -> u64 {
        let times = self.spans.iter().map(|span| span.start);
        times.chain(self.records.iter().map(|record| record.time)).min().unwrap_or_default()
    }

    /// Returns the trace as a headline and a tree.
    pub(super) fn text(&self, colors: Colors) -> String {
        let title = format!("trace {}  {}", hex(&self.id), clock(self.start()));
        format!("{}{}", headline(&title, colors), render::tree(&self.spans, &self.records, colors))
    }
}

/// The time without an arrival after which a trace that has ended is printed. Its records come on another way than its
/// spans, and each of them waits for [`DELAY`](super::DELAY) at most.
pub(super) const SETTLE: Duration = Duration::from_millis(100);
/// The longest time that a trace is held. One that has not ended by then is printed if it is present.
pub(super) const MAX_AGE: Duration = Duration::from_secs(5);
/// The most spans and records that are held.
pub(super) const MAX_HELD: usize = 10_000;
/// The most bytes of them, in their encoded form.
pub(super) const MAX_HELD_BYTES: usize = 16 << 20;
