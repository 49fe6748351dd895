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
//! | a path | [`shown_path`], [`quoted_path`] | is PEM, has several lines, is a URL, has a value with its name, or looks like a token |
//! | the name of a host | [`shown_host`] | is one long word of letters and digits, or begins like a token |
//! | a filter | [`is_filter_with_secret`] | has any of these, or a URL; `token` and the like are names of modules |
//!
//! Values of headers never get here: their types show none.

use std::borrow::Cow;

/// Returns the text for a message or for `Debug`; `[redacted]` in place of a text that may hold a secret.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if is_pem(text) {
        CONTENT_FOR_PATH.into()
    } else if may_hold_secret(text) {
        REDACTED.into()
    } else {
        text.into()
    }
}

/// Returns a path, unless it is the content of a file by mistake. Unlike in [`shown`], a word such as `secrets` in it
/// is no reason to hide it.
pub(crate) fn shown_path(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    match &text {
        text if text.contains(['\n', '\r']) || is_pem(text) => CONTENT_FOR_PATH.to_owned(),
        text if is_no_path(text) => REDACTED.to_owned(),
        _ => text,
    }
}

/// Returns a path in quotes; see [`shown_path`].
pub(crate) fn quoted_path(text: &str) -> String {
    let shown = shown_path(text.as_ref());
    if shown == text { format!("{text:?}") } else { shown }
}

/// Returns `true` for a URL, a credential or a token in the place of a path.
fn is_no_path(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let has_scheme = ["bearer ", "basic "].iter().any(|scheme| lower.contains(scheme));
    // A token may hold a slash; the name of a folder, such as that of a container, may look like one.
    let first = text.split(['/', '\\']).next().unwrap_or_default();
    text.contains("://")
        || has_scheme
        || has_secret_pair(&lower)
        || has_base64(text)
        || has_token_prefix(first)
        || looks_like_token(first)
}

/// Returns the name of a host as it may be shown: a token that was put in the place of an address is a valid name, too.
///
/// Names of machines have dots, dashes or words: `ip-10-0-0-1`, `abc12345.live.example.com`.
pub(crate) fn shown_host(host: &str) -> Cow<'_, str> {
    let is_word = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_token = has_token_prefix(host)
        || is_random(host)
        || is_word && (looks_like_token(host) || host.len() >= MIN_MIXED_HOST && is_mixed(host));
    if is_token && !host.contains(':') { REDACTED.into() } else { host.into() }
}

/// Returns `true` for a filter in which a secret was put by mistake.
pub(crate) fn is_filter_with_secret(filter: &str) -> bool {
    let lower = filter.to_ascii_lowercase();
    let is_in_word = |c: char| c.is_ascii_alphanumeric() || "_-+.".contains(c);
    is_pem(filter)
        || filter.contains("://")
        || filter.contains('@')
        || SECRET_WORDS.iter().any(|word| *word != "token" && lower.contains(word))
        || has_secret_pair(&lower)
        || filter.split(|c| !is_in_word(c)).any(|word| has_token_prefix(word) || is_random(word))
        || has_base64(filter)
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
        if is_secret { REDACTED } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A value with its name, credentials in an address, or a token.
fn is_secret_word(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let has_value = word.trim_end_matches([':', '=', ',']).contains([':', '=']);
    word.contains('@')
        || word.contains("://") && word.contains('?')
        || has_base64(word)
        || has_secret_pair(&lower)
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
        || is_url_with_path(text)
        || SECRET_WORDS.iter().any(|word| lower.contains(word))
        || has_secret_pair(&lower)
        || has_base64(text)
        || text.split(|c: char| !c.is_ascii_alphanumeric() && !"_-+=".contains(c)).any(looks_like_token)
}

/// Returns `true` for a URL with more than an address: its path or query may hold a token.
fn is_url_with_path(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest.trim_end_matches('/'));
    rest.contains(['/', '?', '#'])
}

/// Returns `true` for a list that has a header with a secret, such as `x-team=abc`. `lower` is in lower case.
fn has_secret_pair(lower: &str) -> bool {
    let mut names = lower.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.trim()));
    names.any(|name| name.starts_with("x-") || name.ends_with("key") || name.ends_with("auth"))
}

/// Tokens are long and mix letters and digits; words and numbers are not.
fn looks_like_token(word: &str) -> bool {
    let has = |test: fn(&u8) -> bool| word.bytes().filter(test).count();
    has_token_prefix(word)
        || word.len() >= MIN_TOKEN && has(u8::is_ascii_digit) >= 2 && has(u8::is_ascii_alphabetic) >= 2
}

/// Returns `true` for a word that begins as the tokens of a vendor do.
fn has_token_prefix(word: &str) -> bool {
    TOKEN_PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

/// Returns `true` for a word that is as long and as mixed as keys, hashes and tokens are. Names of modules and files
/// are not: they have digits, or letters of both cases, but rarely both.
fn is_random(word: &str) -> bool {
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    word.len() >= MIN_TOKEN && has_digit && (is_hex || is_mixed(word))
}

/// Returns `true` for a word with digits and letters of both cases.
fn is_mixed(word: &str) -> bool {
    let has = |test: fn(&u8) -> bool| word.bytes().any(|byte| test(&byte));
    has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)
}

/// Returns `true` for a text with a key in base64, whose slashes are those of no path.
fn has_base64(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c));
    let mut words = words.map(|word| word.trim_end_matches('='));
    words.any(|word| {
        word.len() >= MIN_BASE64 && !word.starts_with('/') && !word.contains("//") && is_mixed(word)
    })
}

/// In place of a text that may hold a secret.
pub(crate) const REDACTED: &str = "[redacted]";
/// In place of a value that is the content of a file.
const CONTENT_FOR_PATH: &str = "[redacted] (this is the content of a file; a path is expected)";
/// Bytes. A longer value explains no more, and may be the content of a file.
const MAX_SHOWN: usize = 256;
/// Bytes of a name.
const MAX_NAME: usize = 64;
/// Bytes. Shorter secrets are found by the words around them.
const MIN_TOKEN: usize = 16;
/// Bytes of a host. Names of machines are written in small letters.
const MIN_MIXED_HOST: usize = 12;
/// Bytes. Shorter words with slashes are paths.
const MIN_BASE64: usize = 32;
/// Words that stand before secrets, in lower case.
const SECRET_WORDS: [&str; 9] =
    ["bearer ", "basic ", "password", "passwd", "secret", "token", "api_key", "api-key", "authorization"];
/// JSON Web Tokens, OpenAI and Stripe, GitHub, GitLab, Slack, AWS, Dynatrace, Grafana, Honeycomb.
const TOKEN_PREFIXES: [&str; 12] = [
    "eyJ",
    "sk-",
    "sk_",
    "ghp_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "dt0c01",
    "glc_",
    "hcaik_",
];

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
    fn a_path_is_shown_and_a_content_in_its_place_is_not() {
        for path in [
            "/run/secrets/otel.yaml",
            "token.yaml",
            "/data/0af7651916cd43dd8448eb211c80319c/a.log",
            "My Logs/a.log",
            "/var/log/shop/telemetry-20261127.jsonl",
            "/etc/secrets/ca.pem",
        ] {
            assert_eq!(shown_path(path.as_ref()), path);
            assert_eq!(quoted_path(path), format!("{path:?}"));
        }
        for content in ["file_format: '1.1'\nheaders: s3cret", "-----BEGIN PRIVATE KEY-----"] {
            assert_eq!(shown_path(content.as_ref()), CONTENT_FOR_PATH);
        }
        for secret in [
            "Bearer abc",
            "https://c/a",
            "x-team=abc",
            "ghp_abc",
            "ghp_abc/a",
            "0af7651916cd43dd8448eb211c80319c",
        ] {
            assert_eq!(shown_path(secret.as_ref()), REDACTED);
            assert_eq!(quoted_path(secret), REDACTED);
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
    fn names_of_hosts_are_shown_and_tokens_are_not() {
        for host in [
            "localhost",
            "collector",
            "otel-collector-7d9f8b6c5-x2x4z",
            "ip-10-0-12-34.eu-central-1.compute.internal",
            "1234abcd5678efab.apm.eu.example.com",
            "abc12345.live.dynatrace.com",
            "192.168.100.200",
            "[2001:0db8:85a3:0000:0000:8a2e:0370:7334]",
        ] {
            assert_eq!(shown_host(host), host);
        }
        for token in [
            "ghp_abcdefghij",
            "0af7651916cd43dd8448eb211c80319c",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
            "hcaik_01abcdef",
            "ab12cd34ef56gh78ij",
        ] {
            assert_eq!(shown_host(token), REDACTED, "{token}");
        }
    }

    #[test]
    fn filters_with_secrets_are_recognised() {
        for secret in [
            "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----",
            "https://user:hunter2@collector:4317",
            "user:hunter2@collector",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
            "authorization=Bearer abc",
            "x-api-key=abc",
            "x-team=abc",
            "ghp_abcdefgh",
            "glpat-aB3dE5gH7jK9mN1p",
            "0af7651916cd43dd8448eb211c80319c",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ] {
            assert!(is_filter_with_secret(secret), "{secret}");
        }
        for harmless in [
            "info,my_crate::a=loud",
            "/var/log/shop-2/service.log",
            "[request{user=7}]=off",
            "token_service=debug",
            "http2_server_v12_module=loud",
            "MyCrate::Http2Server=debug",
        ] {
            assert!(!is_filter_with_secret(harmless), "{harmless}");
        }
    }

    #[test]
    fn texts_that_may_hold_a_secret_are_redacted() {
        for text in [
            "https://c/?key=abc",
            "x-team=abc",
            "dd-api-key=abc",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
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
