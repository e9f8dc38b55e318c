//! Adding the notify trigger, taking it away, and the SQL for somebody else to do it.
//!
//! Invariants: nothing is changed without every right that is needed, and all or nothing is; the table is not waited for
//! long, since every writer queues behind whoever waits for it.

use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row as _, pool::PoolConnection};
use tokio::time::timeout;

use super::{
    PostgresEvents,
    connection::{LONG, acquire},
    trigger::NotifyTrigger,
};
use crate::{StoreError, quote::quote};

const OPERATION: &str = "change the notify trigger";

/// An open writer keeps a trigger from being added, and whoever waits for it keeps the other writers waiting.
const BEGIN: &str = "BEGIN READ WRITE; SET LOCAL lock_timeout = '2s';\n";

/// The role, the database, whether the schema is there and the role may create in it, who owns the function `$1`, whether there can
/// be two-phase commits, and whether everybody may take advisory locks.
const RIGHTS: &str = "SELECT current_user::text, current_database()::text,
        has_database_privilege(current_database(), 'CREATE'),
        (SELECT has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE')
         FROM pg_namespace n WHERE n.nspname = 'postrider'),
        f.owner, f.ours, current_setting('max_prepared_transactions')::int > 0,
        has_function_privilege('public', 'pg_catalog.pg_try_advisory_xact_lock(bigint)', 'EXECUTE')
    FROM (SELECT 1) one LEFT JOIN (
        SELECT pg_get_userbyid(p.proowner)::text AS owner, pg_has_role(p.proowner, 'USAGE') AS ours
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'postrider' AND p.proname = $1 AND p.pronargs = 0) f ON true";

struct Rights {
    role: String,
    database: String,
    may_create_schema: bool,
    /// `None` when there is no schema yet.
    may_create_in_schema: Option<bool>,
    /// The function's, and whether this role may act for it. `None` when there is no function.
    owner: Option<(String, bool)>,
    two_phase: bool,
    /// Everybody may use what the function uses: it runs as whoever writes.
    usable: bool,
}

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TriggerChange {
    /// Function and triggers come.
    Add,
    /// Both go.
    Drop,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TriggerChanged {
    /// It was not so already.
    pub changed: bool,
    /// This server allows two-phase commits, which cannot be together with a notification: `PREPARE TRANSACTION` fails after one.
    pub two_phase: bool,
}

pub(super) async fn change(store: &PostgresEvents, change: TriggerChange) -> Result<TriggerChanged, StoreError> {
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let Ok(changed) = timeout(LONG, changed(&mut connection, store, change)).await else {
        drop(connection.detach());
        return Err(StoreError::Timeout { operation: OPERATION, after: LONG });
    };
    // Its transaction may still be open.
    let changed = changed.inspect_err(|_| connection.close_on_drop())?;
    store.reexamine().await?;
    Ok(changed)
}

async fn changed(
    connection: &mut PoolConnection<Postgres>,
    store: &PostgresEvents,
    change: TriggerChange,
) -> Result<TriggerChanged, StoreError> {
    let (trigger, rights) = look(connection, store).await?;
    let two_phase = rights.two_phase;
    let sql = match change {
        TriggerChange::Add if trigger.silent().next().is_none() => {
            return Ok(TriggerChanged { changed: false, two_phase });
        }
        TriggerChange::Drop if rights.owner.is_none() => return Ok(TriggerChanged { changed: false, two_phase }),
        TriggerChange::Add => {
            refuse(&rights.missing_to_add(&trigger))?;
            rights.schema(false) + &trigger.added()
        }
        TriggerChange::Drop => {
            refuse(&rights.missing_to_drop())?;
            trigger.dropped()
        }
    };
    sqlx::raw_sql(AssertSqlSafe(format!("{BEGIN}{sql}COMMIT"))).execute(&mut **connection).await.map_err(in_the_way)?;
    Ok(TriggerChanged { changed: true, two_phase })
}

/// For somebody who has the rights.
pub(super) async fn sql(store: &PostgresEvents, change: TriggerChange) -> Result<String, StoreError> {
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let Ok(found) = timeout(LONG, look(&mut connection, store)).await else {
        drop(connection.detach());
        return Err(StoreError::Timeout { operation: OPERATION, after: LONG });
    };
    let (trigger, rights) = found?;
    let sql = match change {
        TriggerChange::Add => rights.schema(true) + &trigger.added(),
        TriggerChange::Drop => trigger.dropped(),
    };
    Ok(format!("{BEGIN}{sql}COMMIT;\n"))
}

async fn look(connection: &mut PgConnection, store: &PostgresEvents) -> Result<(NotifyTrigger, Rights), StoreError> {
    let (examined, _) = store.known();
    let look = async {
        let trigger = NotifyTrigger::look(&mut *connection, &examined.layout.table).await?;
        let row = sqlx::query(RIGHTS).bind(&trigger.channel).fetch_one(connection).await?;
        let rights = Rights {
            role: row.try_get(0)?,
            database: row.try_get(1)?,
            may_create_schema: row.try_get(2)?,
            may_create_in_schema: row.try_get(3)?,
            owner: row.try_get::<Option<String>, _>(4)?.zip(row.try_get(5)?),
            two_phase: row.try_get(6)?,
            usable: row.try_get(7)?,
        };
        Ok((trigger, rights))
    };
    look.await.map_err(StoreError::database(OPERATION))
}

fn refuse(missing: &[String]) -> Result<(), StoreError> {
    if missing.is_empty() { Ok(()) } else { Err(StoreError::NotAllowed { missing: missing.join("; ") }) }
}

impl Rights {
    /// What has to be granted before the trigger can be added.
    fn missing_to_add(&self, trigger: &NotifyTrigger) -> Vec<String> {
        let role = quote(&self.role);
        let mut missing = Vec::new();
        match (self.may_create_in_schema, &self.owner) {
            (_, Some((owner, false))) => {
                missing.push(format!("the function is owned by {owner}, who can add it again"));
            }
            (None, _) if !self.may_create_schema => {
                missing.push(format!("GRANT CREATE ON DATABASE {} TO {role}", quote(&self.database)));
            }
            (Some(false), _) => missing.push(format!("GRANT USAGE, CREATE ON SCHEMA postrider TO {role}")),
            _ => {}
        }
        for relation in trigger.relations.iter().filter(|relation| !relation.allowed) {
            missing.push(format!("GRANT TRIGGER ON {} TO {role}", relation.name.quoted()));
        }
        missing.extend(self.missing_to_write());
        missing
    }

    // Without it the writers themselves would be refused.
    fn missing_to_write(&self) -> Option<String> {
        let grant = "GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint) TO PUBLIC";
        (!self.usable).then(|| grant.to_owned())
    }

    fn missing_to_drop(&self) -> Vec<String> {
        match &self.owner {
            Some((owner, false)) => vec![format!("the function is owned by {owner}, who can drop it")],
            _ => Vec::new(),
        }
    }

    /// The schema, where it is missing. Made by somebody else it still belongs to this role, for the tables of the state.
    fn schema(&self, by_somebody_else: bool) -> String {
        match (self.may_create_in_schema, by_somebody_else) {
            (Some(_), _) => String::new(),
            (None, false) => "CREATE SCHEMA IF NOT EXISTS postrider;\n".to_owned(),
            (None, true) => format!("CREATE SCHEMA IF NOT EXISTS postrider AUTHORIZATION {};\n", quote(&self.role)),
        }
    }
}

fn in_the_way(source: sqlx::Error) -> StoreError {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(LOCK_NOT_AVAILABLE) {
        return StoreError::InUse;
    }
    StoreError::Database { operation: OPERATION, source }
}
