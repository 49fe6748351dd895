//! Filters: one per output, in the directive syntax of `tracing-subscriber`, replaceable while the program runs.
//!
//! | directives | how they are checked |
//! |---|---|
//! | `info`, `warn,my_crate=debug` | by level and target alone, once per callsite where that settles it |
//! | `my_crate[request{user=7}]=trace` | by [`EnvFilter`], which follows the spans that are entered |
//!
//! A replaced filter takes effect between two events: there is no moment without a filter.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use tracing_core::dispatcher::{self, WeakDispatch};
use tracing_core::{Dispatch, Interest, Level, LevelFilter, Metadata, callsite, span};
use tracing_subscriber::filter::{Directive, EnvFilter, Targets};
use tracing_subscriber::layer::{Context, Filter as LayerFilter};
use tracing_subscriber::registry::Registry;

/// Directives that could not be used, each with the reason.
///
/// Nothing was changed: the filter that was there is still in force.
#[derive(Debug)]
pub struct FilterError {
    bad: Vec<BadDirective>,
}

impl FilterError {
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

impl Error for FilterError {}

/// One directive of several that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadDirective {
    /// The directive as it was written.
    pub(crate) text: String,
    /// What is wrong with it.
    pub(crate) reason: String,
}

impl fmt::Display for BadDirective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter directive {:?}: {}", self.text, self.reason)
    }
}

/// What one output wants, as parsed from directives.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the usual one is the large one, and there are three in a process"
)]
pub(crate) enum Filter {
    /// Level and target decide.
    Static(Targets),
    /// Spans and their fields decide as well.
    Dynamic(Box<EnvFilter>),
}

impl Filter {
    /// Reads directives separated by commas. Those that are wrong are left out and returned with the reason; where
    /// none is left, the filter is [`DEFAULT_LEVEL`].
    pub(crate) fn parse(text: &str) -> (Self, Vec<BadDirective>) {
        let mut good = Vec::new();
        let mut bad = Vec::new();
        for part in split_directives(text) {
            match Directive::from_str(part) {
                Ok(directive) => good.push((part, directive)),
                Err(error) => bad.push(BadDirective { text: part.to_owned(), reason: reason(part, &error) }),
            }
        }
        let filter = match good.iter().map(|(part, _)| static_parts(part)).collect::<Option<Vec<_>>>() {
            Some(parts) if parts.is_empty() => Self::Static(Targets::new().with_default(DEFAULT_LEVEL)),
            Some(parts) => Self::Static(parts.into_iter().fold(Targets::new(), add_static)),
            None => Self::Dynamic(Box::new(dynamic(good))),
        };
        (filter, bad)
    }

    fn enabled<S>(&self, metadata: &Metadata<'_>, ctx: &Context<'_, S>) -> bool {
        match self {
            Self::Static(targets) => targets.would_enable(metadata.target(), metadata.level()),
            Self::Dynamic(filter) => filter.enabled(metadata, ctx.clone()),
        }
    }

    fn interest(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The filter does not look at the subscriber: any type will do.
        match self {
            Self::Static(targets) => LayerFilter::<Registry>::callsite_enabled(targets, metadata),
            Self::Dynamic(filter) => LayerFilter::<Registry>::callsite_enabled(&**filter, metadata),
        }
    }

    /// The most verbose level that can pass.
    fn ceiling(&self) -> LevelFilter {
        match self {
            Self::Static(targets) => LayerFilter::<Registry>::max_level_hint(targets),
            Self::Dynamic(filter) => filter.max_level_hint(),
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
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Everything up to this level passes: decided without a look at the filter.
    floor: AtomicUsize,
    /// Nothing beyond this level passes.
    ceiling: AtomicUsize,
    filter: ArcSwap<Filter>,
    /// Held while the three above change.
    changing: Mutex<()>,
    dispatch: OnceLock<WeakDispatch>,
}

impl FilterHandle {
    pub(crate) fn new(filter: Filter) -> Self {
        let shared = Shared {
            floor: AtomicUsize::new(number(filter.floor())),
            ceiling: AtomicUsize::new(number(filter.ceiling())),
            filter: ArcSwap::from_pointee(filter),
            changing: Mutex::new(()),
            dispatch: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Replaces the filter for every event from now on, or leaves it as it was if a directive is wrong.
    pub(crate) fn set(&self, directives: &str) -> Result<(), FilterError> {
        let (filter, bad) = Filter::parse(directives);
        if !bad.is_empty() {
            return Err(FilterError::new(bad));
        }
        self.shared.replace(filter);
        // Where a process has one subscriber, only the one of this thread would be asked again.
        match self.dispatch() {
            Some(dispatch) => dispatcher::with_default(&dispatch, callsite::rebuild_interest_cache),
            None => callsite::rebuild_interest_cache(),
        }
        Ok(())
    }

    /// Says which subscriber the filter works in.
    pub(crate) fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.shared.dispatch.set(dispatch.downgrade());
    }

    pub(crate) fn dispatch(&self) -> Option<Dispatch> {
        self.shared.dispatch.get()?.upgrade()
    }

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

    pub(crate) fn interest(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.shared.filter.load().interest(metadata)
    }

    pub(crate) fn ceiling(&self) -> LevelFilter {
        self.shared.filter.load().ceiling()
    }

    /// Calls `follow` with the filter if it follows spans.
    fn if_dynamic(&self, follow: impl FnOnce(&EnvFilter)) {
        if self.shared.floor.load(Ordering::Relaxed) != OFF {
            return;
        }
        if let Filter::Dynamic(filter) = &**self.shared.filter.load() {
            follow(filter);
        }
    }

    pub(crate) fn on_new_span<S>(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: &Context<'_, S>) {
        self.if_dynamic(|filter| filter.on_new_span(attrs, id, ctx.clone()));
    }

    pub(crate) fn on_record<S>(&self, id: &span::Id, values: &span::Record<'_>, ctx: &Context<'_, S>) {
        self.if_dynamic(|filter| filter.on_record(id, values, ctx.clone()));
    }

    pub(crate) fn on_enter<S>(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.if_dynamic(|filter| filter.on_enter(id, ctx.clone()));
    }

    pub(crate) fn on_exit<S>(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.if_dynamic(|filter| filter.on_exit(id, ctx.clone()));
    }

    pub(crate) fn on_close<S>(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.if_dynamic(|filter| filter.on_close(id.clone(), ctx.clone()));
    }
}

impl Shared {
    fn replace(&self, filter: Filter) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (floor, ceiling) = (number(filter.floor()), number(filter.ceiling()));
        // Meanwhile the shortcuts decide nothing.
        self.floor.store(OFF, Ordering::Release);
        self.ceiling.store(number(LevelFilter::TRACE), Ordering::Release);
        self.filter.store(Arc::new(filter));
        self.floor.store(floor, Ordering::Release);
        self.ceiling.store(ceiling, Ordering::Release);
    }
}

/// Splits at the commas between directives, not at those between the fields of one.
fn split_directives(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let mut quoted = false;
    text.split(move |c| {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0 && !quoted
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

/// Target and level of a directive that needs nothing else.
fn static_parts(directive: &str) -> Option<(Option<&str>, LevelFilter)> {
    if directive.contains(['[', '{']) {
        return None;
    }
    match directive.split_once('=') {
        Some((target, "")) => Some((Some(target), LevelFilter::TRACE)),
        Some((target, level)) => Some((Some(target), level.parse().ok()?)),
        None => Some(match directive.parse() {
            Ok(level) => (None, level),
            Err(_) => (Some(directive), LevelFilter::TRACE),
        }),
    }
}

fn add_static(targets: Targets, (target, level): (Option<&str>, LevelFilter)) -> Targets {
    match target {
        Some(target) => targets.with_target(target, level),
        None => targets.with_default(level),
    }
}

/// `EnvFilter`'s own parser knows that a directive with field names also opens what is inside such a span, but cuts it
/// at each comma; `add_directive` the other way round.
fn dynamic(directives: Vec<(&str, Directive)>) -> EnvFilter {
    let (listed, plain): (Vec<_>, Vec<_>) = directives.into_iter().partition(|(part, _)| part.contains(','));
    let plain = plain.into_iter().map(|(part, _)| part).collect::<Vec<_>>().join(",");
    let filter = EnvFilter::builder().parse(plain).unwrap_or_default();
    listed.into_iter().fold(filter, |filter, (_, directive)| filter.add_directive(directive))
}

fn reason(part: &str, error: &dyn Error) -> String {
    match part.rsplit_once('=') {
        Some((_, level)) if !level.contains([']', '}']) && level.parse::<LevelFilter>().is_err() => {
            format!("{level:?} is not a level: use error, warn, info, debug, trace or off")
        }
        _ => error.to_string(),
    }
}

/// Higher is more verbose.
fn number(level: LevelFilter) -> usize {
    match level.into_level() {
        None => OFF,
        Some(Level::ERROR) => 1,
        Some(Level::WARN) => 2,
        Some(Level::INFO) => 3,
        Some(Level::DEBUG) => 4,
        Some(Level::TRACE) => 5,
    }
}

/// What passes where no usable directive is given.
pub(crate) const DEFAULT_LEVEL: LevelFilter = LevelFilter::INFO;

const OFF: usize = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(text: &str) -> Vec<String> {
        Filter::parse(text).1.into_iter().map(|bad| bad.text).collect()
    }

    fn targets(text: &str) -> Targets {
        match Filter::parse(text).0 {
            Filter::Static(targets) => targets,
            Filter::Dynamic(filter) => panic!("{filter} is not static"),
        }
    }

    #[test]
    fn directives_without_span_parts_are_checked_by_level_and_target_alone() {
        let targets = targets("warn, my_crate=debug ,my_crate::noisy=off,chatty");
        assert!(targets.would_enable("other", &Level::WARN));
        assert!(!targets.would_enable("other", &Level::INFO));
        assert!(targets.would_enable("my_crate::a", &Level::DEBUG));
        assert!(!targets.would_enable("my_crate::noisy", &Level::ERROR));
        assert!(targets.would_enable("chatty", &Level::TRACE));
    }

    #[test]
    fn span_and_field_parts_need_the_dynamic_filter() {
        for text in ["[request]=debug", "my_crate[request{user=7}]=trace", "info,[{a,b}]=debug"] {
            let (filter, bad) = Filter::parse(text);
            assert!(matches!(filter, Filter::Dynamic(_)), "{text}");
            assert_eq!(bad, [], "{text}");
        }
    }

    #[test]
    fn wrong_directives_are_named_and_the_rest_is_kept() {
        assert_eq!(bad("info,a=loud,b=debug,=x,c[=trace"), ["a=loud", "=x", "c[=trace"]);
        let targets = targets("info,a=loud,b=debug");
        assert!(targets.would_enable("b", &Level::DEBUG));
        assert!(targets.would_enable("a", &Level::INFO));
        assert!(!targets.would_enable("a", &Level::DEBUG));
    }

    #[test]
    fn the_reason_says_which_levels_there_are() {
        let (_, bad) = Filter::parse("my_crate=verbose");
        assert_eq!(
            FilterError::new(bad).to_string(),
            "filter directive \"my_crate=verbose\": \
             \"verbose\" is not a level: use error, warn, info, debug, trace or off"
        );
    }

    #[test]
    fn without_a_usable_directive_the_default_applies() {
        for text in ["", " , ", "a=loud"] {
            let targets = targets(text);
            assert!(targets.would_enable("any", &Level::INFO), "{text}");
            assert!(!targets.would_enable("any", &Level::DEBUG), "{text}");
        }
    }

    #[test]
    fn shortcuts_are_no_wider_than_the_filter() {
        let bounds = |text| {
            let filter = Filter::parse(text).0;
            (filter.floor(), filter.ceiling())
        };
        assert_eq!(bounds("info"), (LevelFilter::INFO, LevelFilter::INFO));
        assert_eq!(bounds("info,h2=off"), (LevelFilter::OFF, LevelFilter::INFO));
        assert_eq!(bounds("info,h2=warn,a=trace"), (LevelFilter::WARN, LevelFilter::TRACE));
        assert_eq!(bounds("a=debug"), (LevelFilter::OFF, LevelFilter::DEBUG));
        assert_eq!(bounds("info,[request]=debug"), (LevelFilter::OFF, LevelFilter::DEBUG));
    }

    #[test]
    fn a_wrong_directive_leaves_the_filter_as_it_was() {
        let handle = FilterHandle::new(Filter::parse("debug").0);
        assert!(handle.set("info,a=loud").is_err());
        assert_eq!(handle.ceiling(), LevelFilter::DEBUG);
        handle.set("warn").unwrap();
        assert_eq!(handle.ceiling(), LevelFilter::WARN);
    }
}
