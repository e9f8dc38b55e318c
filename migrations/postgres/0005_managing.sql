-- What managing over HTTP needs: targets of one instance, bodies as JWT or JWE, when executions were set, and who may ask.

ALTER TABLE targets ADD COLUMN instance_id TEXT COLLATE "C";
ALTER TABLE targets ADD COLUMN payload_type TEXT NOT NULL DEFAULT 'json';

-- Of executions from before, neither is known.
ALTER TABLE executions ADD COLUMN created_at BIGINT;
ALTER TABLE executions ADD COLUMN set_at BIGINT;

-- What bodies are encrypted with for a target: one of its keys is active at a time.
CREATE TABLE public_keys (
    id         TEXT COLLATE "C" PRIMARY KEY,
    target_id  TEXT COLLATE "C" NOT NULL REFERENCES targets (id) ON DELETE CASCADE,
    pem        TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    active     BIGINT NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX public_keys_target ON public_keys (target_id);
CREATE UNIQUE INDEX public_keys_active ON public_keys (target_id) WHERE active = 1;

-- What bodies are signed with as JWT, for all targets: published before it is used, and for a while after.
CREATE TABLE web_keys (
    id          TEXT COLLATE "C" PRIMARY KEY,
    private_key TEXT NOT NULL,
    sealed_with TEXT,
    public_key  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    active_at   BIGINT NOT NULL,
    retired_at  BIGINT
);

-- Who may manage postrider over HTTP. The secret itself is not stored.
CREATE TABLE tokens (
    id           TEXT COLLATE "C" PRIMARY KEY,
    name         TEXT COLLATE "C" NOT NULL,
    secret_hash  TEXT NOT NULL,
    role         TEXT NOT NULL,
    instance_id  TEXT COLLATE "C",
    created_by   TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT
);
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL;
