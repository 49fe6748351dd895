//! A trace as a tree of text.
//!
//! ```text
//! shop.Orders/Place [server]  12.3 ms
//! ├─ check stock  1.2 ms  items=3
//! │  └─ · INFO reserved  items=3
//! └─ shop.Payments/Pay [client]  9.8 ms  ERROR deadline exceeded
//! ```
//!
//! Spans and records of one trace are sorted by time. Ids come from anywhere, so that no shape of the parents may hang
//! or overflow: a span that is its own parent is a root, and the depth is limited to the number of spans.
//!
//! | entry | placed below |
//! |---|---|
//! | a span | its parent, if that is among the spans; otherwise it is a root |
//! | a log record | its span, if that is among the spans; otherwise it is a root |
//! | a span that is its own parent | nothing: it is a root |
//! | spans whose parents form a cycle | nothing: they are not reached from any root, and left out |

use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

use super::attributes::{short_line, shown};
use super::item::{LogRecord, Span};
use crate::export::render::terminal::{BLUE, BOLD, Colors, DIM, GREEN, MAGENTA, RED, YELLOW};

/// Returns the spans and log records of one trace as a tree. What has no parent among them is a root.
pub(crate) fn tree(spans: &[Span], records: &[LogRecord], colors: Colors) -> String {
    let mut entries: Vec<_> =
        spans.iter().map(Entry::Span).chain(records.iter().map(Entry::Record)).collect();
    // Of equal times the span comes first, which contains the record.
    entries.sort_by_key(Entry::time);
    let ids: HashSet<&[u8]> = spans.iter().map(|span| &*span.span_id).collect();
    let mut tree = Tree { entries: &entries, colors, text: String::new() };
    // A span that is its own parent would otherwise be lost.
    for root in entries.iter().filter(|entry| !ids.contains(entry.parent()) || entry.is_own_parent()) {
        tree.branch(root, "", "", spans.len());
    }
    tree.text
}

/// A span or a record: a line of the tree.
#[derive(Clone, Copy)]
enum Entry<'a> {
    /// A line with name, kind, duration and error.
    Span(&'a Span),
    /// A line with severity and message.
    Record(&'a LogRecord),
}

impl Entry<'_> {
    /// Returns what entries are sorted by: the start of a span, the time of a record.
    fn time(&self) -> u64 {
        match self {
            Self::Span(span) => span.start,
            Self::Record(record) => record.time,
        }
    }

    /// Returns the id of the span above: of a record, the span that it belongs to.
    fn parent(&self) -> &[u8] {
        match self {
            Self::Span(span) => &span.parent_id,
            Self::Record(record) => &record.span_id,
        }
    }

    /// Returns `true` for a span whose parent id is its own id, which only a broken exporter sends.
    fn is_own_parent(&self) -> bool {
        matches!(self, Self::Span(span) if span.span_id == span.parent_id)
    }

    /// Returns the entry as text, without the branches before it.
    fn line(&self, colors: Colors) -> String {
        match self {
            Self::Span(span) => span_line(span, colors),
            Self::Record(record) => record_line(record, colors),
        }
    }
}

/// The tree under construction.
struct Tree<'a> {
    /// All entries, sorted by time.
    entries: &'a [Entry<'a>],
    /// The colours of names, durations and errors.
    colors: Colors,
    /// The lines so far.
    text: String,
}

impl Tree<'_> {
    /// Writes an entry, and everything below it. `lead` stands before the entry, `below` before the lines under it.
    ///
    /// `depth_left` bounds the recursion if parents form a cycle.
    fn branch(&mut self, entry: &Entry<'_>, lead: &str, below: &str, depth_left: usize) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "{}{}", self.colors.paint(DIM, lead), entry.line(self.colors));
        let Entry::Span(span) = entry else { return };
        if depth_left == 0 {
            return;
        }
        let id = &*span.span_id;
        let is_child = |child: &&Entry<'_>| child.parent() == id && !child.is_own_parent();
        let children: Vec<_> = self.entries.iter().filter(is_child).collect();
        for (index, child) in children.iter().enumerate() {
            let (branch, bar) =
                if index + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.branch(child, &format!("{below}{branch}"), &format!("{below}{bar}"), depth_left - 1);
        }
    }
}

/// Returns the line of a span: name, kind, duration, error, attributes.
fn span_line(span: &Span, colors: Colors) -> String {
    let kind = match span.kind {
        2 => " [server]",
        3 => " [client]",
        4 => " [producer]",
        5 => " [consumer]",
        _ => "",
    };
    let duration = Duration::from_nanos(span.end.saturating_sub(span.start));
    let name = colors.paint(BOLD, &shown(&span.name));
    let mut line = format!("{name}{kind}  {}", colors.paint(DIM, &rounded(duration)));
    if span.is_error {
        let error = format!("ERROR {}", shown(&span.status_message));
        line = format!("{line}  {}", colors.paint(RED, error.trim_end()));
    }
    with_attributes(line, &short_line(&span.attributes, &span.name), colors)
}

/// Returns a log record as one line: `· INFO hello  items=3`. The colour is that of its severity.
pub(crate) fn record_line(record: &LogRecord, colors: Colors) -> String {
    let color = match record.severity {
        17.. => RED,
        13.. => YELLOW,
        9.. => GREEN,
        5.. => BLUE,
        _ => MAGENTA,
    };
    let severity = colors.paint(color, &shown(&record.severity_text));
    let attributes = short_line(&record.attributes, &record.body);
    with_attributes(format!("· {severity} {}", shown(&record.body)), &attributes, colors)
}

/// Appends attributes, if there are any.
fn with_attributes(line: String, attributes: &str, colors: Colors) -> String {
    if attributes.is_empty() { line } else { format!("{line}  {}", colors.paint(DIM, attributes)) }
}

/// Returns a duration to three significant digits or so: `12.3 ms`.
fn rounded(duration: Duration) -> String {
    match duration.as_nanos() {
        nanos @ 0..1_000_000 => format!("{} µs", nanos / 1_000),
        nanos @ 1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}
