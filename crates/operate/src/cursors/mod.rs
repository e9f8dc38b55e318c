//! Cursors: how far each target has come on each instance, and moving them by hand.

mod extent;
mod halt;
mod line;
mod measure;
mod pause;
mod seek;
mod skip;

use domain::{Cursor, Definitions, InstanceId, Target, TargetId};
use store::State;

use crate::{Caller, Known, OperateError, known::no_cursor};

pub use extent::{Extent, extent};
pub use halt::{halt, unhalt};
pub use line::{Line, Overview};
pub use measure::{Measured, list, measure};
pub use pause::set_paused;
pub use seek::{Moved, Seek, Sought, chosen, seek};
pub use skip::skip;

/// What an act on a target's cursors begins with.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Everything in force.
    pub definitions: Definitions,
    /// Whose cursors.
    pub target: Target,
    /// At least one.
    pub cursors: Vec<Cursor>,
}

impl Chosen {
    /// The target of this name or id and its cursors: see [`cursors_of`].
    pub async fn read(
        state: &State,
        caller: &Caller,
        name: &str,
        instance: Option<&str>,
    ) -> Result<Self, OperateError> {
        let known = Known::read(state, caller).await?;
        let target = known.target(name)?.clone();
        let cursors = cursors_of(state, &target.id, target.name.as_str(), instance).await?;
        Ok(Self { definitions: known.definitions, target, cursors })
    }
}

/// The target's cursors: on every instance, or on the one that is named. There is at least one.
pub async fn cursors_of(
    state: &State,
    target: &TargetId,
    name: &str,
    instance: Option<&str>,
) -> Result<Vec<Cursor>, OperateError> {
    let mut cursors = state.cursors().await?;
    cursors.retain(|cursor| cursor.target_id == *target);
    if cursors.is_empty() {
        return Err(OperateError::Precondition(format!(
            "{name:?} has no cursor yet; `postrider run` makes one when an instance has events for it"
        )));
    }
    if let Some(instance) = instance {
        let known: Vec<_> = cursors.iter().map(|cursor| cursor.instance_id.clone()).collect();
        cursors.retain(|cursor| cursor.instance_id.as_str() == instance);
        if cursors.is_empty() {
            return Err(no_cursor(name, instance, &known));
        }
    }
    Ok(cursors)
}

/// ` on instance …`, for stores that have instances.
pub(crate) fn on(instance: &InstanceId) -> String {
    if instance.as_str().is_empty() { String::new() } else { format!(" on instance {instance}") }
}

/// Nothing goes from there, paused or not.
pub(crate) fn is_halted(cursor: &Cursor) -> bool {
    cursor.halt.is_some() || cursor.state == domain::CursorState::Halted
}
