//! Whom a TLS connection trusts.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::DeliveryError;

/// The authorities of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` are obeyed), or Mozilla's where the system brings
/// none, as in an empty container image; and, beyond those, the given ones (PEM).
pub(super) fn config(authorities: &[&[u8]]) -> Result<ClientConfig, DeliveryError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for pem in authorities {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate
                .map_err(|error| DeliveryError::Authority(rustls::Error::General(format!("it is no PEM: {error}"))))?;
            roots.add(certificate).map_err(DeliveryError::Authority)?;
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(DeliveryError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
