//! Having the supervisor look at the definitions now rather than at its next turn, and waiting until it has.
//!
//! For whoever has changed something in this very process: what they are answered is in force when they are answered. Changes by
//! other hands are found by looking anyway, a moment later.

use tokio::sync::watch;

/// How many looks were asked for, and how many of those were answered.
#[derive(Debug)]
pub(crate) struct Looks {
    asked: watch::Sender<u64>,
    /// `None` while nobody looks.
    done: watch::Sender<Option<u64>>,
}

impl Default for Looks {
    fn default() -> Self {
        Self { asked: watch::Sender::new(0), done: watch::Sender::new(None) }
    }
}

impl Looks {
    /// Waits for a look that begins after this was called, and for its end; returns at once if nobody looks.
    pub async fn ask(&self) {
        let mut done = self.done.subscribe();
        let mut mine = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            mine = *asked;
        });
        // It cannot fail: the sender is here.
        let _ = done.wait_for(|done| done.is_none_or(|done| done >= mine)).await;
    }

    /// From now on somebody looks, until this is dropped.
    pub fn looker(&self) -> Looker<'_> {
        let asked = self.asked.subscribe();
        self.done.send_replace(Some(*asked.borrow()));
        Looker { looks: self, asked, begun: 0 }
    }
}

/// Who looks.
#[derive(Debug)]
pub(crate) struct Looker<'a> {
    looks: &'a Looks,
    asked: watch::Receiver<u64>,
    begun: u64,
}

impl Looker<'_> {
    /// Waits until somebody asks.
    pub async fn asked(&mut self) {
        // It cannot fail: the sender outlives this.
        let _ = self.asked.changed().await;
    }

    /// A look begins: it answers everybody who has asked until now.
    pub fn begins(&mut self) {
        self.begun = *self.asked.borrow_and_update();
    }

    /// It has ended well.
    pub fn done(&self) {
        self.looks.done.send_replace(Some(self.begun));
    }
}

impl Drop for Looker<'_> {
    fn drop(&mut self) {
        self.looks.done.send_replace(None);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn whoever_asks_waits_for_a_look_that_begins_after_it() {
        let looks = Looks::default();
        timeout(SOON, looks.ask()).await.expect("nobody looks, so there is nothing to wait for");
        let mut looker = looks.looker();
        looker.begins();
        let mut ask = std::pin::pin!(looks.ask());
        assert!(timeout(SOON, &mut ask).await.is_err());
        looker.done();
        assert!(timeout(SOON, &mut ask).await.is_err(), "that one had begun before");
        timeout(SOON, looker.asked()).await.expect("it was told");
        looker.begins();
        looker.done();
        timeout(SOON, ask).await.expect("that one is its answer");
    }

    #[tokio::test]
    async fn nobody_waits_for_a_looker_that_is_gone() {
        let looks = Looks::default();
        let looker = looks.looker();
        let mut ask = std::pin::pin!(looks.ask());
        assert!(timeout(SOON, &mut ask).await.is_err());
        drop(looker);
        timeout(SOON, ask).await.expect("there is nobody any more");
    }
}
