//! Signing keys at rest, under master keys that come and go.

use std::time::Duration;

use domain::{SigningKey, Target};
use postrider_store::{DefinitionsChange, MasterKey, MasterKeys, SealError, State, StoreError};

use crate::state_support::{Fixture, connect_with, id, on_both, target};

fn master(digit: char) -> MasterKey {
    digit.to_string().repeat(64).parse().expect("64 hexadecimal digits")
}

async fn under(fixture: &Fixture, current: Option<char>, previous: Option<char>) -> State {
    connect_with(&fixture.url, MasterKeys { current: current.map(master), previous: previous.map(master) }).await
}

async fn put(state: &State, targets: Vec<Target>) {
    let change = DefinitionsChange { targets, ..DefinitionsChange::default() };
    state.apply(&change, "ada").await.expect("it is valid");
}

/// The keys of the first target, by name.
async fn keys(state: &State) -> Vec<String> {
    let definitions = state.definitions().await.expect("every key opens");
    definitions.targets[0].signing_keys.iter().map(|key| key.expose().to_owned()).collect()
}

#[track_caller]
fn assert_closed(error: &StoreError, name: &str, needed: char) {
    let reason = SealError::UnknownMaster(master(needed).id().clone());
    assert!(
        matches!(error, StoreError::KeyClosed { target, reason: said } if target.as_str() == name && *said == reason),
        "{error:?}"
    );
}

/// What is sealed has no blank in it; the three letters alone it may have by chance.
const PLAIN: &str = "SELECT count(*) FROM signing_keys WHERE signing_key LIKE '% key'";
const ROTATIONS: &str = "SELECT count(*) FROM audit WHERE act = 'key.rotate_master'";

#[tokio::test]
async fn a_key_is_stored_sealed_and_opens_with_its_master_only() {
    on_both(async |fixture| {
        let sealing = under(fixture, Some('a'), None).await;
        put(&sealing, vec![target("crm")]).await;
        assert_eq!(fixture.number(PLAIN).await, 0, "a key stands there as it is");
        let under_its_id = format!("SELECT count(*) FROM signing_keys WHERE sealed_with = '{}'", master('a').id());
        assert_eq!(fixture.number(&under_its_id).await, 2);
        assert_eq!(keys(&sealing).await, ["first key", "second key"]);
        assert_eq!(keys(&under(fixture, Some('b'), Some('a')).await).await, ["first key", "second key"]);
        for state in [under(fixture, None, None).await, under(fixture, Some('b'), Some('c')).await] {
            let error = state.definitions().await.expect_err("it cannot be opened");
            assert_closed(&error, "crm", 'a');
            assert!(!error.is_transient(), "waiting does not help");
            assert!(error.to_string().contains("set it as state.master_key"), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_sealed_key_that_is_moved_to_another_target_does_not_open() {
    on_both(async |fixture| {
        let state = under(fixture, Some('a'), None).await;
        put(&state, vec![target("crm"), target("audit")]).await;
        fixture
            .execute(
                "UPDATE signing_keys SET signing_key = (SELECT other.signing_key FROM signing_keys AS other
                 WHERE other.target_id = 'crm-id' AND other.ordinal = 0) WHERE target_id = 'audit-id' AND ordinal = 0",
            )
            .await;
        let error = state.definitions().await.expect_err("it was moved");
        let damaged = SealError::Damaged(master('a').id().clone());
        assert!(matches!(&error, StoreError::KeyClosed { target, reason } if target.as_str() == "audit" && *reason == damaged), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn plain_keys_and_those_of_the_previous_master_come_under_the_current_one() {
    on_both(async |fixture| {
        put(&fixture.state, vec![target("plain")]).await;
        put(&under(fixture, Some('a'), None).await, vec![target("crm")]).await;
        let state = under(fixture, Some('b'), Some('a')).await;
        put(&state, vec![target("new")]).await;
        assert_eq!(state.plain_keys().await.expect("they can be counted"), 2);
        let before = state.definitions().await.expect("every key opens");

        let dry = state.rotate_master(true, "ada").await.expect("every key opens");
        assert_eq!((dry.plain, dry.previous, dry.unchanged), (2, 2, 2));
        assert_eq!(fixture.number(ROTATIONS).await, 0);
        assert_eq!(state.plain_keys().await.expect("they can be counted"), 2, "it was a dry run");

        let done = state.rotate_master(false, "ada").await.expect("every key opens");
        assert_eq!(done, dry);
        assert_eq!((state.plain_keys().await.expect("counted"), fixture.number(PLAIN).await), (0, 0));
        let only = under(fixture, Some('b'), None).await;
        let after = only.definitions().await.expect("nothing else is needed");
        assert_eq!((&after.targets, after.revision), (&before.targets, before.revision + 1));
        let entry = &state.audit(1).await.expect("the audit can be read")[0];
        assert_eq!((entry.act.as_str(), entry.actor.as_str()), ("key.rotate_master", "ada"));
        assert!(entry.to.as_ref().is_some_and(|to| to.starts_with("4 under")), "{entry:?}");

        let again = only.rotate_master(false, "ada").await.expect("every key opens");
        assert_eq!((again.plain, again.previous, again.unchanged), (0, 0, 6));
        assert_eq!(fixture.number(ROTATIONS).await, 1, "what changes nothing is not recorded");
    })
    .await;
}

#[tokio::test]
async fn with_an_unknown_master_or_none_nothing_is_encrypted_anew() {
    on_both(async |fixture| {
        put(&fixture.state, vec![target("plain")]).await;
        put(&under(fixture, Some('a'), None).await, vec![target("crm")]).await;
        let error = fixture.state.rotate_master(false, "ada").await.expect_err("there is no master key");
        assert!(matches!(error, StoreError::NoMasterKey), "{error:?}");
        let error = under(fixture, Some('b'), Some('c')).await.rotate_master(false, "ada").await;
        assert_closed(&error.expect_err("a is not at hand"), "crm", 'a');
        assert_eq!(fixture.number(PLAIN).await, 2, "the plain ones are as they were");
        assert_eq!(fixture.number(ROTATIONS).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_does_not_open_stays_until_another_is_put_in_its_place() {
    on_both(async |fixture| {
        put(&under(fixture, Some('a'), None).await, vec![target("crm"), target("audit")]).await;
        let state = under(fixture, Some('b'), None).await;
        let (definitions, closed) = state.definitions_that_open().await.expect("the rest can be read");
        assert_eq!(closed.len(), 4);
        let mut crm = definitions.targets.into_iter().find(|target| target.id == id("crm")).expect("it is there");
        assert!(crm.signing_keys.is_empty());
        crm.rotate_key("another key".into(), None);
        put(&state, vec![crm]).await;
        let (_, closed) = state.definitions_that_open().await.expect("the rest can be read");
        assert_eq!(closed.len(), 2);
        for error in &closed {
            assert_closed(error, "audit", 'a');
        }
        let both = under(fixture, Some('b'), Some('a')).await.definitions().await.expect("every key opens");
        let keys = |index: usize| both.targets[index].signing_keys.iter().map(SigningKey::expose).collect::<Vec<_>>();
        assert_eq!((keys(0), keys(1)), (vec!["first key", "second key"], vec!["another key"]));
    })
    .await;
}

#[tokio::test]
async fn a_rotated_key_keeps_its_end_and_goes_with_the_next_change_after_it() {
    on_both(async |fixture| {
        put(&fixture.state, vec![target("crm")]).await;
        let now = fixture.state.now().await.expect("the database has a clock");
        let mut crm = target("crm");
        crm.rotate_key("a new key".into(), Some(now + Duration::from_hours(1)));
        put(&fixture.state, vec![crm.clone()]).await;
        assert_eq!(fixture.definitions().await.targets, [crm.clone()], "the end is kept to the microsecond");
        let entry = &fixture.state.audit(1).await.expect("the audit can be read")[0];
        assert_eq!(entry.act, "target.rotate_key");
        assert!(!format!("{entry:?}").contains("new key"), "{entry:?}");

        fixture.execute("UPDATE signing_keys SET expires_at = 1 WHERE ordinal = 0").await;
        assert_eq!(keys(&fixture.state).await.len(), 3, "an expired key is still there");
        let mut changed = fixture.definitions().await.targets.remove(0);
        changed.timeout = Duration::from_secs(3);
        put(&fixture.state, vec![changed]).await;
        assert_eq!(keys(&fixture.state).await, ["second key", "a new key"]);
    })
    .await;
}

#[tokio::test]
async fn a_change_made_from_an_earlier_look_is_refused() {
    on_both(async |fixture| {
        put(&fixture.state, vec![target("crm")]).await;
        let looked = fixture.definitions().await;
        fixture.state.set_paused(&id("crm"), true, "ada").await.expect("it is there");
        let change = DefinitionsChange {
            remove_targets: vec![id("crm")],
            made_from: Some(looked.revision),
            ..DefinitionsChange::default()
        };
        let error = fixture.state.apply(&change, "ada").await.expect_err("somebody paused it since");
        assert!(matches!(error, StoreError::Overtaken), "{error:?}");
        let made_from = Some(fixture.definitions().await.revision);
        let change = DefinitionsChange { made_from, ..change };
        fixture.state.apply(&change, "ada").await.expect("nobody came between");
        assert_eq!(fixture.definitions().await.targets, []);
    })
    .await;
}
