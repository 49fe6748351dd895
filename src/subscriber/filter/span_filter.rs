//! A filter that follows spans: [`EnvFilter`], called so that no code of the program runs inside of it.
//!
//! `EnvFilter` compares values while it holds its locks, and expects that they can be formatted. A `Debug` of the program
//! can panic or fail, and can make spans, for which the same filter is asked. So the values that directives compare are
//! formatted first, and handed over as text, one at a time.

use std::fmt;
use std::str::FromStr as _;

use tracing_core::field::{Field, FieldSet, Value, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Interest, LevelFilter, Metadata};
use tracing_subscriber::filter::{Directive, EnvFilter};
use tracing_subscriber::layer::{Context, Filter as LayerFilter};
use tracing_subscriber::registry::Registry;

use super::directives::Parsed;
use crate::subscriber::reentrancy::ReentrancyGuard;
use crate::user_code::bounded_text::{MAX_TEXT, append_caught};

/// A filter with directives for spans.
#[derive(Debug)]
pub(crate) struct SpanFilter {
    /// Decides.
    env: EnvFilter,
    /// The fields of spans whose values a directive compares.
    compared: Vec<String>,
    /// The targets that directives name.
    targets: Vec<String>,
}

impl SpanFilter {
    /// Builds the filter. Each directive is valid: they were checked one by one.
    ///
    /// The parser of `EnvFilter` accepts that a directive with field names also enables what is inside such a span, but
    /// cuts it at each comma; `add_directive` the other way round. So each directive goes the way that reads it whole.
    pub(super) fn new(directives: &[Parsed]) -> Self {
        let texts = directives.iter().map(ToString::to_string);
        let (listed, plain): (Vec<_>, Vec<_>) = texts.partition(|text| text.contains(','));
        let filter = EnvFilter::builder().parse(plain.join(",")).unwrap_or_default();
        let listed = listed.iter().filter_map(|text| Directive::from_str(text).ok());
        let targets = directives.iter().filter(|it| it.span.is_empty() && !it.target.is_empty());
        Self {
            env: listed.fold(filter, EnvFilter::add_directive),
            compared: directives.iter().flat_map(Parsed::compared).map(ToOwned::to_owned).collect(),
            targets: targets.map(|it| it.target.clone()).collect(),
        }
    }

    /// Returns `true` if a directive without a span names the target.
    pub(super) fn names(&self, target: &str) -> bool {
        self.targets.iter().any(|named| target.starts_with(named))
    }

    /// Returns `true` if the span or event passes.
    pub(super) fn enabled<S>(&self, metadata: &Metadata<'_>, ctx: &Context<'_, S>) -> bool {
        self.env.enabled(metadata, ctx.clone())
    }

    /// Returns the interest in a callsite, often `sometimes`.
    pub(super) fn interest(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The filter does not look at the subscriber: any type will do.
        LayerFilter::<Registry>::callsite_enabled(&self.env, metadata)
    }

    /// The most verbose level that can pass.
    pub(super) fn ceiling(&self) -> Option<LevelFilter> {
        self.env.max_level_hint()
    }

    /// Begins to follow a span, if a directive is about it.
    pub(super) fn on_new_span<S>(&self, attrs: &Attributes<'_>, id: &Id, ctx: &Context<'_, S>) {
        let metadata = attrs.metadata();
        let no_values: [(&Field, Option<&dyn Value>); 0] = [];
        let without_values = metadata.fields().value_set(&no_values);
        self.env.on_new_span(&Attributes::new(metadata, &without_values), id, ctx.clone());
        self.compare(metadata.fields(), id, ctx, |visitor| attrs.record(visitor));
    }

    /// Compares values that a span has got later.
    pub(super) fn on_record<S>(&self, fields: &FieldSet, id: &Id, values: &Record<'_>, ctx: &Context<'_, S>) {
        self.compare(fields, id, ctx, |visitor| values.record(visitor));
    }

    pub(super) fn on_enter<S>(&self, id: &Id, ctx: &Context<'_, S>) {
        self.env.on_enter(id, ctx.clone());
    }

    pub(super) fn on_exit<S>(&self, id: &Id, ctx: &Context<'_, S>) {
        self.env.on_exit(id, ctx.clone());
    }

    pub(super) fn on_close<S>(&self, id: &Id, ctx: &Context<'_, S>) {
        self.env.on_close(id.clone(), ctx.clone());
    }

    /// Hands over the values that are compared with something.
    fn compare<S>(
        &self,
        fields: &FieldSet,
        id: &Id,
        ctx: &Context<'_, S>,
        visit: impl FnOnce(&mut dyn Visit),
    ) {
        if !fields.iter().any(|field| self.is_compared(&field)) {
            return;
        }
        // Values of the program are formatted here.
        let _inside = ReentrancyGuard::enter();
        let record = |field: &Field, value: &dyn Value| {
            let value = [(field, Some(value))];
            self.env.on_record(id, &Record::new(&fields.value_set(&value)), ctx.clone());
        };
        visit(&mut Compared { filter: self, record });
    }

    fn is_compared(&self, field: &Field) -> bool {
        self.compared.iter().any(|name| name == field.name())
    }
}

/// Visits the values that directives compare.
struct Compared<'a, R> {
    filter: &'a SpanFilter,
    /// Hands a value to the filter.
    record: R,
}

impl<R: Fn(&Field, &dyn Value)> Compared<'_, R> {
    fn value(&self, field: &Field, value: &dyn Value) {
        if self.filter.is_compared(field) {
            (self.record)(field, value);
        }
    }
}

impl<R: Fn(&Field, &dyn Value)> Visit for Compared<'_, R> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, &value);
    }

    /// A value that cannot be formatted equals nothing.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        if self.filter.is_compared(field) && append_caught(&mut text, MAX_TEXT, |out| write_debug(out, value))
        {
            self.value(field, &format_args!("{text}"));
        }
    }
}

fn write_debug(out: &mut dyn fmt::Write, value: &dyn fmt::Debug) -> fmt::Result {
    write!(out, "{value:?}")
}
