-- A worker that was killed, with the lease of a target.

UPDATE workers SET epoch = 2, expires_at = 1767225620000000, lease_duration = 10000000, standing = 'working' WHERE id = 'worker-1';
INSERT INTO leases (target_id, worker_id, acquired_at) VALUES ('crm-id', 'worker-1', 1767225600000000);
UPDATE membership SET version = 4;
