//! Makes a page of the rows that a statement returns, one at a time, and says when it is full.
//!
//! Both databases return the same shape: rows that match, in order, and at the end a marker for the last row that was
//! looked at, so that a page of a filtered read can be continued behind rows that did not match. The statement bounds
//! bytes by the stored size, which is compressed; this bounds them again by what arrived.

use domain::{EventKey, Row};

use super::{Identity, Page, PageRequest};
use crate::StoreError;

/// How a row of a page's statement stands to its bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Counted from 1, over all rows that were looked at.
    pub number: i64,
    /// It matches and lies within the byte bound. Otherwise it is the marker at the end.
    pub wanted: bool,
    /// The byte bound was reached before this row.
    pub cut: bool,
}

/// How much one statement reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Rows looked at.
    pub scan: usize,
    /// Rows returned.
    pub rows: usize,
    /// Bytes of stored payloads, and of what arrived.
    pub bytes: usize,
}

impl Bounds {
    pub fn of(request: &PageRequest<'_>) -> Self {
        let rows = request.limit.max(1);
        let scan = if filtered(request) { super::SCAN_BOUND } else { rows };
        Self { scan, rows, bytes: request.max_bytes.max(1) }
    }
}

/// Whether the request leaves rows out.
pub(super) fn filtered(request: &PageRequest<'_>) -> bool {
    request.filter.is_some_and(|filter| !filter.all)
}

/// A page in the making.
pub(super) struct Collector {
    bounds: Bounds,
    after: EventKey,
    page: Page,
}

impl Collector {
    pub fn new(bounds: Bounds, after: EventKey) -> Self {
        Self { bounds, after, page: Page { rows: Vec::new(), end: None, more: false, bytes: 0, identity: None } }
    }

    pub fn identify(&mut self, identity: Option<Identity>) {
        self.page.identity = identity;
    }

    pub fn is_empty(&self) -> bool {
        self.page.rows.is_empty()
    }

    /// Takes a row that is wanted. `false` when the page is full.
    pub fn push(&mut self, place: Place, row: Row) -> Result<bool, StoreError> {
        self.follows(row.key())?;
        self.page.end = Some(row.key().clone());
        self.page.bytes += row.weight();
        self.page.rows.push(row);
        // Whether anything follows is not known yet: to say yes costs one empty page at most.
        let full = self.page.rows.len() >= self.bounds.rows || self.page.bytes >= self.bounds.bytes;
        self.page.more = full || place.number >= cast(self.bounds.scan);
        Ok(!full)
    }

    /// Takes the marker: the last row looked at, which is not wanted. What lies between is passed, unless rows were cut
    /// there by the byte bound.
    pub fn mark(&mut self, place: Place, key: &EventKey) -> Result<bool, StoreError> {
        self.follows(key)?;
        if place.cut {
            self.page.more = true;
        } else {
            self.page.end = Some(key.clone());
            self.page.more = place.number >= cast(self.bounds.scan);
        }
        Ok(false)
    }

    fn follows(&self, key: &EventKey) -> Result<(), StoreError> {
        let last = self.page.end.as_ref().unwrap_or(&self.after);
        if key >= last {
            return Ok(());
        }
        Err(StoreError::Invalid {
            operation: "read a page of events",
            reason: format!("the database returned {key} behind {last}: its order is not the order of the key"),
        })
    }

    pub fn finish(self) -> Page {
        self.page
    }
}

/// A bound as the database counts.
pub(super) fn cast(bound: usize) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}
