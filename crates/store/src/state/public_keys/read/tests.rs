use super::*;

const RSA_2048: &str = include_str!("samples/rsa2048.pem");
const RSA_2048_PKCS1: &str = include_str!("samples/rsa2048-pkcs1.pem");
const ON_P256: &str = include_str!("samples/p256.pem");
const ON_P384: &str = include_str!("samples/p384.pem");
const ON_P521: &str = include_str!("samples/p521.pem");

/// A PEM of this label with the bytes of a key in it, some of them changed.
fn changed(text: &str, label: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = block(text).expect("a PEM").1;
    change(&mut bytes);
    pem(label, &bytes)
}

#[track_caller]
fn check(text: &str, expected: PublicKeyError) {
    let error = read(text).expect_err("it is no key that is taken");
    assert_eq!(error, expected);
    let told = format!("{error} {error:?}");
    let mut lines = text.lines().filter(|line| line.len() > 20 && !line.starts_with('-'));
    assert!(lines.all(|line| !told.contains(line)), "{told} repeats the text");
}

#[test]
fn keys_are_read_and_have_the_fingerprint_that_openssl_computes() {
    // openssl pkey -pubin -in FILE -outform DER | openssl dgst -sha256 -binary | base64
    for (text, kind, fingerprint) in [
        (RSA_2048, KeyKind::Rsa { bits: 2048 }, "SHA256:M0VdRVQ2HlYD8O39y3EWdr/lS2l//sIC9tsCWN+35Zg"),
        (ON_P256, KeyKind::P256, "SHA256:L3hz/BDufzuw4EEAK3I16Fw2cvT/1ePu0vnAX2Y3m+k"),
        (ON_P384, KeyKind::P384, "SHA256:9X84pJwmlZU5POXlfUnIYVJuEkTZO671T/W9JmXdgHU"),
        (ON_P521, KeyKind::P521, "SHA256:RsDpj/KS2K9WxYALzb6IWiE5NtYawOtF/7p9k0By4p0"),
    ] {
        let key = read(text).expect("it is a public key");
        assert_eq!((key.kind, key.fingerprint().as_str(), key.pem().as_str()), (kind, fingerprint, text));
    }
    let longest = read(include_str!("samples/rsa8192.pem")).expect("it is as long as a key may be");
    assert_eq!(longest.kind, KeyKind::Rsa { bits: 8192 });
}

#[test]
fn a_key_is_the_same_in_whatever_form_it_comes() {
    let key = read(RSA_2048).expect("it is a public key");
    let indented = RSA_2048.lines().fold(String::from("the key:\r\n\r\n"), |text, line| text + "    " + line + "\r\n");
    for text in [RSA_2048_PKCS1, &indented, RSA_2048.trim_end()] {
        assert_eq!(read(text).as_ref(), Ok(&key), "{text}");
    }
}

#[test]
fn what_is_no_public_key_is_refused_for_what_it_is() {
    for text in ["", "hush", "MFkwEwYHKoZIzj0CAQ", "-----BEGIN PUBLIC KEY\nMFkw\n-----END PUBLIC KEY-----"] {
        check(text, PublicKeyError::NoPem);
    }
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
        check(&pem(label, b"the one thing that must not be told"), PublicKeyError::Private);
    }
    check(&format!("{RSA_2048}{}", pem("PRIVATE KEY", b"hush")), PublicKeyError::Private);
    check(&pem("CERTIFICATE", b"\x30\x00"), PublicKeyError::Certificate);
    check(&pem("CERTIFICATE REQUEST", b"\x30\x00"), PublicKeyError::NoPublicKey);
    check(&format!("{ON_P256}{ON_P384}"), PublicKeyError::Several);
    check(&"\n".repeat(20_000), PublicKeyError::TooLong);
}

#[test]
fn other_kinds_and_lengths_are_refused() {
    check(include_str!("samples/ed25519.pem"), PublicKeyError::AnotherKind);
    check(include_str!("samples/secp256k1.pem"), PublicKeyError::AnotherKind);
    check(include_str!("samples/rsa1024.pem"), PublicKeyError::Bits { bits: 1024 });
    let longer =
        [vec![0x30, 0x82, 0x04, 0x09, 0x02, 0x82, 0x04, 0x02, 0x00], vec![0xff; 0x401], vec![2, 1, 3]].concat();
    check(&pem("RSA PUBLIC KEY", &longer), PublicKeyError::Bits { bits: 8200 });
}

#[test]
fn damaged_keys_are_refused() {
    check(&ON_P256.replace("-----END PUBLIC KEY-----", ""), PublicKeyError::Damaged);
    check(&ON_P256.replace('M', "*"), PublicKeyError::Damaged);
    for text in [RSA_2048, ON_P256, ON_P384, ON_P521] {
        check(&changed(text, "PUBLIC KEY", |der| der.push(0)), PublicKeyError::Damaged);
        check(&changed(text, "PUBLIC KEY", |der| der.truncate(der.len() - 1)), PublicKeyError::Damaged);
        check(&changed(text, "RSA PUBLIC KEY", |der| der.truncate(10)), PublicKeyError::Damaged);
    }
    // Off its curve, where an encryption would tell of the sender's secret.
    for text in [ON_P256, ON_P384, ON_P521] {
        check(
            &changed(text, "PUBLIC KEY", |der| *der.last_mut().expect("there are bytes") ^= 1),
            PublicKeyError::Damaged,
        );
    }
    // An even modulus is the product of no two primes.
    let even = changed(RSA_2048_PKCS1, "RSA PUBLIC KEY", |der| {
        let last = der.len() - 6;
        der[last] &= 0xfe;
    });
    check(&even, PublicKeyError::Damaged);
}
