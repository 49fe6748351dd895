//! A trace as a tree of text.

use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::CollectedSpan;
use crate::testing::attributes;

/// The spans of one trace, in the order in which they began, as a tree; those whose parent is missing are roots.
pub(in crate::testing) fn tree(spans: &[CollectedSpan]) -> String {
    let ids: HashSet<&[u8]> = spans.iter().map(|span| &*span.span.span_id).collect();
    let mut tree = Tree { spans, text: String::new() };
    for span in spans {
        let parent = &*span.span.parent_span_id;
        // A span that is its own parent would otherwise be lost.
        if !ids.contains(parent) || parent == span.span.span_id {
            tree.branch(span, "", "", spans.len());
        }
    }
    tree.text
}

struct Tree<'a> {
    spans: &'a [CollectedSpan],
    text: String,
}

impl Tree<'_> {
    /// `depth_left`: parents in a circle must not recurse for ever.
    fn branch(&mut self, span: &CollectedSpan, lead: &str, below: &str, depth_left: usize) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "{lead}{}", line(span));
        if depth_left == 0 {
            return;
        }
        let children: Vec<_> = self.spans.iter().filter(|child| is_child(span, child)).collect();
        for (index, child) in children.iter().enumerate() {
            let (branch, bar) =
                if index + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.branch(child, &format!("{below}{branch}"), &format!("{below}{bar}"), depth_left - 1);
        }
    }
}

fn is_child(parent: &CollectedSpan, child: &CollectedSpan) -> bool {
    parent.is_parent_of(child) && parent.span.span_id != child.span.span_id
}

fn line(span: &CollectedSpan) -> String {
    let mut line = span.name().to_owned();
    let kind = match span.kind() {
        SpanKind::Server => " [server]",
        SpanKind::Client => " [client]",
        SpanKind::Producer => " [producer]",
        SpanKind::Consumer => " [consumer]",
        SpanKind::Internal | SpanKind::Unspecified => "",
    };
    let _ = write!(line, "{kind}  {}", rounded(span.duration()));
    if span.status() == StatusCode::Error {
        let _ = write!(line, "  ERROR {}", span.status_message());
    }
    if !span.span.attributes.is_empty() {
        let _ = write!(line, "  {}", attributes::line(&span.span.attributes));
    }
    line
}

/// To three significant digits or so: `12.3 ms`.
fn rounded(duration: Duration) -> String {
    match duration.as_nanos() {
        nanos @ 0..1_000_000 => format!("{} µs", nanos / 1_000),
        nanos @ 1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}
