//! A page as it stands in a feed, or in the hand of a courier that reads for itself: rows, how far they go, what was asked for.
//!
//! Which of its rows concern whom is looked up once for all couriers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use domain::{EventKey, InstanceId, Router, Row, TargetId, Timestamp, TypeFilter};

use super::stay::Needed;
use crate::traces::PageSpan;

/// What a page takes beside its rows.
pub(super) const BARE_PAGE: usize = 512;

/// Rows in order, and where the reading that brought them ended.
#[derive(Debug)]
pub(crate) struct Page {
    pub rows: Vec<Arc<Row>>,
    /// The last row that was looked at, whether it is among `rows` or not.
    pub end: EventKey,
    /// `created_at` of the row at `end`, if it can be read.
    pub end_date: Option<Timestamp>,
    /// What was asked for: rows of other types are not here.
    pub(super) filter: Arc<TypeFilter>,
    /// What its reading is called in traces, where there are any.
    pub span: Option<PageSpan>,
    /// About how much memory it takes.
    pub(super) bytes: usize,
    pub(super) needed: Arc<Needed>,
    routed: Mutex<Option<Arc<Routed>>>,
}

/// Which rows of a page concern which target, at one revision of the definitions.
#[derive(Debug)]
struct Routed {
    revision: i64,
    by_target: HashMap<TargetId, Vec<u32>>,
    /// Rows of unknown type: they concern everybody.
    broken: Vec<u32>,
}

impl Page {
    /// Of what was read, if there was anything; `filter` is what was asked for.
    pub fn new(read: store::Page, filter: Arc<TypeFilter>) -> Option<Self> {
        let bytes = read.bytes + BARE_PAGE;
        Some(Self {
            rows: read.rows,
            end: read.end?,
            end_date: read.end_date,
            filter,
            span: None,
            bytes,
            needed: Arc::default(),
            routed: Mutex::default(),
        })
    }

    /// The rows that concern `target`, in order: looked up once for all couriers, and again when definitions change.
    pub fn matches(&self, router: &Router, instance: &InstanceId, target: &TargetId) -> Vec<u32> {
        let known = {
            let mut cell = self.routed.lock().expect("no holder of this lock panics");
            match &*cell {
                Some(known) if known.revision == router.revision() => Arc::clone(known),
                _ => Arc::clone(cell.insert(Arc::new(Routed::look_up(&self.rows, router, instance)))),
            }
        };
        let mut rows = known.by_target.get(target).cloned().unwrap_or_default();
        if !known.broken.is_empty() {
            rows.extend(&known.broken);
            rows.sort_unstable();
        }
        rows
    }
}

impl Routed {
    fn look_up(rows: &[Arc<Row>], router: &Router, instance: &InstanceId) -> Self {
        let mut by_target: HashMap<TargetId, Vec<u32>> = HashMap::new();
        let mut broken = Vec::new();
        let mut behind = 0;
        // Events of one type often stand together: what holds for one of them holds for all.
        for alike in rows.chunk_by(|row, next| row.event_type() == next.event_type()) {
            let numbers = behind..behind + u32::try_from(alike.len()).expect("a page has few rows");
            behind = numbers.end;
            match alike[0].event_type() {
                Some(event_type) => {
                    for target in router.targets(instance, event_type) {
                        match by_target.get_mut(target) {
                            Some(list) => list.extend(numbers.clone()),
                            None => {
                                by_target.insert(target.clone(), numbers.clone().collect());
                            }
                        }
                    }
                }
                None => broken.extend(numbers),
            }
        }
        Self { revision: router.revision(), by_target, broken }
    }
}
