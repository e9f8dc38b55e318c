-- A password for the role that grants.sql has made, and some events, as ZITADEL writes them.
ALTER ROLE postrider PASSWORD 'only-to-try';

SELECT FROM eventstore.test_push('now', 'instance-1', 'user', 'ada', 'org-1', 'admin',
    ARRAY['user.human.added', 'user.human.email.changed', 'user.human.email.verified'],
    ARRAY['{"userName": "ada"}', '{"email": "ada@example.com"}', NULL]::jsonb[]);
SELECT FROM eventstore.test_push('now', 'instance-1', 'user', 'ada', 'org-1', 'ada',
    ARRAY['user.human.password.changed'], ARRAY['{"encodedHash": "not for others"}']::jsonb[]);
SELECT FROM eventstore.test_push('now', 'instance-1', 'user', 'sync', 'org-1', 'admin',
    ARRAY['user.machine.added'], ARRAY['{"userName": "sync"}']::jsonb[]);
