//! The union of the filters of all outputs.
//!
//! | question of `tracing` | answer |
//! |---|---|
//! | interest of a callsite | the widest of the outputs': `always` beats `sometimes` beats `never` |
//! | most verbose level | the most verbose of the outputs' |
//! | does this pass | if any output takes it; each output then looks at its own filter |
//!
//! A filter of spans takes part for spans and for events that can change one: errors, which set its status, and all
//! events if they become span events.

use tracing_core::{Dispatch, Interest, LevelFilter, Metadata, Subscriber, span};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::errors;
use super::filter::{FilterHandle, any_follows_spans};
use super::spans::is_handler_span;
use crate::semconv::{PANIC_TARGET, RECORDED_ERROR_TARGET};

/// The filters of the existing outputs.
#[derive(Clone, Debug)]
pub(super) struct CombinedFilter {
    /// That of the log output.
    pub(super) lines: Option<FilterHandle>,
    /// That of log records.
    pub(super) records: Option<FilterHandle>,
    /// That of the bridge.
    pub(super) spans: Option<FilterHandle>,
    /// Events become span events.
    records_events: bool,
}

impl CombinedFilter {
    /// Combines the filters of the outputs that exist.
    pub(super) fn new(
        lines: Option<FilterHandle>,
        records: Option<FilterHandle>,
        spans: Option<FilterHandle>,
        records_events: bool,
    ) -> Self {
        Self { lines, records, spans, records_events }
    }

    /// Returns the filters that exist.
    fn all(&self) -> impl Iterator<Item = &FilterHandle> {
        [&self.lines, &self.records, &self.spans].into_iter().flatten()
    }

    /// Those that may follow spans.
    /// Without such a filter in the process it is one load of an atomic, and no filter is called.
    fn followers(&self) -> impl Iterator<Item = &FilterHandle> {
        any_follows_spans().then(|| self.all()).into_iter().flatten()
    }

    /// Returns `true` if at least one output takes this span or event.
    pub(super) fn any<S>(&self, metadata: &Metadata<'_>, ctx: &Context<'_, S>) -> bool {
        passes(self.lines.as_ref(), metadata, ctx)
            || passes(self.records.as_ref(), metadata, ctx)
            || self.for_spans(metadata).is_some_and(|filter| filter.enabled(metadata, ctx))
    }

    /// Returns the interest in a callsite. Our own events are decided each time, by their level alone, and spans of
    /// handlers are always made.
    pub(super) fn interest(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_own(metadata) {
            return Interest::sometimes();
        }
        if self.spans.is_some() && is_handler_span(metadata) {
            return Interest::always();
        }
        let filters = [self.lines.as_ref(), self.records.as_ref(), self.for_spans(metadata)];
        let interests = filters.into_iter().flatten().map(|filter| filter.interest(metadata));
        interests.reduce(merge_interest).unwrap_or_else(Interest::never)
    }

    /// Returns the most verbose level that any output takes; `OFF` without outputs.
    pub(super) fn ceiling(&self) -> LevelFilter {
        self.all().map(FilterHandle::ceiling).max().unwrap_or(LevelFilter::OFF)
    }

    /// The filter of spans, where it applies: to spans, to the events that mark them, and to level checks
    /// (`tracing::enabled!`), which ask for spans as well as for events.
    fn for_spans(&self, metadata: &Metadata<'_>) -> Option<&FilterHandle> {
        self.spans
            .as_ref()
            .filter(|_| self.records_events || !metadata.is_event() || errors::is_error(metadata))
    }

    /// Hands the subscriber to all filters, which need it when they are replaced.
    pub(super) fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.all().for_each(|filter| filter.on_register_dispatch(dispatch));
    }

    /// Lets the filters that follow spans look at the fields of a new one.
    pub(super) fn on_new_span<S>(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: &Context<'_, S>) {
        self.followers().for_each(|filter| filter.on_new_span(attrs, id, ctx));
    }

    /// Lets them look at values that were recorded later.
    pub(super) fn on_record<S>(&self, id: &span::Id, values: &span::Record<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        for filter in self.followers() {
            if let Some(metadata) = ctx.metadata(id) {
                filter.on_record(metadata.fields(), id, values, ctx);
            }
        }
    }

    /// Begins a span for them: from here on, its directives apply on this thread.
    pub(super) fn on_enter<S>(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.followers().for_each(|filter| filter.on_enter(id, ctx));
    }

    /// Ends what `on_enter` began.
    pub(super) fn on_exit<S>(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.followers().for_each(|filter| filter.on_exit(id, ctx));
    }

    /// Lets them discard what they keep of the span.
    pub(super) fn on_close<S>(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.followers().for_each(|filter| filter.on_close(id, ctx));
    }
}

/// Returns `true` if the output exists and its filter enables this span or event.
pub(super) fn passes<S>(
    filter: Option<&FilterHandle>,
    metadata: &Metadata<'_>,
    ctx: &Context<'_, S>,
) -> bool {
    // Panics, recorded errors and the spans of handlers come from this crate's code, whatever crate they are about: a
    // filter that names other targets only does not mean them. One that names `panic` or `record_error` does.
    filter.is_some_and(|filter| {
        let is_own = || is_own(metadata) && !filter.names(metadata.target());
        let is_not_meant = || is_own() || is_handler_span(metadata);
        filter.enabled(metadata, ctx) || (is_not_meant() && filter.ceiling() >= *metadata.level())
    })
}

/// Returns `true` for panics and for errors that `record_error` reports.
fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && OWN_TARGETS.contains(&metadata.target())
}

/// Returns the interest that excludes less.
fn merge_interest(a: Interest, b: Interest) -> Interest {
    match (a, b) {
        (a, _) if a.is_always() => a,
        (_, b) if b.is_always() => b,
        (a, _) if a.is_sometimes() => a,
        (_, b) => b,
    }
}

/// Targets of events that this crate emits for the user.
const OWN_TARGETS: [&str; 2] = [PANIC_TARGET, RECORDED_ERROR_TARGET];
