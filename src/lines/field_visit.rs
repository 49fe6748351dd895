//! One visit of fields for several outputs.
//!
//! `Event::record` shows fields to one visitor. With one visit for each output, `Debug` implementations of the user
//! would run as often as there are outputs, and a counter in one of them would count wrongly. Here the visit is led by
//! the first output and passed on to the others: the line leads, and the record, the mark of an error and a span event
//! follow.
//!
//! With one output alone nothing is in between: the event is shown to its visitor directly, which formats into its own
//! buffer.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing_core::field::{Field, Visit};

use crate::bounded_text::{BoundedText, MAX_LINE_TEXT};
use crate::exception::PANICKED;

/// The visitors that need the same fields as the one that leads the visit.
///
/// A value whose text comes from code of the user (`?value`, `%value`, the message) is formatted once. If that panics,
/// every visitor gets [`PANICKED`] in its place.
#[derive(Default)]
pub(crate) struct SharedVisit<'a> {
    others: [Option<&'a mut (dyn Visit + 'a)>; MAX_OTHERS],
}

/// Shows the fields of an event or of a span to a visitor.
pub(crate) type ShowFields<'a> = dyn Fn(&mut dyn Visit) + 'a;

impl<'a> SharedVisit<'a> {
    /// Takes the visitors that follow; missing ones cost nothing.
    pub(crate) fn new(others: [Option<&'a mut (dyn Visit + 'a)>; MAX_OTHERS]) -> Self {
        Self { others }
    }

    /// Shows the fields to `first` and to the others.
    pub(crate) fn visit(&mut self, first: Option<&mut dyn Visit>, show: &ShowFields<'_>) {
        let [a, b, c] = &mut self.others;
        let mut all = [first.map(shorten), reborrow(a), reborrow(b), reborrow(c)];
        if all.iter().flatten().count() > 1 {
            return show(&mut Fan { visitors: all });
        }
        if let Some(only) = all.iter_mut().flatten().next() {
            show(*only);
        }
    }
}

/// Borrows a visitor for the time of one visit.
fn reborrow<'s>(visitor: &'s mut Option<&mut (dyn Visit + '_)>) -> Option<&'s mut (dyn Visit + 's)> {
    visitor.as_deref_mut().map(shorten)
}

/// Shortens the lifetime of a visitor, which the compiler does not do inside an `Option`.
fn shorten<'s>(visitor: &'s mut (dyn Visit + '_)) -> &'s mut (dyn Visit + 's) {
    visitor
}

/// Several visitors as one.
struct Fan<'a> {
    visitors: [Option<&'a mut (dyn Visit + 'a)>; MAX_OTHERS + 1],
}

impl Fan<'_> {
    /// Shows one value to all visitors.
    fn each(&mut self, show: impl Fn(&mut dyn Visit)) {
        for visitor in self.visitors.iter_mut().flatten() {
            show(*visitor);
        }
    }
}

impl Visit for Fan<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.each(|visitor| visitor.record_f64(field, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.each(|visitor| visitor.record_i64(field, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.each(|visitor| visitor.record_u64(field, value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.each(|visitor| visitor.record_i128(field, value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.each(|visitor| visitor.record_u128(field, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.each(|visitor| visitor.record_bool(field, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.each(|visitor| visitor.record_str(field, value));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.each(|visitor| visitor.record_bytes(field, value));
    }

    /// The text of an error is kept for all visitors by [`once_per_event`](crate::exception::once_per_event).
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.each(|visitor| visitor.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = TEXT.try_with(Cell::take).unwrap_or_default();
        text.clear();
        // The text that a failing implementation has written until then is kept.
        let write = || _ = write!(BoundedText::new(&mut text, MAX_LINE_TEXT), "{value:?}");
        if catch_unwind(AssertUnwindSafe(write)).is_err() {
            text.clear();
            text.push_str(PANICKED);
        }
        self.each(|visitor| visitor.record_str(field, &text));
        if text.capacity() <= MAX_KEPT {
            let _ = TEXT.try_with(|kept| kept.set(text));
        }
    }
}

thread_local! {
    /// Memory for the text of one value. While it is used, a value that logs finds none and takes new memory.
    static TEXT: Cell<String> = const { Cell::new(String::new()) };
}

/// One huge value must not hold its memory for as long as the thread lives.
const MAX_KEPT: usize = 64 << 10;
/// Record, error mark, span event.
const MAX_OTHERS: usize = 3;

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Default)]
    struct Texts(Vec<String>);

    impl Visit for Texts {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            let mut text = String::new();
            let outcome = catch_unwind(AssertUnwindSafe(|| _ = write!(text, "{}={value:?}", field.name())));
            self.0.push(outcome.map_or_else(|_| format!("{}=caught", field.name()), |()| text));
        }
    }

    struct Counted<'a>(&'a Cell<u32>);

    impl fmt::Debug for Counted<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            f.write_str("counted")
        }
    }

    struct Panics;

    impl fmt::Debug for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            panic!("a value panics on purpose")
        }
    }

    /// Shows an event with three fields to so many visitors.
    fn visited(others: usize) -> (Vec<Texts>, u32) {
        thread_local! {
            static SEEN: Cell<Option<Vec<Texts>>> = const { Cell::new(None) };
        }
        struct Layer(usize);
        impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Layer {
            fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
                let [mut first, mut a, mut b] = [Texts::default(), Texts::default(), Texts::default()];
                let [mut with_a, mut with_b] =
                    [(self.0 > 0).then_some(&mut a), (self.0 > 1).then_some(&mut b)];
                let mut shared = SharedVisit::new([
                    with_a.as_mut().map(|visitor| *visitor as _),
                    with_b.as_mut().map(|visitor| *visitor as _),
                    None,
                ]);
                shared.visit(Some(&mut first), &|visitor| event.record(visitor));
                SEEN.set(Some(vec![first, a, b]));
            }
        }
        let count = Cell::new(0);
        let subscriber = tracing_subscriber::registry().with(Layer(others));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(counted = ?Counted(&count), hostile = ?Panics, after = 7);
        });
        (SEEN.take().unwrap(), count.get())
    }

    #[test]
    fn a_value_is_formatted_once_for_all() {
        let (texts, formatted) = visited(2);
        assert_eq!(formatted, 1);
        for texts in texts {
            assert_eq!(texts.0, ["counted=\"counted\"", "hostile=\"[panicked]\"", "after=7"]);
        }
    }

    #[test]
    fn single_visitor_receives_the_values_unformatted() {
        let (texts, formatted) = visited(0);
        assert_eq!(formatted, 1);
        assert_eq!(texts[0].0, ["counted=counted", "hostile=caught", "after=7"]);
        assert!(texts[1].0.is_empty() && texts[2].0.is_empty());
    }
}
