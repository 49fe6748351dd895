//! Credentials that change while the program runs: sources of headers, and signatures.
//!
//! | credential | fetched | if the receiver refuses it (401, 403) |
//! |---|---|---|
//! | header in code or in the environment | never: it is constant | the items have failed |
//! | [`HeaderSource::from_fn`], [`from_file`](HeaderSource::from_file) | for each request | fetched again at once, then later |
//! | [`HeaderSource::from_token`] | when its time is over | fetched again at once, then after a growing pause |
//! | signer | for each request, behind all headers | signed again at once, then later |
//!
//! All of them run on a thread beside the I/O thread, with a limit in time: a source that hangs delays its own requests
//! only.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request};

use super::opened_file::read_bounded;
use super::secrets::shown_path;

/// The error of a closure. Its text is shown in log lines, with words that may be secrets redacted.
type BoxError = Box<dyn Error + Send + Sync>;
/// Returns a value, and how long it may be used.
type Fetch = dyn Fn() -> Result<HeaderToken, BoxError> + Send + Sync;
/// Adds the signature to a request, as headers in most cases.
type Sign = dyn Fn(&mut Request<Bytes>) -> Result<(), BoxError> + Send + Sync;

/// A source of a header's value, for values that change while the program runs; see
/// [`Builder::header_source`](crate::Builder::header_source).
///
/// The source runs on a thread of its own, never on a thread of the program and never twice at the same time. If it
/// fails, panics or does not return within the timeout of an export (10 seconds at most), the export is tried again
/// later; the reason is logged. If the receiver refuses the credentials (401 or 403, `UNAUTHENTICATED` or
/// `PERMISSION_DENIED`), the source is called again at once; if they are refused again, the export is tried again
/// later. While new values are refused as well, the source of a token that is still valid is called after 1 second at
/// the earliest, then after 2, and so on, up to once a minute.
///
/// The value is a secret: it appears in no log line, no error and no `Debug` output.
///
/// ```
/// use std::time::Duration;
/// use telemetry_bootstrap::{HeaderSource, HeaderToken};
///
/// # fn fetch() -> Result<(String, u64), std::io::Error> { Ok((String::new(), 1)) }
/// let token = HeaderSource::from_token(|| {
///     let (token, seconds) = fetch()?;
///     Ok::<_, std::io::Error>(HeaderToken::new(token).valid_for(Duration::from_secs(seconds)))
/// });
/// # let _ =
/// telemetry_bootstrap::init().header_source("authorization", token.prefix("Bearer "));
/// ```
#[derive(Clone)]
#[must_use = "a source has no effect until it is given to `header_source`"]
pub struct HeaderSource {
    /// Returns the value; it may block and fail.
    fetch: Arc<Fetch>,
    /// Put before each value.
    prefix: String,
    /// The file that is read, if it is one.
    #[cfg_attr(
        not(feature = "config-file"),
        expect(dead_code, reason = "only a configuration file that is written names it")
    )]
    file: Option<PathBuf>,
}

impl HeaderSource {
    /// Creates a source from a closure that returns the value. It is called for each request.
    ///
    /// ```
    /// use telemetry_bootstrap::HeaderSource;
    ///
    /// # fn current_tenant() -> String { String::new() }
    /// # let _ =
    /// telemetry_bootstrap::init().header_source("x-tenant", HeaderSource::from_fn(current_tenant));
    /// ```
    pub fn from_fn(value: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::from_fetch(move || Ok(HeaderToken::new(value())))
    }

    /// Creates a source from a function that fetches a token, for example from an identity service. It may block. It
    /// is called when the token that it returned last is no longer [valid](HeaderToken::valid_for), and when the
    /// receiver refuses the token.
    ///
    /// ```
    /// use telemetry_bootstrap::{HeaderSource, HeaderToken};
    ///
    /// # let _ =
    /// HeaderSource::from_token(|| std::env::var("TOKEN").map(HeaderToken::new)).prefix("Bearer ");
    /// ```
    pub fn from_token<E>(fetch: impl Fn() -> Result<HeaderToken, E> + Send + Sync + 'static) -> Self
    where
        E: Into<BoxError>,
    {
        Self::from_fetch(move || fetch().map_err(Into::into))
    }

    /// Creates a source from a file. It is read for each request, so that a file that was replaced or rewritten counts
    /// from then on. White space at its end is not part of the value. While the file cannot be read, or is empty,
    /// the value that was read last stays in use; if the receiver refuses that, the log line says why the file cannot
    /// be read. At most 64 KiB.
    ///
    /// ```
    /// use telemetry_bootstrap::HeaderSource;
    ///
    /// let token = HeaderSource::from_file("/var/run/secrets/otel/token").prefix("Bearer ");
    /// # let _ = telemetry_bootstrap::init().header_source("authorization", token);
    /// ```
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let (file, last) = (Some(path.clone()), Mutex::new(None));
        let source = Self::from_fetch(move || {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            match (read(&path), &*last) {
                (Ok(value), _) => Ok(HeaderToken::new(last.insert(value).clone())),
                (Err(error), Some(value)) => {
                    let outdated = Some(error.to_string());
                    Ok(HeaderToken { outdated, ..HeaderToken::new(String::clone(value)) })
                }
                (Err(error), None) => Err(error),
            }
        });
        Self { file, ..source }
    }

    /// Puts a text such as `Bearer ` before each value.
    ///
    /// ```
    /// use telemetry_bootstrap::HeaderSource;
    ///
    /// # let _ =
    /// HeaderSource::from_file("/var/run/secrets/otel/token").prefix("Bearer ");
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Creates a source without a prefix.
    fn from_fetch(fetch: impl Fn() -> Result<HeaderToken, BoxError> + Send + Sync + 'static) -> Self {
        Self { fetch: Arc::new(fetch), prefix: String::new(), file: None }
    }

    /// Returns the value, with its prefix.
    ///
    /// # Errors
    ///
    /// That of the closure, or of the file. The caller tries the export again later.
    pub(crate) fn fetch(&self) -> Result<HeaderToken, BoxError> {
        let token = (self.fetch)()?;
        Ok(HeaderToken { value: format!("{}{}", self.prefix, token.value), ..token })
    }

    /// Returns the file that is read, if it is one.
    #[cfg(feature = "config-file")]
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns what is put before each value.
    #[cfg(feature = "config-file")]
    pub(crate) fn prefix_text(&self) -> &str {
        &self.prefix
    }

    /// Returns `true` for clones of one source, which share what was fetched.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.fetch, &other.fetch) && self.prefix == other.prefix
    }
}

/// Returns the content of a file without white space at its end.
///
/// # Errors
///
/// The system's, a file of more than [`MAX_FILE`] bytes, one that is not UTF-8, and one that is empty. The message has
/// the path and no content.
fn read(path: &Path) -> Result<String, BoxError> {
    let at = |error: &dyn fmt::Display| BoxError::from(format!("{}: {error}", shown_path(path)));
    let bytes = read_bounded(path, MAX_FILE).map_err(|error| at(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| at(&"the file is not UTF-8"))?;
    match text.trim_end() {
        "" => Err(at(&"the file is empty")),
        value => Ok(value.to_owned()),
    }
}

impl fmt::Debug for HeaderSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderSource").finish_non_exhaustive()
    }
}

/// The value that [`HeaderSource::from_token`] fetches, and how long it is valid.
///
/// ```
/// use std::time::Duration;
/// use telemetry_bootstrap::HeaderToken;
///
/// let token = HeaderToken::new("secret").valid_for(Duration::from_secs(300));
/// assert!(!format!("{token:?}").contains("secret"));
/// ```
#[derive(Clone)]
#[must_use = "return it from the closure"]
pub struct HeaderToken {
    /// The value, without a prefix until [`HeaderSource::fetch`] adds it.
    pub(crate) value: String,
    /// How long the value is used again without fetching. Zero: for one request.
    pub(crate) valid_for: Duration,
    /// Why this is an earlier value: the source has none any more. `None` for one that it has just returned.
    pub(crate) outdated: Option<String>,
}

impl HeaderToken {
    /// Creates a value that is used for one request.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), valid_for: Duration::ZERO, outdated: None }
    }

    /// Sets how long the value is used before the next one is fetched. Choose a shorter time than that after which the
    /// receiver refuses it.
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.valid_for = time;
        self
    }
}

impl fmt::Debug for HeaderToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderToken").field("valid_for", &self.valid_for).finish_non_exhaustive()
    }
}

/// Signs each request.
#[derive(Clone)]
pub(crate) struct RequestSigner(Arc<Sign>);

impl RequestSigner {
    /// Keeps the closure that signs.
    pub(crate) fn new<E: Into<BoxError>>(
        sign: impl Fn(&mut Request<Bytes>) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |request| sign(request).map_err(Into::into)))
    }

    /// Signs one request, whose method, URI, headers and body are final.
    ///
    /// # Errors
    ///
    /// That of the closure; the request is not sent then.
    pub(crate) fn sign(&self, request: &mut Request<Bytes>) -> Result<(), BoxError> {
        (self.0)(request)
    }
}

/// The credentials of one signal's requests that change.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    /// By the names of their headers.
    pub(crate) sources: Vec<(HeaderName, HeaderSource)>,
    /// Signs each request after the headers of the sources were added.
    pub(crate) signer: Option<RequestSigner>,
}

impl Credentials {
    /// Returns `true` if all requests have the same headers.
    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.signer.is_none()
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        let is_same_signer = match (&self.signer, &other.signer) {
            (Some(one), Some(other)) => Arc::ptr_eq(&one.0, &other.0),
            (one, other) => one.is_none() && other.is_none(),
        };
        is_same_signer
            && self.sources.len() == other.sources.len()
            && self
                .sources
                .iter()
                .zip(&other.sources)
                .all(|(one, other)| one.0 == other.0 && one.1.is_same(&other.1))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.sources.iter().map(|(name, _)| name).collect();
        f.debug_struct("Credentials")
            .field("sources", &names)
            .field("has_signer", &self.signer.is_some())
            .finish()
    }
}

/// Bytes. No token is longer, and a header of this size is refused by most servers.
const MAX_FILE: u64 = 64 << 10;
