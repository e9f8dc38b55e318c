//! Reading in the order of the key, page by page, bounded in rows, bytes and rows looked at.

use std::time::Duration;

use domain::{EventKey, Position};
use postrider_store::{EventStore, SCAN_BOUND};
use test_support::TestDatabase;
use tokio::time::timeout;

use crate::events_support::{Ask, connected, far, keys, payload, zitadel, zitadel_store};

/// 60 events on three positions, told apart by every other part of the key, in names that collations disagree on.
const TIES: &str = "INSERT INTO eventstore.events2
    SELECT 'i1', t, a, 'user.human.added', s, 2, now(), NULL, 'c', 'o', 100 + p, x
    FROM generate_series(0, 2) p, unnest(ARRAY['b', 'B']) t, unnest(ARRAY['ä', 'z', 'Z', '_', 'a-b']) a,
         LATERAL (SELECT 1 + p AS s, p % 2 AS x UNION ALL SELECT 10 + p, 1) s
    ORDER BY random()";

async fn reads_in_order_whatever_the_page(db: TestDatabase) {
    db.zitadel().await;
    db.execute(TIES).await;
    let store = connected(zitadel(db.url())).await;
    let expected: Vec<EventKey> = db.zitadel_events().await.into_iter().map(|written| written.key).collect();
    assert_eq!(expected.len(), 60);
    for limit in [1, 2, 3, 7, 59, 60, 61] {
        let (rows, _) = Ask::on("i1").limit(limit).all(&store).await;
        assert_eq!(keys(&rows), expected, "pages of {limit}");
        let (rows, _) = Ask::on("i1").limit(limit).types(&["user.human.added"], &["org"]).all(&store).await;
        assert_eq!(keys(&rows), expected, "pages of {limit} of what matches");
        let (rows, pages) = Ask::on("i1").limit(limit).types(&["user.human"], &["org"]).all(&store).await;
        assert_eq!(rows, []);
        let end = pages.iter().rev().find_map(|page| page.end.as_ref());
        assert_eq!(end, expected.last(), "everything was passed");
    }
    // Two of the five names, so that every page has rows that match and rows that do not.
    db.execute("UPDATE eventstore.events2 SET event_type = 'org.added' WHERE aggregate_id IN ('ä', '_')").await;
    let some: Vec<_> = expected.into_iter().filter(|key| ["ä", "_"].contains(&key.aggregate_id.as_str())).collect();
    for limit in [1, 2, 3, 7, 23, 24, 25] {
        let (rows, _) = Ask::on("i1").limit(limit).types(&[], &["org"]).all(&store).await;
        assert_eq!(keys(&rows), some, "pages of {limit} of some");
    }
}

#[tokio::test]
async fn events_that_share_a_position_come_once_each_in_the_order_of_the_key() {
    reads_in_order_whatever_the_page(TestDatabase::create().await).await;
}

#[tokio::test]
async fn the_order_is_the_same_in_a_database_that_sorts_as_people_do() {
    reads_in_order_whatever_the_page(TestDatabase::create_icu().await).await;
}

#[tokio::test]
async fn a_page_ends_at_the_horizon_and_stays_on_its_instance() {
    let (db, store) = zitadel_store().await;
    db.execute(TIES).await;
    db.execute("INSERT INTO eventstore.events2 SELECT 'i2', 't', 'a', 'x.y', n, 2, now(), NULL, '', '', 100, 1 FROM generate_series(1, 5) n").await;
    let ask = Ask { up_to: Position::from_integer(101), ..Ask::on("i1") };
    let page = ask.page(&store).await;
    assert_eq!(page.rows.len(), 40);
    assert!(!page.more);
    assert!(page.identity.is_some_and(|identity| identity.timeline >= 1));
    let after = Ask { after: EventKey::after(Position::from_integer(100)), ..Ask::on("i1") };
    assert_eq!(after.page(&store).await.rows.len(), 40);
    let before = Ask { after: EventKey::before(Position::from_integer(101)), ..Ask::on("i1") };
    assert_eq!(before.page(&store).await.rows.len(), 40);
    assert_eq!(Ask::on("i2").page(&store).await.rows.len(), 5);
    let nobody = Ask::on("i3").page(&store).await;
    assert!(nobody.rows.is_empty() && nobody.end.is_none() && !nobody.more && nobody.identity.is_some());
}

#[tokio::test]
async fn a_position_is_read_exactly_as_it_is_written() {
    let (db, store) = zitadel_store().await;
    let positions = [
        "0.000001",
        "0.10",
        "0.100001",
        "1",
        "2.0",
        "9999",
        "9999.9999",
        "10000",
        "10000.0001",
        "100000000",
        "1732051234.5",
        "1732051234.567890",
        "1732051234.5678901",
        "99999999999999999999.12345678",
        "9999999999999999999999999999",
    ];
    for (number, position) in (1..).zip(positions) {
        let insert = format!(
            "INSERT INTO eventstore.events2
             SELECT 'i1', 't', 'a', 'user.human.added', {number}, 2, now(), NULL, 'c', 'o', {position}, 1"
        );
        db.execute(&insert).await;
    }
    let up_to: Position = positions[14].parse().expect("a position");
    let (rows, _) = Ask { up_to, ..Ask::on("i1") }.limit(4).all(&store).await;
    let read: Vec<_> = rows.iter().map(|row| row.key().position.to_string()).collect();
    assert_eq!(read, positions);
    let (rows, _) = Ask { up_to, ..Ask::on("i1") }.limit(4).types(&["user.human.added"], &[]).all(&store).await;
    assert_eq!(rows.len(), positions.len());
    for row in &rows {
        assert_eq!(store.event(row.key()).await.expect("it is asked").as_ref(), Some(&**row));
    }
    for beyond in ["'NaN'", "123456789012345678901234567890.5", "1e40"] {
        db.execute(&format!("UPDATE eventstore.events2 SET position = {beyond} WHERE position = 1")).await;
        // It lies behind every horizon, and is not read as anything else.
        let page = Ask { up_to, ..Ask::on("i1") }.page(&store).await;
        assert!(page.rows.iter().all(|row| row.key().sequence != 4), "{beyond}");
        db.execute("UPDATE eventstore.events2 SET position = 1 WHERE sequence = 4").await;
    }
}

const PAYLOADS: &str = "INSERT INTO eventstore.events2
    SELECT 'i1', 't', 'a', CASE WHEN n % 3 = 0 THEN 'big.added' ELSE 'small.added' END, n, 2, now(),
        jsonb_build_object('n', n, 'text', (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 3200))),
        'c', 'o', 1000 + n, 1
    FROM generate_series(1, 30) n";

#[tokio::test]
async fn a_page_is_bounded_in_bytes_and_has_at_least_one_row() {
    let (db, store) = zitadel_store().await;
    db.execute(PAYLOADS).await;
    for (max_bytes, most) in [(1, 1), (100_000, 1), (250_000, 3), (1_000_000, 10)] {
        let (rows, pages) = Ask { max_bytes, ..Ask::on("i1") }.all(&store).await;
        assert_eq!(rows.len(), 30);
        for page in pages {
            assert!(page.rows.len() <= most, "{} rows in {max_bytes} bytes", page.rows.len());
            assert!(page.bytes >= page.rows.len() * 100_000);
        }
    }
}

#[tokio::test]
async fn what_was_stored_small_and_becomes_large_is_bounded_too() {
    let (db, store) = zitadel_store().await;
    db.execute(
        "INSERT INTO eventstore.events2
         SELECT 'i1', 't', 'a', 'x.y', n, 2, now(), jsonb_build_object('n', repeat('a', 2000000)), 'c', 'o', n, 1
         FROM generate_series(1, 6) n",
    )
    .await;
    let (rows, pages) = Ask { max_bytes: 3_000_000, ..Ask::on("i1") }.all(&store).await;
    assert_eq!(rows.len(), 6);
    assert!(pages.iter().all(|page| page.rows.len() <= 2));
}

#[tokio::test]
async fn a_filtered_page_holds_what_can_match_and_nothing_else() {
    let (db, store) = zitadel_store().await;
    db.execute(
        "INSERT INTO eventstore.events2
         SELECT 'i1', 't', 'a', (ARRAY['user.human.added', 'user.human', 'user.humanoid.added', 'user_x.added', 'userix.added',
             'org.added', 'user.human.email.changed'])[n], n, 2, now(), to_jsonb(n), 'c', 'o', n, 1
         FROM generate_series(1, 7) n",
    )
    .await;
    let matching = async |types: &[&str], groups: &[&str]| {
        let (rows, _) = Ask::on("i1").types(types, groups).all(&store).await;
        rows.iter().map(|row| payload(row).expect("each has a payload").to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(matching(&[], &["user.human"]).await, "1 7");
    assert_eq!(matching(&["user.human", "org.added"], &[]).await, "2 6");
    assert_eq!(matching(&["org.added"], &["user.human"]).await, "1 6 7");
    assert_eq!(matching(&[], &["user_x"]).await, "4", "an underscore is not a wildcard");
    assert_eq!(matching(&[], &["%"]).await, "");
    assert_eq!(matching(&[], &[]).await, "");
    let everything = Ask { filter: Some(domain::TypeFilter { all: true, ..Default::default() }), ..Ask::on("i1") };
    assert_eq!(everything.page(&store).await.rows.len(), 7);
}

#[tokio::test]
async fn a_filtered_read_looks_at_a_bounded_number_of_rows_and_says_where_it_got_to() {
    let (db, store) = zitadel_store().await;
    let rows = SCAN_BOUND * 2 + 50;
    db.execute(&format!(
        "INSERT INTO eventstore.events2
         SELECT 'i1', 't', 'a', CASE WHEN n = {rows} - 5 THEN 'rare.added' ELSE 'usual.added' END, n, 2, now(), NULL, 'c', 'o', n, 1
         FROM generate_series(1, {rows}) n; ANALYZE eventstore.events2"
    ))
    .await;
    let (found, pages) = Ask::on("i1").types(&["rare.added"], &[]).limit(200).all(&store).await;
    assert_eq!(found.len(), 1);
    let ends: Vec<_> = pages.iter().map(|page| page.end.as_ref().map(|key| key.position.to_string())).collect();
    assert_eq!(ends, [Some("10000".to_owned()), Some("20000".to_owned()), Some("20050".to_owned())]);
    assert_eq!(pages.iter().map(|page| page.more).collect::<Vec<_>>(), [true, true, false]);

    let full = Ask::on("i1").types(&["usual.added"], &[]).limit(10).page(&store).await;
    assert_eq!(full.rows.len(), 10);
    assert_eq!(full.end.expect("there are rows"), *full.rows[9].key());
    assert!(full.more);
}

#[tokio::test]
async fn a_filtered_read_passes_more_rows_of_one_position_than_it_looks_at() {
    let (db, store) = zitadel_store().await;
    // One transaction of two and a half times as many, between others; every hundredth row is wanted.
    let many = SCAN_BOUND * 5 / 2;
    db.execute(&format!(
        "INSERT INTO eventstore.events2
         SELECT 'i1', 't', 'a', CASE WHEN n % 100 = 0 THEN 'rare.added' ELSE 'usual.added' END, n, 2, now(), NULL, 'c', 'o',
            CASE WHEN n <= 3000 THEN n WHEN n <= 3000 + {many} THEN 5000 ELSE n + 10000 END, n
         FROM generate_series(1, 6000 + {many}) n; ANALYZE eventstore.events2"
    ))
    .await;
    let expected: Vec<_> = (1..=(6_000 + many) / 100).map(|n| n * 100).collect();
    for limit in [7, 60, 1000] {
        let (rows, _) = Ask::on("i1").types(&["rare.added"], &[]).limit(limit).all(&store).await;
        let found: Vec<_> =
            rows.iter().map(|row| usize::try_from(row.key().sequence).expect("a small number")).collect();
        assert_eq!(found, expected, "pages of {limit}");
    }
}

#[tokio::test]
async fn a_filtered_page_that_is_cut_by_bytes_is_continued_behind_its_last_row() {
    let (db, store) = zitadel_store().await;
    db.execute(PAYLOADS).await;
    let (rows, pages) = Ask { max_bytes: 150_000, ..Ask::on("i1") }.types(&[], &["big"]).all(&store).await;
    let sequences: Vec<_> = rows.iter().map(|row| row.key().sequence).collect();
    assert_eq!(sequences, (1..=10).map(|n| n * 3).collect::<Vec<_>>());
    assert!(pages.iter().all(|page| page.rows.len() <= 2));
}

#[tokio::test]
async fn a_page_that_is_given_up_is_in_nobodys_way() {
    let (db, store) = zitadel_store().await;
    let alone = store.alone();
    let ask = Ask::on("i1");
    ask.page(&alone).await;
    let mut locker = db.connection("locker").await;
    sqlx::raw_sql("BEGIN; LOCK TABLE eventstore.events2").execute(&mut locker).await.expect("it is locked");
    timeout(Duration::from_millis(300), alone.page(&ask.request())).await.expect_err("the table is locked");
    // The statement goes on waiting for the lock; its session is not waited for.
    let probe = timeout(Duration::from_secs(3), alone.probe()).await.expect("there is another session");
    probe.expect("the server answers");
}

#[tokio::test]
async fn single_events_counts_and_times_are_found() {
    let (db, store) = zitadel_store().await;
    db.execute(TIES).await;
    let page = Ask::on("i1").page(&store).await;
    let row = &page.rows[17];
    assert_eq!(store.event(row.key()).await.expect("it can be asked for").as_ref(), Some(&**row));
    let gone = EventKey { sequence: 99, ..row.key().clone() };
    assert_eq!(store.event(&gone).await.expect("it can be asked for"), None);
    let ask = Ask { after: row.key().clone(), ..Ask::on("i1") };
    assert_eq!(store.count(&ask.request(), 1000).await.expect("it is counted"), 42);
    assert_eq!(store.count(&ask.request(), 10).await.expect("it is counted"), 10);
    let filtered = Ask::on("i1").types(&["other"], &[]);
    assert_eq!(store.count(&filtered.request(), 10).await.expect("it is counted"), 0);
    let census = async |ask: &Ask, cap| store.census(&ask.request(), cap).await.expect("it is counted");
    assert_eq!(census(&ask, 1000).await, [(Some("user.human.added".into()), 42)]);
    assert_eq!(census(&ask, 10).await, [(Some("user.human.added".into()), 10)]);
    assert_eq!(census(&filtered, 10).await, []);
    let time = "2025-03-27T10:22:43.262665Z".parse().expect("a time");
    assert_eq!(store.position_at(time).await.expect("it is looked up").to_string(), "1743070963.262665");
}

fn names(found: Result<Vec<domain::InstanceId>, postrider_store::StoreError>) -> String {
    let mut names: Vec<_> = found.expect("it is asked").iter().map(ToString::to_string).collect();
    names.sort();
    names.join(" ")
}

async fn fresh(store: &EventStore, known: &[(&str, i64)]) -> String {
    let known: Vec<_> =
        known.iter().map(|&(instance, position)| (instance.into(), Position::from_integer(position))).collect();
    names(store.fresh(&known).await)
}

#[tokio::test]
async fn what_is_new_is_found_by_instance() {
    let (db, store) = zitadel_store().await;
    assert_eq!(names(store.instances().await), "");
    db.execute(
        "INSERT INTO eventstore.events2
         SELECT 'i' || i, 't', 'a', 'x.y', n, 2, timestamptz '2025-01-01 12:00:00Z' - i * interval '1 hour', NULL, 'c', 'o', 100 * i + n, 1
         FROM generate_series(1, 4) i, generate_series(1, 10) n",
    )
    .await;
    assert_eq!(names(store.instances().await), "i1 i2 i3 i4");
    let since = "2025-01-01T09:30:00Z".parse().expect("a time");
    assert_eq!(names(store.recent_instances(since).await), "i1 i2");
    assert_eq!(fresh(&store, &[("i1", 110), ("i2", 209), ("i3", 0), ("i9", 0)]).await, "i2 i3");
    assert_eq!(fresh(&store, &[]).await, "");
    assert_eq!(fresh(&store, &[("i1", 9_000_000_000)]).await, "");
    assert!(far() > Position::from_integer(410));
}

async fn back(store: &EventStore, instance: &str, before: i64, rows: u32) -> Option<Position> {
    let found = store.position_back(&instance.into(), Position::from_integer(before), rows).await;
    found.expect("the store can be read")
}

#[tokio::test]
async fn looking_back_counts_rows_and_not_positions() {
    let (db, store) = zitadel_store().await;
    db.execute(TIES).await;
    let at = |position: i64| Some(Position::from_integer(position));
    for (before, rows, expected) in [
        (103, 1, at(102)),
        (103, 20, at(102)),
        (103, 21, at(101)),
        (103, 60, at(100)),
        (103, 61, None),
        (102, 1, at(101)),
    ] {
        assert_eq!(back(&store, "i1", before, rows).await, expected, "{rows} rows before {before}");
    }
    assert_eq!(back(&store, "i1", 100, 1).await, None);
    assert_eq!(back(&store, "i2", 103, 1).await, None);
}

#[tokio::test]
async fn looking_ahead_counts_rows_and_goes_no_further_than_asked() {
    let (db, store) = zitadel_store().await;
    db.execute(TIES).await;
    let ahead = async |behind: i64, up_to: i64, rows| {
        let position = Position::from_integer;
        let found = store.position_ahead(&"i1".into(), position(behind), position(up_to), rows).await;
        found.expect("the store can be read").map(|position| position.to_string())
    };
    for (behind, up_to, rows, expected) in [
        (99, 102, 1, Some("100")),
        (99, 102, 20, Some("100")),
        (99, 102, 21, Some("101")),
        (99, 102, 60, Some("102")),
        (99, 102, 61, None),
        (99, 101, 41, None),
        (100, 102, 1, Some("101")),
        (102, 102, 1, None),
    ] {
        assert_eq!(ahead(behind, up_to, rows).await.as_deref(), expected, "{rows} rows behind {behind} up to {up_to}");
    }
}
