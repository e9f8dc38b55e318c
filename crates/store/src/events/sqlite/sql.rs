//! Every statement of a SQLite event store.
//!
//! The parameters of a read: `$1` instance, `$2` position above, `$3` position not above, `$4` exact event types and `$5` groups
//! as JSON lists, both NULL when everything matches.

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

pub(super) const EVENT: &str = "SELECT *, CAST(payload AS BLOB) AS r_payload FROM events2 WHERE position = $1";

macro_rules! matches {
    () => {
        "($4 IS NULL OR e.event_type IN (SELECT value FROM json_each($4)) OR EXISTS (
            SELECT 1 FROM json_each($5) g
            WHERE substr(e.event_type, 1, length(g.value) + 1) = g.value || '.'))"
    };
}

macro_rules! range {
    () => {
        "e.instance_id = $1 AND e.position > $2 AND e.position <= $3"
    };
}

/// `$6` rows looked at, `$7` rows returned, `$8` bytes of payloads. The last row looked at is returned in any case.
pub(super) const PAGE: &str = concat!(
    "SELECT position, in_tx_order, instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, created_at,
        creator, owner, p_number, p_wanted, p_cut, CASE WHEN p_wanted THEN CAST(payload AS BLOB) END AS r_payload
    FROM (
        SELECT *, p_matches AND NOT p_cut AS p_wanted FROM (
            SELECT *, row_number() OVER key AS p_number, lead(0) OVER key IS NULL AS p_last,
                (sum(p_size) OVER key) - p_size >= $8 AS p_cut
            FROM (
                SELECT *, CASE WHEN p_matches THEN coalesce(octet_length(payload), 0) ELSE 0 END AS p_size
                FROM (SELECT e.*, ",
    matches!(),
    " AS p_matches FROM events2 e WHERE ",
    range!(),
    " ORDER BY e.position LIMIT $6)
            )
            WINDOW key AS (ORDER BY position ROWS UNBOUNDED PRECEDING)
        )
    )
    WHERE p_wanted OR p_last ORDER BY position LIMIT $7"
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
