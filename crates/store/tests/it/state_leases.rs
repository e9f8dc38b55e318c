//! Workers, their sessions, and who has which target.

use std::{collections::BTreeMap, time::Duration};

use domain::TargetId;
use postrider_store::{Look, Session, Standing, WorkerId};
use test_support::eventually;

use crate::state_support::{Fixture, connect, id, join, on_both};

const MINUTE: Duration = Duration::from_mins(1);

async fn renew(fixture: &Fixture, session: &Session) -> bool {
    fixture.state.renew(session, MINUTE).await.expect("it can be asked for")
}

async fn look(fixture: &Fixture, session: &Session) -> Look {
    fixture.state.look(session).await.expect("it can be looked")
}

async fn take(fixture: &Fixture, session: &Session, targets: &[&str]) -> Vec<TargetId> {
    let targets: Vec<_> = targets.iter().map(|name| id(name)).collect();
    let mut taken = fixture.state.take(session, &targets).await.expect("targets can be leased");
    taken.sort();
    taken
}

/// Who has leased what, as `crm: a, billing: b`.
async fn holders(fixture: &Fixture) -> String {
    let holders = fixture.state.crowd().await.expect("leases can be read").holders;
    let one =
        |(target, worker): (&TargetId, &WorkerId)| format!("{}: {worker}", target.as_str().trim_end_matches("-id"));
    holders.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn a_worker_that_joins_is_known_and_renewed_until_it_leaves() {
    on_both(async |fixture| {
        assert!(fixture.state.workers().await.expect("they can be read").is_empty());
        let session = fixture.join("a").await;
        let worker = fixture.worker("a").await;
        assert_eq!((worker.info.host.as_str(), worker.info.pid, worker.epoch), ("here", 1, session.epoch));
        assert!(worker.is_live() && !worker.runs_too_long());
        let left = worker.expires_in.as_secs();
        assert!((30..=60).contains(&left), "{left}");
        assert_eq!(worker.lease_duration, MINUTE);
        assert!(fixture.state.renew(&session, Duration::from_mins(10)).await.expect("it can be renewed"));
        assert!(fixture.worker("a").await.expires_in.as_secs() > 500);
        fixture.state.leave(&session).await.expect("it can leave");
        let worker = fixture.worker("a").await;
        assert_eq!(worker.standing, Standing::Left);
        assert!(!worker.is_live() && !worker.expires_in.is_positive(), "{:?}", worker.expires_in);
        assert!(!renew(fixture, &session).await);
    })
    .await;
}

#[tokio::test]
async fn each_target_is_leased_to_one_worker() {
    on_both(async |fixture| {
        fixture.define(&["crm", "audit", "billing"]).await;
        let (a, b) = (fixture.join("a").await, fixture.join("b").await);
        assert_eq!(take(fixture, &a, &["crm", "billing", "crm"]).await, [id("billing"), id("crm")]);
        assert_eq!(take(fixture, &b, &["audit", "billing"]).await, [id("audit")]);
        assert_eq!(holders(fixture).await, "audit: b, billing: a, crm: a");
        assert_eq!(fixture.worker("a").await.targets, 2);
        let give = async |session, name| fixture.state.give_back(session, &[id(name)]).await;
        give(&b, "crm").await.expect("it is another's, and stays so");
        give(&a, "crm").await.expect("it can be given back");
        assert_eq!(holders(fixture).await, "audit: b, billing: a");
        assert_eq!(take(fixture, &b, &["crm"]).await, [id("crm")]);
        fixture.state.leave(&a).await.expect("it can leave");
        assert_eq!(holders(fixture).await, "audit: b, crm: b");
        fixture.state.leave(&a).await.expect("there is nothing to give back");
        assert_eq!(take(fixture, &a, &["billing"]).await, [], "its session has ended");
        give(&a, "audit").await.expect("nothing happens");
        assert_eq!(holders(fixture).await, "audit: b, crm: b");
    })
    .await;
}

#[tokio::test]
async fn a_session_that_expired_goes_on_unless_it_was_buried() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let session = fixture.lease("a", &["crm"]).await;
        let fresh = fixture.worker("a").await;
        assert!(!fixture.state.bury(&fresh).await.expect("it is asked for"), "nobody is buried alive");
        fixture.expire("a").await;
        let expired = fixture.worker("a").await;
        assert!(expired.is_at_work() && !expired.is_live());
        assert_eq!(take(fixture, &session, &["crm"]).await, [], "while it is expired nothing is done for it");
        assert!(renew(fixture, &session).await, "nobody has buried it");
        assert_eq!(holders(fixture).await, "crm: a");
        assert!(!fixture.state.bury(&expired).await.expect("it is asked for"), "it was renewed since");

        fixture.bury("a").await;
        assert!(!renew(fixture, &session).await);
        assert_eq!(fixture.worker("a").await.standing, Standing::Expired);
        assert_eq!(holders(fixture).await, "");
        let dead = fixture.worker("a").await;
        assert!(!fixture.state.bury(&dead).await.expect("it is asked for"), "once is enough");
        fixture.state.leave(&session).await.expect("nothing happens");
        assert_eq!(fixture.worker("a").await.standing, Standing::Expired);

        let again = fixture.join("a").await;
        assert!(again.epoch > session.epoch + 1 && renew(fixture, &again).await);
        assert!(!renew(fixture, &session).await);
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_joins_again_begins_with_nothing() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let first = fixture.lease("a", &["crm"]).await;
        let second = fixture.join("a").await;
        assert_eq!(holders(fixture).await, "");
        assert!(!renew(fixture, &first).await && renew(fixture, &second).await);
        assert_eq!(take(fixture, &first, &["crm"]).await, []);
        assert_eq!(take(fixture, &second, &["crm"]).await, [id("crm")]);
    })
    .await;
}

#[tokio::test]
async fn whoever_comes_or_goes_is_seen_by_the_others_and_a_renewal_is_not() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let a = fixture.join("a").await;
        let mut version = look(fixture, &a).await.membership;
        let mut changes = async |what: &str, changes: bool| {
            let now = look(fixture, &a).await.membership;
            assert_eq!(now > version, changes, "{what}");
            version = now;
        };
        let b = fixture.lease("b", &["crm"]).await;
        changes("joined", true).await;
        assert!(renew(fixture, &b).await);
        changes("renewed", false).await;
        fixture.state.give_back(&b, &[id("crm")]).await.expect("it can be given back");
        changes("gave back", true).await;
        fixture.state.give_back(&b, &[id("crm")]).await.expect("there is nothing");
        changes("gave nothing back", false).await;
        fixture.state.withdraw(&b).await.expect("it can be said");
        changes("withdrew", true).await;
        assert_eq!(fixture.worker("b").await.standing, Standing::Leaving);
        assert!(renew(fixture, &b).await, "calls in flight go on");
        fixture.state.leave(&b).await.expect("it can leave");
        changes("left", true).await;
        fixture.join("c").await;
        changes("joined", true).await;
        fixture.bury("c").await;
        changes("was buried", true).await;
    })
    .await;
}

#[tokio::test]
async fn a_lease_of_another_that_ran_out_or_runs_too_long_is_seen() {
    on_both(async |fixture| {
        let a = fixture.join("a").await;
        fixture.join("b").await;
        assert!(!look(fixture, &a).await.doubtful);
        fixture.expire("a").await;
        assert!(!look(fixture, &a).await.doubtful, "nobody buries himself");
        fixture.expire("b").await;
        assert!(look(fixture, &a).await.doubtful);
        fixture.bury("b").await;
        assert!(!look(fixture, &a).await.doubtful, "once is enough");

        let c = fixture.join("c").await;
        fixture.execute("UPDATE workers SET expires_at = expires_at + 10800000000 WHERE id = 'c'").await;
        assert!(look(fixture, &a).await.doubtful);
        let seen = fixture.worker("c").await;
        assert!(seen.runs_too_long() && seen.is_live());
        assert!(renew(fixture, &c).await, "a renewal mends it");
        assert!(!fixture.worker("c").await.runs_too_long());
        assert!(!fixture.state.bury(&seen).await.expect("it is asked for"), "it was renewed since");
        fixture.execute("UPDATE workers SET expires_at = expires_at + 10800000000 WHERE id = 'c'").await;
        let seen = fixture.worker("c").await;
        assert!(fixture.state.bury(&seen).await.expect("it can be buried"));
        assert!(!renew(fixture, &c).await);
        assert!(!fixture.worker("c").await.expires_in.is_positive());
    })
    .await;
}

#[tokio::test]
async fn only_live_workers_are_named_as_serving_a_target() {
    on_both(async |fixture| {
        fixture.define(&["crm", "audit"]).await;
        fixture.lease("a", &["crm"]).await;
        fixture.lease("b", &["audit"]).await;
        fixture.expire("a").await;
        let serving = fixture.state.holders().await.expect("they can be read");
        assert_eq!(serving, BTreeMap::from([(id("audit"), WorkerId("b".to_owned()))]));
        assert_eq!(fixture.worker("a").await.targets, 1, "until it is buried");
    })
    .await;
}

#[tokio::test]
async fn daemons_that_were_killed_are_buried_where_a_lock_proves_that_they_are_gone() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let killed = fixture.lease("killed", &["crm"]).await;
        let lock = fixture.state.lock_daemon().expect("nobody runs");
        fixture.state.bury_everybody(&lock).await.expect("they can be buried");
        let next = fixture.join("next").await;
        let alone = !fixture.is_postgres();
        assert_eq!(!take(fixture, &next, &["crm"]).await.is_empty(), alone, "on PostgreSQL only time proves it");
        assert_eq!(renew(fixture, &killed).await, !alone);
    })
    .await;
}

#[tokio::test]
async fn workers_that_ended_are_forgotten_after_a_day() {
    on_both(async |fixture| {
        for name in ["old", "older", "working"] {
            fixture.join(name).await;
        }
        fixture.bury("older").await;
        let old = Session { worker: WorkerId("old".to_owned()), epoch: 1 };
        fixture.state.leave(&old).await.expect("it can leave");
        fixture.execute("UPDATE workers SET seen_at = seen_at - 86500000000 WHERE id <> 'old'").await;
        fixture.join("new").await;
        let workers = fixture.state.workers().await.expect("they can be read");
        let mut names: Vec<_> = workers.iter().map(|worker| worker.id.0.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["new", "old", "working"]);
    })
    .await;
}

/// What another transaction does to a worker while a claim is under way.
async fn check_meeting(fixture: &Fixture, meanwhile: &str, claims: bool) {
    let Some(database) = fixture.postgres_database() else { return };
    let before = fixture.cursor("crm", "one").await;
    let session = fixture.lease("a", &["crm"]).await;
    let mut other = database.connection("meanwhile").await;
    let begin = format!("SET search_path TO postrider; BEGIN; {meanwhile}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(&mut other).await.expect("nobody holds the row");
    let give_way = async {
        if !claims {
            eventually("the claim waits", async || {
                let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                     AND datname = current_database()";
                (fixture.number(waiting).await > 0).then_some(())
            })
            .await;
            sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("it is made");
        }
    };
    let (crm, instance) = (id("crm"), "one".into());
    let claim = async {
        let claimed = fixture.state.claim(&session, &crm, &instance);
        tokio::time::timeout(Duration::from_secs(10), claimed).await.expect("it does not wait for ever")
    };
    let (claim, ()) = tokio::join!(claim, give_way);
    assert_eq!(claim.expect("it can be asked for").is_some(), claims);
    if !claims {
        assert_eq!(fixture.cursor("crm", "one").await, before);
    }
}

#[tokio::test]
async fn a_claim_that_meets_a_burial_comes_too_late() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        let burial = "SELECT id FROM workers FOR UPDATE; UPDATE workers SET epoch = epoch + 1; DELETE FROM leases;";
        check_meeting(fixture, burial, false).await;
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_meets_the_return_of_its_lease_comes_too_late() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        check_meeting(fixture, "DELETE FROM leases;", false).await;
    })
    .await;
}

#[tokio::test]
async fn claims_and_renewals_do_not_wait_for_each_other() {
    on_both(async |fixture| {
        fixture.define(&["crm"]).await;
        check_meeting(fixture, "UPDATE workers SET expires_at = expires_at + 1;", true).await;
    })
    .await;
}

#[tokio::test]
async fn of_many_who_want_the_same_targets_each_target_goes_to_one() {
    on_both(async |fixture| {
        let names: Vec<String> = (0..40).map(|number| format!("t{number:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        fixture.define(&names).await;
        let mut wanting = Vec::new();
        for (worker, backwards) in [("a", false), ("b", true), ("c", false), ("d", true)] {
            let state = connect(&fixture.url).await;
            let mut wanted: Vec<_> = names.iter().map(|name| id(name)).collect();
            if backwards {
                wanted.reverse();
            }
            wanting.push(async move {
                let session = join(&state, worker).await;
                state.take(&session, &wanted).await.expect("nobody waits in a circle")
            });
        }
        let got = futures_util::future::join_all(wanting).await;
        let mut all: Vec<_> = got.into_iter().flatten().collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 40);
        let held = fixture.state.crowd().await.expect("leases can be read").holders;
        assert_eq!(held.len(), 40);
    })
    .await;
}
