//! Where it listens, for how long it waits, and over TLS.

use std::{sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use test_support::{Answer, ask, ask_over, eventually_within};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::scene::{Scene, address};
use crate::proof::daemon::House;

async fn house(listen: &str) -> House {
    let folder = tempfile::tempdir().expect("there is room").keep();
    let file = folder.join("events.db");
    store::EventStore::create_sqlite(&file).await.expect("a store can be made");
    let mut house = House::new(&format!("sqlite://{}", file.display()));
    house.set("listen = \"\"", listen);
    let _ = house.cli(&["migrate"]);
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn other_machines_are_not_listened_to_before_there_is_a_token() {
    let house = house("listen = \"0.0.0.0:0\"").await;
    let mut daemon = house.start();
    let ended = daemon.ended(Duration::from_secs(30)).await;
    assert_eq!(ended.code(), Some(2));
    let log = daemon.log();
    assert!(
        log.contains("there is no token that anybody could show") && log.contains("postrider token create"),
        "{log}"
    );

    let _ = house.cli(&["token", "create", "--name", "ada", "--role", "admin"]);
    let daemon = house.start();
    daemon.says("in the clear").await;
    let port = address(&daemon).await.rsplit(':').next().expect("a port").to_owned();
    let answer = ask(&format!("127.0.0.1:{port}"), "GET /api/v1/targets", &[], "").await.expect("it answers");
    assert_eq!(answer.status, 401);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_not_waited_for_and_does_not_keep_others_out() {
    let scene = Scene::sqlite("").await;
    let began = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(&scene.address).await.expect("the system takes it"));
    }
    let mut first = silent.swap_remove(0);
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost").await.expect("it is open");
    let answer = eventually_within(Duration::from_secs(40), "somebody else is answered", async || {
        timeout(Duration::from_secs(15), ask(&scene.address, "GET /healthz", &[], "")).await.ok()?
    })
    .await;
    assert_eq!(answer.status, 200);
    assert!(began.elapsed() > Duration::from_secs(5), "there was no limit");
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(15), first.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "half a head is not waited for");
    let large = "x".repeat(2 * 1024 * 1024);
    let bearer = format!("Bearer {}", scene.admin);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let refused = ask(&scene.address, "POST /api/v1/targets", &headers, &large).await;
    assert!(refused.is_none_or(|refused| refused.status == 413), "a body has a limit");
}

/// Asks over TLS, trusting this certificate only.
async fn over_tls(address: &str, certificate: &str) -> Option<Answer> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).expect("it is PEM")).expect("it is a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.ok()?;
    let name = ServerName::try_from("localhost").expect("it is a name");
    let stream = connector.connect(name, stream).await.ok()?;
    ask_over(stream, "GET /healthz", &[], "").await
}

fn certificate(house: &House) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
    house.file("tls.key", &made.signing_key.serialize_pem());
    house.file("tls.crt", &made.cert.pem());
    made.cert.pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_a_renewed_certificate_is_in_force_without_a_restart() {
    let house = house("listen = \"127.0.0.1:0\"\ntls = { certificate = \"tls.crt\", key = \"tls.key\" }").await;
    let mut without = house.start();
    assert_eq!(without.ended(Duration::from_secs(30)).await.code(), Some(1), "there are no files yet");
    assert!(without.log().contains("tls.crt"), "{}", without.log());
    let log = without.log().len();
    drop(without);

    let first = certificate(&house);
    let daemon = house.start();
    daemon.says("health and metrics are here").await;
    let address = address(&daemon).await;
    assert!(daemon.log().len() > log);
    assert_eq!(over_tls(&address, &first).await.map(|answer| answer.status), Some(200));
    assert!(ask(&address, "GET /healthz", &[], "").await.is_none(), "not in the clear");

    let second = certificate(&house);
    eventually_within(Duration::from_mins(1), "the new certificate is shown", async || {
        over_tls(&address, &second).await.map(|answer| assert_eq!(answer.status, 200))
    })
    .await;
    assert!(over_tls(&address, &first).await.is_none());
}
