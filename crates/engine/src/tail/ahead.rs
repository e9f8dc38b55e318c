//! Reading ahead: while there is a backlog the next pages are read before they are asked for.
//!
//! What lies ahead is read in stretches, two at a time, each on a session of its own: what a page costs is the database's work, and
//! one session of it keeps one processor busy while the others wait. A stretch ends at a position, wherever that is: all that is
//! behind its beginning and up to there is in its pages, and the next begins behind it.
//!
//! Invariants: a stretch says of its last page that it is; one that ends without that is never taken for whole. What was read ahead is
//! four pages, and waits: nothing is read on while nobody takes them.

use std::sync::Arc;

use domain::{EventKey, Position, TypeFilter};
use store::StoreError;
use tokio::{sync::mpsc, task::JoinSet};

use super::pages::{PageReader, ReadPage};
use crate::feed::Feed;

/// A page of a stretch. The last one may be empty.
struct Part {
    read: Result<ReadPage, StoreError>,
    is_last: bool,
}

/// See the module's head. It may turn out that other pages are wanted: then these are given up.
pub(super) struct Ahead {
    pub feed: Arc<Feed>,
    /// Behind this stands what comes next.
    pub after: EventKey,
    pub filter: Arc<TypeFilter>,
    stretches: mpsc::Receiver<mpsc::Receiver<Part>>,
    /// The one that the next page is of.
    stretch: Option<mpsc::Receiver<Part>>,
    /// The one task that begins them; they end with it.
    _reading: JoinSet<()>,
}

impl Ahead {
    /// Begins to read behind a key.
    pub fn begin(reader: PageReader, after: EventKey) -> Self {
        let (sender, stretches) = mpsc::channel(1);
        let (feed, filter) = (Arc::clone(&reader.feed), Arc::clone(&reader.filter));
        let mut reading = JoinSet::new();
        reading.spawn(begin_stretches(Arc::new(reader), after.clone(), sender));
        Self { feed, after, filter, stretches, stretch: None, _reading: reading }
    }

    /// The next page, where the one before said that there is more. It may be empty and say so again. Behind one that could not be
    /// read there is none.
    pub async fn next(&mut self) -> Result<ReadPage, StoreError> {
        let stretch = match &mut self.stretch {
            Some(stretch) => stretch,
            none => none.insert(self.stretches.recv().await.expect("behind a stretch with more there is another")),
        };
        let part = stretch.recv().await.expect("a stretch says of its last page that it is");
        if part.is_last {
            self.stretch = None;
        }
        part.read
    }

    /// The same, now that its pages were taken up to a key.
    pub fn taken_up_to(self, after: EventKey) -> Self {
        Self { after, ..self }
    }
}

async fn begin_stretches(reader: Arc<PageReader>, mut at: EventKey, stretches: mpsc::Sender<mpsc::Receiver<Part>>) {
    let mut begun = JoinSet::new();
    // One is taken, one is read meanwhile. Nobody waits for more where the tail has given it up.
    while let Ok(place) = stretches.reserve().await {
        let end = reader.end_of_stretch(&at).await;
        let (sender, stretch) = mpsc::channel(1);
        begun.spawn(read_stretch(Arc::clone(&reader), at, end, sender));
        place.send(stretch);
        let Some(end) = end else { break };
        at = EventKey::after(end);
        while let Some(over) = begun.try_join_next() {
            over.expect("a stretch is read without panics");
        }
    }
    begun.join_all().await;
}

/// Reads what is behind a key, up to a position; or all that there is up to the horizon.
async fn read_stretch(reader: Arc<PageReader>, mut at: EventKey, end: Option<Position>, parts: mpsc::Sender<Part>) {
    loop {
        let mut read = reader.page(&at, end).await;
        let mut is_last = false;
        if let Ok((page, _)) = &mut read {
            is_last = !page.more;
            // Behind the stretch there is more.
            page.more |= end.is_some();
            at = page.end.clone().unwrap_or(at);
        }
        let goes_on = read.is_ok() && !is_last;
        // Nobody waits for it where the tail has given it up.
        if parts.send(Part { read, is_last }).await.is_err() || !goes_on {
            return;
        }
    }
}
