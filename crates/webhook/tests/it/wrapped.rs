//! Bodies as JWT and JWE, read by an implementation that is not ours.

use std::sync::OnceLock;

use domain::{EncryptionKey, Event, KeyKind, Limits, PayloadType, Target, TargetKind, Timestamp, WebKey, Wrapping};
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use picky::{
    jose::{
        jwe::{JweAlg, JweEnc, RawJwe},
        jws::RawJws,
    },
    key::PrivateKey,
};
use rsa::{
    RsaPrivateKey,
    pkcs8::{EncodePrivateKey as _, EncodePublicKey as _},
    rand_core::OsRng,
};
use webhook::{Call, Keep};

use crate::{
    OK, assert_outcome, deliver, deliverer, samples,
    server::{Received, Server},
};

/// Both halves of an RSA key, as their receivers have them: PKCS#8 and `SubjectPublicKeyInfo`.
struct Pair {
    private: Vec<u8>,
    public: Vec<u8>,
}

impl Pair {
    fn rsa(bits: usize) -> Self {
        let key = RsaPrivateKey::new(&mut OsRng, bits).expect("a key can be made");
        let public = key.to_public_key().to_public_key_der().expect("it can be written");
        let private = key.to_pkcs8_der().expect("it can be written");
        Self { private: private.as_bytes().to_vec(), public: public.into_vec() }
    }

    /// On a curve: its own key type says which.
    fn on<C>() -> Self
    where
        C: p256::elliptic_curve::CurveArithmetic + p256::pkcs8::AssociatedOid,
        p256::elliptic_curve::AffinePoint<C>:
            p256::elliptic_curve::sec1::FromSec1Point<C> + p256::elliptic_curve::sec1::ToSec1Point<C>,
        p256::elliptic_curve::FieldBytesSize<C>: p256::elliptic_curve::sec1::ModulusSize,
    {
        use p256::elliptic_curve::{Generate as _, SecretKey};
        let key = SecretKey::<C>::generate();
        let public = key.public_key().to_public_key_der().expect("it can be written");
        let private = key.to_pkcs8_der().expect("it can be written");
        Self { private: private.as_bytes().to_vec(), public: public.into_vec() }
    }

    fn theirs(&self) -> PrivateKey {
        PrivateKey::from_pkcs8(&self.private).expect("it is a private key")
    }

    fn for_bodies(&self, kind: KeyKind) -> EncryptionKey {
        EncryptionKey { id: "369629012906489".into(), kind, der: self.public.as_slice().into(), expires_at: None }
    }
}

/// What all JWTs of these tests are signed with: making a key takes a while.
fn ours() -> &'static Pair {
    static OURS: OnceLock<Pair> = OnceLock::new();
    OURS.get_or_init(|| Pair::rsa(2048))
}

fn at(time: &str) -> Timestamp {
    time.parse().expect("a valid time")
}

fn web_key() -> WebKey {
    WebKey::new("269629012906489".into(), ours().private.clone().into(), at("2025-01-01T00:00:00Z"), None)
}

fn target(endpoint: &str, payload_type: PayloadType, encryption_key: Option<EncryptionKey>) -> Target {
    let wrapping = Wrapping { web_keys: [web_key()].into(), encryption_key };
    Target { payload_type, wrapping, ..samples::target(endpoint) }
}

/// The only request that came.
fn only(server: &Server) -> Received {
    let [request] = &server.received()[..] else { panic!("one request") };
    request.clone()
}

fn text(request: &Received) -> String {
    String::from_utf8(request.body.clone()).expect("a token is text")
}

/// What is said in a token before its first dot.
fn header(token: &str) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let head = token.split('.').next().expect("a token has parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).expect("base64url")).expect("a header is JSON")
}

/// What is in a JWT, once its signature is verified.
fn verified(token: &str) -> Vec<u8> {
    let public = ours().theirs().to_public_key().expect("it has a public half");
    let token = RawJws::decode(token).expect("it is a JWS");
    token.verify(&public).expect("it was signed with the web key").payload
}

/// What is in a JWE, once it is decrypted.
fn decrypted(token: &str, theirs: &Pair, algorithm: JweAlg) -> String {
    let token = RawJwe::decode(token).expect("it is a JWE");
    assert_eq!((token.header.alg, token.header.enc), (algorithm, JweEnc::Aes256Gcm));
    let inside = token.decrypt(&theirs.theirs()).expect("it was encrypted for this key");
    String::from_utf8(inside.payload).expect("a token is text")
}

#[tokio::test]
async fn a_body_as_jwt_is_the_body_itself_signed_with_the_web_key() {
    let server = Server::answering(OK).await;
    let target = target(&server.url("/zitadel"), PayloadType::Jwt, None);
    assert_outcome(&deliver(&deliverer(), &target).await, "delivered");
    let request = only(&server);
    assert_eq!(request.header("content-type"), Some("application/jwt"));
    let token = text(&request);
    assert_eq!(header(&token), serde_json::json!({ "alg": "RS256", "kid": "269629012906489", "typ": "JWT" }));
    assert_eq!(verified(&token), webhook::body(&samples::event(), &target), "byte for byte");
    // And what is signed for ZITADEL-Signature are the bytes that are sent.
    let (signature, now) = (request.header("zitadel-signature").expect("it is signed"), 1_743_070_964);
    domain::verify(signature, &request.body, &target.signing_keys, now, std::time::Duration::from_secs(1))
        .expect("the signature is over the body as it was sent");
}

#[tokio::test]
async fn a_body_as_jwe_is_that_jwt_and_only_its_receiver_reads_it() {
    let rsa = Pair::rsa(2048);
    for (theirs, kind, algorithm, named) in [
        (rsa, KeyKind::Rsa { bits: 2048 }, JweAlg::RsaOaep256, "RSA-OAEP-256"),
        (Pair::on::<p256::NistP256>(), KeyKind::P256, JweAlg::EcdhEsAesKeyWrap256, "ECDH-ES+A256KW"),
        (Pair::on::<p384::NistP384>(), KeyKind::P384, JweAlg::EcdhEsAesKeyWrap256, "ECDH-ES+A256KW"),
        (Pair::on::<p521::NistP521>(), KeyKind::P521, JweAlg::EcdhEsAesKeyWrap256, "ECDH-ES+A256KW"),
    ] {
        let server = Server::answering(OK).await;
        let target = target(&server.url("/"), PayloadType::Jwe, Some(theirs.for_bodies(kind)));
        assert_outcome(&deliver(&deliverer(), &target).await, "delivered");
        let request = only(&server);
        assert_eq!(request.header("content-type"), Some("application/jwt"));
        let token = text(&request);
        let mut said = header(&token);
        let ephemeral = said.as_object_mut().expect("an object").remove("epk");
        assert_eq!(
            said,
            serde_json::json!({
                "alg": named, "enc": "A256GCM", "kid": "369629012906489", "typ": "JWT", "cty": "JWT"
            })
        );
        assert_eq!(ephemeral.is_some(), algorithm == JweAlg::EcdhEsAesKeyWrap256, "{kind}");
        let inside = decrypted(&token, &theirs, algorithm);
        assert_eq!(verified(&inside), webhook::body(&samples::event(), &target), "{kind}");
    }
}

#[tokio::test]
async fn coordinates_of_a_curve_keep_their_length() {
    // One in 128 would be a byte short without.
    let theirs = Pair::on::<p521::NistP521>();
    let server = Server::answering(OK).await;
    let target = target(&server.url("/"), PayloadType::Jwe, Some(theirs.for_bodies(KeyKind::P521)));
    for _ in 0..20 {
        deliver(&deliverer(), &target).await;
    }
    for request in server.received() {
        let epk = header(&text(&request))["epk"].clone();
        let length = |name: &str| epk[name].as_str().map(str::len);
        // 66 bytes.
        assert_eq!((length("x"), length("y"), epk["crv"].as_str()), (Some(88), Some(88), Some("P-521")));
    }
}

#[tokio::test]
async fn no_two_bodies_are_encrypted_with_the_same_key() {
    let theirs = Pair::on::<p256::NistP256>();
    let server = Server::answering(OK).await;
    let target = target(&server.url("/"), PayloadType::Jwe, Some(theirs.for_bodies(KeyKind::P256)));
    let deliverer = deliverer();
    deliver(&deliverer, &target).await;
    deliver(&deliverer, &target).await;
    let tokens: Vec<String> = server.received().iter().map(text).collect();
    let parts: Vec<Vec<&str>> = tokens.iter().map(|token| token.split('.').collect()).collect();
    assert!(parts[0].len() == 5 && parts[0].iter().zip(&parts[1]).all(|(one, other)| one != other), "{tokens:?}");
}

#[tokio::test]
async fn a_body_that_cannot_be_wrapped_is_held_back_with_what_to_do() {
    let server = Server::answering(OK).await;
    let url = server.url("/hook?token=s3cret");
    let expired = EncryptionKey {
        expires_at: Some(at("2025-03-27T10:22:44Z")),
        ..Pair::on::<p256::NistP256>().for_bodies(KeyKind::P256)
    };
    let broken = EncryptionKey { der: b"\x30\x00".as_slice().into(), expires_at: None, ..expired.clone() };
    let unsigned = |payload_type| Target { wrapping: Wrapping::default(), ..target(&url, payload_type, None) };
    let unusable = WebKey::new("1".into(), b"none".to_vec().into(), at("2025-01-01T00:00:00Z"), None);
    let unusable = Wrapping { web_keys: [unusable].into(), encryption_key: None };
    for (target, why) in [
        (unsigned(PayloadType::Jwt), "there is no key to sign JWTs with yet; a daemon makes one by itself"),
        (unsigned(PayloadType::Jwe), "the bodies of crm are to be encrypted"),
        (
            Target { wrapping: unusable, ..target(&url, PayloadType::Jwt, None) },
            "the web key 1 cannot be signed with; `postrider key rotate-web --replace`",
        ),
        (
            target(&url, PayloadType::Jwe, None),
            "the bodies of crm are to be encrypted, and it has no active public key; add its receiver's with `postrider target key add crm",
        ),
        (
            target(&url, PayloadType::Jwe, Some(expired)),
            "the public key 369629012906489 of crm expired at 2025-03-27T10:22:44Z",
        ),
        (target(&url, PayloadType::Jwe, Some(broken)), "the public key 369629012906489 cannot be encrypted for"),
    ] {
        // An `async` target is not told delivered either what was never sent.
        for kind in [TargetKind::Webhook, TargetKind::Call, TargetKind::Async] {
            let answer = deliver(&deliverer(), &Target { kind, ..target.clone() }).await;
            assert_outcome(&answer, &format!("unavailable: not sent: {why}"));
            assert_eq!(answer.status, None);
        }
    }
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn an_unawaited_body_is_wrapped_too() {
    let server = Server::answering(OK).await;
    let target = Target { kind: TargetKind::Async, ..target(&server.url("/"), PayloadType::Jwt, None) };
    let deliverer = deliverer();
    assert_outcome(&deliver(&deliverer, &target).await, "delivered");
    deliverer.finish().await;
    verified(&text(&only(&server)));
}

#[tokio::test]
async fn the_key_of_the_time_of_the_call_signs() {
    let server = Server::answering(OK).await;
    let mut target = target(&server.url("/"), PayloadType::Jwt, None);
    let turn = at("2025-03-27T12:00:00Z");
    let key = |id: &str, from, until| WebKey::new(id.into(), ours().private.clone().into(), from, until);
    target.wrapping.web_keys = [key("1", at("2025-01-01T00:00:00Z"), Some(turn)), key("2", turn, None)].into();
    let (deliverer, event) = (deliverer(), samples::event());
    for now in [turn - std::time::Duration::from_secs(1), turn] {
        let keep = Keep::Nothing;
        let call = Call { target: &target, event: &event, attempt: 1, previous: None, generation: 0, now, keep };
        assert_outcome(&deliverer.deliver(call).await, "delivered");
    }
    let signed_with: Vec<_> = server.received().iter().map(|request| header(&text(request))["kid"].clone()).collect();
    assert_eq!(signed_with, ["1", "2"]);
}

#[tokio::test]
async fn what_counts_for_max_request_is_what_is_sent() {
    let server = Server::answering(OK).await;
    let mut target = target(&server.url("/"), PayloadType::Jwt, None);
    let body = webhook::body(&samples::event(), &target).len() as u64;
    target.limits = Limits { max_request: Some(body), ..Limits::default() };
    assert_outcome(&deliver(&deliverer(), &target).await, "failed: not sent: the request has ");
    target.limits.max_request = Some(2 * body + 500);
    assert_outcome(&deliver(&deliverer(), &target).await, "delivered");
    assert!(only(&server).body.len() as u64 > body);
}

#[tokio::test]
async fn a_large_body_is_wrapped_whole() {
    let server = Server::answering(OK).await;
    let theirs = Pair::on::<p256::NistP256>();
    let target = target(&server.url("/"), PayloadType::Jwe, Some(theirs.for_bodies(KeyKind::P256)));
    let event = Event { payload: Some(vec![b'x'; 100_000].into()), ..samples::event() };
    let (now, keep) = (at("2025-03-27T10:22:44Z"), Keep::Nothing);
    let call = Call { target: &target, event: &event, attempt: 1, previous: None, generation: 0, now, keep };
    assert_outcome(&deliverer().deliver(call).await, "delivered");
    let inside = decrypted(&text(&only(&server)), &theirs, JweAlg::EcdhEsAesKeyWrap256);
    assert_eq!(verified(&inside), webhook::body(&event, &target));
}
