-- The embedded event store, for tests that write into it from outside, as applications do that have no other store. What the
-- daemon makes of such a file by itself is the same table.
PRAGMA journal_mode = WAL;

CREATE TABLE events2 (
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
CREATE INDEX es_active_instances ON events2 (created_at, instance_id);
CREATE INDEX es_instance_position ON events2 (instance_id, position);
