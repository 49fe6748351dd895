//! The formats of log lines, as our layer uses them.

use tracing_core::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::moment::Moment;
use crate::json::JsonLayer;

/// Writes lines of any format.
pub(crate) type Lines<S> = Box<dyn LineFormat<S> + Send + Sync>;

/// A layer that is given the spans of its filter, and its events with the moment that their records carry.
pub(crate) trait LineFormat<S: Subscriber>: Layer<S> {
    fn write_event(&self, event: &Event<'_>, ctx: &Context<'_, S>, moment: &Moment);
}

impl<S, W> LineFormat<S> for JsonLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn write_event(&self, event: &Event<'_>, ctx: &Context<'_, S>, moment: &Moment) {
        JsonLayer::write_event(self, event, ctx, moment.time, moment.ids);
    }
}
