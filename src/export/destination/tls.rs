//! TLS for `https` targets: trusted roots, client certificates, and files that change while the program runs.
//!
//! | what | source |
//! |---|---|
//! | trusted authorities | the system's, and those of the certificate file |
//! | the client's identity | certificate and key, both or none |
//! | versions and ciphers | the safe defaults of rustls, with `ring` |
//! | protocol | ALPN: `h2`, and `http/1.1` where HTTP/1 will do |
//!
//! A proxy that is reached by TLS is checked by the same authorities. It gets no certificate of the client, which is for the
//! receiver.
//!
//! | the certificate files, when a connection is made | used |
//! |---|---|
//! | unchanged | the configuration from before |
//! | changed, and usable | a new configuration, for this connection and later ones |
//! | changed, and not usable, or gone | the configuration from before, with one warning for each kind of problem |
//! | not usable at the first connection | none: connecting fails, and is tried again |
//!
//! The system's authorities are read once for the life of the process.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::outcome::Cause;
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::settings::secrets::shown_path;
use crate::settings::{Target, TlsFiles, read_pem};

/// The error of reading or parsing files.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Configuration = Result<Arc<ClientConfig>, BoxError>;

/// The TLS side of one target.
///
/// The files are read again for each new connection, because certificates are renewed on disk. Where they cannot be
/// used, the ones from before stay in use, and a warning is logged once for each change.
///
/// They are read off the I/O thread, because they may be on a network that hangs. Then one thread waits for them, and no
/// more.
///
/// One for each target, and one for a proxy that is reached by `https`.
pub(super) struct Tls {
    /// Shared with the thread that reads them.
    files: Arc<Files>,
    /// A look at the files that has not ended yet.
    look: sync::Mutex<Option<JoinHandle<Configuration>>>,
    /// For a look at the files.
    limit: Duration,
}

/// The files of one target, and what was made of them.
struct Files {
    /// The paths of the files; their contents are in `current`.
    paths: TlsFiles,
    /// Reads them; another one in tests.
    read: fn(&TlsFiles) -> Result<Contents, BoxError>,
    /// The protocols to choose from, by their names in ALPN.
    protocols: &'static [&'static [u8]],
    /// `None` before the first connection.
    current: Mutex<Option<Loaded>>,
    /// Gets the warning.
    diagnostics: Diagnostics,
}

/// Files that could be used, and the configuration that was made of them.
struct Loaded {
    /// Compared with what is read for the next connection.
    contents: Contents,
    /// The configuration for connections.
    config: Arc<ClientConfig>,
    /// The reason why the files can no longer be used; reported once, and reset when they can be used again.
    problem: Option<String>,
}

/// The content of the files, in PEM.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    /// Certificates of authorities.
    roots: Option<Vec<u8>>,
    /// The chain of certificates and the key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    /// `None` for a target that is not `https`.
    ///
    /// If `only_http2` is set, ALPN offers only `h2`. `limit` bounds the time for reading the files later.
    pub(super) fn for_target(
        target: &Target,
        only_http2: bool,
        limit: Duration,
        diagnostics: &Diagnostics,
    ) -> Option<Self> {
        let protocols = offered_protocols(only_http2, cfg!(feature = "otlp-grpc"));
        target.is_https().then(|| Self::new(target.tls.clone(), protocols, limit, diagnostics))
    }

    /// `None` if connections to the proxy of a target have no TLS, or if there is no proxy.
    pub(super) fn for_proxy(target: &Target, limit: Duration, diagnostics: &Diagnostics) -> Option<Self> {
        let paths = || TlsFiles { certificate: target.tls.certificate.clone(), ..TlsFiles::default() };
        target.has_https_proxy().then(|| Self::new(paths(), &[b"http/1.1"], limit, diagnostics))
    }

    fn new(
        paths: TlsFiles,
        protocols: &'static [&'static [u8]],
        limit: Duration,
        diagnostics: &Diagnostics,
    ) -> Self {
        let (read, diagnostics) = (Contents::read, diagnostics.clone());
        let files = Files { paths, read, protocols, current: Mutex::new(None), diagnostics };
        Self { files: Arc::new(files), look: sync::Mutex::new(None), limit }
    }

    /// Negotiates TLS on a connection. `host` is the name that the certificate must have.
    ///
    /// # Errors
    ///
    /// If the handshake fails, if no configuration can be made of the files, or if `host` is neither a name nor an
    /// address. IPv6 addresses may be in brackets.
    pub(super) async fn connect<S>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name =
            ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
        let config = self.config().await.map_err(io::Error::other)?;
        TlsConnector::from(config).connect(name, stream).await
    }

    /// Returns the configuration for a new connection, after a look at the files.
    ///
    /// # Errors
    ///
    /// If the files cannot be used, and never could.
    ///
    /// May be dropped at any time: the look goes on, and the next connection waits for the same one, or begins another if
    /// it has ended.
    async fn config(&self) -> Configuration {
        let look = async {
            let mut look = self.look.lock().await;
            // What it has found may have changed since.
            drop(look.take_if(|running| running.is_finished()));
            let files = Arc::clone(&self.files);
            let looked = look.get_or_insert_with(|| spawn_blocking(move || files.config())).await;
            *look = None;
            looked?
        };
        let looked = timeout(self.limit, look).await;
        looked.unwrap_or_else(|_| self.files.update(Err(format!("not read within {:?}", self.limit).into())))
    }
}

impl Files {
    /// Reads the files, and returns their configuration. Blocks.
    fn config(&self) -> Configuration {
        let contents = (self.read)(&self.paths);
        // Before anything is locked.
        native_roots();
        self.update(contents)
    }

    /// Returns the configuration of these contents, or the one from before if they cannot be used.
    fn update(&self, contents: Result<Contents, BoxError>) -> Configuration {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = contents.and_then(|contents| match &*current {
            Some(loaded) if loaded.contents == contents => Ok(None),
            _ => Ok(Some(Loaded { config: self.build(&contents)?, contents, problem: None })),
        });
        match loaded {
            Ok(Some(loaded)) => *current = Some(loaded),
            Ok(None) => current.iter_mut().for_each(|loaded| loaded.problem = None),
            Err(error) => match &mut *current {
                None => return Err(error),
                Some(loaded) => {
                    let problem = error.to_string();
                    if loaded.problem.as_ref() != Some(&problem) {
                        self.warn(&error);
                    }
                    loaded.problem = Some(problem);
                }
            },
        }
        current.as_ref().map(|loaded| Arc::clone(&loaded.config)).ok_or_else(|| "no configuration".into())
    }

    /// Returns a configuration with the files' contents, the system's authorities and ALPN.
    fn build(&self, contents: &Contents) -> Configuration {
        let mut config = client_config(contents, native_roots())?;
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// Reports that changed files cannot be used.
    fn warn(&self, error: &BoxError) {
        self.diagnostics.warn(
            "changed certificate files cannot be used, keeping the previous ones",
            &[
                ("error", FieldValue::Text(error)),
                ("check", FieldValue::Text(&"OTEL_EXPORTER_OTLP_CERTIFICATE and those of the client")),
            ],
        );
    }
}

impl Contents {
    /// Reads all files.
    ///
    /// # Errors
    ///
    /// The first that cannot be read, by its path.
    fn read(files: &TlsFiles) -> Result<Self, BoxError> {
        let read = |path: &PathBuf| {
            read_pem(path).map_err(|error| BoxError::from(format!("{}: {error}", shown_path(path))))
        };
        let identity = files.client_certificate.as_ref().zip(files.client_key.as_ref());
        Ok(Self {
            roots: files.certificate.as_ref().map(read).transpose()?,
            identity: identity
                .map(|(chain, key)| Ok::<_, BoxError>((read(chain)?, read(key)?)))
                .transpose()?,
        })
    }
}

/// Returns the protocols that ALPN offers. A client without HTTP/2, as in a build without `otlp-grpc`, must not offer it:
/// the server would choose it.
fn offered_protocols(only_http2: bool, has_http2: bool) -> &'static [&'static [u8]] {
    match (only_http2, has_http2) {
        (true, _) => &[b"h2"],
        (false, true) => &[b"h2", b"http/1.1"],
        (false, false) => &[b"http/1.1"],
    }
}

/// Returns an error if the files for a target or its proxy cannot be used. The system's roots are not read.
pub(in crate::export) fn check(target: &Target) -> Result<(), BoxError> {
    if !target.is_https() && !target.has_https_proxy() {
        return Ok(());
    }
    let contents = Contents::read(&target.tls)?;
    client_config(&contents, &RootCertStore::empty()).map(drop)
}

/// Returns the configuration that `check` and connections share, without ALPN.
///
/// # Errors
///
/// If no certificate of an authority can be used, if a file is not PEM, or if the key does not belong to the
/// certificate.
fn client_config(contents: &Contents, system: &RootCertStore) -> Result<ClientConfig, BoxError> {
    let mut roots = system.clone();
    if let Some(pem) = &contents.roots {
        let (usable, _) = roots.add_parsable_certificates(certificates(pem)?);
        if usable == 0 {
            return Err("no certificate of an authority can be used".into());
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match &contents.identity {
        Some((chain, key)) => builder.with_client_auth_cert(
            certificates(chain)?,
            PrivateKeyDer::from_pem_slice(key).map_err(not_pem)?,
        )?,
        None => builder.with_no_client_auth(),
    })
}

/// Parses all certificates of a PEM file. An error if one of them is malformed.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(not_pem)
}

/// Returns an error without the content, which may be a key: those of the parser repeat it.
fn not_pem(_: pem::Error) -> BoxError {
    "the content of the file is not valid PEM".into()
}

/// Returns the system's trusted authorities. Reading them takes milliseconds, so it is left to the first connection.
fn native_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// Returns the cause of a failed handshake.
///
/// | error | cause |
/// |---|---|
/// | the answer is no TLS | plaintext peer |
/// | expired, or not valid yet | certificate expired |
/// | for another name | certificate name |
/// | it is that of an authority | certificate of an authority |
/// | any other fault of the certificate | certificate unknown |
/// | alert: no common protocol | the peer speaks HTTP/1 only |
/// | alert about the client's certificate | client certificate |
/// | anything else | TLS |
pub(super) fn cause(error: &Error) -> Cause {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => Cause::PlaintextPeer,
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Cause::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Cause::CertificateName
            }
            // The type of this error is in a crate that is no dependency of this one.
            CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                Cause::CertificateOfAuthority
            }
            _ => Cause::CertificateUnknown,
        },
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => Cause::PeerSpeaksHttp,
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate,
        ) => Cause::ClientCertificate,
        _ => Cause::Tls,
    }
}

#[cfg(test)]
mod tests;
