//! The public keys of targets, which bodies are encrypted for.

use std::time::Duration;

use domain::{EncryptionKey, KeyKind, PayloadType, PublicKey, PublicKeyId, Target, TargetId, Timestamp};
use postrider_store::{AuditFilter, By, DefinitionsChange, NewPublicKey, PublicKeyError, StoreError};

use crate::state_support::{Fixture, connect, id, on_both, target};

const ON_P256: &str = include_str!("../../src/state/public_keys/read/samples/p256.pem");
const RSA_2048: &str = include_str!("../../src/state/public_keys/read/samples/rsa2048.pem");
const RSA_1024: &str = include_str!("../../src/state/public_keys/read/samples/rsa1024.pem");

fn new(pem: &str) -> NewPublicKey {
    NewPublicKey { pem: pem.to_owned(), expires_at: None, active: false }
}

async fn put(fixture: &Fixture, target: Target) {
    let change = DefinitionsChange { targets: vec![target], ..DefinitionsChange::default() };
    fixture.state.apply(&change, "ada").await.expect("it is valid");
}

/// A target whose bodies are to be encrypted.
fn encrypting(name: &str) -> Target {
    Target { payload_type: PayloadType::Jwe, ..target(name) }
}

async fn add(fixture: &Fixture, target: &TargetId, new: &NewPublicKey) -> PublicKey {
    fixture.state.add_public_key(target, new, "ada").await.expect("it is a public key")
}

async fn listed(fixture: &Fixture, target: &TargetId) -> Vec<(PublicKeyId, bool)> {
    let keys = fixture.state.public_keys(target).await.expect("keys can be listed");
    keys.into_iter().map(|key| (key.id, key.active)).collect()
}

/// What bodies of the first target are encrypted for.
async fn used(fixture: &Fixture) -> Option<EncryptionKey> {
    fixture.definitions().await.targets[0].wrapping.encryption_key.clone()
}

async fn acts(fixture: &Fixture) -> Vec<String> {
    let filter = AuditFilter { act: Some("target.*".to_owned()), ..AuditFilter::default() };
    let acts = fixture.state.acts(&filter, 20).await.expect("the audit can be read");
    let keys = acts.into_iter().filter(|act| act.act.ends_with("public_key"));
    keys.map(|act| format!("{} {} {}", act.act, act.target.expect("a name"), act.reason.unwrap_or_default())).collect()
}

#[tokio::test]
async fn one_key_is_active_and_in_the_definitions() {
    on_both(async |fixture| {
        put(fixture, encrypting("crm")).await;
        let crm = id("crm");
        let before = fixture.state.revision().await.expect("there is a revision");
        let first = add(fixture, &crm, &new(ON_P256)).await;
        assert_eq!((first.kind, first.active, first.pem.as_str()), (KeyKind::P256, false, ON_P256));
        assert_eq!(first.fingerprint, "SHA256:L3hz/BDufzuw4EEAK3I16Fw2cvT/1ePu0vnAX2Y3m+k");
        assert!(first.id.as_str().len() == 18 && first.id.as_str().bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!((used(fixture).await, first.created_at), (None, first.changed_at));

        let active = fixture.state.activate_public_key(&crm, &first.id, "ada").await.expect("it can be activated");
        assert!(active.active && active.changed_at > first.changed_at && active.created_at == first.created_at);
        let key = used(fixture).await.expect("one is active");
        assert_eq!((&key.id, key.kind, key.expires_at), (&first.id, KeyKind::P256, None));
        assert!(key.der.starts_with(b"\x30\x59"), "a SubjectPublicKeyInfo");

        let second = add(fixture, &crm, &NewPublicKey { active: true, ..new(RSA_2048) }).await;
        assert!(second.active);
        assert_eq!(listed(fixture, &crm).await, [(first.id.clone(), false), (second.id.clone(), true)]);
        assert_eq!(used(fixture).await.map(|key| key.kind), Some(KeyKind::Rsa { bits: 2048 }));
        let revision = fixture.state.revision().await.expect("there is a revision");
        assert_eq!(revision, before + 3, "each act is seen by the daemons");

        let same = fixture.state.activate_public_key(&crm, &second.id, "ada").await.expect("it is active already");
        assert_eq!((same, revision), (second.clone(), fixture.state.revision().await.expect("there is a revision")));
        fixture.state.deactivate_public_key(&crm, &second.id, "ada").await.expect("it can be deactivated");
        fixture.state.deactivate_public_key(&crm, &second.id, "ada").await.expect("it is deactivated already");
        assert_eq!(used(fixture).await, None);
        assert_eq!(
            acts(fixture).await,
            [
                "target.deactivate_public_key crm ",
                "target.activate_public_key crm ",
                "target.add_public_key crm ",
                "target.activate_public_key crm ",
                "target.add_public_key crm ",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn an_active_key_cannot_be_removed_and_another_can() {
    on_both(async |fixture| {
        put(fixture, encrypting("crm")).await;
        let crm = id("crm");
        let key = add(fixture, &crm, &NewPublicKey { active: true, ..new(ON_P256) }).await;
        let refused = fixture.state.remove_public_key(&crm, &key.id, "ada").await.expect_err("it is active");
        assert!(matches!(&refused, StoreError::PublicKeyActive { id } if *id == key.id), "{refused:?}");
        fixture.state.deactivate_public_key(&crm, &key.id, "ada").await.expect("it can be deactivated");
        assert!(fixture.state.remove_public_key(&crm, &key.id, "ada").await.expect("it can be removed"));
        assert!(!fixture.state.remove_public_key(&crm, &key.id, "ada").await.expect("it is not there"));
        assert_eq!(listed(fixture, &crm).await, []);
        let missing = fixture.state.activate_public_key(&crm, &key.id, "ada").await.expect_err("it is gone");
        assert!(matches!(missing, StoreError::NoPublicKey { .. }), "{missing:?}");
    })
    .await;
}

#[tokio::test]
async fn a_key_is_its_targets_only() {
    on_both(async |fixture| {
        put(fixture, encrypting("audit")).await;
        put(fixture, encrypting("crm")).await;
        let (audit, crm) = (id("audit"), id("crm"));
        let key = add(fixture, &crm, &new(ON_P256)).await;
        assert!(fixture.state.activate_public_key(&audit, &key.id, "ada").await.is_err());
        assert!(fixture.state.deactivate_public_key(&audit, &key.id, "ada").await.is_err());
        assert!(!fixture.state.remove_public_key(&audit, &key.id, "ada").await.expect("it answers"));
        assert_eq!((listed(fixture, &audit).await, listed(fixture, &crm).await.len()), (vec![], 1));
        // The same key for two targets: two rows, and either may be active.
        add(fixture, &audit, &NewPublicKey { active: true, ..new(ON_P256) }).await;
        fixture.state.activate_public_key(&crm, &key.id, "ada").await.expect("it can be activated");
        let unknown = fixture.state.add_public_key(&id("nobody"), &new(ON_P256), "ada").await;
        assert!(matches!(unknown, Err(StoreError::NoTarget { .. })), "{unknown:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_key_that_is_taken_changes_nothing() {
    on_both(async |fixture| {
        put(fixture, encrypting("crm")).await;
        let past = Timestamp::from_second(1_000_000_000).expect("a time");
        for (new, why) in [
            (new(RSA_1024), PublicKeyError::Bits { bits: 1024 }),
            (new("hush"), PublicKeyError::NoPem),
            (new(&ON_P256.replace("PUBLIC", "PRIVATE")), PublicKeyError::Private),
            (NewPublicKey { expires_at: Some(past), ..new(ON_P256) }, PublicKeyError::Expired),
        ] {
            let error = fixture.state.add_public_key(&id("crm"), &new, "ada").await.expect_err("it is refused");
            assert!(matches!(&error, StoreError::PublicKey(said) if *said == why), "{error:?}");
            assert!(!error.is_transient(), "waiting does not help");
        }
        assert_eq!((listed(fixture, &id("crm")).await, acts(fixture).await), (vec![], vec![]));
    })
    .await;
}

#[tokio::test]
async fn a_key_that_has_expired_is_not_activated_and_stays_what_it_is() {
    on_both(async |fixture| {
        put(fixture, encrypting("crm")).await;
        let crm = id("crm");
        let later = fixture.state.now().await.expect("there is a time") + Duration::from_mins(1);
        let expiring = NewPublicKey { expires_at: Some(later), ..new(ON_P256) };
        let active = add(fixture, &crm, &NewPublicKey { active: true, ..expiring.clone() }).await;
        let other = add(fixture, &crm, &expiring).await;
        assert_eq!(used(fixture).await.and_then(|key| key.expires_at), Some(later));
        fixture.execute("UPDATE public_keys SET expires_at = 1").await;
        let refused = fixture.state.activate_public_key(&crm, &other.id, "ada").await.expect_err("it has expired");
        assert!(matches!(refused, StoreError::PublicKeyExpired { .. }), "{refused:?}");
        // It is left active, so that what is said of the target names it.
        assert_eq!(used(fixture).await.map(|key| key.id), Some(active.id));
    })
    .await;
}

#[tokio::test]
async fn a_rehearsal_changes_nothing_and_a_reason_is_kept() {
    on_both(async |fixture| {
        put(fixture, encrypting("crm")).await;
        let (crm, dry) = (id("crm"), By::new("ada").rehearsed(true));
        fixture.state.add_public_key(&crm, &new(ON_P256), dry).await.expect("it could be added");
        assert_eq!(listed(fixture, &crm).await, []);
        let key = add(fixture, &crm, &new(ON_P256)).await;
        assert!(fixture.state.activate_public_key(&crm, &key.id, dry).await.expect("it could be").active);
        assert!(fixture.state.remove_public_key(&crm, &key.id, dry).await.expect("it could be"));
        assert_eq!(listed(fixture, &crm).await, [(key.id.clone(), false)]);
        let by = By::new("ada").because(Some("the CRM has a new key"));
        fixture.state.activate_public_key(&crm, &key.id, by).await.expect("it can be activated");
        assert_eq!(acts(fixture).await[0], "target.activate_public_key crm the CRM has a new key");
    })
    .await;
}

#[tokio::test]
async fn of_two_that_activate_at_once_both_come_to_one_active_key() {
    on_both(async |fixture| {
        put(fixture, encrypting("crm")).await;
        let crm = id("crm");
        let (one, two) = (add(fixture, &crm, &new(ON_P256)).await, add(fixture, &crm, &new(RSA_2048)).await);
        let others = [connect(&fixture.url).await, connect(&fixture.url).await];
        let (first, second) = tokio::join!(
            others[0].activate_public_key(&crm, &one.id, "ada"),
            others[1].activate_public_key(&crm, &two.id, "ada"),
        );
        first.and(second).expect("each waits for the other");
        let active = listed(fixture, &crm).await.into_iter().filter(|(_, active)| *active).count();
        assert_eq!((active, used(fixture).await.is_some()), (1, true));
    })
    .await;
}

#[tokio::test]
async fn keys_stay_with_their_target_and_count_where_bodies_are_encrypted() {
    on_both(async |fixture| {
        put(fixture, encrypting("crm")).await;
        let crm = id("crm");
        let key = add(fixture, &crm, &NewPublicKey { active: true, ..new(ON_P256) }).await;
        // A change that knows nothing of keys, as one from a file: they stay.
        put(fixture, Target { timeout: Duration::from_secs(1), ..encrypting("crm") }).await;
        assert_eq!(used(fixture).await.map(|key| key.id), Some(key.id.clone()));
        let revision = fixture.state.revision().await.expect("there is a revision");
        put(fixture, Target { timeout: Duration::from_secs(1), ..encrypting("crm") }).await;
        assert_eq!(fixture.state.revision().await.expect("there is a revision"), revision, "nothing differed");
        for payload_type in [PayloadType::Jwt, PayloadType::Json] {
            put(fixture, Target { payload_type, ..encrypting("crm") }).await;
            assert_eq!(used(fixture).await, None);
        }
        put(fixture, encrypting("crm")).await;
        assert_eq!(used(fixture).await.map(|key| key.id), Some(key.id));

        let change = DefinitionsChange { remove_targets: vec![crm.clone()], ..DefinitionsChange::default() };
        fixture.state.apply(&change, "ada").await.expect("it can be removed");
        assert_eq!(fixture.number("SELECT count(*) FROM public_keys").await, 0);
        let gone = fixture.state.add_public_key(&crm, &new(ON_P256), "ada").await;
        assert!(matches!(gone, Err(StoreError::NoTarget { .. })), "{gone:?}");
    })
    .await;
}
