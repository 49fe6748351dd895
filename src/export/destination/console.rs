//! Telemetry as text for people, on standard output: each trace as a tree when it has ended, metrics as a table.
//!
//! ```text
//! ── trace 5b8efff798038103d269b633813fc60c  14:20:44.123Z
//! checkout  12.3 ms  basket=b1
//! ├─ · INFO paid  items=3
//! └─ query [client]  4.1 ms
//! ```
//!
//! Spans and log records arrive one by one and in separate requests. Those of a trace are held until its root has
//! ended and nothing of it has arrived for [`SETTLE`]; the root is the span that no other span of this process
//! contains. What is held for longer than [`MAX_AGE`] is printed if it is present, as are the oldest traces once
//! [`MAX_HELD`](held::MAX_HELD) items or [`MAX_HELD_BYTES`](held::MAX_HELD_BYTES) are held. At the end everything is
//! printed.
//!
//! An item that is held is pending. It is counted as delivered when it is printed, and as failed if that is not
//! possible until the end of the shutdown, or because the reader of standard output is gone.
//!
//! | item | shown |
//! |---|---|
//! | span | in the tree of its trace |
//! | event or link of a span | in the tree, below its span |
//! | log record of a sampled trace, if spans are printed too | in the tree, below its span |
//! | other log record | at once, as a line of its own |
//! | collection of metrics | at once, as a table |
//!
//! Traces, records and metrics are workers of their own, with one [`Printer`] between them, so their output does not
//! interleave.

mod held;

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::held::{Due, Held, MAX_AGE, SETTLE, Trace};
use super::outcome::{Failure, Outcome};
use super::output::{Output, WRITE_TIMEOUT};
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::export::queue::Consumer;
use crate::export::render::terminal::{Colors, DIM, time_of_day};
use crate::export::render::{self, LogRecord, Span, hex};
use crate::settings::Signal;

/// The path of one signal to the console.
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
        let mut failure = None;
        if has_ended {
            tokio::time::sleep(SETTLE).await;
            // What cannot be printed now is still held, and the next request waits for it.
            let printed = printer.print(Due::Now, String::new(), timeout, &is_unanswered).await;
            failure = printed.failure().filter(|failure| failure.cause.is_final()).cloned();
        }
        if items > 0 || failure.is_some() { Outcome::Held { items, failure } } else { outcome }
    }

    /// Prints all held traces once no signal sends any more, and returns when they are counted. Returns the failure
    /// if standard output was closed.
    ///
    /// The last signal to end prints; the others wait for it. There is always time for one write, even after the
    /// deadline.
    pub(super) async fn finish(&self, deadline: Instant) -> Option<Failure> {
        let shared = &self.printer.0;
        let deadline = deadline.max(Instant::now() + LAST_WRITE);
        if shared.signals.fetch_sub(1, Ordering::Relaxed) > 1 {
            let mut has_ended = shared.has_ended.subscribe();
            let _ = timeout_at(deadline, has_ended.wait_for(|has_ended| *has_ended)).await;
            return None;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let printed = self.printer.print(Due::All, String::new(), left, &AtomicBool::new(false)).await;
        if let Outcome::Retry(failure) = &printed {
            shared.diagnostics.warn(
                "the last traces were not printed to the console",
                &[
                    ("items", FieldValue::Count(shared.held().items as u64)),
                    ("error", FieldValue::Text(&failure.text)),
                ],
            );
        }
        shared.has_ended.send_replace(true);
        printed.failure().filter(|failure| failure.cause.is_final()).cloned()
    }
}

/// Prints what all signals send to the console, and holds the traces that have not ended. Cheap to clone.
#[derive(Clone)]
pub(super) struct Printer(Arc<Shared>);

/// State shared by all clones of a printer.
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

impl Printer {
    /// Creates the printer for standard output. `no_color` is `true` if a setting turns colours off.
    pub(super) fn new(output: Output, no_color: bool, diagnostics: Diagnostics) -> Self {
        let colors = Colors::new(io::stdout().is_terminal(), no_color);
        Self::with_output(output, colors, diagnostics)
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

    /// Prints the traces that are due, and then `text`. What cannot be printed is held again, unless standard output has
    /// no reader any more.
    ///
    /// On success the items count as delivered, each in the ledger of its signal. Without a reader, all that is held
    /// is counted as failed.
    async fn print(&self, due: Due, text: String, timeout: Duration, is_unanswered: &AtomicBool) -> Outcome {
        let deadline = Instant::now() + timeout;
        let mut printed = None;
        loop {
            let traces = self.0.held().take(due);
            if traces.is_empty() {
                break;
            }
            let outcome = self.print_traces(traces, deadline).await;
            if outcome.failure().is_some() {
                return outcome;
            }
            printed = Some(outcome);
        }
        if let Some(printed) = printed.filter(|_| text.is_empty()) {
            return printed;
        }
        let outcome = self.write(text, deadline, is_unanswered).await;
        if let Outcome::Refused(_) = outcome {
            self.fail(Vec::new());
        }
        outcome
    }

    /// Prints traces. Those that cannot be printed are held again, unless standard output has no reader any more.
    async fn print_traces(&self, traces: Vec<Trace>, deadline: Instant) -> Outcome {
        let text = traces.iter().map(|trace| trace.text(self.0.colors)).collect();
        let may_be_written = AtomicBool::new(false);
        let outcome = self.write(text, deadline, &may_be_written).await;
        match &outcome {
            Outcome::Delivered { .. } | Outcome::Held { .. } => {
                items(traces).for_each(|queue| queue.record(|ledger| ledger.deliver(1)));
            }
            Outcome::Refused(_) => self.fail(traces),
            Outcome::Retry(_) | Outcome::TooLarge(_) if may_be_written.load(Ordering::Relaxed) => {
                self.0.held().put_back_unfinished(traces);
            }
            Outcome::Retry(_) | Outcome::TooLarge(_) => self.0.held().put_back(traces),
        }
        outcome
    }

    /// Writes a text. One that is empty finds out whether anything can be written.
    async fn write(&self, text: String, deadline: Instant, is_unanswered: &AtomicBool) -> Outcome {
        let (text, left) = (Bytes::from(text), deadline.saturating_duration_since(Instant::now()));
        self.0.output.write(text.clone(), move || text.into(), left, is_unanswered).await
    }

    /// Counts these traces, and all that are held, as failed: standard output has no reader any more.
    fn fail(&self, traces: Vec<Trace>) {
        let held =
            std::iter::from_fn(|| Some(self.0.held().take(Due::All)).filter(|traces| !traces.is_empty()));
        let all = std::iter::once(traces).chain(held).flat_map(items);
        all.for_each(|queue| queue.record(|ledger| ledger.fail(1)));
    }
}

/// Returns the lane of each item.
fn items(traces: Vec<Trace>) -> impl Iterator<Item = Consumer> {
    traces.into_iter().flat_map(|trace| trace.queues)
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

/// The delay of batches to the console: a person watches.
pub(crate) const DELAY: Duration = Duration::from_millis(50);
/// The least time for the last write, after the deadline too.
const LAST_WRITE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
