//! What is wrong with a file, each mistake with its place.
//!
//! Positions and paths are both given: editors jump to a line, and a path shows the same place in a file that was
//! generated. A key that may hold a secret is redacted in paths, because they end in log lines.
//!
//! | property | rule |
//! |---|---|
//! | order | by line and column, whatever the order in which mistakes are found |
//! | number | at most 100; the last line then has the number of the others |
//! | duplicates | a mistake with the same place, path and reason is kept once |
//! | position | that of the value, or of the key if the key itself is wrong; line 0 for a value that code has set, which messages show as `config_file_changes` |

use super::yaml::Position;
use crate::error::ConfigMistake;
use crate::settings::secrets::shown_name;

/// Collects mistakes.
///
/// Each step has one, or adds to that of the caller. A step without mistakes leaves it empty.
#[derive(Debug, Default)]
pub(in crate::settings) struct Report {
    /// At most [`MAX_MISTAKES`], in the order in which they were found.
    mistakes: Vec<ConfigMistake>,
    /// Mistakes beyond those that are kept.
    ///
    /// Shown as `… more mistakes` at the end of the list.
    omitted: usize,
}

impl Report {
    /// The same mistake at the same place is kept once. Beyond [`MAX_MISTAKES`] they are only counted.
    ///
    /// `path` is the path of the node at `at`. The order of the calls does not matter.
    pub(in crate::settings) fn add(&mut self, at: Position, path: &Path, reason: String) {
        let is_same = |known: &ConfigMistake| {
            (known.line, known.column, &*known.path) == (at.line, at.column, &path.0)
                && known.reason == reason
        };
        // What concerns several signals is read for each of them.
        if self.mistakes.iter().any(is_same) {
            return;
        }
        if self.mistakes.len() == MAX_MISTAKES {
            self.omitted += 1;
            return;
        }
        self.mistakes.push(ConfigMistake { line: at.line, column: at.column, path: path.0.clone(), reason });
    }

    /// Takes the mistakes of another report.
    ///
    /// Mistakes that both reports have are kept twice: the reports of two steps have none in common.
    pub(in crate::settings) fn extend(&mut self, other: Self) {
        for mistake in other.mistakes {
            match self.mistakes.len() {
                MAX_MISTAKES => self.omitted += 1,
                _ => self.mistakes.push(mistake),
            }
        }
        self.omitted += other.omitted;
    }

    /// Returns `true` if there are no mistakes.
    pub(in crate::settings) fn is_empty(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// Returns the mistakes in the order of the file.
    ///
    /// If some were omitted, a last entry without a path has their number.
    pub(in crate::settings) fn into_mistakes(mut self) -> Vec<ConfigMistake> {
        self.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        if let (Some(last), 1..) = (self.mistakes.last().cloned(), self.omitted) {
            let reason = format!("{} more mistakes", self.omitted);
            self.mistakes.push(ConfigMistake { path: String::new(), reason, ..last });
        }
        self.mistakes
    }
}

/// The place of a value in its file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::settings) struct At {
    /// The line and column, which are 0 for a node that the program has set.
    pub(in crate::settings) position: Position,
    /// The way to the node, as messages show it.
    pub(in crate::settings) path: Path,
}

/// The way to a node: `views[1].stream.name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::settings) struct Path(String);

/// What a path was before something was added.
///
/// The length of the text; [`Path::pop`] cuts it to that.
#[derive(Clone, Copy, Debug)]
pub(in crate::settings) struct Outer(usize);

impl Path {
    /// Goes down to a key. Give the result to [`pop`](Self::pop) to come back.
    ///
    /// A key that may hold a secret is redacted.
    pub(in crate::settings) fn push_key(&mut self, key: &str) -> Outer {
        let outer = Outer(self.0.len());
        if !self.0.is_empty() {
            self.0.push('.');
        }
        self.0.push_str(&shown_name(key));
        outer
    }

    /// Goes down to the item of a list.
    ///
    /// Returns what [`pop`](Self::pop) needs. `index` counts from 0.
    pub(in crate::settings) fn push_index(&mut self, index: usize) -> Outer {
        let outer = Outer(self.0.len());
        self.0.push_str(&format!("[{index}]"));
        outer
    }

    /// Goes back up to where the path was.
    ///
    /// Paths are popped in the reverse order of the pushes.
    pub(in crate::settings) fn pop(&mut self, outer: Outer) {
        self.0.truncate(outer.0);
    }

    /// Returns the path as messages show it. It is empty for the document itself.
    pub(in crate::settings) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Enough to mend a file; a file of nonsense must not fill the terminal.
const MAX_MISTAKES: usize = 100;
