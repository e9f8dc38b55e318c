//! What operators' machines ask a running daemon: health, readiness, figures.

use std::time::Duration;

use test_support::{PrivatePostgres, Receiver, ask, eventually};

use super::{
    daemon::House,
    hands_scene::{ADDED, all_arrive, failed_are, push, push_to},
};
use crate::admin::scene::address;

/// The status and the body of a GET.
async fn get(address: &str, path: &str) -> Option<(u16, String)> {
    ask(address, &format!("GET {path}"), &[], "").await.map(|answer| (answer.status, answer.body))
}

/// The value of a figure, by the beginning of its line.
fn figure(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_figures_say_how_things_stand() {
    let mut server = PrivatePostgres::start().await;
    let database = server.database().await;
    database.zitadel().await;
    let receiver = Receiver::refusing("bad");
    let mut house = House::new(&database.url());
    house.show_figures();
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    let written = push(&database, ADDED, 20).await;
    push_to(&database, "bad", ADDED).await;
    let daemon = house.start();
    let address = address(&daemon).await;
    all_arrive(&receiver, &written).await;
    failed_are(&house, &[("bad", "parked", 5)]).await;
    assert_eq!(get(&address, "/healthz").await, Some((200, "ok\n".to_owned())));
    assert_eq!(get(&address, "/readyz").await, Some((200, "ready\n".to_owned())));

    let wanted = [
        ("postrider_deliveries_total{target=\"crm\",outcome=\"delivered\"} ", 20.0),
        ("postrider_deliveries_total{target=\"crm\",outcome=\"failed\"} ", 5.0),
        ("postrider_delivery_seconds_count{target=\"crm\"} ", 25.0),
        ("postrider_failed_events{target=\"crm\",status=\"parked\"} ", 1.0),
        ("postrider_oldest_unsettled_seconds{target=\"crm\"} ", 0.0),
        ("postrider_holds{target=\"crm\"} ", 0.0),
        ("postrider_leads ", 1.0),
        ("postrider_leased_targets ", 1.0),
        ("postrider_horizon_delay_seconds ", 0.0),
    ];
    // Failed events are counted every five seconds.
    let mut metrics = String::new();
    let agreed = eventually("the figures are these", async || {
        (_, metrics) = get(&address, "/metrics").await?;
        wanted.iter().all(|(name, value)| figure(&metrics, name) == Some(*value)).then_some(())
    });
    let agreed = tokio::time::timeout(Duration::from_secs(15), agreed).await;
    assert!(agreed.is_ok(), "the figures are\n{metrics}");
    assert!(figure(&metrics, "postrider_commits_total ").is_some_and(|commits| commits >= 1.0), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");

    receiver.down();
    push(&database, ADDED, 1).await;
    eventually("the hold is among the figures", async || {
        let (_, metrics) = get(&address, "/metrics").await?;
        let held = figure(&metrics, "postrider_holds{target=\"crm\"} ") == Some(1.0);
        (held && figure(&metrics, "postrider_oldest_unsettled_seconds{target=\"crm\"} ")? > 0.0).then_some(())
    })
    .await;
    // An endpoint in trouble is no reason to restart a daemon.
    assert_eq!(get(&address, "/readyz").await.map(|(status, _)| status), Some(200));
    receiver.up();

    server.stop();
    let reason = eventually("the daemon is not ready", async || {
        let (status, reason) = get(&address, "/readyz").await?;
        (status == 503).then_some(reason)
    })
    .await;
    eprintln!("not ready, because: {reason}");
    assert!(reason.contains("failed to"), "{reason}");
    assert_eq!(get(&address, "/healthz").await.map(|(status, _)| status), Some(200));
    server.start_again().await;
    eventually("the daemon is ready again", async || (get(&address, "/readyz").await?.0 == 200).then_some(())).await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_has_no_targets_is_ready_and_takes_over() {
    let mut server = PrivatePostgres::start().await;
    let database = server.database().await;
    database.zitadel().await;
    let receiver = Receiver::ok();
    let mut house = House::new(&database.url());
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    let first = house.start();
    first.says("this daemon has joined").await;
    house.show_figures();
    let second = house.start();
    let address = address(&second).await;
    let leads = async || figure(&get(&address, "/metrics").await?.1, "postrider_leads ");
    let leased = async || figure(&get(&address, "/metrics").await?.1, "postrider_leased_targets ");
    eventually("the second has joined", async || (leads().await == Some(1.0)).then_some(())).await;
    assert_eq!(get(&address, "/readyz").await, Some((200, "ready\n".to_owned())));
    assert_eq!(leased().await, Some(0.0));
    server.stop();
    let ready = async || Some(get(&address, "/readyz").await?.0);
    eventually("it is not ready", async || (ready().await == Some(503)).then_some(())).await;
    server.start_again().await;
    eventually("it is ready again", async || (ready().await == Some(200)).then_some(())).await;
    assert_eq!(first.stop().await, 0);
    eventually("the second has the target", async || (leased().await == Some(1.0)).then_some(())).await;
    assert_eq!(second.stop().await, 0);
}
