//! A batch: encoded items with their instrumentation scopes, from which an OTLP request is framed.
//!
//! ```text
//! ItemBuffer.bytes:  scope A │ item │ item │ scope B │ item │ item │ item │ item
//!                              └ run of A ─┘           └ of B ┘└ of A ┘└ of B ┘
//! ```
//!
//! Items stay in the order of arrival, and runs of one scope are brought together only when the request is framed. A
//! batch is immutable once it was closed, so destinations can share it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::operations::{Operation, OperationError, ResponseStatus};
use super::suspicion::{Suspicion, Verdict};
use crate::export::encode::{self, points};

/// Encoded items in order of arrival, each run of items with the scope they share.
///
/// Two allocations hold any number of items. Emptied buffers are used again, so recording allocates nothing in the
/// steady state.
#[derive(Clone, Debug, Default)]
pub(crate) struct ItemBuffer {
    /// For each run its items, each framed as a field of the scope's message, and before the first of a scope the encoded
    /// scope. The resource is not among them: it is added to each request.
    bytes: Vec<u8>,
    /// The positions of the scopes, in the order of `bytes`. A scope can occur twice if many others came in between.
    scopes: Vec<Range<usize>>,
    /// The positions of the runs, in the order of `bytes`.
    runs: Vec<ScopeRun>,
    /// The number of items, over all runs.
    count: usize,
}

/// The position of a run in [`ItemBuffer::bytes`], as offsets in bytes.
#[derive(Clone, Copy, Debug)]
struct ScopeRun {
    /// The place of its scope in [`ItemBuffer::scopes`].
    scope: usize,
    /// The position of the first item.
    items_start: usize,
    /// Behind the last item, which for the newest run is the end of the buffer.
    end: usize,
}

impl ItemBuffer {
    /// The most bytes that an item takes beside itself and its scope: the head of its field, a new run and a new scope.
    pub(in crate::export) const OVERHEAD: usize =
        size_of::<ScopeRun>() + size_of::<Range<usize>>() + encode::MAX_HEAD;

    /// Appends an encoded item, in the frame that a request has around it.
    ///
    /// The scope is compared with that of the last run, byte by byte, and then with the few before it: nearly all items of
    /// a program follow one of their own scope, or take turns with those of another, as the spans of calls and of their
    /// handlers do.
    #[inline]
    pub(crate) fn push(&mut self, scope: &[u8], item: &[u8]) {
        let last = self.runs.last().map(|run| run.scope);
        if last.is_none_or(|last| self.scope(last) != scope) {
            let scope = self.place_of(scope);
            let items_start = self.bytes.len();
            self.runs.push(ScopeRun { scope, items_start, end: items_start });
        }
        encode::push_item(&mut self.bytes, item);
        self.count += 1;
        if let Some(run) = self.runs.last_mut() {
            run.end = self.bytes.len();
        }
    }

    /// Returns the number of items.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the memory in use, in bytes. Runs and scopes count as well, because scopes that alternate cost as much as
    /// small items.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
            + self.runs.len() * size_of::<ScopeRun>()
            + self.scopes.len() * size_of::<Range<usize>>()
    }

    /// Returns an encoded scope.
    fn scope(&self, place: usize) -> &[u8] {
        &self.bytes[self.scopes[place].clone()]
    }

    /// Returns the place of a scope among the last ones. One that is not there is appended.
    fn place_of(&mut self, scope: &[u8]) -> usize {
        let end = self.scopes.len();
        let known =
            (end.saturating_sub(MAX_COMPARED_SCOPES)..end).rev().find(|place| self.scope(*place) == scope);
        known.unwrap_or_else(|| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(scope);
            self.scopes.push(start..self.bytes.len());
            end
        })
    }

    /// Returns the place of the scope and the items of each run.
    fn runs(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.runs.iter().map(|run| (run.scope, &self.bytes[run.items_start..run.end]))
    }

    /// Returns the runs of each scope brought together, in the order in which the scopes first came.
    ///
    /// A request then has one `ScopeSpans` (or its counterpart) for each scope, as receivers expect.
    fn by_scope(&self) -> Vec<(&[u8], Vec<&[u8]>)> {
        let mut groups: Vec<(&[u8], Vec<&[u8]>)> = Vec::new();
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        let scopes = (0..self.scopes.len()).map(|place| self.scope(place));
        let group_of = scopes.map(|scope| {
            *known.entry(scope).or_insert_with(|| {
                groups.push((scope, Vec::new()));
                groups.len() - 1
            })
        });
        let group_of: Vec<usize> = group_of.collect();
        for (scope, items) in self.runs() {
            groups[group_of[scope]].1.push(items);
        }
        groups
    }

    /// Divides the items into two buffers, in their order. The first has the odd one.
    fn halves(&self) -> (Self, Self) {
        let (mut first, mut second) = (Self::default(), Self::default());
        let half = self.count.div_ceil(2);
        for (scope, items) in self.runs() {
            for item in encode::framed_items(items) {
                let side = if first.count < half { &mut first } else { &mut second };
                side.push(self.scope(scope), item);
            }
        }
        (first, second)
    }

    /// Appends the items of another buffer, in their order.
    fn append(&mut self, other: &Self) {
        for (scope, items) in other.runs() {
            for item in encode::framed_items(items) {
                self.push(other.scope(scope), item);
            }
        }
    }

    /// Removes all items and keeps the memory.
    fn clear(&mut self) {
        self.bytes.clear();
        self.scopes.clear();
        self.runs.clear();
        self.count = 0;
    }
}

/// The content of one request, and its place in the queue.
///
/// Its items are counted in a ledger as pending from their acceptance on, wherever the batch is. The owner (lane or
/// worker) has to record an outcome before it drops the batch.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The position in the queue. Both halves of a split batch have that of the whole.
    sequence: u64,
    /// The items or the request. Immutable.
    content: Content,
    /// At least one try was sent and not answered, so the receiver may have the items. Never reset, and passed on to
    /// both halves of a split.
    is_unanswered: bool,
    /// The time at which it was first taken, as a whole or as a part of a larger batch.
    started: Option<Instant>,
    /// It was closed for another destination before it was full, and was not taken yet.
    is_early: bool,
    /// The suspicion that it causes its failures itself.
    suspicion: Suspicion,
}

/// Contents of a batch: items that are framed for each try, or a complete request.
#[derive(Debug)]
enum Content {
    /// Items of spans or log records, shared by the destinations that the batch waits for.
    Items(Arc<ItemBuffer>),
    /// A request of metrics that was complete when it was pushed, with the number of data points in it.
    Request(Bytes, u64),
}

impl Batch {
    /// Creates a batch of items, of spans or log records.
    pub(in crate::export) fn items(sequence: u64, items: Arc<ItemBuffer>) -> Self {
        Self::new(sequence, Content::Items(items))
    }

    /// Creates a batch of a request that was complete already, as those of metrics are.
    pub(in crate::export) fn request(sequence: u64, request: Bytes, items: u64) -> Self {
        Self::new(sequence, Content::Request(request, items))
    }

    fn new(sequence: u64, content: Content) -> Self {
        let (started, suspicion) = (None, Suspicion::default());
        Self { sequence, content, is_unanswered: false, started, is_early: false, suspicion }
    }

    /// Returns the batch as one that another destination has closed before it was full, or as one that it has not.
    pub(super) fn early(self, is_early: bool) -> Self {
        Self { is_early, ..self }
    }

    /// Returns `true` if another destination has closed it before it was full, and it was not taken yet.
    pub(super) fn is_early(&self) -> bool {
        self.is_early
    }

    /// Returns this batch with the items of the next ones behind its own. The items are copied, because other
    /// destinations share the parts.
    pub(super) fn joined(self, next: &[Self]) -> Self {
        let Content::Items(first) = &self.content else { return self };
        let mut all = ItemBuffer::default();
        all.append(first);
        for batch in next {
            if let Content::Items(items) = &batch.content {
                all.append(items);
            }
        }
        Self { content: Content::Items(Arc::new(all)), ..self }
    }

    /// Returns the number of items if the batch is taken for the first time.
    pub(super) fn start(&mut self) -> Option<u64> {
        if self.started.is_some() {
            return None;
        }
        self.started = Some(Instant::now());
        self.is_early = false;
        Some(self.count())
    }

    /// Returns `true` if the batch was taken before.
    pub(super) fn has_started(&self) -> bool {
        self.started.is_some()
    }

    /// Returns the export of this batch as an operation that ends now.
    pub(in crate::export) fn operation(
        &self,
        error: Option<OperationError>,
        status: Option<ResponseStatus>,
    ) -> Operation {
        let duration = self.started.map(|started| started.elapsed()).unwrap_or_default();
        Operation { duration, error, status }
    }

    /// The same for a batch that is not tried any more. `status` is that of the last answer.
    pub(in crate::export) fn given_up(&self, status: Option<ResponseStatus>) -> Operation {
        let error = if self.is_unanswered { OperationError::Unanswered } else { OperationError::Other };
        self.operation(Some(error), status)
    }

    /// Returns the position in the queue: batches are sent in this order, as far as they do not overlap.
    pub(in crate::export) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Records that a try was sent and not answered.
    pub(in crate::export) fn mark_unanswered(&mut self) {
        self.is_unanswered = true;
    }

    /// Returns `true` if the receiver may have the items although no answer came: a failure is then not certain to be
    /// a loss.
    pub(in crate::export) fn is_unanswered(&self) -> bool {
        self.is_unanswered
    }

    /// Records a failure after which it may be tried again. `is_suspect`: what is in it may be the reason. `deliveries` is
    /// the number of requests that were delivered so far.
    pub(in crate::export) fn failed(&mut self, is_suspect: bool, deliveries: u64) -> Verdict {
        if is_suspect {
            return self.suspicion.failed(deliveries, self.count() > 1);
        }
        self.suspicion.clear();
        Verdict::TryAgain
    }

    /// Returns `true` while other batches are tried before this one, which may be to blame for its failures.
    pub(super) fn lets_others_pass(&self, deliveries: u64) -> bool {
        self.suspicion.lets_others_pass(deliveries)
    }

    /// Returns how often it has failed in a row and may have been to blame.
    pub(super) fn failures(&self) -> u32 {
        self.suspicion.failures
    }

    /// Returns the number of spans, log records or data points, as the ledger counts them.
    pub(crate) fn count(&self) -> u64 {
        match &self.content {
            Content::Items(items) => items.count as u64,
            Content::Request(_, items) => *items,
        }
    }

    /// Returns the share of the queue's limit in items: a request of metrics is treated as one.
    pub(in crate::export) fn slots(&self) -> usize {
        match &self.content {
            Content::Items(items) => items.count,
            Content::Request(..) => 1,
        }
    }

    /// Returns the share of the queue's limit in bytes.
    pub(in crate::export) fn size(&self) -> usize {
        match &self.content {
            Content::Items(items) => items.size(),
            Content::Request(request, _) => request.len(),
        }
    }

    /// Returns the OTLP export request, as protobuf. `resource` is the encoded resource; requests of metrics contain it
    /// already.
    ///
    /// Created for each try: if it were kept, it would double the memory of a batch that waits for the collector.
    pub(crate) fn to_request(&self, resource: &[u8]) -> Bytes {
        match &self.content {
            Content::Items(items) => Bytes::from(encode::request(resource, &items.by_scope())),
            Content::Request(request, _) => request.clone(),
        }
    }

    /// Divides the batch into two of about half the items each.
    ///
    /// # Errors
    ///
    /// The batch itself, if it holds a single item, or a request that cannot be divided.
    pub(crate) fn split(self) -> Result<(Self, Self), Self> {
        let Self { sequence, is_unanswered, started, suspicion, .. } = self;
        let suspicion = suspicion.halved();
        let half = |content| Self { is_unanswered, started, suspicion, ..Self::new(sequence, content) };
        match &self.content {
            Content::Items(items) if items.count > 1 => {
                let (first, second) = items.halves();
                Ok((half(Content::Items(first.into())), half(Content::Items(second.into()))))
            }
            Content::Items(_) => Err(self),
            Content::Request(request, _) => match points::halves(request) {
                Some(halves) => {
                    Ok(halves.map(|(request, points)| half(Content::Request(request, points))).into())
                }
                None => Err(self),
            },
        }
    }

    /// Returns the emptied buffer for another batch. `None` if another destination still needs it, if it is unusually
    /// large, or if the content is a request.
    pub(in crate::export) fn into_spare(self) -> Option<Arc<ItemBuffer>> {
        let Content::Items(mut shared) = self.content else { return None };
        let items = Arc::get_mut(&mut shared)?;
        items.clear();
        (items.bytes.capacity() <= MAX_SPARE_BYTES).then_some(shared)
    }
}

/// The number of scopes with which a new run is compared before its scope is written again.
const MAX_COMPARED_SCOPES: usize = 8;
/// The largest capacity of a buffer that is kept. Larger ones are freed, so one burst does not occupy memory forever.
const MAX_SPARE_BYTES: usize = 1 << 20;
