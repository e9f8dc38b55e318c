//! The alert rules and the dashboard in `deploy/`, against what a daemon really shows and what the command line really takes.
//! That the alerts fire is shown by `scripts/test-alerts`.

use std::collections::{BTreeMap, BTreeSet};

use domain::{FailedStatus, OutcomeKind};
use serde_json::Value;
use test_support::{Push, Receiver, Stamp, TestDatabase, ask, eventually};

use crate::{admin::scene::address, proof::daemon::House, stored::stored};

const RULES: &str = include_str!("../../../../deploy/prometheus/rules.yml");
const DASHBOARD: &str = include_str!("../../../../deploy/grafana/postrider.json");

/// What Prometheus itself adds to every series, or shows as text of an alert.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];

/// The labels of each figure on a page.
type Page = BTreeMap<String, BTreeSet<String>>;

fn page_of(text: &str) -> Page {
    let mut page = Page::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().expect("a line begins with something");
        let labels = page.entry(name.to_owned()).or_default();
        labels.extend(selectors(line).map(|(label, _)| label));
    }
    page
}

/// `label="value"` wherever it stands in a text, however the two are compared.
fn selectors(text: &str) -> impl Iterator<Item = (String, Vec<String>)> {
    text.split(['{', ',']).filter_map(|part| {
        let (label, value) = part.split_once('=')?;
        let value = value.trim_start_matches('~').strip_prefix('"')?.split('"').next()?;
        let label = label.trim().trim_end_matches('!');
        let is_label = !label.is_empty() && label.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
        is_label.then(|| (label.to_owned(), value.split('|').map(str::to_owned).collect()))
    })
}

/// The names that stand behind each of these marks.
fn names_behind(text: &str, mark: &str) -> BTreeSet<String> {
    let is_name = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    text.split(mark).skip(1).map(|rest| rest.chars().take_while(is_name).collect()).collect()
}

/// What stands in the round brackets behind each `by`.
fn grouped_by(text: &str) -> BTreeSet<String> {
    let lists = text.split(" by (").skip(1).filter_map(|rest| rest.split(')').next());
    lists.flat_map(|list| list.split(',').map(|label| label.trim().to_owned())).collect()
}

/// Every name and label in an expression, and in the text that is written with what it gives, is on the page.
#[track_caller]
fn assert_is_there(page: &Page, expression: &str, shown: &BTreeSet<String>) {
    let figures: BTreeSet<_> =
        names_behind(expression, "postrider_").into_iter().map(|rest| format!("postrider_{rest}")).collect();
    let mut labels: BTreeSet<&str> = OF_PROMETHEUS.into();
    for figure in &figures {
        let of = page.get(figure).unwrap_or_else(|| panic!("no daemon shows {figure}: {expression}"));
        labels.extend(of.iter().map(String::as_str));
    }
    assert!(!figures.is_empty() || expression.contains("up{"), "{expression} is about nothing");
    for (label, values) in selectors(expression) {
        assert!(labels.contains(label.as_str()), "{figures:?} has no label {label}: {expression}");
        for value in values {
            let is_known = match label.as_str() {
                "status" => value.parse::<FailedStatus>().is_ok(),
                "outcome" => value.parse::<OutcomeKind>().is_ok(),
                "store" => ["event_store", "state"].contains(&value.as_str()),
                _ => true,
            };
            assert!(is_known, "{label} is never {value}: {expression}");
        }
    }
    for label in grouped_by(expression).union(shown) {
        assert!(labels.contains(label.as_str()), "{figures:?} has no label {label}: {expression}");
    }
}

/// What a daemon shows that had reason to show everything: events delivered and parked, and a transaction that is open.
async fn page() -> Page {
    let database = TestDatabase::create_icu().await;
    database.zitadel().await;
    let receiver = Receiver::refusing("bad");
    let mut house = House::new(&database.url());
    house.show_figures();
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    let push = |user: &str| Push::to("user", user).event("user.human.added");
    for user in ["good", "bad"] {
        database.push(Stamp::Clock, &push(user)).await;
    }
    let _ = house.cli(&["migrate"]);
    let daemon = house.start();
    let address = address(&daemon).await;
    eventually("an event is parked", async || {
        let parked = house.json(&["failed", "list", "--status", "parked"]);
        (parked.as_array()?.len() == 1).then_some(())
    })
    .await;
    // A daemon that has only just begun would read nothing beside this transaction.
    let mut writer = database.pool().begin().await.expect("a transaction begins");
    push("open").run(Stamp::Clock, &mut writer).await.expect("it is pushed");
    database.push(Stamp::Clock, &push("behind")).await;
    eventually("the daemon shows everything", async || {
        let page = page_of(&ask(&address, "GET /metrics", &[], "").await?.body);
        let wanted =
            ["postrider_failed_events", "postrider_horizon_holder_seconds", "postrider_oldest_unsettled_seconds"];
        wanted.iter().all(|name| page.contains_key(*name)).then_some(page)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_in_the_rules_and_on_the_dashboard_is_one_that_a_daemon_shows() {
    let page = page().await;
    let alerts: Vec<_> = RULES.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10, "the rules were split wrongly");
    for alert in &alerts {
        let expression = alert.lines().find_map(|line| line.trim().strip_prefix("expr: ")).expect("it has one");
        assert_is_there(&page, expression, &names_behind(alert, "$labels."));
        for text in ["summary: ", "description: ", "action: ", "severity: "] {
            assert!(alert.contains(text), "an alert says nothing under {text}: {alert}");
        }
    }
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("the dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let queries: Vec<_> = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten().collect();
    assert!(queries.len() > 15, "the dashboard was read wrongly");
    for query in queries {
        let expression = query["expr"].as_str().expect("it has one");
        assert_is_there(&page, expression, &names_behind(query["legendFormat"].as_str().unwrap_or_default(), "{{"));
    }
    for variable in dashboard["templating"]["list"].as_array().expect("it has variables") {
        let Some(query) = variable["definition"].as_str() else { continue };
        let label = query.trim_end_matches(')').rsplit(", ").next().expect("it names a label").to_owned();
        assert_is_there(&page, query, &[label].into());
    }
}

#[test]
fn every_command_that_an_alert_names_is_one_that_the_command_line_takes() {
    let place = stored(1);
    let quoted = RULES.split('`').skip(1).step_by(2);
    let commands: BTreeSet<_> = quoted.filter_map(|command| command.strip_prefix("postrider ")).collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let command = command.replace("{{ $labels.target }}", "demo");
        let done = place.run(&command.split(' ').collect::<Vec<_>>());
        assert_ne!(done.code, 2, "postrider {command}: {}", done.err);
    }
}
