//! Every statement of a SQLite event store.
//!
//! The parameters of a read: `$1` instance, `$2` position above, `$3` position not above; where types are asked for, `$4` exact
//! ones and `$5` groups as JSON lists.

/// ZITADEL's `events2`, with a position that counts.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS events2 (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    instance_id    TEXT    NOT NULL,
    aggregate_type TEXT    NOT NULL,
    aggregate_id   TEXT    NOT NULL,
    event_type     TEXT    NOT NULL,
    sequence       INTEGER NOT NULL,
    revision       INTEGER,
    created_at     TEXT    NOT NULL,
    payload        TEXT,
    creator        TEXT    NOT NULL,
    owner          TEXT    NOT NULL,
    in_tx_order    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (instance_id, aggregate_type, aggregate_id, sequence)
);
CREATE INDEX IF NOT EXISTS es_active_instances ON events2 (created_at, instance_id);
CREATE INDEX IF NOT EXISTS es_instance_position ON events2 (instance_id, position);";

pub(super) const TABLE: &str = "SELECT count(*) FROM pragma_table_info('events2') WHERE name = 'position' AND pk = 1";

pub(super) const HEAD: &str = "SELECT coalesce(max(position), 0) FROM events2";

pub(super) const INSTANCES: &str = "
    WITH RECURSIVE step(instance_id) AS (
        SELECT min(instance_id) FROM events2
        UNION ALL
        SELECT (SELECT min(e.instance_id) FROM events2 e WHERE e.instance_id > step.instance_id)
        FROM step WHERE step.instance_id IS NOT NULL
    ) SELECT instance_id FROM step WHERE instance_id IS NOT NULL";

/// `$1` as it is stored: the text of a time with six decimals, in UTC.
pub(super) const RECENT: &str = "SELECT DISTINCT instance_id FROM events2 WHERE created_at >= $1";

/// `$1` a list of pairs: instance and the position that is known of it.
pub(super) const FRESH: &str = "
    SELECT known.value ->> 0 FROM json_each($1) AS known
    WHERE EXISTS (SELECT 1 FROM events2 e WHERE e.instance_id = known.value ->> 0 AND e.position > known.value ->> 1)";

/// Behind the last one when there is none.
pub(super) const FIRST_SINCE: &str = "
    SELECT coalesce((SELECT min(position) FROM events2 WHERE created_at >= $1),
                    (SELECT max(position) + 1 FROM events2), 0)";

/// `$1` instance, `$2` position below, `$3` rows to step over.
pub(super) const BACK: &str = "
    SELECT position FROM events2 WHERE instance_id = $1 AND position < $2 ORDER BY position DESC LIMIT 1 OFFSET $3";

/// `$1` instance, `$2` position above, `$3` no further than, `$4` rows to step over.
pub(super) const AHEAD: &str = "
    SELECT position FROM events2 WHERE instance_id = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT 1 OFFSET $4";

pub(super) const EVENT: &str = "SELECT *, CAST(payload AS BLOB) AS r_payload FROM events2 WHERE position = $1";

macro_rules! matches {
    () => {
        "($4 IS NULL OR typeof(e.event_type) <> 'text' OR e.event_type IN (SELECT value FROM json_each($4)) OR EXISTS (
            SELECT 1 FROM json_each($5) g
            WHERE substr(e.event_type, 1, length(g.value) + 1) = g.value || '.'))"
    };
}

macro_rules! range {
    () => {
        "e.instance_id = $1 AND e.position > $2 AND e.position <= $3"
    };
}

/// The rows of a page under a condition on `e`; the parameter says how many.
macro_rules! rows {
    ($condition:expr, $limit:literal) => {
        concat!(
            "SELECT position, in_tx_order, instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, created_at,
                creator, owner, CAST(payload AS BLOB) AS r_payload, NULL AS p_more
            FROM events2 e WHERE ",
            $condition,
            " ORDER BY e.position LIMIT ",
            $limit
        )
    };
}

/// `$4` rows.
pub(super) const PAGE: &str = rows!(range!(), "$4");

macro_rules! looked_at {
    () => {
        concat!(range!(), " AND e.position <= coalesce((SELECT position FROM bound), $3)")
    };
}

/// `$6` rows looked at, `$7` rows returned. Behind the rows comes the last one that was looked at, with `p_more`: whether there are
/// any that were not.
pub(super) const FILTERED_PAGE: &str = concat!(
    "WITH bound AS MATERIALIZED (SELECT e.position FROM events2 e WHERE ",
    range!(),
    " ORDER BY e.position LIMIT 1 OFFSET $6 - 1) SELECT * FROM (",
    rows!(concat!(looked_at!(), " AND ", matches!()), "$7"),
    ") UNION ALL SELECT * FROM (SELECT position, in_tx_order, instance_id, aggregate_type, aggregate_id, sequence, NULL, NULL,
        created_at, NULL, NULL, NULL, EXISTS (SELECT 1 FROM bound)
    FROM events2 e WHERE ",
    looked_at!(),
    " ORDER BY e.position DESC LIMIT 1)"
);

/// `$6` no further than.
pub(super) const COUNT: &str =
    concat!("SELECT count(*) FROM (SELECT 1 FROM events2 e WHERE ", range!(), " AND ", matches!(), " LIMIT $6)");

/// `$6` no further than.
pub(super) const CENSUS: &str = concat!(
    "SELECT event_type, count(*) FROM (SELECT e.event_type FROM events2 e WHERE ",
    range!(),
    " AND ",
    matches!(),
    " LIMIT $6) GROUP BY event_type ORDER BY event_type"
);

/// `$1` instance, `$2` aggregate type, `$3` aggregate id.
pub(super) const LAST_SEQUENCE: &str = "SELECT coalesce(max(sequence), 0) FROM events2 \
    WHERE instance_id = $1 AND aggregate_type = $2 AND aggregate_id = $3";

/// The time is SQLite's own, in the form of [`RECENT`]; it counts in milliseconds.
pub(super) const APPEND: &str = "INSERT INTO events2 (instance_id, aggregate_type, aggregate_id, event_type, sequence, \
    revision, created_at, payload, creator, owner) \
    VALUES ($1, $2, $3, $4, $5, $6, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), $7, $8, $9) RETURNING position";
