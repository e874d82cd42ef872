//! The listener's certificate, read from two PEM files and read again while it runs.
//!
//! A pair that cannot be used (half written, no PEM, a key of another certificate) leaves the one before
//! in force, so a failed renewal never closes the listener. Connections that are open keep the certificate
//! that they began with. The key is never logged.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of the files cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The certificate's file holds none.
    #[error("{} holds no certificate in PEM", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key's file holds none.
    #[error("{} holds no private key in PEM", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The two do not go together, or are of a kind that is not supported.
    #[error("{} and {} cannot be used together: {reason}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the TLS library said.
        reason: rustls::Error,
    },
}

/// The certificate in force; clones share it.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<ServerConfig>,
    /// Of the files that were tried last, good or bad.
    tried: Mutex<[u8; 32]>,
}

/// Both files' content.
struct Pair {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Tls {
    /// Reads the pair.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let pair = Pair::read(certificate, key)?;
        let current = ArcSwap::from_pointee(pair.config(certificate, key)?);
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let tried = Mutex::new(pair.digest());
        Ok(Self { shared: Arc::new(Shared { certificate, key, current, tried }) })
    }

    /// Reads the pair again. True if it has changed and is in force from now on; false if it is the one that
    /// was tried last, whatever came of that. Blocks on the disk.
    pub fn reload(&self) -> Result<bool, Error> {
        let Shared { certificate, key, current, tried } = self.shared.as_ref();
        let pair = Pair::read(certificate, key)?;
        let digest = pair.digest();
        let mut tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
        if *tried == digest {
            return Ok(false);
        }
        *tried = digest;
        current.store(Arc::new(pair.config(certificate, key)?));
        Ok(true)
    }

    /// The certificate's file.
    pub fn certificate(&self) -> &Path {
        &self.shared.certificate
    }

    /// Shakes hands with whoever came.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        TlsAcceptor::from(self.shared.current.load_full()).accept(stream).await
    }
}

impl Pair {
    fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        Ok(Self { certificate: read(certificate)?.to_vec(), key: read(key)? })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for file in [self.certificate.as_slice(), self.key.as_slice()] {
            digest.update(file.len().to_le_bytes());
            digest.update(file);
        }
        digest.finalize().into()
    }

    fn config(&self, certificate: &Path, key: &Path) -> Result<ServerConfig, Error> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let Some(chain) = chain.ok().filter(|chain| !chain.is_empty()) else {
            return Err(Error::NoCertificate { path: certificate.to_owned() });
        };
        let secret = PrivateKeyDer::from_pem_slice(&self.key);
        let secret = secret.map_err(|_| Error::NoKey { path: key.to_owned() })?;
        let unusable =
            |reason| Error::Unusable { certificate: certificate.to_owned(), key: key.to_owned(), reason };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|reason| Error::Read { path: path.to_owned(), reason })?;
    Ok(bytes)
}
