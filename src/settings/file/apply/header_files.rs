//! `header_files`: headers whose values are read from files when requests are sent, so that a token can be renewed.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use super::Apply;
use crate::settings::credentials::HeaderSource;
use crate::settings::file::model::{At, describe, text_of, unknown_key};
use crate::settings::file::report::Path;
use crate::settings::file::yaml::{Entry, Node, Value};
use crate::settings::value_kind::header;

impl Apply<'_> {
    /// Reads `header_files: {name: {file: /path, prefix: "Bearer "}}`.
    ///
    /// Only the names and paths are read here; the files are read when requests are sent, so that a token can be
    /// renewed.
    ///
    /// | mistake | why |
    /// |---|---|
    /// | a name that no header can have | the request could not be sent |
    /// | a relative path | it would depend on the working directory of the program |
    /// | another key than `file` and `prefix` | as everywhere in the file |
    ///
    /// `scope` is the signal, or empty for all of them. A header is added only if its entry has no mistake.
    pub(super) fn header_files(&mut self, node: &Node, scope: &str, path: &mut Path) {
        let Value::Map(entries) = &node.value else {
            let at = At { position: node.at, path: path.clone() };
            self.mistake(&at, format!("{} is not allowed here: must be a mapping", describe(node)));
            return;
        };
        for Entry { key, key_at, value } in entries {
            let outer = path.push_key(key);
            let at = At { position: value.at, path: path.clone() };
            let text = |key| value.get(key).and_then(text_of);
            let unknown: Vec<_> = match &value.value {
                Value::Map(entries) => {
                    entries.iter().filter(|entry| !HEADER_FILE_KEYS.contains(&&*entry.key)).collect()
                }
                _ => Vec::new(),
            };
            for entry in &unknown {
                let at = At { position: entry.key_at, path: path.clone() };
                self.mistake(&at, unknown_key(&entry.key, &HEADER_FILE_KEYS));
            }
            match (header(key, ""), text("file").map(PathBuf::from)) {
                _ if !unknown.is_empty() => {}
                (Err(reason), _) => self.mistake(&At { position: *key_at, ..at }, reason),
                (Ok((name, _)), Some(file))
                    if file.is_absolute() && (text("prefix").is_some() || value.get("prefix").is_none()) =>
                {
                    let prefix = text("prefix").unwrap_or_default();
                    let source = HeaderSource::from_file(file).prefix(prefix);
                    self.header_files.push(HeaderFile { scope: scope.to_owned(), name, source });
                }
                _ => self.mistake(
                    &at,
                    "must be a mapping with the key `file`, an absolute path, and optionally `prefix`",
                ),
            }
            path.pop(outer);
        }
    }

    /// Returns the headers that are read from files for an exporter. Its own headers win, then the files of its signal.
    ///
    /// `signal` is `traces`, `metrics` or `logs`; `headers` are those of the exporter. A name occurs once in the
    /// result.
    pub(super) fn header_sources(
        &self,
        signal: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Vec<(HeaderName, HeaderSource)> {
        let mut sources: Vec<(HeaderName, HeaderSource)> = Vec::new();
        for scope in [signal, ""] {
            for file in self.header_files.iter().filter(|file| file.scope == scope) {
                let is_set = headers.iter().any(|(name, _)| *name == file.name)
                    || sources.iter().any(|(name, _)| *name == file.name);
                if !is_set {
                    sources.push((file.name.clone(), file.source.clone()));
                }
            }
        }
        sources
    }
}

/// A header whose value is read from a file for each request.
///
/// An exporter reads the file when it sends, so that a token that is renewed takes effect without a reload.
pub(super) struct HeaderFile {
    /// The signal that it is for; empty for all of them.
    ///
    /// As in the file: `traces`, `metrics` or `logs`.
    scope: String,
    /// The header.
    name: HeaderName,
    /// The file, with the text before its content.
    source: HeaderSource,
}

/// The keys of one entry.
const HEADER_FILE_KEYS: [&str; 2] = ["file", "prefix"];
