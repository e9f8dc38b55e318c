//! Executions: set and listed.
//!
//! A caller who is bound to an instance defines for that instance, everybody else for all of them, and each is shown what they define:
//! what an instance has of its own is not listed to others, since what they would set is another execution.

use domain::{Execution, ExecutionTarget, Source, TargetId, TargetName};
use operate::{Edit, Keys};
use serde::Serialize;

use super::{Asked, Trouble, until_not_overtaken, written};
use crate::zitadel::{
    errors::ApiError,
    json::print::Stamp,
    messages::{
        execution::{FoundExecution, SetExecution},
        search::{Listing, executions::ListExecutions},
    },
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetDate {
    #[serde(skip_serializing_if = "Option::is_none")]
    set_date: Option<Stamp>,
}

impl Asked<'_> {
    pub(super) async fn set_execution(&self, wanted: &SetExecution) -> Result<SetDate, ApiError> {
        until_not_overtaken(|| self.set(wanted)).await
    }

    async fn set(&self, wanted: &SetExecution) -> Result<SetDate, Trouble> {
        let edit = self.look(Keys::ThatOpen).await?;
        let name = |id: &TargetId| edit.targets().find(|target| target.id == *id).map(|target| target.name.clone());
        let targets = wanted.targets(name)?;
        if targets.is_empty() {
            self.remove(&edit, wanted).await?;
        } else {
            self.put(&edit, wanted, targets).await?;
        }
        let place = (wanted.condition.clone(), self.instance().cloned());
        let dates = self.dates_after().await;
        let set_at = match dates.as_ref().and_then(|dates| dates.executions.get(&place)) {
            Some(dates) => Some(dates.changed_at),
            // It is gone, or was set before dates were kept and is as it was.
            None => self.operator.state.now().await.ok(),
        };
        Ok(SetDate { set_date: set_at.map(Stamp) })
    }

    async fn put(&self, edit: &Edit<'_>, wanted: &SetExecution, targets: Vec<ExecutionTarget>) -> Result<(), Trouble> {
        let existing = edit.execution(&wanted.condition, self.instance());
        let execution = Execution {
            condition: wanted.condition.clone(),
            instance: self.instance().cloned(),
            targets,
            // The API knows nothing of it: what an operator keeps out stays out.
            exclude: existing.map(|existing| existing.exclude.clone()).unwrap_or_default(),
            source: Source::Api,
        };
        let plan = edit.set_execution(&execution)?;
        Ok(self.carry_out(&plan).await?)
    }

    /// Without targets there is no execution; that there was none is as it was wanted.
    async fn remove(&self, edit: &Edit<'_>, wanted: &SetExecution) -> Result<(), Trouble> {
        if edit.execution(&wanted.condition, self.instance()).is_some() {
            let plan = edit.delete_execution(&wanted.condition, self.instance())?;
            self.carry_out(&plan).await?;
        }
        Ok(())
    }

    pub(super) async fn list_executions(&self, wanted: &ListExecutions) -> Result<String, ApiError> {
        let found = wanted.search(self.found_executions().await?);
        let listing = Listing { found: found.map(FoundExecution::shown), name: "executions", shape: self.shape };
        Ok(written(&listing))
    }

    async fn found_executions(&self) -> Result<Vec<FoundExecution>, Trouble> {
        let (definitions, _) = self.operator.state.definitions_that_open().await?;
        let dates = self.operator.state.definition_dates().await?;
        // Of targets that are not the caller's at least the id is told: an execution of theirs calls them.
        let id = |name: &TargetName| {
            definitions.targets.iter().find(|target| target.name == *name).map(|target| target.id.clone())
        };
        let own = definitions.executions.iter().filter(|execution| execution.instance.as_ref() == self.instance());
        let found = |execution: &Execution| {
            let place = (execution.condition.clone(), execution.instance.clone());
            FoundExecution::of(execution, dates.executions.get(&place), id)
        };
        Ok(own.map(found).collect())
    }
}
