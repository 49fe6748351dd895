//! Redirects that are followed outside of the layer, so each request has a span.

use async_trait::async_trait;
use http::header::{self, HeaderName};
use http::{Extensions, Method, StatusCode};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

use super::client::UrlTemplate;

/// Follows redirects as a middleware of reqwest, so each request has a span and a measurement of its own, with
/// `http.request.resend_count`.
///
/// reqwest follows redirects inside of its client, where no middleware sees them. Switch that off, and add this
/// middleware before [`ClientLayer`](super::ClientLayer):
///
/// ```
/// use reqwest::redirect::Policy;
/// use reqwest_middleware::ClientBuilder;
/// use telemetry_bootstrap::http::{ClientLayer, FollowRedirects};
///
/// # fn main() -> Result<(), reqwest::Error> {
/// let client = reqwest::Client::builder().redirect(Policy::none()).build()?;
/// let client = ClientBuilder::new(client).with(FollowRedirects::new(10)).with(ClientLayer::new()).build();
/// # let _ = client;
/// # Ok(()) }
/// ```
///
/// The rules are those of reqwest: after 301 and 302 a POST is repeated as GET, after 303 every method but HEAD is. After
/// 307 and 308 the request is repeated as it was, if its body is in memory; if not, the response is the redirect. Once a
/// redirect leads to another origin, `Authorization`, `Cookie`, `Proxy-Authorization` and `Host` are removed. `Referer` is
/// not added. The timeout of a request applies to each attempt.
///
/// A request fails if it is redirected more often than the limit allows. The [`UrlTemplate`] of a request is that of its
/// first URL only.
#[derive(Clone, Debug)]
pub struct FollowRedirects {
    limit: usize,
}

impl FollowRedirects {
    /// Creates a middleware that follows at most `limit` redirects of a request. The default of reqwest is 10.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }

    async fn follow(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let mut left = self.limit;
        loop {
            let repeat = Repeat::new(&mut request);
            let response = next.clone().run(request, extensions).await?;
            let Some(redirected) = repeat.and_then(|repeat| repeat.redirected(&response)) else {
                return Ok(response);
            };
            left = left.checked_sub(1).ok_or_else(|| Error::middleware(TooManyRedirects))?;
            extensions.remove::<UrlTemplate>();
            request = redirected;
        }
    }
}

#[async_trait]
impl Middleware for FollowRedirects {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let template = extensions.get::<UrlTemplate>().cloned();
        let response = self.follow(request, extensions, next).await;
        // A retry of the whole begins at the first URL again.
        if let Some(template) = template {
            extensions.insert(template);
        }
        response
    }
}

/// Data for repeating a request.
struct Repeat {
    /// A copy of the request, of which the body may be missing.
    request: Request,
    /// `false` if the body is a stream, which can be sent once.
    is_complete: bool,
}

impl Repeat {
    /// Copies a request. One whose body is a stream is copied without it. `None` if the head cannot be copied either;
    /// redirects are then not followed.
    fn new(request: &mut Request) -> Option<Self> {
        if let Some(request) = request.try_clone() {
            return Some(Self { request, is_complete: true });
        }
        let body = request.body_mut().take();
        let head = request.try_clone();
        *request.body_mut() = body;
        Some(Self { request: head?, is_complete: false })
    }

    /// Returns the request that a redirect requires, or `None` if the response is not a redirect that can be followed.
    fn redirected(self, response: &Response) -> Option<Request> {
        let Self { mut request, is_complete } = self;
        let keeps_body = match response.status() {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *request.method() != Method::POST,
            StatusCode::SEE_OTHER => false,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return None,
        };
        let location = response.headers().get(header::LOCATION)?;
        let url = request.url().join(std::str::from_utf8(location.as_bytes()).ok()?).ok()?;
        if keeps_body && !is_complete {
            return None;
        }
        if !keeps_body {
            if *request.method() != Method::HEAD {
                *request.method_mut() = Method::GET;
            }
            *request.body_mut() = None;
            remove(&mut request, &OF_THE_BODY);
        }
        if url.origin() != request.url().origin() {
            remove(&mut request, &OF_THE_ORIGIN);
        }
        *request.url_mut() = url;
        Some(request)
    }
}

/// Removes all values of these headers.
fn remove(request: &mut Request, names: &[HeaderName]) {
    for name in names {
        request.headers_mut().remove(name);
    }
}

/// The error of a request that is redirected more often than the limit allows.
#[derive(Debug, thiserror::Error)]
#[error("too many redirects")]
struct TooManyRedirects;

/// Headers that describe a body, which a redirect to GET does not have (Fetch standard, "HTTP-redirect fetch").
const OF_THE_BODY: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::TRANSFER_ENCODING];
/// Credentials, and the name of the host, which other origins must not receive.
const OF_THE_ORIGIN: [HeaderName; 4] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::HOST];
