//! The engine on a real SQLite store, delivering to real receivers.

mod delivery;
mod house;
mod interrupts;
mod orderings;
