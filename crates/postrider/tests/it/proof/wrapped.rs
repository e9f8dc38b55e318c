//! Bodies as JWT and JWE, from the command line to a receiver that opens them with another implementation than ours.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use picky::{
    jose::{
        jwe::RawJwe,
        jwk::JwkSet,
        jws::{JwsAlg, RawJws},
    },
    key::{EcCurve, PrivateKey},
};
use serde_json::Value;
use test_support::{Arrival, Receiver, TestDatabase, eventually};

use super::{
    daemon::{House, KEY},
    hands_scene::{ADDED, failed, in_state, push, zitadel},
};

/// One target for everything, whose bodies are wrapped. The daemon would wait for minutes before it tries again by itself.
fn house(database: &TestDatabase, receiver: &Receiver, payload_type: &str) -> House {
    let mut house = House::new(&database.url());
    house.set("retry_failed_after = \"50ms\"", "retry_failed_after = \"10m\"");
    house.set("max_retry_interval = \"200ms\"", "max_retry_interval = \"10m\"");
    house.target("crm", receiver, &format!("payload_type = \"{payload_type}\"\n"));
    house.execution("{ all = true }", &["crm"]);
    house
}

fn text(arrival: &Arrival) -> String {
    assert_eq!(arrival.header("content-type"), Some("application/jwt"));
    arrival.verify(&[KEY.into()]).expect("the bytes that were sent are signed as ever");
    String::from_utf8(arrival.body.to_vec()).expect("a token is text")
}

/// The published keys, as a receiver reads them.
fn published(house: &House) -> JwkSet {
    JwkSet::from_json(&house.cli(&["key", "list-web", "--jwks"])).expect("it is a set of keys")
}

fn ids(set: &JwkSet) -> Vec<String> {
    set.keys.iter().filter_map(|key| key.kid.clone()).collect()
}

/// The event in a JWT, once it is verified with one of these keys, and which.
#[track_caller]
fn verified(token: &str, keys: &JwkSet) -> (String, Value) {
    let token = RawJws::decode(token).expect("it is a JWS");
    assert_eq!((token.header.alg, token.header.typ.as_deref()), (JwsAlg::RS256, Some("JWT")));
    let kid = token.header.kid.clone().expect("it says which key it was signed with");
    let named = |key: &&picky::jose::jwk::Jwk| key.kid.as_deref() == Some(&kid);
    let key = keys.keys.iter().find(named).unwrap_or_else(|| panic!("{kid} is not published: {:?}", ids(keys)));
    let token = token.verify(&key.to_public_key().expect("it is a public key")).expect("it was signed with that key");
    (kid, serde_json::from_slice(&token.payload).expect("a payload is JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_a_key_waits_and_with_one_its_receiver_reads_what_nobody_else_can() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let house = house(&database, &receiver, "jwe");
    let written = push(&database, ADDED, 5).await;
    let daemon = house.start();
    let cursor = in_state(&house, "crm", "holding").await;
    let reason = cursor["reason"].as_str().expect("a hold has a reason");
    assert!(
        reason.contains("has no active public key")
            && reason.contains("`postrider target key add crm --file PEM --activate`"),
        "{reason}"
    );
    assert_eq!((failed(&house), receiver.count()), (Vec::new(), 0));
    let check = house.cli(&["check"]);
    assert!(check.contains("nothing is sent: the bodies of crm are to be encrypted"), "{check}");

    let theirs = PrivateKey::generate_ec(EcCurve::NistP256).expect("a key can be made");
    let public = theirs.to_public_key().and_then(|key| key.to_pem_str()).expect("it has a public half");
    let file = house.file("receiver.pem", &public);
    let added = house.json(&["target", "key", "add", "crm", "--file", &file, "--activate"]);
    let before = Instant::now();
    receiver.wait_for(written.len()).await;
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    let keys = published(&house);
    for (arrival, key) in receiver.arrivals().iter().zip(&written) {
        let token = RawJwe::decode(text(arrival)).expect("it is a JWE");
        assert_eq!(
            (token.header.kid.as_deref(), token.header.cty.as_deref()),
            (added["key"]["id"].as_str(), Some("JWT"))
        );
        let inside = token.decrypt(&theirs).expect("it was encrypted for this key").payload;
        let (_, event) = verified(&String::from_utf8(inside).expect("a token is text"), &keys);
        assert_eq!(event["aggregateID"], key.aggregate_id.as_str());
    }

    // Its time is over: the next event waits.
    let id = added["key"]["id"].as_str().expect("a key has an id");
    house.cli(&["target", "key", "deactivate", "crm", id, "--reason", "it leaked"]);
    eventually("the target holds again", async || {
        push(&database, ADDED, 1).await;
        let cursors = house.json(&["cursor", "list"]);
        (cursors[0]["state"] == "holding").then_some(())
    })
    .await;
    house.cli(&["target", "key", "activate", "crm", id]);
    in_state(&house, "crm", "live").await;
    assert_eq!((failed(&house), daemon.stop().await), (Vec::new(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_read_the_published_keys_verifies_what_comes_through_a_rotation() {
    let database = zitadel().await;
    let receiver = Receiver::ok();
    let house = house(&database, &receiver, "jwt");
    push(&database, ADDED, 1).await;
    let daemon = house.start();
    receiver.wait_for(1).await;
    let first = published(&house);
    assert_eq!(first.keys.len(), 1, "the daemon has made it");

    let next = house.json(&["key", "rotate-web", "--grace", "2s"]);
    let next = next["id"].as_str().expect("a key has an id").to_owned();
    // A receiver that looks now, and not again.
    let kept = published(&house);
    assert_eq!(ids(&kept), [ids(&first)[0].as_str(), &next]);
    eventually("bodies are signed with the new key", async || {
        push(&database, ADDED, 1).await;
        let last = receiver.arrivals().pop()?;
        (verified(&text(&last), &kept).0 == next).then_some(())
    })
    .await;
    let signed_with: BTreeSet<String> = receiver.arrivals().iter().map(|one| verified(&text(one), &kept).0).collect();
    assert_eq!(signed_with, ids(&kept).into_iter().collect(), "each had its turn");
    assert_eq!(ids(&published(&house)), ids(&kept), "the one before stays published");

    let only = house.json(&["key", "rotate-web", "--replace"]);
    let now = published(&house);
    assert_eq!(ids(&now), [only["id"].as_str().expect("a key has an id")]);
    eventually("bodies are signed with the only key", async || {
        push(&database, ADDED, 1).await;
        let last = receiver.arrivals().pop()?;
        let kid = RawJws::decode(text(&last)).expect("it is a JWS").header.kid;
        (kid.as_ref() == ids(&now).first()).then_some(())
    })
    .await;
    verified(&text(&receiver.arrivals().pop().expect("some came")), &now);
    assert_eq!((failed(&house), daemon.stop().await), (Vec::new(), 0));
}
