//! Connecting, migrating, locking.

use std::{error::Error, time::Duration};

use domain::{CursorId, EventKey, InstanceId, TargetId};
use postrider_store::{DefinitionsChange, FailedFilter, Session, State, StateOptions, StoreError};

use crate::state_support::{connect, on_both, on_both_empty};

/// The version of the schema that this program brings.
const NEWEST: i64 = 5;

fn chain(error: &dyn Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn a_state_is_migrated_once_and_again_without_harm() {
    on_both_empty(async |fixture| {
        let missing = fixture.state.check_schema().await.expect_err("there are no tables yet");
        assert!(matches!(missing, StoreError::SchemaMissing), "{missing:?}");
        assert!(missing.to_string().contains("postrider migrate"));
        let first = fixture.state.migrate().await.expect("an empty database can be migrated");
        assert_eq!((first.from, first.to), (0, NEWEST));
        let again = fixture.state.migrate().await.expect("a migrated database can be migrated");
        assert_eq!((again.from, again.to), (NEWEST, NEWEST));
        fixture.state.check_schema().await.expect("the schema is the newest");
        fixture.state.ping().await.expect("the database answers");
        assert_eq!(fixture.state.revision().await.expect("there is a revision"), 0);
    })
    .await;
}

#[tokio::test]
async fn several_processes_may_migrate_at_the_same_time() {
    on_both_empty(async |fixture| {
        let others = [connect(&fixture.url).await, connect(&fixture.url).await, connect(&fixture.url).await];
        let (one, two, three) = tokio::join!(others[0].migrate(), others[1].migrate(), others[2].migrate());
        for done in [one, two, three] {
            assert_eq!(done.expect("the others are waited for").to, NEWEST);
        }
    })
    .await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    on_both(async |fixture| {
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT 999, 'of the future', success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1";
        fixture.execute(newer).await;
        for refused in [fixture.state.check_schema().await, fixture.state.migrate().await.map(drop)] {
            let error = refused.expect_err("the schema is newer");
            assert!(matches!(error, StoreError::SchemaNewer { found: 999, known: NEWEST }), "{error:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn everything_lives_in_the_schema_postrider() {
    on_both(async |fixture| {
        if fixture.is_postgres() {
            let elsewhere = "SELECT count(*) FROM pg_tables
                 WHERE schemaname NOT IN ('postrider', 'pg_catalog', 'information_schema')";
            assert_eq!(fixture.number(elsewhere).await, 0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_is_refused() {
    on_both(async |fixture| {
        let first = fixture.state.lock_daemon().expect("nobody else runs");
        let second = connect(&fixture.url).await.lock_daemon();
        if fixture.is_postgres() {
            second.expect("leases are for that");
            return;
        }
        let error = second.expect_err("the first one runs");
        assert!(matches!(error, StoreError::AlreadyRunning { .. }), "{error:?}");
        drop(first);
        fixture.state.lock_daemon().expect("the first one has ended");
    })
    .await;
}

#[tokio::test]
async fn a_password_is_never_in_an_error() {
    let urls = [
        "postgres://postrider:hunter2@127.0.0.1:1/postrider",
        "postgres://postrider:hunter2@[not an address/postrider",
        "mysql://postrider:hunter2@127.0.0.1/postrider",
        "postgres://postrider:hunter2@127.0.0.1:1/postrider?sslmode=hunter3",
        "no url hunter2",
    ];
    for url in urls {
        let options = StateOptions::new(url);
        assert!(!format!("{options:?}").contains("hunter2"));
        let error = State::connect(&options).await.expect_err("nobody is there");
        let text = chain(&error);
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_refused_connection_says_why() {
    let options = StateOptions::new("postgres://postrider@127.0.0.1:1/postrider");
    let error = State::connect(&options).await.expect_err("nobody is there");
    assert!(chain(&error).contains("refused"), "{}", chain(&error));
}

#[tokio::test]
async fn a_database_that_is_away_is_a_transient_error() {
    let options = StateOptions::new("postgres://postrider@127.0.0.1:1/postrider");
    let error = State::connect(&options).await.expect_err("nobody is there");
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn the_url_is_not_in_the_state_as_it_prints_itself() {
    on_both(async |fixture| {
        let text = format!("{:?}", fixture.state);
        assert!(!text.contains("postgres://") && !text.contains("127.0.0.1"), "{text}");
    })
    .await;
}

/// Only compiled: the daemon runs these on any thread.
#[expect(dead_code, reason = "it is enough that it compiles")]
fn what_the_state_does_may_move_between_threads(state: &State, session: &Session, key: &EventKey) {
    fn moves<T: Send>(_: T) {}
    let (id, target, instance) = (CursorId(1), TargetId::from("a"), InstanceId::from("b"));
    moves(state.migrate());
    moves(state.apply(&DefinitionsChange::default(), "ada"));
    moves(state.definitions());
    moves(state.ensure_cursors(&[]));
    moves(state.claim(session, &target, &instance));
    moves(state.commit(&[], None));
    moves(state.seek(id, key, false, "ada"));
    moves(state.discard(&FailedFilter::default(), "ada"));
    moves(state.renew(session, Duration::ZERO));
    moves(state.crowd());
    moves(state.take(session, &[]));
    moves(state.give_back(session, &[]));
}

#[tokio::test]
async fn a_file_with_secrets_in_it_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    on_both_empty(async |fixture| {
        fixture.state.migrate().await.expect("it is migrated");
        let Some(path) = fixture.url.strip_prefix("sqlite://") else { return };
        let path = path.split('?').next().expect("a path");
        for file in [path.to_owned(), format!("{path}-wal")] {
            let mode = std::fs::metadata(&file).unwrap_or_else(|error| panic!("{file}: {error}")).permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    })
    .await;
}
