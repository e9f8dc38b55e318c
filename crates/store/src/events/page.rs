//! What is asked of a store, page by page.

use std::sync::Arc;

use domain::{EventKey, InstanceId, Position, Row, Timestamp, TypeFilter};

use super::Identity;

/// How many rows one statement looks at, at most, when it reads through a filter, and those on top that share a position with the last of them
/// or with the key to read behind.
pub const SCAN_BOUND: usize = 10_000;

/// The rows of one instance after a key, up to a position.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// On which instance. Ignored by stores without instances.
    pub instance: &'a InstanceId,
    /// Read on behind this key.
    pub after: &'a EventKey,
    /// The last position that may be read: the horizon, or less.
    pub up_to: Position,
    /// Only rows whose type can match; at most [`SCAN_BOUND`] rows are looked at then.
    pub filter: Option<&'a TypeFilter>,
    /// At most so many rows.
    pub limit: usize,
    /// No further row once the payloads take so many bytes. The first row comes whatever its size.
    pub max_bytes: usize,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the order of their keys.
    pub rows: Vec<Arc<Row>>,
    /// The last row that was looked at, whether it matched or not; `None` when there was none.
    pub end: Option<EventKey>,
    /// `created_at` of the row at `end`, if it can be read.
    pub end_date: Option<Timestamp>,
    /// The page was cut short by a bound: there may be more behind `end`.
    pub more: bool,
    /// What the rows weigh, in bytes ([`Row::weight`]).
    pub bytes: usize,
    /// Which server answered, where it can be told.
    pub identity: Option<Identity>,
}
