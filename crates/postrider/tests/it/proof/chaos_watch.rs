//! Looks at every cursor, ten times a second, from the first to the last.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use domain::{Cursor, EventKey, FailedStatus, InstanceId, TargetId};
use store::{FailedFilter, State, StateOptions};
use test_support::{TestDatabase, eventually_within};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::chaos_check::Look;

const EVERY: Duration = Duration::from_millis(100);

/// The looks at the cursors of each target, by its name.
pub type Looks = HashMap<String, HashMap<InstanceId, Vec<Look>>>;

/// The state, as soon as a daemon has made it.
pub async fn state(database: &TestDatabase) -> State {
    let state = State::connect(&StateOptions::new(database.url())).await.expect("the server is there");
    eventually_within(Duration::from_secs(30), "a daemon has made the state", async || state.cursors().await.ok())
        .await;
    state
}

/// Looks until it is told to end, and a last time then. What cannot be seen while the server is away is left out.
pub async fn watch(state: &State, end: &CancellationToken, mut between: impl FnMut()) -> Looks {
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut by_id: HashMap<_, HashMap<InstanceId, Vec<Look>>> = HashMap::new();
    loop {
        let last = end.is_cancelled();
        let began = Instant::now();
        if let Ok(cursors) = state.cursors().await {
            let ended = Instant::now();
            for cursor in cursors {
                let (epoch, generation) = (cursor.epoch.0, cursor.generation);
                let look = Look { began, ended, epoch, generation, key: cursor.key };
                by_id.entry(cursor.target_id).or_default().entry(cursor.instance_id).or_default().push(look);
            }
            if last {
                break;
            }
        }
        between();
        pace.tick().await;
    }
    let names = names(state).await.into_iter();
    names.filter_map(|(id, name)| Some((name, by_id.remove(&id)?))).collect()
}

/// What each target has given up, by its name, in order.
pub async fn parked(state: &State) -> HashMap<String, BTreeSet<EventKey>> {
    let names = names(state).await;
    let mut parked: HashMap<_, BTreeSet<_>> = HashMap::new();
    for (target, _, failed) in
        state.failed_events(&FailedFilter::default()).await.expect("the server is there in the end")
    {
        if failed.status == FailedStatus::Parked {
            parked.entry(names[&target].clone()).or_default().insert(failed.key);
        }
    }
    parked
}

/// How every cursor stands, for the message of a failing test.
pub async fn stand(state: &State) -> String {
    let names = names(state).await;
    let mut cursors = state.cursors().await.expect("the server is there in the end");
    cursors.sort_by(|one, other| one.key.cmp(&other.key));
    let line = |cursor: &Cursor| {
        let (name, instance, key) = (&names[&cursor.target_id], &cursor.instance_id, &cursor.key);
        let beyond = cursor.ahead.as_ref().map(|ahead| (&ahead.to, ahead.open.len()));
        let (epoch, state, reason) = (cursor.epoch.0, cursor.state, &cursor.reason);
        format!("{name} on {instance} at {key}, beyond {beyond:?}, epoch {epoch}, {state} {reason:?}\n")
    };
    cursors.iter().map(line).collect()
}

async fn names(state: &State) -> HashMap<TargetId, String> {
    let definitions = state.definitions().await.expect("the server is there in the end");
    definitions.targets.into_iter().map(|target| (target.id, target.name.to_string())).collect()
}
