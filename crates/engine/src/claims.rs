//! Claims of cursors, gathered: a thousand couriers that set out at once claim in a few transactions.
//!
//! Whoever finds nobody at it claims for all who ask by then, and each takes what is its own. Invariants: a claim that is given up,
//! because its courier is stopped, leaves nobody without an answer: those it was made for ask again. One cursor that cannot be
//! claimed is not the trouble of others: where a claim for several fails, each claims for itself.

use std::sync::Mutex;

use domain::{InstanceId, TargetId};
use store::{Claim, Session, State, StoreError};
use tokio::sync::{Mutex as Queue, oneshot, oneshot::error::TryRecvError};
use tracing::debug;

/// So many are claimed at once, at most: they are locked until all of them are claimed.
const AT_ONCE: usize = 256;

struct Asked {
    place: (TargetId, InstanceId),
    answer: oneshot::Sender<Claimed>,
}

/// A claim for several failed, and nothing is said of any one of them.
struct FailedTogether;

type Claimed = Result<Option<Claim>, FailedTogether>;

/// See the module's head.
pub(crate) struct Claims {
    state: State,
    asked: Mutex<Vec<Asked>>,
    /// Who is at it, and who waits for that.
    queue: Queue<()>,
}

impl Claims {
    pub fn new(state: State) -> Self {
        Self { state, asked: Mutex::default(), queue: Queue::new(()) }
    }

    /// As [`State::claim`].
    pub async fn claim(
        &self,
        session: &Session,
        target: &TargetId,
        instance: &InstanceId,
    ) -> Result<Option<Claim>, StoreError> {
        let mut answered = self.ask(target, instance);
        loop {
            let at_it = self.queue.lock().await;
            match answered.try_recv() {
                Ok(Ok(claim)) => return Ok(claim),
                Ok(Err(FailedTogether)) => {
                    drop(at_it);
                    return self.state.claim(session, target, instance).await;
                }
                Err(TryRecvError::Empty) => self.claim_for_all(session).await,
                Err(TryRecvError::Closed) => answered = self.ask(target, instance),
            }
        }
    }

    fn ask(&self, target: &TargetId, instance: &InstanceId) -> oneshot::Receiver<Claimed> {
        let (answer, answered) = oneshot::channel();
        let place = (target.clone(), instance.clone());
        self.asked.lock().expect("no holder of this lock panics").push(Asked { place, answer });
        answered
    }

    async fn claim_for_all(&self, session: &Session) {
        let asked = {
            let mut waiting = self.asked.lock().expect("no holder of this lock panics");
            let now = waiting.len().min(AT_ONCE);
            let mut asked: Vec<_> = waiting.drain(..now).collect();
            // Who has been stopped since then wants nothing any more.
            asked.retain(|one| !one.answer.is_closed());
            asked
        };
        let places: Vec<_> = asked.iter().map(|one| one.place.clone()).collect();
        let mut claimed = self.state.claim_all(session, &places).await;
        if let Err(error) = &claimed {
            debug!(
                error = error as &dyn std::error::Error,
                cursors = places.len(),
                "cursors cannot be claimed together"
            );
        }
        for Asked { place, answer } in asked {
            let one = claimed.as_mut().map(|claims| claims.remove(&place)).map_err(|_| FailedTogether);
            // Who is not there any more has no use for it: the next who claims fences it off.
            let _ = answer.send(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use store::{StateOptions, WorkerId};

    use super::*;

    #[tokio::test]
    async fn who_is_left_without_an_answer_asks_again() {
        let folder = tempfile::tempdir().expect("there is room");
        let url = format!("sqlite://{}", folder.path().join("state.db").display());
        let state = State::connect(&StateOptions::new(url)).await.expect("the state opens");
        state.migrate().await.expect("the state has its tables");
        let claims = Claims::new(state);
        let session = Session { worker: WorkerId("nobody".to_owned()), epoch: 1 };
        let (target, instance) = (TargetId::from("t"), InstanceId::from("i"));

        let busy = claims.queue.lock().await;
        let mut second = pin!(claims.claim(&session, &target, &instance));
        {
            let mut first = pin!(claims.claim(&session, &target, &instance));
            let context = &mut Context::from_waker(Waker::noop());
            assert!(first.as_mut().poll(context).is_pending() && second.as_mut().poll(context).is_pending());
            drop(busy);
            // It claims for both, and is given up in the middle of it.
            assert!(first.as_mut().poll(context).is_pending());
            assert!(claims.asked.lock().expect("no panic").is_empty());
        }
        assert_eq!(second.await.expect("the state can be asked"), None);
    }
}
