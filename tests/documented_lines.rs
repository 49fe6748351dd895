//! Each log line of this crate has a row in docs/operating.md.
//!
//! The messages are read from the source: what is passed to the functions that write a line or add a warning.

#![expect(clippy::expect_used, reason = "a test")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What writes a line, or adds a warning that becomes one.
const CALLS: [&str; 6] = [".error(", ".warn(", ".info(", ".warn_once(", "warnings.push(", "warnings.extend("];

/// Calls whose message is that of another call, or which write no line: their files, and a part of their arguments.
const PASSED_ON: [(&str, &str); 12] = [
    ("builder/config_file.rs", "ignored_variables"),
    ("export/delivery/outage_log.rs", "message"),
    ("export/destination/tls.rs", "&error"),
    ("lifecycle/assemble/filters.rs", "warnings"),
    ("lifecycle/assemble/mod.rs", "warning"),
    ("lifecycle/guard/mod.rs", "hint.warning"),
    ("lifecycle/reload/mod.rs", "warning"),
    ("lines/field_visit.rs", "field, value, &text"),
    ("settings/file/apply/exporters.rs", "warnings"),
    ("settings/file/apply/mod.rs", "{reason}"),
    ("settings/file/mod.rs", "warnings"),
    ("settings/resolve.rs", "warning"),
];

/// Functions that return a message.
const RETURNING: [&str; 3] = ["fn failed(&mut self", "fn warning(&self, origin", "fn ignored_variables("];

#[test]
fn every_log_line_has_a_row() {
    let rows = rows();
    let messages = messages();
    assert!(messages.len() > 60, "{} messages", messages.len());
    let missing: Vec<_> =
        messages.iter().filter(|(_, message)| !rows.iter().any(|row| is_shown_by(message, row))).collect();
    assert!(missing.is_empty(), "without a row in docs/operating.md: {missing:#?}");
}

#[test]
fn messages_are_found_by_their_fixed_parts() {
    let row = "`a callback is slow: …`";
    assert!(is_shown_by("a callback is slow: call {name} later", row));
    assert!(!is_shown_by("a callback is fast: call {name} later", row));
    assert!(is_shown_by("invalid {name}={text}: {reason}; using {other}", "`invalid OTEL_…=…: …; using …`"));
    assert!(!is_shown_by("{path}: {reason}", "`entry … has …: it is ignored`"));
    let code = r#"x.warn(&format!("one {} \"two\" \
                       three"), y); z(".warn(\"no\")"); log.info(MESSAGE, 1);"#;
    let calls: Vec<_> = calls(code).into_iter().map(|(_, arguments)| arguments).collect();
    assert_eq!(calls.len(), 2);
    assert_eq!(literals(calls[0]), ["one {} \"two\" three"]);
}

/// Whether a row has the fixed parts of a message, in their order, or the message those of the row.
fn is_shown_by(message: &str, row: &str) -> bool {
    let contains_all = |text: &str, parts: &[String]| {
        let mut rest = text;
        let are_there = parts.iter().all(|part| match rest.find(part.as_str()) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        });
        are_there && parts.iter().map(String::len).sum::<usize>() >= ENOUGH
    };
    row.split('`').skip(1).step_by(2).any(|shown| {
        let of_row: Vec<_> = shown.split('…').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        contains_all(shown, &fixed(message)) || contains_all(message, &of_row)
    })
}

/// The parts of a message between its values.
fn fixed(message: &str) -> Vec<String> {
    let parts = message.split('{').enumerate();
    let part = |(index, part): (usize, &str)| match part.split_once('}') {
        Some((_, after)) if index > 0 => after.to_owned(),
        _ => part.to_owned(),
    };
    parts.map(part).filter(|part| !part.is_empty()).collect()
}

/// Fixed characters that identify a message.
const ENOUGH: usize = 10;

/// The first cells of the tables about log lines.
fn rows() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let page = fs::read_to_string(page).expect("the page");
    let section = page.split("\n## Log lines of this crate").nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    rows.map(str::to_owned).collect()
}

/// The messages in the source, with their files.
fn messages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    add_files(&folder, &mut files).expect("readable folder");
    let mut messages = Vec::new();
    for file in files {
        let name = file.strip_prefix(&folder).expect("below src").display().to_string().replace('\\', "/");
        let code = code_of(&file);
        for function in RETURNING {
            let body = code
                .split_once(function)
                .map_or("", |(_, rest)| rest.split("\n    }\n").next().unwrap_or(rest));
            messages.extend(
                literals(body).into_iter().filter(|text| is_sentence(text)).map(|text| (name.clone(), text)),
            );
        }
        for (at, arguments) in calls(&code).into_iter().filter(|(_, arguments)| !arguments.is_empty()) {
            let of_call = message_of(&code, at, arguments);
            let is_passed_on =
                || PASSED_ON.iter().any(|(known, argument)| *known == name && arguments.contains(argument));
            assert!(!of_call.is_empty() || is_passed_on(), "{name}: what is the message of ({arguments})?");
            messages.extend(of_call.into_iter().map(|message| (name.clone(), message)));
        }
    }
    messages
}

/// The message of a call: a text among its arguments, or those in the definition of a name among them.
fn message_of(code: &str, at: usize, arguments: &str) -> Vec<String> {
    if let Some(message) = literals(arguments).into_iter().find(|text| is_sentence(text)) {
        return vec![message];
    }
    let names = arguments.split(|c: char| !c.is_alphanumeric() && c != '_');
    for name in names.filter(|name| !name.is_empty()) {
        let local = code[..at].rfind(&format!("let {name} =")).map(|start| &code[start..]);
        let constant = code.find(&format!("const {name}: ")).map(|start| &code[start..]);
        let definition = local.or(constant).map(statement);
        let found: Vec<_> =
            definition.into_iter().flat_map(literals).filter(|text| is_sentence(text)).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// Whether a text can be a message. One of a few fixed characters consists of other messages.
fn is_sentence(text: &str) -> bool {
    text.contains(' ') && fixed(text).iter().map(String::len).sum::<usize>() >= ENOUGH
}

/// The arguments of the calls in a text, with their places.
fn calls(code: &str) -> Vec<(usize, &str)> {
    let outside = outside_of_texts(code);
    let mut found: Vec<_> = CALLS
        .iter()
        .flat_map(|call| code.match_indices(call).map(|(at, _)| (at, at + call.len())))
        .filter(|(at, _)| outside[*at])
        .map(|(at, start)| {
            let mut depth = 1;
            let end = (start..code.len()).find(|place| {
                if outside[*place] {
                    match code.as_bytes()[*place] {
                        b'(' => depth += 1,
                        b')' => depth -= 1,
                        _ => {}
                    }
                }
                depth == 0
            });
            (at, &code[start..end.unwrap_or(code.len())])
        })
        .collect();
    found.sort_unstable();
    found
}

/// A statement up to its semicolon.
fn statement(code: &str) -> &str {
    let outside = outside_of_texts(code);
    let mut depth = 0;
    let end = code.bytes().zip(&outside).position(|(byte, is_outside)| {
        match byte {
            b'{' if *is_outside => depth += 1,
            b'}' if *is_outside => depth -= 1,
            _ => {}
        }
        byte == b';' && *is_outside && depth == 0
    });
    &code[..end.unwrap_or(code.len())]
}

/// For each byte whether it is outside of literals.
fn outside_of_texts(code: &str) -> Vec<bool> {
    let mut outside = Vec::with_capacity(code.len());
    let (mut is_inside, mut is_escaped) = (false, false);
    let bytes = code.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        outside.push(!is_inside);
        // A quote as a character is none.
        let is_character = at > 0 && bytes[at - 1] == b'\'' && bytes.get(at + 1) == Some(&b'\'');
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_inside => is_escaped = true,
            b'"' if !is_character => is_inside = !is_inside,
            _ => {}
        }
    }
    outside
}

/// The texts in a piece of code.
fn literals(code: &str) -> Vec<String> {
    let outside = outside_of_texts(code);
    let quotes: Vec<_> = code
        .bytes()
        .enumerate()
        .filter(|&(at, byte)| byte == b'"' && (outside[at] || outside.get(at + 1) != Some(&false)))
        .map(|(at, _)| at)
        .collect();
    let texts = quotes.chunks_exact(2).map(|ends| &code[ends[0] + 1..ends[1]]);
    texts.map(without_escapes).collect()
}

/// A literal as it reads.
fn without_escapes(text: &str) -> String {
    let mut read = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        read.push_str(before);
        rest = match after.strip_prefix('\n') {
            Some(next) => next.trim_start(),
            None => {
                read.extend(after.chars().next());
                after.get(1..).unwrap_or_default()
            }
        };
    }
    read + rest
}

/// The code of a file without comments and without a module of tests at its end.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("file of UTF-8");
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.file_name().and_then(OsStr::to_str) {
            Some("tests" | "tests.rs" | "testing" | "collector") => {}
            _ if path.is_dir() => add_files(&path, files)?,
            Some(name) if name.ends_with(".rs") => files.push(path),
            _ => {}
        }
    }
    Ok(())
}
