//! Calls over TLS.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use webhook::Deliverer;

use crate::{OK, SECRET, assert_outcome, deliver, deliverer, options, samples, server::Server};

/// Answers one call over TLS with a certificate for 127.0.0.1 that only those trust who are given it (PEM).
fn serve(answer: &'static str) -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key is the certificate's");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("one call");
        let connection = ServerConnection::new(Arc::new(config)).expect("a valid configuration");
        let mut stream = BufReader::new(StreamOwned::new(connection, stream));
        let mut length = 0;
        for line in stream.by_ref().lines() {
            match line.as_deref() {
                Ok("") => break,
                Ok(line) => {
                    if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                        length = text.parse().expect("a number");
                    }
                }
                Err(_) => return,
            }
        }
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).is_ok() {
            drop(stream.get_mut().write_all(answer.as_bytes()));
        }
    });
    (address, made.cert.pem())
}

#[tokio::test]
async fn an_authority_that_is_trusted() {
    let (address, pem) = serve(OK);
    let deliverer = Deliverer::with_authorities(&options(), &[pem.as_bytes()]).expect("a valid authority");
    assert_outcome(&deliver(&deliverer, &samples::target(&format!("https://{address}"))).await, "delivered");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_the_endpoints_trouble() {
    let (address, _) = serve(OK);
    let answer = deliver(&deliverer(), &samples::target(&format!("https://{address}{SECRET}"))).await;
    assert_outcome(&answer, &format!("unavailable: cannot agree on TLS with {address}: invalid peer certificate"));
}

#[tokio::test]
async fn a_server_that_knows_no_tls_is_the_endpoints_trouble() {
    let server = Server::answering(OK).await;
    // The hello is no request: its end is never found, so the server answers nothing and the handshake runs out of time.
    let options = webhook::DeliveryOptions { connect_timeout: std::time::Duration::from_millis(200), ..options() };
    let deliverer = Deliverer::new(&options).expect("valid options");
    let answer = deliver(&deliverer, &samples::target(&format!("https://{}{SECRET}", server.address))).await;
    assert_outcome(&answer, &format!("unavailable: cannot connect to {}", server.address));
}

#[tokio::test]
async fn https_is_never_left_for_http() {
    let (address, pem) =
        serve("HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1/?token=s3cret\r\nContent-Length: 0\r\n\r\n");
    let deliverer = Deliverer::with_authorities(&options(), &[pem.as_bytes()]).expect("a valid authority");
    let answer = deliver(&deliverer, &samples::target(&format!("https://{address}"))).await;
    assert_outcome(&answer, &format!("failed: {address} redirected from https to http"));
}

#[test]
fn an_authority_that_is_none_is_refused() {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(Deliverer::with_authorities(&options(), &[pem.as_bytes()]).is_err());
}
