//! The log of attempts.

use std::time::Duration;

use domain::{OutcomeKind, TargetId};
use postrider_store::{Attempt, AttemptFilter, AttemptId, DefinitionsChange, RecordedAttempt};

use crate::state_support::{Fixture, at, id, key, on_both};

/// An attempt that failed, begun so many seconds after some time.
pub fn attempt(name: &str, seconds: i64) -> Attempt {
    Attempt {
        target_id: id(name),
        instance_id: "one".into(),
        key: key(101),
        event_type: "user.human.added".into(),
        attempt: 3,
        outcome: OutcomeKind::Failed,
        status: Some(500),
        error: Some("crm.example.com answered 500".to_owned()),
        answer: Some("no such tenant".to_owned()),
        started_at: at(seconds),
        duration: Duration::from_micros(12_345),
    }
}

pub async fn record(fixture: &Fixture, attempts: &[Attempt]) {
    fixture.state.record_attempts(attempts).await.expect("attempts can be written down");
}

pub async fn listed(fixture: &Fixture, filter: &AttemptFilter) -> Vec<RecordedAttempt> {
    fixture.state.attempts(filter).await.expect("attempts can be listed")
}

pub fn any() -> AttemptFilter {
    AttemptFilter { target: None, instance: None, outcome: None, event: None, limit: 1000 }
}

#[tokio::test]
async fn attempts_are_read_back_the_latest_first() {
    on_both(async |fixture| {
        fixture.define(&["crm", "billing"]).await;
        let delivered = Attempt {
            outcome: OutcomeKind::Delivered,
            status: None,
            error: None,
            answer: None,
            instance_id: "two".into(),
            ..attempt("crm", 2)
        };
        record(fixture, &[attempt("crm", 1), delivered.clone(), attempt("billing", 3)]).await;
        let all = listed(fixture, &any()).await;
        let names: Vec<_> = all.iter().map(|recorded| recorded.target.as_str()).collect();
        assert_eq!(names, ["billing", "crm", "crm"]);
        assert_eq!(all[1].attempt, delivered);
        let without_answer = Attempt { answer: None, ..attempt("crm", 1) };
        assert_eq!(all[2].attempt, without_answer, "a list is without what was answered");
        let one = fixture.state.attempt(all[2].id).await.expect("it can be read");
        assert_eq!(one.map(|one| one.attempt), Some(attempt("crm", 1)));
        assert_eq!(fixture.state.attempt(AttemptId(4711)).await.expect("it can be asked for"), None);

        for (filter, expected) in [
            (AttemptFilter { target: Some(id("crm")), ..any() }, &all[1..]),
            (AttemptFilter { instance: Some("two".into()), ..any() }, &all[1..2]),
            (AttemptFilter { outcome: Some(OutcomeKind::Delivered), ..any() }, &all[1..2]),
            (AttemptFilter { limit: 1, ..any() }, &all[..1]),
        ] {
            assert_eq!(listed(fixture, &filter).await, expected, "{filter:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_an_endpoint_answers_spoils_nothing_and_a_target_that_is_gone_is_not_missed() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let odd =
            Attempt { error: Some("a\0b".to_owned()), answer: Some("\0\u{1f600}'\\".to_owned()), ..attempt("crm", 1) };
        let mut many: Vec<_> = (2..700).map(|seconds| attempt("crm", seconds)).collect();
        many.extend([odd, attempt("nobody", 5000)]);
        record(fixture, &many).await;
        let all = listed(fixture, &any()).await;
        assert_eq!(all.len(), 699);
        let odd = fixture.state.attempt(all[698].id).await.expect("it can be read").expect("it is there").attempt;
        assert_eq!(odd.error.as_deref(), Some("a\u{fffd}b"));
        assert_eq!(odd.answer.as_deref(), Some("\u{fffd}\u{1f600}'\\"));
    })
    .await;
}

#[tokio::test]
async fn attempts_of_a_removed_target_are_listed() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        record(fixture, &[attempt("crm", 1)]).await;
        let gone: TargetId = id("crm");
        let executions = vec![("event".parse().expect("it is a condition"), None)];
        let change = DefinitionsChange {
            remove_targets: vec![gone],
            remove_executions: executions,
            ..DefinitionsChange::default()
        };
        fixture.state.apply(&change, "test").await.expect("it can be removed");
        assert_eq!(listed(fixture, &any()).await[0].target.as_str(), "crm");
    })
    .await;
}
