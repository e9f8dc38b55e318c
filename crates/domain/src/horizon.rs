//! How far it is safe to read: the position up to which no open transaction can still add events.
//!
//! The pure half: `store` lists the head and the open writers in separate statements, in that order; this file keeps
//! what was learnt from one poll to the next.
//!
//! Why it is right: a writer that is listed for the first time began to write after the list before was made, and
//! that list was made after its head was read. So its positions lie above the head of the poll before, which becomes
//! its floor for as long as it is open. A poll whose list failed is as if it had never been: its head must not be
//! passed to [`Horizon::advance`], or a writer could be given a floor above its positions.
//!
//! Invariants: `safe` never falls; a writer's floor never rises; `safe` never passes the floor of an open writer.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::Position;

/// A transaction that may be writing events, as the database lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Writer {
    /// The virtual transaction, which prepared transactions have too (`-1/…`), where they have no pid.
    pub vxid: String,
    /// What its positions lie above for certain: where positions are stamped at the start of the transaction and that
    /// start is visible, the start minus a microsecond.
    pub floor: Option<Position>,
    /// Its process; `None` for a prepared transaction.
    pub pid: Option<i32>,
    /// Who runs it.
    pub role: Option<String>,
    /// What it calls itself.
    pub application: Option<String>,
    /// When its transaction began.
    pub since: Option<Timestamp>,
    /// What its session does, such as `idle in transaction`.
    pub state: Option<String>,
}

/// What one poll came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HorizonReading {
    /// Everything up to and including this can be read for good.
    pub safe: Position,
    /// As far as there is something to read, or could be.
    pub head: Position,
    /// While `safe` is behind `head`: the writer with the lowest floor.
    pub holder: Option<Writer>,
}

/// How far it is safe to read, and what the open writers keep it from.
#[derive(Clone, Debug)]
pub struct Horizon {
    safe: Position,
    previous_head: Position,
    floors: HashMap<String, Position>,
}

impl Horizon {
    /// Begins where a horizon has safely been before. The watermark must be a past `safe`, never a past head.
    #[must_use]
    pub fn resume(watermark: Position) -> Self {
        Self { safe: watermark, previous_head: watermark, floors: HashMap::new() }
    }

    /// Everything up to and including this can be read for good.
    #[must_use]
    pub fn safe(&self) -> Position {
        self.safe
    }

    /// Takes in a poll: the head, and the writers that were listed after the head had been read.
    ///
    /// A writer may be listed more than once; the lowest floor counts.
    pub fn advance(&mut self, head: Position, writers: &[Writer]) -> HorizonReading {
        let mut floors: HashMap<String, Position> = HashMap::with_capacity(writers.len());
        let mut holder: Option<(Position, &Writer)> = None;
        for writer in writers {
            let known = floors.get(&writer.vxid).or_else(|| self.floors.get(&writer.vxid));
            let known = known.copied().unwrap_or(self.previous_head);
            let floor = writer.floor.map_or(known, |floor| floor.min(known));
            floors.insert(writer.vxid.clone(), floor);
            if holder.is_none_or(|(lowest, _)| floor < lowest) {
                holder = Some((floor, writer));
            }
        }
        let reachable = holder.map_or(head, |(floor, _)| floor.min(head));
        self.safe = self.safe.max(reachable);
        self.previous_head = head;
        self.floors = floors;
        HorizonReading {
            safe: self.safe,
            head,
            holder: holder.filter(|_| self.safe < head).map(|(_, writer)| writer.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
