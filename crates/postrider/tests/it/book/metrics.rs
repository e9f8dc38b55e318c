//! `reference/metrics.md` has every figure that a daemon exposes, with its type, unit and labels, and no other.

use std::collections::{BTreeMap, BTreeSet};

use test_support::{Push, Receiver, Stamp, TestDatabase, ask, eventually};

use super::page;
use crate::proof::{
    daemon::{Daemon, House},
    hands_scene::{ADDED, failed_are, push, push_to},
};

/// What is known of a figure.
#[derive(PartialEq, Eq, Debug, Default)]
struct Figure {
    kind: String,
    in_seconds: bool,
    labels: BTreeSet<String>,
}

async fn scrape(daemon: &Daemon) -> String {
    let log = daemon.log();
    let line = log.lines().rfind(|line| line.contains("health and metrics are here")).expect("it says where");
    let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address");
    let answer = ask(address, "GET /metrics", &[], "").await.expect("it answers");
    assert_eq!(answer.status, 200);
    answer.body
}

/// The names of the labels of a sample.
fn labels(sample: &str) -> impl Iterator<Item = String> {
    let inner = sample.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inner, _)| inner);
    inner.split("\",").filter_map(|label| label.split_once("=\"")).map(|(name, _)| name.to_owned())
}

fn exposed(text: &str) -> BTreeMap<String, Figure> {
    let mut figures: BTreeMap<String, Figure> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a name and a type");
        let sample = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        // A family that has nothing to tell yet has its type all the same.
        let of_it = text.lines().filter(|line| {
            let rest = line.strip_prefix(name).unwrap_or("#");
            !rest.starts_with('#')
                && ["{", " ", "_total", "_bucket", "_sum", "_count"].iter().any(|end| rest.starts_with(end))
        });
        let of_it: Vec<_> = of_it.collect();
        assert!(!of_it.is_empty(), "the scene does not bring about {name}");
        let labels = of_it.iter().flat_map(|sample| labels(sample)).filter(|label| label != "le").collect();
        let in_seconds = text.contains(&format!("# UNIT {name} seconds"));
        figures.insert(sample, Figure { kind: kind.to_owned(), in_seconds, labels });
    }
    figures
}

fn documented() -> BTreeMap<String, Figure> {
    let page = page("reference/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `postrider_")).map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [name, kind, unit, labels, tells, ..] = &cells[..] else { panic!("{line}") };
        assert!(tells.len() > 10, "{line}");
        let labels = labels.split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        let figure = Figure { kind: (*kind).to_owned(), in_seconds: *unit == "seconds", labels };
        (format!("postrider_{}", name.trim_end_matches('`')), figure)
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_is_in_the_reference_and_no_other() {
    let database = TestDatabase::create().await;
    database.zitadel().await;
    let receiver =
        Receiver::start(
            |_, arrival| if arrival.key().aggregate_id.as_str().starts_with("bad") { 500.into() } else { 200.into() },
        );
    let mut house = House::new(&database.url());
    house.show_figures();
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    push(&database, ADDED, 3).await;
    push_to(&database, "bad1", ADDED).await;
    let daemon = house.start();
    failed_are(&house, &[("bad1", "parked", 5)]).await;
    assert_eq!(daemon.stop().await, 0);

    // What was parked is kept no longer; another one is parked, and somebody is writing.
    house.add("[retention]\nparked = \"1ms\"");
    let daemon = house.start();
    failed_are(&house, &[]).await;
    push_to(&database, "bad2", ADDED).await;
    failed_are(&house, &[("bad2", "parked", 5)]).await;
    let mut open = database.pool().begin().await.expect("a transaction can begin");
    Push::to("user", "slow").event(ADDED).run(Stamp::Now, &mut open).await.expect("it writes");
    push_to(&database, "quick", ADDED).await;
    let text = eventually("there is a figure of everything", async || {
        let text = scrape(&daemon).await;
        let wanted =
            ["postrider_horizon_holder_seconds{", "postrider_failed_events{", "postrider_retention_removed_total{"];
        wanted.iter().all(|figure| text.contains(figure)).then_some(text)
    })
    .await;
    assert_eq!(exposed(&text), documented());
    open.rollback().await.expect("it goes");
    assert_eq!(daemon.stop().await, 0);
}
