//! Files of certificates and keys. What cannot be used is found out here: tonic would pass some of it over.
//!
//! The content of a file is never shown.
//!
//! Files are checked when settings are resolved, and read again for each connection: a
//! certificate that was renewed counts without a restart.
//!
//! | file | refused if |
//! |---|---|
//! | authorities | no certificate in it can be used; others beside it may be invalid, as in bundles of systems |
//! | client certificate | it has none, or one that cannot be decoded |
//! | client key | it has none, or one in an unknown format |

use std::io;
use std::path::{Path, PathBuf};

use super::opened_file::read_bounded;
use super::secrets::{quoted_path, shown_path};
use super::value_kind::{Kind, Reason, any};

/// Certificates of authorities, of which at least one can be used.
pub(super) const ROOTS: Kind<Option<PathBuf>> = Kind { check: |file| checked(file, check::roots), ..FILE };
/// A client's certificate, with those between it and its authority.
pub(super) const CHAIN: Kind<Option<PathBuf>> = Kind { check: |file| checked(file, check::chain), ..FILE };
/// The private key of a client's certificate.
pub(super) const KEY: Kind<Option<PathBuf>> = Kind { check: |file| checked(file, check::key), ..FILE };

/// A path. [`shown_path`] hides one that is the content of a file by mistake.
const FILE: Kind<Option<PathBuf>> = Kind {
    parse: |text| Ok(Some(text.into())),
    check: any,
    show: |file| match file {
        Some(path) => shown_path(path),
        None => "none".to_owned(),
    },
    quote: quoted_path,
};

/// Checks the content of a file, if there is one.
fn checked(file: &Option<PathBuf>, check: fn(&[u8]) -> Result<(), Reason>) -> Result<(), Reason> {
    file.as_deref().map_or(Ok(()), |path| check(&read(path)?))
}

/// Returns the content of a file that holds something in PEM format, up to [`MAX_BYTES`].
fn read(path: &Path) -> Result<Vec<u8>, Reason> {
    match read_pem(path) {
        Err(error) => Err(format!("the file cannot be read: {error}").into()),
        Ok(text) if !text.windows(BEGIN.len()).any(|part| part == BEGIN) => {
            Err("the file holds nothing in PEM format".into())
        }
        Ok(text) => Ok(text),
    }
}

/// Reads a file of certificates or keys.
///
/// # Errors
///
/// See [`read_bounded`].
pub(crate) fn read_pem(path: &Path) -> io::Result<Vec<u8>> {
    read_bounded(path, MAX_BYTES)
}

#[cfg(feature = "tls")]
mod check {
    use rustls::RootCertStore;
    use rustls::pki_types::pem::{Error, PemObject};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use super::Reason;

    pub(super) fn roots(text: &[u8]) -> Result<(), Reason> {
        let (usable, _) = RootCertStore::empty().add_parsable_certificates(certificates(text)?);
        if usable > 0 { Ok(()) } else { Err("no certificate in the file can be used".into()) }
    }

    pub(super) fn chain(text: &[u8]) -> Result<(), Reason> {
        certificates(text).map(drop)
    }

    pub(super) fn key(text: &[u8]) -> Result<(), Reason> {
        PrivateKeyDer::from_pem_slice(text).map(drop).map_err(|error| reason(&error, "private key"))
    }

    /// Returns all certificates, or what is wrong with the first that cannot be decoded.
    fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Reason> {
        let all = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
        match all {
            Ok(none) if none.is_empty() => Err(reason(&Error::NoItemsFound, "certificate")),
            Ok(all) => Ok(all),
            Err(error) => Err(reason(&error, "certificate")),
        }
    }

    /// Returns a message without any of the content, which may be a key.
    fn reason(error: &Error, wanted: &str) -> Reason {
        match error {
            Error::NoItemsFound => format!("the file holds no {wanted}").into(),
            Error::MissingSectionEnd { .. } => "the file ends before its PEM section does".into(),
            Error::Base64Decode(_) => "what stands in its PEM section is not base64".into(),
            _ => "the file is not in PEM format".into(),
        }
    }
}

/// Without TLS the files are not used.
#[cfg(not(feature = "tls"))]
mod check {
    use super::Reason;

    pub(super) fn roots(_text: &[u8]) -> Result<(), Reason> {
        Ok(())
    }

    pub(super) use roots as chain;
    pub(super) use roots as key;
}

/// What every section in PEM format begins with.
const BEGIN: &[u8] = b"-----BEGIN ";
/// A bundle of all public authorities has a sixtieth of it.
const MAX_BYTES: u64 = 16 << 20;
