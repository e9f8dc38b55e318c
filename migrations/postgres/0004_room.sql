-- Cursors are written again and again, and nothing that is indexed of them changes. With room in its page a row is written beside
-- itself: half as much is written ahead, and no index is touched. Pages that are full already get their room by and by.
ALTER TABLE cursors SET (fillfactor = 50);

-- What is older than its retention is looked for every minute.
CREATE INDEX failed_events_given_up ON failed_events (last_failed) WHERE status IN ('parked', 'interrupted');
CREATE INDEX audit_at ON audit (at);
