//! The formats of log lines, as our layer uses them.

use std::sync::Arc;

use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::event_context::EventContext;
use crate::diagnostics::{Field, Write};
use crate::lines::json::JsonLayer;
use crate::lines::pretty::PrettyLayer;
use crate::lines::shared_visit::SharedVisit;

/// Writes lines of any format.
pub(crate) type Lines<S> = Box<dyn LineFormat<S> + Send + Sync>;

/// A layer that receives the spans of its filter, and its events with the time that their records have.
pub(crate) trait LineFormat<S: Subscriber>: Layer<S> {
    /// Writes the line of an event. Shows its fields to the visitors of other outputs, too.
    fn write_event(
        &self,
        event: &Event<'_>,
        ctx: &Context<'_, S>,
        moment: &EventContext,
        others: &mut SharedVisit<'_>,
    );

    /// Keeps the fields of a span. Shows them to the visitors of other outputs, too.
    fn keep_span(
        &self,
        attributes: &Attributes<'_>,
        id: &Id,
        ctx: &Context<'_, S>,
        others: &mut SharedVisit<'_>,
    );

    /// Keeps fields that are recorded later, if those of the span are kept. Shows them to the visitors of other
    /// outputs in any case.
    fn keep_values(&self, id: &Id, values: &Record<'_>, others: &mut SharedVisit<'_>);
}

/// A format that can write this crate's own lines too.
pub(crate) trait OwnLines: Send + Sync + 'static {
    fn write_own(&self, level: Level, message: &str, fields: &[Field<'_>]);
}

/// The two ways into one format: for the subscriber's events, and for our own lines.
pub(crate) fn shared<S, F>(format: F) -> (Lines<S>, Box<Write>)
where
    S: Subscriber,
    F: LineFormat<S> + OwnLines,
{
    let format = Arc::new(format);
    let own = Arc::clone(&format);
    let write =
        move |level: Level, message: &str, fields: &[Field<'_>]| own.write_own(level, message, fields);
    (Box::new(Shared(format)), Box::new(write))
}

/// A shared format. Passes on the callbacks that formats use.
struct Shared<F>(Arc<F>);

impl<S: Subscriber, F: Layer<S>> Layer<S> for Shared<F> {
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.0.on_register_dispatch(dispatch);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.0.on_close(id, ctx);
    }
}

impl<S: Subscriber, F: LineFormat<S> + Send + Sync> LineFormat<S> for Shared<F> {
    fn write_event(
        &self,
        event: &Event<'_>,
        ctx: &Context<'_, S>,
        moment: &EventContext,
        others: &mut SharedVisit<'_>,
    ) {
        self.0.write_event(event, ctx, moment, others);
    }

    fn keep_span(
        &self,
        attributes: &Attributes<'_>,
        id: &Id,
        ctx: &Context<'_, S>,
        others: &mut SharedVisit<'_>,
    ) {
        self.0.keep_span(attributes, id, ctx, others);
    }

    fn keep_values(&self, id: &Id, values: &Record<'_>, others: &mut SharedVisit<'_>) {
        self.0.keep_values(id, values, others);
    }
}

macro_rules! line_format {
    ($layer:ident) => {
        impl<S, W> LineFormat<S> for $layer<W>
        where
            S: Subscriber + for<'a> LookupSpan<'a>,
            W: for<'w> MakeWriter<'w> + 'static,
        {
            fn write_event(
                &self,
                event: &Event<'_>,
                ctx: &Context<'_, S>,
                moment: &EventContext,
                others: &mut SharedVisit<'_>,
            ) {
                Self::write_event(self, event, ctx, moment.time, moment.ids, others);
            }

            fn keep_span(
                &self,
                attributes: &Attributes<'_>,
                id: &Id,
                ctx: &Context<'_, S>,
                others: &mut SharedVisit<'_>,
            ) {
                Self::keep_span(self, attributes, id, ctx, others);
            }

            fn keep_values(&self, id: &Id, values: &Record<'_>, others: &mut SharedVisit<'_>) {
                Self::keep_values(self, id, values, others);
            }
        }

        impl<W> OwnLines for $layer<W>
        where
            W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
        {
            fn write_own(&self, level: Level, message: &str, fields: &[Field<'_>]) {
                Self::write_own(self, level, message, fields);
            }
        }
    };
}

line_format!(JsonLayer);
line_format!(PrettyLayer);
