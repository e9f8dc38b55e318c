//! Event stores in SQLite files.

use bytes::Bytes;
use domain::{EventKey, Position, Row};
use postrider_store::{EventStore, HorizonSource, NewEvent, SCAN_BOUND};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::events_support::{Ask, event, keys, payload, refusal, zitadel};

async fn store() -> (TempDir, EventStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = EventStore::create_sqlite(&folder.path().join("events.db")).await.expect("it is created");
    (folder, store)
}

fn url(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("events.db").display())
}

async fn execute(folder: &TempDir, sql: &str) {
    let mut connection = SqliteConnection::connect(&url(folder)).await.expect("it is opened");
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect("the test's SQL is right");
}

fn new(aggregate: &str, event_type: &str, payload: Option<&str>) -> NewEvent {
    NewEvent {
        instance_id: "i1".into(),
        aggregate_type: "t".into(),
        aggregate_id: aggregate.into(),
        event_type: event_type.into(),
        revision: Some(1),
        payload: payload.map(|text| Bytes::copy_from_slice(text.as_bytes())),
        creator: "c".to_owned(),
        owner: "o".to_owned(),
    }
}

#[tokio::test]
async fn what_is_appended_is_read_in_order_as_it_was_written() {
    let (folder, store) = store().await;
    assert_eq!(store.source(), HorizonSource::Sequence);
    assert_eq!(store.probe().await.expect("it is asked").head, Position::ZERO);
    let odd = r#"{ "b":1, "a":"\u0000💌", "n":123456789012345678901234567890.50 }"#;
    let written = store
        .append(&[new("a", "x.added", Some(odd)), new("b", "x.added", None), new("a", "x.changed", Some("null"))])
        .await
        .expect("it is appended");
    assert_eq!(written.iter().map(|key| key.sequence).collect::<Vec<_>>(), [1, 1, 2]);
    let reopened = EventStore::connect(&zitadel(url(&folder))).await.expect("it is opened");
    let page = Ask::on("i1").page(&reopened).await;
    assert_eq!(keys(&page.rows), written);
    assert!(!page.more);
    assert_eq!(payload(&page.rows[0]), Some(odd));
    assert_eq!(payload(&page.rows[1]), None);
    assert_eq!(payload(&page.rows[2]), Some("null"));
    assert_eq!(event(&page.rows[0]).revision, Some(1));
    let probe = reopened.probe().await.expect("it is asked");
    assert_eq!(probe.head, written[2].position);
    assert!(probe.writers.is_empty());
    assert_eq!(reopened.event(&written[1]).await.expect("it is asked").as_ref(), Some(&*page.rows[1]));
    assert!(reopened.check().await.is_ok());
}

#[tokio::test]
async fn appending_is_all_or_none() {
    let (_folder, store) = store().await;
    let error = store.append(&[new("a", "x.added", None), new("a", "x.added", Some("{oops"))]).await;
    assert!(error.is_err());
    assert!(Ask::on("i1").page(&store).await.rows.is_empty());
}

#[tokio::test]
async fn pages_are_bounded_and_filtered_as_elsewhere() {
    let (_folder, store) = store().await;
    let big = format!("\"{}\"", "x".repeat(100_000));
    let events: Vec<_> =
        (0..30).map(|n| new("a", if n % 3 == 0 { "user.human.added" } else { "userx.added" }, Some(&big))).collect();
    let written = store.append(&events).await.expect("it is appended");
    for limit in [1, 4, 30] {
        assert_eq!(keys(&Ask::on("i1").limit(limit).all(&store).await.0), written);
    }
    let (rows, pages) = Ask { max_bytes: 250_000, ..Ask::on("i1") }.all(&store).await;
    assert_eq!(rows.len(), 30);
    assert!(pages.iter().all(|page| page.rows.len() <= 3));
    let filtered = Ask::on("i1").types(&[], &["user"]);
    assert_eq!(filtered.all(&store).await.0.len(), 10);
    let filtered = Ask::on("i1").types(&["userx.added"], &["user.human.added"]);
    assert_eq!(store.count(&filtered.request(), 1000).await.expect("it is counted"), 20);
    let census = async |ask: &Ask, cap| store.census(&ask.request(), cap).await.expect("it is counted");
    let [human, userx] = ["user.human.added", "userx.added"].map(|name| Some(domain::EventType::from(name)));
    assert_eq!(census(&Ask::on("i1"), 1000).await, [(human, 10), (userx.clone(), 20)]);
    assert_eq!(census(&filtered, 1000).await, [(userx, 20)]);
    let none = Ask::on("i1").types(&["none"], &[]).page(&store).await;
    assert!(none.rows.is_empty() && !none.more);
    assert_eq!(none.end.as_ref(), written.last());
    let middle = Ask { after: EventKey::before(written[9].position), ..Ask::on("i1") };
    assert_eq!(*middle.page(&store).await.rows[0].key(), written[9]);
    let middle = Ask { after: EventKey::after(written[9].position), ..Ask::on("i1") };
    assert_eq!(*middle.page(&store).await.rows[0].key(), written[10]);
}

#[tokio::test]
async fn what_is_new_is_found_by_instance_and_time() {
    let (_folder, store) = store().await;
    let mut events = vec![new("a", "x", None), new("b", "x", None)];
    events[1].instance_id = "i2".into();
    store.append(&events).await.expect("it is appended");
    let known = [("i1".into(), Position::from_integer(1)), ("i2".into(), Position::from_integer(1))];
    assert_eq!(store.fresh(&known).await.expect("it is asked"), ["i2".into()]);
    assert_eq!(store.instances().await.expect("it is asked"), ["i1".into(), "i2".into()]);
    let past = "2020-01-01T00:00:00Z".parse().expect("a time");
    let future = "2999-01-01T00:00:00Z".parse().expect("a time");
    assert_eq!(store.recent_instances(past).await.expect("it is asked").len(), 2);
    assert_eq!(store.recent_instances(future).await.expect("it is asked").len(), 0);
    assert_eq!(store.position_at(past).await.expect("it is asked"), Position::from_integer(1));
    assert_eq!(store.position_at(future).await.expect("it is asked"), Position::from_integer(3));
}

#[tokio::test]
async fn rows_that_cannot_be_read_stand_in_the_way() {
    let (folder, store) = store().await;
    store.append(&[new("a", "x", Some("{}")), new("b", "x", None), new("c", "x", None)]).await.expect("it is appended");
    execute(&folder, "UPDATE events2 SET payload = '{oops' WHERE position = 1; UPDATE events2 SET created_at = 'then' WHERE position = 2").await;
    let rows = Ask::on("i1").page(&store).await.rows;
    let reasons: Vec<_> = rows
        .iter()
        .map(|row| match &**row {
            Row::Broken(row) => row.reason.as_str(),
            Row::Event(_) => "whole",
        })
        .collect();
    assert_eq!(reasons, ["payload is no JSON", "created_at is no RFC 3339 time", "whole"]);
    execute(&folder, "UPDATE events2 SET event_type = x'00ff' WHERE position = 3").await;
    let filtered = Ask::on("i1").types(&["another"], &["group"]).page(&store).await;
    assert_eq!(filtered.rows.len(), 1, "without a type it may concern everybody");
    assert!(matches!(&*filtered.rows[0], Row::Broken(row) if row.event_type.is_none()));
}

#[tokio::test]
async fn a_filtered_read_looks_at_a_bounded_number_of_rows_and_says_where_it_got_to() {
    let (folder, store) = store().await;
    let rows = SCAN_BOUND * 2 + 50;
    execute(
        &folder,
        &format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
             INSERT INTO events2 (position, instance_id, aggregate_type, aggregate_id, event_type, sequence, created_at, creator, owner)
             SELECT n, 'i1', 't', 'a', CASE WHEN n = {rows} - 5 THEN 'rare.added' ELSE 'usual.added' END, n,
                '2025-03-27T10:22:43.000000Z', 'c', 'o' FROM n"
        ),
    )
    .await;
    let (found, pages) = Ask::on("i1").types(&[], &["rare"]).limit(200).all(&store).await;
    assert_eq!(found.len(), 1);
    let ends: Vec<_> = pages.iter().map(|page| page.end.as_ref().map(|key| key.position.to_string())).collect();
    assert_eq!(ends, [Some("10000".to_owned()), Some("20000".to_owned()), Some("20050".to_owned())]);
    assert_eq!(pages.iter().map(|page| page.more).collect::<Vec<_>>(), [true, true, false]);
    assert!(pages.iter().all(|page| page.end_date.is_some()), "the time of a row that was only looked at is known");
}

#[tokio::test]
async fn a_file_without_events_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.db");
    assert!(EventStore::connect(&zitadel(url(&folder))).await.is_err(), "there is no file");
    assert!(!path.exists(), "connecting makes no file");
    SqliteConnection::connect(&format!("{}?mode=rwc", url(&folder))).await.expect("an empty file");
    execute(&folder, "CREATE TABLE t (a)").await;
    assert!(refusal(zitadel(url(&folder))).await.contains("events2"));
}

#[tokio::test]
async fn looking_ahead_counts_the_rows_of_the_instance() {
    let (_folder, store) = store().await;
    let other = NewEvent { instance_id: "i2".into(), ..new("b", "x.added", None) };
    let written = [new("a", "x.added", None), other, new("a", "x.changed", None), new("a", "x.removed", None)];
    let written = store.append(&written).await.expect("it is appended");
    let last = written[3].position;
    for (behind, up_to, rows, expected) in [
        (Position::ZERO, last, 2, Some(written[2].position)),
        (Position::ZERO, last, 3, Some(last)),
        (Position::ZERO, last, 4, None),
        (Position::ZERO, written[2].position, 3, None),
        (written[0].position, last, 1, Some(written[2].position)),
    ] {
        let found = store.position_ahead(&"i1".into(), behind, up_to, rows).await.expect("it is asked");
        assert_eq!(found, expected, "{rows} rows behind {behind} up to {up_to}");
    }
}
