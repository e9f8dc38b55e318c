//! The engine on a real SQLite store, delivering to real receivers.

mod attempts;
mod backlogs;
mod delivery;
mod house;
mod interrupts;
mod limits;
mod orderings;
mod turns;
mod wrapped;
