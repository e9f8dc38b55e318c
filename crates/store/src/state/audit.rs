//! Who did what: one row for every operator's act.

use domain::{InstanceId, TargetId, TargetName, Timestamp};

use super::{State, database::Work, row};
use crate::StoreError;

const RECORD: &str = "INSERT INTO audit (at, actor, act, target_id, target, instance_id, was, became, reason)
     VALUES ({now}, $1, $2, $3, (SELECT name FROM targets WHERE id = $4), $5, $6, $7, $8)";
const MATCHING: &str = "SELECT at, actor, act, target_id, target, instance_id, was, became, reason FROM audit
     WHERE (CAST($1 AS TEXT) IS NULL OR target = $1 OR target_id = $1 OR target_id = $2)
     AND (CAST($3 AS TEXT) IS NULL OR act = $3) AND (CAST($4 AS TEXT) IS NULL OR substr(act, 1, length($4)) = $4)
     AND (CAST($5 AS BIGINT) IS NULL OR at >= $5) AND (CAST($6 AS TEXT) IS NULL OR (target_id IS NULL AND audit.instance_id = $6)
     OR target_id IN (SELECT id FROM targets WHERE targets.instance_id = $6)) ORDER BY id DESC LIMIT $7";
const RAISE: &str = "UPDATE revision SET revision = revision + 1 WHERE id = 1 RETURNING revision";

/// One act.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// When, by the database's clock.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What: `pause`, `resume`, `seek`, `skip`, `halt`, `unhalt`, `retry`, `discard`, `resend`,
    /// `forget_horizon`, and for definitions
    /// `target.create`, `target.update`, `target.rotate_key`, `target.delete`, `execution.set`, `execution.delete`;
    /// `target.add_public_key`, `target.activate_public_key`, `target.deactivate_public_key`, `target.remove_public_key`; and
    /// `key.rotate_master`, `key.create_web`, `key.rotate_web`, `token.create`, `token.revoke`.
    pub act: String,
    /// On which target.
    pub target_id: Option<TargetId>,
    /// Its name at that time.
    pub target: Option<TargetName>,
    /// On which instance.
    pub instance: Option<InstanceId>,
    /// What it was before.
    pub from: Option<String>,
    /// What it is since.
    pub to: Option<String>,
    /// What the operator said, or a detail.
    pub reason: Option<String>,
}

/// Which acts; what is `None` does not narrow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    /// On targets that were called so at the time, or have this id.
    pub target: Option<String>,
    /// Or that have this id, by whatever name.
    pub target_id: Option<TargetId>,
    /// What was done: a word such as `seek`, or a group such as `target.*`.
    pub act: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// About this instance and no target, or about a target that belongs to it.
    pub instance: Option<InstanceId>,
}

/// What is recorded of an act; the time and the target's name are added by the database.
pub(super) struct Record<'a> {
    pub(super) actor: &'a str,
    pub(super) act: &'a str,
    pub(super) target: Option<&'a TargetId>,
    pub(super) instance: Option<&'a InstanceId>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) reason: Option<&'a str>,
}

pub(super) async fn record(work: &mut Work, act: Record<'_>) -> Result<(), StoreError> {
    let target = act.target.map(ToString::to_string);
    let statement = work
        .sql(RECORD)
        .bind(row::clean(act.actor))
        .bind(act.act)
        .bind(target.clone())
        .bind(target)
        .bind(act.instance.map(ToString::to_string))
        .bind(act.from.as_deref().map(row::clean))
        .bind(act.to.as_deref().map(row::clean))
        .bind(act.reason.map(row::clean));
    work.run(statement).await.map(drop)
}

/// Raises the revision: late in a transaction, since everybody who changes something waits for this row.
pub(super) async fn raise_revision(work: &mut Work) -> Result<i64, StoreError> {
    let row = work.row(work.sql(RAISE)).await?.ok_or_else(|| work.invalid("the row of the revision is gone"))?;
    work.decoded(row::number(&row, "revision"))
}

impl State {
    /// The latest acts, the last one first.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.acts(&AuditFilter::default(), limit).await
    }

    /// The latest acts that match, the last one first.
    pub async fn acts(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let mut work = self.database.read("read the audit").await?;
        let (act, group) = match filter.act.as_deref() {
            Some(act) => match act.strip_suffix('*').filter(|group| group.ends_with('.')) {
                Some(group) => (None, Some(group.to_owned())),
                None => (Some(act.to_owned()), None),
            },
            None => (None, None),
        };
        let statement = work
            .sql(MATCHING)
            .bind(filter.target.clone())
            .bind(filter.target_id.as_ref().map(ToString::to_string))
            .bind(act)
            .bind(group)
            .bind(filter.since.map(Timestamp::as_microsecond))
            .bind(filter.instance.as_ref().map(ToString::to_string))
            .bind(i64::from(limit));
        let rows = work.rows(statement).await?;
        work.decoded(rows.iter().map(entry).collect())
    }
}

fn entry(row: &sqlx::any::AnyRow) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        at: row::time(row, "at")?,
        actor: row::text(row, "actor")?,
        act: row::text(row, "act")?,
        target_id: row::optional_text(row, "target_id")?.map(Into::into),
        target: row::optional_text(row, "target")?.map(Into::into),
        instance: row::optional_text(row, "instance_id")?.map(Into::into),
        from: row::optional_text(row, "was")?,
        to: row::optional_text(row, "became")?,
        reason: row::optional_text(row, "reason")?,
    })
}
