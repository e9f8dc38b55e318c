//! Web keys: made once, rotated with an overlap, sealed, published and swept.

use std::time::Duration;

use domain::{PayloadType, Target, Timestamp, WebKey};
use postrider_store::{
    AuditFilter, By, DefinitionsChange, MasterKey, MasterKeys, Overlap, PublishedKey, Retention, SealError, State,
    StoreError, Sweep, WebKeyState, jwks,
};

use crate::state_support::{Fixture, connect, connect_with, on_both, target};

const GRACE: Overlap = Overlap::For(Duration::from_mins(15));

async fn define(state: &State, payload_type: PayloadType) {
    put(state, Target { payload_type, ..target("crm") }).await;
}

async fn put(state: &State, target: Target) {
    let change = DefinitionsChange { targets: vec![target], ..DefinitionsChange::default() };
    state.apply(&change, "ada").await.expect("it is valid");
}

async fn rotate(state: &State, overlap: Overlap) -> PublishedKey {
    state.rotate_web_key(overlap, "ada").await.expect("keys can be rotated")
}

/// The keys that a daemon signs with.
async fn signing(state: &State) -> Vec<WebKey> {
    let definitions = state.definitions().await.expect("every key opens");
    definitions.targets[0].wrapping.web_keys.to_vec()
}

async fn ids(state: &State) -> Vec<String> {
    signing(state).await.iter().map(|key| key.id().to_string()).collect()
}

async fn published(state: &State) -> Vec<(String, WebKeyState)> {
    let keys = state.web_keys().await.expect("keys can be listed");
    keys.into_iter().map(|key| (key.id.to_string(), key.state)).collect()
}

/// As if all that was done lay so much longer ago.
async fn age(fixture: &Fixture, by: Duration) {
    let micros = by.as_micros();
    fixture
        .execute(&format!("UPDATE web_keys SET active_at = active_at - {micros}, retired_at = retired_at - {micros}"))
        .await;
}

fn masters(current: Option<char>, previous: Option<char>) -> MasterKeys {
    let master = |digit: char| digit.to_string().repeat(64).parse::<MasterKey>().expect("64 hexadecimal digits");
    MasterKeys { current: current.map(master), previous: previous.map(master) }
}

#[tokio::test]
async fn of_several_daemons_one_makes_the_first_key() {
    on_both(async |fixture| {
        define(&fixture.state, PayloadType::Jwt).await;
        let definitions = fixture.definitions().await;
        assert!(definitions.lack_a_web_key());
        let others = [connect(&fixture.url).await, connect(&fixture.url).await, connect(&fixture.url).await];
        let made =
            tokio::join!(others[0].ensure_web_key("a"), others[1].ensure_web_key("b"), others[2].ensure_web_key("c"),);
        let made = [made.0, made.1, made.2].map(|made| made.expect("one is made, and the others see it"));
        assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
        assert!(!fixture.state.ensure_web_key("d").await.expect("there is one"));
        let definitions_now = fixture.definitions().await;
        assert!(!definitions_now.lack_a_web_key());
        assert_eq!(definitions_now.revision, definitions.revision + 1, "the daemons see it");
        let [key] = &fixture.state.web_keys().await.expect("keys can be listed")[..] else { panic!("one key") };
        assert_eq!((key.state, key.active_at, key.retired_at), (WebKeyState::Active, key.created_at, None));
        let filter = AuditFilter { act: Some("key.create_web".to_owned()), ..AuditFilter::default() };
        let acts = fixture.state.acts(&filter, 9).await.expect("the audit can be read");
        assert_eq!(acts.iter().map(|act| act.to.as_deref()).collect::<Vec<_>>(), [Some(key.id.as_str())]);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_for_a_day_after() {
    on_both(async |fixture| {
        let state = &fixture.state;
        define(state, PayloadType::Jwe).await;
        // The first one has nobody to wait for.
        let first = rotate(state, GRACE).await;
        assert_eq!((first.state, first.active_at), (WebKeyState::Active, first.created_at));
        let second = rotate(state, GRACE).await;
        let (one, two) = (first.id.to_string(), second.id.to_string());
        assert_eq!((second.state, second.retired_at), (WebKeyState::Next, None));
        assert_eq!(second.active_at, second.created_at + Duration::from_mins(15));
        assert_eq!(published(state).await, [(one.clone(), WebKeyState::Active), (two.clone(), WebKeyState::Next)]);
        assert_eq!(ids(state).await, [one.as_str(), two.as_str()]);
        age(fixture, Duration::from_mins(16)).await;
        assert_eq!(published(state).await, [(one.clone(), WebKeyState::Retired), (two.clone(), WebKeyState::Active)]);
        assert_eq!(ids(state).await, [two.as_str()], "what is retired signs nothing");
        assert_eq!(state.sweep(Sweep::WebKeys, &Retention::default()).await.expect("it can be swept"), 0);
        age(fixture, Duration::from_hours(24)).await;
        assert_eq!(published(state).await, [(two.clone(), WebKeyState::Active)]);
        assert_eq!(state.sweep(Sweep::WebKeys, &Retention::default()).await.expect("it can be swept"), 1);
        assert_eq!(fixture.number("SELECT count(*) FROM web_keys").await, 1);
        assert_eq!(ids(state).await, [two]);
    })
    .await;
}

#[tokio::test]
async fn a_rotation_before_the_one_before_has_come_to_its_end() {
    on_both(async |fixture| {
        let state = &fixture.state;
        define(state, PayloadType::Jwt).await;
        let (a, b) = (rotate(state, GRACE).await, rotate(state, GRACE).await);
        // Its turn comes before b's, which is never used then.
        let c = rotate(state, Overlap::For(Duration::from_mins(5))).await;
        let wrapped = |keys: Vec<WebKey>, at: Timestamp| {
            let mut target = Target { payload_type: PayloadType::Jwt, ..target("crm") };
            target.wrapping.web_keys = keys.into();
            match target.wrap(at) {
                Ok(domain::Wrap::Signed(key)) => key.id().clone(),
                other => panic!("it is signed: {other:?}"),
            }
        };
        let keys = signing(state).await;
        let after = |minutes| c.created_at + Duration::from_mins(minutes);
        let signers = [1, 6, 16, 60].map(|minutes| wrapped(keys.clone(), after(minutes)));
        assert_eq!(signers, [a.id, c.id.clone(), c.id.clone(), c.id.clone()]);
        assert_eq!(b.active_at, b.created_at + Duration::from_mins(15));
    })
    .await;
}

#[tokio::test]
async fn keys_that_leaked_are_worth_nothing_at_once() {
    on_both(async |fixture| {
        let state = &fixture.state;
        define(state, PayloadType::Jwt).await;
        rotate(state, GRACE).await;
        rotate(state, GRACE).await;
        let dry = state.rotate_web_key(Overlap::None, By::new("ada").rehearsed(true)).await.expect("it could be");
        assert_eq!((dry.state, published(state).await.len()), (WebKeyState::Active, 2), "it was a dry run");
        let only = rotate(state, Overlap::None).await;
        assert_eq!(published(state).await, [(only.id.to_string(), WebKeyState::Active)]);
        assert_eq!(ids(state).await, [only.id.as_str()]);
        let entry = &state.audit(1).await.expect("the audit can be read")[0];
        assert_eq!(entry.act, "key.rotate_web");
        assert!(entry.to.as_ref().is_some_and(|to| to.ends_with("those before are worth nothing")), "{entry:?}");
    })
    .await;
}

#[tokio::test]
async fn keys_are_loaded_where_bodies_are_signed_only() {
    on_both(async |fixture| {
        let sealing = connect_with(&fixture.url, masters(Some('a'), None)).await;
        rotate(&sealing, GRACE).await;
        // Without signing keys of its own, which are sealed too.
        let unsigned = |payload_type| Target { payload_type, signing_keys: Vec::new(), ..target("crm") };
        put(&fixture.state, unsigned(PayloadType::Json)).await;
        assert_eq!(signing(&fixture.state).await, [], "nobody asks for it, so that it need not open");
        put(&fixture.state, unsigned(PayloadType::Jwt)).await;
        let error = fixture.state.definitions().await.expect_err("it cannot be opened");
        assert!(matches!(&error, StoreError::WebKeyClosed { .. }) && !error.is_transient(), "{error:?}");
        assert!(error.to_string().contains("set it as state.master_key"), "{error}");
        let (open, closed) = fixture.state.definitions_that_open().await.expect("the rest can be read");
        assert_eq!((open.targets[0].wrapping.web_keys.len(), closed.len()), (0, 1));
        // The way out where a master key is lost.
        let new = rotate(&fixture.state, Overlap::None).await;
        assert_eq!(ids(&fixture.state).await, [new.id.as_str()]);
    })
    .await;
}

#[tokio::test]
async fn private_halves_are_sealed_and_come_under_another_master_key() {
    on_both(async |fixture| {
        define(&fixture.state, PayloadType::Jwt).await;
        rotate(&fixture.state, GRACE).await;
        let sealing = connect_with(&fixture.url, masters(Some('a'), None)).await;
        assert_eq!(sealing.plain_keys().await.expect("they can be counted"), 3);
        rotate(&sealing, GRACE).await;
        assert_eq!(sealing.plain_keys().await.expect("they can be counted"), 3, "the new one is sealed");
        let keys = signing(&sealing).await;
        assert_eq!(keys.len(), 2);
        let done = sealing.rotate_master(false, "ada").await.expect("every key opens");
        assert_eq!((done.plain, done.previous, done.unchanged), (3, 0, 1));
        let next = connect_with(&fixture.url, masters(Some('b'), Some('a'))).await;
        let done = next.rotate_master(false, "ada").await.expect("every key opens");
        assert_eq!((done.plain, done.previous, done.unchanged), (0, 4, 0));
        let only = connect_with(&fixture.url, masters(Some('b'), None)).await;
        assert_eq!(signing(&only).await, keys, "the keys themselves stay");

        fixture.execute("UPDATE web_keys SET private_key = 'hush!', sealed_with = NULL").await;
        let error = only.definitions().await.expect_err("they were changed");
        assert!(
            matches!(&error, StoreError::WebKeyClosed { reason: SealError::Unreadable, .. })
                && !error.to_string().contains("hush"),
            "{error:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_published_is_public() {
    on_both(async |fixture| {
        define(&fixture.state, PayloadType::Jwt).await;
        rotate(&fixture.state, GRACE).await;
        rotate(&fixture.state, GRACE).await;
        let keys = fixture.state.web_keys().await.expect("keys can be listed");
        assert!(keys.iter().all(|key| key.pem.starts_with("-----BEGIN PUBLIC KEY-----\n")));
        let set = serde_json::to_value(jwks(&keys)).expect("it is JSON");
        let named: Vec<_> =
            set["keys"].as_array().into_iter().flatten().filter_map(|key| key["kid"].as_str()).collect();
        assert_eq!(named, keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>());
        for key in set["keys"].as_array().into_iter().flatten() {
            let mut fields: Vec<_> = key.as_object().into_iter().flatten().map(|(field, _)| field.as_str()).collect();
            fields.sort_unstable();
            assert_eq!(fields, ["alg", "e", "kid", "kty", "n", "use"]);
        }
    })
    .await;
}
