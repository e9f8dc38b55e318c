//! Targets that were removed: their cursors and failed events stay until their retention ends, and can be listed.

use domain::{InstanceId, TargetId, TargetName, Timestamp};

use super::{State, row};
use crate::StoreError;

const REMOVED: &str =
    "SELECT id, name, removed_at, instance_id FROM targets WHERE removed_at IS NOT NULL ORDER BY name, removed_at, id";

/// A target that was removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemovedTarget {
    /// What still finds it.
    pub id: TargetId,
    /// Its last name, which another target may have by now.
    pub name: TargetName,
    /// When, by the database's clock.
    pub removed_at: Timestamp,
    /// The one instance that it belonged to.
    pub instance: Option<InstanceId>,
}

impl State {
    /// Every target that was removed and has not been swept away yet, ordered by name.
    pub async fn removed_targets(&self) -> Result<Vec<RemovedTarget>, StoreError> {
        let mut work = self.database.read("list the removed targets").await?;
        let rows = work.rows(work.sql(REMOVED)).await?;
        let decode = |row| {
            Ok(RemovedTarget {
                id: row::text(row, "id")?.into(),
                name: row::text(row, "name")?.into(),
                removed_at: row::time(row, "removed_at")?,
                instance: row::optional_text(row, "instance_id")?.map(Into::into),
            })
        };
        work.decoded(rows.iter().map(decode).collect())
    }
}
