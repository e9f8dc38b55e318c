//! The last attempts of each target: what was called, and what came of it.
//!
//! They are for operators to read: nothing depends on them, and whoever writes them may drop some.

use std::time::Duration;

use domain::{EventKey, EventType, InstanceId, OutcomeKind, TargetId, TargetName, Timestamp};
use sqlx::any::AnyRow;

use super::{
    State,
    database::Work,
    row::{self, KEY_COLUMNS},
};
use crate::StoreError;

/// A target that was removed for good meanwhile is not missed.
const RECORD: &str =
    "INSERT INTO deliveries (target_id, instance_id, {key}, event_type, attempt, outcome, status, error,
     answer, started_at, duration)
     SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11,
     column12, column13, column14, column15, column16
     FROM (VALUES {rows}) AS made WHERE EXISTS (SELECT 1 FROM targets WHERE targets.id = column1)";
const RECORD_COLUMNS: usize = 16;

const COLUMNS: &str =
    "deliveries.id, targets.name, deliveries.target_id, deliveries.instance_id, {key}, event_type, attempt,
     outcome, status, error, started_at, duration";
const MATCHING: &str = "FROM deliveries JOIN targets ON targets.id = deliveries.target_id
     WHERE (CAST($1 AS TEXT) IS NULL OR deliveries.target_id = $1)
     AND (CAST($2 AS TEXT) IS NULL OR deliveries.instance_id = $2)
     AND (CAST($3 AS TEXT) IS NULL OR deliveries.outcome = $3)
     AND (CAST($4 AS TEXT) IS NULL OR (deliveries.position = $4 AND deliveries.in_tx_order = $5
     AND deliveries.aggregate_type = $6 AND deliveries.aggregate_id = $7 AND deliveries.sequence = $8))
     ORDER BY started_at DESC, deliveries.id DESC LIMIT $9";
const ONE: &str = "FROM deliveries JOIN targets ON targets.id = deliveries.target_id WHERE deliveries.id = $1";

/// The number of an attempt's row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AttemptId(pub i64);

/// One attempt to deliver one event to one target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// To whom.
    pub target_id: TargetId,
    /// On which instance.
    pub instance_id: InstanceId,
    /// Which event.
    pub key: EventKey,
    /// What happened.
    pub event_type: EventType,
    /// The how manieth attempt, from 1.
    pub attempt: u32,
    /// What it was.
    pub outcome: OutcomeKind,
    /// The status of the last answer, if one came.
    pub status: Option<u16>,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
    /// The beginning of the answer's body, where there was one and it was kept.
    pub answer: Option<String>,
    /// When the call began, by the daemon's clock.
    pub started_at: Timestamp,
    /// From there to the end of the answer.
    pub duration: Duration,
}

/// An attempt as it stands in the state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedAttempt {
    /// Its row.
    pub id: AttemptId,
    /// The target's name, also of one that was removed.
    pub target: TargetName,
    /// What is known of it.
    pub attempt: Attempt,
}

/// Which attempts; what is `None` does not narrow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptFilter {
    /// To one target.
    pub target: Option<TargetId>,
    /// On one instance.
    pub instance: Option<InstanceId>,
    /// With this outcome.
    pub outcome: Option<OutcomeKind>,
    /// Of one event.
    pub event: Option<EventKey>,
    /// So many of the latest.
    pub limit: u32,
}

impl State {
    /// Writes attempts down, all of them or none.
    pub async fn record_attempts(&self, attempts: &[Attempt]) -> Result<(), StoreError> {
        let mut work = self.database.write("write the log of attempts").await?;
        let sql = RECORD.replace("{key}", KEY_COLUMNS);
        for chunk in attempts.chunks(work.rows_at_once()) {
            let mut statement =
                work.sql_once(&sql.replace("{rows}", &row::placeholders(chunk.len(), RECORD_COLUMNS, 1)));
            for made in chunk {
                statement = statement.bind(made.target_id.to_string()).bind(made.instance_id.to_string());
                statement = row::bind_key!(statement, made.key)
                    .bind(row::clean(made.event_type.as_str()))
                    .bind(i64::from(made.attempt))
                    .bind(made.outcome.as_str())
                    .bind(made.status.map(i64::from))
                    .bind(made.error.as_deref().map(row::clean))
                    .bind(made.answer.as_deref().map(row::clean))
                    .bind(made.started_at.as_microsecond())
                    .bind(i64::try_from(made.duration.as_micros()).unwrap_or(i64::MAX));
            }
            work.run(statement).await?;
        }
        work.commit().await
    }

    /// The latest attempts that match, the last one first, without what was answered; those of removed targets included.
    pub async fn attempts(&self, filter: &AttemptFilter) -> Result<Vec<RecordedAttempt>, StoreError> {
        let mut work = self.database.read("list attempts").await?;
        let sql = format!("SELECT {} {MATCHING}", COLUMNS.replace("{key}", KEY_COLUMNS));
        let statement = work
            .sql(&sql)
            .bind(filter.target.as_ref().map(ToString::to_string))
            .bind(filter.instance.as_ref().map(ToString::to_string))
            .bind(filter.outcome.map(OutcomeKind::as_str))
            .bind(filter.event.as_ref().map(|key| key.position.to_string()))
            .bind(filter.event.as_ref().map(|key| key.in_tx_order))
            .bind(filter.event.as_ref().map(|key| key.aggregate_type.to_string()))
            .bind(filter.event.as_ref().map(|key| key.aggregate_id.to_string()))
            .bind(filter.event.as_ref().map(|key| key.sequence))
            .bind(i64::from(filter.limit));
        let rows = work.rows(statement).await?;
        work.decoded(rows.iter().map(|row| decode(row, None)).collect())
    }

    /// One attempt, with what was answered.
    pub async fn attempt(&self, id: AttemptId) -> Result<Option<RecordedAttempt>, StoreError> {
        by_id(&mut self.database.read("read an attempt").await?, id).await
    }
}

pub(super) async fn by_id(work: &mut Work, id: AttemptId) -> Result<Option<RecordedAttempt>, StoreError> {
    let sql = format!("SELECT {}, answer {ONE}", COLUMNS.replace("{key}", KEY_COLUMNS));
    let row = work.row(work.sql(&sql).bind(id.0)).await?;
    let decoded = row.map(|row| decode(&row, row::optional_text(&row, "answer")?)).transpose();
    work.decoded(decoded)
}

fn decode(row: &AnyRow, answer: Option<String>) -> Result<RecordedAttempt, sqlx::Error> {
    Ok(RecordedAttempt {
        id: AttemptId(row::number(row, "id")?),
        target: row::text(row, "name")?.into(),
        attempt: Attempt {
            target_id: row::text(row, "target_id")?.into(),
            instance_id: row::text(row, "instance_id")?.into(),
            key: row::key(row)?,
            event_type: row::text(row, "event_type")?.into(),
            attempt: row::count(row, "attempt")?,
            outcome: row::parsed(row, "outcome")?,
            status: row::optional_number(row, "status")?.and_then(|status| u16::try_from(status).ok()),
            error: row::optional_text(row, "error")?,
            answer,
            started_at: row::time(row, "started_at")?,
            duration: Duration::from_micros(row::number(row, "duration")?.try_into().unwrap_or_default()),
        },
    })
}
