-- What the whole worker needs: orderings, interrupts, attempts, limits, keys at rest.
-- A key of an event as text is JSON: ["position", in_tx_order, "instance", "aggregate type", "aggregate id", sequence].

-- What is settled beyond a cursor: {"to": key, "open": [key, …]}, everything up to "to" except what is open.
ALTER TABLE cursors ADD COLUMN ahead TEXT;
-- Why an operator halted it.
ALTER TABLE cursors ADD COLUMN halt TEXT;

-- What a target with interrupt_on_error settled without delivering it: ranges of keys, both ends included.
CREATE TABLE denials (
    cursor_id BIGINT NOT NULL REFERENCES cursors (id) ON DELETE CASCADE,
    first_key TEXT COLLATE "C" NOT NULL,
    last_key  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (cursor_id, first_key, last_key)
);

ALTER TABLE targets ADD COLUMN rate_limit TEXT;
ALTER TABLE targets ADD COLUMN rate_burst BIGINT;
ALTER TABLE targets ADD COLUMN max_request BIGINT;
ALTER TABLE targets ADD COLUMN max_answer BIGINT;

-- Until when a key that was rotated out is still signed with; the master key's id where the key is encrypted.
ALTER TABLE signing_keys ADD COLUMN expires_at BIGINT;
ALTER TABLE signing_keys ADD COLUMN sealed_with TEXT;

-- Who may change it: what a file set belongs to the file. All there are so far came from files.
ALTER TABLE executions ADD COLUMN source TEXT NOT NULL DEFAULT 'file';

ALTER TABLE deliveries ADD COLUMN instance_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN answer TEXT;
