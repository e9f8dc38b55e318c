//! Who holds the horizon: nobody who may still add events is ever left out of the list.

use std::{pin::pin, time::Duration};

use domain::{EventKey, Horizon, Position, Writer};
use postrider_store::{EventStore, EventStoreOptions, HorizonSource, Severity, StoreError};
use sqlx::{Connection as _, PgConnection};
use test_support::{CustomKind, Load, PrivatePostgres, Push, Shape, Stamp, TestDatabase, eventually};

use crate::events_support::{Ask, chain, connected, custom, keys, with_source, zitadel, zitadel_store};

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn writers(store: &EventStore) -> Vec<Writer> {
    store.probe().await.unwrap_or_else(|error| panic!("it is asked: {}", chain(&error))).writers
}

/// The function through which ZITADEL writes, stamping positions by this expression.
fn commands_to_events(expression: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION eventstore.commands_to_events(commands eventstore.command2[])
         RETURNS SETOF eventstore.events2 LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN QUERY SELECT
             c.instance_id, c.aggregate_type, c.aggregate_id, c.command_type AS event_type, 1::bigint AS sequence, c.revision
             , clock_timestamp() AS created_at
             , c.payload, c.creator, c.owner
             , EXTRACT(EPOCH FROM {expression}) AS position
             , 1 AS in_tx_order FROM unnest(commands) AS c; END $$"
    )
}

#[tokio::test]
async fn the_way_a_zitadel_stamps_positions_is_found_and_looked_at_again() {
    let (db, store) = zitadel_store().await;
    assert_eq!(store.source(), HorizonSource::TxStart);
    db.execute(
        "CREATE TYPE eventstore.command AS (instance_id text, aggregate_type text, aggregate_id text, command_type text,
             revision int2, payload jsonb, creator text, owner text);
         CREATE TYPE eventstore.command2 AS (instance_id text, aggregate_type text, aggregate_id text, command_type text,
             revision int2, payload jsonb, creator text, owner text)",
    )
    .await;
    let old = commands_to_events("clock_timestamp()").replace("eventstore.command2[]", "eventstore.command[]");
    db.execute(&old).await;
    store.reexamine().await.expect("it is looked at");
    assert_eq!(store.source(), HorizonSource::TxStart, "the function of the older command does not count");
    db.execute(&commands_to_events("now()")).await;
    store.reexamine().await.expect("it is looked at");
    assert_eq!(store.source(), HorizonSource::TxStart);
    db.execute(&commands_to_events("clock_timestamp()")).await;
    store.reexamine().await.expect("it is looked at");
    assert_eq!(store.source(), HorizonSource::Clock);
    let set = connected(with_source(zitadel(db.url()), HorizonSource::TxStart)).await;
    assert_eq!(set.source(), HorizonSource::TxStart, "what is set counts");
    assert_eq!(set.doubt(), None, "it is safe for both");
    let clock = connected(with_source(zitadel(db.url()), HorizonSource::Clock)).await;
    assert_eq!(clock.doubt(), None, "it is so");
    db.execute("DROP FUNCTION eventstore.commands_to_events(eventstore.command2[])").await;
    store.reexamine().await.expect("it is looked at");
    assert_eq!(store.source(), HorizonSource::TxStart);
    clock.reexamine().await.expect("it is looked at");
    let doubt = clock.doubt().expect("it is not so any more");
    assert!(doubt.contains("set to clock") && doubt.contains("needs tx_start"), "{doubt}");
    let findings = clock.check().await.expect("it is checked");
    let horizon = findings.iter().find(|finding| finding.subject == "horizon").expect("it is looked at");
    assert_eq!((horizon.severity, &horizon.text), (Severity::Error, &doubt));
}

#[tokio::test]
async fn a_writer_is_seen_from_its_first_row_to_its_end() {
    for source in [HorizonSource::Clock, HorizonSource::TxStart] {
        let db = TestDatabase::create().await;
        db.zitadel().await;
        let store = connected(with_source(zitadel(db.url()), source)).await;
        eventually("so that nobody is open", async || writers(&store).await.is_empty().then_some(())).await;
        let mut writer = db.connection("the writer").await;
        run(&mut writer, "BEGIN").await;
        Push::to("t", "a").event("x.y").run(Stamp::Clock, &mut writer).await.expect("it is pushed");
        let seen = writers(&store).await;
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].application.as_deref(), Some("the writer"));
        assert_eq!(seen[0].state.as_deref(), Some("idle in transaction"));
        assert_eq!(seen[0].role.as_deref(), Some("postgres"));
        assert!(seen[0].since.is_some() && seen[0].pid.is_some());
        assert_eq!(seen[0].floor.is_some(), source == HorizonSource::TxStart);
        run(&mut writer, "COMMIT").await;
        eventually("so that nobody is open", async || writers(&store).await.is_empty().then_some(())).await;
    }
}

#[tokio::test]
async fn where_the_start_counts_any_open_transaction_holds_the_horizon() {
    let mut db = TestDatabase::create().await;
    db.zitadel().await;
    let dump = db.create_role("dump").await;
    let store = connected(zitadel(db.url())).await;
    let mut reader = PgConnection::connect(&db.url_as(&dump)).await.expect("it connects");
    run(&mut reader, "BEGIN; SELECT 1").await;
    let start = db.value("SELECT extract(epoch FROM xact_start) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()").await;
    let start: Position = start.expect("it is there").parse().expect("a position");
    let seen = eventually("so that only the reader is open", async || {
        let seen = writers(&store).await;
        (seen.len() == 1).then_some(seen)
    })
    .await;
    let floor = seen[0].floor.expect("a superuser sees it");
    assert!(floor < start, "{floor} {start}");
    assert!(Position::from_micros(1) < floor);

    let ignoring = EventStoreOptions { ignore_roles: vec![dump.clone()], ..zitadel(db.url()) };
    let ignoring = connected(ignoring).await;
    eventually("so that the reader is ignored", async || writers(&ignoring).await.is_empty().then_some(())).await;
    let clock = connected(with_source(zitadel(db.url()), HorizonSource::Clock)).await;
    assert!(writers(&clock).await.is_empty(), "by the clock only writers count");

    db.execute(&format!("GRANT USAGE ON SCHEMA eventstore TO {dump}; GRANT ALL ON eventstore.events2 TO {dump}")).await;
    run(&mut reader, "DELETE FROM eventstore.events2").await;
    assert_eq!(writers(&ignoring).await.len(), 1, "who writes in spite of being ignored is seen");
    run(&mut reader, "COMMIT").await;
}

#[tokio::test]
async fn another_database_and_our_own_sessions_hold_nothing() {
    let (db, store) = zitadel_store().await;
    let other = TestDatabase::create().await;
    let mut elsewhere = other.connection("elsewhere").await;
    run(&mut elsewhere, "BEGIN; CREATE TABLE t (a int)").await;
    db.execute("INSERT INTO eventstore.events2 SELECT 'i1', 't', 'a', 'x.y', n, 2, now(), NULL, 'c', 'o', n, 1 FROM generate_series(1, 200000) n").await;
    eventually("so that nobody is open", async || writers(&store).await.is_empty().then_some(())).await;
    // While one session of the pool reads, another probes.
    let ask = Ask::on("i1").types(&["none"], &[]);
    let request = ask.request();
    // A session is known as our own once it is set up: both are.
    let (one, other) = tokio::join!(store.count(&request, 1_000_000), store.count(&request, 1_000_000));
    assert_eq!((one.expect("it is counted"), other.expect("it is counted")), (0, 0));
    let mut counting = pin!(store.count(&request, 1_000_000));
    let mut probes = 0;
    loop {
        tokio::select! {
            biased;
            count = &mut counting => break assert_eq!(count.expect("it is counted"), 0),
            seen = writers(&store) => {
                assert!(seen.is_empty(), "{seen:?}");
                probes += 1;
            }
        }
    }
    assert!(probes > 0, "counting takes longer than a probe");
}

#[tokio::test]
async fn a_role_without_any_privilege_sees_every_writer() {
    let mut db = TestDatabase::create().await;
    db.zitadel().await;
    let role = db.create_reader().await;
    let store = connected(zitadel(db.url_as(&role))).await;
    let mut writer = db.connection("the writer").await;
    run(&mut writer, "BEGIN").await;
    Push::to("t", "a").event("x.y").run(Stamp::Now, &mut writer).await.expect("it is pushed");
    let mut idle = db.connection("idle").await;
    run(&mut idle, "BEGIN; SELECT 1").await;
    let seen = eventually("so that two are seen", async || {
        let seen = writers(&store).await;
        (seen.len() == 2).then_some(seen)
    })
    .await;
    assert!(
        seen.iter().all(|writer| writer.floor.is_none() && writer.pid.is_some() && writer.role.is_some()),
        "{seen:?}"
    );
    assert!(store.probe().await.expect("it is asked").identity.is_some());
    let clock = connected(with_source(zitadel(db.url_as(&role)), HorizonSource::Clock)).await;
    assert_eq!(writers(&clock).await.len(), 1);
    let findings = store.check().await.expect("it is asked");
    assert!(findings.iter().any(|finding| finding.text.contains("holds the horizon")), "{findings:?}");
}

#[tokio::test]
async fn a_prepared_transaction_holds_its_floor_until_it_is_decided() {
    let mut server = PrivatePostgres::start().await;
    let db = server.database().await;
    db.zitadel().await;
    let store = connected(with_source(zitadel(db.url()), HorizonSource::Clock)).await;
    let mut writer = db.connection("the writer").await;
    run(&mut writer, "BEGIN").await;
    let written = Push::to("t", "a").event("x.y").run(Stamp::Clock, &mut writer).await.expect("it is pushed");
    let mut horizon = Horizon::resume(Position::from_integer(1));
    let before = store.probe().await.expect("it is asked");
    horizon.advance(before.head, &before.writers);
    run(&mut writer, "PREPARE TRANSACTION 'p1'").await;
    let prepared = store.probe().await.expect("it is asked");
    assert_eq!(prepared.writers.len(), 1);
    assert_eq!(prepared.writers[0].vxid, before.writers[0].vxid, "it keeps its virtual transaction");
    assert_eq!(prepared.writers[0].pid, None);
    assert_eq!(prepared.writers[0].application.as_deref(), Some("prepared transaction 'p1'"));
    assert_eq!(prepared.writers[0].role.as_deref(), Some("postgres"));
    let reading = horizon.advance(prepared.head, &prepared.writers);
    assert!(reading.safe < written[0].key.position);
    drop(writer);
    server.stop();
    server.start_again().await;
    let after = eventually("so that the server answers", async || store.probe().await.ok()).await;
    assert_eq!(after.writers.len(), 1, "it outlives the server");
    let mut resumed = Horizon::resume(reading.safe);
    assert!(resumed.advance(after.head, &after.writers).safe < written[0].key.position);
    db.execute("COMMIT PREPARED 'p1'").await;
    let last = store.probe().await.expect("it is asked");
    assert!(last.writers.is_empty());
    assert!(resumed.advance(last.head, &last.writers).safe > written[0].key.position);
}

#[tokio::test]
async fn a_writer_is_seen_that_has_drawn_a_number_or_works_on_a_partition_or_waits() {
    let db = TestDatabase::create().await;
    db.custom(CustomKind::Partitioned).await;
    let store = connected(custom(db.url())).await;
    let seen = async |sql: &'static str| {
        let mut writer = db.connection("the writer").await;
        run(&mut writer, "BEGIN").await;
        run(&mut writer, sql).await;
        let seen = writers(&store).await;
        assert_eq!(seen.len(), 1, "{sql}: {seen:?}");
        writer.close().await.expect("it is closed");
        eventually("so that nobody is open", async || writers(&store).await.is_empty().then_some(())).await;
    };
    seen("SELECT nextval('app.events_id_seq')").await;
    seen("INSERT INTO app.events_even (id, stream_type, stream_id, name, version) SELECT 900 + n, 't', n::text, 'x', n FROM generate_series(1, 40) n WHERE satisfies_hash_partition('app.events'::regclass, 2, 0, n::text)").await;
    seen("DELETE FROM app.events_odd_all").await;

    let mut blocker = db.connection("blocker").await;
    run(&mut blocker, "BEGIN; LOCK TABLE app.events IN SHARE MODE").await;
    assert!(writers(&store).await.is_empty());
    let mut writer = db.connection("the waiting").await;
    let mut waiting = pin!(run(
        &mut writer,
        "INSERT INTO app.events (stream_type, stream_id, name, version) VALUES ('t', 'a', 'x', 1)"
    ));
    tokio::select! {
        () = &mut waiting => panic!("it waits for the lock"),
        () = eventually("so that the waiting one is seen", async || (writers(&store).await.len() == 1).then_some(())) => {}
    }
    run(&mut blocker, "COMMIT").await;
    waiting.await;
}

/// Follows a store while many write to it, and compares what was read with what was written.
async fn nothing_is_lost(db: TestDatabase, options: EventStoreOptions, instance: &str, load: Load) {
    let store = connected(options).await;
    let mut horizon = Horizon::resume(Position::ZERO);
    let mut after = EventKey::before(Position::ZERO);
    let mut read = Vec::new();
    let mut loading = pin!(load.run(&db));
    let mut written = None;
    loop {
        let probe = store.probe().await.expect("it is asked");
        let reading = horizon.advance(probe.head, &probe.writers);
        loop {
            let ask = Ask { after: after.clone(), up_to: reading.safe, ..Ask::on(instance) };
            let page = ask.page(&store).await;
            read.extend(keys(&page.rows));
            after = page.end.unwrap_or(after);
            if !page.more {
                break;
            }
        }
        match &written {
            None => {
                let done = tokio::time::timeout(Duration::from_millis(2), &mut loading).await;
                written = done.ok();
            }
            Some(_) if reading.holder.is_none() && reading.safe >= after.position => break,
            Some(_) => {}
        }
    }
    let written = written.expect("the load has ended");
    // Positions by the clock: whoever has just committed lies below the head.
    let last = eventually("so that the horizon has passed everything", async || {
        let probe = store.probe().await.expect("it is asked");
        let reading = horizon.advance(probe.head, &probe.writers);
        let ask = Ask { after: after.clone(), up_to: reading.safe, limit: 100_000, ..Ask::on(instance) };
        let page = ask.page(&store).await;
        read.extend(keys(&page.rows));
        after = page.end.unwrap_or_else(|| after.clone());
        (read.len() >= written.len()).then_some(reading.safe)
    })
    .await;
    assert!(last >= after.position);
    let mut expected: Vec<_> = written.into_iter().map(|written| written.key).collect();
    expected.sort();
    assert_eq!(read.len(), expected.len());
    assert!(read == expected, "everything comes once, in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_where_the_start_of_transactions_is_stamped() {
    let db = TestDatabase::create().await;
    db.zitadel().await;
    let options = zitadel(db.url());
    nothing_is_lost(db, options, "i1", Load::new(Shape::Zitadel(Stamp::Now))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_where_the_clock_is_stamped_and_some_commit_in_two_phases() {
    let db = TestDatabase::create().await;
    db.zitadel().await;
    let options = with_source(zitadel(db.url()), HorizonSource::Clock);
    let load = Load { two_phase: 0.1, ..Load::new(Shape::Zitadel(Stamp::Clock)) };
    nothing_is_lost(db, options, "i1", load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_where_a_sequence_is_drawn_from() {
    for kind in [CustomKind::Serial, CustomKind::Partitioned] {
        let db = TestDatabase::create().await;
        db.custom(kind).await;
        let options = custom(db.url());
        nothing_is_lost(db, options, "", Load { two_phase: 0.1, ..Load::new(Shape::Custom) }).await;
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_that_passes() {
    let mut server = PrivatePostgres::start().await;
    let db = server.database().await;
    db.zitadel().await;
    let store = connected(zitadel(db.url())).await;
    server.stop();
    let error = store.probe().await.expect_err("nobody is there");
    assert!(error.is_transient(), "{}", chain(&error));
    server.start_again().await;
    eventually("so that the store answers again", async || store.probe().await.ok()).await;
    server.freeze();
    let error = store.probe().await.expect_err("nobody answers");
    assert!(
        error.is_transient() && matches!(error, StoreError::Timeout { .. } | StoreError::Database { .. }),
        "{error:?}"
    );
    server.thaw();
    eventually("so that the store answers again", async || store.probe().await.ok()).await;
}
