//! What is drawn of a real state and a real event store.

use std::path::Path;

use domain::{Condition, EventKey, Execution, ExecutionTarget, InstanceId, Position, Source, Target, TargetId};
use ratatui::{Terminal, backend::TestBackend};
use store::{DefinitionsChange, EventStore, NewEvent, State, StateOptions};

use super::*;
use crate::{commands::top::sample::Sampler, config::Sources, context::Context, output::Format};

/// So many events on SQLite, and a target that has had none of them.
async fn fill(folder: &Path, events: usize) -> (Vec<EventKey>, State) {
    let store = EventStore::create_sqlite(&folder.join("events.db")).await.expect("a store can be made");
    let new = NewEvent {
        instance_id: "one".into(),
        aggregate_type: "user".into(),
        aggregate_id: "u1".into(),
        event_type: "user.human.added".into(),
        revision: Some(1),
        payload: None,
        creator: String::new(),
        owner: String::new(),
    };
    let keys = store.append(&vec![new; events]).await.expect("events can be appended");
    let url = format!("sqlite://{}", folder.join("events.state.db").display());
    let state = State::connect(&StateOptions::new(url)).await.expect("a state can be made");
    state.migrate().await.expect("it has tables");
    let endpoint = "http://127.0.0.1:9/".parse().expect("an endpoint");
    let target = Target { source: Source::File, ..Target::new("crm-id".into(), "crm".into(), endpoint) };
    let execution = Execution {
        condition: Condition::All,
        instance: None,
        targets: vec![ExecutionTarget::Target("crm".into())],
        exclude: Vec::new(),
        source: Source::File,
    };
    let change = DefinitionsChange { targets: vec![target], executions: vec![execution], ..Default::default() };
    state.apply(&change, "test").await.expect("they can be defined");
    let cursor = ("crm-id".into(), "one".into(), EventKey::before(Position::ZERO));
    state.ensure_cursors(&[cursor]).await.expect("a cursor can be made");
    (keys, state)
}

fn drawn(view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it is in memory");
    terminal.draw(|frame| view.draw(frame)).expect("it is in memory");
    terminal.backend().to_string()
}

/// The words of the first row that has this one.
fn row_of(screen: &str, word: &str) -> Vec<String> {
    let line = screen.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word} in\n{screen}"));
    line.trim_matches('"').split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_cursor_is_shown_with_its_lag_and_then_with_its_rate() {
    let folder = tempfile::tempdir().expect("there is room");
    let (keys, state) = fill(folder.path(), 50).await;
    let file = folder.path().join("postrider.toml");
    let events = folder.path().join("events.db");
    std::fs::write(&file, format!("[event_store]\nurl = \"sqlite://{}\"\n", events.display())).expect("there is room");
    let context = Context::new(Sources { file: Some(file), flags: Vec::new() }, Format::Table);
    let config = context.config().expect("it is sound");
    let mut sampler = Sampler::new(&context, &config).await.expect("the state is there");
    let mut view = View::new(false);
    assert!(drawn(&view, 120, 8).contains("nothing was seen yet"));

    view.take(sampler.sample().await);
    let screen = drawn(&view, 130, 8);
    assert_eq!(row_of(&screen, "TARGET"), HEADER, "{screen}");
    let row = row_of(&screen, "crm");
    assert_eq!(row[..4], ["crm", "one", "catching_up", "-"], "{screen}");
    assert_eq!((&*row[5], &*row[6]), ("50", "0"), "{screen}");
    assert!(screen.contains("1 cursor, 0 on hold, 0 halted, 0 failed  0.0/s"), "{screen}");
    assert!(screen.contains("no daemon is running") && screen.contains("q quits"), "{screen}");

    let cursor = state.cursors().await.expect("they can be read").remove(0);
    state.seek(cursor.id, &keys[29], false, "test").await.expect("a cursor can be moved");
    view.take(sampler.sample().await);
    let screen = drawn(&view, 130, 8);
    let row = row_of(&screen, "crm");
    let rate: f64 = row[3].trim_end_matches("/s").parse().unwrap_or_else(|_| panic!("no rate in\n{screen}"));
    assert!(rate > 0.0, "30 events were settled since:\n{screen}");
    assert_eq!(row[5], "20", "{screen}");

    // What is there no more is told, and what was seen stays.
    view.take(Err(anyhow::anyhow!("it is away")));
    let screen = drawn(&view, 130, 9);
    assert!(screen.contains("the state cannot be read: it is away") && screen.contains("crm"), "{screen}");
    // However small the terminal is.
    for (width, height) in [(1, 1), (20, 3), (5, 40)] {
        let _ = drawn(&view, width, height);
    }
}

#[tokio::test]
async fn rows_that_do_not_fit_are_scrolled_to_and_never_past_the_last() {
    let folder = tempfile::tempdir().expect("there is room");
    let (_, state) = fill(folder.path(), 1).await;
    let more: Vec<(TargetId, InstanceId, EventKey)> = (0..20)
        .map(|number| {
            ("crm-id".into(), format!("instance-{number:02}").as_str().into(), EventKey::before(Position::ZERO))
        })
        .collect();
    state.ensure_cursors(&more).await.expect("cursors can be made");
    let file = folder.path().join("postrider.toml");
    let events = folder.path().join("events.db");
    std::fs::write(&file, format!("[event_store]\nurl = \"sqlite://{}\"\n", events.display())).expect("there is room");
    let context = Context::new(Sources { file: Some(file), flags: Vec::new() }, Format::Table);
    let config = context.config().expect("it is sound");
    let mut view = View::new(false);
    view.take(Sampler::new(&context, &config).await.expect("the state is there").sample().await);
    let screen = drawn(&view, 120, 10);
    assert!(screen.contains("instance-00") && !screen.contains("instance-15"), "{screen}");
    view.scroll(15);
    assert!(drawn(&view, 120, 10).contains("instance-15"));
    view.scroll(1000);
    assert_eq!(row_of(&drawn(&view, 120, 10), "crm")[1], "one", "the last row stays");
    view.scroll(-2000);
    assert!(drawn(&view, 120, 10).contains("instance-00"));
}
