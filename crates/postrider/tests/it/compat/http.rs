//! What a daemon serves: its figures, and the description of its API.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::Value;
use test_support::{Behaviour, Push, Receiver, Stamp, TestDatabase, ask, eventually, run_sql};

use crate::{
    admin::scene::{Scene, address},
    proof::daemon::House,
};

use super::pin;

/// Labels whose values are words of ours, and not names.
const WORDS: [&str; 3] = ["outcome", "status", "what"];

/// Something of every kind that is kept no longer.
const OLD: &str = "
    INSERT INTO targets (id, name, kind, endpoint, timeout, interrupt_on_error, ordering, max_in_flight, start, start_position,
        headers, excluded, payload, payload_encoding, paused, source, created_at, updated_at, removed_at)
    VALUES ('gone', 'gone', 'webhook', 'http://127.0.0.1:9/', 1000000, 0, 'strict', 1, 'now', '0',
        '{}', '[]', 'full', 'base64', 0, 'api', 1, 1, 1);
    INSERT INTO cursors (target_id, instance_id, epoch, position, in_tx_order, event_instance_id, aggregate_type, aggregate_id,
        sequence, parked_in_a_row, generation, last_updated, state)
    VALUES ('gone', 'one', 1, '1', 0, 'one', 'user', 'a', 1, 0, 0, 1, 'live');
    INSERT INTO failed_events (cursor_id, position, in_tx_order, event_instance_id, aggregate_type, aggregate_id, sequence,
        event_type, failure_count, status, error, first_failed, last_failed)
    SELECT id, '1', 0, 'one', 'user', 'a', 1, 'user.added', 5, 'parked', 'refused', 1, 1 FROM cursors;
    INSERT INTO deliveries (target_id, event_instance_id, position, in_tx_order, aggregate_type, aggregate_id, sequence,
        event_type, attempt, outcome, started_at, duration)
    VALUES ('gone', 'one', '1', 0, 'user', 'a', 1, 'user.added', 1, 'failed', 1, 1);
    INSERT INTO audit (at, actor, act) VALUES (1, 'ada', 'pause');
    INSERT INTO web_keys (id, private_key, public_key, created_at, active_at, retired_at) VALUES ('old', '', '', 1, 1, 1);";

#[tokio::test(flavor = "multi_thread")]
async fn figures_have_the_names_types_and_labels_that_they_had() {
    let database = TestDatabase::create_icu().await;
    database.zitadel().await;
    let receiver = Receiver::start(|number, _| if number == 0 { Behaviour::from(400) } else { 200.into() });
    let mut house = House::new(&database.url());
    house.show_figures();
    house.add("max_failure_count = 1");
    house.target("crm", &receiver, "");
    house.execution("{ all = true }", &["crm"]);
    let _ = house.cli(&["migrate"]);
    run_sql(&database.url(), OLD).await;
    let events = Push::to("user", "a").event("user.added").event("user.removed");
    database.push(Stamp::Clock, &events).await;
    let daemon = house.start();
    let address = address(&daemon).await;
    receiver.wait_for(2).await;
    let mut writer = database.pool().begin().await.expect("a transaction can begin");
    events.run(Stamp::Clock, &mut writer).await.expect("it is pushed and not committed");
    let wanted = ["postrider_failed_events{", "what=\"web_keys\"", "postrider_horizon_holder_seconds{"];
    let figures = eventually("there is a figure of every kind", async || {
        let figures = ask(&address, "GET /metrics", &[], "").await?.body;
        wanted.iter().all(|part| figures.contains(part)).then_some(figures)
    });
    pin::check("metrics.txt", &names(&figures.await));
}

/// Families with type and unit, then the names of their samples with the labels, and with the values that are words.
fn names(figures: &str) -> String {
    let mut samples: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    let mut families = BTreeMap::new();
    for line in figures.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            if let (Some(kind @ ("TYPE" | "UNIT")), Some(name), Some(value)) =
                (words.next(), words.next(), words.next())
            {
                let family: &mut Vec<String> = families.entry(name.to_owned()).or_default();
                family.push(format!("{} {value}", kind.to_lowercase()));
            }
            continue;
        }
        let (name, rest) = line.split_once(['{', ' ']).expect("a sample has a value");
        let labels = samples.entry(name.to_owned()).or_default();
        let Some((inside, _)) = rest.rsplit_once('}') else { continue };
        for label in inside.split("\",") {
            let (label, value) = label.split_once("=\"").expect("a label has a value");
            let values = labels.entry(label.to_owned()).or_default();
            if WORDS.contains(&label) {
                values.insert(value.trim_end_matches('"').to_owned());
            }
        }
    }
    let mut text = String::new();
    for (family, what) in families {
        writeln!(text, "{family}: {}", what.join(", ")).expect("a string takes it");
    }
    for (sample, labels) in samples {
        let labels: Vec<String> = labels
            .into_iter()
            .map(|(label, values)| {
                let values: Vec<_> = values.into_iter().collect();
                if values.is_empty() { label } else { format!("{label}={}", values.join("|")) }
            })
            .collect();
        writeln!(text, "  {sample}{{{}}}", labels.join(", ")).expect("a string takes it");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_the_api_is_the_one_that_it_was() {
    let scene = Scene::sqlite("").await;
    let mut description = scene.get("/openapi.json").await.good();
    without_words(&mut description);
    let text = serde_json::to_string_pretty(&description).expect("JSON can be printed");
    pin::check("openapi.json", &format!("{text}\n"));
}

/// What is only said to people may be said better at any time, and the version is another one with every release.
fn without_words(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                !(matches!(name.as_str(), "description" | "summary" | "version") && value.is_string())
            });
            fields.values_mut().for_each(without_words);
        }
        Value::Array(values) => values.iter_mut().for_each(without_words),
        _ => {}
    }
}
