//! The formats of log lines, as our layer uses them.
//!
//! JSON and text are layers by themselves; inside of ours they only format. The subscriber writes events through
//! [`LineFormat`], and this crate writes its own lines through [`OwnLines`], with the same names, colours and
//! redaction.

use std::sync::Arc;

use tracing_core::{Event, Level};
use tracing_subscriber::fmt::MakeWriter;

use crate::diagnostics::{Field, Write};
use crate::lines::event_context::EventContext;
use crate::lines::field_visit::SharedVisit;
use crate::lines::json::JsonLayer;
use crate::lines::pretty::PrettyLayer;
use crate::lines::span::SpanChain;

/// Writes lines of any format. Shared by the layer and by the writer of this crate's own lines, so both have one
/// writer and one configuration.
pub(crate) type Lines = Arc<dyn LineFormat>;

/// A format of log lines.
pub(crate) trait LineFormat: Send + Sync {
    /// Writes the line of an event. Shows its fields to the visitors of other outputs, too.
    fn write_event(
        &self,
        event: &Event<'_>,
        span: Option<&dyn SpanChain>,
        moment: &EventContext<'_>,
        others: &mut SharedVisit<'_>,
    );
}

/// A format that can write this crate's own lines too.
pub(crate) trait OwnLines: Send + Sync + 'static {
    /// Writes one line, now, on this thread.
    /// Filters do not apply: the caller has decided by the level of diagnostics. Errors of the writer are ignored.
    fn write_own(&self, level: Level, message: &str, fields: &[Field<'_>]);
}

/// The two ways into one format: for the subscriber's events, and for our own lines.
pub(crate) fn shared<F>(format: F) -> (Lines, Box<Write>)
where
    F: LineFormat + OwnLines,
{
    let format = Arc::new(format);
    let own = Arc::clone(&format);
    let write =
        move |level: Level, message: &str, fields: &[Field<'_>]| own.write_own(level, message, fields);
    (format, Box::new(write))
}

/// Implements both traits for a layer, by its own methods.
macro_rules! line_format {
    ($layer:ident) => {
        impl<W> LineFormat for $layer<W>
        where
            W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
        {
            fn write_event(
                &self,
                event: &Event<'_>,
                span: Option<&dyn SpanChain>,
                moment: &EventContext<'_>,
                others: &mut SharedVisit<'_>,
            ) {
                Self::write_event(self, event, span, moment, others);
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
