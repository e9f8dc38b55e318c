//! The decisions of postrider, and the words they are made of.
//!
//! Everything here is pure: no I/O, no async, no clock reads. Time is an argument, randomness is an argument.
//! The heart is [`window`]: what may be sent now, what is settled, how far a cursor may go.
//!
//! What this crate deliberately does not do: talk to a database (`store`), make a call (`webhook`) or decide *when*
//! to look again (`engine`).

mod condition;
mod cursor;
mod definitions;
mod event;
mod gate;
mod horizon;
mod ids;
mod limits;
mod log_event;
mod outcome;
mod position;
mod public_key;
mod role;
mod router;
mod signature;
mod target;
pub mod window;
mod wrapping;

pub use condition::{ApiCondition, ApiScope, Condition, ConditionError, TypePattern};
pub use cursor::{Ahead, Cursor, CursorId, CursorState, Epoch, FailedChange, FailedEvent, FailedStatus, Settlement};
pub use definitions::{DefinitionError, Definitions, Execution, ExecutionTarget, Group};
pub use event::{BrokenRow, Event, Row};
pub use gate::{Denied, Gate, GateVerdict};
pub use horizon::{Horizon, HorizonReading, Writer};
pub use ids::{AggregateId, AggregateType, EventType, InstanceId, PublicKeyId, TargetId, TargetName, WebKeyId};
pub use limits::{Limits, Per, RateLimit, RateLimitError};
pub use log_event::LogEvent;
pub use outcome::{Outcome, OutcomeKind};
pub use position::{EventKey, Position, PositionError};
pub use public_key::{EncryptionKey, KeyKind, PublicKey};
pub use role::{Role, RoleError};
pub use router::{Concern, ExplainedExecution, ExplainedTarget, Explanation, GateTarget, Router, TypeFilter, Verdict};
pub use signature::{SignatureError, SigningKey, sign, verify, webhook_id};
pub use target::{
    Endpoint, EndpointError, Ordering, PayloadEncoding, PayloadMode, PayloadType, Source, Start, StartError, Target,
    TargetKind,
};
pub use wrapping::{WebKey, Wrap, WrapError, Wrapping};

pub use jiff::{SignedDuration, Timestamp};

/// The README's example of a receiver, which must stay true.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
