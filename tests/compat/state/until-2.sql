-- One lease for the whole daemon: its table was made anew by the third schema.

INSERT INTO leases (name, worker_id, epoch, acquired_at, expires_at) VALUES ('daemon', 'worker-1', 3, 1767225600000000, 1767225620000000);
