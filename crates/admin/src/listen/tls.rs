//! The certificate: read at the start, and again when its files change, so that one that was renewed is in force without a restart.

use domain::LogEvent;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::TlsFiles;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is none in the file.
    #[error("{path} has no {what} in PEM")]
    Empty {
        /// Which file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// The key and the certificate do not belong together, or are of a kind that is not known.
    #[error("the certificate and its key cannot be used together")]
    Pair(#[source] rustls::Error),
}

/// The certificate in force.
pub(crate) struct Tls {
    files: TlsFiles,
    acceptor: ArcSwap<Acceptor>,
    looked: Mutex<(Instant, Changed)>,
}

/// When the certificate was written, and when its key.
type Changed = (Option<SystemTime>, Option<SystemTime>);

/// `TlsAcceptor` cannot be swapped by itself.
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    pub(crate) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let changed = changed(files);
        let acceptor = Acceptor(acceptor(files)?);
        Ok(Self {
            files: files.clone(),
            acceptor: ArcSwap::from_pointee(acceptor),
            looked: Mutex::new((Instant::now(), changed)),
        })
    }

    /// With the certificate in force. One that cannot be read leaves the one before in force.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        if let Some(changed) = self.changed() {
            match acceptor(&self.files) {
                Ok(acceptor) => {
                    info!(event = LogEvent::AdminCertificateReloaded.name(), certificate = %self.files.certificate.display(), "the certificate was read again");
                    self.acceptor.store(Arc::new(Acceptor(acceptor)));
                    self.looked.lock().expect("nobody panics with it").1 = changed;
                }
                Err(error) => {
                    warn!(event = LogEvent::AdminCertificateRefused.name(), %error, "the certificate was changed and cannot be used; the one before stays in force");
                }
            }
        }
        self.acceptor.load().0.clone()
    }

    /// When the files were written, if that is otherwise than when they were read. Not looked at each time.
    fn changed(&self) -> Option<Changed> {
        let mut looked = self.looked.lock().expect("nobody panics with it");
        if looked.0.elapsed() < LOOK_EVERY {
            return None;
        }
        looked.0 = Instant::now();
        Some(changed(&self.files)).filter(|now| *now != looked.1)
    }
}

fn changed(files: &TlsFiles) -> Changed {
    let of = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    (of(&files.certificate), of(&files.key))
}

/// The certificates of a file, one at least.
pub(crate) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?).filter_map(Result::ok).collect();
    if chain.is_empty() { Err(empty(path, "certificate")) } else { Ok(chain) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn empty(path: &Path, what: &'static str) -> TlsError {
    TlsError::Empty { path: path.to_owned(), what }
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let chain = chain(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|_| empty(&files.key, "private key"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
