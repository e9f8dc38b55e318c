//! A store with a few events and a target that has had them all, as a daemon would have left it.

use domain::{Condition, EventKey, Execution, ExecutionTarget, Position, Source, Target};
use store::{DefinitionsChange, EventStore, FailedFilter, NewEvent, State, StateOptions};

use crate::process::Place;

/// What happens to a user, again and again.
const LIFE: [&str; 4] = ["user.human.added", "user.human.email.verified", "user.human.profile.changed", "user.removed"];

/// A folder with `events.db`, its state, and a config.
pub fn stored(events: usize) -> Place {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(fill(&place, events));
    place.write("postrider.toml", "[event_store]\nurl = \"sqlite://events.db\"\n");
    place
}

/// Does something to the state behind the commands' back.
pub fn with_state<T>(place: &Place, work: impl AsyncFnOnce(&State) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let url = format!("sqlite://{}", place.path().join("events.state.db").display());
        work(&State::connect(&StateOptions::new(url)).await.expect("the state is there")).await
    })
}

async fn fill(place: &Place, events: usize) {
    let store = EventStore::create_sqlite(&place.path().join("events.db")).await.expect("a store can be made");
    let events: Vec<_> = (0..events)
        .map(|number| NewEvent {
            instance_id: "demo".into(),
            aggregate_type: "user".into(),
            aggregate_id: format!("user-{}", number / LIFE.len()).into(),
            event_type: LIFE[number % LIFE.len()].into(),
            revision: Some(1),
            payload: Some("{}".into()),
            creator: "demo".to_owned(),
            owner: "demo".to_owned(),
        })
        .collect();
    let keys = store.append(&events).await.expect("events can be appended");
    let url = format!("sqlite://{}", place.path().join("events.state.db").display());
    let state = State::connect(&StateOptions::new(url)).await.expect("a state can be made");
    state.migrate().await.expect("a state has tables");
    let execution = Execution {
        condition: Condition::All,
        instance: None,
        targets: vec![ExecutionTarget::Target("demo".into())],
        exclude: Vec::new(),
        source: Source::File,
    };
    let change = DefinitionsChange { targets: vec![target()], executions: vec![execution], ..Default::default() };
    state.apply(&change, "test").await.expect("a target can be defined");
    let cursor = (target().id, "demo".into(), EventKey::before(Position::ZERO));
    state.ensure_cursors(&[cursor]).await.expect("a cursor can be made");
    let cursor = state.cursors().await.expect("cursors can be read").remove(0);
    let last = keys.last().expect("there are events");
    state.seek(cursor.id, last, false, "test").await.expect("a cursor can be moved");
    assert!(state.failed_events(&FailedFilter::default()).await.expect("they can be read").is_empty());
}

fn target() -> Target {
    let endpoint = "http://127.0.0.1:9/".parse().expect("an endpoint");
    Target {
        signing_keys: vec!["hush".to_owned().into()],
        source: Source::File,
        ..Target::new("demo-id".into(), "demo".into(), endpoint)
    }
}
