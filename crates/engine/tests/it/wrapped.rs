//! Bodies as JWT and JWE: what a daemon does about keys that are not there, and about those that come.

use std::time::{Duration, Instant};

use domain::{Condition, CursorState, PayloadType, Target, TargetKind};
use store::{FailedFilter, NewPublicKey, Overlap};
use test_support::{Arrival, Receiver, eventually};

use crate::house::{House, target};

/// The public half of a key that nobody has.
const PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEARDDRX+FlW389Tay66nbqcIHQcGr
peaHkRycYKZh1PnZWBT+OdkJ8uYEAvHQo5oPLiMkFDWrqcXTesB0mPvaBA==
-----END PUBLIC KEY-----
";

fn wrapped(name: &str, receiver: &Receiver, payload_type: PayloadType) -> Target {
    Target { payload_type, ..target(name, receiver) }
}

/// Dots in the body: two in a JWT, four in a JWE.
fn dots(arrival: &Arrival) -> usize {
    arrival.body.split(|byte| *byte == b'.').count() - 1
}

/// A house whose daemon would wait a long time before it tries again by itself.
async fn patient_house() -> House {
    let mut house = House::new().await;
    house.options.retry_failed_after = Duration::from_mins(10);
    house.options.policy.max_retry_interval = Duration::from_mins(10);
    house
}

async fn reason_to_hold(house: &House) -> String {
    eventually("the target holds", async || {
        let cursors = house.state.cursors().await.expect("cursors are read");
        cursors.into_iter().find(|cursor| cursor.state == CursorState::Holding)?.reason
    })
    .await
}

#[tokio::test]
async fn without_a_key_a_target_holds_and_with_one_it_is_called_within_a_second() {
    let house = patient_house().await;
    for kind in [TargetKind::Webhook, TargetKind::Async] {
        let receiver = Receiver::ok();
        let name = if kind == TargetKind::Async { "async" } else { "webhook" };
        house.set(Target { kind, ..wrapped(name, &receiver, PayloadType::Jwe) }, Condition::All).await;
        house.append(&["user.added", "user.locked"]).await;
        let running = house.start();
        let told = format!("not sent: the bodies of {name} are to be encrypted, and it has no active public key");
        eventually("the target says what it lacks", async || {
            let cursors = house.state.cursors().await.expect("cursors are read");
            let said = |reason: String| reason.starts_with(&told);
            cursors.into_iter().any(|cursor| cursor.reason.is_some_and(said)).then_some(())
        })
        .await;
        assert!(house.state.failed_events(&FailedFilter::default()).await.expect("they are read").is_empty());
        assert_eq!(receiver.count(), 0);

        let id = format!("id-{name}").into();
        let new = NewPublicKey { pem: PEM.to_owned(), expires_at: None, active: false };
        let key = house.state.add_public_key(&id, &new, "test").await.expect("it is a key");
        let before = Instant::now();
        house.state.activate_public_key(&id, &key.id, "test").await.expect("it can be activated");
        receiver.wait_for(2).await;
        assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
        assert!(receiver.arrivals().iter().all(|arrival| dots(arrival) == 4));
        running.stop().await;
    }
}

#[tokio::test]
async fn a_key_that_is_taken_away_is_missed_from_the_next_event_on() {
    let house = patient_house().await;
    let receiver = Receiver::ok();
    house.set(wrapped("t", &receiver, PayloadType::Jwe), Condition::All).await;
    let new = NewPublicKey { pem: PEM.to_owned(), expires_at: None, active: true };
    let key = house.state.add_public_key(&"id-t".into(), &new, "test").await.expect("it is a key");
    house.append(&["user.added"]).await;
    let running = house.start();
    receiver.wait_for(1).await;
    house.state.deactivate_public_key(&"id-t".into(), &key.id, "test").await.expect("it can be deactivated");
    // The daemon reads the definitions again before it says so.
    eventually("the next event is held", async || {
        house.append(&["user.locked"]).await;
        let cursors = house.state.cursors().await.expect("cursors are read");
        cursors.iter().any(|cursor| cursor.state == CursorState::Holding).then_some(())
    })
    .await;
    assert!(reason_to_hold(&house).await.contains("has no active public key"));
    running.stop().await;
}

#[tokio::test]
async fn the_first_web_key_is_made_when_a_target_wants_it() {
    let house = patient_house().await;
    let receiver = Receiver::ok();
    house.set(wrapped("t", &receiver, PayloadType::Json), Condition::All).await;
    house.append(&["user.added"]).await;
    let running = house.start();
    receiver.wait_for(1).await;
    assert_eq!(house.state.web_keys().await.expect("keys are listed"), [], "nobody wants one");
    house.set(wrapped("t", &receiver, PayloadType::Jwt), Condition::All).await;
    eventually("there is a key", async || {
        (house.state.web_keys().await.expect("keys are listed").len() == 1).then_some(())
    })
    .await;
    let signed = eventually("bodies come as JWT", async || {
        house.append(&["user.locked"]).await;
        receiver.arrivals().into_iter().find(|arrival| arrival.header("content-type") == Some("application/jwt"))
    })
    .await;
    assert_eq!(dots(&signed), 2);
    house.state.rotate_web_key(Overlap::None, "test").await.expect("it can be rotated");
    let before = receiver.count();
    house.append(&["user.unlocked"]).await;
    receiver.wait_for(before + 1).await;
    running.stop().await;
    assert!(house.state.failed_events(&FailedFilter::default()).await.expect("they are read").is_empty());
}
