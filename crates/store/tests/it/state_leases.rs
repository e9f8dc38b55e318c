//! The lease.

use std::time::Duration;

use test_support::eventually;

use crate::state_support::{acquire, connect, id, on_both};

#[tokio::test]
async fn one_worker_holds_the_lease_until_it_gives_it_back() {
    on_both(async |fixture| {
        assert_eq!(fixture.state.leader().await.expect("it can be read"), None);
        let first = fixture.lease("a").await;
        assert_eq!(acquire(&fixture.state, "b").await, None);
        let leader = fixture.state.leader().await.expect("it can be read").expect("there is one");
        assert_eq!((&leader.worker, leader.host.as_str(), leader.pid), (&first.worker, "here", 1));
        assert!(leader.expires_in > Duration::from_secs(30) && leader.expires_in <= Duration::from_mins(1));
        assert!(fixture.state.renew(&first, Duration::from_mins(1)).await.expect("it can be renewed"));
        fixture.state.release(&first).await.expect("it can be given back");
        assert_eq!(fixture.state.leader().await.expect("it can be read"), None);
        let second = fixture.lease("b").await;
        assert!(second.epoch > first.epoch);
        assert!(!fixture.state.renew(&first, Duration::from_mins(1)).await.expect("it can be asked for"));
        fixture.state.release(&first).await.expect("there is nothing to give back");
        assert_eq!(acquire(&fixture.state, "a").await, None, "the second one still holds it");
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_expired_is_renewed_until_another_takes_it() {
    on_both(async |fixture| {
        let first = fixture.lease("a").await;
        fixture.expire_lease().await;
        assert_eq!(fixture.state.leader().await.expect("it can be read"), None);
        assert!(fixture.state.renew(&first, Duration::from_mins(1)).await.expect("nobody has taken it"));
        fixture.expire_lease().await;
        let second = fixture.lease("b").await;
        assert_eq!(second.epoch, first.epoch + 1);
        assert!(!fixture.state.renew(&first, Duration::from_mins(1)).await.expect("it can be asked for"));
    })
    .await;
}

#[tokio::test]
async fn the_lease_of_a_daemon_that_was_killed_ends_where_a_lock_proves_that_it_is_gone() {
    on_both(async |fixture| {
        fixture.lease("killed").await;
        let lock = fixture.state.lock_daemon().expect("nobody runs");
        fixture.state.end_dead_lease(&lock).await.expect("it can be ended");
        let alone = !fixture.is_postgres();
        assert_eq!(acquire(&fixture.state, "next").await.is_some(), alone, "on PostgreSQL only time proves it");
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_acquires_again_ends_its_earlier_lease() {
    on_both(async |fixture| {
        let first = fixture.lease("a").await;
        let second = fixture.lease("a").await;
        assert!(!fixture.state.renew(&first, Duration::from_mins(1)).await.expect("it can be asked for"));
        assert!(fixture.state.renew(&second, Duration::from_mins(1)).await.expect("it can be renewed"));
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_meets_a_take_over_comes_too_late() {
    on_both(async |fixture| {
        let Some(database) = fixture.postgres_database() else { return };
        fixture.define(&["crm"]).await;
        let before = fixture.cursor("crm", "one").await;
        let lease = fixture.lease("a").await;
        let mut other = database.connection("take-over").await;
        let take_over = "BEGIN; UPDATE postrider.leases SET worker_id = 'b', epoch = epoch + 1";
        sqlx::raw_sql(take_over).execute(&mut other).await.expect("nobody holds the row");
        let give_way = async {
            eventually("the claim waits for the lease", async || {
                let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                     AND datname = current_database()";
                (fixture.number(waiting).await > 0).then_some(())
            })
            .await;
            sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("the take-over is made");
        };
        let instance = "one".into();
        let crm = id("crm");
        let (claim, ()) = tokio::join!(fixture.state.claim(&lease, &crm, &instance), give_way);
        assert_eq!(claim.expect("it can be asked for"), None);
        assert_eq!(fixture.cursor("crm", "one").await, before);
    })
    .await;
}

#[tokio::test]
async fn of_many_who_want_the_lease_one_gets_it() {
    on_both(async |fixture| {
        let mut wanting = Vec::new();
        for worker in ["a", "b", "c", "d"] {
            let state = connect(&fixture.url).await;
            wanting.push(async move { acquire(&state, worker).await });
        }
        let got = futures_util::future::join_all(wanting).await;
        assert_eq!(got.iter().flatten().count(), 1);
    })
    .await;
}
