//! A server of a test's own.

use std::time::Duration;

use postrider_test_support::{PrivatePostgres, TestDatabase, eventually};
use sqlx::Connection;
use tokio::time::timeout;

#[tokio::test]
async fn a_frozen_server_answers_nobody_and_a_thawed_one_goes_on_where_it_was() {
    let server = PrivatePostgres::start().await;
    let database = server.database().await;
    let mut connection = database.connection("before the frost").await;
    let mut asleep = database.connection("asleep").await;

    server.freeze();
    let ping = connection.ping();
    tokio::pin!(ping);
    assert!(
        timeout(Duration::from_millis(300), &mut ping).await.is_err(),
        "a connection that was open is not answered"
    );
    let new = sqlx::PgConnection::connect(&database.url());
    assert!(timeout(Duration::from_millis(300), new).await.is_err(), "a new connection is not answered");

    server.thaw();
    assert!(ping.await.is_ok(), "the question is answered in the end");
    assert!(asleep.ping().await.is_ok());
}

#[tokio::test]
async fn a_server_that_was_stopped_or_has_crashed_comes_back_with_its_data_and_its_url() {
    let mut server = PrivatePostgres::start().await;
    let url = server.url();
    let database = server.database().await;
    database.execute("CREATE TABLE t AS SELECT 1 AS n").await;

    server.stop();
    assert!(sqlx::PgConnection::connect(&url).await.is_err(), "nobody listens");
    server.start_again().await;
    assert_eq!(eventually_value(&database).await, "1");

    server.crash();
    assert!(sqlx::PgConnection::connect(&url).await.is_err(), "nobody listens");
    server.start_again().await;
    assert_eq!(eventually_value(&database).await, "1");
    assert_eq!(server.url(), url);
}

/// The pool may still hold connections from before.
async fn eventually_value(database: &TestDatabase) -> String {
    eventually("the table can be read", async || {
        sqlx::query_scalar::<_, i32>("SELECT n FROM t").fetch_one(database.pool()).await.ok().map(|n| n.to_string())
    })
    .await
}

#[tokio::test]
async fn a_standby_follows_its_primary_and_can_take_over() {
    let mut primary = PrivatePostgres::start().await;
    let standby = primary.standby().await;
    let mut to_primary = sqlx::PgConnection::connect(&primary.url()).await.expect("the primary is there");
    let mut to_standby = sqlx::PgConnection::connect(&standby.url()).await.expect("the standby is there");
    sqlx::raw_sql("CREATE TABLE t AS SELECT 1 AS n").execute(&mut to_primary).await.expect("the primary takes writes");
    eventually("the standby has the table", async || {
        sqlx::query_scalar::<_, i32>("SELECT n FROM t").fetch_one(&mut to_standby).await.ok()
    })
    .await;
    assert!(sqlx::raw_sql("INSERT INTO t VALUES (2)").execute(&mut to_standby).await.is_err(), "it only reads");

    primary.stop();
    standby.promote().await;
    sqlx::raw_sql("INSERT INTO t VALUES (2)").execute(&mut to_standby).await.expect("it is the primary now");
}

#[tokio::test]
async fn a_server_that_is_dropped_leaves_no_process_even_when_it_is_frozen() {
    let server = PrivatePostgres::start().await;
    let mut connection = sqlx::PgConnection::connect(&server.url()).await.expect("the server is there");
    let backend: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.expect("it answers");
    server.freeze();
    drop(server);
    eventually("the process of the connection is gone", async || {
        let stat = std::fs::read_to_string(format!("/proc/{backend}/stat")).unwrap_or_default();
        // Dead already, and waiting for the machine's first process to notice.
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    })
    .await;
}
