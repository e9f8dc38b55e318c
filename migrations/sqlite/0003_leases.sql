-- Several daemons share the targets. A worker's session has an epoch and ends by this database's clock, and every lease
-- of the worker with it: renewing is one row, however many targets there are.

ALTER TABLE workers ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN lease_duration BIGINT NOT NULL DEFAULT 0;
-- working, leaving, left, expired.
ALTER TABLE workers ADD COLUMN standing TEXT NOT NULL DEFAULT 'left';
CREATE INDEX workers_at_work ON workers (id) WHERE standing IN ('working', 'leaving');

-- A target that nobody has leased has no row.
DROP TABLE leases;
CREATE TABLE leases (
    target_id   TEXT PRIMARY KEY REFERENCES targets (id) ON DELETE CASCADE,
    worker_id   TEXT NOT NULL,
    acquired_at BIGINT NOT NULL
);
CREATE INDEX leases_worker ON leases (worker_id);

-- Raised whenever a worker joins, leaves, is buried or gives a lease back: by it the others see that there is something to
-- share anew.
CREATE TABLE membership (
    id      BIGINT PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO membership (id, version) VALUES (1, 0);
