//! The targets there are and those that were removed: what a name or an id stands for.

use domain::{Definitions, InstanceId, Target, TargetId, Timestamp};
use store::{RemovedTarget, State};

use crate::{Caller, OperateError};

/// See the module.
#[derive(Clone, Debug)]
pub struct Known {
    /// Everything in force, also what the caller does not see.
    pub definitions: Definitions,
    removed: Vec<RemovedTarget>,
    caller: Caller,
}

/// A target, whether it is still there or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// Its id.
    pub id: TargetId,
    /// Its name, or its last one.
    pub name: String,
    /// Since when it is gone.
    pub removed_at: Option<Timestamp>,
}

impl Known {
    /// Read from the state, to look things up by: signing keys that do not open are missing, so that a lost master key hides nothing
    /// else. Nothing may be sent by it, and no target be shown whole.
    pub async fn read(state: &State, caller: &Caller) -> Result<Self, OperateError> {
        let (definitions, _) = state.definitions_that_open().await?;
        Self::with(definitions, state, caller).await
    }

    /// The same with every signing key; one that does not open is an error.
    pub async fn read_whole(state: &State, caller: &Caller) -> Result<Self, OperateError> {
        Self::with(state.definitions().await?, state, caller).await
    }

    async fn with(definitions: Definitions, state: &State, caller: &Caller) -> Result<Self, OperateError> {
        let mut removed = state.removed_targets().await?;
        removed.retain(|removed| caller.owns(removed.instance.as_ref()));
        Ok(Self { definitions, removed, caller: caller.clone() })
    }

    /// The targets that the caller sees.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.definitions.targets.iter().filter(|target| self.caller.sees(target))
    }

    /// The target of this name or id, that is there and seen.
    pub fn target(&self, name: &str) -> Result<&Target, OperateError> {
        named(self.targets(), name)
    }

    /// Whether the target with this id, there or removed, is the caller's to see.
    #[must_use]
    pub fn sees(&self, id: &TargetId) -> bool {
        self.caller.instance.is_none()
            || self.targets().any(|target| target.id == *id)
            || self.removed.iter().any(|removed| removed.id == *id)
    }

    /// The target with this id.
    #[must_use]
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

    /// The target of this name, or the one with this id, removed or not.
    pub fn any(&self, name: &str) -> Result<Owner, OperateError> {
        if let Some(removed) = self.removed.iter().find(|removed| removed.id.as_str() == name) {
            return Ok(self.by_id(&removed.id));
        }
        match self.target(name) {
            Ok(target) => Ok(Owner::from(target)),
            Err(error) => Err(self.was_removed(name).unwrap_or(error)),
        }
    }

    fn was_removed(&self, name: &str) -> Option<OperateError> {
        let is_it = |removed: &&RemovedTarget| removed.name.as_str() == name;
        let removed = self.removed.iter().find(is_it)?;
        Some(OperateError::NotFound(format!(
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

/// The target of this name or id, or a sentence with the name that was probably meant.
pub fn target_named<'a>(definitions: &'a Definitions, name: &str) -> Result<&'a Target, OperateError> {
    named(definitions.targets.iter(), name)
}

/// The target of this name or id among these.
pub(crate) fn named<'a>(targets: impl Iterator<Item = &'a Target>, name: &str) -> Result<&'a Target, OperateError> {
    let targets: Vec<_> = targets.collect();
    let by_name = targets.iter().find(|target| target.name.as_str() == name);
    by_name.or_else(|| targets.iter().find(|target| target.id.as_str() == name)).copied().ok_or_else(|| {
        let hint = nearest(name, targets.iter().map(|target| target.name.as_str())).map_or_else(
            || "`postrider target list` shows those that are".to_owned(),
            |near| format!("is {near:?} meant?"),
        );
        OperateError::NotFound(format!("there is no target {name:?}; {hint}"))
    })
}

/// A sentence about an instance that a target has no cursor on, with the one that was probably meant.
pub(crate) fn no_cursor(target: &str, instance: &str, known: &[InstanceId]) -> OperateError {
    let hint = nearest(instance, known.iter().map(InstanceId::as_str)).map_or_else(
        || format!("`postrider cursor show {target}` shows where it has one"),
        |near| format!("is {near:?} meant?"),
    );
    OperateError::NotFound(format!("{target:?} has no cursor on instance {instance:?}; {hint}"))
}

/// The name that was probably meant.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    (known.into_iter())
        .map(|name| (strsim::jaro_winkler(found, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
