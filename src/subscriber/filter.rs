//! Filters: one per output, in the directive syntax of `tracing-subscriber`, replaceable while the program runs.
//!
//! | directives | how they are checked |
//! |---|---|
//! | `info`, `warn,my_crate=debug` | by level and target alone, once per callsite where that settles it |
//! | `my_crate[request{user=7}]=trace` | by `EnvFilter`, which follows the spans that are entered |
//!
//! A replaced filter takes effect between two events: there is no moment without a filter.
//!
//! # Three answers
//!
//! | question | asked | answered by |
//! |---|---|---|
//! | can events of this callsite ever pass? | once, by `tracing`, and again when a filter changes | `interest` |
//! | can events of this level pass? | at every event, by the macros | the global ceiling of all subscribers |
//! | does this event pass? | at every event that is left | `enabled`: two comparisons, seldom the filter |
//!
//! `floor` and `ceiling` answer most of the last kind: a directive for everything (`info`) has both at the same level.
//!
//! # Replacing
//!
//! `set` stores the new filter and has `tracing` evaluate all callsites again, which takes milliseconds in a large program.
//! Concurrent events see the old filter or the new one, and never a shortcut of one with the filter of the other: the
//! shortcuts are off in between.

mod directives;
mod span_filter;

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use arc_swap::ArcSwap;
use tracing::level_filters::STATIC_MAX_LEVEL;
use tracing_core::dispatcher::{self, WeakDispatch};
use tracing_core::field::FieldSet;
use tracing_core::subscriber::NoSubscriber;
use tracing_core::{Dispatch, Interest, LevelFilter, Metadata, callsite, span};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter as LayerFilter};
use tracing_subscriber::registry::Registry;

pub(crate) use self::directives::BadDirective;
use self::span_filter::SpanFilter;
use crate::diagnostics::shared_level::{OFF, number};

/// Directives that cannot be used, each with the reason. The filter is unchanged.
///
/// Returned by [`TelemetryGuard::set_log_filter`](crate::TelemetryGuard::set_log_filter) and
/// [`TelemetryGuard::set_span_filter`](crate::TelemetryGuard::set_span_filter). Directives that may hold a secret (a
/// token in the wrong variable) are shown as `[redacted]`, by `Display` and by `Debug`.
pub struct FilterError {
    /// At least one, in the order of the text.
    bad: Vec<BadDirective>,
}

impl FilterError {
    /// Creates the error of these directives.
    pub(crate) fn new(bad: Vec<BadDirective>) -> Self {
        Self { bad }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, bad) in self.bad.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{bad}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilterError({self})")
    }
}

impl Error for FilterError {}

/// The filter of one output, as parsed from directives.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the usual one is the large one, and there are three in a process"
)]
pub(crate) enum Filter {
    /// Level and target decide.
    Static(Targets),
    /// Spans and their fields decide as well.
    Dynamic(Box<SpanFilter>),
}

impl Filter {
    /// Parses directives separated by commas. Mistakes are corrected or ignored, and reported. If nothing is left,
    /// the filter is [`DEFAULT_LEVEL`].
    pub(crate) fn parse(text: &str) -> (Self, Vec<BadDirective>) {
        directives::parse(text, STATIC_MAX_LEVEL)
    }

    /// Returns `true` if the span or event passes.
    fn enabled<S>(&self, metadata: &Metadata<'_>, ctx: &Context<'_, S>) -> bool {
        match self {
            Self::Static(targets) => targets.would_enable(metadata.target(), metadata.level()),
            Self::Dynamic(filter) => filter.enabled(metadata, ctx),
        }
    }

    /// Returns `true` if a directive names the target, and not only everything.
    fn names(&self, target: &str) -> bool {
        match self {
            Self::Static(targets) => targets.iter().any(|(named, _)| target.starts_with(named)),
            Self::Dynamic(filter) => filter.names(target),
        }
    }

    /// Returns whether the callsite can ever pass. A dynamic filter often answers `sometimes`.
    fn interest(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self {
            // The filter does not look at the subscriber: any type will do.
            Self::Static(targets) => LayerFilter::<Registry>::callsite_enabled(targets, metadata),
            Self::Dynamic(filter) => filter.interest(metadata),
        }
    }

    /// Remembers that a filter of this process follows spans.
    fn note_kind(&self) {
        if matches!(self, Self::Dynamic(_)) {
            FOLLOWS_SPANS.store(true, Ordering::Relaxed);
        }
    }

    /// The most verbose level that can pass.
    fn ceiling(&self) -> LevelFilter {
        match self {
            Self::Static(targets) => LayerFilter::<Registry>::max_level_hint(targets),
            Self::Dynamic(filter) => filter.ceiling(),
        }
        .unwrap_or(LevelFilter::TRACE)
    }

    /// The level up to which everything passes, whatever its target.
    fn floor(&self) -> LevelFilter {
        match self {
            Self::Static(targets) => {
                let default = targets.default_level().unwrap_or(LevelFilter::OFF);
                targets.iter().map(|(_, level)| level).fold(default, Ord::min)
            }
            Self::Dynamic(_) => LevelFilter::OFF,
        }
    }
}

/// The filter of one output. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct FilterHandle {
    /// The same for all clones.
    shared: Arc<Shared>,
}

/// A filter with its shortcuts.
#[derive(Debug)]
struct Shared {
    /// Everything up to this level passes: decided without a look at the filter.
    floor: AtomicUsize,
    /// Nothing beyond this level passes.
    ceiling: AtomicUsize,
    /// The filter itself, for what the two levels leave open.
    filter: ArcSwap<Filter>,
    /// Held while the three above change.
    changing: Mutex<()>,
    /// The subscriber, set once it is complete. Weak, since it owns this filter.
    dispatch: OnceLock<WeakDispatch>,
}

impl FilterHandle {
    /// Creates a handle with its first filter.
    pub(crate) fn new(filter: Filter) -> Self {
        filter.note_kind();
        let shared = Shared {
            floor: AtomicUsize::new(number(filter.floor())),
            ceiling: AtomicUsize::new(number(filter.ceiling())),
            filter: ArcSwap::from_pointee(filter),
            changing: Mutex::new(()),
            dispatch: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Replaces the filter for every event from now on, or leaves it as it was if a directive is wrong. Returns hints
    /// about directives that are valid, but may not have the effect that is expected.
    ///
    /// # Errors
    ///
    /// The directives that cannot be used, with the reason for each.
    pub(crate) fn set(&self, directives: &str) -> Result<Vec<BadDirective>, FilterError> {
        let (filter, bad) = Filter::parse(directives);
        let (mistakes, hints): (Vec<_>, Vec<_>) = bad.into_iter().partition(BadDirective::is_mistake);
        if !mistakes.is_empty() {
            return Err(FilterError::new(mistakes));
        }
        self.shared.replace(Arc::new(filter));
        self.evaluate_again();
        Ok(hints)
    }

    /// Re-evaluates the interest of every callsite. Without it, callsites that were disabled for good would stay so.
    fn evaluate_again(&self) {
        let Some(dispatch) = self.shared.dispatch.get() else { return evaluate_all() };
        // Of a subscriber that is gone there is nothing to evaluate.
        let Some(dispatch) = dispatch.upgrade() else { return };
        // If a process has one subscriber, only that of the thread would be evaluated again: it has to be ours. This
        // thread may be inside of a callback of the subscriber, and `tracing` panics if the default is replaced there.
        let evaluate = move || dispatcher::with_default(&dispatch, callsite::rebuild_interest_cache);
        match thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(evaluate) {
            Ok(evaluation) => _ = evaluation.join(),
            Err(_) => evaluate_all(),
        }
    }

    /// Replaces the filter by that of another handle.
    pub(crate) fn take_over(&self, other: &Self) {
        self.shared.replace(other.shared.filter.load_full());
        self.evaluate_again();
    }

    /// Sets the subscriber that the filter belongs to.
    pub(crate) fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.shared.dispatch.set(dispatch.downgrade());
    }

    /// Returns the subscriber that the filter belongs to, while it exists.
    pub(crate) fn dispatch(&self) -> Option<Dispatch> {
        self.shared.dispatch.get()?.upgrade()
    }

    /// Returns `true` if the span or event passes. Floor and ceiling decide without a look at the filter, which is an
    /// atomic load and a reference count more.
    #[inline]
    pub(crate) fn enabled<S>(&self, metadata: &Metadata<'_>, ctx: &Context<'_, S>) -> bool {
        let level = number(LevelFilter::from_level(*metadata.level()));
        if level <= self.shared.floor.load(Ordering::Relaxed) {
            return true;
        }
        if level > self.shared.ceiling.load(Ordering::Relaxed) {
            return false;
        }
        self.shared.filter.load().enabled(metadata, ctx)
    }

    /// Returns the filter's interest in a callsite, which `tracing` caches. Another layer, or a directive for one target,
    /// can make `tracing` ask about levels beyond the ceiling: they are settled here.
    ///
    /// A filter that follows spans follows those of all levels: another output may take a span that it names.
    pub(crate) fn interest(&self, metadata: &'static Metadata<'static>) -> Interest {
        let filter = self.shared.filter.load();
        let follows = metadata.is_span() && matches!(**filter, Filter::Dynamic(_));
        if !follows && *metadata.level() > filter.ceiling() {
            Interest::never()
        } else {
            filter.interest(metadata)
        }
    }

    /// Returns `true` if a directive names the target, and not only everything.
    pub(crate) fn names(&self, target: &str) -> bool {
        self.shared.filter.load().names(target)
    }

    /// Returns the most verbose level that can pass.
    pub(crate) fn ceiling(&self) -> LevelFilter {
        self.shared.filter.load().ceiling()
    }

    /// Calls `follow` with the filter if it follows spans.
    fn if_dynamic(&self, follow: impl FnOnce(&SpanFilter)) {
        if self.shared.floor.load(Ordering::Relaxed) != OFF {
            return;
        }
        if let Filter::Dynamic(filter) = &**self.shared.filter.load() {
            follow(filter);
        }
    }

    pub(crate) fn on_new_span<S>(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: &Context<'_, S>) {
        self.if_dynamic(|filter| filter.on_new_span(attrs, id, ctx));
    }

    pub(crate) fn on_record<S>(
        &self,
        fields: &FieldSet,
        id: &span::Id,
        values: &span::Record<'_>,
        ctx: &Context<'_, S>,
    ) {
        self.if_dynamic(|filter| filter.on_record(fields, id, values, ctx));
    }

    pub(crate) fn on_enter<S>(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.if_dynamic(|filter| filter.on_enter(id, ctx));
    }

    pub(crate) fn on_exit<S>(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.if_dynamic(|filter| filter.on_exit(id, ctx));
    }

    pub(crate) fn on_close<S>(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.if_dynamic(|filter| filter.on_close(id, ctx));
    }
}

impl Shared {
    /// Replaces the filter. Concurrent replacements come one after the other.
    fn replace(&self, filter: Arc<Filter>) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        filter.note_kind();
        let (floor, ceiling) = (number(filter.floor()), number(filter.ceiling()));
        // Disables the shortcuts meanwhile.
        self.floor.store(OFF, Ordering::Release);
        self.ceiling.store(number(LevelFilter::TRACE), Ordering::Release);
        self.filter.store(filter);
        self.floor.store(floor, Ordering::Release);
        self.ceiling.store(ceiling, Ordering::Release);
    }
}

/// Makes all subscribers re-evaluate every callsite, on behalf of one that is not known: telemetry that is not
/// installed, or a layer whose wrapper keeps the subscriber from it.
///
/// If a process has one subscriber, `tracing` evaluates that of the thread instead, and a thread without one would disable
/// every callsite of the other thread's. The registration of a subscriber evaluates all.
fn evaluate_all() {
    if dispatcher::get_default(|current| current.is::<NoSubscriber>()) {
        drop(Dispatch::new(NoSubscriber::default()));
    } else {
        callsite::rebuild_interest_cache();
    }
}

/// Returns `false` as long as no filter of this process follows spans, as in most programs.
#[inline]
pub(super) fn any_follows_spans() -> bool {
    FOLLOWS_SPANS.load(Ordering::Relaxed)
}

/// Set when the first dynamic filter is created, and never cleared.
static FOLLOWS_SPANS: AtomicBool = AtomicBool::new(false);

/// At most 15 bytes, which is what Linux shows.
const THREAD_NAME: &str = "otel-filter";
/// The level without a usable directive.
pub(crate) const DEFAULT_LEVEL: LevelFilter = LevelFilter::INFO;

#[cfg(test)]
mod tests;
