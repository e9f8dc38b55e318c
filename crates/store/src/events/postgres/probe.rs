//! S1 and S2 of the horizon: the head, then who may still write below it. Two statements, each on its own.
//!
//! Invariant: S2 is sent only once S1 has been answered, by the same server on the same timeline.

use domain::{Position, Timestamp, Writer};
use sqlx::{Row, postgres::PgRow};
use tokio::time::timeout;

use super::{
    PostgresEvents,
    connection::{SHORT, acquire, safe, settle},
};
use crate::{
    StoreError,
    events::{HorizonSource, Identity, Probe},
};

const OPERATION: &str = "look for open writers";

pub(super) async fn probe(store: &PostgresEvents) -> Result<Probe, StoreError> {
    let (examined, statements) = store.known();
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let asked = timeout(SHORT, sqlx::query(safe(&statements.head)).fetch_one(&mut *connection)).await;
    let first = match asked {
        Ok(Ok(row)) => row,
        other => return settle(OPERATION, SHORT, connection, other).and(Err(StoreError::Switched)),
    };
    let identity = server(&first)?;
    let head = position(&first, "head")?.unwrap_or(Position::ZERO);

    let (pids, starts) = store.sessions.arrays();
    let tx_start = examined.source == HorizonSource::TxStart;
    let query = sqlx::query(safe(&statements.writers))
        .bind(examined.layout.table.quoted())
        .bind(tx_start)
        .bind(examined.sequence.as_ref().map(|sequence| sequence.oid))
        .bind(pids)
        .bind(starts)
        .bind(store.ignore_roles.as_ref());
    let asked = timeout(SHORT, query.fetch_all(&mut *connection)).await;
    let rows = settle(OPERATION, SHORT, connection, asked)?;
    let mut writers = Vec::with_capacity(rows.len());
    for row in &rows {
        if server(row)? != identity {
            return Err(StoreError::Switched);
        }
        writers.extend(writer(row, tx_start).map_err(StoreError::database(OPERATION))?);
    }
    Ok(Probe { head, writers, identity })
}

/// The one row of a store without writers has no virtual transaction.
fn writer(row: &PgRow, tx_start: bool) -> Result<Option<Writer>, sqlx::Error> {
    let Some(vxid) = row.try_get::<Option<String>, _>("vxid")? else { return Ok(None) };
    let xact_start: Option<i64> = row.try_get("xact_start")?;
    let since: Option<i64> = row.try_get("since")?;
    Ok(Some(Writer {
        vxid,
        floor: xact_start.filter(|_| tx_start).map(|micros| Position::from_micros(micros - 1)),
        pid: row.try_get("pid")?,
        role: row.try_get("role")?,
        application: row.try_get("application")?,
        since: since.and_then(|micros| Timestamp::from_microsecond(micros).ok()),
        state: row.try_get("state")?,
    }))
}

/// Which server answered. A standby's locks and rows say nothing about the writers.
pub(super) fn server(row: &PgRow) -> Result<Option<Identity>, StoreError> {
    let failed = StoreError::database("identify the server");
    let read = || {
        let standby: bool = row.try_get("s_standby")?;
        let system: Option<String> = row.try_get("s_system")?;
        let timeline: Option<String> = row.try_get("s_timeline")?;
        Ok((standby, system, timeline))
    };
    let (standby, system, timeline) = read().map_err(failed)?;
    if standby {
        return Err(StoreError::Standby);
    }
    let timeline = timeline.and_then(|hex| i64::from_str_radix(&hex, 16).ok());
    Ok(system.zip(timeline).map(|(system_identifier, timeline)| Identity { system_identifier, timeline }))
}

/// A position that is selected as text.
pub(super) fn position(row: &PgRow, column: &str) -> Result<Option<Position>, StoreError> {
    let text: Option<String> = row.try_get(column).map_err(StoreError::database(OPERATION))?;
    text.map(|text| text.parse())
        .transpose()
        .map_err(|error: domain::PositionError| StoreError::Invalid { operation: OPERATION, reason: error.to_string() })
}
