//! The targets there are and those that were removed: what a name or an id on the command line stands for.

use domain::{Definitions, InstanceId, Target, TargetId, Timestamp};
use store::{RemovedTarget, State};

use crate::{config::nearest, context::target_named, failure::usage};

/// See the module.
pub struct Known {
    pub definitions: Definitions,
    removed: Vec<RemovedTarget>,
}

/// A target, whether it is still there or not.
pub struct Owner {
    pub id: TargetId,
    pub name: String,
    pub removed_at: Option<Timestamp>,
}

impl Known {
    /// Read from the state.
    pub async fn read(state: &State) -> anyhow::Result<Self> {
        Ok(Self { definitions: state.definitions().await?, removed: state.removed_targets().await? })
    }

    /// The target with this id.
    pub fn by_id(&self, id: &TargetId) -> Owner {
        if let Some(target) = self.definitions.targets.iter().find(|target| target.id == *id) {
            return Owner::from(target);
        }
        let removed = self.removed.iter().find(|removed| removed.id == *id);
        Owner {
            id: id.clone(),
            // Swept away since it was looked up.
            name: removed.map_or_else(|| id.to_string(), |removed| removed.name.to_string()),
            removed_at: removed.map(|removed| removed.removed_at),
        }
    }

    /// The target of this name, or the removed one with this id.
    pub fn any(&self, name: &str) -> anyhow::Result<Owner> {
        if let Some(removed) = self.removed.iter().find(|removed| removed.id.as_str() == name) {
            return Ok(self.by_id(&removed.id));
        }
        match target_named(&self.definitions, name) {
            Ok(target) => Ok(Owner::from(target)),
            Err(error) => Err(self.was_removed(name).unwrap_or(error)),
        }
    }

    fn was_removed(&self, name: &str) -> Option<anyhow::Error> {
        let is_it = |removed: &&RemovedTarget| removed.name.as_str() == name || removed.id.as_str() == name;
        let removed = self.removed.iter().find(is_it)?;
        Some(usage(format!(
            "the target {name:?} was removed; what it left is found by its id {} (`postrider cursor list --removed`)",
            removed.id
        )))
    }
}

impl From<&Target> for Owner {
    fn from(target: &Target) -> Self {
        Self { id: target.id.clone(), name: target.name.to_string(), removed_at: None }
    }
}

/// A sentence about an instance that a target has no cursor on, with the one that was probably meant.
pub fn no_cursor(target: &str, instance: &str, known: &[InstanceId]) -> anyhow::Error {
    let hint = nearest(instance, known.iter().map(InstanceId::as_str)).map_or_else(
        || format!("`postrider cursor show {target}` shows where it has one"),
        |near| format!("is {near:?} meant?"),
    );
    usage(format!("{target:?} has no cursor on instance {instance:?}; {hint}"))
}
