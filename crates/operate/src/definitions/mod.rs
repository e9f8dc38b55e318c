//! Changes of the definitions: from a file, or of one target or execution by hand, on the same way with the same checks.
//!
//! A target of a file is known by its name: one that is there keeps its id, its cursor and where it began, whatever the file says
//! about `start` now. One that is new gets an id and has its start resolved, once and for good.

mod diff;
mod edit;
mod file;
mod plan;
mod settings;
mod shown;
mod warnings;

pub use edit::{Edit, Files, Keys};
pub use plan::{Change, Mode, Plan};
pub use settings::TargetSettings;
pub use shown::{execution_json, target_json};
pub use warnings::secrets_sent;
