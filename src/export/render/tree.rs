//! A trace as a tree of text.
//!
//! ```text
//! shop.Orders/Place [server]  12.3 ms
//! ├─ check stock  1.2 ms  items=3
//! │  └─ · INFO reserved  items=3
//! └─ shop.Payments/Pay [client]  9.8 ms  ERROR deadline exceeded
//!    ├─ → link trace=5b8efff798038103d269b633813fc60c span=eee19b7ec3c1b174
//!    └─ · event retry  attempt=2
//! ```
//!
//! Spans and records of one trace are sorted by time. Ids are untrusted: whatever the parent relations are (cycles,
//! deep nesting), each span is shown exactly once, in linear time. From a depth of [`MAX_INDENT`] on, the depth is a
//! number, so the text grows with the number of spans alone.
//!
//! | entry | placed below |
//! |---|---|
//! | a span | its parent, if that is among the spans; otherwise it is a root |
//! | a log record | its span, if that is among the spans; otherwise it is a root |
//! | an event or a link | its span; [`MAX_DETAILS`](super::item::MAX_DETAILS) of each are shown, the others counted |
//! | a span that is its own parent | nothing: it is a root |
//! | spans whose parents form a cycle | the first of them is a root, after all others |

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::time::Duration;

use super::attributes::{hex, short_line, shown};
use super::item::{LogRecord, Span, SpanEvent, SpanLink};
use crate::export::render::terminal::{BLUE, BOLD, Colors, DIM, GREEN, MAGENTA, RED, YELLOW};

/// Returns the spans and log records of one trace as a tree. What has no parent among them is a root.
pub(crate) fn tree(spans: &[Span], records: &[LogRecord], colors: Colors) -> String {
    let mut entries: Vec<_> = spans.iter().map(Entry::Span).collect();
    entries.extend(spans.iter().flat_map(details));
    entries.extend(records.iter().map(Entry::Record));
    // Of equal times the span comes first, which contains the record.
    entries.sort_by_key(Entry::time);
    let ids: HashSet<&[u8]> = spans.iter().map(|span| &*span.span_id).collect();
    let mut children: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        // A span that is its own parent would otherwise be lost.
        match ids.contains(entry.parent()) && !entry.is_own_parent() {
            true => children.entry(entry.parent()).or_default().push(index),
            false => roots.push(index),
        }
    }
    let is_shown = vec![false; entries.len()];
    let mut tree = Tree { entries: &entries, children, is_shown, colors, text: String::new() };
    // Last come those whose parents form a cycle.
    roots.into_iter().chain(0..entries.len()).for_each(|root| tree.branch(root));
    tree.text
}

/// Returns the links and events of a span.
fn details(span: &Span) -> impl Iterator<Item = Entry<'_>> {
    let more = |count, what| (count > 0).then_some(Entry::More(span, count, what));
    let links =
        span.links.iter().map(move |link| Entry::Link(span, link)).chain(more(span.more_links, "link"));
    let events = span.events.iter().map(move |event| Entry::Event(span, event));
    links.chain(events).chain(more(span.more_events, "event"))
}

/// A line of the tree: a span, or what is shown below one.
#[derive(Clone, Copy)]
enum Entry<'a> {
    /// A line with name, kind, duration and error.
    Span(&'a Span),
    /// A line with severity and message.
    Record(&'a LogRecord),
    /// An event of the span.
    Event(&'a Span, &'a SpanEvent),
    /// A link of the span to another one.
    Link(&'a Span, &'a SpanLink),
    /// The number of links or events of the span that are not shown, and which of the two they are.
    More(&'a Span, usize, &'static str),
}

impl Entry<'_> {
    /// Returns what entries are sorted by: the start of a span, the time of a record or event. Links come right after
    /// their span, and the number of further events last.
    fn time(&self) -> u64 {
        match self {
            Self::Span(span) => span.start,
            Self::Record(record) => record.time,
            Self::Event(_, event) => event.time,
            Self::Link(span, _) | Self::More(span, _, "link") => span.start,
            Self::More(..) => u64::MAX,
        }
    }

    /// Returns the id of the span above: of a record, event or link, the span that it belongs to.
    fn parent(&self) -> &[u8] {
        match self {
            Self::Span(span) => &span.parent_id,
            Self::Record(record) => &record.span_id,
            Self::Event(span, _) | Self::Link(span, _) | Self::More(span, ..) => &span.span_id,
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
            Self::Event(_, event) => {
                let name = format!("· event {}", shown(&event.name));
                with_attributes(name, &short_line(&event.attributes, &event.name), colors)
            }
            Self::Link(_, link) => {
                let ids = format!("→ link trace={} span={}", hex(&link.trace_id), hex(&link.span_id));
                with_attributes(ids, &short_line(&link.attributes, ""), colors)
            }
            Self::More(_, count, what) => {
                format!("… {count} more {what}{}", if *count == 1 { "" } else { "s" })
            }
        }
    }
}

/// The tree under construction.
struct Tree<'a> {
    /// All entries, sorted by time.
    entries: &'a [Entry<'a>],
    /// Indices of what is below the spans of an id.
    children: HashMap<&'a [u8], Vec<usize>>,
    /// Selection of the entries to write.
    is_shown: Vec<bool>,
    /// The colours of names, durations and errors.
    colors: Colors,
    /// The lines so far.
    text: String,
}

/// An entry that is still to be written.
struct Step {
    index: usize,
    /// Number of the spans above.
    depth: usize,
    /// Length of the bars of the spans above.
    bars: usize,
    is_last: bool,
}

impl Tree<'_> {
    /// Writes an entry and everything below it, unless they are shown already.
    fn branch(&mut self, root: usize) {
        let mut bars = String::new();
        let mut steps = vec![Step { index: root, depth: 0, bars: 0, is_last: true }];
        while let Some(Step { index, depth, bars: above, is_last }) = steps.pop() {
            if std::mem::replace(&mut self.is_shown[index], true) {
                continue;
            }
            bars.truncate(above);
            let (branch, bar) = match (depth, is_last) {
                (0, _) => ("", ""),
                (_, true) => ("└─ ", "   "),
                (_, false) => ("├─ ", "│  "),
            };
            self.line(&format!("{bars}{branch}"), depth, index);
            if depth < MAX_INDENT {
                bars.push_str(bar);
            }
            let Entry::Span(span) = self.entries[index] else { continue };
            let below = self.children.get(&*span.span_id).into_iter().flatten().rev().enumerate();
            steps.extend(below.map(|(from_last, child)| Step {
                index: *child,
                depth: depth + 1,
                bars: bars.len(),
                is_last: from_last == 0,
            }));
        }
    }

    /// Writes one line. `lead` stands before it; it does not show depths above [`MAX_INDENT`], which are a number.
    fn line(&mut self, lead: &str, depth: usize, index: usize) {
        let depth = if depth > MAX_INDENT { format!("[{depth}] ") } else { String::new() };
        let (lead, line) =
            (self.colors.paint(DIM, &format!("{lead}{depth}")), self.entries[index].line(self.colors));
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "{lead}{line}");
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

/// Deeper spans are not moved further to the right.
const MAX_INDENT: usize = 32;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn span(id: u32, parent: u32) -> Span {
        let mut span = Span::default();
        span.span_id = id.to_be_bytes().to_vec();
        span.parent_id = if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() };
        span.name = format!("span {id}");
        span.start = id.into();
        span
    }

    fn names(text: &str) -> Vec<&str> {
        text.lines().map(|line| line.trim_start_matches(['│', '├', '└', '─', ' '])).collect()
    }

    #[test]
    fn deep_and_wide_traces_take_linear_time_and_text_and_no_stack() {
        const COUNT: u32 = 20_000;
        for parent_of in [|id: u32| id - 1, |_| 1] {
            let spans: Vec<_> =
                (1..=COUNT).map(|id| span(id, if id == 1 { 0 } else { parent_of(id) })).collect();
            let begin = Instant::now();
            let text = tree(&spans, &[], Colors::Off);
            assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
            assert_eq!(text.lines().count(), COUNT as usize);
            assert!(text.len() < 300 * COUNT as usize, "{}", text.len());
        }
    }

    #[test]
    fn each_span_is_shown_once_even_in_cycles() {
        // A cycle, a span that is its own parent, and two spans of one id.
        let spans = [span(1, 0), span(2, 3), span(3, 2), span(4, 4), span(1, 2), span(5, 1)];
        let text = tree(&spans, &[], Colors::Off);
        let mut shown: Vec<_> = names(&text).iter().map(|line| line.split("  ").next().unwrap()).collect();
        shown.sort_unstable();
        assert_eq!(shown, ["span 1", "span 1", "span 2", "span 3", "span 4", "span 5"], "{text}");
    }

    #[test]
    fn events_and_links_are_shown_below_their_span() {
        use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
        use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
        use opentelemetry_proto::tonic::trace::v1::{Span as Encoded, Status};
        use prost::Message as _;
        let attribute = |key: &str, value: &str| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
            ..Default::default()
        };
        let event = |time, name: &str, attributes| Event {
            time_unix_nano: time,
            name: name.to_owned(),
            attributes,
            dropped_attributes_count: 0,
        };
        let exception = |message| event(4, "exception", vec![attribute("exception.message", message)]);
        let link = Link {
            trace_id: vec![0xab; 16],
            span_id: vec![0xcd; 8],
            attributes: vec![attribute("kind", "retry\n")],
            ..Default::default()
        };
        let parent = Encoded {
            span_id: vec![1; 8],
            name: "pay".to_owned(),
            start_time_unix_nano: 1,
            end_time_unix_nano: 3_001,
            events: vec![
                event(2, "cache miss", vec![attribute("key", "b1")]),
                exception("no stock"),
                exception("declined"),
                event(6, "evil\u{1b}[2J", Vec::new()),
            ],
            dropped_links_count: 1,
            links: vec![link],
            status: Some(Status { message: "declined".to_owned(), code: 2 }),
            ..Default::default()
        };
        let many = Encoded {
            span_id: vec![2; 8],
            parent_span_id: vec![1; 8],
            name: "many".to_owned(),
            start_time_unix_nano: 3,
            end_time_unix_nano: 3,
            events: (0..100).map(|time| event(time, "tick", Vec::new())).collect(),
            dropped_events_count: 5,
            links: vec![Link::default(); 100],
            ..Default::default()
        };
        let spans = [&parent, &many].map(|span| Span::decode(&span.encode_to_vec()));
        let text = tree(&spans, &[], Colors::Off);
        let lines: Vec<_> = text.lines().collect();
        let (first, below) = lines.split_at(5);
        assert_eq!(
            first,
            [
                "pay  3 µs  ERROR declined",
                "├─ → link trace=abababababababababababababababab span=cdcdcdcdcdcdcdcd  kind=retry",
                "├─ … 1 more link",
                "├─ · event cache miss  key=b1",
                "├─ many  0 µs",
            ],
            "{text}"
        );
        assert_eq!(below.iter().filter(|line| line.starts_with("│  ├─ · event tick")).count(), 32, "{text}");
        assert_eq!(below.iter().filter(|line| line.starts_with("│  ├─ → link trace=")).count(), 32, "{text}");
        assert!(
            text.contains("│  ├─ … 68 more links\n") && text.contains("│  └─ … 73 more events\n"),
            "{text}"
        );
        assert!(
            text.ends_with("├─ · event exception  exception.message=no stock\n└─ · event evil\\u{1b}[2J\n"),
            "{text}"
        );
    }
}
