//! What can go wrong with a database. An error names the operation and leaves its source to whoever prints the chain.
//!
//! Invariant: nothing in here ever holds a connection URL, a password or a payload.

use std::time::Duration;

use domain::{CursorId, DefinitionError, PublicKeyId, TargetId, TargetName, Timestamp, WebKeyId};
use sqlx::{migrate::MigrateError, postgres::PgConnectOptions};

use crate::{PublicKeyError, SealError, quote::quote};

/// A failure of the event store or of the state.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a statement, or could not be reached.
    #[error("failed to {operation}")]
    Database {
        /// What was being done, as `read a page of events`.
        operation: &'static str,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The database did not answer.
    #[error("failed to {operation}: the database did not answer within {}s", after.as_secs())]
    Timeout {
        /// What was being done.
        operation: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The URL of a database cannot be used.
    #[error("the {what} URL cannot be used: {reason}")]
    Url {
        /// Which one: `event store` or `state`.
        what: &'static str,
        /// Why, without the URL.
        reason: String,
    },
    /// This role may not so much as connect.
    #[error(
        "the role {role} may not connect to the database of the {what}; GRANT CONNECT ON DATABASE {} TO {}",
        quote(database),
        quote(role)
    )]
    MayNotConnect {
        /// Which one: `event store` or `state`.
        what: &'static str,
        /// Who.
        role: String,
        /// Where.
        database: String,
    },
    /// This role may not do with the state what it is asked to.
    #[error("the state cannot be kept there: {missing}")]
    StateNotAllowed {
        /// What is missing, and the statement that grants it.
        missing: String,
    },
    /// The event store is there, but cannot be read in order and without loss.
    #[error("the event store cannot be used: {reason}")]
    Unusable {
        /// Why, and what would help.
        reason: String,
    },
    /// The server is a standby: its locks say nothing about the writers.
    #[error("the database is a standby; events are read from the primary only")]
    Standby,
    /// Two statements of one look were answered by different servers: a failover, or a pooler that splits reads.
    #[error("the database server changed between two statements")]
    Switched,
    /// This role may not change the notify trigger.
    #[error("nothing was changed: whoever may can run what `--print` prints; for this role itself: {missing}")]
    NotAllowed {
        /// What would have to be granted, as SQL, or who could do it.
        missing: String,
    },
    /// The events table could not be locked for a moment.
    #[error(
        "nothing was changed: a transaction that is open on the events table is in the way, and others would have had to wait; \
         try again when it has ended"
    )]
    InUse,
    /// What is said to a listener is not heard.
    #[error("LISTEN is taken, but no notification comes through, as behind a pooler in transaction mode")]
    Deaf,
    /// The connection on which notifications come is gone.
    #[error("the connection that listened has ended")]
    ListenerLost,
    /// Something stored cannot be read.
    #[error("failed to {operation}: {reason}")]
    Invalid {
        /// What was being done.
        operation: &'static str,
        /// What is wrong with it. Never a payload or a secret.
        reason: String,
    },
    /// The state's tables are not there.
    #[error("the state has no tables yet; run `postrider migrate`")]
    SchemaMissing,
    /// The state was migrated by an older postrider.
    #[error("the state is at schema {found}, this postrider needs {known}; run `postrider migrate`")]
    SchemaOlder {
        /// The version in the database.
        found: i64,
        /// The version this program needs.
        known: i64,
    },
    /// The state was migrated by a newer postrider.
    #[error("the state is at schema {found}, this postrider knows up to {known}; run the newer postrider")]
    SchemaNewer {
        /// The version in the database.
        found: i64,
        /// The newest version this program has.
        known: i64,
    },
    /// A migration of the state did not go through.
    #[error("failed to migrate the state")]
    Migrate {
        /// What the driver said.
        source: MigrateError,
    },
    /// The file that keeps a second daemon away could not be locked.
    #[error("failed to lock {path}")]
    Lock {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another daemon holds the SQLite state.
    #[error("another postrider is running on {path}")]
    AlreadyRunning {
        /// The state's file.
        path: String,
    },
    /// The cursor is no longer where the operator saw it.
    #[error("the cursor of {target} has moved in the meantime; look again")]
    Moved {
        /// Whose cursor.
        target: TargetId,
    },
    /// There is no such target, or not any more.
    #[error("there is no target {target}")]
    NoTarget {
        /// The one that was asked for.
        target: TargetId,
    },
    /// A target's id was used by one that was removed: its cursors are still there.
    #[error("the id {target} belonged to a target that was removed; a new target needs a new id")]
    TargetRemoved {
        /// The id.
        target: TargetId,
    },
    /// Another token that is in force has this name.
    #[error("there is a token named {name:?} already; revoke that one first, or take another name")]
    TokenNameTaken {
        /// The name.
        name: String,
    },
    /// A stored signing key cannot be had: nothing is sent by definitions without it.
    #[error("the signing key of the target {target:?} {reason}")]
    KeyClosed {
        /// Whose key; its id if the name is not at hand.
        target: TargetName,
        /// Why, and what to do.
        reason: SealError,
    },
    /// A stored web key cannot be had: nothing is signed without it, or by definitions that lack it.
    #[error("the web key {id} {reason}")]
    WebKeyClosed {
        /// Which one.
        id: WebKeyId,
        /// Why, and what to do.
        reason: SealError,
    },
    /// The text is no public key that a target may have.
    #[error(transparent)]
    PublicKey(#[from] PublicKeyError),
    /// The target has no such public key, or not any more.
    #[error("the target has no public key {id}; `postrider target key list` shows those it has")]
    NoPublicKey {
        /// The one that was asked for.
        id: PublicKeyId,
    },
    /// A key that nothing may be encrypted for any more.
    #[error("the public key {id} expired at {at}; add another one")]
    PublicKeyExpired {
        /// Which one.
        id: PublicKeyId,
        /// Since when.
        at: Timestamp,
    },
    /// A key that bodies are encrypted for.
    #[error("the public key {id} is active; activate another one or deactivate it first")]
    PublicKeyActive {
        /// Which one.
        id: PublicKeyId,
    },
    /// There is nothing to encrypt signing keys with.
    #[error("there is no master key; set state.master_key")]
    NoMasterKey,
    /// Somebody else changed the definitions, or acted, between looking and changing.
    #[error("somebody else changed or did something at the same moment; try again")]
    Overtaken,
    /// There is no such cursor.
    #[error("there is no cursor number {}", id.0)]
    NoCursor {
        /// The one that was asked for.
        id: CursorId,
    },
    /// The event may have others before it that are not settled: passing it would lose them.
    #[error("{target} may still have events to deliver before this one; skip its head with `postrider cursor skip`")]
    NotAtHead {
        /// Whose event.
        target: TargetId,
    },
    /// There is no such attempt, or not any more.
    #[error("there is no attempt {id}; `postrider delivery list` shows those that are kept")]
    NoAttempt {
        /// The one that was asked for.
        id: i64,
    },
    /// The target still has this event before it.
    #[error(
        "{target} has not settled this event yet: it is sent anyway, or waits in `postrider failed list`; nothing was changed"
    )]
    NotSettled {
        /// Whose event.
        target: TargetName,
    },
    /// Somebody asked for it before.
    #[error("this event is being sent to {target} again already; nothing was changed")]
    SentAgainAlready {
        /// Whose event.
        target: TargetName,
    },
    /// The definitions would not hold together.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
}

impl StoreError {
    /// For `map_err`: a driver's error with the operation it happened in.
    pub(crate) fn database(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { operation, source }
    }

    /// For a first connection: a role without CONNECT is told what is missing, instead of the driver's words alone.
    pub(crate) fn connecting(
        what: &'static str,
        operation: &'static str,
        source: sqlx::Error,
        options: &PgConnectOptions,
    ) -> Self {
        const INSUFFICIENT_PRIVILEGE: &str = "42501";
        let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.as_deref() != Some(INSUFFICIENT_PRIVILEGE) {
            return Self::Database { operation, source };
        }
        // Without a database the server takes the one that is called as the role is.
        let role = options.get_username().to_owned();
        let database = options.get_database().map_or_else(|| role.clone(), str::to_owned);
        Self::MayNotConnect { what, role, database }
    }

    /// The database is away or busy: the same call may succeed later, without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Standby | Self::Switched | Self::InUse | Self::ListenerLost => true,
            Self::Database { source, .. } | Self::Migrate { source: MigrateError::Execute(source) } => {
                is_transient(source)
            }
            _ => false,
        }
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_transient_code(&code)),
        _ => false,
    }
}

/// SQLSTATEs of PostgreSQL (five characters) and extended result codes of SQLite (numbers; the low byte is the class).
fn is_transient_code(code: &str) -> bool {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    if code.len() == 5 {
        return ["08", "53", "57"].iter().any(|class| code.starts_with(class))
            || matches!(code, "40001" | "40P01" | "55P03" | "25006");
    }
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, BUSY | LOCKED))
}

#[cfg(test)]
mod tests {
    use super::is_transient_code;

    #[test]
    fn a_database_that_is_away_or_busy_is_asked_again() {
        for code in ["08006", "57P01", "57P03", "57014", "53300", "40001", "5", "517", "6"] {
            assert!(is_transient_code(code), "{code}");
        }
    }

    #[test]
    fn a_wrong_password_or_statement_is_not_asked_again() {
        for code in ["28P01", "42P01", "3D000", "42501", "1", "14"] {
            assert!(!is_transient_code(code), "{code}");
        }
    }
}
