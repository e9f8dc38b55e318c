//! Pause and resume: of a whole target, whatever its cursors do.

use domain::TargetId;

use super::{By, finish};
use crate::{
    StoreError,
    state::{
        State,
        audit::{self, Record},
    },
};

const PAUSE: &str = "UPDATE targets SET paused = $1, updated_at = {now}
     WHERE id = $2 AND removed_at IS NULL AND paused <> $3";
const EXISTS: &str = "SELECT id FROM targets WHERE id = $1 AND removed_at IS NULL";
/// Definitions change under the revision's lock.
const LOCK: &str = "SELECT revision FROM revision WHERE id = 1 {for update}";

impl State {
    /// Pauses or resumes a target. `false`: it was so already.
    pub async fn set_paused(&self, target: &TargetId, paused: bool, by: impl Into<By<'_>>) -> Result<bool, StoreError> {
        let by = by.into();
        let mut work = self.database.write("pause or resume a target").await?;
        work.run(work.sql(LOCK)).await?;
        let flag = i64::from(paused);
        let changed = work.run(work.sql(PAUSE).bind(flag).bind(target.to_string()).bind(flag)).await? == 1;
        if !changed && work.row(work.sql(EXISTS).bind(target.to_string())).await?.is_none() {
            work.rollback().await?;
            return Err(StoreError::NoTarget { target: target.clone() });
        }
        let describe = |paused: bool| Some(if paused { "paused" } else { "running" }.to_owned());
        let entry = Record {
            actor: by.actor,
            act: if paused { "pause" } else { "resume" },
            target: Some(target),
            instance: None,
            from: describe(!paused),
            to: describe(paused),
            reason: by.reason,
        };
        audit::record(&mut work, entry).await?;
        finish(work, by, changed).await?;
        Ok(changed)
    }
}
