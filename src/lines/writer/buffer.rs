//! The bytes that wait, and the threads that wait for them.
//!
//! # The parts
//!
//! | part | waits | woken by |
//! |---|---|---|
//! | callers that log | never, unless the policy is [`Block`](OverflowPolicy::Block) or the line is an error | – |
//! | the reader, the writer's thread | for lines | the first line, or half a buffer |
//! | callers that flush | for the reader's progress | each write that has ended |
//!
//! A caller appends its line and leaves; the reader takes everything at once and exchanges the buffer for an empty
//! one, so the lock is only held while copying. After a write the reader waits for a millisecond before it sleeps:
//! lines that follow each other closely then share a write and cost no wake-up.
//!
//! # Counting
//!
//! `accepted` and `finished` are bytes since the start. A flush notes `accepted` and waits until `finished` has reached
//! it, whatever is appended meanwhile. Lines that the output refuses count as finished, and as dropped.
//!
//! # Lines that are urgent
//!
//! An error should be in the output when the program ends right after it. Its caller waits for the write, within a
//! budget: at most 50 ms for one line, and a tenth of the time in the long run, so an output that hangs does not stop
//! a program that logs errors.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::OverflowPolicy;
use crate::export::own_threads::{on_io_thread, on_line_writer};

/// A bounded buffer of lines with one reader.
pub(super) struct Buffer {
    /// Held for a copy of one line, or for an exchange of buffers.
    state: Mutex<State>,
    /// The reader waits here for lines.
    filled: Condvar,
    /// Callers that flush, or wait for room, wait here for the reader.
    emptied: Condvar,
    /// Lines that did not fit or that the output refused.
    dropped: AtomicU64,
    /// The policy for a full buffer.
    overflow: OverflowPolicy,
    max_bytes: usize,
}

/// The counts of lines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pushed {
    /// It will be written.
    Taken,
    /// Taken while the program is ending.
    Draining,
    /// It was counted as lost.
    Dropped,
}

/// Guarded by the buffer's lock.
#[derive(Default)]
struct State {
    /// Whole lines that the reader has not taken.
    waiting: Vec<u8>,
    /// Bytes that the reader has taken and not yet written.
    in_flight: usize,
    /// Bytes of one long line, in `waiting` or taken by the reader. The room for other lines does not depend on it.
    oversized: Oversized,
    lines_in_flight: u64,
    /// Lines in `waiting`.
    lines_waiting: u64,
    /// Bytes accepted and bytes written, in total.
    accepted: u64,
    finished: u64,
    /// `true` if the reader must be woken.
    reader: Reader,
    /// A flush is in progress: the reader must not wait for more lines.
    flushing: usize,
    blocked: usize,
    /// The program is ending: no caller waits for room any more.
    ending: bool,
    closed: bool,
    /// A wait for the output timed out; cleared by progress.
    stalled: bool,
    /// `true` if the buffer has a line of the reader's own thread, such as the report of a panic in the output.
    own_line: OwnLine,
    /// The time that callers may still wait for urgent lines, and the time from which it is counted.
    patience: Option<(Duration, Instant)>,
}

/// Bytes of a line that takes more than a quarter of the buffer, or is longer than it.
#[derive(Clone, Copy, Default)]
struct Oversized {
    waiting: usize,
    in_flight: usize,
}

/// Prevents feedback from an output that logs while writing: only one of its lines is accepted until other lines have
/// been written.
#[derive(Clone, Copy, Default, PartialEq)]
enum OwnLine {
    #[default]
    None,
    Waiting,
    InFlight,
    Written,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Reader {
    /// Writing, or about to check without being woken.
    #[default]
    Busy,
    /// Must be woken.
    Asleep,
}

impl Buffer {
    /// Creates an empty buffer.
    pub(super) fn new(overflow: OverflowPolicy, max_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            dropped: AtomicU64::new(0),
            overflow,
            max_bytes,
        }
    }

    /// Takes whole lines, or counts them as dropped when there is no room.
    pub(super) fn push(&self, lines: &[u8]) -> Pushed {
        // Without the lock, which is held for the copy alone.
        let count = count_lines(lines);
        let mut state = self.lock();
        if self.overflow == OverflowPolicy::Block && !on_io_thread() {
            state = self.wait_for_room(state, lines.len());
        }
        if !state.has_room(lines.len(), self.max_bytes) || (on_line_writer() && !state.admit_own_line()) {
            drop(state);
            self.count_dropped(count);
            return Pushed::Dropped;
        }
        let pushed = if state.ending { Pushed::Draining } else { Pushed::Taken };
        state.waiting.extend_from_slice(lines);
        state.accepted += lines.len() as u64;
        state.lines_waiting += count;
        if state.is_oversized(lines.len(), self.max_bytes) {
            state.oversized.waiting = lines.len();
        }
        let wake = state.reader == Reader::Asleep || state.is_half_full(self.max_bytes);
        if wake {
            state.reader = Reader::Busy;
        }
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        pushed
    }

    /// Bytes of lines taken so far.
    pub(super) fn accepted(&self) -> u64 {
        self.lock().accepted
    }

    /// Waits until there is room, or the program ends.
    fn wait_for_room<'a>(&self, mut state: MutexGuard<'a, State>, length: usize) -> MutexGuard<'a, State> {
        if state.ending || state.has_room(length, self.max_bytes) {
            return state;
        }
        state.blocked += 1;
        self.filled.notify_one();
        while !state.ending && !state.has_room(length, self.max_bytes) {
            state = self.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.blocked -= 1;
        state
    }

    /// For the reader: exchanges the waiting bytes for `spare`, which is empty; `false` if there are none and no writer
    /// can add any. `written` is the number of bytes that it has written since the last call.
    ///
    /// After a write it lingers: lines that come soon after each other then need no wake-up, and share a write.
    pub(super) fn take(&self, spare: &mut Vec<u8>, written: usize) -> bool {
        let mut state = self.lock();
        if written > 0 {
            state.finish(written);
            self.emptied.notify_all();
            if !state.is_pressing(self.max_bytes) {
                state = self.filled.wait_timeout(state, LINGER).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        while state.waiting.is_empty() {
            if state.closed {
                return false;
            }
            state.reader = Reader::Asleep;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.reader = Reader::Busy;
        std::mem::swap(&mut state.waiting, spare);
        state.in_flight = spare.len();
        state.lines_in_flight = std::mem::take(&mut state.lines_waiting);
        state.oversized = Oversized { waiting: 0, in_flight: state.oversized.waiting };
        if state.own_line == OwnLine::Waiting {
            state.own_line = OwnLine::InFlight;
        }
        true
    }

    /// Waits until everything accepted so far is written or dropped.
    ///
    /// The reader would wait for itself, and the I/O thread has telemetry to deliver: they do not wait.
    pub(super) fn flush(&self, deadline: Instant) -> bool {
        self.flush_until(deadline, deadline)
    }

    /// The same, for the last lines of the program.
    ///
    /// On a busy machine the reader may have to wait for a processor. As long as it has not begun to write, it is not
    /// the output that holds lines up, and they get [`MAX_WAKE`] more.
    pub(super) fn flush_last(&self, deadline: Instant) -> bool {
        self.flush_until(deadline, deadline + MAX_WAKE)
    }

    /// Waits until `deadline`, and until `latest` as long as the reader has not begun to write.
    fn flush_until(&self, mut deadline: Instant, latest: Instant) -> bool {
        if on_io_thread() {
            return false;
        }
        let mut state = self.lock();
        let goal = state.accepted;
        state.flushing += 1;
        state.reader = Reader::Busy;
        self.filled.notify_one();
        while state.finished < goal {
            let now = Instant::now();
            if state.in_flight == 0 {
                deadline = deadline.max(latest.min(now + WRITE_GRACE));
            }
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                break;
            }
            state = self.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.flushing -= 1;
        let done = state.finished >= goal;
        state.stalled = !done;
        done
    }

    /// The same, unless the last wait was in vain and the output has not moved since: a stalled output costs callers
    /// one wait, not one for each line.
    pub(super) fn flush_if_moving(&self, patience: Duration) {
        if !self.lock().stalled {
            self.flush(Instant::now() + patience);
        }
    }

    /// Waits for a moment until an urgent line is written. In the long run, such waits take a tenth of the time.
    pub(super) fn flush_urgent(&self) {
        let begun = Instant::now();
        if !self.lock().has_patience(begun) {
            return;
        }
        self.flush_if_moving(URGENT_PATIENCE);
        self.lock().use_patience(begun.elapsed());
    }

    /// The program is ending: lines that would have to wait for room are dropped.
    pub(super) fn end(&self) {
        self.lock().ending = true;
        self.emptied.notify_all();
    }

    /// No more lines will be added; the reader may end.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Returns `true` once no more lines can come.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Counts lines that are lost.
    pub(super) fn count_dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Lines that the output has not taken so far.
    pub(super) fn unwritten(&self) -> u64 {
        let state = self.lock();
        state.lines_in_flight + state.lines_waiting
    }

    /// Returns the lines that were lost so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A panic while this lock is held leaves a valid state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the bytes that are not written.
    fn pending(&self) -> usize {
        self.waiting.len() + self.in_flight
    }

    /// Returns `true` if there is room beside what is there, or if this long line is the only one.
    fn has_room(&self, length: usize, max_bytes: usize) -> bool {
        let ordinary = self.pending() - self.oversized.waiting - self.oversized.in_flight;
        self.is_oversized(length, max_bytes) || ordinary + length <= max_bytes
    }

    /// Returns `true` for a long line if no other one is there: it does not count as part of the buffer, in which it
    /// would leave no room for others.
    fn is_oversized(&self, length: usize, max_bytes: usize) -> bool {
        let is_only = self.oversized.waiting + self.oversized.in_flight == 0;
        is_only && length > max_bytes / 4
    }

    /// Lets one line of the reader's own thread through.
    fn admit_own_line(&mut self) -> bool {
        let is_admitted = self.own_line == OwnLine::None;
        if is_admitted {
            self.own_line = OwnLine::Waiting;
        }
        is_admitted
    }

    /// Returns `true` if a caller may wait for an urgent line. The budget grows by a tenth of the time that has passed.
    fn has_patience(&mut self, now: Instant) -> bool {
        let (left, since) = self.patience.unwrap_or((MAX_PATIENCE, now));
        let left = MAX_PATIENCE.min(left + now.saturating_duration_since(since) / 10);
        self.patience = Some((left, now));
        left >= URGENT_PATIENCE
    }

    /// Takes a wait from the budget.
    fn use_patience(&mut self, waited: Duration) {
        if let Some((left, _)) = &mut self.patience {
            *left = left.saturating_sub(waited);
        }
    }

    /// Returns `true` if the reader should be woken before the buffer is full.
    fn is_half_full(&self, max_bytes: usize) -> bool {
        self.waiting.len() > max_bytes / 2
    }

    /// Returns `true` if the reader must not wait for more lines.
    fn is_pressing(&self, max_bytes: usize) -> bool {
        self.flushing > 0 || self.blocked > 0 || self.closed || self.is_half_full(max_bytes)
    }

    /// Notes that what the reader had taken is written.
    fn finish(&mut self, bytes: usize) {
        self.in_flight = 0;
        self.lines_in_flight = 0;
        self.oversized.in_flight = 0;
        self.own_line = match self.own_line {
            // One that came during the write before.
            OwnLine::Waiting => OwnLine::Waiting,
            // A write of other lines must come between.
            OwnLine::InFlight => OwnLine::Written,
            OwnLine::Written | OwnLine::None => OwnLine::None,
        };
        self.finished += bytes as u64;
        self.stalled = false;
    }
}

/// Lines in a piece of output; a rest without a line feed is one, too.
pub(super) fn count_lines(lines: &[u8]) -> u64 {
    // Bytes are counted in bytes, many at once, and those counts are added up before they overflow.
    let feeds_of = |piece: &[u8]| piece.iter().fold(0_u8, |count, byte| count + u8::from(*byte == b'\n'));
    let feeds: u64 = lines.chunks(usize::from(u8::MAX)).map(|piece| u64::from(feeds_of(piece))).sum();
    feeds + u64::from(!lines.is_empty() && !lines.ends_with(b"\n"))
}

/// The longest that the end of a program waits for the reader to get a processor.
pub(super) const MAX_WAKE: Duration = Duration::from_millis(500);
/// The time that a write gets that began late.
const WRITE_GRACE: Duration = Duration::from_millis(40);
/// The time for which the reader waits for more lines after a write.
const LINGER: Duration = Duration::from_millis(1);
/// The longest wait for one urgent line. It is written much sooner, unless the machine is so busy that the reader has
/// to wait for a processor.
const URGENT_PATIENCE: Duration = Duration::from_millis(50);
/// The longest time that urgent lines may take together, when there were none before.
const MAX_PATIENCE: Duration = Duration::from_millis(100);
