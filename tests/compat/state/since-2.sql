-- What is settled ahead of a cursor, halts by hand, denials, limits, keys that end, who set an execution, answers.

-- ldap has had the ninth event already, and tries the seventh.
UPDATE cursors SET ahead = '{"to":["9",0,"one","user","a9",1],"open":[["7",0,"one","user","a7",1]]}' WHERE target_id = 'ldap-id';
INSERT INTO failed_events (cursor_id, position, in_tx_order, event_instance_id, aggregate_type, aggregate_id, sequence, event_type,
    failure_count, status, error, first_failed, last_failed)
SELECT id, '7', 0, 'one', 'user', 'a7', 1, 'user.human.added', 1, 'retrying', 'the endpoint answered 500', 1767225607000000,
    1767225607000000
FROM cursors WHERE target_id = 'ldap-id';

UPDATE cursors SET state = 'halted', halt = 'looked at' WHERE target_id = 'audit-id';
INSERT INTO denials (cursor_id, first_key, last_key)
SELECT id, '["3",0,"one","user","a3",1]', '["3",0,"one","user","a3",1]' FROM cursors WHERE target_id = 'ldap-id';

UPDATE targets SET rate_limit = '600/m', rate_burst = 20, max_request = 262144, max_answer = 1024 WHERE id = 'crm-id';
UPDATE signing_keys SET ordinal = 1 WHERE target_id = 'crm-id';
INSERT INTO signing_keys (target_id, ordinal, signing_key, expires_at)
VALUES ('crm-id', 0, 'the key before', 4102444800000000);
-- Under the master key of 64 times the letter c.
UPDATE signing_keys SET signing_key = 'L8WD81dJU7ONqLLvhy4WBiwHq3CofaQeyVvpVnbQ/LvMAClN/1LXAPsnmUN+I6W6LYGXf31uQw==', sealed_with = 'ff1bb729'
WHERE target_id = 'ldap-id';
UPDATE executions SET source = 'api' WHERE condition = 'event';
UPDATE deliveries SET instance_id = 'one', answer = 'no' WHERE outcome = 'failed';
UPDATE deliveries SET instance_id = 'one' WHERE outcome = 'delivered';
