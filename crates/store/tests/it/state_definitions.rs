//! Targets and executions.

use domain::{Ordering, PayloadType, Position, SigningKey, TargetName};
use postrider_store::{DefinitionsChange, StoreError};

use crate::state_support::{execution, id, on_both, target};

fn targets(names: &[&str]) -> DefinitionsChange {
    DefinitionsChange { targets: names.iter().map(|name| target(name)).collect(), ..DefinitionsChange::default() }
}

#[tokio::test]
async fn what_was_applied_is_read_back_whole_and_in_order() {
    on_both(async |fixture| {
        let change = DefinitionsChange {
            targets: vec![target("crm"), target("Billing"), target("audit")],
            executions: vec![
                execution("event/user.human.added", Some("two"), &["crm"]),
                execution("event/user.human.added", None, &["crm", "audit", "crm"]),
                execution("event", None, &["Billing"]),
                execution("event/user.human.added", Some(""), &["audit"]),
            ],
            ..DefinitionsChange::default()
        };
        assert_eq!(fixture.state.apply(&change, "ada").await.expect("it is valid"), 1);
        let definitions = fixture.definitions().await;
        assert_eq!(definitions.revision, 1);
        assert_eq!(definitions.targets, [target("Billing"), target("audit"), target("crm")]);
        let order = [&change.executions[2], &change.executions[1], &change.executions[3], &change.executions[0]];
        assert_eq!(definitions.executions.iter().collect::<Vec<_>>(), order);
        let keys: Vec<_> = definitions.targets[0].signing_keys.iter().map(SigningKey::expose).collect();
        assert_eq!(keys, ["first key", "second key"]);
    })
    .await;
}

#[tokio::test]
async fn nothing_that_differs_leaves_the_revision() {
    on_both(async |fixture| {
        fixture.define(&["crm", "audit"]).await;
        let recorded = fixture.state.audit(100).await.expect("the audit can be read").len();
        let mut again = targets(&["crm", "audit"]);
        again.executions.push(execution("event", None, &["crm", "audit"]));
        again.targets[0].paused = true;
        again.targets[0].start_position = Position::from_integer(77);
        assert_eq!(fixture.state.apply(&again, "ada").await.expect("it is valid"), 1);
        assert_eq!(fixture.state.revision().await.expect("there is a revision"), 1);
        assert_eq!(fixture.definitions().await.targets[1], target("crm"), "start and pause are not overwritten");
        assert_eq!(fixture.state.audit(100).await.expect("the audit can be read").len(), recorded);
    })
    .await;
}

#[tokio::test]
async fn an_invalid_result_changes_nothing() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let before = fixture.definitions().await;
        let mut unknown = targets(&["billing"]);
        unknown.executions.push(execution("event/user", None, &["nobody"]));
        let mut twice = targets(&["other"]);
        twice.targets[0].name = "crm".into();
        let in_use = DefinitionsChange { remove_targets: vec![id("crm")], ..DefinitionsChange::default() };
        for change in [unknown, twice, in_use] {
            let error = fixture.state.apply(&change, "ada").await.expect_err("it is not valid");
            assert!(matches!(error, StoreError::Definition(_)), "{error:?}");
            assert_eq!(fixture.definitions().await, before);
        }
    })
    .await;
}

#[tokio::test]
async fn a_renamed_target_keeps_its_executions() {
    on_both(async |fixture| {
        fixture.define(&["crm", "audit"]).await;
        let mut swapped = targets(&["crm", "audit"]);
        (swapped.targets[0].name, swapped.targets[1].name) = ("audit".into(), "crm".into());
        assert_eq!(fixture.state.apply(&swapped, "ada").await.expect("it is valid"), 2);
        assert_eq!(fixture.definitions().await.executions, [execution("event", None, &["audit", "crm"])]);
    })
    .await;
}

#[tokio::test]
async fn a_removed_target_leaves_its_cursor_and_its_name_but_not_its_keys() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        fixture.cursor("crm", "one").await;
        let mut change = DefinitionsChange { remove_targets: vec![id("crm")], ..DefinitionsChange::default() };
        let mut successor = target("crm");
        successor.id = "another-id".into();
        change.targets.push(successor.clone());
        assert_eq!(fixture.state.apply(&change, "ada").await.expect("the name is free"), 2);
        let definitions = fixture.definitions().await;
        assert_eq!(definitions.targets, [successor]);
        assert_eq!(definitions.executions, [execution("event", None, &["crm"])]);
        let named = "SELECT count(*) FROM execution_targets WHERE target_id = 'another-id'";
        assert_eq!(fixture.number(named).await, 1, "the execution calls the target that has the name now");
        assert_eq!(fixture.number("SELECT count(*) FROM signing_keys WHERE target_id = 'crm-id'").await, 0);
        assert_eq!(fixture.state.cursors().await.expect("cursors can be read").len(), 1);
        let error = fixture.state.apply(&targets(&["crm"]), "ada").await.expect_err("the id was used");
        assert!(matches!(error, StoreError::TargetRemoved { .. } | StoreError::Definition(_)), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn the_id_of_a_removed_target_is_not_used_again() {
    on_both(async |fixture| {
        fixture.state.apply(&targets(&["crm"]), "ada").await.expect("it is valid");
        let removal = DefinitionsChange { remove_targets: vec![id("crm")], ..DefinitionsChange::default() };
        fixture.state.apply(&removal, "ada").await.expect("nobody names it");
        let error = fixture.state.apply(&targets(&["crm"]), "ada").await.expect_err("the id was used");
        assert!(matches!(error, StoreError::TargetRemoved { .. }), "{error:?}");
        assert_eq!(fixture.definitions().await.targets, []);
    })
    .await;
}

#[tokio::test]
async fn executions_are_removed_by_condition_and_instance() {
    on_both(async |fixture| {
        let mut change = targets(&["crm"]);
        change.executions = vec![execution("event", None, &["crm"]), execution("event", Some("one"), &["crm"])];
        fixture.state.apply(&change, "ada").await.expect("it is valid");
        let everything = change.executions[0].condition.clone();
        let removal = DefinitionsChange { remove_executions: vec![(everything, None)], ..DefinitionsChange::default() };
        fixture.state.apply(&removal, "ada").await.expect("it is valid");
        assert_eq!(fixture.definitions().await.executions, [execution("event", Some("one"), &["crm"])]);
    })
    .await;
}

#[tokio::test]
async fn pausing_is_recorded_and_raises_the_revision_once() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        assert!(fixture.state.set_paused(&id("crm"), true, "ada").await.expect("it is there"));
        assert!(!fixture.state.set_paused(&id("crm"), true, "ada").await.expect("it is there"));
        assert_eq!(fixture.state.revision().await.expect("there is a revision"), 2);
        assert!(fixture.definitions().await.targets[0].paused);
        let entry = &fixture.state.audit(1).await.expect("the audit can be read")[0];
        assert_eq!((entry.actor.as_str(), entry.act.as_str()), ("ada", "pause"));
        assert_eq!(entry.target.as_ref().map(TargetName::as_str), Some("crm"));
        let error = fixture.state.set_paused(&id("nobody"), true, "ada").await.expect_err("there is none");
        assert!(matches!(error, StoreError::NoTarget { .. }), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn another_ordering_fences_the_courier_off() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let before = fixture.cursor("crm", "one").await;
        let mut change = targets(&["crm"]);
        change.targets[0].ordering = Ordering::Aggregate;
        fixture.state.apply(&change, "ada").await.expect("it is valid");
        let after = fixture.cursor("crm", "one").await;
        assert_eq!(after.epoch.0, before.epoch.0 + 1);
        assert_eq!(after.key, before.key);
    })
    .await;
}

#[tokio::test]
async fn the_audit_shows_no_keys_headers_or_queries() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let text = format!("{:?}", fixture.state.audit(100).await.expect("the audit can be read"));
        for secret in ["t0ken", "first key", "acme"] {
            assert!(!text.contains(secret), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_target_belongs_to_stays_and_how_its_body_is_wrapped_does_not() {
    on_both(async |fixture| {
        let mut crm = target("crm");
        (crm.instance, crm.payload_type) = (Some("1".into()), PayloadType::Jwt);
        let change = DefinitionsChange {
            targets: vec![crm.clone()],
            executions: vec![execution("event", Some("1"), &["crm"]), execution("request/a.B", Some("1"), &["crm"])],
            ..DefinitionsChange::default()
        };
        fixture.state.apply(&change, "ada").await.expect("it is valid");
        assert_eq!(fixture.definitions().await.targets, [crm.clone()]);
        assert_eq!(fixture.definitions().await.executions, change.executions);

        (crm.instance, crm.payload_type) = (None, PayloadType::Jwe);
        let change = DefinitionsChange { targets: vec![crm.clone()], ..DefinitionsChange::default() };
        fixture.state.apply(&change, "ada").await.expect("it is valid");
        crm.instance = Some("1".into());
        assert_eq!(fixture.definitions().await.targets, [crm]);
        let wide =
            DefinitionsChange { executions: vec![execution("event", None, &["crm"])], ..DefinitionsChange::default() };
        let refused = fixture.state.apply(&wide, "ada").await.expect_err("it belongs to an instance");
        assert!(refused.to_string().contains("instance 1"), "{refused}");
    })
    .await;
}
