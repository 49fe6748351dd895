//! URLs without secrets.

use std::borrow::Cow;

use http::Uri;

/// Returns a query without the values of parameters that hold credentials.
/// Borrowed unless there is one, as nearly always. Keys are compared as they stand in the query, without decoding.
pub(super) fn redacted_query(query: &str) -> Cow<'_, str> {
    let is_secret =
        |parameter: &str| parameter.split_once('=').is_some_and(|(key, _)| SECRETS.contains(&key));
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let redact = |parameter: &str| match parameter.split_once('=') {
        Some((key, _)) if SECRETS.contains(&key) => format!("{key}={REDACTED}"),
        _ => parameter.to_owned(),
    };
    Cow::Owned(query.split('&').map(redact).collect::<Vec<_>>().join("&"))
}

/// Returns the absolute URL of a request to `authority`, without credentials.
/// User and password are both replaced, also if there is no password, as the conventions have it for `url.full`.
pub(super) fn redacted_url(uri: &Uri, scheme: &str, authority: &str) -> String {
    let length = uri.path_and_query().map_or(1, |path| path.as_str().len());
    let mut url = String::with_capacity(scheme.len() + "://".len() + authority.len() + length);
    url.push_str(scheme);
    url.push_str("://");
    match authority.rsplit_once('@') {
        Some((_, host)) => {
            url.push_str("REDACTED:REDACTED@");
            url.push_str(host);
        }
        None => url.push_str(authority),
    }
    url.push_str(uri.path());
    if let Some(query) = uri.query() {
        url.push('?');
        url.push_str(&redacted_query(query));
    }
    url
}

/// The replacement for redacted values, by the conventions: `sig=REDACTED`.
const REDACTED: &str = "REDACTED";
/// The parameters that the conventions list; the names are case-sensitive.
const SECRETS: [&str; 7] = [
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
    "sig",
    "X-Goog-Signature",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_parameters_are_redacted() {
        assert_eq!(redacted_query("a=1&sig=s3cret&b=2"), "a=1&sig=REDACTED&b=2");
        assert_eq!(redacted_query("X-Amz-Signature=x&Sig=kept&sig"), "X-Amz-Signature=REDACTED&Sig=kept&sig");
        assert_eq!(redacted_query("design=1&a=sig"), "design=1&a=sig");
    }

    #[test]
    fn credentials_of_a_url_are_redacted() {
        let url = |text: &str| {
            let uri: Uri = text.parse().unwrap();
            redacted_url(&uri, "https", uri.authority().unwrap().as_str())
        };
        assert_eq!(url("https://user:pw@h:8443/a?sig=1"), "https://REDACTED:REDACTED@h:8443/a?sig=REDACTED");
        assert_eq!(url("https://h/a%20b"), "https://h/a%20b");
    }
}
