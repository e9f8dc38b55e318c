//! A state of every version that there was is brought up to date by `postrider migrate`, with everything that was in it, and a
//! daemon goes on from there.
//!
//! What a state holds is in `tests/compat/state`: a file for every version of the schema, with what became possible by it, on both
//! databases. What a later schema has thrown away is in a file named by the last version that had it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{Receiver, TestDatabase, create_state, eventually, run_sql, texts};

use crate::proof::daemon::House;

use super::pin;

/// Tables whose rows a migration was meant to throw away, and which one it was.
const MADE_ANEW: [(&str, i64); 1] = [("leases", 3)];

const EVENTS: &str = "
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10)
    INSERT INTO events2 (instance_id, aggregate_type, aggregate_id, event_type, sequence, created_at, creator, owner)
    SELECT 'one', iif(n % 2, 'user', 'org'), 'a' || n, iif(n % 2, 'user.human.added', 'org.added'), 1,
        '2026-01-01T00:00:' || printf('%02d', n) || '.000000Z', '', '' FROM n;";

/// A state of an earlier version, an event store that goes on beside it, and a receiver of everything.
struct Scene {
    version: i64,
    house: House,
    state: String,
    receiver: Receiver,
    _database: Option<TestDatabase>,
    _folder: TempDir,
}

fn migrations(kind: &str) -> PathBuf {
    pin::folder().join("../../migrations").join(kind)
}

/// The versions of the schema, the first one first.
fn versions() -> Vec<i64> {
    let names = fs::read_dir(migrations("sqlite")).expect("there are migrations");
    let names = names.map(|entry| entry.expect("a folder can be read").file_name().into_string().expect("plain names"));
    let mut versions: Vec<i64> =
        names.map(|name| name[..4].parse().unwrap_or_else(|_| panic!("{name} has no number"))).collect();
    versions.sort_unstable();
    versions
}

impl Scene {
    async fn of(version: i64, database: Option<TestDatabase>) -> Self {
        let receiver = Receiver::ok();
        let folder = tempfile::tempdir().expect("there is room");
        let file = |name: &str| format!("sqlite://{}/{name}", folder.path().display());
        run_sql(&format!("{}?mode=rwc", file("events.db")), include_str!("../../../../../tests/events.sql")).await;
        run_sql(&file("events.db"), EVENTS).await;
        let (state, kind) = match &database {
            Some(database) => (database.url(), "postgres"),
            None => (file("state.db"), "sqlite"),
        };
        let creating = if kind == "sqlite" { format!("{state}?mode=rwc") } else { state.clone() };
        create_state(&creating, &migrations(kind), version).await;
        for known in versions() {
            let read = |name: String| fs::read_to_string(pin::folder().join("state").join(name)).ok();
            let until = read(format!("until-{known}.sql")).filter(|_| known >= version);
            let since = (known <= version).then(|| {
                read(format!("since-{known}.sql")).unwrap_or_else(|| {
                    panic!(
                        "tests/compat/state/since-{known}.sql is missing: put into it what a state can hold since migration \
                         {known}, or a comment that says why there is nothing"
                    )
                })
            });
            for sql in [since, until].into_iter().flatten() {
                run_sql(&state, &sql.replace("ENDPOINT", &receiver.url_of(""))).await;
            }
        }
        let mut house = House::new(&file("events.db"));
        house.add(&format!("[state]\nurl = \"{state}\"\nmaster_key = \"{}\"", "c".repeat(64)));
        // The rows are old.
        house.add("[retention]\nparked = \"1000y\"\ndeliveries = \"1000y\"\naudit = \"1000y\"\nremoved = \"1000y\"");
        Self { version, house, state, receiver, _database: database, _folder: folder }
    }

    /// Every row of every table: the table, and for each column its text.
    async fn rows(&self) -> BTreeMap<String, Vec<BTreeMap<String, String>>> {
        let columns = if self.state.starts_with("sqlite:") {
            "SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '_sqlx%'"
        } else {
            "SELECT table_name::text, column_name::text FROM information_schema.columns
             WHERE table_schema = 'postrider' AND table_name NOT LIKE '_sqlx%'"
        };
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for column in texts(&self.state, columns).await {
            tables.entry(column[0].clone()).or_default().push(column[1].clone());
        }
        let mut rows = BTreeMap::new();
        for (table, columns) in tables {
            let casts: Vec<_> = columns.iter().map(|column| format!("CAST({column} AS TEXT)")).collect();
            let found = texts(&self.state, &format!("SELECT {} FROM {table}", casts.join(", "))).await;
            let found = found.into_iter().map(|row| columns.iter().cloned().zip(row).collect());
            rows.insert(table, found.collect());
        }
        rows
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.house.json(arguments)
    }

    /// What a target has received, as position and attempt.
    fn received(&self, target: &str) -> Vec<String> {
        let path = format!("/{target}");
        let arrivals = self.receiver.arrivals();
        let arrivals = arrivals.iter().filter(|arrival| arrival.path == path);
        let shown = arrivals.map(|arrival| {
            format!("{}#{}", arrival.key().position, arrival.header("postrider-attempt").unwrap_or_default())
        });
        shown.collect()
    }

    async fn receives(&self, target: &str, expected: &[&str]) {
        eventually(&format!("{target} has received {expected:?}"), async || {
            (self.received(target).len() >= expected.len()).then_some(())
        })
        .await;
        let mut received = self.received(target);
        if target == "ldap" {
            // Its aggregates are served side by side.
            received.sort();
        }
        assert_eq!(received, expected, "from version {}", self.version);
    }

    async fn settled(&self) {
        eventually("everything is settled", async || {
            let cursors = self.json(&["cursor", "list", "--count"]);
            cursors.as_array()?.iter().all(|cursor| cursor["lag_events"] == 0).then_some(())
        })
        .await;
    }
}

/// Nothing is lost: whatever stood in a column stands in it still.
async fn is_brought_up_to_date(scene: &Scene, newest: i64) {
    let before = scene.rows().await;
    assert!(before["failed_events"].len() >= 3 && before["audit"].len() == 1, "{before:?}");
    let migrated = scene.json(&["migrate"]);
    assert_eq!(migrated, json!({ "from": scene.version, "to": newest }));
    let after = scene.rows().await;
    for (table, rows) in before {
        if MADE_ANEW.iter().any(|(gone, by)| *gone == table && scene.version < *by) {
            continue;
        }
        let columns = rows.first().map(|row| row.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let of_before = |row: &BTreeMap<String, String>| -> Vec<String> {
            columns.iter().map(|column| row.get(column).cloned().unwrap_or_else(|| "(gone)".to_owned())).collect()
        };
        let sorted = |rows: &[BTreeMap<String, String>]| {
            let mut rows: Vec<_> = rows.iter().map(of_before).collect();
            rows.sort();
            rows
        };
        let now = after.get(&table).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(sorted(now), sorted(&rows), "{table}, from version {}; the columns are {columns:?}", scene.version);
    }
}

/// The commands show what was there.
fn is_shown(scene: &Scene) {
    let names = |command: &[&str], fields: &[&str]| -> Vec<String> {
        let list = scene.json(command);
        let of = |line: &Value| {
            fields.iter().map(|field| line[field].to_string().replace('"', "")).collect::<Vec<_>>().join(" ")
        };
        list.as_array().expect("it is a list").iter().map(of).collect()
    };
    assert_eq!(
        names(&["target", "list"], &["name", "type", "ordering", "start", "source"]),
        [
            "audit call strict beginning api",
            "crm webhook strict beginning file",
            "ldap webhook aggregate 2026-01-01T00:00:00Z api"
        ]
    );
    assert_eq!(names(&["execution", "list"], &["condition", "instance"]), ["event null", "event/user.human.* one"]);
    assert_eq!(
        names(&["cursor", "list"], &["target", "position", "in_tx_order"]),
        ["audit 1 0", "crm 4 0", "ldap 6 0"]
    );
    let mut failed = vec!["crm 2 parked 5", "crm 5 retrying 2", "ldap 3 parked 5"];
    if scene.version >= 2 {
        failed.push("ldap 7 retrying 1");
    }
    assert_eq!(names(&["failed", "list"], &["target", "position", "status", "failure_count"]), failed);
    assert_eq!(scene.json(&["cursor", "show", "old-id"])[0]["position"], "3");
    assert_eq!(scene.json(&["cursor", "show", "ldap"])[0]["generation"], 2);
    assert_eq!(scene.json(&["delivery", "list"]).as_array().map(Vec::len), Some(2));
    assert_eq!(scene.json(&["audit"])[0]["reason"], "looked at");
    let tokens = usize::from(scene.version >= 5);
    assert_eq!(scene.json(&["token", "list"]).as_array().map(Vec::len), Some(tokens));
}

/// A daemon sends what was left, and nothing that was settled.
async fn is_gone_on_with(scene: &Scene) {
    let daemon = scene.house.start();
    scene.receives("crm", &["5#3", "6#1", "7#1", "8#1", "9#1", "10#1"]).await;
    // What was settled ahead of the cursor is not sent again.
    let ldap: &[&str] = if scene.version >= 2 { &["7#2"] } else { &["7#1", "9#1"] };
    scene.receives("ldap", ldap).await;
    let first = |path| scene.receiver.arrivals().into_iter().find(|arrival| arrival.path == path).expect("it came");
    let of_crm = first("/crm");
    assert_eq!((of_crm.header("postrider-previous-position"), of_crm.header("x-tenant")), (Some("4/0"), Some("acme")));
    of_crm.verify(&["the key of crm".into()]).expect("it is signed with the key that was there");
    // Since the second schema that one is encrypted.
    first("/ldap").verify(&["the key of ldap".into()]).expect("it is signed with the key that was there");

    // By hand, what was parked; and what was paused, and since the second schema halted.
    let retried = scene.json(&["failed", "retry", "crm", "--all"]);
    assert_eq!(retried["retried"], 1);
    scene.receives("crm", &["5#3", "6#1", "7#1", "8#1", "9#1", "10#1", "2#6"]).await;
    assert_eq!(scene.received("audit"), Vec::<String>::new());
    let _ = scene.house.cli(&["target", "resume", "audit"]);
    if scene.version >= 2 {
        assert_eq!(scene.json(&["cursor", "show", "audit"])[0]["halt"], "looked at");
        let _ = scene.house.cli(&["cursor", "unhalt", "audit"]);
    }
    scene.receives("audit", &["2#1", "3#1", "4#1", "5#1", "6#1", "7#1", "8#1", "9#1", "10#1"]).await;
    scene.settled().await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(scene.received("old"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_every_earlier_version_is_gone_on_with_on_sqlite() {
    let versions = versions();
    for version in &versions {
        upgrade(Scene::of(*version, None).await, &versions).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_every_earlier_version_is_gone_on_with_on_postgresql() {
    let versions = versions();
    for version in &versions {
        upgrade(Scene::of(*version, Some(TestDatabase::create_icu().await)).await, &versions).await;
    }
}

async fn upgrade(scene: Scene, versions: &[i64]) {
    println!("from version {}", scene.version);
    is_brought_up_to_date(&scene, *versions.last().expect("there are migrations")).await;
    is_shown(&scene);
    is_gone_on_with(&scene).await;
}
