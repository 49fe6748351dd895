//! The layer: from an event to a line. Its options are set in `setters`.
//!
//! A line is written in the order of its keys: what is known first (time, level), then the message, which the visit
//! of the event yields at some point, then the rest. Fields of the event are collected in a second buffer meanwhile,
//! so the message can come before fields that were visited before it:
//!
//! ```text
//! line:   ,"timestamp":"…","level":"INFO","message":"order placed" ← visited third
//! fields: ,"items":3,"paid":true                                   ← visited first and second
//! ```
//!
//! At the end the buffers are joined, the first comma becomes the opening brace, and the line goes to the writer in one
//! call. All buffers belong to the thread ([`Scratch`]) and keep their memory.

mod setters;

use std::fmt;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tracing_core::dispatcher::WeakDispatch;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::subscriber::NoSubscriber;
use tracing_core::{Dispatch, Event, Level, Subscriber, dispatcher};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::encode;
use super::fields::Fields;
use super::format::{FieldKeys, Format, Options};
use super::keys::SpanFields;
use super::scratch::Scratch;
use super::shape::Shape;
use super::spans::SpanText;
use super::visit::Values;
use crate::diagnostics::{self, FieldValue};
use crate::lines::context_fields::{self, BaggageKeys};
use crate::lines::event_context::{Current, EventContext, log_record_metadata};
use crate::lines::field_visit::SharedVisit;
use crate::lines::kept_fields::KeptFields;
use crate::lines::redaction::Redaction;
use crate::lines::span::{KeptSpan, SpanChain};
use crate::lines::span_table::SpanTable;
use crate::semconv::OWN_TARGET;
use crate::settings::secrets::REDACTED;
use crate::trace_ids::{TraceIds, is_sdk_target, may_touch_context};

/// Writes each event as one line of JSON. See the [module](super) for its content.
///
/// Setters return the layer, so they can be chained; each renders the constant parts of lines anew, and none fails.
///
/// Inside of an `Option` or a `Vec` of layers, an event with an explicit parent (`parent: &span`) has ids only if the
/// subscriber is the global default: `tracing-subscriber` does not announce the subscriber to such a layer.
///
/// ```
/// use telemetry_bootstrap::json::{FieldNames, JsonLayer, SpanFields};
///
/// let layer = JsonLayer::new(std::io::stderr)
///     .field_names(FieldNames::ElasticCommonSchema)
///     .include_span_fields(SpanFields::Off)
///     .service_name("shop");
/// # drop(layer);
/// ```
#[must_use = "a layer does nothing until it is added to a subscriber"]
pub struct JsonLayer<W> {
    /// The writer for lines.
    make_writer: W,
    /// The options set by the setters.
    options: Options,
    /// The constant parts of lines, rendered from the options.
    format: Format,
    /// The rule for the values to replace.
    redaction: Redaction,
    /// Entries of the baggage that become fields.
    baggage: BaggageKeys,
    /// In a subscriber of the user. Within `init()` the spans come with the events.
    spans: SpanTable<OwnSpan>,
    /// The subscriber, through which ids of explicit parents are found.
    dispatch: OnceLock<WeakDispatch>,
}

impl<W> JsonLayer<W> {
    /// Creates a layer that writes lines with the default names to what `make_writer` makes: `std::io::stderr`, a
    /// [`NonBlockingWriter`](crate::NonBlockingWriter), or anything else that `tracing_subscriber::fmt` writes to.
    ///
    /// ```
    /// use telemetry_bootstrap::json::JsonLayer;
    ///
    /// let layer = JsonLayer::new(std::io::stderr);
    /// # drop(layer);
    /// ```
    pub fn new(make_writer: W) -> Self {
        let options = Options::default();
        Self {
            make_writer,
            format: Format::new(&options),
            options,
            redaction: Redaction::default(),
            baggage: BaggageKeys::default(),
            spans: SpanTable::new(),
            dispatch: OnceLock::new(),
        }
    }

    /// Changes the options, and renders the constant parts of lines.
    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self.format = Format::new(&self.options);
        self
    }

    /// Encodes a line and hands it to `write`, with its line feed.
    ///
    /// `fill` appends everything between the level and the closing brace.
    fn line(
        &self,
        level: Level,
        time: SystemTime,
        fill: impl FnOnce(&mut Scratch),
        write: impl FnOnce(&[u8]),
    ) {
        Scratch::with(|scratch| {
            let Scratch { line, clock, .. } = scratch;
            self.format.timestamp(line, |line| clock.write(line, time));
            self.format.level(line, level);
            fill(scratch);
            let line = &mut scratch.line;
            match line.first_mut() {
                Some(comma) => *comma = b'{',
                None => line.push(b'{'),
            }
            line.extend_from_slice(b"}\n");
            write(line);
        });
    }

    /// For the values of a span.
    fn values<'a>(&'a self, fields: &'a mut Fields) -> Values<'a> {
        Values {
            format: &self.format,
            redaction: &self.redaction,
            keys: self.format.span_keys(),
            fields,
            event: None,
        }
    }
}

impl<W> JsonLayer<W>
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
        let fill = |scratch: &mut Scratch| self.fill(scratch, event, span, moment, others);
        self.line(*metadata.level(), moment.time, fill, |line| {
            let _ = self.make_writer.make_writer_for(metadata).write_all(line);
        });
    }

    /// Writes a line of this crate's own.
    pub(crate) fn write_own(&self, level: Level, message: &str, fields: &[diagnostics::Field<'_>]) {
        let fill = |Scratch { line, fields: own, .. }: &mut Scratch| {
            if self.format.message(line) {
                encode::string(line, message);
            }
            self.format.ids(line, None);
            self.format.target(line, OWN_TARGET);
            self.format.constants(line);
            for (key, value) in fields {
                let numbers = self.format.preset.numbers;
                let key = self.format.preset.error_field(key, true).unwrap_or(key);
                let shape = Shape::from_own_field(value, numbers);
                let out = own.begin_shaped(key, shape, &self.format.keys.reserved);
                match *value {
                    FieldValue::Text(text) => encode::display(out, text, self.format.max_field_length),
                    FieldValue::Count(count) => numbers.unsigned(out, count),
                    FieldValue::Seconds(seconds) => numbers.float(out, seconds),
                }
            }
            line.extend_from_slice(own.text());
        };
        self.line(level, SystemTime::now(), fill, |line| {
            let _ = self.make_writer.make_writer().write_all(line);
        });
    }

    /// Everything of a line but time and level.
    fn fill(
        &self,
        scratch: &mut Scratch,
        event: &Event<'_>,
        span: Option<&dyn SpanChain>,
        moment: &EventContext<'_>,
        others: &mut SharedVisit<'_>,
    ) {
        let Scratch { line, fields, spans, kept, .. } = scratch;
        let mut values =
            Values { keys: &self.format.keys, event: Some((line, event)), ..self.values(fields) };
        others.visit(&mut values, &self.redaction, event, moment.is_log_record);
        self.format.ids(line, moment.ids);
        let target = moment.metadata.target();
        match moment.is_log_record {
            false => self.format.static_target_and_constants(line, event.metadata().target()),
            true => {
                self.format.target(line, target);
                self.format.constants(line);
            }
        }
        context_fields::for_each(target, moment.has_context_fields, &self.baggage, &mut |key, value| {
            if key.is_empty() {
                return;
            }
            spans.clear();
            let Format { preset, keys: FieldKeys { reserved, .. }, max_field_length: max, .. } = &self.format;
            if self.redaction.is_redacted(key) {
                encode::string(spans.begin(key, reserved), REDACTED);
            } else {
                let shape = Shape::from_value(value, preset.numbers, *max);
                preset.numbers.value(spans.begin_shaped(key, shape, reserved), value, *max);
            }
            fields.add_missing(spans, reserved);
        });
        line.extend_from_slice(fields.text());
        if let Some(span) = span.filter(|_| self.format.span_fields != SpanFields::Off) {
            let text = SpanText {
                encode: &|kept, fields| self.encode_kept(kept, fields),
                reserved: &self.format.span_keys().reserved,
                runs_rule: self.redaction.has_rule(),
                is_nested: self.format.span_fields == SpanFields::Nested,
                is_typed: self.format.preset.is_typed,
                is_cached: !self.redaction.is_running(),
            };
            text.write(span, fields, line, spans, kept);
        }
    }

    /// Encodes the fields of a span, with the redaction and the names of this layer.
    fn encode_kept(&self, kept: &KeptFields, fields: &mut Fields) {
        let mut values = self.values(fields);
        kept.iter().for_each(|(name, value)| values.kept(name, value));
    }

    /// The subscriber that the layer works in. An `Option` or `Vec` of layers does not announce it: then it is the
    /// global default, unless the thread has one of its own, which is not known while it handles an event.
    fn dispatch(&self) -> Option<Dispatch> {
        match self.dispatch.get() {
            Some(dispatch) => dispatch.upgrade(),
            None => dispatcher::get_default(|it| (!it.is::<NoSubscriber>()).then(|| it.clone())),
        }
    }

    /// The span of an event, or the nearest one around it that is known here, in a subscriber of the user.
    fn span<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Option<Arc<OwnSpan>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if self.format.span_fields == SpanFields::Off {
            return None;
        }
        // A span that is known here was not excluded by a filter around this layer.
        let known = || self.spans.get(context.current_span().id()?);
        event
            .is_contextual()
            .then(known)
            .flatten()
            .or_else(|| self.spans.nearest(&context.event_span(event)?))
    }

    /// The ids of an event that is not within the current OpenTelemetry span, in a subscriber of the user: of the explicit
    /// parent, or of the current span of `tracing`, whose bridge may provide its context without activating it.
    #[inline(never)]
    fn ids_of_span<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Option<TraceIds>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if !may_touch_context(event.metadata().target()) {
            return None;
        }
        let id = match event.is_contextual() {
            true => context.event_span(event)?.id(),
            false => event.parent()?.clone(),
        };
        TraceIds::from_span(&id, &self.dispatch()?)
    }
}

impl<S, W> Layer<S> for JsonLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|_| self.format.span_fields != SpanFields::Off) else {
            return;
        };
        let parent = span.parent().and_then(|parent| self.spans.nearest(&parent));
        let mut fields = KeptFields::default();
        attributes.record(&mut fields.visitor());
        let kept = KeptSpan::in_lines(span.name(), fields);
        self.spans.insert(id, Arc::new(OwnSpan { kept, parent }));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let Some(span) = self.spans.get(id) else { return };
        // Values are formatted by code of the program, which may log: no lock is held while that happens.
        KeptFields::with_buffer(|fields| {
            values.record(&mut fields.visitor());
            span.kept.record(fields);
        });
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.spans.remove(&id);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let normalized = log_record_metadata(event);
        let is_of_sdk = is_sdk_target(event.metadata().target());
        let Current { ids, has_fields, .. } = if is_of_sdk { Current::default() } else { Current::read() };
        let moment = EventContext {
            time: SystemTime::now(),
            ids: ids.filter(|_| event.is_contextual()).or_else(|| self.ids_of_span(event, &context)),
            has_context_fields: has_fields,
            metadata: normalized.as_ref().unwrap_or_else(|| event.metadata()),
            is_log_record: normalized.is_some(),
        };
        let span = self.span(event, &context);
        let span = span.as_deref().map(|span| span as _);
        self.write_event(event, span, &moment, &mut SharedVisit::line_only());
    }
}

/// A span of a subscriber of the user.
#[derive(Debug)]
struct OwnSpan {
    /// Its fields.
    kept: KeptSpan,
    /// The span around it.
    parent: Option<Arc<Self>>,
}

impl SpanChain for OwnSpan {
    fn kept(&self) -> &KeptSpan {
        &self.kept
    }

    fn parent(&self) -> Option<&dyn SpanChain> {
        self.parent.as_deref().map(|parent| parent as _)
    }
}

impl<W> fmt::Debug for JsonLayer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLayer").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
