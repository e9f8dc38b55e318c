-- What a state could hold from the first schema on. ENDPOINT is replaced by the address of a receiver.

UPDATE revision SET revision = 3;

INSERT INTO targets (id, name, kind, endpoint, timeout, interrupt_on_error, ordering, max_in_flight, start, start_position, headers,
    excluded, payload, payload_encoding, paused, source, created_at, updated_at, removed_at)
VALUES
    ('crm-id', 'crm', 'webhook', 'ENDPOINT/crm', 10000000, 0, 'strict', 16, 'beginning', '0', '{"X-Tenant":"acme"}',
        '["user.human.password.*"]', 'full', 'base64', 0, 'file', 1767225600000000, 1767225600000000, NULL),
    ('ldap-id', 'ldap', 'webhook', 'ENDPOINT/ldap', 10000000, 0, 'aggregate', 4, '2026-01-01T00:00:00Z', '0', '{}',
        '[]', 'none', 'json', 0, 'api', 1767225600000000, 1767225600000000, NULL),
    ('audit-id', 'audit', 'call', 'ENDPOINT/audit', 10000000, 0, 'strict', 16, 'beginning', '0', '{}',
        '[]', 'full', 'base64', 1, 'api', 1767225600000000, 1767225600000000, NULL),
    ('old-id', 'old', 'async', 'ENDPOINT/old', 10000000, 0, 'none', 16, 'now', '3', '{}',
        '[]', 'full', 'base64', 0, 'api', 1767225600000000, 1767225600000000, 1767225601000000);

INSERT INTO signing_keys (target_id, ordinal, signing_key)
VALUES ('crm-id', 0, 'the key of crm'), ('ldap-id', 0, 'the key of ldap'), ('audit-id', 0, 'the key of audit');

INSERT INTO executions (condition, instance_id, excluded) VALUES ('event', NULL, '[]'), ('event/user.human.*', 'one', '["user.human.x"]');
INSERT INTO execution_targets (execution_id, ordinal, target_id, include)
SELECT id, 0, 'crm-id', NULL FROM executions WHERE condition = 'event';
INSERT INTO execution_targets (execution_id, ordinal, target_id, include)
SELECT id, 1, 'audit-id', NULL FROM executions WHERE condition = 'event';
INSERT INTO execution_targets (execution_id, ordinal, target_id, include)
SELECT id, 0, 'ldap-id', NULL FROM executions WHERE condition <> 'event';
INSERT INTO execution_targets (execution_id, ordinal, target_id, include)
SELECT id, 1, NULL, 'event' FROM executions WHERE condition <> 'event';

-- crm has had the first four events but the second, and tries the fifth; ldap has come to the sixth; audit is paused.
INSERT INTO cursors (target_id, instance_id, epoch, position, in_tx_order, event_instance_id, aggregate_type, aggregate_id, sequence,
    event_date, delivered_position, delivered_in_tx_order, parked_in_a_row, generation, last_updated, state, reason)
VALUES
    ('crm-id', 'one', 7, '4', 0, 'one', 'org', 'a4', 1, 1767225604000000, '4', 0, 0, 0, 1767225610000000, 'retrying',
        'the endpoint answered 500'),
    ('ldap-id', 'one', 2, '6', 0, 'one', 'org', 'a6', 1, 1767225606000000, '5', 0, 1, 2, 1767225610000000, 'live', NULL),
    ('audit-id', 'one', 1, '1', 0, 'one', 'user', 'a1', 1, 1767225601000000, NULL, NULL, 0, 0, 1767225610000000, 'paused', NULL),
    ('old-id', 'one', 1, '3', 0, 'one', 'user', 'a3', 1, NULL, NULL, NULL, 0, 0, 1767225601000000, 'live', NULL);

INSERT INTO failed_events (cursor_id, position, in_tx_order, event_instance_id, aggregate_type, aggregate_id, sequence, event_type,
    failure_count, status, error, first_failed, last_failed)
SELECT id, '2', 0, 'one', 'org', 'a2', 1, 'org.added', 5, 'parked', 'the endpoint answered 400', 1767225602000000, 1767225603000000
FROM cursors WHERE target_id = 'crm-id';
INSERT INTO failed_events (cursor_id, position, in_tx_order, event_instance_id, aggregate_type, aggregate_id, sequence, event_type,
    failure_count, status, error, first_failed, last_failed)
SELECT id, '5', 0, 'one', 'user', 'a5', 1, 'user.human.added', 2, 'retrying', 'the endpoint answered 500', 1767225605000000,
    1767225606000000
FROM cursors WHERE target_id = 'crm-id';
INSERT INTO failed_events (cursor_id, position, in_tx_order, event_instance_id, aggregate_type, aggregate_id, sequence, event_type,
    failure_count, status, error, first_failed, last_failed)
SELECT id, '3', 0, 'one', 'user', 'a3', 1, 'user.human.added', 5, 'parked', 'the endpoint answered 400', 1767225603000000,
    1767225603000000
FROM cursors WHERE target_id = 'ldap-id';

INSERT INTO deliveries (target_id, event_instance_id, position, in_tx_order, aggregate_type, aggregate_id, sequence, event_type,
    attempt, outcome, status, error, started_at, duration)
VALUES
    ('crm-id', 'one', '4', 0, 'org', 'a4', 1, 'org.added', 1, 'delivered', 200, NULL, 1767225604000000, 1200),
    ('crm-id', 'one', '5', 0, 'user', 'a5', 1, 'user.human.added', 2, 'failed', 500, 'the endpoint answered 500',
        1767225606000000, 1500);

INSERT INTO horizon (id, watermark, system_identifier, timeline, updated_at) VALUES (1, '6', NULL, NULL, 1767225610000000);
INSERT INTO workers (id, host, pid, version, started_at, seen_at) VALUES ('worker-1', 'host', 7, '0.1.0', 1767225600000000, 1767225610000000);
INSERT INTO audit (at, actor, act, target_id, target, instance_id, was, became, reason)
VALUES (1767225600000000, 'ada@host', 'pause', 'audit-id', 'audit', NULL, NULL, NULL, 'looked at');
