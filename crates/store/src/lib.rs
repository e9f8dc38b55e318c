//! Every SQL statement of postrider: the event stores it reads and the state it keeps.
//!
//! - [`EventStore`]: an events table in PostgreSQL (ZITADEL's or any other) or SQLite. It is only read; how far it is
//!   safe to read is answered by a [`Probe`], the decision itself is `domain::Horizon`.
//! - `State`: definitions, cursors, failed events, leases. Written in short transactions, never across an HTTP call.
//!
//! What this crate deliberately does not do: decide *when* to look (`engine`), or whom an event concerns (`domain`).
//! No other crate knows sqlx.

mod error;
mod events;
mod quote;
mod state;

pub use error::StoreError;
pub use events::{
    Columns, EventStore, EventStoreOptions, Finding, HorizonSource, Identity, Listener, NewEvent, Notifies, Page,
    PageRequest, PostgresEvents, Probe, SCAN_BOUND, Severity, SqliteEvents, Table, TriggerChange, TriggerChanged,
};
pub use state::{
    Attempt, AttemptFilter, AttemptId, AuditEntry, AuditFilter, By, Claim, Crowd, DaemonLock, Dates, DefinitionDates,
    DefinitionsChange, FailedCount, FailedFilter, HorizonMark, Jwk, Jwks, Look, MasterKey, MasterKeyError, MasterKeyId,
    MasterKeys, MasterRotation, Migrated, NewPublicKey, NewToken, Overlap, PublicKeyError, PublishedKey,
    RecordedAttempt, RemovedTarget, Retention, SealError, Seek, Session, Standing, State, StateOptions, Sweep, Token,
    TokenId, TokenText, Unhalted, WebKeyState, Worker, WorkerId, WorkerInfo, jwks,
};
