//! A database of its own for every test.

use postrider_test_support::TestDatabase;
use sqlx::Connection;

const SORTED: &str = "SELECT string_agg(word, ' ' ORDER BY word) FROM (VALUES ('a'), ('B'), ('c')) AS words (word)";

#[tokio::test]
async fn databases_know_nothing_of_each_other() {
    let (one, other) = (TestDatabase::create().await, TestDatabase::create().await);
    one.execute("CREATE TABLE only_here (); CREATE TABLE and_here ()").await;
    assert_eq!(other.value("SELECT to_regclass('only_here')").await, None);
    assert_ne!(one.url(), other.url());
}

#[tokio::test]
async fn a_database_is_gone_with_its_connections_and_roles_when_it_goes_out_of_scope() {
    let witness = TestDatabase::create().await;
    let mut gone = TestDatabase::create().await;
    let role = gone.create_role("reader").await;
    gone.execute(&format!("CREATE TABLE secret (); GRANT SELECT ON secret TO {role}")).await;
    let name = gone.name().to_owned();
    let mut connection = gone.connection("left behind").await;

    drop(gone);

    assert!(connection.ping().await.is_err(), "the connection is cut");
    let databases = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(witness.value(&databases).await.as_deref(), Some("0"));
    let roles = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'");
    assert_eq!(witness.value(&roles).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn text_is_ordered_by_bytes_or_as_icu_orders_it() {
    assert_eq!(TestDatabase::create().await.value(SORTED).await.as_deref(), Some("B a c"));
    assert_eq!(TestDatabase::create_icu().await.value(SORTED).await.as_deref(), Some("a B c"));
}

#[tokio::test]
async fn a_role_has_no_rights_but_to_log_in() {
    let mut database = TestDatabase::create().await;
    database.execute("CREATE TABLE secret ()").await;
    let role = database.create_role("reader").await;
    let mut connection = sqlx::PgConnection::connect(&database.url_as(&role)).await.expect("the role may log in");
    let answer = sqlx::query("SELECT FROM secret").fetch_all(&mut connection).await;
    assert!(answer.is_err_and(|error| error.to_string().contains("permission denied")));
}
