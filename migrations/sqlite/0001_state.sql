-- The state of postrider. Times are microseconds since 1970, positions exact decimals as text, flags 0 or 1.
-- Text is ordered by its bytes, as postrider orders it.

CREATE TABLE revision (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL
);
INSERT INTO revision (id, revision) VALUES (1, 0);

CREATE TABLE targets (
    id                 TEXT PRIMARY KEY,
    name               TEXT NOT NULL,
    kind               TEXT NOT NULL,
    endpoint           TEXT NOT NULL,
    timeout            BIGINT NOT NULL,
    interrupt_on_error BIGINT NOT NULL,
    ordering           TEXT NOT NULL,
    max_in_flight      BIGINT NOT NULL,
    start              TEXT NOT NULL,
    start_position     TEXT NOT NULL,
    headers            TEXT NOT NULL,
    excluded           TEXT NOT NULL,
    payload            TEXT NOT NULL,
    payload_encoding   TEXT NOT NULL,
    paused             BIGINT NOT NULL,
    source             TEXT NOT NULL,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    removed_at         BIGINT
);

CREATE TABLE signing_keys (
    target_id   TEXT NOT NULL REFERENCES targets (id) ON DELETE CASCADE,
    ordinal     BIGINT NOT NULL,
    signing_key TEXT NOT NULL,
    PRIMARY KEY (target_id, ordinal)
);

CREATE TABLE executions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    condition   TEXT NOT NULL,
    instance_id TEXT,
    excluded    TEXT NOT NULL
);

CREATE TABLE execution_targets (
    execution_id BIGINT NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    ordinal      BIGINT NOT NULL,
    target_id    TEXT REFERENCES targets (id),
    include      TEXT,
    PRIMARY KEY (execution_id, ordinal),
    CHECK ((target_id IS NULL) <> (include IS NULL))
);

CREATE TABLE cursors (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    target_id             TEXT NOT NULL REFERENCES targets (id),
    instance_id           TEXT NOT NULL,
    epoch                 BIGINT NOT NULL,
    position              TEXT NOT NULL,
    in_tx_order           BIGINT NOT NULL,
    event_instance_id     TEXT NOT NULL,
    aggregate_type        TEXT NOT NULL,
    aggregate_id          TEXT NOT NULL,
    sequence              BIGINT NOT NULL,
    event_date            BIGINT,
    delivered_position    TEXT,
    delivered_in_tx_order BIGINT,
    parked_in_a_row       BIGINT NOT NULL,
    generation            BIGINT NOT NULL,
    last_updated          BIGINT NOT NULL,
    state                 TEXT NOT NULL,
    reason                TEXT,
    UNIQUE (target_id, instance_id)
);

CREATE TABLE failed_events (
    cursor_id         BIGINT NOT NULL REFERENCES cursors (id) ON DELETE CASCADE,
    position          TEXT NOT NULL,
    in_tx_order       BIGINT NOT NULL,
    event_instance_id TEXT NOT NULL,
    aggregate_type    TEXT NOT NULL,
    aggregate_id      TEXT NOT NULL,
    sequence          BIGINT NOT NULL,
    event_type        TEXT NOT NULL,
    failure_count     BIGINT NOT NULL,
    status            TEXT NOT NULL,
    error             TEXT NOT NULL,
    first_failed      BIGINT NOT NULL,
    last_failed       BIGINT NOT NULL,
    PRIMARY KEY (cursor_id, aggregate_type, aggregate_id, sequence, position, in_tx_order, event_instance_id)
);
CREATE INDEX failed_events_waiting ON failed_events (cursor_id, status) WHERE status IN ('retrying', 'halted');

CREATE TABLE deliveries (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    target_id         TEXT NOT NULL REFERENCES targets (id) ON DELETE CASCADE,
    event_instance_id TEXT NOT NULL,
    position          TEXT NOT NULL,
    in_tx_order       BIGINT NOT NULL,
    aggregate_type    TEXT NOT NULL,
    aggregate_id      TEXT NOT NULL,
    sequence          BIGINT NOT NULL,
    event_type        TEXT NOT NULL,
    attempt           BIGINT NOT NULL,
    outcome           TEXT NOT NULL,
    status            BIGINT,
    error             TEXT,
    started_at        BIGINT NOT NULL,
    duration          BIGINT NOT NULL
);
CREATE INDEX deliveries_started_at ON deliveries (started_at);
CREATE INDEX deliveries_target ON deliveries (target_id, started_at);

CREATE TABLE horizon (
    id                BIGINT PRIMARY KEY CHECK (id = 1),
    watermark         TEXT NOT NULL,
    system_identifier TEXT,
    timeline          BIGINT,
    updated_at        BIGINT NOT NULL
);

CREATE TABLE workers (
    id         TEXT PRIMARY KEY,
    host       TEXT NOT NULL,
    pid        BIGINT NOT NULL,
    version    TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL
);

CREATE TABLE leases (
    name        TEXT PRIMARY KEY,
    worker_id   TEXT,
    epoch       BIGINT NOT NULL,
    acquired_at BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);

CREATE TABLE audit (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          BIGINT NOT NULL,
    actor       TEXT NOT NULL,
    act         TEXT NOT NULL,
    target_id   TEXT,
    target      TEXT,
    instance_id TEXT,
    was         TEXT,
    became      TEXT,
    reason      TEXT
);
