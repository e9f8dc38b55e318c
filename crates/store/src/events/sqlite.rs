//! An event store in a SQLite file.
//!
//! SQLite has one writer at a time, so `AUTOINCREMENT` numbers appear in the order in which they are handed out: the head
//! is the horizon, and nobody is ever below it.
//!
//! Invariants: appending is all or none, and a payload that is no JSON is refused; readers never block the writer (WAL).

mod append;
mod decode;
mod sql;

use std::{path::Path, str::FromStr as _, time::Duration};

use domain::{EventKey, EventType, InstanceId, Position, Row, Timestamp};
use futures_util::TryStreamExt as _;
use sqlx::{
    Row as _, Sqlite, SqlitePool,
    query::Query,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};

pub use append::NewEvent;

use super::{
    Finding, Page, PageRequest, Probe,
    collect::{Bounds, Collector, cast},
};
use crate::StoreError;

const OPEN: &str = "open the event store";
const BUSY: Duration = Duration::from_secs(5);

/// An events table in a SQLite file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteEvents {
    pool: SqlitePool,
}

impl SqliteEvents {
    pub(super) async fn connect(url: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url).map_err(|_| StoreError::Url {
            what: "event store",
            reason: "sqlite:// and the path of a file is needed".to_owned(),
        })?;
        let store = Self::open(options).await?;
        let there: i64 =
            sqlx::query_scalar(sql::TABLE).fetch_one(&store.pool).await.map_err(StoreError::database(OPEN))?;
        if there == 0 {
            return Err(StoreError::Unusable { reason: "the file has no table events2 with a position".to_owned() });
        }
        Ok(store)
    }

    pub(super) async fn create(path: &Path) -> Result<Self, StoreError> {
        let store = Self::open(SqliteConnectOptions::new().filename(path).create_if_missing(true)).await?;
        sqlx::raw_sql(sql::SCHEMA)
            .execute(&store.pool)
            .await
            .map_err(StoreError::database("create the event store"))?;
        Ok(store)
    }

    async fn open(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .row_buffer_size(1);
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .map_err(StoreError::database(OPEN))?;
        Ok(Self { pool })
    }

    pub(super) async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        let version: String = sqlx::query_scalar("SELECT sqlite_version()")
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::database("check the event store"))?;
        Ok(vec![
            Finding::ok("server", format!("SQLite {version}")),
            Finding::ok("horizon", "sequence: SQLite has one writer at a time"),
        ])
    }

    pub(super) async fn instances(&self) -> Result<Vec<InstanceId>, StoreError> {
        self.instance_ids(sqlx::query(sql::INSTANCES)).await
    }

    pub(super) async fn recent_instances(&self, since: Timestamp) -> Result<Vec<InstanceId>, StoreError> {
        self.instance_ids(sqlx::query(sql::RECENT).bind(append::created_at(since))).await
    }

    pub(super) async fn fresh(&self, known: &[(InstanceId, Position)]) -> Result<Vec<InstanceId>, StoreError> {
        let known: Vec<_> = known.iter().map(|(instance, position)| (instance, floor(*position))).collect();
        let known = serde_json::to_string(&known).expect("texts and numbers are always JSON");
        self.instance_ids(sqlx::query(sql::FRESH).bind(known)).await
    }

    async fn instance_ids(&self, query: Query<'_, Sqlite, SqliteArguments>) -> Result<Vec<InstanceId>, StoreError> {
        let operation = "list the instances";
        let rows = query.fetch_all(&self.pool).await.map_err(StoreError::database(operation))?;
        rows.iter()
            .map(|row| row.try_get::<String, _>(0).map(InstanceId::from).map_err(StoreError::database(operation)))
            .collect()
    }

    pub(super) async fn probe(&self) -> Result<Probe, StoreError> {
        let head: i64 = sqlx::query_scalar(sql::HEAD)
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::database("look for the head"))?;
        Ok(Probe { head: Position::from_integer(head), writers: Vec::new(), identity: None })
    }

    pub(super) async fn page(&self, request: &PageRequest<'_>) -> Result<Page, StoreError> {
        let failed = || StoreError::database("read a page of events");
        let bounds = Bounds::of(request);
        let query = match bounds.scan {
            Some(scan) => matching(sqlx::query(sql::FILTERED_PAGE), request).bind(cast(scan)),
            None => range(sqlx::query(sql::PAGE), request),
        };
        let mut collector = Collector::new(bounds, request.after.clone());
        let mut rows = query.bind(cast(bounds.rows)).fetch(&self.pool);
        while !collector.is_full()
            && let Some(row) = rows.try_next().await.map_err(failed())?
        {
            match row.try_get("p_more").map_err(failed())? {
                None => collector.push(decode::row(&row)?)?,
                Some(more) => collector.mark(decode::key(&row)?, decode::created_at(&row).ok(), more)?,
            }
        }
        Ok(collector.finish())
    }

    pub(super) async fn event(&self, key: &EventKey) -> Result<Option<Row>, StoreError> {
        let row = sqlx::query(sql::EVENT)
            .bind(floor(key.position))
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::database("read an event"))?;
        let row = row.map(|row| decode::row(&row)).transpose()?;
        Ok(row.filter(|row| row.key() == key))
    }

    pub(super) async fn position_at(&self, time: Timestamp) -> Result<Position, StoreError> {
        sqlx::query_scalar(sql::FIRST_SINCE)
            .bind(append::created_at(time))
            .fetch_one(&self.pool)
            .await
            .map(Position::from_integer)
            .map_err(StoreError::database("look up a position by time"))
    }

    pub(super) async fn position_back(
        &self,
        instance: &InstanceId,
        before: Position,
        rows: u32,
    ) -> Result<Option<Position>, StoreError> {
        let position: Option<i64> = sqlx::query_scalar(sql::BACK)
            .bind(instance.as_str())
            .bind(floor(before).saturating_add(i64::from(before > Position::from_integer(floor(before)))))
            .bind(i64::from(rows.saturating_sub(1)))
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::database("look back from a position"))?;
        Ok(position.map(Position::from_integer))
    }

    pub(super) async fn position_ahead(
        &self,
        instance: &InstanceId,
        behind: Position,
        up_to: Position,
        rows: u32,
    ) -> Result<Option<Position>, StoreError> {
        let position: Option<i64> = sqlx::query_scalar(sql::AHEAD)
            .bind(instance.as_str())
            .bind(floor(behind))
            .bind(floor(up_to))
            .bind(i64::from(rows.saturating_sub(1)))
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::database("look ahead from a position"))?;
        Ok(position.map(Position::from_integer))
    }

    pub(super) async fn count(&self, request: &PageRequest<'_>, cap: u64) -> Result<u64, StoreError> {
        let query = matching(sqlx::query(sql::COUNT), request).bind(i64::try_from(cap).unwrap_or(i64::MAX));
        let row = query.fetch_one(&self.pool).await.map_err(StoreError::database("count events"))?;
        row.try_get::<i64, _>(0).map(i64::unsigned_abs).map_err(StoreError::database("count events"))
    }

    pub(super) async fn census(
        &self,
        request: &PageRequest<'_>,
        cap: u64,
    ) -> Result<Vec<(Option<EventType>, u64)>, StoreError> {
        let failed = || StoreError::database("count events by type");
        let query = matching(sqlx::query(sql::CENSUS), request).bind(i64::try_from(cap).unwrap_or(i64::MAX));
        let rows = query.fetch_all(&self.pool).await.map_err(failed())?;
        let decode = |row: &SqliteRow| {
            Ok((row.try_get::<Option<String>, _>(0)?.map(EventType::from), row.try_get::<i64, _>(1)?.unsigned_abs()))
        };
        rows.iter().map(decode).collect::<Result<_, _>>().map_err(failed())
    }
}

/// The parameters that every read of a range begins with: see [`sql`].
fn range<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    request: &PageRequest<'_>,
) -> Query<'q, Sqlite, SqliteArguments> {
    let after = request.after;
    // A position is the whole key here: a key between two events, or with a fraction, is behind the whole number below.
    let own = Position::from_integer(floor(after.position)) == after.position;
    let inclusive = own && after.is_edge() && after.in_tx_order < 0;
    query
        .bind(request.instance.as_str().to_owned())
        .bind(floor(after.position) - i64::from(inclusive))
        .bind(floor(request.up_to))
}

/// As [`range`], with the types that can match; NULL where all can.
fn matching<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    request: &PageRequest<'_>,
) -> Query<'q, Sqlite, SqliteArguments> {
    let json = |list: &[String]| serde_json::to_string(list).expect("texts are always JSON");
    let filter = request.filter.filter(|filter| !filter.all);
    range(query, request).bind(filter.map(|filter| json(&filter.types))).bind(filter.map(|filter| json(&filter.groups)))
}

/// The whole number below.
fn floor(position: Position) -> i64 {
    let text = position.to_string();
    let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
    whole.parse().unwrap_or(i64::MAX)
}
