//! Each log line of this crate has a row in docs/operating.md, and each row there a line. The same holds for the causes
//! of failed exports and the errors of `build()`.
//!
//! The messages are read from the source: what is passed to the functions that write a line or add a warning.

#![expect(clippy::expect_used, reason = "a test")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What writes a line, or adds a warning that becomes one.
const CALLS: [&str; 6] = [".error(", ".warn(", ".info(", ".warn_once(", "warnings.push(", "warnings.extend("];

/// Calls whose message is that of another call, or which write no line: their files, and a part of their arguments.
const PASSED_ON: [(&str, &str); 13] = [
    ("builder/config_file.rs", "ignored_variables"),
    ("export/delivery/outage_log.rs", "message"),
    ("export/destination/tls.rs", "&error"),
    ("lifecycle/assemble/filters.rs", "warnings"),
    ("lifecycle/assemble/mod.rs", "warning"),
    ("lifecycle/guard/mod.rs", "hint.warning"),
    ("lifecycle/reload/mod.rs", "warning"),
    ("lines/field_visit.rs", "field, error, text"),
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

/// Texts in the first cells that are written by others (the operating system, rustls, receivers) or in another way.
const OF_OTHERS: [&str; 15] = [
    "Connection refused",
    "No such file or directory",
    "Network is unreachable",
    "No route to host",
    "Permission denied",
    "Too many open files",
    "No space left on device",
    "Broken pipe",
    "… certificate expired …",
    "… certificate not valid for name …",
    "invalid dns name",
    "native histograms are disabled",
    "invalid temporality",
    // The rest of the text is in the cell before it.
    "… panicked",
    // The line has the key between backticks.
    "…: the key … is not known; …; it is ignored",
];

#[test]
fn every_row_shows_a_text_of_the_source() {
    let texts = texts();
    let rows = rows();
    let shown = rows.iter().flat_map(|row| row.split('`').skip(1).step_by(2));
    let phrases: Vec<_> = shown.filter(|text| text.contains(' ') && !OF_OTHERS.contains(text)).collect();
    assert!(phrases.len() > 80, "{} phrases", phrases.len());
    let is_written = |phrase: &str| texts.iter().any(|text| shows(phrase, text));
    let unknown: Vec<_> = phrases.into_iter().filter(|phrase| !is_written(phrase)).collect();
    assert!(unknown.is_empty(), "in docs/operating.md, but no longer in the source: {unknown:#?}");
}

/// The causes of failed exports, each with a part of the first cell of its row.
const CAUSES: [(&str, &str); 34] = [
    ("ConnectionRefused", "`Connection refused`"),
    ("NameNotResolved", "`cannot resolve the host name: …`"),
    ("NoDescriptor", "`Too many open files`"),
    ("Unreachable", "`Network is unreachable`"),
    ("ConnectTimeout", "`no answer to the attempt to connect`"),
    ("Disconnected", "reset or closed before the answer"),
    ("NotProcessed", "closed in an orderly way"),
    ("Timeout", "`no answer within …`"),
    ("PlaintextPeer", "`the peer does not answer in TLS`"),
    ("TlsPeer", "`the peer answers in TLS`"),
    ("CertificateUnknown", "`UnknownIssuer`"),
    ("CertificateOfAuthority", "`CaUsedAsEndEntity`"),
    ("CertificateExpired", "certificate expired"),
    ("CertificateName", "certificate not valid for name"),
    ("ClientCertificate", "`CertificateRequired`"),
    ("Tls", "another failure of the TLS handshake"),
    ("PeerSpeaksHttp", "`the peer answers in HTTP/1`"),
    ("PeerSpeaksGrpc", "`the peer answers in HTTP/2`"),
    ("RequestTooLarge", "`a request of … bytes is larger than the limit of … bytes`"),
    ("ItemTooLarge", "HTTP status 413"),
    ("Unauthenticated", "HTTP status 401, 403"),
    ("CredentialSource", "`the source of the header … failed`"),
    ("Throttled", "HTTP status 429"),
    ("OutputFailed", "`the write did not end in time`"),
    ("ReaderGone", "`Broken pipe`"),
    ("Unavailable", "HTTP status 502, 503, 504"),
    ("Unsupported", "HTTP status 404"),
    ("JsonRefused", "`http/json`"),
    ("Redirected", "another one of 3xx"),
    ("NotOtlp", "`a page instead of an answer: …`"),
    ("ProxyUnreachable", "`cannot connect to the proxy …`"),
    ("ProxySilent", "`no connection through the proxy … in time`"),
    ("ProxyRefused", "`the proxy … answered …`"),
    ("ProxyAuthentication", "`the proxy … answered 407 …`"),
];

#[test]
fn every_cause_of_a_failed_export_has_a_row() {
    // A refusal of another kind, and a fault, have rows of their own.
    let others =
        [("Refused", "another status of gRPC or HTTP"), ("Unexpected", "`the request ended with a panic`")];
    let known: Vec<_> = CAUSES.iter().chain(&others).collect();
    let source = include_str!("../src/export/destination/outcome.rs");
    let declared = source.split("\ncauses! {\n").nth(1).and_then(|rest| rest.split("\n}\n").next());
    let is_declared = |name: &str| declared.is_some_and(|text| text.contains(&format!("\n    {name}:\n")));
    let names =
        declared.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(':'));
    let unlisted: Vec<_> = names.filter(|name| !known.iter().any(|(listed, _)| listed == name)).collect();
    assert!(unlisted.is_empty(), "causes without a row in docs/operating.md: {unlisted:?}");
    let rows = rows();
    for (name, part) in known {
        assert!(is_declared(name), "there is no cause {name}");
        assert!(rows.iter().any(|row| row.contains(part)), "{name}: no row of docs/operating.md has {part}");
    }
}

#[test]
fn every_error_of_build_has_a_row() {
    let source = include_str!("../src/error.rs");
    let variants =
        source.split("\npub enum InitError {\n").nth(1).and_then(|rest| rest.split("\n}\n").next());
    let is_variant = |line: &str| line.starts_with("    ") && line[4..].starts_with(char::is_uppercase);
    let names: Vec<_> = variants
        .unwrap_or_default()
        .lines()
        .filter(|line| is_variant(line))
        .filter_map(|line| line.trim().split(|c: char| !c.is_alphanumeric()).next())
        .collect();
    assert!(names.contains(&"SubscriberInstalled"), "{names:?}");
    let rows = rows();
    let missing: Vec<_> = names.iter().filter(|name| !rows.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "without a row in docs/operating.md: {missing:?}");
}

#[test]
fn the_excerpt_about_collecting_lines_is_that_of_the_example() {
    let page = include_str!("../docs/operating.md").split("\n## Collecting log lines\n").nth(1);
    let excerpt = page.and_then(|rest| rest.split("```yaml\nreceivers:\n").nth(1)?.split("```").next());
    let excerpt = excerpt.expect("the excerpt");
    assert!(excerpt.lines().count() > 10, "{excerpt}");
    assert!(include_str!("../examples/collector/lines.yaml").contains(excerpt), "{excerpt}");
}

#[test]
fn messages_are_found_by_their_fixed_parts() {
    let row = "`a callback is slow: …`";
    assert!(is_shown_by("a callback is slow: call {name} later", row));
    assert!(!is_shown_by("a callback is fast: call {name} later", row));
    assert!(is_shown_by("invalid {name}={text}: {reason}; using {other}", "`invalid OTEL_…=…: …; using …`"));
    assert!(!is_shown_by("{path}: {reason}", "`entry … has …: it is ignored`"));
    assert!(shows("a callback is slow: …", "a callback is slow: call {name} later"));
    assert!(shows("OTEL_X is the former name of OTEL_Y", "{old} is the former name of {new}"));
    assert!(!shows("telemetry is still not being delivered", "{name} is not being delivered"));
    let code = r#"x.warn(&format!("one {} \"two\" \
                       three"), y); z(".warn(\"no\")"); log.info(MESSAGE, 1);"#;
    let calls: Vec<_> = calls(code).into_iter().map(|(_, arguments)| arguments).collect();
    assert_eq!(calls.len(), 2);
    assert_eq!(literals(calls[0]), ["one {} \"two\" three"]);
}

/// Whether a row has the fixed parts of a message, in their order, or the message those of the row.
fn is_shown_by(message: &str, row: &str) -> bool {
    row.split('`')
        .skip(1)
        .step_by(2)
        .any(|shown| contains_all(shown, &fixed(message)) || contains_all(message, &parts_of(shown)))
}

/// Whether a phrase of the page is a text of the source, or such a text is most of it: a row may show what several make
/// up.
fn shows(phrase: &str, text: &str) -> bool {
    let length = |parts: &[String]| parts.iter().map(String::len).sum::<usize>();
    let (shown, written) = (parts_of(phrase), fixed(text));
    contains_all(text, &shown) || contains_all(phrase, &written) && 2 * length(&written) > length(&shown)
}

/// Whether a text contains these parts, in their order, and they identify it.
fn contains_all(text: &str, parts: &[String]) -> bool {
    let mut rest = text;
    let are_there = parts.iter().all(|part| match rest.find(part.as_str()) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    });
    are_there && parts.iter().map(String::len).sum::<usize>() >= ENOUGH
}

/// The parts of what a row shows, between its values.
fn parts_of(shown: &str) -> Vec<String> {
    shown.split('…').filter(|part| !part.is_empty()).map(str::to_owned).collect()
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

/// Every text in the source that can be shown by a row, or a part of one.
fn texts() -> Vec<String> {
    let texts = source_files().into_iter().flat_map(|file| literals(&code_of(&file)));
    texts.filter(|text| is_sentence(text)).collect()
}

/// The messages in the source, with their files.
fn messages() -> Vec<(String, String)> {
    let folder = source_folder();
    let mut messages = Vec::new();
    for file in source_files() {
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

fn source_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    add_files(&source_folder(), &mut files).expect("readable folder");
    files
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
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
