//! Looks at the events table before anything is read, and refuses what cannot be read in order and without loss.
//!
//! Only the system catalogs are asked, which every role may read: a missing privilege is named, not stumbled over.

use sqlx::{PgConnection, Row as _};

use super::{
    layout::{Column, Examined, Layout, SequenceFound, TableName, wanted},
    stamp,
    trigger::NotifyTrigger,
};
use crate::{
    StoreError,
    events::{Columns, EventStoreOptions, HorizonSource, Table},
    quote::quote,
};

const OPERATION: &str = "examine the events table";

const RECOVERY: &str = "SELECT pg_is_in_recovery()";

const RELATION: &str = "SELECT c.oid::int8, c.relkind::text, has_schema_privilege(n.oid, 'USAGE'), current_user::text \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";

const TABLES: &str = "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

const COLUMNS: &str = "SELECT a.attname::text, t.typname::text, format_type(a.atttypid, NULL), NOT a.attnotnull, \
    has_column_privilege(a.attrelid, a.attnum, 'SELECT') \
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
    WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped";

/// Behind an identity column, or behind the default of a column that is drawn from a sequence.
const SEQUENCE: &str = "
    SELECT s.seqrelid::int8, s.seqrelid::regclass::text, s.seqcache, s.seqincrement, s.seqcycle
    FROM pg_attribute a
    JOIN pg_sequence s ON EXISTS (
        SELECT 1 FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid AND d.refclassid = 'pg_class'::regclass
          AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype = 'i'
    ) OR EXISTS (
        SELECT 1 FROM pg_attrdef f
        JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = s.seqrelid
        WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum AND pg_get_expr(f.adbin, f.adrelid) LIKE 'nextval(%'
    )
    WHERE a.attrelid = $1::int8::oid AND a.attname = $2";

/// The function through which ZITADEL writes, if it is the one of setup step 77 or later.
const COMMANDS_TO_EVENTS: &str = "
    SELECT p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_type a ON a.oid = p.proargtypes[0]
    JOIN pg_type t ON t.oid = a.typelem JOIN pg_namespace m ON m.oid = t.typnamespace
    WHERE n.nspname = 'eventstore' AND p.proname = 'commands_to_events' AND p.pronargs = 1
      AND a.typcategory = 'A' AND m.nspname = 'eventstore' AND t.typname = 'command2'";

const IDENTITY: &str = "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') \
    AND has_function_privilege('pg_catalog.pg_walfile_name(pg_lsn)', 'EXECUTE') \
    AND has_function_privilege('pg_catalog.pg_current_wal_lsn()', 'EXECUTE')";

pub(super) async fn examine(
    connection: &mut PgConnection,
    options: &EventStoreOptions,
) -> Result<Examined, StoreError> {
    if sqlx::query_scalar::<_, bool>(RECOVERY).fetch_one(&mut *connection).await.map_err(failed)? {
        return Err(StoreError::Standby);
    }
    let (table, columns, zitadel) = match &options.table {
        Table::Zitadel => (TableName { schema: "eventstore".into(), name: "events2".into() }, Columns::zitadel(), true),
        Table::Custom { table, columns } => (TableName::parse(table), columns.clone(), false),
    };
    let (oid, role) = relation(connection, &table).await?;
    let layout = layout(connection, table, zitadel, (oid, &role), &columns).await?;
    let sequence = sequence(connection, oid, &layout.position.name).await?;
    let set = options.horizon.map(|set| (set, "set in the configuration".to_owned()));
    let (source, why, doubt) = match set {
        Some((set, why)) if layout.zitadel => {
            let (found, _) = source(connection, &layout, sequence.as_ref()).await?;
            (set, why, doubt(set, found))
        }
        Some((set, why)) => (set, why, None),
        None => {
            let (found, why) = source(connection, &layout, sequence.as_ref()).await?;
            (found, why, None)
        }
    };
    if source == HorizonSource::Sequence {
        refuse_sequence(&layout, sequence.as_ref())?;
    }
    let identity = sqlx::query_scalar(IDENTITY).fetch_one(&mut *connection).await.map_err(failed)?;
    let trigger = NotifyTrigger::look(connection, &layout.table).await.map_err(failed)?;
    Ok(Examined { layout, source, why, doubt, sequence, identity, trigger })
}

fn failed(source: sqlx::Error) -> StoreError {
    StoreError::Database { operation: OPERATION, source }
}

fn unusable(reason: impl Into<String>) -> StoreError {
    StoreError::Unusable { reason: reason.into() }
}

/// The name that is most like the one that is missing, as the end of a sentence.
fn nearest<'a>(missing: &str, there: impl Iterator<Item = &'a str>) -> String {
    there
        .map(|name| (strsim::jaro_winkler(missing, name), name))
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!("; is {name} meant?"))
}

/// The table, and who asks.
async fn relation(connection: &mut PgConnection, table: &TableName) -> Result<(i64, String), StoreError> {
    let found = sqlx::query(RELATION)
        .bind(&table.schema)
        .bind(&table.name)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let Some(found) = found else {
        let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&mut *connection).await.map_err(failed)?;
        let hint = nearest(&table.to_string(), tables.iter().map(String::as_str));
        return Err(unusable(format!("there is no table {table} in this database{hint}")));
    };
    let kind: String = found.try_get(1).map_err(failed)?;
    if !matches!(kind.as_str(), "r" | "p") {
        return Err(unusable(format!(
            "{table} is not a table: writers are seen by the locks they hold on the table itself, so name that"
        )));
    }
    let role: String = found.try_get(3).map_err(failed)?;
    if !found.try_get::<bool, _>(2).map_err(failed)? {
        return Err(unusable(format!(
            "the role {role} may not use the schema {schema}; GRANT USAGE ON SCHEMA {} TO {}",
            quote(&table.schema),
            quote(&role),
            schema = table.schema,
        )));
    }
    Ok((found.try_get(0).map_err(failed)?, role))
}

async fn layout(
    connection: &mut PgConnection,
    table: TableName,
    zitadel: bool,
    (oid, asking): (i64, &str),
    columns: &Columns,
) -> Result<Layout, StoreError> {
    let there = sqlx::query(COLUMNS).bind(oid).fetch_all(connection).await.map_err(failed)?;
    let mut found = Vec::with_capacity(there.len());
    for row in &there {
        let column = Column {
            name: row.try_get(0).map_err(failed)?,
            kind: row.try_get(1).map_err(failed)?,
            cast: row.try_get(2).map_err(failed)?,
            nullable: row.try_get(3).map_err(failed)?,
        };
        found.push((column, row.try_get::<bool, _>(4).map_err(failed)?));
    }
    let mut roles = wanted(columns).into_iter().map(|(role, name)| {
        let Some(name) = name else { return Ok(None) };
        let Some((column, readable)) = found.iter().find(|(column, _)| column.name == name) else {
            let hint = nearest(name, found.iter().map(|(column, _)| column.name.as_str()));
            return Err(unusable(format!("{table} has no column {name} (as {role}){hint}")));
        };
        if !readable {
            return Err(unusable(format!(
                "the role {asking} may not read {table}; GRANT SELECT ON {} TO {}",
                table.quoted(),
                quote(asking)
            )));
        }
        refuse_type(&table, role, column)?;
        Ok(Some(column.clone()))
    });
    let mut optional = || roles.next().expect("there is an entry for every role");
    let mut required = || optional().map(|column| column.expect("required roles always have a name"));
    let (position, aggregate_type, aggregate_id) = (required()?, required()?, required()?);
    let (event_type, sequence, created_at, payload) = (required()?, required()?, required()?, required()?);
    Ok(Layout {
        in_tx_order: optional()?,
        instance_id: optional()?,
        revision: optional()?,
        creator: optional()?,
        owner: optional()?,
        position,
        aggregate_type,
        aggregate_id,
        event_type,
        sequence,
        created_at,
        payload,
        zitadel,
        table: table.clone(),
    })
}

/// Types that cannot be read exactly, or not be ordered as `domain::EventKey` is.
fn refuse_type(table: &TableName, role: &str, column: &Column) -> Result<(), StoreError> {
    let (fits, needed) = match role {
        "position" => (column.is_integer() || column.kind == "numeric", "a whole number or numeric"),
        "sequence" | "in_tx_order" | "revision" => (column.is_integer(), "smallint, integer or bigint"),
        "created_at" => (matches!(column.kind.as_str(), "timestamptz" | "timestamp"), "timestamptz or timestamp"),
        "payload" => (
            column.is_text() || matches!(column.kind.as_str(), "jsonb" | "json" | "bytea"),
            "jsonb, json, text or bytea",
        ),
        _ => (true, ""),
    };
    if fits {
        return Ok(());
    }
    Err(unusable(format!("the column {} of {table} (as {role}) is {}, needed is {needed}", column.name, column.cast)))
}

async fn sequence(
    connection: &mut PgConnection,
    oid: i64,
    position: &str,
) -> Result<Option<SequenceFound>, StoreError> {
    let found = sqlx::query(SEQUENCE).bind(oid).bind(position).fetch_optional(connection).await.map_err(failed)?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(SequenceFound {
        oid: row.try_get(0).map_err(failed)?,
        name: row.try_get(1).map_err(failed)?,
        cache: row.try_get(2).map_err(failed)?,
        increment: row.try_get(3).map_err(failed)?,
        cycles: row.try_get(4).map_err(failed)?,
    }))
}

async fn source(
    connection: &mut PgConnection,
    layout: &Layout,
    sequence: Option<&SequenceFound>,
) -> Result<(HorizonSource, String), StoreError> {
    if layout.zitadel {
        let definitions: Vec<String> =
            sqlx::query_scalar(COMMANDS_TO_EVENTS).fetch_all(connection).await.map_err(failed)?;
        let clock = !definitions.is_empty() && definitions.iter().all(|text| stamp::takes_position_from_clock(text));
        return Ok(if clock {
            (HorizonSource::Clock, "this ZITADEL stamps positions by the wall clock".to_owned())
        } else {
            (HorizonSource::TxStart, "this ZITADEL stamps positions at the start of a transaction".to_owned())
        });
    }
    match sequence {
        Some(sequence) => Ok((HorizonSource::Sequence, format!("positions are drawn from {}", sequence.name))),
        None => Err(unusable(format!(
            "the column {} of {} is drawn from neither a sequence nor an identity, so it is not known what open \
             transactions may still write; if you know, set event_store.horizon to sequence, clock or tx_start",
            layout.position.name, layout.table
        ))),
    }
}

/// What is set for ZITADEL's table is the operator's word against what its functions say; `tx_start` is safe for both.
fn doubt(set: HorizonSource, found: HorizonSource) -> Option<String> {
    if set == HorizonSource::TxStart || found == set {
        return None;
    }
    Some(format!(
        "event_store.horizon is set to {set}, but as far as can be seen this ZITADEL needs {found}: what is committed late would \
         be skipped; leave event_store.horizon out"
    ))
}

/// Sequences whose numbers are handed out in another order than they are drawn.
fn refuse_sequence(layout: &Layout, sequence: Option<&SequenceFound>) -> Result<(), StoreError> {
    let Some(sequence) = sequence else { return Ok(()) };
    if sequence.cache > 1 {
        return Err(unusable(format!(
            "the sequence {name} of {table} hands out {cache} numbers at a time to each session, so events would appear \
             below positions that are already settled; ALTER SEQUENCE {name} CACHE 1, and reconnect the writers",
            name = sequence.name,
            table = layout.table,
            cache = sequence.cache,
        )));
    }
    if sequence.increment < 0 {
        return Err(unusable(format!("the sequence {} of {} counts down", sequence.name, layout.table)));
    }
    Ok(())
}
