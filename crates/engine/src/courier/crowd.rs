//! The memory for events that couriers have taken in, shared by all of them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Memory for the rows in all windows, in bytes.
const MEMORY: usize = 48 << 20;
/// No window needs more.
const MOST: usize = 4 << 20;

/// A place among those that share it, given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    others: Arc<AtomicUsize>,
    counted: bool,
}

impl Crowd {
    /// One more place.
    pub fn join(of: &Self) -> Self {
        of.others.fetch_add(1, Ordering::Relaxed);
        Self { others: Arc::clone(&of.others), counted: true }
    }

    /// What one of them may take, in bytes.
    pub fn share(&self) -> usize {
        (MEMORY / self.others.load(Ordering::Relaxed).max(1)).min(MOST)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if self.counted {
            self.others.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
