//! Log lines for people at a terminal.
//!
//! ```text
//! 14:20:44.123Z  INFO order placed  items=3 paid=true  shop::orders  request{tenant=acme}:place  0af76519
//! 14:20:44.125Z ERROR cannot pay  error=no answer  shop::pay  request{tenant=acme}:pay  0af76519
//!     │ caused by: connection refused
//! ```
//!
//! Time of day (UTC) and level, the message, the event's fields and those of the context; then, dimmed, target, the
//! path of spans with their fields, and the beginning of the trace id. What is logged cannot act on the terminal or
//! imitate a line: control characters are shown as escapes, and what follows a line end in a value is indented behind a
//! bar.
//!
//! It is made for eyes, not for throughput: each line allocates several strings. The same values, redaction and
//! context as in JSON lines are shown, so a developer sees what production logs.

mod text;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::SystemTime;

use tracing_core::{Event, Level};
use tracing_subscriber::fmt::MakeWriter;

use self::text::{escape, shown};
use crate::diagnostics::Field;
use crate::exception::{ERROR_FIELD, ErrorText};
use crate::export::render::terminal::{BLUE, Colors, DIM, GREEN, MAGENTA, RED, YELLOW, time_of_day};
use crate::lines::context_fields::{self, BaggageKeys};
use crate::lines::event_context::EventContext;
use crate::lines::event_field::{EventField, FieldOutput, FieldValue};
use crate::lines::field_visit::SharedVisit;
use crate::lines::redaction::Redaction;
use crate::lines::span::{SpanChain, scope};
use crate::semconv::OWN_TARGET;
use crate::settings::secrets::REDACTED;
use crate::user_code::bounded_text::{MAX_LINE_TEXT, beginning, room_beside};

/// Writes each event as a line for people. See the [module](self) for what it looks like.
#[derive(Debug)]
pub(crate) struct PrettyLayer<W> {
    /// The writer for lines.
    make_writer: W,
    /// Escape sequences, or none for files, `NO_COLOR` and `TERM=dumb`.
    colors: Colors,
    /// The rule for the values to replace.
    redaction: Redaction,
    /// Entries of the baggage that are shown as fields.
    baggage: BaggageKeys,
}

impl<W> PrettyLayer<W> {
    /// Creates the layer; `colors` are those of the terminal that lines go to.
    pub(crate) fn new(make_writer: W, colors: Colors) -> Self {
        Self { make_writer, colors, redaction: Redaction::default(), baggage: BaggageKeys::default() }
    }

    /// Fields whose values must not be written.
    pub(crate) fn redact(self, redaction: Redaction) -> Self {
        Self { redaction, ..self }
    }

    /// Keys of the OpenTelemetry baggage whose entries become fields.
    pub(crate) fn baggage_keys(self, baggage: BaggageKeys) -> Self {
        Self { baggage, ..self }
    }

    /// Returns an empty collection of values for one event or span.
    fn values(&self) -> Values<'_> {
        Values {
            redaction: &self.redaction,
            message: None,
            fields: Vec::new(),
            length: 0,
            causes: String::new(),
        }
    }

    /// Time and level. The level is padded to five characters before it is coloured, so messages begin in one column.
    fn head(&self, time: SystemTime, level: Level) -> String {
        let mut line = self.dimmed(&time_of_day(time));
        let color = match level {
            Level::ERROR => RED,
            Level::WARN => YELLOW,
            Level::INFO => GREEN,
            Level::DEBUG => BLUE,
            Level::TRACE => MAGENTA,
        };
        line.push(' ');
        line.push_str(&self.painted(color, &format!("{:>5}", level.as_str())));
        line
    }

    /// Appends `key=value`, which are escaped already.
    fn field(&self, line: &mut String, key: &str, value: &str) {
        line.push_str(&self.dimmed(&format!("{key}=")));
        line.push_str(value);
    }

    /// Returns text in the background colour of what is not read first.
    fn dimmed(&self, text: &str) -> String {
        self.painted(DIM, text)
    }

    /// Returns text in a colour, if there are colours.
    fn painted(&self, color: &str, text: &str) -> String {
        self.colors.paint(color, text)
    }
}

impl<W> PrettyLayer<W>
where
    W: for<'w> MakeWriter<'w> + 'static,
{
    /// Writes the line of an event with the caller's time, ids and spans.
    pub(crate) fn write_event(
        &self,
        event: &Event<'_>,
        span: Option<&dyn SpanChain>,
        moment: &EventContext<'_>,
        others: &mut SharedVisit<'_>,
    ) {
        let metadata = event.metadata();
        let target = moment.metadata.target();
        let mut values = self.values();
        others.visit(&mut values, &self.redaction, event, moment.is_log_record);
        context_fields::for_each(target, moment.has_context_fields, &self.baggage, &mut |key, value| {
            if values.fields.iter().all(|(there, _)| there != key) {
                values.add_unless_redacted(key, || shown(|text| write!(text, "{value}")));
            }
        });
        let mut line = self.head(moment.time, *metadata.level());
        self.body(&mut line, &values);
        let mut place = escape(target);
        if let Some(path) = span.and_then(|span| self.span_path(span)) {
            let _ = write!(place, "  {path}");
        }
        if let Some(ids) = moment.ids {
            let id = ids.trace_id.to_string();
            let _ = write!(place, "  {}", &id[..SHORT_ID]);
        }
        line.push_str("  ");
        line.push_str(&self.dimmed(&place));
        line.push_str(&values.causes);
        line.push('\n');
        let _ = self.make_writer.make_writer_for(metadata).write_all(line.as_bytes());
    }

    /// Writes a line of this crate's own.
    pub(crate) fn write_own(&self, level: Level, message: &str, fields: &[Field<'_>]) {
        let mut values = self.values();
        values.message = Some(escape(message));
        for (key, value) in fields {
            values.add_unless_redacted(key, || shown(|text| write!(text, "{value}")));
        }
        let mut line = self.head(SystemTime::now(), level);
        self.body(&mut line, &values);
        line.push_str("  ");
        line.push_str(&self.dimmed(OWN_TARGET));
        line.push('\n');
        let _ = self.make_writer.make_writer().write_all(line.as_bytes());
    }

    /// `request{tenant=acme}:query` The spans from the outermost to the innermost, without those that the filter of
    /// lines excludes. `None` if none is left.
    fn span_path(&self, innermost: &dyn SpanChain) -> Option<String> {
        let spans: Vec<_> = scope(innermost).filter(|span| span.is_in_lines).collect();
        let mut path = String::new();
        for span in spans.into_iter().rev() {
            if !path.is_empty() {
                path.push(':');
            }
            path.push_str(&escape(&span.name));
            // Redaction may be code of the user: no lock is held meanwhile.
            let kept = span.fields().clone();
            let mut values = self.values();
            kept.iter().for_each(|(name, value)| values.add_unless_redacted(name, || text_of(value)));
            let fields: Vec<_> = values.fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
            if !fields.is_empty() {
                let _ = write!(path, "{{{}}}", fields.join(" "));
            }
        }
        (!path.is_empty()).then_some(path)
    }

    /// Message and fields.
    fn body(&self, line: &mut String, values: &Values<'_>) {
        if let Some(message) = &values.message {
            line.push(' ');
            line.push_str(message);
        }
        let mut separator = "  ";
        // `record_error` has the text of the error in both.
        let is_message = |key: &str, value| key == ERROR_FIELD && values.message.as_ref() == Some(value);
        for (key, value) in values.fields.iter().filter(|(key, value)| !is_message(key, value)) {
            line.push_str(separator);
            self.field(line, key, value);
            separator = " ";
        }
    }
}

/// Collects values as text that is safe to show.
struct Values<'a> {
    /// The redaction of the layer.
    redaction: &'a Redaction,
    /// The text of the event, escaped. `None` until it was visited, or if there is none.
    message: Option<String>,
    /// Names and values, escaped, in the order in which they were visited.
    fields: Vec<(String, String)>,
    /// Bytes of the values.
    length: usize,
    /// Lines that follow the event's.
    causes: String,
}

impl Values<'_> {
    /// Adds a field. `value` is not called if it is redacted.
    fn add_unless_redacted(&mut self, name: &str, value: impl FnOnce() -> String) {
        let is_redacted = self.redaction.is_redacted(name);
        self.add(name, if is_redacted { REDACTED.to_owned() } else { value() });
    }

    /// Adds a field, in place of an earlier one of its name.
    /// The later one moves to the end. A field without a name is left out.
    fn add(&mut self, name: &str, value: String) {
        if name.is_empty() {
            return;
        }
        let (name, value) = (escape(name), self.bounded(value));
        self.fields.retain(|(earlier, _)| *earlier != name);
        self.fields.push((name, value));
    }

    /// Cuts a value that is too long beside the others.
    /// The values of a line share one limit, [`MAX_LINE_TEXT`].
    fn bounded(&mut self, mut value: String) -> String {
        let room = room_beside(self.length, MAX_LINE_TEXT);
        if value.len() > room {
            value.truncate(beginning(&value, room).len());
            value.shrink_to_fit();
        }
        self.length += value.len();
        value
    }
}

impl FieldOutput for Values<'_> {
    fn value(&mut self, field: &EventField, value: &FieldValue<'_>) {
        match field.is_message {
            true => self.message = Some(self.bounded(text_of(*value))),
            false => self.add(field.name, text_of(*value)),
        }
    }

    fn error(&mut self, field: &EventField, _error: &(dyn Error + 'static), text: &ErrorText) {
        self.value(field, &FieldValue::Text(&text.message));
        for cause in &text.causes {
            let cause = shown(|text| write!(text, "caused by: {cause}"));
            self.causes.push_str(text::NEXT_LINE);
            self.causes.push_str(&cause);
        }
    }
}

/// Returns a value as it is shown.
fn text_of(value: FieldValue<'_>) -> String {
    match value {
        FieldValue::Error { message, .. } => escape(message),
        other => escape(&other.text()),
    }
}

/// Digits of a trace id that distinguish the traces of one screen.
const SHORT_ID: usize = 8;

#[cfg(test)]
mod tests;
