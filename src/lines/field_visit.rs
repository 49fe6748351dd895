//! One visit of fields for all outputs.
//!
//! `Event::record` shows fields to one visitor. With one visit for each output, `Debug` implementations of the user
//! would run as often as there are outputs, and a counter in one of them would count wrongly. Here a field is visited
//! and classified once ([`EventField`]), and its text is formatted once: the line gets it first, then the record, the
//! mark of an error and a span event.

use std::error::Error;
use std::fmt::{self, Write as _};

use tracing_core::Event;
use tracing_core::field::{Field, Visit};

use super::event_field::{EventField, FieldOutput, FieldValue};
use super::kept_fields::KeptFields;
use super::thread_buffers::ThreadBuffers;
use crate::exception::{ErrorText, describe, once_per_event};
use crate::lines::redaction::Redaction;
use crate::user_code::bounded_text::{MAX_LINE_TEXT, append_caught};

/// The outputs of an event beside its line, which get what the line gets.
pub(crate) struct SharedVisit<'a> {
    outputs: [Option<&'a mut (dyn FieldOutput + 'a)>; MAX_OTHERS],
    /// The redaction of these outputs. That of lines can be another one.
    redaction: &'a Redaction,
}

impl<'a> SharedVisit<'a> {
    /// For an event whose line is the only output.
    pub(crate) fn line_only() -> Self {
        Self { outputs: [None, None, None], redaction: &Redaction::NONE }
    }

    /// Takes the outputs; missing ones cost nothing.
    pub(crate) fn new(
        outputs: [Option<&'a mut (dyn FieldOutput + 'a)>; MAX_OTHERS],
        redaction: &'a Redaction,
    ) -> Self {
        Self { outputs, redaction }
    }

    /// Shows the fields of an event to a line with its redaction, and then to the others. `is_log_record` is `true` for
    /// an event that was a record of the `log` crate.
    pub(crate) fn visit<F: FieldOutput>(
        &mut self,
        line: &mut F,
        redaction: &Redaction,
        event: &Event<'_>,
        is_log_record: bool,
    ) {
        let first = Some((line, redaction));
        let others = self.outputs.iter().any(Option::is_some).then_some(self);
        let kind = Kind::Event { is_log_record, has_message: false };
        event.record(&mut FieldVisitor { first, others, kind });
    }

    /// Shows the fields of an event that has no line.
    pub(crate) fn visit_without_line(&mut self, event: &Event<'_>, is_log_record: bool) {
        let kind = Kind::Event { is_log_record, has_message: false };
        event.record(&mut FieldVisitor { first: None::<(&mut KeptFields, _)>, others: Some(self), kind });
    }

    /// Shows a field.
    #[inline(never)]
    fn show(&mut self, field: &EventField, value: &FieldValue<'_>) {
        let is_hidden = field.is_hidden_by(self.redaction);
        for output in self.outputs.iter_mut().flatten() {
            match is_hidden {
                true => output.hidden(field),
                false => output.value(field, value),
            }
        }
    }

    /// Shows a field that is an error value.
    fn show_error(&mut self, field: &EventField, error: &(dyn Error + 'static), text: &ErrorText) {
        let is_hidden = field.is_hidden_by(self.redaction);
        for output in self.outputs.iter_mut().flatten() {
            match is_hidden {
                true => output.hidden(field),
                false => output.error(field, error, text),
            }
        }
    }
}

/// Shows the fields of an event to its only output.
pub(crate) fn visit_event<F: FieldOutput + ?Sized>(
    event: &Event<'_>,
    is_log_record: bool,
    output: &mut F,
    redaction: &Redaction,
) {
    let kind = Kind::Event { is_log_record, has_message: false };
    event.record(&mut FieldVisitor { first: Some((output, redaction)), others: None, kind });
}

/// Returns a visitor that shows the fields of a span to an output.
pub(super) fn span_visitor<F: FieldOutput>(output: &mut F) -> impl Visit {
    FieldVisitor { first: Some((output, &Redaction::NONE)), others: None, kind: Kind::Span }
}

/// Shows what it visits to outputs.
struct FieldVisitor<'v, 'a, F: ?Sized> {
    first: Option<(&'v mut F, &'v Redaction)>,
    others: Option<&'v mut SharedVisit<'a>>,
    kind: Kind,
}

/// The kind of item whose fields are visited.
#[derive(Clone, Copy)]
enum Kind {
    Span,
    Event { is_log_record: bool, has_message: bool },
}

impl<F: FieldOutput + ?Sized> FieldVisitor<'_, '_, F> {
    /// Classifies a field, which must be shown if it is returned.
    #[inline(always)]
    fn classify(&mut self, field: &Field) -> Option<EventField> {
        let Kind::Event { is_log_record, has_message } = &mut self.kind else {
            return Some(EventField::from_span(field));
        };
        let field = EventField::from_event(field, *is_log_record, *has_message)?;
        *has_message |= field.is_message;
        Some(field)
    }

    /// Shows a field, if its value needs no code of the user.
    #[inline(always)]
    fn value(&mut self, field: &Field, value: FieldValue<'_>) {
        if let Some(field) = self.classify(field) {
            self.show(&field, &value);
        }
    }

    /// Part of each visiting function: there the type of the value is known, and with it how it is encoded.
    #[inline(always)]
    fn show(&mut self, field: &EventField, value: &FieldValue<'_>) {
        if let Some((first, redaction)) = &mut self.first {
            match field.is_hidden_by(redaction) {
                true => first.hidden(field),
                false => first.value(field, value),
            }
        }
        if let Some(others) = &mut self.others {
            others.show(field, value);
        }
    }

    /// Returns `true` if every output hides the value.
    fn is_hidden(&self, field: &EventField) -> bool {
        self.first.as_ref().is_none_or(|(_, redaction)| field.is_hidden_by(redaction))
            && self.others.as_ref().is_none_or(|others| field.is_hidden_by(others.redaction))
    }
}

impl<F: FieldOutput + ?Sized> Visit for FieldVisitor<'_, '_, F> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, FieldValue::F64(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, FieldValue::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, FieldValue::U64(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.value(field, FieldValue::Text(itoa::Buffer::new().format(value)));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.value(field, FieldValue::Text(itoa::Buffer::new().format(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, FieldValue::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, FieldValue::Text(value));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.value(field, FieldValue::Bytes(value));
    }

    /// The text of an error is kept for all visits of an event by [`once_per_event`]. That of a span is not: code that
    /// formats an error may create spans, whose errors are dropped before the event ends and leave their address to
    /// others.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let Some(field) = self.classify(field) else { return };
        if self.is_hidden(&field) {
            return self.show(&field, &FieldValue::Text(""));
        }
        let text = match self.kind {
            Kind::Span => once_per_event(|| describe(value)),
            Kind::Event { .. } => describe(value),
        };
        if let Some((first, redaction)) = &mut self.first {
            match field.is_hidden_by(redaction) {
                true => first.hidden(&field),
                false => first.error(&field, value, &text),
            }
        }
        if let Some(others) = &mut self.others {
            others.show_error(&field, value, &text);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let Some(field) = self.classify(field) else { return };
        if self.is_hidden(&field) {
            return self.show(&field, &FieldValue::Text(""));
        }
        let mut text = ThreadBuffers::take(|buffers| &buffers.text);
        text.clear();
        append_caught(&mut text, MAX_LINE_TEXT, |text| write!(text, "{value:?}"));
        self.show(&field, &FieldValue::Text(&text));
        if text.capacity() <= MAX_KEPT {
            ThreadBuffers::put(|buffers| &buffers.text, text);
        }
    }
}

/// One huge value must not hold its memory for as long as the thread lives.
const MAX_KEPT: usize = 64 << 10;
/// Record, error mark, span event.
const MAX_OTHERS: usize = 3;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Default)]
    struct Texts(Vec<String>);

    impl FieldOutput for Texts {
        fn value(&mut self, field: &EventField, value: &FieldValue<'_>) {
            self.0.push(format!("{}={value}", field.name));
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

    /// Shows an event with three fields to a line, whose redaction hides `counted`, and to so many other outputs.
    fn visited(others: usize) -> (Vec<Texts>, u32) {
        thread_local! {
            static SEEN: Cell<Option<Vec<Texts>>> = const { Cell::new(None) };
        }
        struct Layer(usize);
        impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Layer {
            fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
                let [mut first, mut a, mut b] = [Texts::default(), Texts::default(), Texts::default()];
                let mut outputs: [Option<&mut dyn FieldOutput>; MAX_OTHERS] =
                    [Some(&mut a), Some(&mut b), None];
                outputs.iter_mut().skip(self.0).for_each(|output| *output = None);
                let mut shared = SharedVisit::new(outputs, &Redaction::NONE);
                shared.visit(&mut first, &Redaction::keys(["counted"]), event, false);
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
        assert_eq!(texts[0].0, ["counted=[redacted]", "hostile=[panicked]", "after=7"]);
        for texts in &texts[1..] {
            assert_eq!(texts.0, ["counted=counted", "hostile=[panicked]", "after=7"]);
        }
    }

    #[test]
    fn value_redacted_everywhere_is_not_formatted() {
        let (texts, formatted) = visited(0);
        assert_eq!(formatted, 0);
        assert_eq!(texts[0].0, ["counted=[redacted]", "hostile=[panicked]", "after=7"]);
        assert!(texts[1].0.is_empty() && texts[2].0.is_empty());
    }
}
