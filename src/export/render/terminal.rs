//! Text for people at a terminal: colours, times, and characters that must not act on the terminal.
//!
//! Names and values can come from a peer. An escape sequence in them could clear the screen, change the window's title
//! or fake a line, and bidirectional controls could show a line differently from what it is: [`escape`] makes both
//! visible.
//!
//! Colours are on if the output is a terminal, `TERM` is not `dumb` and `CLICOLOR` is not 0; and on any output if
//! `CLICOLOR_FORCE` is set. A setting turns them off in any case (`NO_COLOR`, `no_color`).

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The colours of an output, on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colors {
    /// Text is painted with escape sequences.
    On,
    /// Text is left as it is.
    Off,
}

impl Colors {
    /// Returns the colours of an output. `no_color` is `true` if they are turned off by a setting.
    pub(crate) fn new(is_terminal: bool, no_color: bool) -> Self {
        let [term, clicolor, force] = ["TERM", "CLICOLOR", "CLICOLOR_FORCE"].map(env::var_os);
        let shows =
            is_forced(force.as_deref()) || (is_terminal && has_colors(term.as_deref(), clicolor.as_deref()));
        if shows && !no_color { Self::On } else { Self::Off }
    }

    /// Returns the text in this colour, which is an escape sequence such as [`RED`].
    pub(crate) fn paint(self, color: &str, text: &str) -> String {
        match self {
            Self::On if !text.is_empty() => format!("{color}{text}{RESET}"),
            _ => text.to_owned(),
        }
    }
}

/// Returns `true` unless the environment declares a terminal without colours: <https://bixense.com/clicolors>.
fn has_colors(term: Option<&OsStr>, clicolor: Option<&OsStr>) -> bool {
    term != Some(OsStr::new("dumb")) && clicolor != Some(OsStr::new("0"))
}

/// Returns `true` if the user wants colours even in a pipe, such as one to `less -R`.
fn is_forced(force: Option<&OsStr>) -> bool {
    force.is_some_and(|force| !force.is_empty() && force != OsStr::new("0"))
}

/// Returns the time of day, in UTC: `14:20:44.123Z`. Times before 1970 are shown as midnight.
pub(crate) fn time_of_day(time: SystemTime) -> String {
    let day = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (seconds, millis) = (day.as_secs() % 86_400, day.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
}

/// Escapes characters that could act on the terminal. `next_line` takes the place of each line end within the text.
///
/// Tabs stay, line ends at the very end are dropped, and everything that [`is_harmful`] becomes `\u{1b}`, as Rust
/// writes it: the reader sees that something was there.
pub(crate) fn escape(text: &str, next_line: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.trim_end_matches('\n').chars() {
        match character {
            '\n' => safe.push_str(next_line),
            '\t' => safe.push('\t'),
            character if is_harmful(character) => drop(write!(safe, "{}", character.escape_unicode())),
            character => safe.push(character),
        }
    }
    safe
}

/// Returns `true` for characters that act on a terminal, end a line for some readers, or change or hide what a person
/// reads: control characters, bidirectional controls, characters without width, tags.
pub(crate) fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Escape sequences of ANSI (SGR), each in effect until [`RESET`].
pub(crate) const RED: &str = "\x1b[31m";
/// Level INFO.
pub(crate) const GREEN: &str = "\x1b[32m";
/// Level WARN.
pub(crate) const YELLOW: &str = "\x1b[33m";
/// Level DEBUG.
pub(crate) const BLUE: &str = "\x1b[34m";
/// Level TRACE.
pub(crate) const MAGENTA: &str = "\x1b[35m";
/// Titles.
pub(crate) const BOLD: &str = "\x1b[1m";
/// Style of secondary text: times, attributes, places.
pub(crate) const DIM: &str = "\x1b[2m";
/// Ends all colours and styles.
const RESET: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_without_colors_get_none() {
        let has_colors = |term: &str, clicolor: &str| {
            let set = |value| Some(OsStr::new(value)).filter(|value| !value.is_empty());
            has_colors(set(term), set(clicolor))
        };
        assert!(has_colors("xterm-256color", "") && has_colors("", "") && has_colors("xterm", "1"));
        assert!(!has_colors("dumb", "") && !has_colors("dumb", "1") && !has_colors("xterm", "0"));
    }

    #[test]
    fn colors_are_forced_by_any_value_but_zero() {
        let is_forced = |force: &str| is_forced(Some(OsStr::new(force)));
        assert!(is_forced("1") && is_forced("true") && !is_forced("0") && !is_forced(""));
        assert!(!super::is_forced(None));
    }

    #[test]
    fn time_is_shown_without_the_date() {
        let time = UNIX_EPOCH + Duration::from_millis(86_400_000 * 3 + 3_723_004);
        assert_eq!(time_of_day(time), "01:02:03.004Z");
    }

    #[test]
    fn escaping_removes_all_control_characters() {
        assert_eq!(escape("a\nb\u{1b}[31m\tc\n", " / "), "a / b\\u{1b}[31m\tc");
    }
}
