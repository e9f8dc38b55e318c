//! Makes a page of the rows that a statement returns, one at a time, and says when it is full.
//!
//! Both databases return the same shape: rows that match, in order, and behind them, where the read is filtered, the last row
//! that was looked at, so that a page can be continued behind rows that did not match. That the order is the order of the key is
//! checked with every row: a database that thinks otherwise is an error, and not a loss.

use std::sync::Arc;

use domain::{EventKey, Row, Timestamp};

use super::{Identity, Page, PageRequest};
use crate::StoreError;

/// So many rows are looked at for each that is asked for, at most.
const LOOKED_AT_A_ROW: usize = 50;

/// How much one statement reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Rows looked at, where some are left out.
    pub scan: Option<usize>,
    /// Rows returned.
    pub rows: usize,
    /// What the rows weigh, in bytes.
    pub bytes: usize,
}

impl Bounds {
    pub fn of(request: &PageRequest<'_>) -> Self {
        let leaves_out = request.filter.is_some_and(|filter| !filter.all);
        let rows = request.limit.max(1);
        // Where a few rows make a page, since they are large, it is not worth while to look far.
        let scan = super::SCAN_BOUND.min(rows.saturating_mul(LOOKED_AT_A_ROW));
        Self { scan: leaves_out.then_some(scan), rows, bytes: request.max_bytes.max(1) }
    }
}

/// A page in the making.
pub(super) struct Collector {
    bounds: Bounds,
    after: EventKey,
    marked: bool,
    page: Page,
}

impl Collector {
    pub fn new(bounds: Bounds, after: EventKey) -> Self {
        let page = Page { rows: Vec::new(), end: None, end_date: None, more: false, bytes: 0, identity: None };
        Self { bounds, after, marked: false, page }
    }

    pub fn identify(&mut self, identity: Option<Identity>) {
        self.page.identity = identity;
    }

    /// The row before this one, if there is one on this page.
    pub fn last(&self) -> Option<&Row> {
        self.page.rows.last().map(Arc::as_ref)
    }

    /// Whether no further row is wanted.
    pub fn is_full(&self) -> bool {
        self.page.rows.len() >= self.bounds.rows || self.page.bytes >= self.bounds.bytes
    }

    /// Takes a row.
    pub fn push(&mut self, row: Row) -> Result<(), StoreError> {
        self.follows(row.key())?;
        self.page.bytes += row.weight();
        self.page.rows.push(Arc::new(row));
        // Whether anything follows is not known yet: to say yes costs one empty page at most.
        self.page.more = self.is_full();
        Ok(())
    }

    /// Takes the last row that was looked at: what lies between is passed. `more`: there may be rows that were not looked at.
    pub fn mark(&mut self, key: EventKey, created_at: Option<Timestamp>, more: bool) -> Result<(), StoreError> {
        self.follows(&key)?;
        self.marked = true;
        (self.page.end, self.page.end_date, self.page.more) = (Some(key), created_at, more);
        Ok(())
    }

    fn follows(&self, key: &EventKey) -> Result<(), StoreError> {
        let last = self.last().map_or(&self.after, Row::key);
        if key >= last && !self.marked {
            return Ok(());
        }
        Err(StoreError::Invalid {
            operation: "read a page of events",
            reason: format!("the database returned {key} behind {last}: its order is not the order of the key"),
        })
    }

    pub fn finish(self) -> Page {
        let mut page = self.page;
        if page.end.is_none() {
            page.end = page.rows.last().map(|row| row.key().clone());
            page.end_date = page.rows.last().and_then(|row| row.created_at());
        }
        page
    }
}

/// A bound as the database counts.
pub(super) fn cast(bound: usize) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use domain::{BrokenRow, EventKey, Position, Row};

    use super::{Bounds, Collector};

    fn key(sequence: i64) -> EventKey {
        EventKey { sequence, aggregate_id: "a".into(), ..EventKey::before(Position::from_integer(5)) }
    }

    fn row(sequence: i64) -> Row {
        Row::Broken(BrokenRow { key: key(sequence), event_type: None, reason: String::new() })
    }

    fn collector(rows: usize) -> Collector {
        Collector::new(Bounds { scan: Some(100), rows, bytes: 1 << 20 }, key(1))
    }

    #[test]
    fn the_last_row_that_was_looked_at_ends_a_page() {
        let mut page = collector(10);
        page.push(row(2)).expect("it is behind the key");
        page.mark(key(7), None, true).expect("it is behind the row");
        let page = page.finish();
        assert_eq!((page.rows.len(), page.end, page.more), (1, Some(key(7)), true));
        let mut nothing = collector(10);
        nothing.mark(key(7), None, false).expect("it is behind the key");
        let nothing = nothing.finish();
        assert_eq!((nothing.rows.len(), nothing.end, nothing.more), (0, Some(key(7)), false));
    }

    #[test]
    fn a_full_page_ends_at_its_last_row() {
        let mut page = collector(2);
        page.push(row(2)).expect("it is behind the key");
        assert!(!page.is_full());
        page.push(row(3)).expect("it is behind the row");
        assert!(page.is_full());
        let page = page.finish();
        assert_eq!((page.end, page.more), (Some(key(3)), true));
    }

    #[test]
    fn what_comes_in_another_order_is_refused_and_never_a_loss() {
        let mut backwards = collector(10);
        backwards.push(row(3)).expect("it is behind the key");
        assert!(backwards.push(row(2)).is_err());
        assert!(backwards.mark(key(2), None, false).is_err());
        let mut early = collector(10);
        early.mark(key(7), None, false).expect("it is behind the key");
        assert!(early.push(row(8)).is_err(), "a row behind the end of the page");
        assert!(early.mark(key(8), None, false).is_err());
    }
}
