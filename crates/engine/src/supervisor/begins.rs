//! Where the feed of an instance begins: where its couriers can read it, if many stand near to one another.
//!
//! A courier behind the beginning reads for itself. After a restart in the middle of a backlog that would be nearly all of a
//! thousand, each reading what all of them need.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use domain::{Cursor, CursorState, EventKey, InstanceId};
use store::{EventStore, StoreError};
use tokio::time::timeout;
use tracing::debug;

use super::places::Place;

/// So many couriers are a crowd, and fewer may read for themselves.
const CROWD: usize = 16;
/// So many of a crowd may stand behind where its feed begins.
const STRAGGLERS: usize = 4;
/// A feed begins no more events than that before the first of its crowd, for all instances together: that is read within a second, unless
/// they are large.
const REACH: usize = 100_000;
/// It is not worth asking for less.
const SHORTEST: usize = 1_000;
/// So long the event store may take to tell, for all instances together.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a feed begins.
pub(super) struct Begin {
    pub start: EventKey,
    /// Where the most advanced cursor of the instance stands.
    pub furthest: EventKey,
}

/// Of each instance that has cursors: where the most advanced one stands, and the others catch up by themselves; but where a crowd sets
/// out, where the last of those stands that are near to it. `places` are those that couriers set out for on instances without
/// a feed.
pub(super) async fn of_instances(
    cursors: Vec<Cursor>,
    places: &HashSet<&Place>,
    events: &EventStore,
) -> HashMap<InstanceId, Begin> {
    within(REACH, cursors, places, events).await
}

async fn within(
    reach: usize,
    cursors: Vec<Cursor>,
    places: &HashSet<&Place>,
    events: &EventStore,
) -> HashMap<InstanceId, Begin> {
    let crowds = crowds(&cursors, places);
    let reach = reach / crowds.len().max(1);
    let begin = |furthest: EventKey| Begin { start: furthest.clone(), furthest };
    let mut begins: HashMap<_, _> =
        furthest(cursors).into_iter().map(|(instance, key)| (instance, begin(key))).collect();
    if reach < SHORTEST {
        return begins;
    }
    let rows = u32::try_from(reach).expect("that is not far");
    let ask = async {
        for (instance, stand) in crowds {
            let Some(begin) = begins.get_mut(&instance) else { continue };
            let first = &stand[stand.len() - CROWD];
            let back = events.position_back(&instance, first.position, rows).await?;
            let mut near = stand.iter().filter(|key| back.is_none_or(|back| key.position >= back));
            // The very last of them soon get there by themselves, and all others would have to wait for them.
            begin.start = near.nth(STRAGGLERS).unwrap_or(first).clone();
        }
        Ok::<_, StoreError>(())
    };
    // Nobody is kept waiting for this: all that it is for is less to read.
    match timeout(PATIENCE, ask).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            debug!(error = &error as &dyn std::error::Error, "how near couriers stand to one another cannot be asked");
        }
        Err(_) => debug!("how near couriers stand to one another was not answered in time"),
    }
    begins
}

/// Where the couriers of instances with many of them stand, in order. Who halts or holds reads little, and is no part of a crowd.
fn crowds(cursors: &[Cursor], places: &HashSet<&Place>) -> HashMap<InstanceId, Vec<EventKey>> {
    let mut crowds: HashMap<InstanceId, Vec<EventKey>> = HashMap::new();
    if places.is_empty() {
        return crowds;
    }
    for cursor in cursors {
        let reads = !matches!(cursor.state, CursorState::Halted | CursorState::Holding | CursorState::Paused);
        if reads && places.contains(&(cursor.target_id.clone(), cursor.instance_id.clone())) {
            crowds.entry(cursor.instance_id.clone()).or_default().push(cursor.key.clone());
        }
    }
    crowds.retain(|_, stand| stand.len() >= CROWD);
    for stand in crowds.values_mut() {
        stand.sort_unstable();
    }
    crowds
}

/// For each instance where its most advanced cursor stands.
pub(super) fn furthest(cursors: Vec<Cursor>) -> HashMap<InstanceId, EventKey> {
    let mut furthest: HashMap<InstanceId, EventKey> = HashMap::new();
    for cursor in cursors {
        let key = furthest.entry(cursor.instance_id).or_insert_with(|| cursor.key.clone());
        if cursor.key > *key {
            *key = cursor.key;
        }
    }
    furthest
}

#[cfg(test)]
mod tests {
    use domain::{CursorId, Position};
    use store::NewEvent;

    use super::*;

    const FAR: i64 = 3_000;

    fn at(position: i64) -> EventKey {
        EventKey::after(Position::from_integer(position))
    }

    fn cursors(positions: impl IntoIterator<Item = i64>) -> Vec<Cursor> {
        let cursor = |(number, position)| {
            let target = format!("t{position}-{number}").as_str().into();
            Cursor::new(CursorId(number), target, "i1".into(), at(position))
        };
        (0..).zip(positions).map(cursor).collect()
    }

    /// Thirty couriers, the first at this position.
    fn crowd(first: i64) -> Vec<Cursor> {
        cursors((0..30).map(|number| first - number * 10))
    }

    /// Where a feed begins in a store of so many events, whose couriers stand there, and where the furthest does.
    async fn begin(cursors: Vec<Cursor>) -> (EventKey, EventKey) {
        let folder = tempfile::tempdir().expect("there is room");
        let events = EventStore::create_sqlite(&folder.path().join("events.db")).await.expect("a store is there");
        let event = NewEvent {
            instance_id: "i1".into(),
            aggregate_type: "t".into(),
            aggregate_id: "a".into(),
            event_type: "a.b".into(),
            revision: None,
            payload: None,
            creator: String::new(),
            owner: String::new(),
        };
        events.append(&vec![event; usize::try_from(FAR).expect("it is few")]).await.expect("they are written");
        let places: Vec<Place> =
            cursors.iter().map(|cursor| (cursor.target_id.clone(), cursor.instance_id.clone())).collect();
        let begins = within(SHORTEST, cursors, &places.iter().collect(), &events).await;
        let begin = &begins[&InstanceId::from("i1")];
        (begin.start.clone(), begin.furthest.clone())
    }

    #[tokio::test]
    async fn a_few_catch_up_by_themselves() {
        let few = cursors((1..16).map(|number| 1_000 + number));
        assert_eq!(begin(few).await, (at(1_015), at(1_015)));
    }

    #[tokio::test]
    async fn a_crowd_is_begun_with_where_nearly_all_of_it_can_read() {
        assert_eq!(begin(crowd(2_900)).await, (at(2_650), at(2_900)));
        let all_there_are = crowd(900);
        assert_eq!(begin(all_there_are).await, (at(650), at(900)), "there are not so many events before it");
        let few_behind = [cursors(vec![2_900; 30]), cursors([2_000, 2_100, 2_200, 2_300])].concat();
        assert_eq!(begin(few_behind).await, (at(2_900), at(2_900)), "the others do not wait for a few");
    }

    #[tokio::test]
    async fn who_is_far_from_the_crowd_reads_for_itself() {
        let behind = [crowd(2_900), cursors(1_000..1_100)].concat();
        assert_eq!(begin(behind).await, (at(2_650), at(2_900)));
        let ahead = [crowd(900), cursors([FAR])].concat();
        assert_eq!(begin(ahead).await, (at(650), at(FAR)));
    }

    #[tokio::test]
    async fn who_holds_is_no_part_of_the_crowd() {
        let mut holding = crowd(2_500);
        for (cursor, state) in
            holding.iter_mut().zip([CursorState::Holding, CursorState::Halted, CursorState::Paused].iter().cycle())
        {
            cursor.state = *state;
        }
        assert_eq!(begin([crowd(2_900), holding.clone()].concat()).await, (at(2_650), at(2_900)));
        assert_eq!(begin(holding).await, (at(2_500), at(2_500)));
    }

    #[tokio::test]
    async fn nothing_is_asked_for_instances_that_nobody_sets_out_for() {
        let folder = tempfile::tempdir().expect("there is room");
        let events = EventStore::create_sqlite(&folder.path().join("events.db")).await.expect("a store is there");
        let begins = of_instances(crowd(900), &HashSet::new(), &events).await;
        assert_eq!(begins[&InstanceId::from("i1")].start, at(900));
    }
}
