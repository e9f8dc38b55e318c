//! What is fuzzed of `store`: a row of an events table in SQLite, which takes any value in any column. A row with a key is
//! never left out; what cannot be read of it makes it a broken row, in a sentence.

use domain::{EventKey, Position, Row};
use sqlx::{Connection as _, Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};
use store::{EventStore, PageRequest};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// As SQLite stores make it, without what it forbids.
const TABLE: &str = "CREATE TABLE events2 (position INTEGER PRIMARY KEY AUTOINCREMENT, instance_id, aggregate_type,
    aggregate_id, event_type, sequence, revision, created_at, payload, creator, owner, in_tx_order)";
const INSERT: &str = "INSERT INTO events2 (instance_id, aggregate_type, aggregate_id, event_type, sequence, revision,
    created_at, payload, creator, owner, in_tx_order) VALUES ('i1', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const COLUMNS: usize = 10;

/// A store that is filled and emptied again and again.
pub struct Table {
    runtime: Runtime,
    events: EventStore,
    connection: SqliteConnection,
    _folder: TempDir,
}

impl Table {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("events.db");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let (events, connection) = runtime.block_on(async {
            let url = format!("sqlite://{}?mode=rwc", path.display());
            let mut connection = SqliteConnection::connect(&url).await.expect("a file can be made");
            sqlx::raw_sql("PRAGMA journal_mode = wal; PRAGMA synchronous = off")
                .execute(&mut connection)
                .await
                .expect("it can be set");
            sqlx::raw_sql(TABLE).execute(&mut connection).await.expect("a table can be made");
            let events = EventStore::create_sqlite(&path).await.expect("a store is there");
            (events, connection)
        });
        Self { runtime, events, connection, _folder: folder }
    }

    /// A row a line: its columns, with a tab between them, each behind the letter of its type.
    pub fn read(&mut self, data: &[u8]) {
        let lines: Vec<_> = data.split(|byte| *byte == b'\n').take(4).collect();
        let Self { runtime, events, connection, .. } = self;
        runtime.block_on(async {
            sqlx::raw_sql("BEGIN; DELETE FROM events2; DELETE FROM sqlite_sequence")
                .execute(&mut *connection)
                .await
                .expect("it empties");
            for line in &lines {
                let mut columns = line.split(|byte| *byte == b'\t');
                let insert = (0..COLUMNS).fold(sqlx::query(INSERT), |insert, _| bind(insert, columns.next()));
                insert.execute(&mut *connection).await.expect("the table takes everything");
            }
            sqlx::raw_sql("COMMIT").execute(&mut *connection).await.expect("it commits");
            let request = PageRequest {
                instance: &"i1".into(),
                after: &EventKey::before(Position::ZERO),
                up_to: Position::from_integer(1_000),
                filter: None,
                limit: 100,
                max_bytes: 1 << 20,
            };
            match events.page(&request).await {
                Ok(page) => {
                    assert_eq!(page.rows.len(), lines.len(), "every row is there");
                    assert!(page.rows.is_sorted_by(|one, other| one.key() < other.key()));
                    for row in page.rows {
                        if let Row::Broken(broken) = &*row {
                            assert!(!broken.reason.is_empty());
                        }
                    }
                }
                // A key that cannot be read: there is no telling where the row stands.
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        });
    }
}

type Insert<'q> = Query<'q, Sqlite, SqliteArguments>;

fn bind<'q>(insert: Insert<'q>, column: Option<&[u8]>) -> Insert<'q> {
    let Some((kind, value)) = column.and_then(<[u8]>::split_first) else { return insert.bind(None::<String>) };
    let text = String::from_utf8_lossy(value).into_owned();
    match kind {
        b'i' => insert.bind(text.parse::<i64>().unwrap_or(i64::MIN)),
        b'r' => insert.bind(text.parse::<f64>().unwrap_or(f64::NEG_INFINITY)),
        b'b' => insert.bind(value.to_vec()),
        _ => insert.bind(text),
    }
}
