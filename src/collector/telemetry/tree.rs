//! A trace as a tree of text.

use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::{CollectedLog, CollectedSpan};
use crate::collector::attributes;

/// The spans and log records of one trace as a tree; what has no parent among them is a root.
pub(in crate::collector) fn tree(spans: &[CollectedSpan], logs: &[CollectedLog]) -> String {
    let mut entries: Vec<_> = spans.iter().map(Entry::Span).chain(logs.iter().map(Entry::Log)).collect();
    // Of equal times the span comes first, which contains the record.
    entries.sort_by_key(Entry::time);
    let ids: HashSet<&[u8]> = spans.iter().map(|span| &*span.span.span_id).collect();
    let mut tree = Tree { entries: &entries, text: String::new() };
    // A span that is its own parent would otherwise be lost.
    for root in entries.iter().filter(|entry| !ids.contains(entry.parent()) || entry.is_own_parent()) {
        tree.branch(root, "", "", spans.len());
    }
    tree.text
}

#[derive(Clone, Copy)]
enum Entry<'a> {
    Span(&'a CollectedSpan),
    Log(&'a CollectedLog),
}

impl Entry<'_> {
    fn time(&self) -> u64 {
        match self {
            Self::Span(span) => span.span.start_time_unix_nano,
            Self::Log(log) => log.record.time_unix_nano,
        }
    }

    fn parent(&self) -> &[u8] {
        match self {
            Self::Span(span) => &span.span.parent_span_id,
            Self::Log(log) => &log.record.span_id,
        }
    }

    fn is_own_parent(&self) -> bool {
        matches!(self, Self::Span(span) if span.span.span_id == span.span.parent_span_id)
    }

    fn line(&self) -> String {
        match self {
            Self::Span(span) => span_line(span),
            Self::Log(log) => log_line(log),
        }
    }
}

struct Tree<'a> {
    entries: &'a [Entry<'a>],
    text: String,
}

impl Tree<'_> {
    /// `depth_left` bounds the recursion if parents form a cycle.
    fn branch(&mut self, entry: &Entry<'_>, lead: &str, below: &str, depth_left: usize) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "{lead}{}", entry.line());
        let Entry::Span(span) = entry else { return };
        if depth_left == 0 {
            return;
        }
        let id = &*span.span.span_id;
        let is_child = |child: &&Entry<'_>| child.parent() == id && !child.is_own_parent();
        let children: Vec<_> = self.entries.iter().filter(is_child).collect();
        for (index, child) in children.iter().enumerate() {
            let (branch, bar) =
                if index + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.branch(child, &format!("{below}{branch}"), &format!("{below}{bar}"), depth_left - 1);
        }
    }
}

fn span_line(span: &CollectedSpan) -> String {
    let kind = match span.kind() {
        SpanKind::Server => " [server]",
        SpanKind::Client => " [client]",
        SpanKind::Producer => " [producer]",
        SpanKind::Consumer => " [consumer]",
        SpanKind::Internal | SpanKind::Unspecified => "",
    };
    let mut line = format!("{}{kind}  {}", span.name(), rounded(span.duration()));
    if span.status() == StatusCode::Error {
        line = format!("{line}  ERROR {}", span.status_message()).trim_end().to_owned();
    }
    with_attributes(line, &attributes::short_line(&span.span.attributes, span.name()))
}

fn log_line(log: &CollectedLog) -> String {
    let body = log.body();
    let attributes = attributes::short_line(&log.record.attributes, &body);
    with_attributes(format!("· {} {body}", log.severity()), &attributes)
}

fn with_attributes(line: String, attributes: &str) -> String {
    if attributes.is_empty() { line } else { format!("{line}  {attributes}") }
}

/// To three significant digits or so: `12.3 ms`.
fn rounded(duration: Duration) -> String {
    match duration.as_nanos() {
        nanos @ 0..1_000_000 => format!("{} µs", nanos / 1_000),
        nanos @ 1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}
