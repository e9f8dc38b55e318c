//! What a feed keeps, and whom it is for.

use std::{sync::Arc, time::Duration};

use domain::{
    Condition, Definitions, EventKey, Execution, ExecutionTarget, Position, Router, Source, Target, TypeFilter,
};
use tokio::{
    sync::Notify,
    time::{Instant, advance},
};

use super::{Feed, Page, Read, WIDEST_FILTER, page::BARE_PAGE};
use crate::turns::Turns;

/// Routers of targets that ask for these types.
fn router(revision: i64, types: &[&str]) -> Router {
    let target = Target::new("crm".into(), "crm".into(), "https://example.com/".parse().expect("a URL"));
    let executions = types.iter().map(|name| Execution {
        condition: Condition::Event((*name).into()),
        instance: None,
        targets: vec![ExecutionTarget::Target(target.name.clone())],
        exclude: Vec::new(),
        source: Source::Api,
    });
    let executions = executions.collect();
    Router::build(&Definitions { revision, targets: vec![target], executions }).expect("they are sound")
}

fn at(position: i64) -> EventKey {
    EventKey { aggregate_type: "t".into(), ..EventKey::after(Position::from_integer(position)) }
}

fn empty(end: i64, filter: &Arc<TypeFilter>) -> Page {
    let read =
        store::Page { rows: Vec::new(), end: Some(at(end)), end_date: None, more: false, bytes: 0, identity: None };
    Page::new(read, Arc::clone(filter)).expect("it has an end")
}

fn feed() -> Feed {
    Feed::new("i1".into(), at(0), at(0), Arc::new(Notify::new()), Turns::of_this_machine())
}

#[test]
fn pages_without_rows_become_one() {
    let (feed, router) = (feed(), router(1, &["a.b"]));
    let filter = feed.filter(&router);
    for end in 1..=1000 {
        feed.append(empty(end, &filter), false, 1 << 20);
    }
    assert!(
        matches!(feed.read(&at(3), &router), Read::Page(page) if page.end == at(1000)),
        "one page goes all the way"
    );
    assert_eq!(feed.lock().pages.len(), 1);
    assert_eq!(feed.lock().bytes, BARE_PAGE);
    assert!(matches!(feed.read(&at(1000), &router), Read::CaughtUp));
}

#[test]
fn a_page_is_nothing_for_whom_it_was_not_read() {
    let (feed, one, same, other) = (feed(), router(1, &["a.b"]), router(2, &["a.b"]), router(3, &["a.b", "c.d"]));
    feed.append(empty(1, &feed.filter(&one)), false, 1 << 20);
    feed.append(empty(2, &feed.filter(&other)), false, 1 << 20);
    assert!(matches!(feed.read(&at(0), &one), Read::Page(_)));
    assert!(matches!(feed.read(&at(0), &same), Read::Page(_)), "another revision that asks for the same");
    assert!(matches!(feed.read(&at(0), &other), Read::Elsewhere), "c.d was not asked for");
    assert!(matches!(feed.read(&at(1), &other), Read::Page(_)));
    assert!(matches!(feed.read(&at(1), &one), Read::Elsewhere), "and what was is no longer known to be all");
}

#[tokio::test(start_paused = true)]
async fn who_stands_before_a_feed_that_has_only_begun_waits_for_it_a_moment() {
    let feed = Feed::new("i1".into(), at(0), at(20), Arc::new(Notify::new()), Turns::of_this_machine());
    let router = router(1, &["a.b"]);
    feed.append(empty(10, &feed.filter(&router)), true, 1 << 20);
    assert!(matches!(feed.read(&at(5), &router), Read::Page(_)));
    assert!(matches!(feed.read(&at(20), &router), Read::Soon(until) if until > Instant::now()));
    assert!(matches!(feed.read(&at(21), &router), Read::Elsewhere), "no cursor stood there when it began");
    assert_eq!(feed.was_read_to(), at(20));
    advance(Duration::from_secs(1)).await;
    assert!(matches!(feed.read(&at(20), &router), Read::Elsewhere));
    feed.append(empty(30, &feed.filter(&router)), true, 1 << 20);
    assert!(matches!(feed.read(&at(20), &router), Read::Page(_)));
    assert_eq!(feed.was_read_to(), at(30));
}

#[test]
fn what_asks_for_very_many_types_asks_for_all() {
    let names: Vec<_> = (0..=WIDEST_FILTER).map(|number| format!("a.n{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert!(feed().filter(&router(1, &names)).all);
    let filter = feed().filter(&router(1, &names[1..]));
    assert_eq!((filter.all, filter.types.len()), (false, WIDEST_FILTER));
}
