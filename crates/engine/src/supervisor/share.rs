//! This daemon's share of the targets: which it has leased, which it may serve, which it must give back.
//!
//! Everything is read from the state and worked out by [`spread`]; nothing is agreed between daemons. What
//! must be given back is served no more, and is given back once its couriers have ended. A group is served while all of
//! its targets are leased.
//!
//! Whoever finds that another's lease ran out buries it, by the database's clock. There are two exceptions. After that
//! clock jumped forward, or this daemon was out of touch, the others are first given the time to renew. And a lease that
//! runs longer than it can, because the clock was set back, ends when it was not renewed for its duration as this
//! daemon counts it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use domain::{Group, LogEvent, SignedDuration, TargetId, Timestamp};
use store::{Look, Session, Standing, State, StoreError, Worker, WorkerId};
use tracing::{info, warn};

use super::spread;
use crate::clock;

/// The database's clock is believed to have jumped when it differs from ours by more.
const SLACK: Duration = Duration::from_secs(1);

/// See the module's head.
pub(super) struct Share {
    state: State,
    session: Session,
    duration: Duration,
    /// Every target in its group.
    groups: Vec<Group>,
    leased: BTreeSet<TargetId>,
    returning: BTreeSet<TargetId>,
    served: BTreeSet<TargetId>,
    /// The targets that there were when `served` was worked out last.
    there_were: BTreeSet<TargetId>,
    moved: bool,
    /// As of the last balance; `None` when that must be done anew.
    membership: Option<i64>,
    balanced: Duration,
    touch: Option<Touch>,
    /// Nobody is buried before.
    patient_until: Duration,
    /// Leases that run longer than they can: until when, and since when that is known.
    too_long: HashMap<WorkerId, (Timestamp, Duration)>,
}

/// A moment in which the database was heard: its clock, and ours before and after.
#[derive(Clone, Copy)]
struct Touch {
    theirs: Timestamp,
    asked: Duration,
    answered: Duration,
}

/// How the database's clock went between two moments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Went {
    Steadily,
    Ahead(Duration),
    Back(Duration),
}

impl Share {
    pub fn new(state: State, session: Session, duration: Duration, groups: Vec<Group>) -> Self {
        Self {
            state,
            session,
            duration,
            groups,
            leased: BTreeSet::new(),
            returning: BTreeSet::new(),
            served: BTreeSet::new(),
            there_were: BTreeSet::new(),
            moved: false,
            membership: None,
            balanced: Duration::ZERO,
            touch: None,
            patient_until: Duration::ZERO,
            too_long: HashMap::new(),
        }
    }

    /// The targets that this daemon may call.
    pub fn served(&self) -> &BTreeSet<TargetId> {
        &self.served
    }

    /// Whether the last [`Self::balance`] found targets moved from another daemon or to one. That targets were created or
    /// removed, or that this daemon has only just joined, is no such move.
    pub fn has_moved(&self) -> bool {
        self.moved
    }

    /// Definitions changed: who is linked with whom may have, too.
    pub fn regroup(&mut self, groups: Vec<Group>) {
        self.groups = groups;
        self.membership = None;
    }

    /// The one question of every look.
    pub async fn look(&mut self) -> Result<Look, StoreError> {
        let asked = clock::boottime();
        let look = self.state.look(&self.session).await?;
        let touch = Touch { theirs: look.now, asked, answered: clock::boottime() };
        if let Some(last) = self.touch.replace(touch) {
            match went(last, touch) {
                Went::Steadily => {}
                Went::Ahead(by) => {
                    warn!(
                        event = LogEvent::ClockAhead.name(),
                        ?by,
                        "the database's clock jumped ahead: leases that ran out by it may be renewed first"
                    );
                    self.be_patient();
                }
                Went::Back(by) => warn!(event = LogEvent::ClockBack.name(), ?by, "the database's clock was set back"),
            }
            // Whoever was out of touch as well has renewed nothing either.
            if asked.saturating_sub(last.answered) >= self.duration * 3 / 4 {
                self.be_patient();
            }
        }
        Ok(look)
    }

    /// Whether leases must be looked at.
    pub fn is_due(&self, look: &Look) -> bool {
        self.membership != Some(look.membership)
            || look.doubtful
            || clock::boottime().saturating_sub(self.balanced) >= self.duration / 4
    }

    /// Takes what is free and this daemon's, and finds what is to be given back. Whether other targets are served now.
    pub async fn balance(&mut self) -> Result<bool, StoreError> {
        let mut crowd = self.state.crowd().await?;
        if self.bury_the_dead(&crowd.workers).await? {
            crowd = self.state.crowd().await?;
        }
        let me = &self.session.worker;
        let working = crowd.workers.iter().filter(|worker| worker.standing == Standing::Working);
        let workers: BTreeSet<WorkerId> = working.map(|worker| worker.id.clone()).collect();
        let part = spread::part(me, &workers, &self.groups, &crowd.holders);
        self.leased = leased_by(me, crowd.holders);
        self.returning = part.give_back;
        self.membership = Some(crowd.membership);
        if !part.take.is_empty() {
            let wanted: Vec<TargetId> = part.take.into_iter().collect();
            let taken = self.state.take(&self.session, &wanted).await?;
            if taken.len() < wanted.len() {
                // Somebody was faster, having seen something else.
                self.membership = None;
            }
            self.leased.extend(taken);
        }
        self.balanced = clock::boottime();
        Ok(self.settle(workers.len()))
    }

    /// Gives back what must be and has no courier any more.
    pub async fn give_back(&mut self, busy: &HashSet<&TargetId>) -> Result<(), StoreError> {
        let ready: Vec<TargetId> = self.returning.iter().filter(|target| !busy.contains(target)).cloned().collect();
        if ready.is_empty() {
            return Ok(());
        }
        self.state.give_back(&self.session, &ready).await?;
        for target in ready {
            self.returning.remove(&target);
            self.leased.remove(&target);
        }
        Ok(())
    }

    /// Takes nothing more; everything is to be given back.
    pub async fn withdraw(&mut self) -> Result<(), StoreError> {
        self.returning.clone_from(&self.leased);
        self.served.clear();
        self.state.withdraw(&self.session).await
    }

    fn be_patient(&mut self) {
        self.patient_until = clock::boottime() + self.duration;
    }

    fn settle(&mut self, workers: usize) -> bool {
        let mine = |target: &TargetId| self.leased.contains(target) && !self.returning.contains(target);
        let whole = self.groups.iter().filter(|group| group.targets().iter().all(mine));
        let served: BTreeSet<TargetId> = whole.flat_map(Group::targets).cloned().collect();
        let there_are: BTreeSet<TargetId> = self.groups.iter().flat_map(Group::targets).cloned().collect();
        self.moved = moved(&self.served, &served, &self.there_were, &there_are);
        let all = there_are.len();
        self.there_were = there_are;
        if served == self.served {
            return false;
        }
        self.served = served;
        info!(
            event = LogEvent::LeaseShareChanged.name(),
            targets = self.served.len(),
            of = all,
            workers,
            "this daemon's share of the targets is another now"
        );
        true
    }

    async fn bury_the_dead(&mut self, workers: &[Worker]) -> Result<bool, StoreError> {
        let now = clock::boottime();
        let mut known = std::mem::take(&mut self.too_long);
        let mut buried = false;
        for worker in workers.iter().filter(|worker| worker.id != self.session.worker) {
            let runs_too_long = worker.runs_too_long();
            if runs_too_long {
                let known = known.remove(&worker.id).filter(|(until, _)| *until == worker.expires_at);
                let (until, since) = known.unwrap_or((worker.expires_at, now));
                if now.saturating_sub(since) < worker.lease_duration {
                    self.too_long.insert(worker.id.clone(), (until, since));
                    continue;
                }
            } else if worker.is_live() || now < self.patient_until {
                continue;
            }
            if self.state.bury(worker).await? {
                buried = true;
                tell(worker, runs_too_long);
            }
        }
        Ok(buried)
    }
}

/// Whether a target that is there as before is served now and was not, or the other way round.
fn moved(
    before: &BTreeSet<TargetId>,
    now: &BTreeSet<TargetId>,
    there_were: &BTreeSet<TargetId>,
    there_are: &BTreeSet<TargetId>,
) -> bool {
    before.symmetric_difference(now).any(|target| there_were.contains(target) && there_are.contains(target))
}

fn tell(dead: &Worker, runs_too_long: bool) {
    let (worker, host, pid, targets) = (&dead.id, &dead.info.host, dead.info.pid, dead.targets);
    if runs_too_long {
        warn!(event = LogEvent::LeaseWorkerExpired.name(),
            %worker, host, pid, targets, runs_for = ?dead.expires_in.unsigned_abs(), lease_duration = ?dead.lease_duration,
            "the lease of a worker runs longer than it can, since the database's clock was set back, and was not renewed: \
             its targets are shared among the others"
        );
    } else {
        warn!(event = LogEvent::LeaseWorkerExpired.name(), %worker, host, pid, targets, "the lease of a worker ran out: its targets are shared among the others");
    }
}

fn leased_by(me: &WorkerId, holders: BTreeMap<TargetId, WorkerId>) -> BTreeSet<TargetId> {
    holders.into_iter().filter(|(_, holder)| holder == me).map(|(target, _)| target).collect()
}

/// Only what is certain: an answer may have been on its way for long.
fn went(last: Touch, this: Touch) -> Went {
    let theirs = this.theirs.duration_since(last.theirs);
    let at_most =
        SignedDuration::try_from(this.answered.saturating_sub(last.asked) + SLACK).unwrap_or(SignedDuration::MAX);
    let back = SignedDuration::try_from(SLACK).unwrap_or(SignedDuration::MAX);
    if theirs > at_most {
        Went::Ahead((theirs - at_most).unsigned_abs())
    } else if theirs < -back {
        Went::Back(theirs.unsigned_abs())
    } else {
        Went::Steadily
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The database was asked at 10 s and 20 s of our clock, and answered after so many seconds of ours.
    #[track_caller]
    fn check(theirs: i64, answers_take: [u64; 2], expected: Went) {
        let touch = |theirs, asked, took| Touch {
            theirs: Timestamp::from_second(1_743_070_963 + theirs).expect("a time of this century"),
            asked: Duration::from_secs(asked),
            answered: Duration::from_secs(asked + took),
        };
        assert_eq!(went(touch(0, 10, answers_take[0]), touch(theirs, 20, answers_take[1])), expected);
    }

    #[test]
    fn a_target_moves_only_between_daemons() {
        let of = |names: &[&str]| names.iter().map(|name| TargetId::from(*name)).collect::<BTreeSet<_>>();
        let check = |before: &[&str], now: &[&str], were: &[&str], are: &[&str]| {
            moved(&of(before), &of(now), &of(were), &of(are))
        };
        assert!(check(&["a"], &["a", "b"], &["a", "b"], &["a", "b"]), "one came");
        assert!(check(&["a", "b"], &["a"], &["a", "b"], &["a", "b", "c"]), "one went");
        assert!(!check(&[], &["a"], &[], &["a", "b"]), "it has just joined");
        assert!(!check(&["a"], &["a", "b"], &["a"], &["a", "b"]), "one was created");
        assert!(!check(&["a", "b"], &["a"], &["a", "b"], &["a"]), "one was removed");
        assert!(!check(&["a"], &["a"], &["a", "b"], &["a", "b"]), "nothing happened");
    }

    #[test]
    fn a_clock_that_goes_as_ours_does_goes_steadily() {
        check(10, [0, 0], Went::Steadily);
        check(11, [0, 0], Went::Steadily);
        check(0, [0, 0], Went::Steadily);
    }

    #[test]
    fn an_answer_that_took_long_is_no_jump() {
        check(15, [0, 5], Went::Steadily);
        check(5, [5, 0], Went::Steadily);
    }

    #[test]
    fn a_clock_that_jumps_is_seen() {
        check(3_611, [0, 0], Went::Ahead(Duration::from_hours(1)));
        check(-3_600, [0, 0], Went::Back(Duration::from_hours(1)));
    }
}
