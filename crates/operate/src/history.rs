//! What operators did.

use domain::{InstanceId, TargetId, TargetName, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use store::{AuditEntry, AuditFilter, State};

use crate::{Caller, Known, OperateError};

/// One act. The names are a promise to scripts.
#[derive(Clone, Serialize, Debug, JsonSchema)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub act: String,
    /// On which target, by its name at that time.
    #[schemars(with = "Option<String>")]
    pub target: Option<TargetName>,
    /// On which target.
    #[schemars(with = "Option<String>")]
    pub target_id: Option<TargetId>,
    /// On which instance.
    #[schemars(with = "Option<String>")]
    pub instance_id: Option<InstanceId>,
    /// What it was before.
    pub from: Option<String>,
    /// What it is since.
    pub to: Option<String>,
    /// What the operator said, or a detail.
    pub reason: Option<String>,
}

impl From<AuditEntry> for Act {
    fn from(entry: AuditEntry) -> Self {
        Self {
            at: entry.at,
            actor: entry.actor,
            act: entry.act,
            target: entry.target,
            target_id: entry.target_id,
            instance_id: entry.instance,
            from: entry.from,
            to: entry.to,
            reason: entry.reason,
        }
    }
}

impl Act {
    /// The acts that match, the latest first. `target` is its name now or then, or its id; one that neither a target has nor any act
    /// was about is most likely a slip.
    pub async fn list(
        target: Option<&str>,
        act: Option<String>,
        since: Option<Timestamp>,
        limit: u32,
        caller: &Caller,
        state: &State,
    ) -> Result<Vec<Self>, OperateError> {
        let mut filter = AuditFilter { act, since, instance: caller.instance.clone(), ..AuditFilter::default() };
        let Some(name) = target else {
            return Ok(state.acts(&filter, limit).await?.into_iter().map(Self::from).collect());
        };
        let owner = Known::read(state, caller).await?.any(name);
        filter.target = Some(name.to_owned());
        filter.target_id = owner.as_ref().ok().map(|owner| owner.id.clone());
        let acts = state.acts(&filter, limit).await?;
        if let Err(unknown) = owner
            && acts.is_empty()
        {
            let of_it = AuditFilter { target: filter.target, instance: filter.instance, ..AuditFilter::default() };
            if state.acts(&of_it, 1).await?.is_empty() {
                return Err(unknown);
            }
        }
        Ok(acts.into_iter().map(Self::from).collect())
    }
}
