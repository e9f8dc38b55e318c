//! The couriers of a daemon: who must be there for its share of the targets, who is, and what they must be told.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use domain::{Cursor, Definitions, FailedStatus, LogEvent, Router, Target, TargetId, TargetName};
use store::{FailedFilter, StoreError};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    EngineError, begins, definitions,
    places::{self, Place},
    share::Share,
    tasks::{Ended, Task},
};
use crate::{
    courier::{Courier, Shared},
    feed::{Feed, SettingOut},
    feeds::Feeds,
    tail::Sight,
};

/// One courier, as its supervisor knows it.
struct Member {
    target: watch::Sender<Arc<Target>>,
    nudge: watch::Sender<u64>,
    stop: CancellationToken,
}

/// How often failed events are counted for the figures.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// At the end leases are given back so often, for what has finished.
const GIVE_BACK_EVERY: Duration = Duration::from_millis(50);
/// How long it may take to tell the others that this daemon ends.
const WITHDRAW: Duration = Duration::from_secs(1);

/// See the module's head.
pub(super) struct Crew {
    shared: Arc<Shared>,
    feeds: Feeds,
    sight: Sight,
    /// Of all couriers.
    stop: CancellationToken,
    definitions: Definitions,
    share: Share,
    revision: Option<i64>,
    members: HashMap<Place, Member>,
    /// Where there is a row in the state.
    cursors: HashSet<Place>,
    /// Something ended or appeared: who must be there is to be looked at again.
    unsettled: bool,
    counted: Option<Instant>,
}

impl Crew {
    pub fn new(shared: Arc<Shared>, feeds: Feeds, sight: Sight, definitions: Definitions, share: Share) -> Self {
        Self {
            shared,
            feeds,
            sight,
            stop: CancellationToken::new(),
            definitions,
            share,
            revision: None,
            members: HashMap::new(),
            cursors: HashSet::new(),
            unsettled: true,
            counted: None,
        }
    }

    /// Waits until the tail has seen an instance for the first time.
    pub async fn new_instances(&mut self) {
        if self.sight.instances.changed().await.is_err() {
            // The tail is gone, which the supervisor learns from its handle.
            std::future::pending::<()>().await;
        }
        self.unsettled = true;
    }

    /// A courier has ended. Whether it was the last one that was to end: until then the next look can wait.
    pub fn left(&mut self, place: &Place) -> bool {
        self.members.remove(place);
        self.unsettled = true;
        !self.members.values().any(|member| member.stop.is_cancelled())
    }

    /// Looks whether anything changed, and has everybody know.
    pub async fn look(&mut self, tasks: &mut JoinSet<Task>) -> Result<(), StoreError> {
        let look = self.share.look().await?;
        if self.revision != Some(look.revision) {
            if self.revision.is_some() {
                info!(
                    event = LogEvent::DefinitionsChanged.name(),
                    revision = look.revision,
                    "definitions were changed, or an operator acted"
                );
            }
            self.take_up_changes().await?;
            self.revision = Some(look.revision);
            self.unsettled = true;
        }
        self.give_back().await?;
        if self.share.is_due(&look) && self.share.balance().await? {
            self.shared.status.leased(self.share.served().len());
            if self.share.has_moved() {
                self.shared.status.leases_changed();
            }
            // Whoever served them before may have created some.
            self.cursors = places_of(&self.shared.state.cursors().await?);
            self.unsettled = true;
        }
        if self.unsettled {
            self.place(tasks).await?;
            self.unsettled = false;
        }
        if self.counted.is_none_or(|counted| counted.elapsed() >= COUNT_EVERY) {
            self.count_failed_events().await?;
            self.counted = Some(Instant::now());
        }
        Ok(())
    }

    /// Stops all couriers and waits for them, and for calls whose answers nobody awaits. What has finished is given back
    /// meanwhile: one slow endpoint does not keep the other targets from moving.
    pub async fn finish(&mut self, tasks: &mut JoinSet<Task>) -> Result<(), EngineError> {
        self.stop.cancel();
        if let Ok(Err(error)) = tokio::time::timeout(WITHDRAW, self.share.withdraw()).await {
            warn!(
                event = LogEvent::WorkerWithdrawFailed.name(),
                error = &error as &dyn std::error::Error,
                "the other daemons could not be told that this one ends"
            );
        }
        let mut give_back = interval(GIVE_BACK_EVERY);
        while !self.members.is_empty() {
            let ended = tokio::select! {
                ended = tasks.join_next() => ended,
                _ = give_back.tick() => {
                    // What cannot be given back now ends with the session.
                    let _ = self.give_back().await;
                    continue;
                }
            };
            let Some(joined) = ended else { break };
            match Task::ended(joined)? {
                Ended::Courier(place) => {
                    self.left(&place);
                }
                // What the session claimed is fenced, and there is nothing to do about it any more.
                Ended::Keeper => {}
            }
        }
        self.shared.deliverer.finish().await;
        Ok(())
    }

    async fn take_up_changes(&mut self) -> Result<(), StoreError> {
        self.take_up_acts().await?;
        let worker = &self.shared.held.session().worker;
        let definitions = match definitions::read(&self.shared.state, worker).await {
            Ok(definitions) => definitions,
            // Nothing that waiting would mend, and calls must not go out without a signature.
            Err(error @ (StoreError::KeyClosed { .. } | StoreError::WebKeyClosed { .. })) => {
                error!(event = LogEvent::DefinitionsUnusable.name(), %error, "the definitions in the state cannot be used; those known before stay in force");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let grouped = Router::build(&definitions).and_then(|router| Ok((router, definitions.groups()?)));
        match grouped {
            Ok((router, groups)) => {
                self.shared.router.store(Arc::new(router));
                self.share.regroup(groups);
                self.definitions = definitions;
            }
            Err(error) => {
                error!(event = LogEvent::DefinitionsUnusable.name(), %error, "the definitions in the state cannot be used; those known before stay in force");
            }
        }
        Ok(())
    }

    async fn give_back(&mut self) -> Result<(), StoreError> {
        let busy = self.members.keys().map(|(target, _)| target).collect();
        self.share.give_back(&busy).await
    }

    /// Cursors that operators moved, and failed events that they asked for again.
    async fn take_up_acts(&mut self) -> Result<(), StoreError> {
        let cursors = self.shared.state.cursors().await?;
        self.shared.ledger.fence_the_overtaken(cursors.iter().map(|cursor| (cursor.id, cursor.epoch)));
        self.cursors = places_of(&cursors);
        self.feeds.cursors_stand_at(&begins::furthest(cursors));
        let asked = FailedFilter { status: Some(FailedStatus::Retrying), ..FailedFilter::default() };
        let asked: HashSet<Place> =
            self.shared.state.failed_events(&asked).await?.into_iter().map(|(target, at, _)| (target, at)).collect();
        for (place, member) in &self.members {
            if asked.contains(place) || *member.nudge.borrow() > 0 {
                member.nudge.send_modify(|times| *times += 1);
            }
        }
        Ok(())
    }

    /// Starts the couriers that are missing, stops those that must not be there, tells the others of their target.
    async fn place(&mut self, tasks: &mut JoinSet<Task>) -> Result<(), StoreError> {
        let instances = self.sight.instances.borrow().clone();
        let all = places::wanted(&self.definitions, &self.shared.router.load(), &instances, &self.cursors);
        let served = self.share.served();
        if all.keys().any(|place| !self.cursors.contains(place) && served.contains(&place.0)) {
            self.create_cursors(&all).await?;
        }
        let served = self.share.served();
        let mut wanted = all;
        wanted.retain(|place, _| served.contains(&place.0));
        // A paused target has a cursor and no courier.
        wanted.retain(|_, target| !target.paused);
        for (place, member) in &self.members {
            match wanted.get(place) {
                Some(target) => {
                    member.target.send_if_modified(|known| std::mem::replace(known, Arc::clone(target)) != *target);
                }
                None => member.stop.cancel(),
            }
        }
        wanted.retain(|place, _| !self.members.contains_key(place));
        if wanted.is_empty() {
            return Ok(());
        }
        let cursors = self.shared.state.cursors().await?;
        let without_feed = wanted.keys().filter(|place| !self.feeds.has(&place.1)).collect();
        let begins = begins::of_instances(cursors, &without_feed, &self.shared.events).await;
        for (place, target) in wanted {
            let feed = match begins.get(&place.1) {
                Some(begin) => self.feeds.of(&place.1, &begin.start, &begin.furthest),
                None => self.feeds.of(&place.1, &target.first_cursor(), &target.first_cursor()),
            };
            self.start(place, target, feed, tasks);
        }
        Ok(())
    }

    /// Creates what is missing. Other daemons create cursors too, so that those that are known are read anew first.
    async fn create_cursors(&mut self, wanted: &HashMap<Place, Arc<Target>>) -> Result<(), StoreError> {
        let safe = self.sight.safe.borrow().position;
        self.cursors = places_of(&self.shared.state.cursors().await?);
        let missing: Vec<_> = places::missing(wanted, &self.cursors, self.share.served())
            .map(|(place, target)| {
                let first = places::first_cursor(place, target, &self.cursors, safe);
                (place.0.clone(), place.1.clone(), first)
            })
            .collect();
        if !missing.is_empty() {
            self.shared.state.ensure_cursors(&missing).await?;
            self.cursors = places_of(&self.shared.state.cursors().await?);
        }
        Ok(())
    }

    fn start(&mut self, place: Place, target: Arc<Target>, feed: Arc<Feed>, tasks: &mut JoinSet<Task>) {
        info!(event = LogEvent::CourierStarted.name(), target = %target.name, instance = %place.1, "a courier sets out");
        let figures = self.shared.status.figures(&target.name, &place.0, &place.1);
        let (target, target_seen) = watch::channel(target);
        let (nudge, nudged) = watch::channel(0);
        let stop = self.stop.child_token();
        let courier = Courier {
            shared: Arc::clone(&self.shared),
            target: target_seen,
            instance: place.1.clone(),
            sets_out: Some(SettingOut::new(&feed)),
            feed,
            safe: self.sight.safe.clone(),
            nudged,
            stop: stop.clone(),
            figures: Arc::new(figures),
        };
        let ended = place.clone();
        tasks.spawn(async move {
            courier.run().await;
            Task::Courier(ended)
        });
        self.members.insert(place, Member { target, nudge, stop });
    }

    async fn count_failed_events(&self) -> Result<(), StoreError> {
        let names: HashMap<TargetId, TargetName> =
            self.definitions.targets.iter().map(|target| (target.id.clone(), target.name.clone())).collect();
        let mut counts = BTreeMap::new();
        for count in self.shared.state.failed_counts().await? {
            // Each daemon reports those that it serves, so that sums are right.
            if let Some(name) = names.get(&count.target).filter(|_| self.share.served().contains(&count.target)) {
                *counts.entry((name.clone(), count.status)).or_default() +=
                    i64::try_from(count.events).unwrap_or(i64::MAX);
            }
        }
        self.shared.status.targets(names, &counts);
        Ok(())
    }
}

fn places_of(cursors: &[Cursor]) -> HashSet<Place> {
    cursors.iter().map(|cursor| (cursor.target_id.clone(), cursor.instance_id.clone())).collect()
}
