//! What is stored arrives as it was stored; what cannot be read stands in the way and is not passed over.

use domain::Row;
use postrider_store::{Columns, EventStore};
use test_support::{CustomKind, TestDatabase};

use crate::events_support::{Ask, connected, custom, custom_with, event, payload, zitadel_store};

#[tokio::test]
async fn jsonb_payloads_arrive_as_the_database_prints_them() {
    let (db, store) = zitadel_store().await;
    db.execute(
        r#"INSERT INTO eventstore.events2
           SELECT 'i1', 't', 'a', 'x.y', n, 2, '2025-03-27 10:22:43.262665+00', p, 'creator', 'owner', n, 1
           FROM unnest(ARRAY[NULL, 'null', '{"n": 123456789012345678901234567890.5}', '"💌 \"é"', '[]',
               to_jsonb(repeat('x', 10000000))]::jsonb[]) WITH ORDINALITY AS x(p, n)"#,
    )
    .await;
    let rows = Ask::on("i1").page(&store).await.rows;
    assert_eq!(payload(&rows[0]), None);
    assert_eq!(payload(&rows[1]), Some("null"));
    assert_eq!(payload(&rows[2]), Some(r#"{"n": 123456789012345678901234567890.5}"#));
    assert_eq!(payload(&rows[3]), Some(r#""💌 \"é""#));
    assert_eq!(payload(&rows[4]), Some("[]"));
    assert_eq!(payload(&rows[5]).map(str::len), Some(10_000_002));
    let first = event(&rows[0]);
    assert_eq!(first.created_at.to_string(), "2025-03-27T10:22:43.262665Z");
    assert_eq!((first.revision, &*first.creator, &*first.owner), (Some(2), "creator", "owner"));
}

/// A custom table whose payload is of this type.
async fn store_with(kind: &str) -> (TestDatabase, EventStore) {
    let db = TestDatabase::create().await;
    db.custom(CustomKind::Serial).await;
    db.execute(&format!("ALTER TABLE app.events DROP COLUMN data; ALTER TABLE app.events ADD COLUMN data {kind}"))
        .await;
    let store = connected(custom(db.url())).await;
    (db, store)
}

async fn insert(db: &TestDatabase, payload: &str) {
    db.execute(&format!(
        "INSERT INTO app.events (stream_type, stream_id, name, version, data) VALUES ('t', 'a', 'x.y', 1, {payload})"
    ))
    .await;
}

#[tokio::test]
async fn json_and_text_payloads_arrive_byte_for_byte() {
    for kind in ["json", "text", "varchar(1000)"] {
        let (db, store) = store_with(kind).await;
        let stored = r#"{ "b":1,  "a":1.50, "a":"\u0000\ud83d\ude00", "n":123456789012345678901234567890e-5 }"#;
        insert(&db, &format!("'{stored}'")).await;
        insert(&db, "' null '").await;
        insert(&db, "NULL").await;
        let rows = Ask::on("").page(&store).await.rows;
        assert_eq!(payload(&rows[0]), Some(stored), "{kind}");
        assert_eq!(payload(&rows[1]), Some(" null "), "{kind}");
        assert_eq!(payload(&rows[2]), None, "{kind}");
    }
}

fn broken(row: &Row) -> &str {
    match row {
        Row::Broken(row) => &row.reason,
        Row::Event(event) => panic!("this row is broken: {event:?}"),
    }
}

#[tokio::test]
async fn text_and_bytes_that_are_no_json_stand_in_the_way() {
    for (kind, bad) in [("text", "'{oops'"), ("text", "''"), ("bytea", r"'\xff'"), ("bytea", r"'{}x'")] {
        let (db, store) = store_with(kind).await;
        insert(&db, bad).await;
        insert(&db, r#"'{"ok":true}'"#).await;
        let page = Ask::on("").page(&store).await;
        assert_eq!(broken(&page.rows[0]), "payload is no JSON", "{kind} {bad}");
        assert_eq!(page.rows[0].event_type().map(ToString::to_string), Some("x.y".to_owned()));
        assert_eq!(payload(&page.rows[1]), Some(r#"{"ok":true}"#));
    }
}

#[tokio::test]
async fn times_beyond_the_calendar_stand_in_the_way() {
    let (db, store) = zitadel_store().await;
    db.execute(
        "INSERT INTO eventstore.events2
         SELECT 'i1', 't', 'a', 'x.y', n, 2, at, NULL, 'c', 'o', n, 1
         FROM unnest(ARRAY['infinity', '-infinity', '200000-01-01', '1969-12-31 23:59:59.999999+00',
             '9999-01-01 00:00:00+00']::timestamptz[]) WITH ORDINALITY AS x(at, n)",
    )
    .await;
    let rows = Ask::on("i1").page(&store).await.rows;
    assert_eq!(broken(&rows[0]), "created_at is infinity");
    assert_eq!(broken(&rows[1]), "created_at is -infinity");
    assert_eq!(broken(&rows[2]), "created_at is out of range");
    assert_eq!(event(&rows[3]).created_at.to_string(), "1969-12-31T23:59:59.999999Z");
    assert_eq!(event(&rows[4]).created_at.to_string(), "9999-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_row_without_a_type_or_a_time_stands_in_the_way_of_every_filter() {
    let db = TestDatabase::create().await;
    db.execute(
        "CREATE TABLE log (position bigserial PRIMARY KEY, aggregate_type text, aggregate_id text, event_type text,
            sequence int, created_at timestamp, payload jsonb);
         INSERT INTO log (event_type, created_at) VALUES (NULL, now()), ('x.y', NULL), ('x.y', '2025-01-01')",
    )
    .await;
    let store = connected(custom_with(db.url(), "log", Columns::default())).await;
    let rows = Ask::on("").page(&store).await.rows;
    assert_eq!(broken(&rows[0]), "event_type is NULL");
    assert_eq!(broken(&rows[1]), "created_at is NULL");
    assert_eq!(event(&rows[2]).created_at.to_string(), "2025-01-01T00:00:00Z");
    let filtered = Ask::on("").types(&["other"], &[]).page(&store).await;
    assert_eq!(filtered.rows.len(), 1);
    assert_eq!(filtered.rows[0].event_type(), None);
}
