//! Which values may be shown: a secret can be put into any variable by mistake.
//!
//! Warnings and errors show the value that is wrong, since that is what an operator looks for. This module decides what
//! "show" means: the text, or `[redacted]`.
//!
//! | kind of text | function | redacted if it |
//! |---|---|---|
//! | the value of a variable or setter | [`shown`], [`quoted`] | is PEM, has several lines, is long, has `@`, a word like `token`, or looks like a token |
//! | the message of another library or of a receiver | [`shown_words`] | (single words) has credentials, a value with such a name, or looks like a token |
//! | the name of a header or key | [`shown_name`] | looks like a token, or is no name at all |
//!
//! Values of headers never get here: their types show none.

use std::borrow::Cow;

/// Returns the text for a message or for `Debug`; `[redacted]` in place of a text that may hold a secret.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if is_pem(text) {
        CONTENT_FOR_PATH.into()
    } else if may_hold_secret(text) {
        "[redacted]".into()
    } else {
        text.into()
    }
}

/// Returns a path of a configuration file, unless it is the content of a file by mistake. Unlike in [`shown`], a word such as `secrets` in it is no
/// reason to hide it.
#[cfg(feature = "config-file")]
pub(crate) fn shown_path(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    match text.contains(['\n', '\r']) || is_pem(&text) {
        true => CONTENT_FOR_PATH.to_owned(),
        false => text,
    }
}

/// Returns the text in quotes; see [`shown`].
pub(crate) fn quoted(text: &str) -> String {
    match shown(text) {
        Cow::Borrowed(text) => format!("{text:?}"),
        Cow::Owned(redacted) => redacted,
    }
}

/// Returns the words of a message, which is not a value, with `[redacted]` in place of those that may hold a secret.
pub(crate) fn shown_words(message: &str) -> String {
    let mut after_scheme = false;
    let words = message.split_whitespace().map(|word| {
        let is_secret = after_scheme || is_secret_word(word);
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        after_scheme = ["bearer", "basic"].iter().any(|scheme| bare.eq_ignore_ascii_case(scheme));
        if is_secret { "[redacted]" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A value with its name, credentials in an address, or a token.
fn is_secret_word(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let has_value = word.trim_end_matches([':', '=', ',']).contains([':', '=']);
    word.contains('@')
        || has_value && SECRET_WORDS.iter().any(|secret| lower.contains(secret.trim_end()))
        || word.split(|c: char| !c.is_ascii_alphanumeric() && !"-_+=".contains(c)).any(looks_like_token)
}

/// Returns the name of a header as it may be shown. `authorization` is an ordinary name.
pub(crate) fn shown_name(name: &str) -> Cow<'_, str> {
    let is_name = name.len() <= MAX_NAME
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_name && !looks_like_token(name) { name.into() } else { shown(name) }
}

/// Returns `true` for the content of a certificate or key in place of its path.
fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN")
}

/// Errs on the side of redaction: a value that is hidden needlessly costs one look at the environment.
fn may_hold_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    is_pem(text)
        || text.len() > MAX_SHOWN
        || text.contains(['\n', '\r', '@'])
        || SECRET_WORDS.iter().any(|word| lower.contains(word))
        || text.split(|c: char| !c.is_ascii_alphanumeric() && !"_-+=".contains(c)).any(looks_like_token)
}

/// Tokens are long and mix letters and digits; words and numbers are not.
fn looks_like_token(word: &str) -> bool {
    let has = |test: fn(&u8) -> bool| word.bytes().filter(test).count();
    let has_prefix = TOKEN_PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    has_prefix || word.len() >= MIN_TOKEN && has(u8::is_ascii_digit) >= 2 && has(u8::is_ascii_alphabetic) >= 2
}

/// In place of a value that is the content of a file.
const CONTENT_FOR_PATH: &str = "[redacted] (this is the content of a file; a path is expected)";
/// Bytes. A longer value explains no more, and may be the content of a file.
const MAX_SHOWN: usize = 256;
/// Bytes of a name.
const MAX_NAME: usize = 64;
/// Bytes. Shorter secrets are found by the words around them.
const MIN_TOKEN: usize = 16;
/// Words that stand before secrets, in lower case.
const SECRET_WORDS: [&str; 9] =
    ["bearer ", "basic ", "password", "passwd", "secret", "token", "api_key", "api-key", "authorization"];
/// JSON Web Tokens, OpenAI and Stripe, GitHub, GitLab, Slack, AWS, Dynatrace.
const TOKEN_PREFIXES: [&str; 8] = ["eyJ", "sk-", "sk_", "ghp_", "glpat-", "xox", "AKIA", "dt0c01"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_mistakes_are_shown() {
        for text in [
            "10s",
            "fast",
            "-1",
            "http/protobuf",
            "parentbased_traceidratio",
            "b3,jaeger",
            "a=1,b",
            "service.name=shop,host.name=%",
            "18446744073709551616",
            "/etc/otel/ca.pem",
            "base2_exponential_bucket_histogram",
            "console,prometheus",
        ] {
            assert_eq!(quoted(text), format!("{text:?}"));
        }
    }

    #[test]
    #[cfg(feature = "config-file")]
    fn a_path_is_shown_and_a_content_in_its_place_is_not() {
        for path in ["/run/secrets/otel.yaml", "token.yaml"] {
            assert_eq!(shown_path(path.as_ref()), path);
        }
        for content in ["file_format: '1.1'\nheaders: s3cret", "-----BEGIN PRIVATE KEY-----"] {
            assert_eq!(shown_path(content.as_ref()), CONTENT_FOR_PATH);
        }
    }

    #[test]
    fn messages_keep_the_words_that_hold_no_secret() {
        for (message, expected) in [
            ("no answer from the token service", "no answer from the token service"),
            ("/run/token: No such file or directory", "/run/token: No such file or directory"),
            ("HTTP status 401: invalid_client", "HTTP status 401: invalid_client"),
            ("password=hunter2 refused", "[redacted] refused"),
            ("Authorization: Bearer abc", "Authorization: Bearer [redacted]"),
            ("https://user:pass@auth/ refused", "[redacted] refused"),
            ("https://auth/?client_secret=abc refused", "[redacted] refused"),
            ("token eyJhbGciOiJIUzI1NiJ9.e30.c2ln expired", "token [redacted] expired"),
        ] {
            assert_eq!(shown_words(message), expected);
        }
    }

    #[test]
    fn texts_that_may_hold_a_secret_are_redacted() {
        for text in [
            "Bearer abc",
            "Authorization=Basic dXNlcg==",
            "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
            "sk-live-1",
            "https://user:pass@collector",
            "two\nlines",
            "4f9a8b7c6d5e4f3a2b1c",
            "x-api-key=1",
            "http://collector/v1/0123456789abcdef0123",
        ] {
            assert_eq!(shown(text), "[redacted]", "{text}");
        }
        assert!(shown("-----BEGIN PRIVATE KEY-----\nMIIE").contains("a path is expected"));
        assert_eq!(shown(&"a".repeat(300)), "[redacted]");
    }
}
