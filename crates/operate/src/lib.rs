//! What operators ask and do, whoever asks for them: the command line and the HTTP API have the same checks, the same words and
//! the same results from here.
//!
//! The cast: a [`Caller`] asks. [`Known`] says which target a name or an id stands for, and which the caller sees; [`Edit`] makes a
//! [`Plan`] from one look at the definitions, and the plan is carried out or only shown. [`cursors`] lists cursors and moves them,
//! [`failed`] and [`deliveries`] are what went wrong and what was tried, [`explain`] says who hears of what, and [`account`] whether
//! all of it was settled.
//!
//! Invariants: a caller that is bound to an instance sees and changes only what belongs to that instance, and what belongs to
//! others is not there for it; whatever is refused, nothing was changed before; an act is made from one look, or refused. Nothing
//! is printed here, and nobody is called but by [`test_call`].

pub mod account;
mod caller;
mod census;
mod clock;
pub mod cursors;
pub mod definitions;
pub mod deliveries;
mod error;
pub mod events;
pub mod explain;
pub mod failed;
mod head;
mod history;
mod ids;
mod known;
mod operator;
mod place;
mod reckon;
pub mod test_call;
mod told;
pub mod words;
mod workers;

pub use caller::Caller;
pub use clock::now;
pub use definitions::{Change, Edit, Files, Keys, Mode, Plan};
pub use error::{Kind, OperateError};
pub use history::Act;
pub use ids::{new_id, new_signing_key};
pub use known::{Known, Owner, nearest, target_named};
pub use operator::Operator;
pub use place::{Span, resolve, span};
pub use reckon::{COUNT_CAP, Reckoner, Tally};
pub use told::{How, Told};
pub use workers::{Daemon, runs_too_long};
