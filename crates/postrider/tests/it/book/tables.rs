//! `operations/large-tables.md` and `operations/disk.md`: the questions to PostgreSQL.

use test_support::{CustomKind, TestDatabase};

use super::{block, statements};
use crate::proof::daemon::House;

const PAGE: &str = "operations/large-tables.md";

/// Enough for the planner to have a choice, without statistics as after a restore.
const MANY: &str = "INSERT INTO eventstore.events2
    SELECT 'i' || n % 3, 'user', 'u' || n % 1000, 'user.human.changed', n, 2, now(), NULL, 'c', 'o', n, 1
    FROM generate_series(1, 50000) n";

#[tokio::test]
async fn the_index_is_there_and_the_plan_is_the_pages() {
    let database = TestDatabase::create().await;
    database.zitadel().await;
    database.execute(MANY).await;
    let there = statements(&block(PAGE, "index-there")).remove(0);
    let found = database.value(&format!("SELECT indexname::text FROM ({there}) found")).await;
    assert_eq!(found.as_deref(), Some("es_instance_position"));

    for analyze in ["", "ANALYZE eventstore.events2"] {
        database.execute(analyze).await;
        let mut asked = statements(&block(PAGE, "explain"));
        let explain = asked.pop().expect("the last one explains");
        let plan = database.rows(&asked.join("; "), &explain).await.join("\n");
        for line in block(PAGE, "explained").lines() {
            assert!(plan.contains(line), "{line:?} is not in\n{plan}");
        }
        let sorts = plan.lines().filter(|line| line.trim_start_matches([' ', '-', '>']) == "Sort").count();
        assert!(!plan.contains("Seq Scan") && sorts == 0, "{plan}");
    }
}

#[tokio::test]
async fn an_index_can_be_added_to_a_custom_table() {
    let database = TestDatabase::create().await;
    database.custom(CustomKind::Serial).await;
    database.execute("ALTER TABLE app.events ADD COLUMN tenant TEXT NOT NULL DEFAULT ''").await;
    let mut house = House::new(&database.url());
    let columns = "position = \"id\"\naggregate_type = \"stream_type\"\naggregate_id = \"stream_id\"\nevent_type = \"name\"\n\
                   sequence = \"version\"\ncreated_at = \"created\"\npayload = \"data\"\ninstance_id = \"tenant\"";
    house.set(
        "[delivery.egress]",
        &format!("profile = \"custom\"\ntable = \"app.events\"\n[event_store.columns]\n{columns}\n[delivery.egress]"),
    );
    let check = || String::from_utf8_lossy(&house.command(&["check"]).stdout).into_owned();
    assert!(check().contains("there is none on (tenant, id): each page reads the whole table"), "{}", check());
    for statement in statements(&block(PAGE, "index-custom")) {
        database.execute(&statement).await;
    }
    assert!(check().contains("there is one on (tenant, id)"), "{}", check());
}

#[tokio::test]
async fn the_sizes_of_the_states_tables_can_be_asked_for() {
    let database = TestDatabase::create().await;
    database.zitadel().await;
    let house = House::new(&database.url());
    house.cli(&["migrate"]);
    let sizes = statements(&block("operations/disk.md", "sizes")).remove(0);
    let names = database.rows("", &format!("SELECT relname::text FROM ({sizes}) sizes")).await;
    for table in ["cursors", "failed_events", "deliveries", "audit", "tokens", "web_keys"] {
        assert!(names.iter().any(|name| name == table), "{names:?}");
    }
}
