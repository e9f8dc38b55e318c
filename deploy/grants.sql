-- What postrider needs in the event store's database. Run it there as a superuser; then set a password for the role.
CREATE ROLE postrider LOGIN;
GRANT USAGE ON SCHEMA eventstore TO postrider;
GRANT SELECT ON eventstore.events2 TO postrider;
-- Welcome: lets postrider say who holds the horizon, and since when.
GRANT pg_read_all_stats TO postrider;
-- Only for `postrider migrate --notify-trigger`, which also needs the schema below; it lets postrider add triggers to the table:
-- GRANT TRIGGER ON eventstore.events2 TO postrider;
-- Only if the state lives in this database too: a schema of its own.
CREATE SCHEMA postrider AUTHORIZATION postrider;
