//! Calls, carried out: from a message to the answer, whichever way both travel.
//!
//! Changes are made from one look at the definitions. Where somebody else changed something in between, the look is taken again, so
//! that clients do not have to; what is refused then is refused for good.

mod executions;
mod keys;
mod targets;
mod trouble;

use std::future::Future;

use domain::{InstanceId, LogEvent};
use operate::{Caller, Edit, Keys, Kind, OperateError, Operator, Plan};
use serde::Serialize;
use serde_json::{Value, json};
use store::{DefinitionDates, StoreError};
use tracing::warn;

use super::{
    Version,
    call::Call,
    errors::ApiError,
    json::Message,
    messages::{
        execution::SetExecution,
        keys::{AddPublicKey, OnePublicKey},
        search::{Shape, executions::ListExecutions, keys::ListPublicKeys, targets::ListTargets},
        target::{self, CreateTarget, UpdateTarget},
    },
    methods,
};
use trouble::Trouble;

/// How often a change is tried while others are faster.
const TRIES: u32 = 5;

/// Who calls, and how they want to be answered.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// What there is to look at and to change.
    pub(crate) operator: &'a Operator,
    /// Who calls.
    pub(crate) caller: &'a Caller,
    /// Which version of the service they speak to.
    pub(crate) version: Version,
    /// What lists look like there.
    pub(crate) shape: Shape,
}

impl Asked<'_> {
    /// The answer as JSON.
    pub(crate) async fn answer(&self, call: Call, message: &Value) -> Result<String, ApiError> {
        self.caller.must_be(call.role()).map_err(Trouble::from)?;
        let message = Message::root(message)?;
        let message = &message;
        let answer = match call {
            Call::CreateTarget => written(&self.create_target(&CreateTarget::read(message)?).await?),
            Call::GetTarget => written(&self.get_target(&target::id(message)?).await?),
            Call::UpdateTarget => written(&self.update_target(&UpdateTarget::read(message)?).await?),
            Call::DeleteTarget => written(&self.delete_target(&target::id(message)?).await?),
            Call::ListTargets => written(&self.list_targets(&ListTargets::read(message, self.version)?).await?),
            Call::SetExecution => written(&self.set_execution(&SetExecution::read(message)?).await?),
            Call::ListExecutions => self.list_executions(&ListExecutions::read(message, self.version)?).await?,
            Call::ListExecutionFunctions => written(&json!({ "functions": methods::FUNCTIONS })),
            Call::ListExecutionMethods => written(&json!({ "methods": methods::methods() })),
            Call::ListExecutionServices => written(&json!({ "services": methods::services() })),
            Call::AddPublicKey => written(&self.add_public_key(&AddPublicKey::read(message)?).await?),
            Call::ActivatePublicKey | Call::DeactivatePublicKey | Call::RemovePublicKey => {
                written(&self.change_public_key(call, &OnePublicKey::read(message)?).await?)
            }
            Call::ListPublicKeys => {
                written(&self.list_public_keys(&ListPublicKeys::read(message, self.version)?).await?)
            }
        };
        Ok(answer)
    }

    /// The instance that the caller defines for; `None`: for all of them.
    fn instance(&self) -> Option<&InstanceId> {
        self.caller.instance.as_ref()
    }

    /// One look to make a change from.
    async fn look(&self, keys: Keys) -> Result<Edit<'_>, OperateError> {
        Edit::begin(&self.operator.state, &self.operator.files, self.caller, "the request", keys, false).await
    }

    /// The dates of what is defined, once it was changed. That they cannot be read does not undo the change.
    async fn dates_after(&self) -> Option<DefinitionDates> {
        self.operator.state.definition_dates().await.inspect_err(undated).ok()
    }

    async fn carry_out(&self, plan: &Plan) -> Result<(), OperateError> {
        plan.carry_out(&self.operator.state, &self.caller.name).await
    }
}

fn undated(error: &StoreError) {
    warn!(event = LogEvent::AdminDateUnknown.name(), %error, "a change was made, and its date cannot be told");
}

fn written(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("answers are objects with texts as keys")
}

/// Makes a change, and makes it anew while others are faster.
async fn until_not_overtaken<T, F>(change: impl Fn() -> F) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let mut tries = 1;
    loop {
        match change().await {
            Err(Trouble::Operate(error)) if error.kind() == Kind::Overtaken && tries < TRIES => tries += 1,
            done => return Ok(done?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use store::StoreError;

    use super::*;
    use crate::zitadel::errors::Code;

    /// How often a change is tried that others are in the way of so many times, and what becomes of it.
    async fn tried(in_the_way: u32) -> (u32, Result<(), Code>) {
        let tries = AtomicU32::new(0);
        let change = async || match tries.fetch_add(1, Ordering::Relaxed) {
            before if before < in_the_way => Err(Trouble::from(OperateError::Unchanged(StoreError::Overtaken))),
            _ => Ok(()),
        };
        let done = until_not_overtaken(change).await;
        (tries.into_inner(), done.map_err(|error| error.code))
    }

    #[tokio::test]
    async fn a_change_is_made_anew_while_others_are_faster_but_not_for_ever() {
        assert_eq!(tried(0).await, (1, Ok(())));
        assert_eq!(tried(4).await, (5, Ok(())));
        assert_eq!(tried(5).await, (5, Err(Code::Unavailable)));
    }

    #[tokio::test]
    async fn what_is_refused_is_refused_at_once() {
        let tries = AtomicU32::new(0);
        let refused = async || {
            tries.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(Trouble::from(OperateError::Precondition("no".to_owned())))
        };
        assert!(until_not_overtaken(refused).await.is_err());
        assert_eq!(tries.into_inner(), 1);
    }
}
