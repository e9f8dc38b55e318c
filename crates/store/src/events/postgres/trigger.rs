//! The notify trigger: it says on a channel that events were committed, and nothing else.
//!
//! There is one function for each events table, in the schema `postrider`, and one trigger on every relation through which
//! rows come into the table. A trigger for statements fires only for the relation that the statement names: one on a
//! partitioned table does not see what is written into a partition directly, nor one on a partition what comes through its
//! parent. So all of them have one, and where one is missing the tail does not rely on being told.
//!
//! A transaction that notifies holds a lock of the whole server until it is on disk: writers that all notified would be flushed one
//! after the other, where they are flushed together otherwise. So one speaks for those that are under way at the same time: it
//! holds an advisory lock until it ends, and who finds that taken says nothing. Such a writer is still open when the tail is woken,
//! and so is seen by the horizon, or its events are there to be read. Only when the one that should have spoken rolls back
//! does nobody speak, until the next commit or the next look.
//!
//! The function stands outside the table's schema, so that adding it needs no right there, and so that everything is gone with
//! `DROP SCHEMA postrider CASCADE`. It runs with the rights of whoever writes: it belongs to whoever may add triggers.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, Row as _};

use super::layout::TableName;
use crate::{events::Notifies, quote::quote};

/// What the trigger is called on every relation.
const TRIGGER: &str = "postrider_notify";
/// Longer names are cut by the server.
const MOST_BYTES: usize = 63;
/// Hexadecimal digits that tell names apart which look alike.
const DIGITS: usize = 16;

/// The relations through which rows come into the table `$1`, from the root down, and whether the trigger with the function
/// `$2` is there and fires.
const RELATIONS: &str = "
    WITH RECURSIVE tree(oid, depth) AS (
        SELECT $1::text::regclass::oid, 0
        UNION SELECT i.inhrelid, t.depth + 1 FROM pg_inherits i JOIN tree t ON i.inhparent = t.oid
    ),
    relations AS (
        SELECT oid, max(depth) AS depth FROM tree GROUP BY oid
        UNION ALL SELECT a.relid::oid, -a.nth::int
        FROM pg_partition_ancestors($1::text::regclass) WITH ORDINALITY AS a(relid, nth)
        WHERE a.relid <> $1::text::regclass
    )
    SELECT n.nspname::text, c.relname::text, has_table_privilege(c.oid, 'TRIGGER'),
        EXISTS (
            SELECT 1 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace f ON f.oid = p.pronamespace
            WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
              AND f.nspname = 'postrider' AND p.proname = $2)
    FROM relations r JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    ORDER BY r.depth, 1, 2";

/// A relation through which rows come into the events table.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub name: TableName,
    /// This role may add a trigger to it.
    pub allowed: bool,
    /// The trigger is there and fires.
    pub fires: bool,
}

/// The trigger as it was found.
#[derive(Clone, Debug)]
pub(super) struct NotifyTrigger {
    /// The channel's name, and the function's.
    pub channel: String,
    pub relations: Vec<Relation>,
}

impl NotifyTrigger {
    pub async fn look(connection: &mut PgConnection, table: &TableName) -> Result<Self, sqlx::Error> {
        let channel = channel(table);
        let rows = sqlx::query(RELATIONS).bind(table.quoted()).bind(&channel).fetch_all(connection).await?;
        let relation = |row: &sqlx::postgres::PgRow| {
            let name = TableName { schema: row.try_get(0)?, name: row.try_get(1)? };
            Ok(Relation { name, allowed: row.try_get(2)?, fires: row.try_get(3)? })
        };
        Ok(Self { relations: rows.iter().map(relation).collect::<Result<_, sqlx::Error>>()?, channel })
    }

    pub fn notifies(&self) -> Notifies {
        if self.relations.iter().all(|relation| relation.fires) {
            Notifies::Always
        } else if self.relations.iter().any(|relation| relation.fires) {
            Notifies::Sometimes
        } else {
            Notifies::Never
        }
    }

    /// The relations that tell nobody.
    pub fn silent(&self) -> impl Iterator<Item = &Relation> {
        self.relations.iter().filter(|relation| !relation.fires)
    }

    fn function(&self) -> String {
        format!("postrider.{}()", quote(&self.channel))
    }

    /// Of the advisory lock.
    fn key(&self) -> i64 {
        let digest = Sha256::digest(&self.channel);
        i64::from_be_bytes(digest[..8].try_into().expect("a digest has more than eight bytes"))
    }

    /// What adds the function and all triggers, in the place of what there may be.
    pub fn added(&self) -> String {
        let (function, channel) = (self.function(), quote(&self.channel));
        let mut sql = format!(
            "CREATE OR REPLACE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql AS\n\
             $$ BEGIN\n    \
             IF pg_catalog.pg_try_advisory_xact_lock({key}) THEN NOTIFY {channel}; END IF;\n    \
             RETURN NULL;\n\
             END $$;\n\
             COMMENT ON FUNCTION {function} IS 'wakes postrider when events are committed';\n",
            key = self.key(),
        );
        for relation in &self.relations {
            let _ = writeln!(
                sql,
                "CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT ON {}\n    FOR EACH STATEMENT EXECUTE FUNCTION {function};",
                relation.name.quoted()
            );
        }
        sql
    }

    /// What takes the function away, and with it every trigger that calls it: whoever owns the function need not own the table.
    pub fn dropped(&self) -> String {
        format!("DROP FUNCTION IF EXISTS {} CASCADE;\n", self.function())
    }
}

/// One name for each table: what can be read of the table's own, and what tells it from those that read the same.
fn channel(table: &TableName) -> String {
    let plain = |character: char| {
        let character = character.to_ascii_lowercase();
        if character.is_ascii_alphanumeric() { character } else { '_' }
    };
    let readable: String = format!("postrider_{}_{}", table.schema, table.name).chars().map(plain).collect();
    let digest = hex::encode(Sha256::digest(format!("{}\0{}", table.schema, table.name)));
    // One byte for each character by now.
    let readable: String = readable.chars().take(MOST_BYTES - DIGITS - 1).collect();
    format!("{readable}_{}", &digest[..DIGITS])
}

#[cfg(test)]
mod tests {
    use super::{MOST_BYTES, TableName, channel};

    fn of(schema: &str, name: &str) -> String {
        channel(&TableName { schema: schema.to_owned(), name: name.to_owned() })
    }

    #[test]
    fn a_channel_is_named_for_its_table_and_for_no_other() {
        let zitadel = of("eventstore", "events2");
        assert!(zitadel.starts_with("postrider_eventstore_events2_"), "{zitadel}");
        assert_eq!(zitadel, of("eventstore", "events2"));
        let alike = [of("a_b", "c"), of("a", "b_c"), of("A", "b_c"), of("a", "b\"c"), of("a", "b c")];
        for (index, name) in alike.iter().enumerate() {
            assert!(!alike[..index].contains(name), "{alike:?}");
        }
    }

    #[test]
    fn a_channel_fits_whatever_the_table_is_called() {
        for name in ["ä".repeat(31), "x".repeat(63), "\"".repeat(63), "🐘".repeat(15)] {
            let channel = of(&name, &name);
            assert!(channel.len() <= MOST_BYTES && channel.is_ascii(), "{channel}");
        }
    }
}
