//! Telemetry as text for people, on standard output: each trace as a tree when it has ended, metrics as a table.
//!
//! ```text
//! ── trace 5b8efff798038103d269b633813fc60c  14:20:44.123Z
//! checkout  12.3 ms  basket=b1
//! ├─ · INFO paid  items=3
//! └─ query [client]  4.1 ms
//! ```
//!
//! Spans and log records arrive one by one and in separate requests. Those of a trace are held until its root has ended
//! and nothing of it has arrived for [`SETTLE`]; the root is the span that no other span of this process contains. What
//! is held for longer than [`MAX_AGE`] is printed as far as it is there, as are the oldest traces once [`MAX_HELD`] items
//! or [`MAX_HELD_BYTES`] are held. At the end everything is printed.
//!
//! An item that is held is pending. It counts as delivered when it is printed, and as failed if that is not possible
//! until the end of the shutdown.
//!
//! # Life of a trace
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
//! A write that fails puts its traces back, and they are printed together with what has arrived meanwhile.
//!
//! | item | shown |
//! |---|---|
//! | span | in the tree of its trace |
//! | log record of a sampled trace, if spans are printed too | in the tree, below its span |
//! | other log record | at once, as a line of its own |
//! | collection of metrics | at once, as a table |
//!
//! Traces, records and metrics are workers of their own, with one [`Printer`] between them, so that their output does
//! not interleave.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::outcome::Outcome;
use super::output::{Output, WRITE_TIMEOUT};
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::export::queue::Consumer;
use crate::export::render::terminal::{Colors, DIM, time_of_day};
use crate::export::render::{self, LogRecord, Span, hex};
use crate::settings::{OutputTarget, Signal};

/// The way of one signal to the console.
pub(in crate::export) struct Console {
    /// The signal that is printed.
    signal: Signal,
    /// The lane of this signal, in whose ledger held items are counted once they are printed.
    queue: Consumer,
    /// Shared by all signals.
    printer: Printer,
}

impl Console {
    /// Adds a signal to the printer.
    pub(super) fn new(signal: Signal, queue: Consumer, printer: Printer) -> Self {
        printer.0.signals.fetch_add(1, Ordering::Relaxed);
        if signal == Signal::Traces {
            printer.0.has_traces.store(true, Ordering::Relaxed);
        }
        Self { signal, queue, printer }
    }

    /// Returns the signal that is printed.
    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    /// Prints one request, or holds what belongs to a trace that has not ended.
    ///
    /// Returns [`Outcome::Held`] if items are held. If a trace has ended, the call lasts [`SETTLE`] longer and prints
    /// it.
    pub(super) async fn send(
        &self,
        request: Bytes,
        timeout: Duration,
        is_unanswered: Arc<AtomicBool>,
    ) -> Outcome {
        let printer = &self.printer;
        let (mut spans, mut records, mut text) = (Vec::new(), Vec::new(), String::new());
        match self.signal {
            Signal::Traces => spans.extend(render::items(&request).map(Span::decode)),
            Signal::Logs => {
                let all = render::items(&request).map(LogRecord::decode);
                let (in_traces, others): (Vec<_>, Vec<_>) =
                    all.partition(|record| printer.has_trace_of(record));
                records = in_traces;
                others.iter().for_each(|record| text.push_str(&record_text(record, printer.0.colors)));
            }
            Signal::Metrics => text = metrics_text(&request, printer.0.colors),
        }
        let outcome = printer.print(Due::Now, text, timeout, &is_unanswered).await;
        if outcome.failure().is_some() {
            return outcome;
        }
        let (items, has_ended) = printer.hold(&self.queue, spans, records);
        if has_ended {
            tokio::time::sleep(SETTLE).await;
            // What cannot be printed is still held, and the next request waits for it.
            let _ = printer.print(Due::Now, String::new(), timeout, &is_unanswered).await;
        }
        if items > 0 { Outcome::Held { items } } else { outcome }
    }

    /// Prints what is held, once no signal sends any more. Returns when that is done: what a signal has held is counted
    /// until then.
    ///
    /// The last signal to end prints; the others wait for it. There is always time for one write, even after the
    /// deadline.
    pub(super) async fn finish(&self, deadline: Instant) {
        let shared = &self.printer.0;
        let deadline = deadline.max(Instant::now() + LAST_WRITE);
        if shared.signals.fetch_sub(1, Ordering::Relaxed) > 1 {
            let mut has_ended = shared.has_ended.subscribe();
            let _ = timeout_at(deadline, has_ended.wait_for(|has_ended| *has_ended)).await;
            return;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let printed = self.printer.print(Due::All, String::new(), left, &AtomicBool::new(false)).await;
        if let Some(failure) = printed.failure() {
            shared.diagnostics.warn(
                "the last traces were not printed to the console",
                &[
                    ("items", FieldValue::Count(shared.held().items as u64)),
                    ("error", FieldValue::Text(&failure.text)),
                ],
            );
        }
        shared.has_ended.send_replace(true);
    }
}

/// Prints what all signals send to the console, and holds the traces that have not ended. Cheap to clone.
#[derive(Clone)]
pub(super) struct Printer(Arc<Shared>);

/// What all clones of a printer share.
struct Shared {
    /// Standard output; something else in tests.
    output: Output,
    /// On at a terminal, unless they are turned off.
    colors: Colors,
    /// The traces that have not been printed. Locked for moments, never during a write.
    held: Mutex<Held>,
    /// The number of signals that still send.
    signals: AtomicUsize,
    /// `true` once what was held at the end is printed, or cannot be.
    has_ended: watch::Sender<bool>,
    /// `true` if spans are printed as well: records are then held for their trees.
    has_traces: AtomicBool,
    /// Starts [`print_aged`] with the first item that is held.
    age_check: Once,
    /// Gets a warning if the last traces cannot be printed.
    diagnostics: Diagnostics,
}

impl Shared {
    /// Locks the held traces. A poisoned lock is used as it is.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of the held traces are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Those that have ended or are held for too long.
    Now,
    /// Every trace, as far as it is there.
    All,
}

impl Printer {
    /// Creates the printer for standard output. `no_color` is `true` if a setting turns colours off.
    pub(super) fn new(no_color: bool, diagnostics: Diagnostics) -> Self {
        let colors = Colors::new(io::stdout().is_terminal(), no_color);
        Self::with_output(Output::new(OutputTarget::Stdout), colors, diagnostics)
    }

    /// Creates a printer for any output.
    fn with_output(output: Output, colors: Colors, diagnostics: Diagnostics) -> Self {
        Self(Arc::new(Shared {
            output,
            colors,
            held: Mutex::default(),
            signals: AtomicUsize::new(0),
            has_ended: watch::Sender::new(false),
            has_traces: AtomicBool::new(false),
            age_check: Once::new(),
            diagnostics,
        }))
    }

    /// Returns `true` if the record is shown in the tree of its trace.
    fn has_trace_of(&self, record: &LogRecord) -> bool {
        self.0.has_traces.load(Ordering::Relaxed) && record.is_sampled && !record.trace_id.is_empty()
    }

    /// Keeps spans and records until their traces have ended. Returns the number of those that it keeps, and whether a
    /// trace has ended. `queue` counts them once they are printed.
    fn hold(&self, queue: &Consumer, spans: Vec<Span>, records: Vec<LogRecord>) -> (u64, bool) {
        if spans.is_empty() && records.is_empty() {
            return (0, false);
        }
        let weak = Arc::downgrade(&self.0);
        self.0.age_check.call_once(|| drop(tokio::spawn(print_aged(weak))));
        let mut held = self.0.held();
        let before = held.items;
        let mut has_ended = false;
        for span in spans {
            let (id, size) = (span.trace_id.clone(), span.size);
            has_ended |= held.add(queue, id, size, |trace| trace.add_span(span));
        }
        for record in records {
            has_ended |= held.add(queue, record.trace_id.clone(), record.size, |trace| {
                trace.records.push(record);
                true
            });
        }
        ((held.items - before) as u64, has_ended)
    }

    /// Prints the traces that are due, and then `text`. What cannot be printed is held again.
    ///
    /// On success the items count as delivered, each in the ledger of its signal.
    async fn print(&self, due: Due, text: String, timeout: Duration, is_unanswered: &AtomicBool) -> Outcome {
        let traces = self.0.held().take(due);
        let mut all: String = traces.iter().map(|trace| trace.text(self.0.colors)).collect();
        all.push_str(&text);
        let outcome = self.0.output.write(|| all.into_bytes(), timeout, is_unanswered).await;
        if outcome.failure().is_some() {
            self.0.held().put_back(traces);
        } else {
            traces.iter().flat_map(|trace| &trace.queues).for_each(|queue| {
                queue.record(|ledger| ledger.deliver(1));
            });
        }
        outcome
    }
}

/// Prints traces that are held for too long, until nothing is sent to the console any more.
async fn print_aged(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(MAX_AGE / 5).await;
        let Some(shared) = shared.upgrade() else { return };
        if shared.held().has_due() {
            let is_unanswered = AtomicBool::new(false);
            let _ = Printer(shared).print(Due::Now, String::new(), WRITE_TIMEOUT, &is_unanswered).await;
        }
    }
}

/// The traces that have not been printed.
#[derive(Default)]
struct Held {
    /// By trace id.
    traces: HashMap<Vec<u8>, Trace>,
    /// The number of spans and records in them.
    items: usize,
    /// Their bytes, in their encoded form.
    bytes: usize,
}

/// A trace that is held, with what has arrived of it.
struct Trace {
    /// The trace id.
    id: Vec<u8>,
    /// In the order of arrival; a span that was sent twice is here once.
    spans: Vec<Span>,
    /// The ids of the spans.
    span_ids: HashSet<Vec<u8>>,
    /// In the order of arrival.
    records: Vec<LogRecord>,
    /// The lane of each item, in no particular order: there are as many as spans and records together.
    queues: Vec<Consumer>,
    /// Of all items, in their encoded form.
    bytes: usize,
    /// `true` if a span without a parent in this process has ended.
    has_ended: bool,
    /// When its first item came, for [`MAX_AGE`].
    first_arrival: Instant,
    /// When its newest item came, for [`SETTLE`].
    last_arrival: Instant,
}

impl Held {
    /// Changes a trace by `add`, which returns `true` if it adds an item of `queue`, which has `size` bytes. Returns
    /// `true` if the trace has ended.
    ///
    /// The trace is created if there is none with this id.
    fn add(
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
    fn has_due(&self) -> bool {
        let now = Instant::now();
        self.is_full() || self.traces.values().any(|trace| trace.is_due(now))
    }

    /// Returns `true` if more is held than the limits allow.
    fn is_full(&self) -> bool {
        self.items > MAX_HELD || self.bytes > MAX_HELD_BYTES
    }

    /// Takes out the traces that are due, in the order of their start. If too many items are held, the oldest traces
    /// are among them.
    fn take(&mut self, due: Due) -> Vec<Trace> {
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

    /// Holds traces again that could not be printed, and joins them with what has arrived of them since.
    fn put_back(&mut self, traces: Vec<Trace>) {
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
    fn add_span(&mut self, span: Span) -> bool {
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
    fn text(&self, colors: Colors) -> String {
        let title = format!("trace {}  {}", hex(&self.id), clock(self.start()));
        format!("{}{}", headline(&title, colors), render::tree(&self.spans, &self.records, colors))
    }
}

/// Returns the line of a log record that belongs to no trace, or whose trace is not printed.
fn record_text(record: &LogRecord, colors: Colors) -> String {
    let mut text =
        format!("{} {}", colors.paint(DIM, &clock(record.time)), render::record_line(record, colors));
    if !record.trace_id.is_empty() {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "  {}", colors.paint(DIM, &format!("trace {}", hex(&record.trace_id))));
    }
    text.push('\n');
    text
}

/// Returns a collection as a headline and a table. The time is that of its newest point.
fn metrics_text(request: &[u8], colors: Colors) -> String {
    let metrics = render::metrics(request);
    let times = metrics.iter().flat_map(|collected| &collected.metric.points).map(|point| point.time);
    let title = format!("metrics  {}", clock(times.max().unwrap_or_default()));
    format!("{}{}", headline(&title, colors), render::table(&metrics, colors))
}

/// Returns a line that separates one printout from the next.
fn headline(title: &str, colors: Colors) -> String {
    format!("\n{}\n", colors.paint(DIM, &format!("── {title}")))
}

/// Returns the time of day, from nanoseconds since 1970.
fn clock(nanos: u64) -> String {
    time_of_day(UNIX_EPOCH.checked_add(Duration::from_nanos(nanos)).unwrap_or(SystemTime::UNIX_EPOCH))
}

/// The time without an arrival after which a trace that has ended is printed. Its records come on another way than its
/// spans, and each of them waits for [`DELAY`] at most.
const SETTLE: Duration = Duration::from_millis(100);
/// The delay of batches to the console: a person watches.
pub(crate) const DELAY: Duration = Duration::from_millis(50);
/// The longest time that a trace is held. One that has not ended by then is printed as far as it is there.
const MAX_AGE: Duration = Duration::from_secs(5);
/// The most spans and records that are held.
const MAX_HELD: usize = 10_000;
/// The most bytes of them, in their encoded form.
const MAX_HELD_BYTES: usize = 16 << 20;
/// The least time for the last write, after the deadline too.
const LAST_WRITE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
