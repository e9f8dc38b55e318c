//! What postrider keeps: definitions, cursors, failed events, leases, the horizon's watermark,
//! the log of attempts and the audit.
//!
//! The cast: [`State`] is the door and each file beside this one a part of it. Whoever writes a cursor presents its
//! epoch; an operator's act and a new owner raise it. An operator's act also raises the revision, by which a running
//! daemon sees that there is something to read again, and leaves a row in the audit.
//!
//! Invariants: rows are locked in one order everywhere (workers, leases, membership, cursors by their ids, failed events, revision, definitions), so no two
//! transactions wait for each other; positions are compared here and never in SQL, where they are text; times come from the
//! database's clock. Signing keys and web keys are stored encrypted where there is a master key ([`seal`]), header values as they
//! are; none of them is ever printed.
//!
//! What this module does not do: decide when anything happens, or read the event store.

mod apply;
mod audit;
mod claim;
mod commit;
mod cursors;
mod database;
mod dates;
mod definitions;
mod deliveries;
mod denials;
mod failed;
mod horizon;
mod keys;
mod leases;
mod lock;
mod migrate;
mod operate;
mod public_keys;
mod removed;
mod resend;
mod rights;
mod row;
mod seal;
mod standing;
mod sweep;
mod tokens;
mod web_keys;
mod workers;

pub use apply::DefinitionsChange;
pub use audit::{AuditEntry, AuditFilter};
pub use claim::Claim;
pub use dates::{Dates, DefinitionDates};
pub use deliveries::{Attempt, AttemptFilter, AttemptId, RecordedAttempt};
pub use failed::{FailedCount, FailedFilter};
pub use horizon::HorizonMark;
pub use keys::MasterRotation;
pub use leases::{Crowd, Look};
pub use lock::DaemonLock;
pub use migrate::Migrated;
pub use operate::{By, Seek, Unhalted};
pub use public_keys::{NewPublicKey, PublicKeyError};
pub use removed::RemovedTarget;
pub use seal::{MasterKey, MasterKeyError, MasterKeyId, MasterKeys, SealError};
pub use sweep::{Retention, Sweep};
pub use tokens::{NewToken, Token, TokenId, TokenText};
pub use web_keys::{Jwk, Jwks, Overlap, PublishedKey, WebKeyState, jwks};
pub use workers::{Session, Standing, Worker, WorkerId, WorkerInfo};

use std::sync::Arc;

use self::database::Database;
use crate::StoreError;

/// Where the state lives.
#[derive(Clone)]
pub struct StateOptions {
    /// `postgres://…` (the schema `postrider` of that database) or `sqlite:///path/to/state.db`.
    pub url: String,
    /// What signing keys and web keys are encrypted with there; none: they are stored as they are.
    pub masters: MasterKeys,
}

impl StateOptions {
    /// For this URL, without master keys.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), masters: MasterKeys::default() }
    }
}

/// The URL may hold a password.
impl std::fmt::Debug for StateOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateOptions").finish_non_exhaustive()
    }
}

/// The state of postrider; cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    database: Database,
    masters: Arc<MasterKeys>,
}

impl State {
    /// Connects. A SQLite file that is not there is only made by [`State::migrate`].
    pub async fn connect(options: &StateOptions) -> Result<Self, StoreError> {
        Ok(Self { database: Database::connect(&options.url).await?, masters: Arc::new(options.masters.clone()) })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.database.read("reach the state").await?.raw("SELECT 1").await
    }
}
