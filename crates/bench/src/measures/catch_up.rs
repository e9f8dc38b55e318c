//! A backlog that concerns nobody, against a loop that reads the same columns in pages.
//!
//! One event before it and one behind it do concern the target: from the one call to the other everything between was passed.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use sqlx::{AssertSqlSafe, Connection as _, FromRow, PgConnection, Row as _, ValueRef as _, postgres::PgRow};

use super::{Bench, tell};
use crate::{
    deliver::deliver,
    numbers,
    receiver::Receiver,
    report::Figure,
    server::{INSTANCE, Store},
};

/// What the daemon is asked to pass.
struct Way {
    measure: &'static str,
    condition: &'static str,
    exclude: &'static str,
    bar: f64,
}

const WAYS: [Way; 2] = [
    // Everything is read, and looked up; nothing of it is sent.
    Way { measure: "catch-up", condition: "{ all = true }", exclude: "exclude = [\"user.*\"]", bar: 0.9 },
    // The database is asked for one type only.
    Way { measure: "catch-up-filter", condition: "{ event = \"bench.mark\" }", exclude: "", bar: 5.0 },
];

/// Both ways and the bare loop, in turn.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let events = bench.options.size(1_000_000, 20_000);
    let mut store = bench.server.store().await;
    store.append(1, "'bench.mark'").await;
    store.append(events, "'user.human.added'").await;
    store.append(1, "'bench.mark'").await;
    store.settle().await;
    let (mut alone, mut passed) = (Vec::new(), [Vec::new(), Vec::new()]);
    for round in bench.options.rounds() {
        for (way, passed) in WAYS.iter().zip(&mut passed) {
            tell(way.measure, round, "the daemon");
            store.forget_state().await;
            let mut receiver = Receiver::start().await?;
            let mut house = bench.house(&store)?;
            house.target("target", &receiver.url(0), way.exclude);
            house.execution(way.condition, &["target".to_owned()]);
            deliver(&house, &mut receiver, None, &[2]).await?;
            passed.push(numbers::count(events) / receiver.count().await?.took().as_secs_f64());
        }
        tell("catch-up", round, "the bare loop");
        alone.push(bare(&store, events + 2).await?);
    }
    bench.server.remove(store).await;
    let mut figures = vec![Figure::new("catch-up", "a bare loop reads, pages of 1000", "/s", alone.clone())];
    for (way, passed) in WAYS.iter().zip(passed) {
        figures.push(Figure::new(way.measure, "the daemon passes", "/s", passed.clone()));
        figures.push(Figure::ratio(way.measure, "passed over read", &passed, &alone).at_least(way.bar));
    }
    Ok(figures)
}

/// As the daemon has it, and for its reason: without statistics of the future the server would sort the table for every page.
const SETTINGS: &str = "SET plan_cache_mode = force_custom_plan; SET enable_sort = off; SET jit = off; \
    SET max_parallel_workers_per_gather = 0";

/// `$1` instance, `$2` to `$6` the key to read behind. The order is that of the table's columns: `position` alone would be the text.
const PAGE: &str = r#"SELECT position::text, in_tx_order, aggregate_type, aggregate_id, sequence, instance_id, event_type,
    revision, created_at, creator, owner, payload::text
    FROM eventstore.events2 e
    WHERE instance_id = $1 AND position >= $2::text::numeric
      AND (position, in_tx_order, aggregate_type COLLATE "C", aggregate_id COLLATE "C", sequence)
        > ($2::text::numeric, $3::int4, $4::text, $5::text, $6::int8)
    ORDER BY e.position, e.in_tx_order, e.aggregate_type COLLATE "C", e.aggregate_id COLLATE "C", e.sequence
    LIMIT 1000"#;

/// A row, decoded as far as anybody must who wants to use it.
struct Event {
    position: String,
    in_tx_order: i32,
    aggregate_type: String,
    aggregate_id: String,
    sequence: i64,
    /// Nobody looks at these, but they were had.
    _rest: (String, String, i16, Vec<u8>, String, String, Option<String>),
}

impl FromRow<'_, PgRow> for Event {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let created_at = row.try_get_raw(8)?;
        let created_at = if created_at.is_null() { &[] } else { created_at.as_bytes().map_err(sqlx::Error::Decode)? };
        Ok(Self {
            position: row.try_get(0)?,
            in_tx_order: row.try_get(1)?,
            aggregate_type: row.try_get(2)?,
            aggregate_id: row.try_get(3)?,
            sequence: row.try_get(4)?,
            _rest: (
                row.try_get(5)?,
                row.try_get(6)?,
                row.try_get(7)?,
                created_at.to_vec(),
                row.try_get(9)?,
                row.try_get(10)?,
                row.try_get(11)?,
            ),
        })
    }
}

/// Reads everything on one connection, page after page. Events a second.
async fn bare(store: &Store, expected: usize) -> Result<f64> {
    let mut connection = PgConnection::connect(&store.database.url()).await.context("the server takes connections")?;
    sqlx::raw_sql(SETTINGS).execute(&mut connection).await.context("a session has settings")?;
    let mut read = 0;
    let mut last = Event {
        position: "-1".into(),
        in_tx_order: 0,
        aggregate_type: String::new(),
        aggregate_id: String::new(),
        sequence: 0,
        _rest: Default::default(),
    };
    let began = Instant::now();
    loop {
        let page: Vec<Event> = sqlx::query_as(AssertSqlSafe(PAGE))
            .bind(INSTANCE)
            .bind(&last.position)
            .bind(last.in_tx_order)
            .bind(&last.aggregate_type)
            .bind(&last.aggregate_id)
            .bind(last.sequence)
            .fetch_all(&mut connection)
            .await
            .context("a page can be read")?;
        read += page.len();
        match page.into_iter().next_back() {
            Some(event) => last = event,
            None => break,
        }
    }
    ensure!(read == expected, "the bare loop read {read} of {expected} events");
    Ok(numbers::count(read) / began.elapsed().as_secs_f64())
}
