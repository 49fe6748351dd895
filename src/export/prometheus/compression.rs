//! Answers of the exporter's own server, compressed with gzip where the scraper accepts it.
//!
//! A handler that is mounted in a server of the program is not compressed here: that server has a layer for it.
//!
//! | `Accept-Encoding` | the answer |
//! |---|---|
//! | names `gzip`, or `*` without `gzip` | compressed, if it is longer than a packet |
//! | `gzip;q=0` | as it is |
//! | none | as it is |

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};

use crate::export::destination::gzip;

/// Compresses a response to a request with these headers, unless it is short or the scraper does not accept that.
pub(super) fn compressed(response: Response<String>, accepts_gzip: bool) -> Response<Whole> {
    let (mut head, text) = response.into_parts();
    if head.headers.contains_key(header::VARY) {
        head.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    let gzipped = (accepts_gzip && text.len() >= MIN_BYTES).then(|| gzip(text.as_bytes())).flatten();
    let body = match gzipped {
        Some(bytes) => {
            head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            bytes.into()
        }
        None => text.into(),
    };
    Response::from_parts(head, Whole(body))
}

/// Returns `true` if `Accept-Encoding` names gzip or everything, with a weight above 0.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = || headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let accepted =
        |wanted| values().flat_map(|value| value.split(',')).find_map(|coding| is_accepted(coding, wanted));
    accepted("gzip").or_else(|| accepted("*")).unwrap_or(false)
}

/// Returns whether a coding such as `gzip;q=0.5` is accepted. `None` if it is another one than `wanted`.
fn is_accepted(coding: &str, wanted: &str) -> Option<bool> {
    let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
    let weight = parameters.split_once('=').map_or(Ok(1.0), |(_, weight)| weight.trim().parse::<f32>());
    name.trim().eq_ignore_ascii_case(wanted).then(|| weight.is_ok_and(|weight| weight > 0.0))
}

/// A body in one piece.
pub(super) struct Whole(Bytes);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.get_mut().0);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// Shorter answers fit into one packet as they are.
const MIN_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_accepted_by_name_or_by_a_wildcard_with_a_weight() {
        for (accept, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("*", true),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("gzip;q=x", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, accept.parse().unwrap())]);
            assert_eq!(accepts_gzip(&headers), expected, "{accept}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
