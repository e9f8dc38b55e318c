//! Asks the daemon that listens on `admin.listen` how it is, for supervisors that can run a command but not ask over HTTP.
//!
//! The one place outside `webhook` that makes a request: to this machine, to two addresses, without a secret, and not to a target.
//! Over TLS it takes the very certificate that the config names, whoever signed it and whatever names are in it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{AdminOptions, TlsError, listen::chain};

/// Of an answer, in bytes: a sentence.
const ANSWER: usize = 64 * 1024;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// Whether the process runs and answers.
    Alive,
    /// Whether it can do its work.
    Ready,
}

/// What the daemon said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Whether the answer is yes.
    pub yes: bool,
    /// In its words.
    pub words: String,
}

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Nobody listens there, or not with this certificate.
    #[error("nothing could be asked at {address}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke, or it is not HTTP that is spoken there.
    #[error("there was no answer from {address}")]
    Http {
        /// Where.
        address: SocketAddr,
        /// What broke.
        source: hyper::Error,
    },
    /// The certificate that the config names cannot be read.
    #[error("the certificate of the admin interface cannot be used (admin.tls)")]
    Tls(#[source] TlsError),
}

/// Asks the daemon whose options these are. Takes as long as the daemon lets it: how long to wait is the caller's to say.
pub async fn health(options: &AdminOptions, health: Health) -> Result<Said, HealthError> {
    let address = SocketAddr::new(nearest(options.listen.ip()), options.listen.port());
    let connect = |source| HealthError::Connect { address, source };
    let tls = options.tls.as_ref().map(|files| config(&files.certificate)).transpose().map_err(HealthError::Tls)?;
    let stream = TcpStream::connect(address).await.map_err(connect)?;
    let said = match tls {
        None => ask(stream, address, health).await,
        Some(config) => {
            let name = ServerName::IpAddress(address.ip().into());
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(connect)?;
            ask(stream, address, health).await
        }
    };
    said.map_err(|source| HealthError::Http { address, source })
}

/// Who listens on every address of this machine is asked at the nearest.
fn nearest(listened: IpAddr) -> IpAddr {
    match listened {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

async fn ask<S>(stream: S, address: SocketAddr, health: Health) -> Result<Said, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let path = match health {
        Health::Alive => "/healthz",
        Health::Ready => "/readyz",
    };
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Body::empty())
        .expect("a path of ours and an address are sound");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asked = async move {
        let answer = sender.send_request(request).await?;
        let yes = answer.status() == StatusCode::OK;
        // The status has said everything, so words that break off are no failure.
        let words = to_bytes(Body::new(answer.into_body()), ANSWER).await.unwrap_or_default();
        Ok(Said { yes, words: String::from_utf8_lossy(&words).trim_end().to_owned() })
    };
    // What the connection has to say of its end was said to whoever asked.
    let (said, _) = tokio::join!(asked, connection);
    said
}

fn config(certificate: &Path) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let certificate = chain(certificate)?.swap_remove(0);
    let verifier = Arc::new(TheVeryOne { certificate, provider: Arc::clone(&provider) });
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Takes one certificate and no other. That the other side has its key, it proves as always.
#[derive(Debug)]
struct TheVeryOne {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for TheVeryOne {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
