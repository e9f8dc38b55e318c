//! The notify trigger: added, found, heard, taken away; and what stands in the way of each.

use std::{net::SocketAddr, time::Duration};

use postrider_store::{
    EventStore, EventStoreOptions, HorizonSource, Listener, Notifies, Severity, StoreError, TriggerChange,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_support::{CustomKind, Proxy, ProxyMode, Push, Stamp, TestDatabase};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::events_support::{
    Ask, chain, connected, custom, custom_columns, custom_with, with_source, zitadel, zitadel_store,
};

/// Far longer than a notification needs.
const SOON: Duration = Duration::from_secs(5);
/// Long enough that one would have come.
const QUIET: Duration = Duration::from_millis(300);

async fn change(store: &EventStore, change: TriggerChange) -> bool {
    let changed = store.change_trigger(change).await;
    changed.unwrap_or_else(|error| panic!("the trigger is changed: {}", chain(&error))).changed
}

async fn refusal(store: &EventStore, change: TriggerChange) -> String {
    let error = store.change_trigger(change).await.expect_err("it is refused");
    assert!(matches!(error, StoreError::NotAllowed { .. }), "{error:?}");
    error.to_string()
}

async fn listening(store: &EventStore) -> Listener {
    store.listen().await.unwrap_or_else(|error| panic!("it listens: {}", chain(&error)))
}

async fn hears(listener: &mut Listener) {
    timeout(SOON, listener.notified()).await.expect("it is heard in time").expect("the connection stays");
}

async fn hears_nothing(listener: &mut Listener) {
    assert!(timeout(QUIET, listener.notified()).await.is_err(), "nobody said anything");
}

async fn push(db: &TestDatabase) {
    db.push(Stamp::Clock, &Push::to("user", "u").event("user.added")).await;
}

/// What is there of ours.
async fn traces(db: &TestDatabase) -> (String, String) {
    let count = async |sql| db.value(sql).await.expect("a count");
    let triggers = count("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").await;
    let functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = to_regnamespace('postrider')";
    (triggers, count(functions).await)
}

#[tokio::test]
async fn the_trigger_is_added_once_heard_and_dropped() {
    let (mut db, store) = zitadel_store().await;
    assert_eq!(store.notifies(), Notifies::Never);
    assert!(!change(&store, TriggerChange::Drop).await, "there is none to drop");
    assert!(change(&store, TriggerChange::Add).await);
    assert_eq!(store.notifies(), Notifies::Always);
    assert!(!change(&store, TriggerChange::Add).await, "it is there already");
    assert_eq!(connected(zitadel(db.url())).await.notifies(), Notifies::Always);

    let mut listener = listening(&store).await;
    push(&db).await;
    hears(&mut listener).await;
    let mut writer = db.connection("the writer").await;
    sqlx::raw_sql("BEGIN").execute(&mut writer).await.expect("it begins");
    Push::to("user", "u").event("user.locked").run(Stamp::Clock, &mut writer).await.expect("it is pushed");
    hears_nothing(&mut listener).await;
    sqlx::raw_sql("COMMIT").execute(&mut writer).await.expect("it is committed");
    hears(&mut listener).await;

    // Who writes needs no right of ours.
    let plain = db.create_role("plain").await;
    db.execute(&format!("GRANT USAGE ON SCHEMA eventstore TO {plain}; GRANT ALL ON eventstore.events2 TO {plain}"))
        .await;
    let mut plain = PgConnection::connect(&db.url_as(&plain)).await.expect("it connects");
    Push::to("user", "u").event("user.locked").run(Stamp::Clock, &mut plain).await.expect("it is pushed");
    hears(&mut listener).await;

    assert!(change(&store, TriggerChange::Drop).await);
    assert_eq!(store.notifies(), Notifies::Never);
    assert_eq!(traces(&db).await, ("0".to_owned(), "0".to_owned()));
    push(&db).await;
    hears_nothing(&mut listener).await;
    assert!(!change(&store, TriggerChange::Drop).await);
}

#[tokio::test]
async fn without_the_rights_the_grants_are_named_and_nothing_is_changed() {
    let mut db = TestDatabase::create().await;
    db.zitadel().await;
    let reader = db.create_reader().await;
    let store = connected(zitadel(db.url_as(&reader))).await;
    let missing = refusal(&store, TriggerChange::Add).await;
    let grants = [
        format!("GRANT CREATE ON DATABASE \"{}\" TO \"{reader}\"", db.name()),
        format!("GRANT TRIGGER ON \"eventstore\".\"events2\" TO \"{reader}\""),
    ];
    assert!(missing.ends_with(&grants.join("; ")), "{missing}");
    assert_eq!(traces(&db).await, ("0".to_owned(), "0".to_owned()));
    assert_eq!(db.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'postrider'").await.as_deref(), Some("0"));

    // What was named is enough, to take it away as well.
    for grant in &grants {
        db.execute(grant).await;
    }
    assert!(change(&store, TriggerChange::Add).await);
    assert!(change(&store, TriggerChange::Drop).await);
    db.execute(&format!("REVOKE CREATE ON DATABASE \"{}\" FROM \"{reader}\"", db.name())).await;
    db.execute("ALTER SCHEMA postrider OWNER TO postgres").await;
    let missing = refusal(&store, TriggerChange::Add).await;
    assert!(missing.ends_with(&format!(": GRANT USAGE, CREATE ON SCHEMA postrider TO \"{reader}\"")), "{missing}");

    // What somebody else added is listened to, and is theirs to drop.
    let owner = connected(zitadel(db.url())).await;
    let sql = store.trigger_sql(TriggerChange::Add).await.expect("it is written down");
    db.execute(&sql).await;
    store.reexamine().await.expect("it is looked at");
    assert_eq!(store.notifies(), Notifies::Always);
    let mut listener = listening(&store).await;
    push(&db).await;
    hears(&mut listener).await;
    let missing = refusal(&store, TriggerChange::Drop).await;
    assert!(missing.contains("owned by postgres"), "{missing}");
    assert_eq!(store.notifies(), Notifies::Always);
    db.execute(&store.trigger_sql(TriggerChange::Drop).await.expect("it is written down")).await;
    owner.reexamine().await.expect("it is looked at");
    assert_eq!(owner.notifies(), Notifies::Never);
}

#[tokio::test]
async fn a_schema_that_somebody_else_makes_belongs_to_the_role_that_needs_it() {
    let mut db = TestDatabase::create().await;
    db.zitadel().await;
    let reader = db.create_reader().await;
    let store = connected(zitadel(db.url_as(&reader))).await;
    db.execute(&store.trigger_sql(TriggerChange::Add).await.expect("it is written down")).await;
    let owner = db.value("SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'postrider'").await;
    assert_eq!(owner.as_deref(), Some(reader.as_str()));
    store.reexamine().await.expect("it is looked at");
    assert_eq!(store.notifies(), Notifies::Always);
}

#[tokio::test]
async fn of_writers_that_are_open_together_one_speaks_and_nobody_waits() {
    let (db, store) = zitadel_store().await;
    change(&store, TriggerChange::Add).await;
    let mut listener = listening(&store).await;
    let mut first = db.connection("the first").await;
    sqlx::raw_sql("BEGIN").execute(&mut first).await.expect("it begins");
    Push::to("user", "u").event("user.locked").run(Stamp::Clock, &mut first).await.expect("it is pushed");
    timeout(SOON, db.push(Stamp::Clock, &Push::to("user", "v").event("user.added"))).await.expect("it need not wait");
    hears_nothing(&mut listener).await;
    sqlx::raw_sql("COMMIT").execute(&mut first).await.expect("it is committed");
    hears(&mut listener).await;
    push(&db).await;
    hears(&mut listener).await;
    // One that rolls back has let go of the word.
    sqlx::raw_sql("BEGIN").execute(&mut first).await.expect("it begins");
    Push::to("user", "w").event("user.locked").run(Stamp::Clock, &mut first).await.expect("it is pushed");
    sqlx::raw_sql("ROLLBACK").execute(&mut first).await.expect("it is rolled back");
    hears_nothing(&mut listener).await;
    push(&db).await;
    hears(&mut listener).await;
}

#[tokio::test]
async fn where_not_everybody_may_take_advisory_locks_no_trigger_is_added() {
    let (db, store) = zitadel_store().await;
    db.execute("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint) FROM PUBLIC").await;
    let missing = refusal(&store, TriggerChange::Add).await;
    assert!(missing.ends_with("pg_try_advisory_xact_lock(bigint) TO PUBLIC"), "{missing}");
    assert_eq!(traces(&db).await, ("0".to_owned(), "0".to_owned()));
}

#[tokio::test]
async fn an_open_writer_is_not_waited_for() {
    let (db, store) = zitadel_store().await;
    let mut writer = db.connection("the writer").await;
    sqlx::raw_sql("BEGIN").execute(&mut writer).await.expect("it begins");
    Push::to("user", "u").event("user.locked").run(Stamp::Clock, &mut writer).await.expect("it is pushed");
    let began = Instant::now();
    let error = store.change_trigger(TriggerChange::Add).await.expect_err("the table is in use");
    assert!(matches!(error, StoreError::InUse) && error.is_transient(), "{error:?}");
    assert!(began.elapsed() < SOON, "others would have waited for {:?}", began.elapsed());
    assert_eq!(traces(&db).await, ("0".to_owned(), "0".to_owned()));
    sqlx::raw_sql("COMMIT").execute(&mut writer).await.expect("it is committed");
    assert!(change(&store, TriggerChange::Add).await);
}

#[tokio::test]
async fn however_rows_come_into_a_partitioned_table_they_are_heard_of() {
    let db = TestDatabase::create().await;
    db.custom(CustomKind::Partitioned).await;
    let store = connected(custom(db.url())).await;
    assert!(change(&store, TriggerChange::Add).await);
    assert_eq!(store.notifies(), Notifies::Always);
    let mut listener = listening(&store).await;
    let insert = |table: &str, stream: &str| {
        format!("INSERT INTO {table} (stream_type, stream_id, name, version) VALUES ('s', '{stream}', 'n', 1)")
    };
    for stream in 0..8 {
        db.execute(&insert("app.events", &stream.to_string())).await;
        hears(&mut listener).await;
        let partition = format!("SELECT tableoid::regclass FROM app.events WHERE stream_id = '{stream}'");
        let partition = db.value(&partition).await.expect("it is somewhere");
        db.execute(&insert(&partition, &stream.to_string())).await;
        hears(&mut listener).await;
    }

    db.execute(
        "ALTER TABLE app.events_odd DETACH PARTITION app.events_odd_all;
         CREATE TABLE app.events_odd_new PARTITION OF app.events_odd DEFAULT",
    )
    .await;
    store.reexamine().await.expect("it is looked at");
    assert_eq!(store.notifies(), Notifies::Sometimes, "what is written into the new one directly is not heard of");
    let findings = store.check().await.expect("it is checked");
    let found = findings.iter().find(|finding| finding.subject == "notify trigger").expect("it is looked at");
    assert!(found.severity == Severity::Warning && found.text.contains("on app.events_odd_new,"), "{found:?}");
    assert!(change(&store, TriggerChange::Add).await);
    assert_eq!(store.notifies(), Notifies::Always);

    db.execute("ALTER TABLE app.events DISABLE TRIGGER postrider_notify").await;
    store.reexamine().await.expect("it is looked at");
    assert_eq!(store.notifies(), Notifies::Sometimes);
    assert!(change(&store, TriggerChange::Add).await, "it is switched on again");
    assert_eq!(store.notifies(), Notifies::Always);
    assert!(change(&store, TriggerChange::Drop).await);
    let (_, functions) = traces(&db).await;
    assert_eq!(functions, "0");
    assert_eq!(store.notifies(), Notifies::Never);
}

#[tokio::test]
async fn a_partition_hears_of_what_comes_through_its_parent() {
    let db = TestDatabase::create().await;
    db.custom(CustomKind::Partitioned).await;
    let store = connected(custom_with(db.url(), "app.events_odd_all", custom_columns())).await;
    assert!(change(&store, TriggerChange::Add).await);
    let mut listener = listening(&store).await;
    db.execute("INSERT INTO app.events (stream_type, stream_id, name, version) SELECT 's', n, 'n', 1 FROM generate_series(1, 9) n")
        .await;
    hears(&mut listener).await;
}

#[tokio::test]
async fn tables_with_odd_names_have_channels_of_their_own() {
    let db = TestDatabase::create().await;
    db.custom(CustomKind::Serial).await;
    let long = "x".repeat(62);
    // As in the configuration, and as in SQL.
    let tables = [
        ("Odd \"schema\" $$; --.the events".to_owned(), "\"Odd \"\"schema\"\" $$; --\".\"the events\"".to_owned()),
        ("Odd \"schema\" $$; --.the_events".to_owned(), "\"Odd \"\"schema\"\" $$; --\".the_events".to_owned()),
        (format!("app.{long}1"), format!("app.{long}1")),
        (format!("app.{long}2"), format!("app.{long}2")),
    ];
    db.execute("CREATE SCHEMA \"Odd \"\"schema\"\" $$; --\"").await;
    let mut listeners = Vec::new();
    for (configured, quoted) in &tables {
        db.execute(&format!("CREATE TABLE {quoted} (LIKE app.events INCLUDING ALL)")).await;
        let store =
            connected(with_source(custom_with(db.url(), configured, custom_columns()), HorizonSource::Sequence)).await;
        assert!(change(&store, TriggerChange::Add).await);
        assert_eq!(store.notifies(), Notifies::Always, "{configured}");
        listeners.push((listening(&store).await, store));
    }
    for (index, (_, quoted)) in tables.iter().enumerate() {
        db.execute(&format!("INSERT INTO {quoted} (stream_type, stream_id, name, version) VALUES ('s', 's', 'n', 1)"))
            .await;
        for (other, (listener, _)) in listeners.iter_mut().enumerate() {
            if other == index {
                hears(listener).await;
            } else {
                hears_nothing(listener).await;
            }
        }
    }
    for (_, store) in &listeners {
        assert!(change(store, TriggerChange::Drop).await);
    }
    assert_eq!(traces(&db).await, ("0".to_owned(), "0".to_owned()));
}

#[tokio::test]
async fn whoever_listens_does_not_hold_the_horizon() {
    let (db, _) = zitadel_store().await;
    let store = connected(with_source(zitadel(db.url()), HorizonSource::TxStart)).await;
    change(&store, TriggerChange::Add).await;
    let mut listener = listening(&store).await;
    push(&db).await;
    hears(&mut listener).await;
    let until = Instant::now() + SOON;
    // Over a heartbeat.
    let listen = async { timeout(SOON, listener.notified()).await };
    let pid = "SELECT pid FROM pg_stat_activity WHERE application_name = 'postrider listens' AND datname = current_database()";
    let pid: Option<i32> = db.value(pid).await.map(|pid| pid.parse().expect("a number"));
    let look = async {
        while Instant::now() < until {
            let writers = store.probe().await.expect("it is asked").writers;
            assert!(pid.is_some() && writers.iter().all(|writer| writer.pid != pid), "{writers:?}");
            // As often as a daemon looks at the most.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (heard, ()) = tokio::join!(listen, look);
    assert!(heard.is_err(), "it went on listening");
}

#[tokio::test]
async fn a_listener_whose_connection_is_ended_says_so() {
    let (db, store) = zitadel_store().await;
    change(&store, TriggerChange::Add).await;
    let mut listener = listening(&store).await;
    let ended =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'postrider listens'
        AND datname = current_database()";
    assert_eq!(db.value(ended).await.as_deref(), Some("1"), "it is known by its name");
    let ended = timeout(SOON, listener.notified()).await.expect("it says so in time");
    assert!(ended.expect_err("it has ended").is_transient());
}

fn address(db: &TestDatabase) -> (SocketAddr, String) {
    let url: url::Url = db.url().parse().expect("it is a URL");
    let host = format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"));
    (host.parse().expect("an address"), db.url().replace(&host, "{host}") + "?sslmode=disable")
}

fn through(url: &str, address: SocketAddr) -> EventStoreOptions {
    zitadel(url.replace("{host}", &address.to_string()))
}

#[tokio::test]
async fn a_wire_that_went_dead_is_noticed_within_seconds() {
    let (db, store) = zitadel_store().await;
    change(&store, TriggerChange::Add).await;
    let (server, url) = address(&db);
    let proxy = Proxy::to(server);
    let store = connected(through(&url, proxy.address())).await;
    let mut listener = listening(&store).await;
    push(&db).await;
    hears(&mut listener).await;
    proxy.set(ProxyMode::HalfOpen);
    let dead = Instant::now();
    let noticed = timeout(Duration::from_secs(20), listener.notified()).await.expect("it is noticed");
    assert!(noticed.expect_err("the wire is dead").is_transient());
    let after = dead.elapsed();
    assert!(after < Duration::from_millis(5500), "noticed after {after:?} only");
}

/// As a pooler in transaction mode, as far as notifications go: it takes LISTEN, and passes on everything else.
async fn swallowing_notifications(server: SocketAddr) -> (SocketAddr, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            connections.spawn(async move {
                let server = TcpStream::connect(server).await.expect("the server is there");
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let up = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
                let down = async {
                    loop {
                        let (kind, length) = (from_server.read_u8().await?, from_server.read_u32().await?);
                        let mut body = vec![0; length as usize - 4];
                        from_server.read_exact(&mut body).await?;
                        if kind != b'A' {
                            let message = [&[kind][..], &length.to_be_bytes(), &body].concat();
                            to_client.write_all(&message).await?;
                        }
                    }
                };
                let _: std::io::Result<()> = tokio::select! { done = up => done, done = down => done };
            });
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn where_notifications_do_not_come_through_listening_is_refused() {
    let (db, store) = zitadel_store().await;
    change(&store, TriggerChange::Add).await;
    let (server, url) = address(&db);
    let (pooler, _tasks) = swallowing_notifications(server).await;
    let store = connected(through(&url, pooler)).await;
    assert_eq!(store.notifies(), Notifies::Always);
    let error = store.listen().await.expect_err("nothing is heard");
    assert!(matches!(error, StoreError::Deaf), "{error:?}");
    let findings = store.check().await.expect("it is checked");
    let found = findings.iter().find(|finding| finding.subject == "notify trigger").expect("it is looked at");
    assert!(found.severity == Severity::Warning && found.text.contains("pooler"), "{found:?}");
}

#[tokio::test]
async fn a_server_with_two_phase_commits_is_told_of() {
    let (db, store) = zitadel_store().await;
    let changed = store.change_trigger(TriggerChange::Add).await.expect("it is added");
    let allowed = db.value("SELECT current_setting('max_prepared_transactions')").await.expect("it is shown") != "0";
    assert_eq!(changed.two_phase, allowed);
    let mut writer = db.connection("the writer").await;
    sqlx::raw_sql("BEGIN").execute(&mut writer).await.expect("it begins");
    Push::to("user", "u").event("user.locked").run(Stamp::Clock, &mut writer).await.expect("it is pushed");
    let prepare = format!("PREPARE TRANSACTION '{}'", db.name());
    let error =
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut writer).await.expect_err("the two do not go together");
    assert!(error.to_string().contains("PREPARE"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: `just bench-steps`"]
async fn bench_the_way_from_a_commit_to_its_page() {
    const EVENTS: usize = 250;
    let (db, _) = zitadel_store().await;
    let store = connected(with_source(zitadel(db.url()), HorizonSource::Clock)).await;
    change(&store, TriggerChange::Add).await;
    let mut listener = listening(&store).await;
    let mut ask = Ask::on("i1");
    let mut steps = [const { Vec::new() }; 4];
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..EVENTS {
        ticks.tick().await;
        push(&db).await;
        let mut last = Instant::now();
        let mut step = |number: usize| {
            let now = Instant::now();
            steps[number].push(now - std::mem::replace(&mut last, now));
        };
        hears(&mut listener).await;
        step(0);
        let fresh = store.fresh(&[("i1".into(), ask.after.position)]).await.expect("it is asked");
        assert_eq!(fresh.len(), 1);
        step(1);
        let head = store.probe().await.expect("it is asked").head;
        step(2);
        let page = Ask { up_to: head, ..ask }.limit(200);
        let read = page.page(&store).await;
        step(3);
        ask = Ask { after: read.end.expect("there is an event"), ..Ask::on("i1") };
    }
    for (name, mut step) in ["heard", "fresh", "S1 and S2", "page"].into_iter().zip(steps) {
        step.sort();
        println!("{name}: p50 {:.2?}, p99 {:.2?}", step[EVENTS / 2], step[EVENTS * 99 / 100]);
    }
}
