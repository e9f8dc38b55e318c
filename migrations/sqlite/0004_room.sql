-- What is older than its retention is looked for every minute.
CREATE INDEX failed_events_given_up ON failed_events (last_failed) WHERE status IN ('parked', 'interrupted');
CREATE INDEX audit_at ON audit (at);
