//! Tokens, and when definitions were made.

use std::time::Duration;

use domain::{Role, Timestamp};
use postrider_store::{AuditFilter, DefinitionsChange, NewToken, Retention, StoreError, Sweep, TokenText};

use crate::state_support::{Fixture, execution, id, on_both, target};

fn new(name: &str, role: Role, instance: Option<&str>) -> NewToken {
    NewToken { name: name.to_owned(), role, instance: instance.map(Into::into), expires_at: None }
}

async fn make(fixture: &Fixture, new: &NewToken) -> TokenText {
    let (token, text) = fixture.state.create_token(new, "ada").await.expect("tokens can be made");
    assert_eq!((&token.name, token.role, &token.instance), (&new.name, new.role, &new.instance));
    assert_eq!((token.created_by.as_str(), token.revoked_at, token.last_used_at), ("ada", None, None));
    text
}

/// `pr_ID` and the secret, which may have `_` in it as well.
fn halves(text: &str) -> (&str, &str) {
    let (id, secret) = text.strip_prefix("pr_").and_then(|rest| rest.split_once('_')).expect("there is a secret");
    (&text[.."pr_".len() + id.len()], secret)
}

async fn opens(fixture: &Fixture, text: &str) -> Option<String> {
    fixture.state.token(text).await.expect("tokens can be looked at").map(|token| token.name)
}

#[tokio::test]
async fn a_token_opens_until_it_is_revoked_or_has_expired() {
    on_both(async |fixture| {
        assert!(!fixture.state.has_tokens().await.expect("tokens can be counted"));
        let ops = make(fixture, &new("ops", Role::Operator, None)).await;
        let one = make(fixture, &new("one", Role::Admin, Some("1"))).await;
        assert!(fixture.state.has_tokens().await.expect("tokens can be counted"));
        assert_eq!(opens(fixture, ops.expose()).await.as_deref(), Some("ops"));
        assert_eq!(opens(fixture, one.expose()).await.as_deref(), Some("one"));

        let past = Timestamp::from_second(1_000_000_000).expect("a time");
        let over = make(fixture, &NewToken { expires_at: Some(past), ..new("over", Role::Admin, None) }).await;
        assert_eq!(opens(fixture, over.expose()).await, None, "it has expired");

        assert!(!fixture.state.revoke_token("ops", Some(&"1".into()), "ada").await.expect("it answers"), "not its");
        assert!(fixture.state.revoke_token("ops", None, "ada").await.expect("tokens can be revoked"));
        assert!(!fixture.state.revoke_token("ops", None, "ada").await.expect("it answers"), "only once");
        assert_eq!(opens(fixture, ops.expose()).await, None);
        assert!(fixture.state.revoke_token("one", Some(&"1".into()), "ada").await.expect("tokens can be revoked"));
        assert!(!fixture.state.has_tokens().await.expect("tokens can be counted"), "none is in force");
        let of_tokens = AuditFilter { act: Some("token.*".to_owned()), ..AuditFilter::default() };
        assert_eq!(fixture.state.acts(&of_tokens, 9).await.expect("the audit can be read").len(), 5);
    })
    .await;
}

#[tokio::test]
async fn nothing_that_is_not_the_token_opens() {
    on_both(async |fixture| {
        let text = make(fixture, &new("ops", Role::Viewer, None)).await;
        let text = text.expose();
        let (head, secret) = halves(text);
        let other = make(fixture, &new("other", Role::Admin, None)).await;
        let foreign = halves(other.expose()).1;
        let longer = format!("{text}A");
        let exchanged = format!("{head}_{foreign}");
        let cut = &text[..text.len() - 1];
        for wrong in ["", "pr_", "pr__", "Bearer", cut, &longer, &exchanged, secret, &format!("{head}_"), "pr_'_x"] {
            assert_eq!(opens(fixture, wrong).await, None);
        }
        assert_eq!(format!("{other:?}"), "TokenText(…)");
        let stored = format!("SELECT count(*) FROM tokens WHERE secret_hash LIKE '%{secret}%'");
        assert_eq!(fixture.number(&stored).await, 0, "the secret is not stored");
    })
    .await;
}

#[tokio::test]
async fn a_name_is_free_again_once_its_token_was_revoked() {
    on_both(async |fixture| {
        make(fixture, &new("ops", Role::Viewer, None)).await;
        let taken = fixture.state.create_token(&new("ops", Role::Admin, None), "ada").await;
        assert!(matches!(taken, Err(StoreError::TokenNameTaken { .. })), "{taken:?}");
        assert!(fixture.state.revoke_token("ops", None, "ada").await.expect("tokens can be revoked"));
        make(fixture, &new("ops", Role::Admin, None)).await;
        assert_eq!(fixture.state.tokens().await.expect("tokens can be listed").len(), 2, "the old one stays listed");
        fixture.execute("UPDATE tokens SET revoked_at = 1 WHERE revoked_at IS NOT NULL").await;
        let retention = Retention { audit: Duration::from_hours(1), ..Retention::default() };
        assert_eq!(fixture.state.sweep(Sweep::Audit, &retention).await.expect("it can be swept"), 1);
        assert_eq!(fixture.state.tokens().await.expect("tokens can be listed").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn using_a_token_is_written_down_by_the_minute() {
    on_both(async |fixture| {
        let text = make(fixture, &new("ops", Role::Viewer, None)).await;
        for _ in 0..3 {
            opens(fixture, text.expose()).await.expect("it is in force");
        }
        let first = fixture.state.tokens().await.expect("tokens can be listed")[0].last_used_at;
        assert!(first.is_some());
        opens(fixture, text.expose()).await.expect("it is in force");
        assert_eq!(fixture.state.tokens().await.expect("tokens can be listed")[0].last_used_at, first);
        fixture.execute("UPDATE tokens SET last_used_at = 1").await;
        opens(fixture, text.expose()).await.expect("it is in force");
        assert!(fixture.state.tokens().await.expect("tokens can be listed")[0].last_used_at >= first);
    })
    .await;
}

#[tokio::test]
async fn dates_tell_when_definitions_were_made_and_changed() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let first = fixture.state.definition_dates().await.expect("dates can be read");
        let all = ("event".parse().expect("a condition"), None);
        assert!(first.targets[&id("crm")].created_at <= first.targets[&id("crm")].changed_at);
        fixture
            .execute(
                "UPDATE targets SET created_at = 5, updated_at = 5; UPDATE executions SET created_at = 5, set_at = 5",
            )
            .await;
        let change = DefinitionsChange {
            targets: vec![target("billing")],
            executions: vec![execution("event", None, &["crm", "billing"])],
            ..DefinitionsChange::default()
        };
        fixture.state.apply(&change, "ada").await.expect("it is valid");
        let dates = fixture.state.definition_dates().await.expect("dates can be read");
        assert_eq!(dates.targets[&id("crm")].changed_at.as_microsecond(), 5, "it was not changed");
        assert_eq!(dates.executions[&all].created_at.as_microsecond(), 5, "it keeps its date");
        assert!(dates.executions[&all].changed_at > first.executions[&all].created_at);
        fixture.execute("UPDATE executions SET created_at = NULL, set_at = NULL").await;
        let dates = fixture.state.definition_dates().await.expect("dates can be read");
        assert!(dates.executions.is_empty(), "from before dates were kept");
    })
    .await;
}
