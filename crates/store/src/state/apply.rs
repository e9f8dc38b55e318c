//! Changes of the definitions: all of a change or nothing, and nothing at all when nothing differs.
//!
//! An execution's row names its targets by id, so that renaming a target keeps its executions and its cursors.

use std::collections::{BTreeSet, HashMap};

use domain::{
    Condition, Definitions, Execution, ExecutionTarget, InstanceId, Target, TargetId, TargetName, Timestamp,
    TypePattern,
};
use serde::Serialize;

use super::{
    State,
    audit::{self, Record},
    cursors,
    database::Work,
    definitions, denials, public_keys, row,
    seal::MasterKeys,
};
use crate::StoreError;

const PUT_TARGET: &str = "INSERT INTO targets (id, name, kind, endpoint, timeout, interrupt_on_error, ordering,
     max_in_flight, start, start_position, headers, excluded, payload, payload_encoding, paused, source, rate_limit,
     rate_burst, max_request, max_answer, instance_id, payload_type, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, {now}, {now})
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind, endpoint = excluded.endpoint,
     timeout = excluded.timeout, interrupt_on_error = excluded.interrupt_on_error, ordering = excluded.ordering,
     max_in_flight = excluded.max_in_flight, start = excluded.start, headers = excluded.headers,
     excluded = excluded.excluded, payload = excluded.payload, payload_encoding = excluded.payload_encoding,
     source = excluded.source, rate_limit = excluded.rate_limit, rate_burst = excluded.rate_burst,
     max_request = excluded.max_request, max_answer = excluded.max_answer, payload_type = excluded.payload_type, updated_at = excluded.updated_at
     WHERE targets.removed_at IS NULL";
const REMOVE_TARGET: &str = "UPDATE targets SET removed_at = {now} WHERE id = $1 AND removed_at IS NULL";
const REMOVE_KEYS: &str = "DELETE FROM signing_keys WHERE target_id = $1";
const PUT_KEY: &str =
    "INSERT INTO signing_keys (target_id, ordinal, signing_key, sealed_with, expires_at) VALUES ($1, $2, $3, $4, $5)";
const REMOVE_EXPIRED_KEYS: &str = "DELETE FROM signing_keys WHERE target_id = $1 AND expires_at <= {now}";
const REMOVE_EXECUTION_OF_INSTANCE: &str =
    "DELETE FROM executions WHERE condition = $1 AND instance_id = $2 RETURNING created_at";
const REMOVE_EXECUTION_OF_ALL: &str =
    "DELETE FROM executions WHERE condition = $1 AND instance_id IS NULL RETURNING created_at";
const PUT_EXECUTION: &str = "INSERT INTO executions (condition, instance_id, excluded, source, created_at, set_at)
     VALUES ($1, $2, $3, $4, coalesce($5, {now}), {now}) RETURNING id";
const PUT_EXECUTION_TARGET: &str =
    "INSERT INTO execution_targets (execution_id, ordinal, target_id, include) VALUES ($1, $2, $3, $4)";

/// What shall be different.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DefinitionsChange {
    /// Created, or overwritten by id except for `start_position`, `paused`, `instance` and `wrapping`.
    pub targets: Vec<Target>,
    /// Created, or overwritten by condition and instance.
    pub executions: Vec<Execution>,
    /// Removed; their cursors and failed events stay and can be listed.
    pub remove_targets: Vec<TargetId>,
    /// Removed.
    pub remove_executions: Vec<(Condition, Option<InstanceId>)>,
    /// The revision that the change was made from: refused if there is another one by now. `None`: whatever is there.
    pub made_from: Option<i64>,
}

impl DefinitionsChange {
    /// What is defined once the change is made.
    #[must_use]
    pub fn outcome(&self, before: &Definitions) -> Definitions {
        changed(before, self)
    }
}

/// An entry of an execution as its row has it: (target, include).
type Entry = (Option<TargetId>, Option<String>);

impl State {
    /// Makes the change in one transaction, if the result is valid, and returns the revision.
    pub async fn apply(&self, change: &DefinitionsChange, actor: &str) -> Result<i64, StoreError> {
        let mut work = self.database.write("apply definitions").await?;
        let ids: BTreeSet<&TargetId> = change.targets.iter().map(|target| &target.id).collect();
        let cursors = cursors::lock_of_targets(&mut work, &ids).await?;
        work.run(work.sql(definitions::LOCK_REVISION)).await?;
        // A signing key that does not open stays as it is, unless the change brings others for its target.
        let before = definitions::load(&mut work, &self.masters).await?.definitions;
        if change.made_from.is_some_and(|revision| revision != before.revision) {
            return Err(StoreError::Overtaken);
        }
        let after = changed(&before, change);
        after.validate()?;

        let mut differs = write_targets(&mut work, &self.masters, &before, &after, actor).await?;
        differs |= write_executions(&mut work, &before, &after, actor).await?;
        if !differs {
            work.rollback().await?;
            return Ok(before.revision);
        }
        for cursor in cursors.iter().filter(|cursor| reordered(&before, &after, &cursor.target_id)) {
            cursors::forget_head_failures(&mut work, cursor).await?;
            cursors::raise_epoch(&mut work, cursor.id).await?;
        }
        for target in &after.targets {
            match (find(&before, &target.id).is_some_and(|old| old.interrupt_on_error), target.interrupt_on_error) {
                (false, true) => denials::begin(&mut work, &target.id).await?,
                (true, false) => denials::end(&mut work, &target.id).await?,
                (true, true) | (false, false) => {}
            }
        }
        let revision = audit::raise_revision(&mut work).await?;
        work.commit().await?;
        Ok(revision)
    }
}

/// Whether a target now calls in another order: what failed ahead of its cursor is then begun anew, since only under the
/// order in which it failed is it known what lies before it.
fn reordered(before: &Definitions, after: &Definitions, id: &TargetId) -> bool {
    let ordering = |definitions: &Definitions| find(definitions, id).map(|target| target.ordering);
    ordering(before).zip(ordering(after)).is_some_and(|(before, after)| before != after)
}

fn find<'a>(definitions: &'a Definitions, id: &TargetId) -> Option<&'a Target> {
    definitions.targets.iter().find(|target| target.id == *id)
}

fn changed(before: &Definitions, change: &DefinitionsChange) -> Definitions {
    let mut after = before.clone();
    after.revision += 1;
    let mut renamed: HashMap<TargetName, TargetName> = HashMap::new();
    after.targets.retain(|target| !change.remove_targets.contains(&target.id));
    for target in &change.targets {
        let mut target = target.clone();
        match after.targets.iter_mut().find(|old| old.id == target.id) {
            Some(old) => {
                renamed.insert(old.name.clone(), target.name.clone());
                (target.start_position, target.paused) = (old.start_position, old.paused);
                target.instance.clone_from(&old.instance);
                target.wrapping.clone_from(&old.wrapping);
                *old = target;
            }
            None => after.targets.push(target),
        }
    }
    after.executions.retain(|execution| {
        let removed = |(condition, instance): &(Condition, Option<InstanceId>)| {
            *condition == execution.condition && *instance == execution.instance
        };
        !change.remove_executions.iter().any(removed)
    });
    for entry in after.executions.iter_mut().flat_map(|execution| &mut execution.targets) {
        if let ExecutionTarget::Target(name) = entry
            && let Some(new) = renamed.get(name)
        {
            *name = new.clone();
        }
    }
    for execution in &change.executions {
        match after.executions.iter_mut().find(|old| same(old, execution)) {
            Some(old) => *old = execution.clone(),
            None => after.executions.push(execution.clone()),
        }
    }
    after
}

fn same(one: &Execution, other: &Execution) -> bool {
    one.condition == other.condition && one.instance == other.instance
}

async fn write_targets(
    work: &mut Work,
    masters: &MasterKeys,
    before: &Definitions,
    after: &Definitions,
    actor: &str,
) -> Result<bool, StoreError> {
    let mut differs = false;
    for target in &before.targets {
        if find(after, &target.id).is_none() {
            differs = true;
            record_target(work, "target.delete", Some(target), None, actor).await?;
            work.run(work.sql(REMOVE_TARGET).bind(target.id.to_string())).await?;
            work.run(work.sql(REMOVE_KEYS).bind(target.id.to_string())).await?;
            work.run(public_keys::remove_all(work, &target.id)).await?;
        }
    }
    for target in &after.targets {
        let old = find(before, &target.id);
        if old != Some(target) {
            differs = true;
            put_target(work, masters, target).await?;
            let act = match old {
                None => "target.create",
                Some(old) if only_keys_differ(old, target) => "target.rotate_key",
                Some(_) => "target.update",
            };
            record_target(work, act, old, Some(target), actor).await?;
        }
    }
    Ok(differs)
}

fn only_keys_differ(old: &Target, new: &Target) -> bool {
    *new == Target { signing_keys: new.signing_keys.clone(), ..old.clone() }
}

async fn put_target(work: &mut Work, masters: &MasterKeys, target: &Target) -> Result<(), StoreError> {
    let statement = work
        .sql(PUT_TARGET)
        .bind(target.id.to_string())
        .bind(row::clean(target.name.as_str()))
        .bind(word(&target.kind))
        .bind(target.endpoint.as_str().to_owned())
        .bind(i64::try_from(target.timeout.as_micros()).unwrap_or(i64::MAX))
        .bind(i64::from(target.interrupt_on_error))
        .bind(word(&target.ordering))
        .bind(i64::from(target.max_in_flight))
        .bind(target.start.to_string())
        .bind(target.start_position.to_string())
        .bind(row::to_json(&target.headers))
        .bind(row::to_json(&target.exclude))
        .bind(word(&target.payload))
        .bind(word(&target.payload_encoding))
        .bind(i64::from(target.paused))
        .bind(word(&target.source))
        .bind(target.limits.rate.map(|rate| rate.to_string()))
        .bind(target.limits.burst.map(|burst| i64::from(burst.get())))
        .bind(target.limits.max_request.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
        .bind(target.limits.max_answer.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
        .bind(target.instance.as_ref().map(ToString::to_string))
        .bind(word(&target.payload_type));
    if work.run(statement).await? != 1 {
        return Err(StoreError::TargetRemoved { target: target.id.clone() });
    }
    work.run(work.sql(REMOVE_KEYS).bind(target.id.to_string())).await?;
    for (ordinal, key) in (0_i64..).zip(&target.signing_keys) {
        let sealed = masters.seal(&target.id, key);
        let statement = work
            .sql(PUT_KEY)
            .bind(target.id.to_string())
            .bind(ordinal)
            .bind(sealed.text)
            .bind(sealed.with.map(|id| id.to_string()))
            .bind(key.expires_at().map(Timestamp::as_microsecond));
        work.run(statement).await?;
    }
    work.run(work.sql(REMOVE_EXPIRED_KEYS).bind(target.id.to_string())).await.map(drop)
}

async fn record_target(
    work: &mut Work,
    act: &'static str,
    before: Option<&Target>,
    after: Option<&Target>,
    actor: &str,
) -> Result<(), StoreError> {
    let describe = |target: &Target| format!("{} {}", target.name, target.endpoint);
    let entry = Record {
        actor,
        act,
        target: before.or(after).map(|target| &target.id),
        instance: None,
        from: before.map(describe),
        to: after.map(describe),
        reason: None,
    };
    audit::record(work, entry).await
}

async fn write_executions(
    work: &mut Work,
    before: &Definitions,
    after: &Definitions,
    actor: &str,
) -> Result<bool, StoreError> {
    let mut differs = false;
    for execution in &before.executions {
        if !after.executions.iter().any(|new| same(new, execution)) {
            differs = true;
            remove_execution(work, execution).await?;
            record_execution(work, "execution.delete", Some(execution), None, actor).await?;
        }
    }
    for execution in &after.executions {
        let old = before.executions.iter().find(|old| same(old, execution));
        let entries = entries(after, execution);
        let unchanged = old.is_some_and(|old| {
            old.exclude == execution.exclude && old.source == execution.source && self::entries(before, old) == entries
        });
        if !unchanged {
            differs = true;
            let created_at = remove_execution(work, execution).await?;
            put_execution(work, execution, entries, created_at).await?;
            record_execution(work, "execution.set", old, Some(execution), actor).await?;
        }
    }
    Ok(differs)
}

fn entries(definitions: &Definitions, execution: &Execution) -> Vec<Entry> {
    let resolve = |entry: &ExecutionTarget| match entry {
        ExecutionTarget::Target(name) => {
            let target = definitions.targets.iter().find(|target| target.name == *name);
            (Some(target.map_or_else(|| "".into(), |target| target.id.clone())), None)
        }
        ExecutionTarget::Include(condition) => (None, Some(condition.to_string())),
    };
    execution.targets.iter().map(resolve).collect()
}

/// Returns when it had been created, where that is known.
async fn remove_execution(work: &mut Work, execution: &Execution) -> Result<Option<i64>, StoreError> {
    let condition = execution.condition.to_string();
    let statement = match &execution.instance {
        Some(instance) => work.sql(REMOVE_EXECUTION_OF_INSTANCE).bind(condition).bind(instance.to_string()),
        None => work.sql(REMOVE_EXECUTION_OF_ALL).bind(condition),
    };
    let row = work.row(statement).await?;
    work.decoded(row.map(|row| row::optional_number(&row, "created_at")).transpose()).map(Option::flatten)
}

async fn put_execution(
    work: &mut Work,
    execution: &Execution,
    entries: Vec<Entry>,
    created_at: Option<i64>,
) -> Result<(), StoreError> {
    let statement = work
        .sql(PUT_EXECUTION)
        .bind(execution.condition.to_string())
        .bind(execution.instance.as_ref().map(ToString::to_string))
        .bind(row::to_json::<Vec<TypePattern>>(&execution.exclude))
        .bind(word(&execution.source))
        .bind(created_at);
    let row = work.row(statement).await?.ok_or_else(|| work.invalid("an execution was not written"))?;
    let id = work.decoded(row::number(&row, "id"))?;
    for (ordinal, (target, include)) in (0_i64..).zip(entries) {
        let statement = work
            .sql(PUT_EXECUTION_TARGET)
            .bind(id)
            .bind(ordinal)
            .bind(target.map(|target| target.to_string()))
            .bind(include);
        work.run(statement).await?;
    }
    Ok(())
}

async fn record_execution(
    work: &mut Work,
    act: &'static str,
    before: Option<&Execution>,
    after: Option<&Execution>,
    actor: &str,
) -> Result<(), StoreError> {
    let describe = |execution: &Execution| {
        let names = execution.targets.iter().map(|entry| match entry {
            ExecutionTarget::Target(name) => name.to_string(),
            ExecutionTarget::Include(condition) => format!("include {condition}"),
        });
        names.collect::<Vec<_>>().join(", ")
    };
    let execution = before.or(after);
    let condition = execution.map(|execution| execution.condition.to_string());
    let entry = Record {
        actor,
        act,
        target: None,
        instance: execution.and_then(|execution| execution.instance.as_ref()),
        from: before.map(describe),
        to: after.map(describe),
        reason: condition.as_deref(),
    };
    audit::record(work, entry).await
}

/// A word in JSON's spelling, without its quotes.
fn word(value: &impl Serialize) -> String {
    row::to_json(value).trim_matches('"').to_owned()
}
