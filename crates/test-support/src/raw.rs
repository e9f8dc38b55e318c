//! SQL behind everybody's back, on either database by its URL; and the state's schema as it was at an earlier version.

use std::{fs, path::Path, sync::Once};

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _, migrate::Migrator};

/// Where the state's tables are, in PostgreSQL.
const SCHEMA: &str = "postrider";

/// Runs one statement or several. Tables without a schema are the state's.
pub async fn run_sql(url: &str, sql: &str) {
    let mut connection = connect(url).await;
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
    done.unwrap_or_else(|error| panic!("the test's SQL failed: {error}\n{sql}"));
    connection.close().await.expect("a connection can be closed");
}

/// The rows of one statement, each with its columns as texts; NULL is `-`. Every column has to be a text.
pub async fn texts(url: &str, sql: &str) -> Vec<Vec<String>> {
    let mut connection = connect(url).await;
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
    let rows = rows.unwrap_or_else(|error| panic!("the test's SQL failed: {error}\n{sql}"));
    connection.close().await.expect("a connection can be closed");
    let text = |row: &sqlx::any::AnyRow, column| {
        let text: Option<String> = row.try_get(column).unwrap_or_else(|error| panic!("{error}: {sql}"));
        text.unwrap_or_else(|| "-".to_owned())
    };
    rows.iter().map(|row| (0..row.len()).map(|column| text(row, column)).collect()).collect()
}

/// Makes an empty state as the program of that version would have: by the first so many of its migrations.
///
/// `migrations` is the folder of the database's kind.
pub async fn create_state(url: &str, migrations: &Path, version: i64) {
    let earlier = tempfile::tempdir().expect("a temporary folder can be made");
    for entry in fs::read_dir(migrations).expect("there are migrations") {
        let file = entry.expect("a folder can be read");
        let name = file.file_name().into_string().expect("migrations have plain names");
        let number: i64 = name.split('_').next().and_then(|number| number.parse().ok()).expect("they are numbered");
        if number <= version {
            fs::copy(file.path(), earlier.path().join(name)).expect("a file can be copied");
        }
    }
    let migrator = Migrator::new(earlier.path()).await.expect("migrations can be read");
    let mut connection = connect(url).await;
    if !url.starts_with("sqlite:") {
        let schema = format!("CREATE SCHEMA {SCHEMA}");
        sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut connection).await.expect("a schema can be made");
    }
    migrator.run_direct(None, &mut connection, false).await.expect("an empty database can be migrated");
    connection.close().await.expect("a connection can be closed");
}

async fn connect(url: &str) -> AnyConnection {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
    let mut connection =
        AnyConnection::connect(url).await.unwrap_or_else(|error| panic!("nobody is at {url}: {error}"));
    if !url.starts_with("sqlite:") {
        let path = format!("SET search_path TO {SCHEMA}, public");
        sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut connection).await.expect("a setting can be set");
    }
    connection
}
