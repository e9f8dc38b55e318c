//! Tests of how PostgreSQL carries out the statements: along ZITADEL's indexes, whatever the number of rows.

use domain::{EventKey, InstanceId, Position, TypeFilter};
use sqlx::{AssertSqlSafe, Row as _};
use test_support::TestDatabase;

use super::{PostgresEvents, read};
use crate::events::{EventStoreOptions, PageRequest, SCAN_BOUND, Table};

/// A million events of three instances, one of them with nearly all; ten to a position.
const MILLION: &str = "INSERT INTO eventstore.events2
    SELECT CASE WHEN n % 1000 = 0 THEN 'i2' WHEN n % 100000 = 1 THEN 'i3' ELSE 'i1' END, 'user', 'u' || n % 5000,
        'user.human.added', n, 2, now(), '{\"a\": 1}', 'c', 'o', 1700000000 + n / 10 / 1000.0, n % 10 + 1
    FROM generate_series(1, 1000000) n";

async fn explain(store: &PostgresEvents, request: &PageRequest<'_>) -> String {
    let (examined, statements) = store.known();
    let query = read::page_query(&statements, &examined.layout, request, "EXPLAIN (ANALYZE, TIMING off, SUMMARY off)");
    lines(&query.fetch_all(&store.pool).await.expect("it is explained"))
}

fn lines(rows: &[sqlx::postgres::PgRow]) -> String {
    rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

/// Follows the index, sorts no more than what shares a position, and looks at no more rows than it may.
fn check(plan: &str, scan: usize) {
    assert!(plan.contains("Incremental Sort"), "{plan}");
    for forbidden in ["Seq Scan", "Bitmap", "->  Sort", "es_projection", "es_wm", "external"] {
        assert!(!plan.contains(forbidden), "{forbidden} in\n{plan}");
    }
    let mut scans = 0;
    let mut lines = plan.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.contains("using es_instance_position") {
            continue;
        }
        let of_it = std::iter::from_fn(|| lines.next_if(|line| !line.contains("->")));
        let removed: usize =
            of_it.filter_map(|line| line.split_once("Rows Removed by Filter: ")).map(|(_, rows)| number(rows)).sum();
        let (_, rows) = line.rsplit_once("rows=").expect("it was analyzed");
        assert!(number(rows) + removed <= scan + 64, "{rows} rows and {removed} for {scan}:\n{plan}");
        scans += 1;
    }
    assert!(scans > 0, "{plan}");
}

fn number(text: &str) -> usize {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().expect("a number of rows")
}

#[tokio::test]
async fn pages_among_a_million_rows_follow_the_index_and_sort_nothing_but_ties() {
    let db = TestDatabase::create().await;
    db.zitadel().await;
    db.execute("ALTER TABLE eventstore.events2 SET (autovacuum_enabled = off)").await;
    let options = EventStoreOptions { url: db.url(), table: Table::Zitadel, horizon: None, ignore_roles: Vec::new() };
    db.execute(MILLION).await;
    let store = PostgresEvents::connect(&options).await.expect("it connects");
    let filter = TypeFilter { all: false, types: vec!["org.added".into()], groups: vec!["session".into()] };
    // Without statistics, and with them.
    for statistics in ["SELECT 1", "ANALYZE eventstore.events2"] {
        db.execute(statistics).await;
        for instance in ["i1", "i2"].map(InstanceId::from) {
            for from in [0, 1_700_000_000, 1_700_000_050, 1_700_000_099] {
                let after = EventKey::after(Position::from_integer(from));
                let up_to = Position::from_integer(1_800_000_000);
                let request = PageRequest {
                    instance: &instance,
                    after: &after,
                    up_to,
                    filter: None,
                    limit: 200,
                    max_bytes: 1 << 24,
                };
                check(&explain(&store, &request).await, 200);
                let request = PageRequest { filter: Some(&filter), ..request };
                check(&explain(&store, &request).await, SCAN_BOUND);
            }
        }
        let (_, statements) = store.known();
        let fresh = format!("EXPLAIN (ANALYZE, TIMING off, SUMMARY off) {}", statements.fresh);
        let known = sqlx::query(AssertSqlSafe(fresh))
            .bind(["i1", "i2", "i3", "i4"].map(str::to_owned).to_vec())
            .bind(["1700000100", "1700000100", "0", "0"].map(str::to_owned).to_vec());
        let plan = lines(&known.fetch_all(&store.pool).await.expect("it is explained"));
        assert!(plan.contains("Scan Backward using es_instance_position"), "{plan}");
        assert!(!plan.contains("Seq Scan") && !plan.contains("->  Sort"), "{plan}");
        let instances = format!("EXPLAIN {}", statements.instances);
        let plan = lines(&sqlx::query(AssertSqlSafe(instances)).fetch_all(&store.pool).await.expect("it is explained"));
        assert!(!plan.contains("Seq Scan") && !plan.contains("->  Sort"), "{plan}");
    }
    let (_, statements) = store.known();
    let recent = format!("EXPLAIN {}", statements.recent);
    let recent = sqlx::query(AssertSqlSafe(recent)).bind(i64::MAX / 4);
    let plan = lines(&recent.fetch_all(&store.pool).await.expect("it is explained"));
    assert!(plan.contains("es_active_instances"), "{plan}");
}
