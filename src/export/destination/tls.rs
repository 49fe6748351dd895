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

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::uri::Scheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::outcome::Cause;
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::settings::{Target, TlsFiles, open_to_read};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The TLS side of one target.
///
/// The files are read again for each new connection, because certificates are renewed on disk. Where they cannot be
/// used, the ones from before stay in use, and a warning is logged once for each change.
pub(super) struct Tls {
    /// Paths, not contents.
    files: TlsFiles,
    /// The protocols to choose from, by their names in ALPN.
    protocols: &'static [&'static [u8]],
    /// `None` before the first connection.
    current: Mutex<Option<Loaded>>,
    diagnostics: Diagnostics,
}

/// Files that could be used, and what was made of them.
struct Loaded {
    contents: Contents,
    config: Arc<ClientConfig>,
    /// Why the files cannot be used any more; reported once.
    problem: Option<String>,
}

/// The content of the files.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    /// Certificates of authorities.
    roots: Option<Vec<u8>>,
    /// The chain of certificates and the key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    /// `None` for a target that is not `https`.
    pub(super) fn for_target(target: &Target, only_http2: bool, diagnostics: &Diagnostics) -> Option<Self> {
        (target.uri.scheme() == Some(&Scheme::HTTPS)).then(|| Self {
            files: target.tls.clone(),
            protocols: if only_http2 { &[b"h2"] } else { &[b"h2", b"http/1.1"] },
            current: Mutex::new(None),
            diagnostics: diagnostics.clone(),
        })
    }

    /// `None` if connections to the proxy of a target have no TLS, or if there is no proxy.
    pub(super) fn for_proxy(target: &Target, diagnostics: &Diagnostics) -> Option<Self> {
        let is_https = target.proxy.as_ref().is_some_and(|proxy| proxy.uri.scheme() == Some(&Scheme::HTTPS));
        is_https.then(|| Self {
            files: TlsFiles { certificate: target.tls.certificate.clone(), ..TlsFiles::default() },
            protocols: &[b"http/1.1"],
            current: Mutex::new(None),
            diagnostics: diagnostics.clone(),
        })
    }

    /// Negotiates TLS on a connection. `host` is the name that the certificate must have.
    pub(super) async fn connect<S>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name =
            ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
        let config = self.config().map_err(io::Error::other)?;
        TlsConnector::from(config).connect(name, stream).await
    }

    /// Returns the configuration for a new connection, after a look at the files.
    fn config(&self) -> Result<Arc<ClientConfig>, BoxError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = Contents::read(&self.files).and_then(|contents| match &*current {
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

    /// Makes a configuration of the files' contents.
    fn build(&self, contents: &Contents) -> Result<Arc<ClientConfig>, BoxError> {
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
    fn read(files: &TlsFiles) -> Result<Self, BoxError> {
        let read = |path: &PathBuf| read(path);
        let identity = files.client_certificate.as_ref().zip(files.client_key.as_ref());
        Ok(Self {
            roots: files.certificate.as_ref().map(read).transpose()?,
            identity: identity
                .map(|(chain, key)| Ok::<_, BoxError>((read(chain)?, read(key)?)))
                .transpose()?,
        })
    }
}

/// Reads a file; the error names it.
fn read(path: &Path) -> Result<Vec<u8>, BoxError> {
    let mut text = Vec::new();
    let read = open_to_read(path).and_then(|mut file| file.read_to_end(&mut text));
    read.map(|_| text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Returns an error if the files of an `https` target cannot be used. The system's roots are not read.
pub(in crate::export) fn check(target: &Target) -> Result<(), BoxError> {
    if target.uri.scheme() != Some(&Scheme::HTTPS) {
        return Ok(());
    }
    let contents = Contents::read(&target.tls)?;
    client_config(&contents, &RootCertStore::empty()).map(drop)
}

/// Makes the configuration that `check` and connections share.
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
        Some((chain, key)) => {
            builder.with_client_auth_cert(certificates(chain)?, PrivateKeyDer::from_pem_slice(key)?)?
        }
        None => builder.with_no_client_auth(),
    })
}

/// Parses all certificates of a PEM file.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    Ok(CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?)
}

/// The system's trusted roots, read when the first connection needs them: that takes milliseconds.
fn native_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// The cause of a failed handshake.
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
