//! Every statement on the events table, built once when the table is examined.
//!
//! Only quoted names and constants go into the text; values are bound. Positions are bound as text: a `numeric` column
//! is compared exactly, an integer column with whole bounds, so that the index on it can be used.
//!
//! The parameters of a read, the same in all statements that begin with them:
//! `$1` instance, `$2` position not below, `$3` position not above, `$4` to `$9` the key to read behind. Where types are
//! asked for, `$10` are the exact ones and `$11` LIKE patterns of the groups.

pub(super) mod page;

use std::{fmt::Write as _, sync::Arc};

use super::layout::{Column, Layout};
use crate::events::HorizonSource;

/// The statements for one table.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    pub page: Arc<str>,
    pub filtered_page: Arc<str>,
    pub count: Arc<str>,
    pub census: Arc<str>,
    pub event: Arc<str>,
    pub fresh: Arc<str>,
    pub instances: Arc<str>,
    pub recent: Arc<str>,
    pub first_since: Arc<str>,
    pub back: Arc<str>,
    pub ahead: Arc<str>,
    pub last: Arc<str>,
    pub head: Arc<str>,
    pub writers: Arc<str>,
}

/// Which server answers. In front of everything that decides how far it is safe to read.
fn server(identity: bool) -> &'static str {
    if identity {
        "SELECT pg_is_in_recovery() AS s_standby,
            (SELECT system_identifier::text FROM pg_control_system()) AS s_system,
            CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS s_timeline"
    } else {
        "SELECT pg_is_in_recovery() AS s_standby, NULL::text AS s_system, NULL::text AS s_timeline"
    }
}

/// S2: who holds or awaits a lock that adding events takes, and with `$2` who else has a transaction open.
///
/// `$1` the table, `$2` every open transaction counts, `$3` the sequence, `$4` `$5` our own sessions, `$6` roles that never
/// write. A lock is listed for each mode, so whoever holds a stronger one is there with this one too. An open
/// transaction is left out only where it is certain that it writes no events here: our own, another database's, one of
/// a process without a role (autovacuum), or of a role that was named. Statistics may be hidden from this role; the join
/// is an outer one, and what is NULL leaves nobody out.
const WRITERS: &str = r"
    WITH RECURSIVE locks AS MATERIALIZED (SELECT * FROM pg_locks),
    here AS (SELECT oid FROM pg_database WHERE datname = current_database()),
    tree(oid) AS (
        SELECT $1::text::regclass::oid
        UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.oid
    ),
    watched AS (
        SELECT oid FROM tree
        UNION SELECT a.relid::oid FROM pg_partition_ancestors($1::text::regclass) a
        UNION SELECT $3::int8::oid WHERE $3::int8 IS NOT NULL
    ),
    writing AS (
        SELECT l.virtualtransaction AS vxid, max(l.pid) AS pid FROM locks l
        WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock'
          AND l.database = (SELECT oid FROM here) AND l.relation IN (SELECT oid FROM watched)
        GROUP BY 1
    ),
    open AS (
        SELECT l.virtualtransaction AS vxid, l.pid FROM locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE $2::bool AND l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted
          AND l.pid IS DISTINCT FROM pg_backend_pid()
          AND (a.pid IS NULL OR a.datid = (SELECT oid FROM here) AND a.usesysid IS NOT NULL)
          AND NOT coalesce(a.usename::text = ANY ($6::text[]), false)
          AND NOT EXISTS (
            SELECT 1 FROM unnest($4::int4[], $5::int8[]) AS own(pid, started)
            WHERE own.pid = a.pid AND own.started = (extract(epoch FROM a.backend_start) * 1000000)::int8)
    ),
    everybody AS (SELECT * FROM writing UNION SELECT o.* FROM open o WHERE o.vxid NOT IN (SELECT vxid FROM writing))
    SELECT e.vxid, e.pid,
        coalesce(a.usename::text, x.owner::text) AS role,
        coalesce(a.application_name, 'prepared transaction ' || quote_literal(x.gid)) AS application,
        (extract(epoch FROM a.xact_start) * 1000000)::int8 AS xact_start,
        (extract(epoch FROM coalesce(a.xact_start, x.prepared)) * 1000000)::int8 AS since,
        coalesce(a.state, CASE WHEN x.gid IS NOT NULL THEN 'prepared' END) AS state
    FROM everybody e
    LEFT JOIN pg_stat_activity a ON a.pid = e.pid
    LEFT JOIN locks t ON e.pid IS NULL AND t.locktype = 'transactionid' AND t.mode = 'ExclusiveLock'
        AND t.virtualtransaction = e.vxid
    LEFT JOIN pg_prepared_xacts x ON x.transaction = t.transactionid";

impl Statements {
    pub fn new(layout: &Layout, source: HorizonSource, identity: bool) -> Self {
        let builder = Builder { layout, server: server(identity) };
        Self {
            page: builder.page().into(),
            filtered_page: builder.filtered_page().into(),
            count: builder.count().into(),
            census: builder.census().into(),
            event: builder.event().into(),
            fresh: builder.fresh().into(),
            instances: builder.instances().into(),
            recent: builder.recent().into(),
            first_since: builder.first_since().into(),
            back: builder.back().into(),
            ahead: builder.ahead().into(),
            last: builder.last().into(),
            head: builder.head(source).into(),
            writers: format!("SELECT s.*, w.* FROM ({}) s LEFT JOIN ({WRITERS}) w ON true", builder.server).into(),
        }
    }
}

struct Builder<'a> {
    layout: &'a Layout,
    server: &'static str,
}

/// A text of the key: in the order of bytes whatever the database's collation, and never NULL.
fn key_text(column: &Column) -> String {
    let text = as_text(column);
    let text = if column.nullable { format!("coalesce({text}, '')") } else { text };
    format!("({text} COLLATE \"C\")")
}

fn as_text(column: &Column) -> String {
    if column.is_text() { column.quoted() } else { format!("{}::text", column.quoted()) }
}

/// A number of the key.
fn key_number(column: Option<&Column>) -> String {
    match column {
        Some(column) if column.nullable => format!("coalesce({}, 0)::int8", column.quoted()),
        Some(column) => format!("{}::int8", column.quoted()),
        None => "0::int8".to_owned(),
    }
}

/// A bound parameter as the column's type, so that an index on the column can be used.
fn parameter(column: &Column, number: usize) -> String {
    if column.is_text() { format!("${number}::text") } else { format!("${number}::text::{}", column.cast) }
}

impl Builder<'_> {
    fn table(&self) -> String {
        self.layout.table.quoted()
    }

    /// A bound on `position`, such that the index can be used.
    fn bound(&self, value: &str) -> String {
        if self.layout.position.is_integer() { format!("{value}::int8") } else { format!("{value}::numeric") }
    }

    /// The six parts of the key, each with the name it has in a page.
    fn key(&self) -> [(String, &'static str); 6] {
        let layout = self.layout;
        let instance = layout.instance_id.as_ref().map_or_else(|| "(''::text COLLATE \"C\")".to_owned(), key_text);
        [
            (layout.position.quoted(), "k_position"),
            (key_number(layout.in_tx_order.as_ref()), "k_in_tx_order"),
            (instance, "k_instance_id"),
            (key_text(&layout.aggregate_type), "k_aggregate_type"),
            (key_text(&layout.aggregate_id), "k_aggregate_id"),
            (key_number(Some(&layout.sequence)), "k_sequence"),
        ]
    }

    /// The key and the rest of a row, with the payload as it is stored.
    fn columns(&self) -> String {
        let layout = self.layout;
        let mut columns = String::new();
        for (expression, name) in self.key() {
            let _ = write!(columns, "{expression} AS {name}, ");
        }
        let revision = layout.revision.as_ref().map_or_else(|| "NULL".to_owned(), Column::quoted);
        let text = |column: &Option<Column>| column.as_ref().map_or_else(|| "''".to_owned(), as_text);
        let _ = write!(
            columns,
            "{} AS r_event_type, {revision}::int8 AS r_revision, {} AS r_created_at, {}::text AS r_creator, \
             {}::text AS r_owner, {} AS r_payload",
            as_text(&layout.event_type),
            layout.created_at.quoted(),
            text(&layout.creator),
            text(&layout.owner),
            layout.payload.quoted(),
        );
        columns
    }

    /// The payload as it is sent: `bytea` as it is, `jsonb` too, since it goes over the wire as its text behind one byte, and making a
    /// text of it first would be one more copy. Anything else as text.
    fn payload(&self) -> &'static str {
        if matches!(self.layout.payload.kind.as_str(), "bytea" | "jsonb") { "r_payload" } else { "r_payload::text" }
    }

    /// What a row is decoded from, out of [`Self::columns`], in the order in which `decode` counts. Any position as `numeric`.
    fn output(payload: &str) -> String {
        format!(
            "k_position::numeric AS k_position, k_in_tx_order, k_instance_id, k_aggregate_type, k_aggregate_id, k_sequence, \
             r_event_type, r_revision, r_created_at, r_creator, r_owner, {payload} AS r_payload"
        )
    }

    fn on_instance(&self) -> String {
        match &self.layout.instance_id {
            Some(column) => format!("{} = {}", column.quoted(), parameter(column, 1)),
            None => "$1::text IS NOT NULL".to_owned(),
        }
    }

    /// The rows behind a key up to a position.
    fn range(&self) -> String {
        let position = self.layout.position.quoted();
        let exact = if self.layout.position.is_integer() { format!("{position}::numeric") } else { position.clone() };
        let rest: Vec<_> = self.key().into_iter().skip(1).map(|(expression, _)| expression).collect();
        format!(
            "{} AND {position} >= {} AND {position} <= {} AND ({exact}, {}) > ($4::text::numeric, $5::int8, $6::text, \
             $7::text, $8::text, $9::int8)",
            self.on_instance(),
            self.bound("$2::text"),
            self.bound("$3::text"),
            rest.join(", "),
        )
    }

    /// Whether a type can match. A row without one may concern everybody.
    fn matches(event_type: &str) -> String {
        format!(
            "($10::text[] IS NULL OR {event_type} IS NULL OR {event_type} = ANY ($10::text[]) \
             OR {event_type} COLLATE \"C\" LIKE ANY ($11::text[]))"
        )
    }

    /// `$12` no further than.
    fn count(&self) -> String {
        format!(
            "SELECT count(*) FROM (SELECT 1 FROM {} e WHERE {} AND {} LIMIT $12::int8) counted",
            self.table(),
            self.range(),
            Self::matches(&as_text(&self.layout.event_type)),
        )
    }

    /// `$12` no further than.
    fn census(&self) -> String {
        let event_type = as_text(&self.layout.event_type);
        format!(
            "SELECT r_event_type, count(*) FROM (
                SELECT {event_type} AS r_event_type FROM {} e WHERE {} AND {} LIMIT $12::int8
             ) counted GROUP BY r_event_type ORDER BY r_event_type COLLATE \"C\"",
            self.table(),
            self.range(),
            Self::matches(&event_type),
        )
    }

    /// `$1` instance, `$2` position, `$3` aggregate type, `$4` aggregate id, `$5` sequence, `$6` `in_tx_order`.
    fn event(&self) -> String {
        let layout = self.layout;
        let number = |column: &Column, number: usize| format!("{} = ${number}::int8", key_number(Some(column)));
        let text = |column: &Column, number: usize| {
            let by_key = format!("{} = ${number}::text", key_text(column));
            if column.nullable { by_key } else { format!("{} = {}", column.quoted(), parameter(column, number)) }
        };
        let order = layout.in_tx_order.as_ref().map_or_else(|| "$6::int8 IS NOT NULL".to_owned(), |c| number(c, 6));
        format!(
            "SELECT {output} FROM (
                SELECT {columns} FROM {table} e WHERE {instance} AND {position} = {bound} AND {a} AND {b} AND {c} AND {order}
                LIMIT 1) found",
            output = Self::output(self.payload()),
            columns = self.columns(),
            table = self.table(),
            instance = self.on_instance(),
            position = layout.position.quoted(),
            bound = self.bound("$2::text"),
            a = text(&layout.aggregate_type, 3),
            b = text(&layout.aggregate_id, 4),
            c = number(&layout.sequence, 5),
        )
    }

    /// `$1` instances, `$2` the position that is known of each. One probe of the index for each, at its end.
    fn fresh(&self) -> String {
        let instance = self.layout.instance_id.as_ref().map_or_else(String::new, |column| {
            let value = if column.is_text() { String::new() } else { format!("::{}", column.cast) };
            format!("{} = known.instance_id{value} AND", column.quoted())
        });
        format!(
            "SELECT known.instance_id FROM unnest($1::text[], $2::text[]) AS known(instance_id, position)
             CROSS JOIN LATERAL (
                SELECT 1 FROM {table} e WHERE {instance} {position} > {bound} ORDER BY {position} DESC LIMIT 1
             ) newer",
            table = self.table(),
            position = self.layout.position.quoted(),
            bound = self.bound("known.position"),
        )
    }

    /// From one instance to the next along the index.
    fn instances(&self) -> String {
        let Some(column) = &self.layout.instance_id else { return "SELECT ''::text AS instance_id".to_owned() };
        let (table, name) = (self.table(), column.quoted());
        format!(
            "WITH RECURSIVE step(instance_id) AS (
                (SELECT {name} FROM {table} e WHERE {name} IS NOT NULL ORDER BY {name} LIMIT 1)
                UNION ALL
                SELECT (SELECT {name} FROM {table} e WHERE {name} > step.instance_id ORDER BY {name} LIMIT 1)
                FROM step WHERE step.instance_id IS NOT NULL
             ) SELECT instance_id::text FROM step WHERE instance_id IS NOT NULL"
        )
    }

    /// `$1` in microseconds since the epoch.
    fn since(&self) -> String {
        let moment = "'epoch'::timestamptz + $1::int8 * interval '1 microsecond'";
        if self.layout.created_at.kind == "timestamp" {
            format!("{} >= ({moment}) AT TIME ZONE 'UTC'", self.layout.created_at.quoted())
        } else {
            format!("{} >= {moment}", self.layout.created_at.quoted())
        }
    }

    fn recent(&self) -> String {
        let (table, since) = (self.table(), self.since());
        match &self.layout.instance_id {
            Some(column) => format!("SELECT DISTINCT {} AS instance_id FROM {table} e WHERE {since}", as_text(column)),
            None => format!("SELECT ''::text AS instance_id WHERE EXISTS (SELECT 1 FROM {table} e WHERE {since})"),
        }
    }

    fn first_since(&self) -> String {
        format!("SELECT min({})::text FROM {} e WHERE {}", self.layout.position.quoted(), self.table(), self.since())
    }

    /// `$1` instance, `$2` position below, `$3` how many rows before it: an index-only step back.
    fn back(&self) -> String {
        let position = self.layout.position.quoted();
        format!(
            "SELECT {position}::text FROM {} e WHERE {} AND {position} < {} ORDER BY {position} DESC OFFSET $3::int8 LIMIT 1",
            self.table(),
            self.on_instance(),
            self.bound("$2::text"),
        )
    }

    /// `$1` instance, `$2` behind this position, `$3` up to that one, `$4` rows to step over.
    fn ahead(&self) -> String {
        let position = self.layout.position.quoted();
        format!(
            "SELECT {position}::text FROM {} e WHERE {} AND {position} > {} AND {position} <= {} \
             ORDER BY {position} OFFSET $4::int8 LIMIT 1",
            self.table(),
            self.on_instance(),
            self.bound("$2::text"),
            self.bound("$3::text"),
        )
    }

    fn last(&self) -> String {
        format!("SELECT max({})::text FROM {} e", self.layout.position.quoted(), self.table())
    }

    /// S1.
    fn head(&self, source: HorizonSource) -> String {
        let head = match source {
            HorizonSource::Sequence => format!("({})", self.last()),
            HorizonSource::Clock => "extract(epoch FROM clock_timestamp())::text".to_owned(),
            HorizonSource::TxStart => "(extract(epoch FROM clock_timestamp()) - 0.25)::text".to_owned(),
        };
        format!("SELECT s.*, {head} AS head FROM ({}) s", self.server)
    }
}
