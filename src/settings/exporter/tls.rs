//! The PEM files of one exporter, and which of them belong together.
//!
//! A client's key and its certificate come together or not at all. Each may come from another place, the key from a
//! variable and the certificate from code; half a pair is ignored with a warning, or an error if only code is involved.
//!
//! Paths, not contents, are kept: files are read again when they change, so that renewed certificates count for the
//! next connection.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use super::{Scopes, Target};
use crate::settings::resolve::{Chosen, Resolver};
use crate::settings::secrets::shown_path;

/// PEM files for TLS to a receiver, and to its proxy. None where neither has TLS. Equal are the same files, wherever
/// they were named.
#[derive(Clone, Default)]
pub(crate) struct TlsFiles {
    /// Trusted roots, beside the system's.
    pub(crate) certificate: Option<PathBuf>,
    /// The private key. Present if and only if there is a certificate.
    pub(crate) client_key: Option<PathBuf>,
    /// The certificate that belongs to the key, with those between it and its authority.
    pub(crate) client_certificate: Option<PathBuf>,
    /// The environment names one of them: a mistake in it must not keep the program from starting.
    #[cfg_attr(
        not(any(test, feature = "tls", feature = "config-file")),
        expect(dead_code, reason = "without TLS no file is used")
    )]
    pub(crate) from_env: bool,
}

/// The settings that the files come from.
pub(super) struct TlsOrigins {
    /// Of the trusted roots.
    certificate: Option<Cow<'static, str>>,
    /// Of the client's key and certificate.
    identity: Option<Cow<'static, str>>,
}

impl TlsOrigins {
    /// Returns a setting that has no effect, because a connection to this target has no TLS.
    pub(super) fn unused(&self, target: &Target) -> Option<&str> {
        match (target.is_https(), target.has_https_proxy()) {
            (true, _) => None,
            (false, true) => self.identity.as_deref(),
            (false, false) => self.certificate.as_deref().or(self.identity.as_deref()),
        }
    }
}

impl Resolver<'_> {
    /// Returns the files, and the settings that they come from.
    pub(super) fn tls(&mut self, scopes: &Scopes<'_>) -> (TlsFiles, TlsOrigins) {
        let certificate = self.find_first(&scopes.sources(|otlp| &otlp.certificate));
        let key = self.find_first(&scopes.sources(|otlp| &otlp.client_key));
        let chain = self.find_first(&scopes.sources(|otlp| &otlp.client_certificate));
        let from_env = [&certificate, &key, &chain].into_iter().flatten().any(|chosen| !chosen.is_from_code);
        match (&key, &chain) {
            (Some(key), None) => self.report_half(scopes, key, "client certificate"),
            (None, Some(chain)) => self.report_half(scopes, chain, "client key"),
            _ => {}
        }
        let pair = key.as_ref().zip(chain.as_ref()).map(|(key, _)| key);
        let origin = |chosen: &Chosen<_>| chosen.origin.clone();
        let origins =
            TlsOrigins { certificate: certificate.as_ref().map(origin), identity: pair.map(origin) };
        let path = |chosen: Option<Chosen<_>>| chosen.and_then(|chosen| chosen.value);
        let (client_key, client_certificate) = path(key).zip(path(chain)).unzip();
        (TlsFiles { certificate: path(certificate), client_key, client_certificate, from_env }, origins)
    }

    /// Reports a key without its certificate, or the other way round, which is not used.
    ///
    /// It is the operator's mistake if one of the variables is set, whether or not its value can be used.
    fn report_half(&mut self, scopes: &Scopes<'_>, half: &Chosen<Option<PathBuf>>, missing: &str) {
        let settings = scopes.exporters().flat_map(|(otlp, _)| [&otlp.client_key, &otlp.client_certificate]);
        let mut variables = settings.flat_map(|setting| setting.variables);
        let there = shown_path(half.value.as_deref().unwrap_or(Path::new("")));
        match variables.find(|variable| self.env.get(variable).is_some()) {
            Some(variable) => {
                let words = format!("{there:?} has no {missing} that belongs to it; it is ignored");
                self.warn_once(variable, words);
            }
            None => {
                let reason = format!("there is no {missing} that belongs to it");
                self.invalid_value("tls", half.origin.to_string(), there, &reason);
            }
        }
    }
}

impl TlsFiles {
    /// Returns the three paths.
    fn paths(&self) -> [&Option<PathBuf>; 3] {
        [&self.certificate, &self.client_key, &self.client_certificate]
    }
}

impl PartialEq for TlsFiles {
    fn eq(&self, other: &Self) -> bool {
        self.paths() == other.paths()
    }
}

impl Eq for TlsFiles {}

impl Hash for TlsFiles {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.paths().hash(state);
    }
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value may be the content of the file instead of its path.
        let path = |path: &Option<PathBuf>| path.as_deref().map(shown_path);
        f.debug_struct("TlsFiles")
            .field("certificate", &path(&self.certificate))
            .field("client_key", &path(&self.client_key))
            .field("client_certificate", &path(&self.client_certificate))
            .finish()
    }
}
