//! What somebody may, as types: a handler names what it takes, and is never reached by who may not.

use domain::Role;

/// What somebody may.
pub(crate) trait May: Send + Sync {
    /// At least.
    const ROLE: Role;
}

/// Looking at how things stand.
pub(crate) struct Look;

/// Acting on cursors, failed events and targets.
pub(crate) struct Act;

/// Defining targets, executions and tokens.
pub(crate) struct Define;

impl May for Look {
    const ROLE: Role = Role::Viewer;
}

impl May for Act {
    const ROLE: Role = Role::Operator;
}

impl May for Define {
    const ROLE: Role = Role::Admin;
}
