//! [`ClientLayer`] as a middleware of reqwest.
//!
//! The middleware runs once for each attempt that reaches it. Behind a middleware that retries, each attempt has its
//! own span, with `http.request.resend_count` from the second one; in front of it, one span covers all attempts. If
//! there are two such middlewares, the outer one records the request, and the inner one each further attempt, if a
//! middleware that retries is between them. Redirects that reqwest follows itself are below all middleware: one span
//! covers them, and its address is that of the first request.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::{Extensions, Uri};
use reqwest::{Body, Request, Response, ResponseBuilderExt as _, Url};
use reqwest_middleware::{Middleware, Next};

use super::client::{ClientLayer, ResendCounter};
use crate::calls::call::Call as AnyCall;
use crate::calls::future::ResponseFuture;
use crate::calls::recorded::unmark_recorded_by_client;

/// Records each request that reaches it, which is each attempt of a retry middleware that was added before.
#[async_trait]
impl Middleware for ClientLayer {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let attempt = Attempt(extensions);
        let Some(call) = self.start_reqwest(&mut request, attempt.0) else {
            return next.run(request, attempt.0).await;
        };
        let mut url = None;
        let answered = async {
            let response = next.run(request, attempt.0).await.map_err(RequestError::new)?;
            url = Some(response.url().clone());
            Ok(http::Response::<Body>::from(response))
        };
        let response = ResponseFuture::start(call, || answered).await;
        let response = response.map_err(RequestError::into_inner)?.map(Body::wrap);
        Ok(with_url(response, url))
    }
}

impl ClientLayer {
    /// Starts the call of a request, unless it is not recorded. The attempts of a request share its extensions, and so the
    /// counter of attempts.
    fn start_reqwest(&self, request: &mut Request, extensions: &mut Extensions) -> Option<AnyCall> {
        extensions.get_or_insert_with(ResendCounter::default);
        let mut head = http::Request::new(());
        // reqwest refuses what is no URI of HTTP, and sends nothing.
        *head.uri_mut() = Uri::try_from(request.url().as_str()).ok()?;
        *head.method_mut() = request.method().clone();
        *head.version_mut() = request.version();
        std::mem::swap(head.headers_mut(), request.headers_mut());
        std::mem::swap(head.extensions_mut(), extensions);
        let mut call = self.start(&mut head, Duration::ZERO);
        std::mem::swap(head.headers_mut(), request.headers_mut());
        std::mem::swap(head.extensions_mut(), extensions);
        if let (Some(AnyCall::Http(call)), Some(bytes)) = (&mut call, request.body().and_then(Body::as_bytes))
        {
            // The header is set later.
            call.request_bytes.get_or_insert(bytes.len() as u64);
        }
        call
    }
}

/// The extensions of a request while an attempt is under way. However it ends, the next attempt, which has the same
/// extensions, is recorded as well.
struct Attempt<'a>(&'a mut Extensions);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        unmark_recorded_by_client(self.0);
    }
}

/// Turns a response back into one of reqwest, with the URL that the response came from.
fn with_url(response: http::Response<Body>, url: Option<Url>) -> Response {
    let (mut parts, body) = response.into_parts();
    let holder = url.and_then(|url| http::Response::builder().url(url).body(()).ok());
    parts.extensions.extend(holder.map(|holder| holder.into_parts().0.extensions).unwrap_or_default());
    http::Response::from_parts(parts, body).into()
}

/// A reqwest error whose URL, which may contain credentials, is removed while the error is recorded.
pub(in crate::calls) struct RequestError {
    /// Without its URL.
    error: reqwest_middleware::Error,
    /// Given back to the caller.
    url: Option<Url>,
}

impl RequestError {
    /// Takes the URL out of an error.
    fn new(error: reqwest_middleware::Error) -> Self {
        let url = error.url().cloned();
        Self { error: error.without_url(), url }
    }

    /// Returns the error as the caller expects it, with its URL.
    fn into_inner(self) -> reqwest_middleware::Error {
        match self.url {
            Some(url) => self.error.with_url(url),
            None => self.error,
        }
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.error {
            reqwest_middleware::Error::Reqwest(error) => error.source(),
            reqwest_middleware::Error::Middleware(error) => Some(&**error),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl fmt::Debug for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            reqwest_middleware::Error::Reqwest(error) => fmt::Debug::fmt(error, f),
            reqwest_middleware::Error::Middleware(error) => fmt::Debug::fmt(error, f),
        }
    }
}
