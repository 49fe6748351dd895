//! From bytes to a tree.
//!
//! The parser yields events (scalar, start and end of lists and mappings, alias). [`Builder`] makes nodes of them, and
//! keeps an account of what the tree costs: a node has a fixed price, a text that of its bytes, and an alias that of
//! what it copies. A document of a few hundred bytes can expand to gigabytes; here it ends when the budget is used up.
//!
//! Mistakes that leave the structure intact (a duplicate key, a wrong tag, an unknown variable) are collected; others
//! end the parsing.
//!
//! | bound | value | against |
//! |---|---|---|
//! | bytes of the file | 1 MiB | files that are no configuration |
//! | depth | 64 | stack overflow |
//! | cost of the tree | 16 MiB | aliases of aliases, variables in aliases |
//!
//! Aliases are copied, not shared, so that every node has one path; the copy of a node is paid for when the node is
//! kept and each time that it is used.
//!
//! # Messages
//!
//! | mistake | message | parsing |
//! |---|---|---|
//! | more than 1 MiB | `the file has more than 1048576 bytes` | not begun |
//! | UTF-16 | `the file is in UTF-16; only UTF-8 is supported` | not begun |
//! | other bytes that are not UTF-8 | `the file is not valid UTF-8` | not begun |
//! | no content | `the file is empty` | ends |
//! | several documents | `the file holds more than one YAML document` | ends |
//! | wrong syntax | `invalid YAML: …` | ends |
//! | too deep | `nested more than 64 levels deep` | ends |
//! | too much text | `the file is too large, counting what its aliases and variables expand to` | ends |
//! | an alias inside its own anchor | `the alias refers to the value that it is a part of` | ends |
//! | a list or mapping as a key | `the key of a mapping must be plain text` | ends |
//! | a key twice | `the key stands here more than once` | goes on |
//! | `<<` | ``merge keys (`<<`) are not part of YAML 1.2`` | goes on |
//! | a tag | `the tag … does not fit the value, or is not supported` | goes on |

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle as Style, Span, StrInput, Tag};

use super::node::{Entry, Node, Position, Value};
use super::scalar::{Scalar, ScalarStyle, Typed};
use super::substitution::{EnvLookup, substitute};
use crate::settings::file::report::{Path, Report};
use crate::settings::secrets::shown;
use crate::user_code::catch_panic;

/// Returns the tree of the document, or `None` if it has none; mistakes are reported. A tree with mistakes is not to be
/// used.
///
/// Bytes are UTF-8, with or without a byte order mark; UTF-16, which editors on Windows write, has a message of its
/// own. A panic of the parser is caught and reported as a mistake of the file.
///
/// `env` looks up the variables that the document refers to. The caller checks `report` before it uses the tree.
pub(in crate::settings) fn parse(bytes: &[u8], env: EnvLookup<'_>, report: &mut Report) -> Option<Node> {
    let start = Position { line: 1, column: 1 };
    if bytes.len() > MAX_BYTES {
        report.add(start, &Path::default(), format!("the file has more than {MAX_BYTES} bytes"));
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let words = match bytes {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is in UTF-16; only UTF-8 is supported",
                _ => "the file is not valid UTF-8",
            };
            report.add(end_of(&bytes[..error.valid_up_to()]), &Path::default(), words.to_owned());
            return None;
        }
    };
    // A defect of the parser must not end the program.
    let parsed = catch_panic(|| {
        let mut builder = Builder::new(text, env);
        let root = builder.document();
        (root, builder.report)
    });
    let Some((root, found)) = parsed else {
        report.add(start, &Path::default(), "the file cannot be parsed as YAML".to_owned());
        return None;
    };
    report.extend(found);
    root.ok()
}

/// The place after some valid text.
///
/// Invalid UTF-8 is reported there. `bytes` are valid; columns are counted in characters.
fn end_of(bytes: &[u8]) -> Position {
    let text = String::from_utf8_lossy(bytes);
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Position { line, column }
}

/// The document cannot be read on; the reason has been reported.
///
/// Distinct from a collected mistake: after it the parser's events have no known place in the structure.
#[derive(Debug)]
struct Stop;

/// Makes the tree of one document.
struct Builder<'a> {
    /// The source of the events.
    parser: Parser<'a, StrInput<'a>>,
    /// Looks up the variables that are referred to.
    env: EnvLookup<'a>,
    /// Complete nodes with an anchor, and what a copy of each costs.
    ///
    /// The parser numbers anchors from 1; 0 stands for none. An anchor that is defined again has a new number.
    anchors: HashMap<usize, (Node, usize)>,
    /// What the document may still cost.
    ///
    /// Begins with [`MAX_COST`].
    budget: usize,
    /// The path of the current node, for mistakes.
    path: Path,
    /// Mistakes so far.
    report: Report,
}

impl<'a> Builder<'a> {
    /// Begins a document with the whole budget.
    fn new(text: &'a str, env: EnvLookup<'a>) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            env,
            anchors: HashMap::new(),
            budget: MAX_COST,
            path: Path::default(),
            report: Report::default(),
        }
    }

    /// Reads the only document of the stream. An empty one and a second one are mistakes.
    ///
    /// A file with a comment alone is empty. Two documents, which YAML allows, would leave it open which of them
    /// counts.
    fn document(&mut self) -> Result<Node, Stop> {
        let root = loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd, span) => return self.stop(position(span.start), "the file is empty"),
                (event, span) => break self.node(event, span, 0)?,
            }
        };
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(root),
                (Event::DocumentStart(_), span) => {
                    return self.stop(position(span.start), "the file holds more than one YAML document");
                }
                _ => {}
            }
        }
    }

    /// Returns the next event. The end of the stream comes again and again.
    ///
    /// # Errors
    ///
    /// Wrong syntax, after it was reported at the place that the parser gives.
    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                self.stop(position(*error.marker()), format!("invalid YAML: {}", error.info()))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// Reports a mistake that ends the parsing.
    ///
    /// Always returns the error, as the result of the caller.
    fn stop<T>(&mut self, at: Position, reason: impl Into<String>) -> Result<T, Stop> {
        self.report.add(at, &self.path, reason.into());
        Err(Stop)
    }

    /// Reads the node that begins with this event, and keeps a copy if it has an anchor.
    ///
    /// `depth` counts the lists and mappings around the node; it is 0 for the document.
    ///
    /// # Errors
    ///
    /// [`Stop`] if the rest of the document cannot be read: too deep, too expensive, or wrong syntax.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        let at = position(span.start);
        if depth > MAX_DEPTH {
            return self.stop(at, format!("nested more than {MAX_DEPTH} levels deep"));
        }
        self.pay(NODE_COST, at)?;
        let before = self.budget;
        let (node, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, at),
            Event::Scalar(text, style, anchor, tag) => {
                let value = Value::Scalar(self.scalar(&text, style, tag.as_deref(), at)?);
                (Node { at, value }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", at);
                (Node { at, value: Value::List(self.list(depth)?) }, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", at);
                (Node { at, value: Value::Map(self.map(depth)?) }, anchor)
            }
            _ => return self.stop(at, "invalid YAML: a value is missing"),
        };
        if anchor > 0 {
            let cost = before - self.budget + NODE_COST;
            // The copy costs as much as an alias.
            self.pay(cost, at)?;
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        Ok(node)
    }

    /// Reads the items up to the end of the list.
    ///
    /// On a mistake that ends the parsing, the path stays where it was: the report needs it.
    ///
    /// `depth` is that of the list. The event that began it has been taken.
    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => {
                    let outer = self.path.push_index(items.len());
                    items.push(self.node(event, span, depth + 1)?);
                    self.path.pop(outer);
                }
            }
        }
    }

    /// Reads the entries up to the end of the mapping. Keys are texts, and occur once.
    ///
    /// A duplicate key is kept, too: the report has the mistake, and the tree is not used. Keys cost their length.
    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Stop> {
        let mut entries = Vec::new();
        let mut keys = HashSet::new();
        loop {
            let (key, key_at) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(text, style, ..), span) => {
                    let at = position(span.start);
                    if text == "<<" && style == Style::Plain {
                        self.report.add(
                            at,
                            &self.path,
                            "merge keys (`<<`) are not part of YAML 1.2".to_owned(),
                        );
                    }
                    (text.into_owned(), at)
                }
                (_, span) => {
                    return self.stop(position(span.start), "the key of a mapping must be plain text");
                }
            };
            self.pay(key.len(), key_at)?;
            let outer = self.path.push_key(&key);
            if !keys.insert(key.clone()) {
                self.report.add(key_at, &self.path, "the key stands here more than once".to_owned());
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            self.path.pop(outer);
            entries.push(Entry { key, key_at, value });
        }
    }

    /// Copies an earlier node. One that is not complete contains the alias: the document would be infinite.
    ///
    /// `at` is the place of the alias, where a mistake is reported; the copy keeps the positions of the original.
    fn alias(&mut self, anchor: usize, at: Position) -> Result<Node, Stop> {
        let Some((_, cost)) = self.anchors.get(&anchor) else {
            return self.stop(at, "the alias refers to the value that it is a part of");
        };
        self.pay(*cost, at)?;
        match self.anchors.get(&anchor) {
            Some((node, _)) => Ok(node.clone()),
            None => Err(Stop),
        }
    }

    /// Replaces the references in a scalar.
    ///
    /// Quoted and plain text are treated alike, as the specification says; the result of a reference is never looked at
    /// for references again.
    ///
    /// A scalar with a mistake in its references becomes empty, and the reading goes on.
    fn scalar(&mut self, text: &str, style: Style, tag: Option<&Tag>, at: Position) -> Result<Scalar, Stop> {
        let text = match substitute(text, self.env, self.budget) {
            Ok(text) => text.into_owned(),
            Err(mistakes) => {
                for mistake in mistakes {
                    self.report.add(at, &self.path, mistake);
                }
                String::new()
            }
        };
        self.pay(text.len(), at)?;
        let style = if style == Style::Plain { ScalarStyle::Plain } else { ScalarStyle::Text };
        Ok(self.tagged(Scalar { text, style }, tag, at))
    }

    /// Applies the tag of a scalar.
    ///
    /// `!!str` makes text of anything, `!!float` accepts an integer; other tags must name the type that the text has.
    ///
    /// A mistake is reported, and the scalar then counts as if it had no tag.
    fn tagged(&mut self, scalar: Scalar, tag: Option<&Tag>, at: Position) -> Scalar {
        let Some(tag) = tag else { return scalar };
        let text = Scalar { style: ScalarStyle::Text, ..scalar.clone() };
        let plain = Scalar { style: ScalarStyle::Plain, ..scalar };
        let fits = |expected: fn(&Typed<'_>) -> bool| expected(&plain.typed());
        let fits = match core_tag(tag) {
            Some("str") => return text,
            Some("null") => fits(|value| matches!(value, Typed::Null)),
            Some("bool") => fits(|value| matches!(value, Typed::Bool(_))),
            Some("int") => fits(|value| matches!(value, Typed::Int(_))),
            Some("float") => fits(|value| matches!(value, Typed::Int(_) | Typed::Float(_))),
            _ => false,
        };
        if !fits {
            self.report.add(at, &self.path, misplaced(tag));
        }
        plain
    }

    /// Reports a tag that does not name the kind of the node.
    ///
    /// `expected` is `seq` for lists and `map` for mappings. Any other tag is a mistake.
    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, at: Position) {
        if let Some(tag) = tag
            && core_tag(tag) != Some(expected)
        {
            self.report.add(at, &self.path, misplaced(tag));
        }
    }

    /// Takes a cost from the budget.
    ///
    /// # Errors
    ///
    /// [`Stop`] if the budget is used up, after the mistake was reported at `at`.
    fn pay(&mut self, cost: usize, at: Position) -> Result<(), Stop> {
        match self.budget.checked_sub(cost) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => self.stop(at, "the file is too large, counting what its aliases and variables expand to"),
        }
    }
}

/// Returns the message about a tag.
///
/// The name of the tag is redacted if it may hold a secret.
fn misplaced(tag: &Tag) -> String {
    let tag = match core_tag(tag) {
        Some(name) => format!("!!{name}"),
        None => format!("{}{}", tag.handle, tag.suffix),
    };
    format!("the tag {} does not fit the value, or is not supported", shown(&tag))
}

/// Returns the name of a tag of the core schema; `!` alone makes a scalar text.
///
/// `None` for any other tag, such as `!own` and `!!binary` in another namespace.
fn core_tag(tag: &Tag) -> Option<&str> {
    match (tag.is_yaml_core_schema(), tag.handle.as_str(), tag.suffix.as_str()) {
        (true, _, name) => Some(name),
        (_, "", "!") | (_, "!", "") => Some("str"),
        _ => None,
    }
}

/// Converts a place of the parser, whose columns count from 0.
fn position(marker: Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}

/// The largest configuration that makes sense has a hundredth of it.
///
/// In bytes. A file of exactly this size is read.
pub(in crate::settings) const MAX_BYTES: usize = 1 << 20;
/// The deepest node of the schema stands 14 levels deep; samplers nest.
///
/// Counted in lists and mappings. The stack that the recursion needs is small at this depth.
const MAX_DEPTH: usize = 64;
/// About the memory of the tree: text, and a constant for each node.
///
/// In bytes; an estimate, so that the bound holds for the order of magnitude.
const MAX_COST: usize = 16 << 20;
/// What a node costs without its text: about its size in memory, with an entry of a mapping around it.
const NODE_COST: usize = 128;
