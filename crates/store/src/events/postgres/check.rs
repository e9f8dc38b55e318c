//! What an operator should know about a PostgreSQL event store, line by line.

use domain::Writer;
use sqlx::{PgConnection, Row as _};

use super::{
    Listener, PostgresEvents,
    connection::{LONG, acquire},
    layout::{Column, Examined},
};
use crate::{
    StoreError,
    events::{Finding, HorizonSource, Notifies, Probe},
};

const OPERATION: &str = "check the event store";

const SERVER: &str = "SELECT current_setting('server_version'), current_setting('server_version_num')::int, \
    current_user::text, pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), \
    row_security_active($1::text::regclass), current_setting('max_prepared_transactions')::int";

/// Whether an index of whole rows begins with these columns.
const INDEX: &str = "SELECT EXISTS (
    SELECT 1 FROM pg_index i WHERE i.indrelid = $1::text::regclass AND i.indisvalid AND i.indpred IS NULL
      AND ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
                JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                WHERE k.n <= cardinality($2::text[]) ORDER BY k.n) = $2::text[])";

/// Below this the behaviour was never looked at.
const OLDEST: i32 = 140_000;

pub(super) async fn check(store: &PostgresEvents) -> Result<Vec<Finding>, StoreError> {
    let probe = match store.probe().await {
        Err(StoreError::Standby) => {
            return Ok(vec![Finding::error("server", "a standby: events are read from the primary only")]);
        }
        probe => probe?,
    };
    store.reexamine().await?;
    let (examined, _) = store.known();
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let Ok(found) = tokio::time::timeout(LONG, statements(&mut connection, &examined)).await else {
        drop(connection.detach());
        return Err(StoreError::Timeout { operation: OPERATION, after: LONG });
    };
    let mut findings = found.map_err(StoreError::database(OPERATION))?;
    findings.extend(horizon(&examined));
    findings.push(notifications(store, &examined).await?);
    findings.push(identity(&probe));
    findings.extend(probe.writers.iter().map(|writer| open(writer, examined.source)));
    if probe.writers.is_empty() {
        findings.push(Finding::ok("writers", "nobody holds the horizon"));
    }
    Ok(findings)
}

async fn statements(connection: &mut PgConnection, examined: &Examined) -> Result<Vec<Finding>, sqlx::Error> {
    let layout = &examined.layout;
    let table = layout.table.quoted();
    let row = sqlx::query(SERVER).bind(&table).fetch_one(&mut *connection).await?;
    let (version, number): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
    let role: String = row.try_get(2)?;
    let mut findings = vec![
        if number < OLDEST {
            Finding::warning("server", format!("PostgreSQL {version}, a primary; 14 or later is needed"))
        } else {
            Finding::ok("server", format!("PostgreSQL {version}, a primary"))
        },
        Finding::ok("privileges", format!("{role} may read {}", layout.table)),
    ];
    if row.try_get(3)? {
        findings.push(Finding::ok("statistics", format!("{role} sees what other sessions do")));
    } else {
        findings.push(Finding::warning(
            "statistics",
            format!(
                "{role} sees who writes, but not since when; GRANT pg_read_all_stats TO {role} to see what holds the horizon"
            ),
        ));
    }
    if row.try_get(4)? {
        findings.push(Finding::warning(
            "privileges",
            format!("row level security is active on {} for {role}: rows it hides are never delivered", layout.table),
        ));
    }
    let nullable = [Some(&layout.position), layout.instance_id.as_ref()].into_iter().flatten();
    for column in nullable.filter(|column| column.nullable) {
        findings.push(Finding::warning(
            "columns",
            format!("{} may be NULL; a row where it is NULL is never read", column.name),
        ));
    }
    findings.push(index(connection, &table, layout.instance_id.as_ref(), &layout.position).await?);
    if layout.instance_id.is_some() && examined.source == HorizonSource::Sequence {
        findings.push(index(connection, &table, None, &layout.position).await?);
    }
    Ok(findings)
}

async fn index(
    connection: &mut PgConnection,
    table: &str,
    instance: Option<&Column>,
    position: &Column,
) -> Result<Finding, sqlx::Error> {
    let columns: Vec<_> = instance.into_iter().chain([position]).map(|column| column.name.clone()).collect();
    let list = columns.join(", ");
    let there: bool = sqlx::query_scalar(INDEX).bind(table).bind(&columns).fetch_one(connection).await?;
    Ok(if there {
        Finding::ok("index", format!("there is one on ({list})"))
    } else {
        Finding::warning("index", format!("there is none on ({list}): each page reads the whole table"))
    })
}

fn horizon(examined: &Examined) -> Vec<Finding> {
    let mut findings = vec![match &examined.doubt {
        None => Finding::ok("horizon", format!("{}: {}", examined.source, examined.why)),
        Some(doubt) => Finding::error("horizon", doubt.clone()),
    }];
    let Some(sequence) = examined.sequence.as_ref().filter(|_| examined.source == HorizonSource::Sequence) else {
        if examined.source == HorizonSource::Sequence {
            findings.push(Finding::warning(
                "horizon",
                "positions come from no known sequence: a number drawn before the table is locked can be missed",
            ));
        }
        return findings;
    };
    findings.push(Finding::ok("sequence", format!("{} has CACHE {}", sequence.name, sequence.cache)));
    if sequence.cycles {
        findings.push(Finding::error(
            "sequence",
            format!("{} begins again at its end (CYCLE): events would appear below the cursors", sequence.name),
        ));
    }
    findings
}

/// Whether the daemon is told of events, or has to ask.
async fn notifications(store: &PostgresEvents, examined: &Examined) -> Result<Finding, StoreError> {
    const SUBJECT: &str = "notify trigger";
    let notifies = examined.trigger.notifies();
    if notifies == Notifies::Never {
        let text = "there is none: the daemon asks for new events every projection.poll_interval; `postrider migrate \
                    --notify-trigger` adds one, so that it is told of them at once";
        return Ok(Finding::ok(SUBJECT, text));
    }
    match Listener::start(store).await {
        Ok(_) => {}
        Err(StoreError::Deaf) => {
            let text =
                format!("it is there, but is not heard: {}; event_store.url should go past it", StoreError::Deaf);
            return Ok(Finding::warning(SUBJECT, text));
        }
        Err(error) => return Err(error),
    }
    if notifies == Notifies::Always {
        return Ok(Finding::ok(SUBJECT, "commits wake the daemon, which asks by itself every second at most"));
    }
    let silent: Vec<_> = examined.trigger.silent().map(|relation| relation.name.to_string()).collect();
    let text = format!(
        "it is missing or switched off on {}, so the daemon still asks every projection.poll_interval; \
         `postrider migrate --notify-trigger` adds it there too",
        silent.join(", ")
    );
    Ok(Finding::warning(SUBJECT, text))
}

fn identity(probe: &Probe) -> Finding {
    match &probe.identity {
        Some(identity) => {
            Finding::ok("identity", format!("system {}, timeline {}", identity.system_identifier, identity.timeline))
        }
        None => Finding::warning(
            "identity",
            "this role may not ask for the system identifier: a failover to a server that lacks events is not noticed; \
             GRANT EXECUTE ON FUNCTION pg_control_system() would help",
        ),
    }
}

fn open(writer: &Writer, source: HorizonSource) -> Finding {
    let who = writer.pid.map_or_else(|| "no process".to_owned(), |pid| format!("pid {pid}"));
    let mut text = format!("{who} holds the horizon");
    let details = [
        writer.role.as_ref().map(|role| format!("role {role}")),
        writer.application.as_ref().filter(|name| !name.is_empty()).cloned(),
        writer.state.clone(),
        writer.since.map(|since| format!("since {since}")),
    ];
    for detail in details.into_iter().flatten() {
        text.push_str(", ");
        text.push_str(&detail);
    }
    if source == HorizonSource::TxStart {
        text.push_str("; if its role never writes events, event_store.ignore_roles can name it");
    }
    Finding::warning("writers", text)
}
