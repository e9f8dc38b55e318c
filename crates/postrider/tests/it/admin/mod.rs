//! Managing a running daemon over HTTP, on both databases.

mod acts;
mod definitions;
mod door;
mod guide;
mod isolation;
mod listening;
mod looking;
pub mod scene;
