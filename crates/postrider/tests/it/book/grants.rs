//! `operations/grants.md`: with exactly these rights the daemon delivers, and without any one of them it says which.

use std::process::Command;

use test_support::{PrivatePostgres, Push, Receiver, Stamp, TestDatabase};

use super::{at, block, page, statements};
use crate::proof::daemon::House;

const PAGE: &str = "operations/grants.md";
const RIGHTS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// A server with ZITADEL's database, on which the page was followed.
struct Scene {
    server: PrivatePostgres,
    events: TestDatabase,
    state: TestDatabase,
    house: House,
    receiver: Receiver,
}

impl Scene {
    async fn set_up() -> Self {
        let server = PrivatePostgres::start().await;
        server.execute("CREATE DATABASE zitadel").await;
        let events = server.database_called("zitadel");
        events.zitadel().await;
        // As somebody who is careful has it: whoever connects was allowed to.
        server.execute("REVOKE CONNECT ON DATABASE zitadel FROM PUBLIC").await;
        for statement in statements(&block(PAGE, "roles")) {
            server.execute(&statement).await;
        }
        let state = server.database_called("postrider");
        follow(&events, "grants-events").await;
        follow(&state, "grants-state").await;

        let config = block(PAGE, "grants-config").replace("@db/", &at(&server));
        let urls: toml::Table = toml::from_str(&config).expect("the page's config is TOML");
        let mut house = House::new(urls["event_store"]["url"].as_str().expect("a URL"));
        house.add(&format!("[state]\nurl = {}", urls["state"]["url"]));
        let receiver = Receiver::ok();
        house.target("crm", &receiver, "");
        house.execution("{ all = true }", &["crm"]);
        let scene = Self { server, events, state, house, receiver };
        scene.migrate_as_owner();
        follow(&scene.state, "grants-list").await;
        scene
    }

    /// The page's line for a shell: `NAME=VALUE postrider migrate`.
    fn migrate_as_owner(&self) {
        let line = block(PAGE, "migrate-as-owner").replace("@db/", &at(&self.server));
        let words: Vec<_> = line.split_whitespace().collect();
        let ([variable, "postrider", arguments @ ..], Some((name, value))) = (&words[..], words[0].split_once('='))
        else {
            panic!("{line}")
        };
        assert!(variable.starts_with("POSTRIDER_"));
        let config = self.house.folder().join("postrider.toml");
        self.house.command(&["check"]); // It writes the config.
        let done = Command::new(env!("CARGO_BIN_EXE_postrider"))
            .arg("-c")
            .arg(config)
            .args(arguments)
            .env(name, value)
            .output()
            .expect("the binary runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// What `run` says when it refuses.
    #[track_caller]
    fn refused(&self) -> String {
        let run = self.house.command(&["run"]);
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(1), "{said}");
        said.lines().last().expect("it says something").to_owned()
    }

    /// As [`Self::refused`], and `check` has to say it too.
    #[track_caller]
    fn refused_and_checked(&self) -> String {
        let sentence = self.refused();
        let check = self.house.command(&["check", "-o", "json"]);
        assert_eq!(check.status.code(), Some(1), "{sentence}");
        let checked = String::from_utf8_lossy(&check.stdout).replace("\\\"", "\"");
        let last = sentence.rsplit_once(": ").map_or(&*sentence, |(_, last)| last);
        assert!(checked.contains(last), "check does not say {last:?}:\n{checked}");
        sentence
    }

    /// Takes a right away, looks at what is said, and gives it back.
    async fn without(&self, database: &TestDatabase, right: &str, role: &str, mends: &str) -> String {
        database.execute(&format!("REVOKE {right} FROM {role}")).await;
        let said = self.refused_and_checked();
        assert!(said.ends_with(mends), "without {right}: {said}");
        assert!(said.contains(role), "without {right}: {said}");
        database.execute(&format!("GRANT {right} TO {role}")).await;
        said
    }

    /// Pushes an event, which the daemon has to deliver with what it may.
    async fn delivers(&self, user: &str) {
        let daemon = self.house.start();
        let push = Push::to("user", user).event("user.human.added");
        self.events.push(Stamp::Clock, &push).await;
        let before = self.receiver.count();
        self.receiver.wait_for(before.max(self.events.zitadel_events().await.len())).await;
        assert_eq!(daemon.stop().await, 0);
    }

    async fn tables(&self) -> Vec<String> {
        let list = "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'postrider'";
        let tables = self.state.value(list).await.expect("there are tables");
        tables.split(' ').map(str::to_owned).collect()
    }
}

/// Runs a block of the page as a superuser.
async fn follow(database: &TestDatabase, name: &str) {
    for statement in statements(&block(PAGE, name)) {
        database.execute(&statement).await;
    }
}

/// The grants of a block, as `("SELECT ON eventstore.events2", "postrider_events")`.
fn grants(name: &str) -> Vec<(String, String)> {
    let statements = statements(&block(PAGE, name));
    let grants = statements.iter().filter_map(|statement| statement.strip_prefix("GRANT ")?.split_once(" TO "));
    grants.map(|(right, role)| (right.to_owned(), role.to_owned())).collect()
}

/// What the page promises is said, for each right.
fn promised() -> Vec<String> {
    let page = page(PAGE);
    let (_, table) = page.split_once("| missing | said |").expect("the page ends with what is said");
    table
        .lines()
        .filter_map(|line| line.split('|').nth(2))
        .map(|said| said.trim().trim_matches('`').to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_grants_of_the_page_events_are_delivered_and_without_each_it_is_named() {
    let scene = Scene::set_up().await;
    scene.delivers("u1").await;
    let promised = promised();
    let promised = |said: &str| {
        assert!(promised.iter().any(|sentence| said.ends_with(sentence)), "the page does not promise {said:?}");
    };
    let mut taken = 0;
    let all = [(&scene.events, grants("grants-events")), (&scene.state, grants("grants-state"))];
    for (database, grants) in &all {
        for (right, role) in grants.iter().filter(|(_, role)| role != "postrider_owner") {
            let what = right.rsplit(' ').next().expect("a right is of something");
            let named = what.rsplit('.').next().expect("a name ends");
            let said = scene.without(database, right, role, &format!("TO {}", quoted(role, right))).await;
            assert!(said.contains(named), "{said}");
            promised(&said);
            taken += 1;
        }
    }
    assert_eq!(taken, 5, "the page has other grants than these");
    scene.delivers("u2").await;
}

/// As a sentence has it: what the event store says is in double quotes whatever it is.
fn quoted(role: &str, right: &str) -> String {
    if right == "USAGE ON SCHEMA postrider" { role.to_owned() } else { format!("\"{role}\"") }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_right_on_any_table_of_the_state_it_is_named() {
    let scene = Scene::set_up().await;
    let tables = scene.tables().await;
    assert!(tables.len() > 10, "{tables:?}");
    let mends = statements(&block(PAGE, "grants-existing")).remove(0);
    for table in &tables {
        // The list of migrations is only read.
        let needed = if table == "_sqlx_migrations" { &RIGHTS[..1] } else { &RIGHTS[..] };
        for right in needed {
            let of_table = format!("{right} ON postrider.{table}");
            let said = scene.without(&scene.state, &of_table, "postrider_state", &mends).await;
            assert!(said.contains(&format!("lacks {right} on {table} in the schema postrider")), "{said}");
            let promised = promised();
            let as_promised = said.replace(&format!("{right} on {table}"), "DELETE on cursors");
            assert!(promised.iter().any(|sentence| as_promised.ends_with(sentence)), "{said}");
        }
    }
    // All of it together is said in one sentence, and its end mends all of it.
    let everything = "ALL ON ALL TABLES IN SCHEMA postrider";
    scene.state.execute(&format!("REVOKE {everything} FROM postrider_state")).await;
    let said = scene.refused();
    assert!(said.contains(&format!("and {} more in the schema", tables.len() - 1)), "{said}");
    follow(&scene.state, "grants-existing").await;
    follow(&scene.state, "grants-list").await;
    scene.delivers("u1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_the_owners_and_the_daemon_says_so() {
    let scene = Scene::set_up().await;
    // As before an upgrade.
    scene.state.execute("DELETE FROM postrider._sqlx_migrations WHERE version > 1").await;
    let said = scene.refused();
    let promised = block(PAGE, "refusals");
    assert!(said.ends_with(promised.trim()), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_welcome_lets_it_say_who_holds_the_horizon() {
    let scene = Scene::set_up().await;
    let statistics = || {
        let check = scene.house.json(&["check"]);
        let found = check.as_array().expect("a list").iter().find(|finding| finding["subject"] == "statistics");
        found.expect("it is looked at")["severity"].clone()
    };
    assert_eq!(statistics(), "warning");
    follow(&scene.events, "grants-welcome").await;
    assert_eq!(statistics(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_to_read_that_goes_while_the_daemon_runs_is_named_and_waited_for() {
    let scene = Scene::set_up().await;
    let daemon = scene.house.start();
    daemon.says("this daemon has joined").await;
    scene.events.execute("REVOKE SELECT ON eventstore.events2 FROM postrider_events").await;
    scene.events.push(Stamp::Clock, &Push::to("user", "u").event("user.human.added")).await;
    daemon.says("GRANT SELECT ON \"eventstore\".\"events2\" TO \"postrider_events\"").await;
    assert_eq!(scene.receiver.count(), 0);
    follow(&scene.events, "grants-events").await;
    scene.receiver.wait_for(1).await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_to_the_state_that_goes_while_the_daemon_runs_costs_no_event() {
    let scene = Scene::set_up().await;
    let mut daemon = scene.house.start();
    daemon.says("this daemon has joined").await;
    scene.state.execute("REVOKE UPDATE ON postrider.cursors FROM postrider_state").await;
    scene.events.push(Stamp::Clock, &Push::to("user", "u").event("user.human.added")).await;
    daemon.says("permission denied for table cursors").await;
    assert_eq!(scene.receiver.count(), 0);
    assert!(daemon.has_ended().is_none());
    follow(&scene.state, "grants-existing").await;
    scene.receiver.wait_for(1).await;
    assert_eq!(daemon.stop().await, 0);
}
