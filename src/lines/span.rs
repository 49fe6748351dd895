//! The spans around an event, as lines and records see them.

use std::borrow::Cow;
use std::iter::successors;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};

use super::json::SpanCache;
use super::kept_fields::KeptFields;
use crate::export::own_threads::ForkMutex;

/// State of one span that is kept for the lines and records of the events inside it.
#[derive(Debug, Default)]
pub(crate) struct KeptSpan {
    /// The name of the callsite.
    pub(crate) name: Cow<'static, str>,
    /// Its fields stand in lines.
    pub(crate) is_in_lines: bool,
    /// Its fields stand in records.
    pub(crate) is_in_records: bool,
    /// The fields as they were last recorded.
    fields: ForkMutex<KeptFields>,
    /// The number of times that fields were recorded later.
    version: AtomicU64,
    /// The text of this span and of those around it, as JSON lines have it.
    json: ForkMutex<SpanCache>,
}

/// A span with those around it.
pub(crate) trait SpanChain {
    /// Returns what is kept of this span.
    fn kept(&self) -> &KeptSpan;

    /// Returns the span around it; `None` for a root.
    fn parent(&self) -> Option<&dyn SpanChain>;
}

/// A span and those around it, from the inside to the outside.
pub(crate) fn scope(innermost: &dyn SpanChain) -> impl Iterator<Item = &KeptSpan> {
    successors(Some(innermost), |span| span.parent()).map(SpanChain::kept)
}

impl KeptSpan {
    /// A span that is shown in lines.
    pub(crate) fn in_lines(name: &'static str, fields: KeptFields) -> Self {
        Self { name: name.into(), is_in_lines: true, fields: ForkMutex::new(fields), ..Self::default() }
    }

    /// The fields of a span that is being created.
    pub(crate) fn new_fields(&mut self) -> &mut KeptFields {
        self.fields.get_mut()
    }

    /// Removes everything, so the memory can be that of another span. Returns `false` if it is unusually much.
    #[inline]
    pub(crate) fn clear(&mut self) -> bool {
        self.is_in_lines = false;
        self.is_in_records = false;
        *self.version.get_mut() = 0;
        let json = self.json.get_mut();
        json.clear();
        let fields = self.fields.get_mut();
        fields.clear();
        fields.capacity() + json.capacity() <= MAX_KEPT_BYTES
    }

    /// Adds fields that were recorded later.
    pub(crate) fn record(&self, later: &KeptFields) {
        self.fields().append(later);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The fields. While they are locked no code of the user may run.
    pub(crate) fn fields(&self) -> MutexGuard<'_, KeptFields> {
        self.fields.lock()
    }

    /// Returns how often fields were recorded later. A text that was made before is out of date if it differs.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Locks the cached text.
    pub(super) fn json(&self) -> MutexGuard<'_, SpanCache> {
        self.json.lock()
    }
}

/// One huge span must not hold its memory for as long as the thread lives.
const MAX_KEPT_BYTES: usize = 16 << 10;
