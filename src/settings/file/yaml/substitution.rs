//! References to environment variables in scalars: `${NAME}`, `${env:NAME}`, `${NAME:-default}`.
//!
//! The rules are those of the specification ("Configuration Data Model", section "Environment variable substitution").
//! `$$` stands for `$` and is found first, from left to right; it never begins a reference. What a variable holds is
//! not looked at again.
//!
//! | in the file | variable | result |
//! |---|---|---|
//! | `${NAME}` | set | its value |
//! | `${NAME}` | empty or not set | empty, which is null |
//! | `${NAME:-text}` | empty or not set | `text` |
//! | `$${NAME}` | any | `${NAME}` |
//! | `${file:NAME}`, `${1A}` | any | a mistake |
//! | `$NAME`, `${NAME` | any | unchanged |
//!
//! # Messages
//!
//! | in the file | message |
//! |---|---|
//! | `${file:NAME}` | ``"${file:NAME}" has an unknown prefix: only `env:` is supported`` |
//! | `${1A}`, `${A B}`, `${A:?text}` | `… is not a valid reference: ${NAME}, ${env:NAME} or …` |
//! | a variable that is not Unicode | `the value of the variable NAME is not valid Unicode` |
//! | variables with more text than the budget | `its variables expand to too much text` |
//!
//! The value of a variable is never part of a message. A reference is redacted if it may hold a secret, as a default
//! may.
//!
//! # Order of escapes and references
//!
//! | in the file, with `X` set to `v` | result |
//! |---|---|
//! | `$$$${X}` | `$${X}` |
//! | `${Y:-${X}}`, `Y` not set | `${X}`: the first `}` ends the reference |
//! | `a${X}b` | `avb` |

use std::borrow::Cow;

use crate::settings::secrets::quoted;

/// Looks up variables.
///
/// Called once for each reference, with its name.
pub(in crate::settings) type EnvLookup<'a> = &'a dyn Fn(&str) -> Variable;

/// What a reference finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::settings) enum Variable {
    /// There is no such variable: its default is used, or nothing.
    ///
    /// A variable that is set but empty is [`Set`](Self::Set), and its default is used as well.
    Unset,
    /// Its value.
    ///
    /// It replaces the reference as it is; `$` and `}` in it have no meaning.
    Set(String),
    /// Its value cannot be read, which is a mistake.
    ///
    /// The name is reported, without the value.
    NotUnicode,
}

/// Returns the text with its references replaced, or what is wrong with it.
///
/// A result of more than `max_bytes` is a mistake.
///
/// Text without `$` is borrowed.
///
/// # Errors
///
/// All mistakes in the text: references that are malformed, variables that are not Unicode, and a result that is too
/// long.
pub(super) fn substitute<'a>(
    text: &'a str,
    env: EnvLookup<'_>,
    max_bytes: usize,
) -> Result<Cow<'a, str>, Vec<String>> {
    if !text.contains('$') {
        return Ok(text.into());
    }
    let mut output = Output { text: String::with_capacity(text.len()), mistakes: Vec::new(), max_bytes };
    let mut parts = text.split("$$");
    if let Some(first) = parts.next() {
        output.push_replaced(first, env);
    }
    for part in parts {
        output.push("$");
        output.push_replaced(part, env);
    }
    match output.mistakes.is_empty() {
        true => Ok(output.text.into()),
        false => Err(output.mistakes),
    }
}

/// The text so far, and what was wrong on the way.
///
/// With a mistake, the text is incomplete and is discarded.
struct Output {
    /// What is replaced so far.
    text: String,
    /// Messages without a position; the parser adds that of the scalar.
    mistakes: Vec<String>,
    /// The most bytes that `text` may have: what is left of the document's budget.
    max_bytes: usize,
}

impl Output {
    /// Appends text without escapes.
    ///
    /// A `${` without a `}` is text. So is one with a line end before the `}`.
    fn push_replaced(&mut self, mut text: &str, env: EnvLookup<'_>) {
        while let Some(start) = text.find("${") {
            let (before, rest) = text.split_at(start);
            self.push(before);
            let Some(end) = rest.find('}') else { return self.push(rest) };
            let (reference, after) = rest.split_at(end + 1);
            let content = &reference[2..end];
            match Reference::parse(content) {
                Some(parsed) => self.push_value(&parsed, env),
                // By the grammar, not even a broken reference.
                None if content.contains(['\n', '\r']) => self.push(reference),
                None => self.mistakes.push(explain(reference, content)),
            }
            text = after;
        }
        self.push(text);
    }

    /// Appends the value of a variable, or the default. The value is not searched for references.
    ///
    /// A variable that is not set and has no default adds nothing.
    fn push_value(&mut self, reference: &Reference<'_>, env: EnvLookup<'_>) {
        match (env(reference.name), reference.default) {
            (Variable::Set(value), _) if !value.is_empty() => self.push(&value),
            (Variable::NotUnicode, _) => self
                .mistakes
                .push(format!("the value of the variable {} is not valid Unicode", reference.name)),
            (_, default) => self.push(default.unwrap_or_default()),
        }
    }

    /// Appends text, unless the result becomes too long, which is reported once.
    fn push(&mut self, text: &str) {
        if text.len() > self.max_bytes.saturating_sub(self.text.len()) {
            let too_much = "its variables expand to too much text";
            if self.mistakes.last().is_none_or(|last| last != too_much) {
                self.mistakes.push(too_much.to_owned());
            }
            return;
        }
        self.text.push_str(text);
    }
}

/// A reference that follows the grammar.
///
/// Borrowed from the text of the scalar.
struct Reference<'a> {
    /// Letters, digits and `_` of ASCII; the first character is no digit.
    name: &'a str,
    /// The text behind `:-`, taken literally: references in it are not replaced. `None` without `:-`.
    default: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Reads what stands between `${` and `}`.
    ///
    /// `None` for text that does not follow the grammar. The prefix `env:` is optional.
    fn parse(content: &'a str) -> Option<Self> {
        let with_prefix = content.strip_prefix("env:").and_then(Self::parse_unprefixed);
        with_prefix.or_else(|| Self::parse_unprefixed(content))
    }

    /// Reads a name, and a default after `:-`. The default may be empty and may contain anything but `}` and line ends.
    ///
    /// `None` for an empty name, one that begins with a digit, and anything behind the name but `:-`.
    fn parse_unprefixed(content: &'a str) -> Option<Self> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, rest) = content.split_at(content.find(|c| !is_part(c)).unwrap_or(content.len()));
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        match rest {
            "" => Some(Self { name, default: None }),
            _ => rest
                .strip_prefix(":-")
                .filter(|default| !default.contains(['\n', '\r']))
                .map(|default| Self { name, default: Some(default) }),
        }
    }
}

/// Returns the message about a malformed reference, with what was probably meant.
///
/// `reference` is the whole text from `${` to `}`, and `content` what stands between.
fn explain(reference: &str, content: &str) -> String {
    let prefix = content
        .split_once(':')
        .filter(|(prefix, rest)| *prefix != "env" && !prefix.is_empty() && Reference::parse(rest).is_some());
    match prefix {
        Some(_) => format!("{} has an unknown prefix: only `env:` is supported", quoted(reference)),
        None => format!(
            "{} is not a valid reference: ${{NAME}}, ${{env:NAME}} or ${{NAME:-default}}; write $$ for a literal $",
            quoted(reference)
        ),
    }
}
