//! The horizon's watermark: how far the event store was known to be complete, so that a restart begins there.

use domain::{Position, Timestamp};

use super::{State, audit, database::Work, operate::By, row};
use crate::{Identity, StoreError};

const LOCK: &str = "SELECT watermark, system_identifier, timeline, updated_at FROM horizon WHERE id = 1 {for update}";
const READ: &str = "SELECT watermark, system_identifier, timeline, updated_at FROM horizon WHERE id = 1";
const WRITE: &str = "INSERT INTO horizon (id, watermark, system_identifier, timeline, updated_at)
     VALUES (1, $1, $2, $3, {now})
     ON CONFLICT (id) DO UPDATE SET watermark = excluded.watermark, system_identifier = excluded.system_identifier,
     timeline = excluded.timeline, updated_at = excluded.updated_at";

/// How far an event store was known to be complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HorizonMark {
    /// Nothing can be added at or below it.
    pub watermark: Position,
    /// Of which server that was known, where it has an identity.
    pub identity: Option<Identity>,
}

/// Keeps the higher of two watermarks: every daemon comes with its own.
pub(super) async fn keep(work: &mut Work, mark: &HorizonMark) -> Result<(), StoreError> {
    if let Some(row) = work.row(work.sql(LOCK)).await? {
        let (kept, _) = work.decoded(decode(&row))?;
        if mark.watermark < kept.watermark || *mark == kept {
            return Ok(());
        }
    }
    let statement = work
        .sql(WRITE)
        .bind(mark.watermark.to_string())
        .bind(mark.identity.as_ref().map(|identity| identity.system_identifier.clone()))
        .bind(mark.identity.as_ref().map(|identity| identity.timeline));
    work.run(statement).await.map(drop)
}

/// Forgets how far the event store was known, and on which server: for a store that has lost events for good. A daemon that
/// starts afterwards takes the store as it finds it.
pub(super) async fn forget(work: &mut Work, by: By<'_>) -> Result<(), StoreError> {
    let kept = work.row(work.sql(LOCK)).await?;
    let was = work.decoded(kept.as_ref().map(|row| row::text(row, "watermark")).transpose())?;
    work.run(work.sql("DELETE FROM horizon")).await?;
    audit::record(work, by.record("forget_horizon", was, None)).await
}

impl State {
    /// The watermark and when it was last raised. `None` before the first one.
    pub async fn horizon(&self) -> Result<Option<(HorizonMark, Timestamp)>, StoreError> {
        let mut work = self.database.read("read the horizon's watermark").await?;
        let row = work.row(work.sql(READ)).await?;
        work.decoded(row.as_ref().map(decode).transpose())
    }
}

fn decode(row: &sqlx::any::AnyRow) -> Result<(HorizonMark, Timestamp), sqlx::Error> {
    let system = row::optional_text(row, "system_identifier")?;
    let identity = system
        .zip(row::optional_number(row, "timeline")?)
        .map(|(system_identifier, timeline)| Identity { system_identifier, timeline });
    Ok((HorizonMark { watermark: row::parsed(row, "watermark")?, identity }, row::time(row, "updated_at")?))
}
