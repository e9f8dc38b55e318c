//! What is settled ahead of a cursor, and what a target denies to those behind it.

use domain::{
    Ahead, CursorId, EventKey, FailedChange, FailedStatus, Gate, GateTarget, GateVerdict, Settlement, Target,
};
use postrider_store::DefinitionsChange;

use crate::state_support::{Fixture, failed, id, key, on_both, settlement, target};

fn crm() -> GateTarget {
    GateTarget { id: id("crm"), name: "crm".into(), paused: false }
}

async fn read(fixture: &Fixture) -> (Option<CursorId>, Gate) {
    let read = fixture.state.gates(&[(id("crm"), "one".into())], |_| false).await;
    let Some((cursor, denied)) = read.expect("gates can be read").pop() else { return (None, Gate::default()) };
    let denied = denied.expect("nothing was known");
    (Some(cursor.id), Gate { cursor: Some(cursor.key), ahead: cursor.ahead, denied })
}

async fn commit(fixture: &Fixture, settlements: &[Settlement]) {
    let cursor = fixture.cursor("crm", "one").await;
    let group: Vec<_> = settlements.iter().map(|each| (cursor.id, cursor.epoch, each.clone())).collect();
    assert_eq!(fixture.state.commit(&group, None).await.expect("a group can be committed"), []);
}

fn denies(position: i64, denied: &[i64]) -> Settlement {
    Settlement { denied: denied.iter().map(|at| key(*at)).collect(), ..settlement(position) }
}

#[track_caller]
fn verdicts(gate: &Gate, positions: &[i64]) -> String {
    let word = |at: &i64| match gate.verdict(&crm(), &key(*at)) {
        GateVerdict::Passed => '+',
        GateVerdict::Denied(_) => '-',
        GateVerdict::Unknown(_) | GateVerdict::Unasked => '?',
    };
    positions.iter().map(word).collect()
}

#[tokio::test]
async fn what_is_settled_ahead_is_read_back_and_replaced_by_the_next_commit() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let ahead = Ahead { to: key(109), open: vec![key(102), key(107)] };
        commit(fixture, &[Settlement { ahead: Some(ahead.clone()), ..settlement(101) }]).await;
        let cursor = fixture.cursor("crm", "one").await;
        assert_eq!(cursor.ahead, Some(ahead));
        assert!(cursor.has_settled(&key(101)) && cursor.has_settled(&key(103)));
        assert!(!cursor.has_settled(&key(102)) && !cursor.has_settled(&key(110)));
        commit(fixture, &[settlement(109)]).await;
        assert_eq!(fixture.cursor("crm", "one").await.ahead, None);
    })
    .await;
}

#[tokio::test]
async fn a_gate_that_has_no_cursor_has_settled_nothing() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let (cursor, gate) = read(fixture).await;
        assert_eq!((cursor, gate.cursor.clone()), (None, None));
        assert_eq!(verdicts(&gate, &[1]), "?");
    })
    .await;
}

#[tokio::test]
async fn many_gates_are_read_at_once_and_what_is_known_of_one_is_not_read_again() {
    on_both(async |fixture| {
        fixture.define(&["crm", "erp"]).await;
        let places: Vec<_> =
            ["crm", "erp"].into_iter().flat_map(|name| ["one", "two"].map(|at| (id(name), at.into()))).collect();
        assert!(fixture.state.gates(&places, |_| false).await.expect("gates can be read").is_empty());
        commit(fixture, &[denies(102, &[101])]).await;
        let other = fixture.cursor("erp", "two").await;
        let mut read = fixture.state.gates(&places, |cursor| cursor.id == other.id).await.expect("gates can be read");
        read.sort_by_key(|(cursor, _)| cursor.target_id != id("crm"));
        let [(crm, Some(denied)), (erp, None)] = read.as_slice() else { panic!("two have a cursor, not: {read:?}") };
        assert!(crm.key == key(102) && denied.has(&key(101)) && !denied.has(&key(102)));
        assert_eq!(erp, &other);
    })
    .await;
}

#[tokio::test]
async fn everything_that_was_denied_in_a_group_is_kept_and_nothing_twice() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        commit(fixture, &[denies(102, &[101]), denies(104, &[104])]).await;
        commit(fixture, &[denies(106, &[104, 106])]).await;
        let (cursor, gate) = read(fixture).await;
        assert!(cursor.is_some());
        assert_eq!(verdicts(&gate, &[101, 102, 103, 104, 105, 106, 107]), "-++-+-?");
        assert_eq!(fixture.number("SELECT count(*) FROM denials").await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_fenced_gate_denies_nothing() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let cursor = fixture.cursor("crm", "one").await;
        fixture.execute("UPDATE cursors SET epoch = epoch + 1").await;
        let group = [(cursor.id, cursor.epoch, denies(102, &[101]))];
        assert_eq!(fixture.state.commit(&group, None).await.expect("it is dropped"), [cursor.id]);
        assert_eq!(fixture.number("SELECT count(*) FROM denials").await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_a_target_gave_up_is_denied_once_it_interrupts_and_forgotten_once_it_does_not() {
    on_both(async |fixture| {
        let interrupts = async |interrupt_on_error| {
            let crm = Target { interrupt_on_error, ..target("crm") };
            let change = DefinitionsChange { targets: vec![crm], ..DefinitionsChange::default() };
            fixture.state.apply(&change, "test").await.expect("the definitions are valid");
        };
        interrupts(false).await;
        let put = |at, status| FailedChange::Put(failed(at, status, 5));
        let gave_up =
            vec![put(101, FailedStatus::Parked), put(103, FailedStatus::Interrupted), put(105, FailedStatus::Retrying)];
        commit(fixture, &[Settlement { failed: gave_up, ..denies(104, &[101, 103]) }]).await;
        assert_eq!(fixture.number("SELECT count(*) FROM denials").await, 0, "nobody waits for it");
        interrupts(true).await;
        assert_eq!(verdicts(&read(fixture).await.1, &[101, 102, 103, 104, 105]), "-+-+?");
        interrupts(false).await;
        assert_eq!(fixture.number("SELECT count(*) FROM denials").await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_everybody_has_passed_is_forgotten() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        commit(fixture, &[denies(106, &[101, 104, 106])]).await;
        let (cursor, _) = read(fixture).await;
        let passed: EventKey = key(104);
        fixture.state.forget_denials(cursor.expect("there is one"), &passed).await.expect("they can be forgotten");
        let (_, gate) = read(fixture).await;
        assert_eq!(verdicts(&gate, &[106]), "-");
        assert_eq!(fixture.number("SELECT count(*) FROM denials").await, 1);
    })
    .await;
}
