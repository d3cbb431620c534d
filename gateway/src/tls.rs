//! Certificates of the ports. Owns reading them, checking that key and certificate
//! belong together, and reading them again when the files change; a pair that cannot
//! be used then leaves the one before in use.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::TlsFiles;

/// The pair of a port, as it is now.
pub(crate) struct Certificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    /// What was read last, whether it could be used or not.
    read: Mutex<Pair>,
}

/// The bytes of both files.
#[derive(PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why a pair cannot be used. One line.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {source}", path = .path.display())]
    Read {
        path: std::path::PathBuf,
        source: io::Error,
    },
    #[error("{path}: no certificate in PEM", path = .0.display())]
    NoCertificate(std::path::PathBuf),
    #[error("{path}: no private key in PEM", path = .0.display())]
    NoKey(std::path::PathBuf),
    #[error("certificate and key: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Certificate {
    /// # Errors
    /// See [`TlsError`].
    pub(crate) fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pair = Pair::read(&files)?;
        let current = pair.usable(&files, &provider)?;
        Ok(Arc::new(Self {
            files,
            provider,
            current: RwLock::new(Arc::new(current)),
            read: Mutex::new(pair),
        }))
    }

    /// Takes the files' new content into use, if it is another; reads files.
    pub(crate) fn reload(&self) {
        let mut read = self.read.lock();
        let usable = Pair::read(&self.files).and_then(|pair| {
            if *read == pair {
                return Ok(None);
            }
            *read = pair;
            read.usable(&self.files, &self.provider).map(Some)
        });
        match usable {
            Ok(None) => {}
            Ok(Some(certified)) => {
                *self.current.write() = Arc::new(certified);
                tracing::info!(files = ?self.files, "a new certificate is in use");
            }
            Err(error) => {
                tracing::warn!(%error, "the certificate of before stays in use");
            }
        }
    }

    /// What a port is served with; `protocols` are offered in this order.
    ///
    /// # Errors
    /// When this build can do no TLS.
    pub(crate) fn config(self: &Arc<Self>, protocols: &[&[u8]]) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone());
        let mut config = builder
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().clone())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.files).finish()
    }
}

impl Pair {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| TlsError::Read {
                path: path.to_owned(),
                source,
            })
        };
        Ok(Self {
            certificate: read(&files.cert)?,
            key: read(&files.key)?,
        })
    }

    fn usable(
        &self,
        files: &TlsFiles,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&self.certificate);
        let chain: Result<Vec<_>, _> = chain.collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| TlsError::NoCertificate(files.cert.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key);
        let key = key.map_err(|_| TlsError::NoKey(files.key.clone()))?;
        Ok(CertifiedKey::from_der(chain, key, provider)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(files: &TlsFiles) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        std::fs::write(&files.cert, made.cert.pem()).expect("written");
        std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    }

    fn shown(certificate: &Certificate) -> Vec<u8> {
        certificate.current.read().cert[0].to_vec()
    }

    #[test]
    fn a_new_pair_is_taken_and_one_that_does_not_fit_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = TlsFiles {
            cert: dir.path().join("c.pem"),
            key: dir.path().join("k.pem"),
        };
        let missing = Certificate::load(files.clone()).expect_err("nothing there");
        assert!(missing.to_string().contains("c.pem"), "{missing}");
        write_pair(&files);
        let certificate = Certificate::load(files.clone()).expect("a pair");
        let first = shown(&certificate);
        certificate.reload();
        assert_eq!(shown(&certificate), first);
        let old_key = std::fs::read(&files.key).expect("there");
        write_pair(&files);
        certificate.reload();
        let second = shown(&certificate);
        assert_ne!(second, first);
        // Another's key, no key, no certificate, no file.
        for (path, bytes) in [
            (&files.key, &old_key[..]),
            (&files.key, b"rubbish"),
            (&files.cert, b"rubbish"),
        ] {
            let before = std::fs::read(path).expect("there");
            std::fs::write(path, bytes).expect("written");
            assert!(Certificate::load(files.clone()).is_err());
            certificate.reload();
            assert_eq!(shown(&certificate), second);
            std::fs::write(path, before).expect("written");
        }
        std::fs::remove_file(&files.cert).expect("removed");
        certificate.reload();
        assert_eq!(shown(&certificate), second);
        write_pair(&files);
        certificate.reload();
        assert_ne!(shown(&certificate), second);
    }
}
