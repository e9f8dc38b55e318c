//! When definitions were made and changed last: for people and for clients, never for what is sent.

use std::collections::HashMap;

use domain::{Condition, InstanceId, TargetId, Timestamp};

use super::{State, row};
use crate::StoreError;

const TARGETS: &str = "SELECT id, created_at, updated_at FROM targets WHERE removed_at IS NULL";
const EXECUTIONS: &str = "SELECT condition, instance_id, created_at, set_at FROM executions";

/// When something was made, and when it was changed last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dates {
    /// By the database's clock.
    pub created_at: Timestamp,
    /// About `created_at` where it never was.
    pub changed_at: Timestamp,
}

/// The dates of everything that is defined.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DefinitionDates {
    /// Of every target.
    pub targets: HashMap<TargetId, Dates>,
    /// Of the executions that were set since dates are kept.
    pub executions: HashMap<(Condition, Option<InstanceId>), Dates>,
}

impl State {
    /// When what is defined was made and changed.
    pub async fn definition_dates(&self) -> Result<DefinitionDates, StoreError> {
        let mut work = self.database.snapshot("read when definitions were made").await?;
        let targets = work.rows(work.sql(TARGETS)).await?;
        let executions = work.rows(work.sql(EXECUTIONS)).await?;
        work.rollback().await?;
        let target = |row| {
            let dates = Dates { created_at: row::time(row, "created_at")?, changed_at: row::time(row, "updated_at")? };
            Ok((TargetId::from(row::text(row, "id")?), dates))
        };
        let execution = |row| {
            let place = (row::parsed(row, "condition")?, row::optional_text(row, "instance_id")?.map(Into::into));
            let dates = row::optional_time(row, "created_at")?.zip(row::optional_time(row, "set_at")?);
            Ok(dates.map(|(created_at, changed_at)| (place, Dates { created_at, changed_at })))
        };
        let operation = "read when definitions were made";
        let failed = StoreError::database(operation);
        let decode = || {
            Ok(DefinitionDates {
                targets: targets.iter().map(target).collect::<Result<_, sqlx::Error>>()?,
                executions: executions
                    .iter()
                    .filter_map(|row| execution(row).transpose())
                    .collect::<Result<_, sqlx::Error>>()?,
            })
        };
        decode().map_err(failed)
    }
}
