//! Reading events: pages, single rows, counts, and what is new on which instance.

use std::sync::Arc;

use domain::{EventKey, EventType, InstanceId, Position, Row, Timestamp, TypeFilter};
use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Postgres, Row as _,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use tokio::time::timeout;

use super::{
    PostgresEvents,
    connection::{Busy, LONG, SHORT, acquire, safe, settle},
    decode::{self, Output},
    layout::Layout,
    probe,
    sql::{Statements, page},
};
use crate::{
    StoreError,
    events::{
        HorizonSource, Page, PageRequest,
        collect::{Bounds, Collector, cast},
    },
};

const PAGE: &str = "read a page of events";
const BY_TIME: &str = "look up a position by time";

/// The parameters that every read of a range begins with.
fn range<'q>(sql: &Arc<str>, layout: &Layout, request: &PageRequest<'_>) -> Query<'q, Postgres, PgArguments> {
    let after = request.after;
    sqlx::query::<Postgres>(AssertSqlSafe(Arc::clone(sql)))
        .bind(request.instance.as_str().to_owned())
        .bind(bound(layout, after.position))
        .bind(bound(layout, request.up_to))
        .bind(after.position.to_string())
        .bind(after.in_tx_order)
        .bind(after.instance_id.as_str().to_owned())
        .bind(after.aggregate_type.as_str().to_owned())
        .bind(after.aggregate_id.as_str().to_owned())
        .bind(after.sequence)
}

/// As [`range`], with the types that can match; NULL where all can.
fn matching<'q>(sql: &Arc<str>, layout: &Layout, request: &PageRequest<'_>) -> Query<'q, Postgres, PgArguments> {
    let filter = request.filter.filter(|filter| !filter.all);
    range(sql, layout, request).bind(filter.map(|filter| filter.types.clone())).bind(filter.map(patterns))
}

/// A position as the column's type has it. Integer columns are compared with the whole number below, which is right for
/// `>=` together with the key and exact for `<=` and `>`.
fn bound(layout: &Layout, position: Position) -> String {
    if !layout.position.is_integer() {
        return position.to_string();
    }
    let text = position.to_string();
    let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
    // Beyond 64 bits there is nothing: a column of integers ends there.
    whole.parse::<i64>().unwrap_or(if whole.starts_with('-') { i64::MIN } else { i64::MAX }).to_string()
}

/// What lies below a group, for LIKE.
fn patterns(filter: &TypeFilter) -> Vec<String> {
    let escape = |group: &String| {
        let mut pattern = String::with_capacity(group.len() + 2);
        for character in group.chars() {
            if matches!(character, '\\' | '%' | '_') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern + ".%"
    };
    filter.groups.iter().map(escape).collect()
}

/// The statement that reads a page, with its parameters; `explain` stands in front of it.
pub(super) fn page_query<'q>(
    statements: &Statements,
    layout: &Layout,
    request: &PageRequest<'_>,
    explain: &str,
) -> Query<'q, Postgres, PgArguments> {
    let bounds = Bounds::of(request);
    let sql = |sql: &Arc<str>| if explain.is_empty() { Arc::clone(sql) } else { format!("{explain} {sql}").into() };
    let query = match bounds.scan {
        Some(scan) => matching(&sql(&statements.filtered_page), layout, request).bind(cast(scan)),
        None => range(&sql(&statements.page), layout, request),
    };
    query.bind(cast(bounds.rows))
}

pub(super) async fn page(store: &PostgresEvents, request: &PageRequest<'_>) -> Result<Page, StoreError> {
    let (examined, statements) = store.known();
    let query = page_query(&statements, &examined.layout, request, "");
    let mut collector = Collector::new(Bounds::of(request), request.after.clone());
    let mut busy = Busy::new(acquire(&store.pool, PAGE).await?);
    let read = timeout(LONG, async {
        // Rows are taken one at a time and decoded at once, so that no more than the page is in memory.
        let mut rows = query.fetch(busy.connection());
        let mut next = async || rows.try_next().await.map_err(StoreError::database(PAGE));
        // Whatever is read, the server answers first.
        let Some(first) = next().await? else { return Err(StoreError::Switched) };
        collector.identify(probe::server(&first)?);
        let mut surplus = 0;
        while surplus < request.max_bytes {
            let Some(row) = next().await? else { return Ok(true) };
            if collector.is_full() {
                surplus += row.try_get_raw(page::PAYLOAD).map_or(0, |value| value.as_bytes().map_or(0, <[u8]>::len));
            } else {
                take(&mut collector, &row, &examined.layout)?;
            }
        }
        // Whatever is still to come would have to be read before the next statement's answer: another connection is had sooner.
        Ok(false)
    });
    let all_is_read = read.await.map_err(|_| StoreError::Timeout { operation: PAGE, after: LONG })??;
    if all_is_read {
        busy.over();
    }
    Ok(collector.finish())
}

/// Takes a row of a page, or the last one that was looked at.
fn take(collector: &mut Collector, row: &PgRow, layout: &Layout) -> Result<(), StoreError> {
    let output = Output { row, begins_at: page::OUTPUT, before: collector.last() };
    match row.try_get::<Option<bool>, _>(page::MORE).map_err(StoreError::database(PAGE))? {
        None => collector.push(decode::row(output, layout)?),
        Some(more) => collector.mark(decode::key(output)?, decode::created_at(output).ok(), more),
    }
}

pub(super) async fn count(store: &PostgresEvents, request: &PageRequest<'_>, cap: u64) -> Result<u64, StoreError> {
    const OPERATION: &str = "count events";
    let (examined, statements) = store.known();
    let query = matching(&statements.count, &examined.layout, request).bind(i64::try_from(cap).unwrap_or(i64::MAX));
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let read = timeout(LONG, query.fetch_one(&mut *connection)).await;
    let row = settle(OPERATION, LONG, connection, read)?;
    let count: i64 = row.try_get(0).map_err(StoreError::database(OPERATION))?;
    Ok(count.unsigned_abs())
}

pub(super) async fn census(
    store: &PostgresEvents,
    request: &PageRequest<'_>,
    cap: u64,
) -> Result<Vec<(Option<EventType>, u64)>, StoreError> {
    const OPERATION: &str = "count events by type";
    let (examined, statements) = store.known();
    let query = matching(&statements.census, &examined.layout, request).bind(i64::try_from(cap).unwrap_or(i64::MAX));
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let read = timeout(LONG, query.fetch_all(&mut *connection)).await;
    let decode = |row: &PgRow| {
        Ok((row.try_get::<Option<String>, _>(0)?.map(EventType::from), row.try_get::<i64, _>(1)?.unsigned_abs()))
    };
    let rows = settle(OPERATION, LONG, connection, read)?;
    rows.iter().map(decode).collect::<Result<_, _>>().map_err(StoreError::database(OPERATION))
}

pub(super) async fn event(store: &PostgresEvents, key: &EventKey) -> Result<Option<Row>, StoreError> {
    const OPERATION: &str = "read an event";
    let (examined, statements) = store.known();
    let whole = bound(&examined.layout, key.position);
    if whole.parse::<Position>().ok() != Some(key.position) {
        return Ok(None);
    }
    let query = sqlx::query(safe(&statements.event))
        .bind(key.instance_id.as_str())
        .bind(whole)
        .bind(key.aggregate_type.as_str())
        .bind(key.aggregate_id.as_str())
        .bind(key.sequence)
        .bind(key.in_tx_order);
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let read = timeout(LONG, query.fetch_optional(&mut *connection)).await;
    settle(OPERATION, LONG, connection, read)?
        .map(|row| decode::row(Output { row: &row, begins_at: 0, before: None }, &examined.layout))
        .transpose()
}

pub(super) async fn fresh(
    store: &PostgresEvents,
    known: &[(InstanceId, Position)],
) -> Result<Vec<InstanceId>, StoreError> {
    const OPERATION: &str = "look for new events";
    let (examined, statements) = store.known();
    let (instances, positions): (Vec<_>, Vec<_>) =
        known.iter().map(|(instance, position)| (instance.as_str(), bound(&examined.layout, *position))).unzip();
    let query = sqlx::query(safe(&statements.fresh)).bind(instances).bind(positions);
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let read = timeout(SHORT, query.fetch_all(&mut *connection)).await;
    instance_ids(OPERATION, &settle(OPERATION, SHORT, connection, read)?)
}

pub(super) async fn instances(store: &PostgresEvents) -> Result<Vec<InstanceId>, StoreError> {
    const OPERATION: &str = "list the instances";
    let (_, statements) = store.known();
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let read = timeout(LONG, sqlx::query(safe(&statements.instances)).fetch_all(&mut *connection)).await;
    instance_ids(OPERATION, &settle(OPERATION, LONG, connection, read)?)
}

pub(super) async fn recent(store: &PostgresEvents, since: Timestamp) -> Result<Vec<InstanceId>, StoreError> {
    const OPERATION: &str = "list the instances with recent events";
    let (_, statements) = store.known();
    let query = sqlx::query(safe(&statements.recent)).bind(since.as_microsecond());
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let read = timeout(LONG, query.fetch_all(&mut *connection)).await;
    instance_ids(OPERATION, &settle(OPERATION, LONG, connection, read)?)
}

fn instance_ids(operation: &'static str, rows: &[PgRow]) -> Result<Vec<InstanceId>, StoreError> {
    rows.iter()
        .map(|row| row.try_get::<String, _>(0).map(InstanceId::from).map_err(StoreError::database(operation)))
        .collect()
}

/// ZITADEL's positions are times. Elsewhere the first row of this time or later says; behind the last one when there
/// is none.
pub(super) async fn position_at(store: &PostgresEvents, time: Timestamp) -> Result<Position, StoreError> {
    let (examined, statements) = store.known();
    let by_clock = Position::from_micros(time.as_microsecond()).max(Position::ZERO);
    if examined.layout.zitadel {
        return Ok(by_clock);
    }
    let query = sqlx::query(safe(&statements.first_since)).bind(time.as_microsecond());
    if let Some(first) = scalar(store, BY_TIME, query).await? {
        return Ok(first);
    }
    match examined.source {
        HorizonSource::Clock | HorizonSource::TxStart => Ok(by_clock),
        HorizonSource::Sequence => {
            let last = scalar(store, BY_TIME, sqlx::query(safe(&statements.last))).await?;
            Ok(last.map_or(Position::ZERO, behind))
        }
    }
}

/// The position of the row that is so many rows before a position.
pub(super) async fn position_back(
    store: &PostgresEvents,
    instance: &InstanceId,
    before: Position,
    rows: u32,
) -> Result<Option<Position>, StoreError> {
    let (examined, statements) = store.known();
    let query = sqlx::query(safe(&statements.back))
        .bind(instance.as_str())
        .bind(bound(&examined.layout, before))
        .bind(i64::from(rows.saturating_sub(1)));
    scalar(store, "look back from a position", query).await
}

/// The position of the row that is so many rows behind a position, no further than another.
pub(super) async fn position_ahead(
    store: &PostgresEvents,
    instance: &InstanceId,
    behind: Position,
    up_to: Position,
    rows: u32,
) -> Result<Option<Position>, StoreError> {
    let (examined, statements) = store.known();
    let query = sqlx::query(safe(&statements.ahead))
        .bind(instance.as_str())
        .bind(bound(&examined.layout, behind))
        .bind(bound(&examined.layout, up_to))
        .bind(i64::from(rows.saturating_sub(1)));
    scalar(store, "look ahead from a position", query).await
}

/// The next whole number.
fn behind(position: Position) -> Position {
    let text = position.to_string();
    let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
    whole.parse::<i64>().map_or(position, |whole| Position::from_integer(whole.saturating_add(1)))
}

/// A position, if any row has one to tell.
async fn scalar(
    store: &PostgresEvents,
    operation: &'static str,
    query: Query<'_, Postgres, PgArguments>,
) -> Result<Option<Position>, StoreError> {
    let mut busy = Busy::new(acquire(&store.pool, operation).await?);
    let read = timeout(LONG, query.fetch_optional(busy.connection())).await;
    let read = read.map_err(|_| StoreError::Timeout { operation, after: LONG })?;
    busy.over();
    let Some(row) = read.map_err(StoreError::database(operation))? else { return Ok(None) };
    let text: Option<String> = row.try_get(0).map_err(StoreError::database(operation))?;
    text.map(|text| text.parse())
        .transpose()
        .map_err(|error: domain::PositionError| StoreError::Invalid { operation, reason: error.to_string() })
}
