//! Claims: a worker makes cursors its own, many at once.
//!
//! Invariants: a claim locks the row of the session and the rows of the leases, so that neither ends before it is committed; and
//! cursors are locked in the order of their ids, as by everybody.

use std::collections::{HashMap, HashSet};

use domain::{Cursor, FailedEvent, FailedStatus, InstanceId, TargetId};
use serde::Serialize;

use super::{
    State,
    cursors::{self, WantedCursor},
    database::{Rows, Work},
    failed,
    row::{self, CURSOR_COLUMNS},
    workers::Session,
};
use crate::StoreError;

/// Locks targets' leases and their worker's session while they run, so that none ends before the transaction does.
const HOLD_LEASES: &str = "SELECT leases.target_id FROM workers JOIN leases ON leases.worker_id = workers.id
     WHERE workers.id = $2 AND workers.epoch = $3 AND workers.standing IN ('working', 'leaving')
     AND workers.expires_at > {now} AND leases.target_id IN (SELECT places.target_id FROM {rows})
     ORDER BY leases.target_id {for key share}";
const LOCK: &str = "SELECT id FROM cursors
     WHERE (target_id, instance_id) IN (SELECT places.target_id, places.instance_id FROM {rows})
     ORDER BY id {for update}";
const RAISE_EPOCHS: &str = "UPDATE cursors SET epoch = epoch + 1 WHERE id IN (SELECT wanted.id FROM {rows}) RETURNING ";
/// One probe of the index for each.
const HAVE_FAILED_EVENTS: &str = "SELECT wanted.id,
     (SELECT CAST(1 AS BIGINT) FROM failed_events WHERE failed_events.cursor_id = wanted.id LIMIT 1) AS has_some FROM {rows}";

#[derive(Serialize)]
struct Place<'a> {
    target_id: &'a str,
    instance_id: &'a str,
}

const PLACES: Rows = Rows { name: "places", columns: &[("target_id", "TEXT"), ("instance_id", "TEXT")] };

/// A cursor that now belongs to whoever claimed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// With the epoch that commits must present.
    pub cursor: Cursor,
    /// Its failed events that are retrying or halted, and those parked beyond it, where it was moved back.
    pub failed: Vec<FailedEvent>,
}

impl State {
    /// As [`Self::claim_all`], of one.
    pub async fn claim(
        &self,
        session: &Session,
        target: &TargetId,
        instance: &InstanceId,
    ) -> Result<Option<Claim>, StoreError> {
        let claimed = self.claim_all(session, &[(target.clone(), instance.clone())]).await?;
        Ok(claimed.into_values().next())
    }

    /// Makes cursors this worker's: raises their epochs, with which every earlier owner is fenced off.
    ///
    /// Those of targets that the session has not leased are left out, and those that are not there; and all of them when the
    /// session has ended or expired by the database's clock.
    pub async fn claim_all(
        &self,
        session: &Session,
        places: &[(TargetId, InstanceId)],
    ) -> Result<HashMap<(TargetId, InstanceId), Claim>, StoreError> {
        let mut work = self.database.write("claim cursors").await?;
        let mut claims = HashMap::new();
        for cursor in raise_epochs(&mut work, session, places).await? {
            let place = (cursor.target_id.clone(), cursor.instance_id.clone());
            claims.insert(place, Claim { cursor, failed: Vec::new() });
        }
        if claims.is_empty() {
            work.rollback().await?;
            return Ok(claims);
        }
        let with_failed_events = with_failed_events(&mut work, &claims).await?;
        for claim in claims.values_mut().filter(|claim| with_failed_events.contains(&claim.cursor.id.0)) {
            let waiting = [FailedStatus::Retrying, FailedStatus::Halted];
            claim.failed = failed::of_cursor(&mut work, claim.cursor.id, &waiting).await?;
            claim.failed.extend(failed::parked_beyond(&mut work, &claim.cursor).await?);
        }
        work.commit().await?;
        Ok(claims)
    }
}

async fn raise_epochs(
    work: &mut Work,
    session: &Session,
    places: &[(TargetId, InstanceId)],
) -> Result<Vec<Cursor>, StoreError> {
    let rows: Vec<_> = places
        .iter()
        .map(|(target, instance)| Place { target_id: target.as_str(), instance_id: instance.as_str() })
        .collect();
    let asked = work.rows_bound(&PLACES);
    let statement = work.sql(&HOLD_LEASES.replace("{rows}", &asked)).bind(row::to_json(&rows));
    let held = work.rows(statement.bind(session.worker.0.clone()).bind(session.epoch)).await?;
    let held: HashSet<String> = work.decoded(held.iter().map(|row| row::text(row, "target_id")).collect())?;
    let rows: Vec<_> = rows.into_iter().filter(|place| held.contains(place.target_id)).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let locked = work.rows(work.sql(&LOCK.replace("{rows}", &asked)).bind(row::to_json(&rows))).await?;
    let ids: Vec<_> =
        work.decoded(locked.iter().map(|row| Ok(WantedCursor { id: row::number(row, "id")? })).collect())?;
    let sql = format!("{}{CURSOR_COLUMNS}", RAISE_EPOCHS.replace("{rows}", &work.rows_bound(&cursors::WANTED)));
    let raised = work.rows(work.sql(&sql).bind(row::to_json(&ids))).await?;
    work.decoded(raised.iter().map(row::cursor).collect())
}

async fn with_failed_events(
    work: &mut Work,
    claims: &HashMap<(TargetId, InstanceId), Claim>,
) -> Result<HashSet<i64>, StoreError> {
    let ids: Vec<_> = claims.values().map(|claim| WantedCursor { id: claim.cursor.id.0 }).collect();
    let statement = work.sql(&HAVE_FAILED_EVENTS.replace("{rows}", &work.rows_bound(&cursors::WANTED)));
    let rows = work.rows(statement.bind(row::to_json(&ids))).await?;
    let decode = |row| Ok((row::number(row, "id")?, row::optional_number(row, "has_some")?));
    let found: Vec<(i64, Option<i64>)> = work.decoded(rows.iter().map(decode).collect::<Result<_, _>>())?;
    Ok(found.into_iter().filter_map(|(id, has_some)| has_some.map(|_| id)).collect())
}
