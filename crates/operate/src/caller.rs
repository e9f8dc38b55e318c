//! Who asks.

use domain::{InstanceId, Role, Target};
use store::By;

use crate::OperateError;

/// Who asks for something, and how much of the house is theirs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// For the audit.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The only instance that is theirs; `None`: all of them.
    pub instance: Option<InstanceId>,
}

impl Caller {
    /// Somebody at the command line, to whom everything belongs.
    #[must_use]
    pub fn at_the_command_line(name: impl Into<String>) -> Self {
        Self { name: name.into(), role: Role::Admin, instance: None }
    }

    /// For an act in their name.
    #[must_use]
    pub fn by(&self) -> By<'_> {
        By::new(&self.name)
    }

    /// Refuses who may not do what this role may.
    pub fn must_be(&self, role: Role) -> Result<(), OperateError> {
        if self.role >= role {
            return Ok(());
        }
        Err(OperateError::Denied(format!("{} is a {}, and this takes an {role}", self.name, self.role)))
    }

    /// Whether a target is theirs to see.
    #[must_use]
    pub fn sees(&self, target: &Target) -> bool {
        self.owns(target.instance.as_ref())
    }

    /// Whether what belongs to this instance, or to all of them, is theirs.
    #[must_use]
    pub fn owns(&self, instance: Option<&InstanceId>) -> bool {
        self.instance.is_none() || self.instance.as_ref() == instance
    }

    /// Narrows a question about one instance, or all of them, to what is theirs. An instance that is not theirs is not there.
    pub fn narrow(&self, asked: Option<InstanceId>) -> Result<Option<InstanceId>, OperateError> {
        match (&self.instance, asked) {
            (None, asked) => Ok(asked),
            (Some(own), None) => Ok(Some(own.clone())),
            (Some(own), Some(asked)) if *own == asked => Ok(Some(asked)),
            (Some(_), Some(asked)) => Err(OperateError::NotFound(format!("there is no instance {:?}", asked.as_str()))),
        }
    }
}
