//! The secrets that a request carries, which a receiver or a proxy may repeat in its answer.
//!
//! | part of the request | a secret |
//! |---|---|
//! | each header of the program or of its source of credentials | the value, and each word of it but the scheme |
//! | `Basic` credentials, those of the proxy included | also the decoded text, and its password |
//! | the query of the URL | each value |
//!
//! Shorter values than [`MIN_SECRET`] are left: they would hide ordinary words, such as the `1` of a tenant.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, Request, header};
use percent_encoding::percent_decode_str;

use crate::settings::Proxy;
use crate::settings::secrets::{REDACTED, shown_words};

/// The parts of a request that may hold secrets, kept until its answer is there.
pub(super) struct RequestSecrets<'a> {
    /// All headers. Their values are shared with those of the request.
    headers: HeaderMap,
    /// The query of the URL; empty if there is none.
    query: String,
    /// The proxy on the way, for its credentials.
    proxy: Option<&'a Proxy>,
}

impl<'a> RequestSecrets<'a> {
    /// Remembers what this request carries.
    pub(super) fn new<B>(request: &Request<B>, proxy: Option<&'a Proxy>) -> Self {
        let query = request.uri().query().unwrap_or_default().to_owned();
        Self { headers: request.headers().clone(), query, proxy }
    }

    /// Returns the text of an answer without the secrets, and without what looks like one.
    pub(super) fn redact_answer(&self, text: &str) -> String {
        shown_words(&self.redact(text))
    }

    /// Returns the text without the secrets. One that the end of a shortened text cuts off is removed as well.
    pub(super) fn redact(&self, text: &str) -> String {
        let secrets = self.values();
        let mut text = text.to_owned();
        for secret in &secrets {
            text = text.replace(&**secret, REDACTED);
        }
        // Words of this crate may follow.
        let Some((shortened, rest)) = text.rsplit_once('…') else { return text };
        let cut_off = secrets.iter().filter_map(|secret| cut_off(shortened, secret)).max();
        match cut_off {
            Some(length) => format!("{}{REDACTED}…{rest}", &shortened[..shortened.len() - length]),
            None => text,
        }
    }

    /// Returns all secrets, the longest first: one may be part of another.
    fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for (_, value) in self.headers.iter().filter(|(name, _)| !WITHOUT_SECRETS.contains(name)) {
            add_header(&String::from_utf8_lossy(value.as_bytes()), &mut values);
        }
        if let Some(login) = self.proxy.and_then(Proxy::secret) {
            let login = String::from_utf8_lossy(&login).into_owned();
            add_header(&login, &mut values);
            add_login(login, &mut values);
        }
        for pair in self.query.split('&') {
            let value = pair.split_once('=').map_or(pair, |(_, value)| value);
            values.push(percent_decode_str(value).decode_utf8_lossy().into_owned());
            values.push(value.to_owned());
        }
        values.retain(|value| value.len() >= MIN_SECRET);
        values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        values
    }
}

/// Adds the value of a header, and what its words hold.
fn add_header(value: &str, values: &mut Vec<String>) {
    let mut words = value.split_whitespace();
    let scheme = words.next().unwrap_or_default();
    for word in words {
        values.push(word.to_owned());
        let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(word).ok()).flatten();
        if let Some(login) = decoded {
            add_login(String::from_utf8_lossy(&login).into_owned(), values);
        }
    }
    values.push(value.to_owned());
}

/// Adds `user:password`, and the password.
fn add_login(login: String, values: &mut Vec<String>) {
    if let Some((_, password)) = login.split_once(':') {
        values.push(password.to_owned());
    }
    values.push(login);
}

/// Returns the length of the part of a secret that the text ends with, in bytes.
fn cut_off(text: &str, secret: &str) -> Option<usize> {
    let ends = secret.char_indices().map(|(end, _)| end).rev();
    ends.take_while(|end| *end >= MIN_CUT_OFF).find(|end| text.ends_with(&secret[..*end]))
}

/// Headers of the protocol itself.
const WITHOUT_SECRETS: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::HOST,
    header::TE,
    header::USER_AGENT,
    HeaderName::from_static("grpc-encoding"),
];
/// Bytes of the shortest value that counts as a secret.
const MIN_SECRET: usize = 6;
/// Bytes of the shortest part of a secret that is recognised at the end of a text.
const MIN_CUT_OFF: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_cut_off_is_removed_in_front_of_further_words() {
        let request = request(&[("x-key", "a-secret-value")], "http://h/");
        let secrets = RequestSecrets::new(&request, None);
        let text = "RESOURCE_EXHAUSTED: key a-secr… (it does not say when to come back)";
        let expected = "RESOURCE_EXHAUSTED: key [redacted]… (it does not say when to come back)";
        assert_eq!(secrets.redact(text), expected);
    }

    fn request(headers: &[(&'static str, &str)], uri: &str) -> Request<()> {
        let mut request = Request::post(uri).body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn what_a_request_carries_is_not_in_the_text_of_its_answer() {
        let request = request(
            &[
                ("authorization", "Basic dXNlcjpodW50ZXIy"),
                ("x-api-key", "s3cr3t"),
                ("dd-auth", "Bearer abcdef ghijkl"),
                ("x-tenant", "1"),
                ("content-type", "application/grpc"),
            ],
            "http://c/v1/traces?key=hidd%65n1&b=2",
        );
        let secrets = RequestSecrets::new(&request, None);
        for (text, expected) in [
            ("no key s3cr3t for tenant 1", "no key [redacted] for tenant 1"),
            ("user:hunter2 is unknown", "[redacted] is unknown"),
            ("wrong password 'hunter2'", "wrong password '[redacted]'"),
            ("dXNlcjpodW50ZXIy", "[redacted]"),
            ("token=abcdef", "token=[redacted]"),
            ("GET /?key=hidd%65n1: hidden1", "GET /?key=[redacted]: [redacted]"),
            ("application/grpc is not taken", "application/grpc is not taken"),
            ("the header is Basic dXNlcj…", "the header is [redacted]…"),
            ("the key is s3cr…", "the key is [redacted]…"),
            ("ends with s3…", "ends with s3…"),
        ] {
            assert_eq!(secrets.redact(text), expected);
        }
        assert_eq!(
            secrets.redact_answer("not valid: eyJhbGciOiJIUzI1NiJ9.e30.c2ln"),
            "not valid: [redacted]"
        );
    }

    #[test]
    fn truncated_secret_is_removed_at_a_character_boundary() {
        assert_eq!(cut_off("the ééé", "éééé"), Some(6));
        assert_eq!(cut_off("é", "éééé"), None);
    }
}
