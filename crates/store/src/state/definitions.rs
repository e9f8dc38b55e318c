//! The definitions in force: targets and executions that were not removed, in one consistent reading.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use domain::{
    Definitions, Execution, ExecutionTarget, Limits, PayloadType, SigningKey, Target, TargetId, TargetName, Wrapping,
};
use sqlx::any::AnyRow;

use super::{
    State,
    database::Work,
    keys, public_keys, row,
    seal::{MasterKeys, SealError},
    web_keys,
};
use crate::StoreError;

/// Whoever changes definitions holds this, so that what was read is still so when it is written.
pub(super) const LOCK_REVISION: &str = "SELECT revision FROM revision WHERE id = 1 {for update}";
const REVISION: &str = "SELECT revision FROM revision WHERE id = 1";
const TARGETS: &str = "SELECT id, name, kind, endpoint, timeout, interrupt_on_error, ordering, max_in_flight, start,
     start_position, headers, excluded, payload, payload_encoding, paused, source, rate_limit, rate_burst, max_request,
     max_answer, instance_id, payload_type FROM targets WHERE removed_at IS NULL ORDER BY name, id";
const SIGNING_KEYS: &str =
    "SELECT target_id, signing_key, sealed_with, expires_at FROM signing_keys ORDER BY target_id, ordinal";
const EXECUTIONS: &str = "SELECT id, condition, instance_id, excluded, source FROM executions ORDER BY condition, instance_id IS NOT NULL, instance_id";
const EXECUTION_TARGETS: &str = "SELECT execution_targets.execution_id, targets.name, execution_targets.include
     FROM execution_targets LEFT JOIN targets ON targets.id = execution_targets.target_id
     ORDER BY execution_targets.execution_id, execution_targets.ordinal";

impl State {
    /// Raised by every change of the definitions and by every operator's act.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        revision(&mut self.database.read("read the revision").await?).await
    }

    /// Everything that is defined, ordered by name and by condition. A signing key that does not open is an error.
    pub async fn definitions(&self) -> Result<Definitions, StoreError> {
        self.load().await?.all_open()
    }

    /// As [`Self::definitions`], without the signing keys that do not open, and why each does not. For acts that put other
    /// keys in their place or need none: nothing may be sent, and no target written back, by what this says.
    pub async fn definitions_that_open(&self) -> Result<(Definitions, Vec<StoreError>), StoreError> {
        let Loaded { definitions, closed } = self.load().await?;
        Ok((definitions, closed))
    }

    async fn load(&self) -> Result<Loaded, StoreError> {
        let mut work = self.database.snapshot("read the definitions").await?;
        let loaded = load(&mut work, &self.masters).await?;
        work.rollback().await?;
        Ok(loaded)
    }
}

/// The definitions, and what is said about each signing key that does not open and is not in them.
pub(super) struct Loaded {
    pub(super) definitions: Definitions,
    pub(super) closed: Vec<StoreError>,
}

impl Loaded {
    /// The definitions, if they are whole.
    pub(super) fn all_open(self) -> Result<Definitions, StoreError> {
        self.closed.into_iter().next().map_or(Ok(self.definitions), Err)
    }
}

async fn revision(work: &mut Work) -> Result<i64, StoreError> {
    let row = work.row(work.sql(REVISION)).await?.ok_or_else(|| work.invalid("the row of the revision is gone"))?;
    work.decoded(row::number(&row, "revision"))
}

/// All of it, as seen by the transaction of `work`.
pub(super) async fn load(work: &mut Work, masters: &MasterKeys) -> Result<Loaded, StoreError> {
    let revision = revision(work).await?;
    let targets = work.rows(work.sql(TARGETS)).await?;
    let keys = work.rows(work.sql(SIGNING_KEYS)).await?;
    let executions = work.rows(work.sql(EXECUTIONS)).await?;
    let entries = work.rows(work.sql(EXECUTION_TARGETS)).await?;
    let (keys, closed) = work.decoded(opened(&keys, masters))?;
    let mut definitions = work.decoded(assemble(revision, &targets, keys, &executions, &entries))?;
    let closed_web_keys = wrap(work, masters, &mut definitions.targets).await?;
    let name = |id: &TargetId| definitions.targets.iter().find(|target| target.id == *id).map(|target| &target.name);
    let closed = (closed.into_iter())
        .filter_map(|(id, reason)| Some(StoreError::KeyClosed { target: name(&id)?.clone(), reason }))
        .chain(closed_web_keys)
        .collect();
    Ok(Loaded { definitions, closed })
}

/// Gives the targets whose bodies are wrapped what they are wrapped with; says why web keys do not open. Where all bodies are sent
/// as they are, no key is looked at.
async fn wrap(work: &mut Work, masters: &MasterKeys, targets: &mut [Target]) -> Result<Vec<StoreError>, StoreError> {
    let mut wrapped: Vec<&mut Target> =
        targets.iter_mut().filter(|target| target.payload_type != PayloadType::Json).collect();
    if wrapped.is_empty() {
        return Ok(Vec::new());
    }
    let (web_keys, closed) = web_keys::in_use(work, masters).await?;
    let web_keys: Arc<[_]> = web_keys.into();
    let mut public_keys: HashMap<TargetId, _> = public_keys::active(work).await?.into_iter().collect();
    for target in &mut wrapped {
        let encryption_key = public_keys.remove(&target.id).filter(|_| target.payload_type == PayloadType::Jwe);
        target.wrapping = Wrapping { web_keys: Arc::clone(&web_keys), encryption_key };
    }
    Ok(closed)
}

type KeysOf = HashMap<TargetId, Vec<SigningKey>>;

/// The signing keys that open, and why the others do not.
fn opened(rows: &[AnyRow], masters: &MasterKeys) -> Result<(KeysOf, Vec<(TargetId, SealError)>), sqlx::Error> {
    let (mut opened, mut closed) = (KeysOf::new(), Vec::new());
    for row in rows {
        let target = TargetId::from(row::text(row, "target_id")?);
        match masters.open(&target, &keys::sealed(row, "signing_key")?) {
            Ok(key) => {
                opened.entry(target).or_default().push(key.until(row::optional_time(row, "expires_at")?));
            }
            Err(error) => closed.push((target, error)),
        }
    }
    Ok((opened, closed))
}

fn assemble(
    revision: i64,
    targets: &[AnyRow],
    mut keys_of: KeysOf,
    executions: &[AnyRow],
    entries: &[AnyRow],
) -> Result<Definitions, sqlx::Error> {
    let mut entries_of: HashMap<i64, Vec<ExecutionTarget>> = HashMap::new();
    for row in entries {
        entries_of.entry(row::number(row, "execution_id")?).or_default().push(entry(row)?);
    }
    Ok(Definitions {
        revision,
        targets: targets.iter().map(|row| target(row, &mut keys_of)).collect::<Result<_, _>>()?,
        executions: executions.iter().map(|row| execution(row, &mut entries_of)).collect::<Result<_, _>>()?,
    })
}

fn target(row: &AnyRow, keys: &mut KeysOf) -> Result<Target, sqlx::Error> {
    let id = TargetId::from(row::text(row, "id")?);
    Ok(Target {
        signing_keys: keys.remove(&id).unwrap_or_default(),
        id,
        name: row::text(row, "name")?.into(),
        instance: row::optional_text(row, "instance_id")?.map(Into::into),
        kind: row::word(row, "kind")?,
        endpoint: row::parsed(row, "endpoint")?,
        timeout: Duration::from_micros(row::number(row, "timeout")?.try_into().unwrap_or_default()),
        interrupt_on_error: row::flag(row, "interrupt_on_error")?,
        ordering: row::word(row, "ordering")?,
        max_in_flight: row::count(row, "max_in_flight")?,
        limits: limits(row)?,
        start: row::parsed(row, "start")?,
        start_position: row::parsed(row, "start_position")?,
        headers: row::json::<BTreeMap<String, String>>(row, "headers")?,
        exclude: row::json(row, "excluded")?,
        payload: row::word(row, "payload")?,
        payload_encoding: row::word(row, "payload_encoding")?,
        payload_type: row::word(row, "payload_type")?,
        wrapping: Wrapping::default(),
        paused: row::flag(row, "paused")?,
        source: row::word(row, "source")?,
    })
}

fn limits(row: &AnyRow) -> Result<Limits, sqlx::Error> {
    let number =
        |column| Ok::<_, sqlx::Error>(row::optional_number(row, column)?.and_then(|number| number.try_into().ok()));
    Ok(Limits {
        rate: row::optional_parsed(row, "rate_limit")?,
        burst: row::optional_number(row, "rate_burst")?.and_then(|burst| u32::try_from(burst).ok()?.try_into().ok()),
        max_request: number("max_request")?,
        max_answer: number("max_answer")?,
    })
}

fn execution(row: &AnyRow, entries: &mut HashMap<i64, Vec<ExecutionTarget>>) -> Result<Execution, sqlx::Error> {
    Ok(Execution {
        condition: row::parsed(row, "condition")?,
        instance: row::optional_text(row, "instance_id")?.map(Into::into),
        targets: entries.remove(&row::number(row, "id")?).unwrap_or_default(),
        exclude: row::json(row, "excluded")?,
        source: row::word(row, "source")?,
    })
}

fn entry(row: &AnyRow) -> Result<ExecutionTarget, sqlx::Error> {
    Ok(match row::optional_text(row, "name")? {
        Some(name) => ExecutionTarget::Target(TargetName::from(name)),
        None => ExecutionTarget::Include(row::parsed(row, "include")?),
    })
}
