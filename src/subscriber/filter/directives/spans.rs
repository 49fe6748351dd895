//! Directives with brackets, which name spans and fields of spans: `target[span{field=value}]=level`.

use std::str::FromStr as _;

use tracing_core::LevelFilter;
use tracing_subscriber::filter::Directive;

use super::levels::has_level;
use super::separators::unquoted;
use super::{Parsed, Parser};

impl Parser {
    /// Reads a directive whose first bracket or brace is at `start`.
    pub(super) fn bracketed(&mut self, part: &str, start: usize) {
        let (target, rest) = part.split_at(start);
        match bracketed_list(part) {
            Some(list) => {
                let used = self.reports.quoted(&list.join(","));
                self.reports.mistake(part, &format!("brackets are for spans; {used} is used"));
                list.iter().for_each(|part| self.plain(part));
            }
            None if rest.starts_with('{') => {
                self.reports.ignored(part, "fields are written inside of brackets, as in `[{user}]`");
            }
            None => self.with_span(part, target, rest),
        }
    }

    /// A directive that names a span or fields of spans, in `rest`.
    fn with_span(&mut self, part: &str, target: &str, rest: &str) {
        let end = rest.rfind([']', '}']).map_or(rest.len(), |end| end + 1);
        let (span, rest) = rest.split_at(end);
        if !span.contains(char::is_alphanumeric) {
            return self.reports.ignored(part, "it names neither a span nor a field");
        }
        // A quoted value matches what `Debug` writes; without its quotes it matches the text itself.
        let without_quotes = span.replace('"', "");
        let spans = if span.contains('"') { &[span, &without_quotes[..]][..] } else { &[span] };
        if !spans.iter().all(|span| Directive::from_str(span).is_ok()) {
            return self.reports.ignored(part, "its brackets, or the pattern of a value, cannot be read");
        }
        let level = match rest.strip_prefix('=') {
            Some(word) => self.level(part, word, |level| format!("{target}{span}={level}")),
            None if rest.is_empty() => Some(LevelFilter::TRACE),
            None => return self.reports.ignored(part, "this is not `target[span]=level`"),
        };
        let Some(level) = level else { return };
        if level == LevelFilter::OFF {
            return self.reports.ignored(part, "a directive with a span can only add, not turn off");
        }
        if span.starts_with("[{") && span.contains('=') {
            self.reports.hint(
                part,
                "values are compared with the fields of spans, never with those of the event itself",
            );
        }
        self.check_names(part, span);
        self.targets(part, target, spans, level);
    }

    /// Reports names that hardly any span or field has.
    fn check_names(&mut self, part: &str, span: &str) {
        let name = span.trim_matches(['[', ']']).split('{').next();
        let name = name.filter(|name| name.contains(['*', ',', '"']));
        let is_odd = |field: &&str| field.contains(['*', ':', '"']);
        let odd = name.or_else(|| fields(span).map(|(field, _)| field).find(is_odd));
        if let Some(odd) = odd {
            let odd = self.reports.quoted(odd);
            self.reports.hint(
                part,
                &format!(
                    "it matches only what has the name {odd}: names are compared as a whole, fields are written \
                     `name=value`, and commas separate fields, also in a quoted value"
                ),
            );
        }
    }

    /// Reports directives with a span that add nothing to what passes anyway.
    pub(super) fn check_span_levels(&mut self) {
        let (spans, plain): (Vec<_>, Vec<_>) = self.good.iter().partition(|it| !it.span.is_empty());
        for it in spans {
            let covering = plain.iter().filter(|plain| it.target.starts_with(&plain.target));
            let passes = covering.max_by_key(|plain| plain.target.len()).map(|plain| plain.level);
            if passes.is_some_and(|passes| it.level <= passes) {
                self.reports.hint(&it.text, "it has no effect, since as much passes outside of the span");
            }
        }
    }
}

impl Parsed {
    /// The fields whose values the directive compares.
    pub(in super::super) fn compared(&self) -> impl Iterator<Item = &str> {
        fields(&self.span).filter(|(_, has_value)| *has_value).map(|(field, _)| field)
    }
}

/// The names of the fields in `[span{field=value}]`, and whether each has a value, as `EnvFilter` reads them.
fn fields(span: &str) -> impl Iterator<Item = (&str, bool)> {
    let fields = span.split_once('{').map_or("", |(_, fields)| fields);
    let fields = fields.split('}').next().unwrap_or_default();
    fields.split(',').map(|field| field.split_once('=').map_or((field, false), |(name, _)| (name, true)))
}

/// The directives in `["info","a=debug"]`, which is a list of another syntax. `None` if `part` may name a span.
fn bracketed_list(part: &str) -> Option<Vec<&str>> {
    let inner = part.strip_prefix('[')?.strip_suffix(']')?;
    if inner.contains(['[', ']', '{', '}']) {
        return None;
    }
    let parts = inner.split(',').map(|part| unquoted(part.trim()).unwrap_or(part.trim()));
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    // `[notice]` may be a span.
    let is_directive =
        |part: &&str| part.parse::<LevelFilter>().is_ok() || part.contains('=') && has_level(part);
    parts.iter().any(is_directive).then_some(parts)
}
