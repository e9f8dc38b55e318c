//! Failed events as rows: listing, writing and removing them.

use domain::{Cursor, CursorId, EventKey, FailedEvent, FailedStatus, InstanceId, TargetId, Timestamp, TypePattern};

use super::{
    State,
    database::{Statement, Work},
    row::{self, FAILED_COLUMNS, KEY_COLUMNS},
};
use crate::StoreError;

const COUNTS: &str = "SELECT cursors.target_id, cursors.instance_id, failed_events.status, count(*) AS events,
     min(failed_events.first_failed) AS first_failed FROM failed_events
     JOIN cursors ON cursors.id = failed_events.cursor_id
     GROUP BY cursors.target_id, cursors.instance_id, failed_events.status";

/// Positions are text; as numbers they only narrow down what is looked at, with room for SQLite's floats.
const PARKED_FROM: &str = "FROM failed_events WHERE cursor_id = $1 AND status IN ('parked', 'interrupted')
     AND CAST(position AS NUMERIC) >= CAST($2 AS NUMERIC) - 1";

const MATCHING: &str = "FROM failed_events
     JOIN cursors ON cursors.id = failed_events.cursor_id JOIN targets ON targets.id = cursors.target_id
     WHERE (CAST($1 AS TEXT) IS NULL OR cursors.target_id = $1) AND (CAST($2 AS TEXT) IS NULL OR cursors.instance_id = $2)
     AND (CAST($3 AS TEXT) IS NULL OR failed_events.aggregate_id = $3)
     AND (CAST($4 AS BIGINT) IS NULL OR failed_events.sequence = $4)
     AND (CAST($5 AS TEXT) IS NULL OR failed_events.status = $5)
     AND (CAST($6 AS BIGINT) IS NULL OR failed_events.last_failed >= $6)
     AND (CAST($7 AS BIGINT) IS NULL OR failed_events.last_failed < $7)";

const LAST: &str = "FROM failed_events JOIN cursors ON cursors.id = failed_events.cursor_id
     WHERE cursors.target_id = $1 AND (CAST($2 AS TEXT) IS NULL OR failed_events.status <> $2)
     ORDER BY failed_events.last_failed DESC LIMIT $3";

/// Which failed events; what is `None` does not narrow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FailedFilter {
    /// Of one target.
    pub target: Option<TargetId>,
    /// On one instance.
    pub instance: Option<InstanceId>,
    /// Of one aggregate.
    pub aggregate_id: Option<String>,
    /// With this number within its aggregate.
    pub sequence: Option<i64>,
    /// With this status.
    pub status: Option<FailedStatus>,
    /// Of this event type, or of this group of types.
    pub event_type: Option<TypePattern>,
    /// Failed last at this time or later.
    pub since: Option<Timestamp>,
    /// Failed last before this time.
    pub until: Option<Timestamp>,
    /// With this text in the error, in whatever case.
    pub error: Option<String>,
}

/// How many failed events a cursor has in one status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedCount {
    /// Whose.
    pub target: TargetId,
    /// Where.
    pub instance: InstanceId,
    /// In which status.
    pub status: FailedStatus,
    /// How many; at least one.
    pub events: u64,
    /// When the first of them failed first.
    pub first_failed: Timestamp,
}

impl FailedFilter {
    /// What is compared here and not in SQL, where databases disagree about case and wildcards.
    fn takes(&self, failed: &FailedEvent) -> bool {
        self.event_type.as_ref().is_none_or(|pattern| pattern.matches(&failed.event_type))
            && self.error.as_ref().is_none_or(|text| failed.error.to_lowercase().contains(&text.to_lowercase()))
    }
}

impl State {
    /// The failed events that match, ordered by target name, instance and key; those of removed targets included.
    pub async fn failed_events(
        &self,
        filter: &FailedFilter,
    ) -> Result<Vec<(TargetId, InstanceId, FailedEvent)>, StoreError> {
        let mut work = self.database.read("list failed events").await?;
        let sql = format!("SELECT targets.name, cursors.target_id, cursors.instance_id, {FAILED_COLUMNS} {MATCHING}");
        let rows = work.rows(bind(work.sql(&sql), filter)).await?;
        let decode = |row| {
            let owner = (row::text(row, "name")?, row::text(row, "target_id")?, row::text(row, "instance_id")?);
            Ok((owner, row::failed(row)?))
        };
        let mut found: Vec<_> = work.decoded(rows.iter().map(decode).collect::<Result<_, _>>())?;
        found.retain(|(_, failed)| filter.takes(failed));
        found.sort_by(|(owner, failed), (other, later)| (owner, &failed.key).cmp(&(other, &later.key)));
        Ok(found.into_iter().map(|((_, target, instance), failed)| (target.into(), instance.into(), failed)).collect())
    }
}

impl State {
    /// How many failed events each cursor has, by status.
    pub async fn failed_counts(&self) -> Result<Vec<FailedCount>, StoreError> {
        let mut work = self.database.read("count failed events").await?;
        let rows = work.rows(work.sql(COUNTS)).await?;
        let decode = |row| {
            Ok(FailedCount {
                target: row::text(row, "target_id")?.into(),
                instance: row::text(row, "instance_id")?.into(),
                status: row::parsed(row, "status")?,
                events: row::number(row, "events")?.unsigned_abs(),
                first_failed: row::time(row, "first_failed")?,
            })
        };
        work.decoded(rows.iter().map(decode).collect())
    }

    /// The events of a target that failed last, the latest first, at most so many, and none in the status `but`.
    pub async fn failed_last(
        &self,
        target: &TargetId,
        but: Option<FailedStatus>,
        most: u32,
    ) -> Result<Vec<(InstanceId, FailedEvent)>, StoreError> {
        let mut work = self.database.read("list the latest failed events").await?;
        let sql = format!("SELECT cursors.instance_id, {FAILED_COLUMNS} {LAST}");
        let but = but.map(|status| status.as_str().to_owned());
        let rows = work.rows(work.sql(&sql).bind(target.to_string()).bind(but).bind(i64::from(most))).await?;
        let decode = |row| Ok((row::text(row, "instance_id")?.into(), row::failed(row)?));
        work.decoded(rows.iter().map(decode).collect())
    }
}

/// The cursors that have failed events that match, and perhaps others.
pub(super) async fn cursors_matching(work: &mut Work, filter: &FailedFilter) -> Result<Vec<CursorId>, StoreError> {
    let sql = format!("SELECT DISTINCT failed_events.cursor_id {MATCHING}");
    let rows = work.rows(bind(work.sql(&sql), filter)).await?;
    work.decoded(rows.iter().map(|row| row::number(row, "cursor_id").map(CursorId)).collect())
}

/// The failed events that match, each with its cursor, in order.
pub(super) async fn matching(
    work: &mut Work,
    filter: &FailedFilter,
) -> Result<Vec<(CursorId, FailedEvent)>, StoreError> {
    let sql = format!("SELECT failed_events.cursor_id, {FAILED_COLUMNS} {MATCHING}");
    let rows = work.rows(bind(work.sql(&sql), filter)).await?;
    let decode = |row| Ok((CursorId(row::number(row, "cursor_id")?), row::failed(row)?));
    let mut found: Vec<_> = work.decoded(rows.iter().map(decode).collect::<Result<_, _>>())?;
    found.retain(|(_, failed)| filter.takes(failed));
    found.sort_by(|(cursor, failed), (other, later)| (cursor, &failed.key).cmp(&(other, &later.key)));
    Ok(found)
}

/// The failed events of one cursor with one of these statuses, in order.
pub(super) async fn of_cursor(
    work: &mut Work,
    id: CursorId,
    statuses: &[FailedStatus],
) -> Result<Vec<FailedEvent>, StoreError> {
    let mut statement = work.sql(&format!(
        "SELECT {FAILED_COLUMNS} FROM failed_events WHERE cursor_id = $1 AND status IN {}",
        row::placeholders(1, statuses.len(), 2)
    ));
    statement = statement.bind(id.0);
    for status in statuses {
        statement = statement.bind(status.as_str());
    }
    let rows = work.rows(statement).await?;
    let mut failed: Vec<FailedEvent> = work.decoded(rows.iter().map(row::failed).collect::<Result<_, _>>())?;
    failed.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(failed)
}

/// Failed events of one cursor that are being retried: about the first of them in order, and these in order. Positions are
/// text; as numbers they are near enough, with SQLite's floats.
pub(super) async fn first_retrying(work: &mut Work, id: CursorId, most: usize) -> Result<Vec<FailedEvent>, StoreError> {
    let sql = format!(
        "SELECT {FAILED_COLUMNS} FROM failed_events WHERE cursor_id = $1 AND status = 'retrying'
         ORDER BY CAST(position AS NUMERIC), in_tx_order, sequence LIMIT $2"
    );
    let statement = work.sql(&sql).bind(id.0).bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = work.rows(statement).await?;
    let mut failed: Vec<FailedEvent> = work.decoded(rows.iter().map(row::failed).collect::<Result<_, _>>())?;
    failed.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(failed)
}

/// The events beyond a cursor that were given up before it was moved back, in order.
pub(super) async fn parked_beyond(work: &mut Work, cursor: &Cursor) -> Result<Vec<FailedEvent>, StoreError> {
    let sql = format!("SELECT {FAILED_COLUMNS} {PARKED_FROM}");
    let statement = work.sql(&sql).bind(cursor.id.0).bind(cursor.key.position.to_string());
    let rows = work.rows(statement).await?;
    let mut failed: Vec<FailedEvent> = work.decoded(rows.iter().map(row::failed).collect::<Result<_, _>>())?;
    failed.retain(|failed| failed.key > cursor.key);
    failed.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(failed)
}

/// Writes or overwrites failed events; `first_failed` of a row that is there stays. Each key at most once.
pub(super) async fn put(work: &mut Work, failed: &[(CursorId, &FailedEvent)]) -> Result<(), StoreError> {
    for chunk in failed.chunks(work.rows_at_once()) {
        let mut statement = work.sql_once(&format!(
            "INSERT INTO failed_events (cursor_id, {KEY_COLUMNS}, event_type, failure_count, status, error, first_failed,
             last_failed) VALUES {}
             ON CONFLICT (cursor_id, aggregate_type, aggregate_id, sequence, position, in_tx_order, event_instance_id)
             DO UPDATE SET event_type = excluded.event_type, failure_count = excluded.failure_count,
             status = excluded.status, error = excluded.error, last_failed = excluded.last_failed",
            row::placeholders(chunk.len(), 13, 1)
        ));
        for (cursor, failed) in chunk {
            statement = row::bind_key!(statement.bind(cursor.0), failed.key)
                .bind(row::clean(failed.event_type.as_str()))
                .bind(i64::from(failed.failure_count))
                .bind(failed.status.as_str())
                .bind(row::clean(&failed.error))
                .bind(failed.first_failed.as_microsecond())
                .bind(failed.last_failed.as_microsecond());
        }
        work.run(statement).await?;
    }
    Ok(())
}

/// Removes failed events; those that are not there do no harm.
pub(super) async fn remove(work: &mut Work, keys: &[(CursorId, EventKey)]) -> Result<(), StoreError> {
    for chunk in keys.chunks(work.rows_at_once()) {
        let mut statement = work.sql_once(&format!(
            "DELETE FROM failed_events WHERE (cursor_id, {KEY_COLUMNS}) IN (VALUES {})",
            row::placeholders(chunk.len(), 7, 1)
        ));
        for (cursor, key) in chunk {
            statement = row::bind_key!(statement.bind(cursor.0), key);
        }
        work.run(statement).await?;
    }
    Ok(())
}

fn bind(statement: Statement, filter: &FailedFilter) -> Statement {
    statement
        .bind(filter.target.as_ref().map(ToString::to_string))
        .bind(filter.instance.as_ref().map(ToString::to_string))
        .bind(filter.aggregate_id.clone())
        .bind(filter.sequence)
        .bind(filter.status.map(|status| status.as_str().to_owned()))
        .bind(filter.since.map(Timestamp::as_microsecond))
        .bind(filter.until.map(Timestamp::as_microsecond))
}
