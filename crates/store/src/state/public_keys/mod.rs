//! The public keys of targets, which bodies are encrypted for: taken in, activated, listed.
//!
//! One key of a target is active at a time, which the database sees to, too. A key that has expired stays active until another
//! is, so that what is said of the target tells of it. Every act raises the revision: a daemon has the key a moment later.

mod read;

use domain::{EncryptionKey, PublicKey, PublicKeyId, TargetId, Timestamp};
use sqlx::any::AnyRow;

pub use read::PublicKeyError;
pub(super) use read::{Key, read};

use super::{
    By, State,
    audit::{self, Record},
    database::{Statement, Work},
    definitions, operate, row,
};
use crate::StoreError;

/// Ids are numbers of as many digits as ZITADEL's.
const IDS: std::ops::Range<u64> = 100_000_000_000_000_000..1_000_000_000_000_000_000;

const COLUMNS: &str = "id, pem, fingerprint, active, expires_at, created_at, changed_at";
const TARGET: &str = "SELECT id FROM targets WHERE id = $1 AND removed_at IS NULL";
const ADD: &str =
    "INSERT INTO public_keys (id, target_id, pem, fingerprint, active, expires_at, created_at, changed_at)
     VALUES ($1, $2, $3, $4, 0, $5, $6, $6)";
const DEACTIVATE: &str =
    "UPDATE public_keys SET active = 0, changed_at = {now} WHERE target_id = $1 AND active = 1 RETURNING id";
const ACTIVATE: &str = "UPDATE public_keys SET active = 1, changed_at = {now} WHERE id = $1";
const REMOVE: &str = "DELETE FROM public_keys WHERE id = $1";
const REMOVE_ALL: &str = "DELETE FROM public_keys WHERE target_id = $1";
const ACTIVE: &str = "SELECT target_id, id, pem, expires_at FROM public_keys WHERE active = 1";

/// A public key that shall be a target's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPublicKey {
    /// `BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`: RSA of 2048 bits at least, or on P-256, P-384 or P-521.
    pub pem: String,
    /// From when on nothing is encrypted for it.
    pub expires_at: Option<Timestamp>,
    /// Whether bodies are encrypted for it from now on, instead of for the one before.
    pub active: bool,
}

/// A number that no other key has, as text.
pub(super) fn new_id() -> String {
    rand::random_range(IDS).to_string()
}

impl State {
    /// Gives a target one more public key. A text that is no key that is taken is [`StoreError::PublicKey`].
    pub async fn add_public_key(
        &self,
        target: &TargetId,
        new: &NewPublicKey,
        by: impl Into<By<'_>>,
    ) -> Result<PublicKey, StoreError> {
        let (key, by) = (read(&new.pem)?, by.into());
        let mut work = self.begin(target, "add a public key").await?;
        let now = work.now().await?;
        if new.expires_at.is_some_and(|end| end <= now) {
            work.rollback().await?;
            return Err(PublicKeyError::Expired.into());
        }
        let id = PublicKeyId::from(new_id());
        let fingerprint = key.fingerprint();
        let statement = work
            .sql(ADD)
            .bind(id.to_string())
            .bind(target.to_string())
            .bind(key.pem())
            .bind(fingerprint.clone())
            .bind(new.expires_at.map(Timestamp::as_microsecond))
            .bind(now.as_microsecond());
        work.run(statement).await?;
        let told = format!("{id} {} {fingerprint}", key.kind);
        record(&mut work, by, "target.add_public_key", target, (None, Some(told))).await?;
        if new.active {
            activate(&mut work, target, &id, by).await?;
        }
        let added = existing(&mut work, target, &id).await?;
        operate::finish(work, by, true).await?;
        Ok(added)
    }

    /// Encrypts for this key from now on, and no more for the one before. Nothing happens where it is active already; a key that
    /// has expired is refused.
    pub async fn activate_public_key(
        &self,
        target: &TargetId,
        id: &PublicKeyId,
        by: impl Into<By<'_>>,
    ) -> Result<PublicKey, StoreError> {
        let by = by.into();
        let mut work = self.begin(target, "activate a public key").await?;
        let key = existing(&mut work, target, id).await?;
        if key.active {
            work.rollback().await?;
            return Ok(key);
        }
        if let Some(at) = key.expires_at
            && at <= work.now().await?
        {
            work.rollback().await?;
            return Err(StoreError::PublicKeyExpired { id: id.clone(), at });
        }
        activate(&mut work, target, id, by).await?;
        let key = existing(&mut work, target, id).await?;
        operate::finish(work, by, true).await?;
        Ok(key)
    }

    /// Encrypts for this key no more. Nothing happens where it is not active.
    pub async fn deactivate_public_key(
        &self,
        target: &TargetId,
        id: &PublicKeyId,
        by: impl Into<By<'_>>,
    ) -> Result<PublicKey, StoreError> {
        let by = by.into();
        let mut work = self.begin(target, "deactivate a public key").await?;
        let key = existing(&mut work, target, id).await?;
        if !key.active {
            work.rollback().await?;
            return Ok(key);
        }
        work.row(work.sql(DEACTIVATE).bind(target.to_string())).await?;
        record(&mut work, by, "target.deactivate_public_key", target, (Some(id.to_string()), None)).await?;
        let key = existing(&mut work, target, id).await?;
        operate::finish(work, by, true).await?;
        Ok(key)
    }

    /// Forgets a key that is not active. `false`: the target has no such key.
    pub async fn remove_public_key(
        &self,
        target: &TargetId,
        id: &PublicKeyId,
        by: impl Into<By<'_>>,
    ) -> Result<bool, StoreError> {
        let by = by.into();
        let mut work = self.begin(target, "remove a public key").await?;
        let Some(key) = find(&mut work, target, id).await? else {
            work.rollback().await?;
            return Ok(false);
        };
        if key.active {
            work.rollback().await?;
            return Err(StoreError::PublicKeyActive { id: id.clone() });
        }
        work.run(work.sql(REMOVE).bind(id.to_string())).await?;
        let told = format!("{id} {} {}", key.kind, key.fingerprint);
        record(&mut work, by, "target.remove_public_key", target, (Some(told), None)).await?;
        operate::finish(work, by, true).await?;
        Ok(true)
    }

    /// The public keys of a target, the oldest first; none of a target that is not there.
    pub async fn public_keys(&self, target: &TargetId) -> Result<Vec<PublicKey>, StoreError> {
        let mut work = self.database.read("list public keys").await?;
        let sql = format!("SELECT {COLUMNS} FROM public_keys WHERE target_id = $1 ORDER BY created_at, id");
        let rows = work.rows(work.sql(&sql).bind(target.to_string())).await?;
        work.decoded(rows.iter().map(public_key).collect())
    }

    /// An act on a target that is there: nobody else changes definitions meanwhile.
    async fn begin(&self, target: &TargetId, operation: &'static str) -> Result<Work, StoreError> {
        let mut work = self.database.write(operation).await?;
        work.run(work.sql(definitions::LOCK_REVISION)).await?;
        if work.row(work.sql(TARGET).bind(target.to_string())).await?.is_none() {
            work.rollback().await?;
            return Err(StoreError::NoTarget { target: target.clone() });
        }
        Ok(work)
    }
}

/// With the one before it, if there is one, as what it was.
async fn activate(work: &mut Work, target: &TargetId, id: &PublicKeyId, by: By<'_>) -> Result<(), StoreError> {
    let before = work.row(work.sql(DEACTIVATE).bind(target.to_string())).await?;
    let before = work.decoded(before.map(|row| row::text(&row, "id")).transpose())?;
    work.run(work.sql(ACTIVATE).bind(id.to_string())).await?;
    record(work, by, "target.activate_public_key", target, (before, Some(id.to_string()))).await
}

async fn record(
    work: &mut Work,
    by: By<'_>,
    act: &'static str,
    target: &TargetId,
    (from, to): (Option<String>, Option<String>),
) -> Result<(), StoreError> {
    audit::record(work, Record { target: Some(target), ..by.record(act, from, to) }).await
}

async fn existing(work: &mut Work, target: &TargetId, id: &PublicKeyId) -> Result<PublicKey, StoreError> {
    let found = find(work, target, id).await?;
    found.ok_or_else(|| StoreError::NoPublicKey { id: id.clone() })
}

async fn find(work: &mut Work, target: &TargetId, id: &PublicKeyId) -> Result<Option<PublicKey>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM public_keys WHERE target_id = $1 AND id = $2");
    let row = work.row(work.sql(&sql).bind(target.to_string()).bind(id.to_string())).await?;
    work.decoded(row.as_ref().map(public_key).transpose())
}

/// The target is removed: what its bodies were encrypted for is of no use any more.
pub(super) fn remove_all(work: &Work, target: &TargetId) -> Statement {
    work.sql(REMOVE_ALL).bind(target.to_string())
}

/// The active key of every target that has one.
pub(super) async fn active(work: &mut Work) -> Result<Vec<(TargetId, EncryptionKey)>, StoreError> {
    let rows = work.rows(work.sql(ACTIVE)).await?;
    work.decoded(rows.iter().map(encryption_key).collect())
}

fn encryption_key(row: &AnyRow) -> Result<(TargetId, EncryptionKey), sqlx::Error> {
    let key = key(row)?;
    let key = EncryptionKey {
        id: row::text(row, "id")?.into(),
        kind: key.kind,
        der: key.der.into(),
        expires_at: row::optional_time(row, "expires_at")?,
    };
    Ok((row::text(row, "target_id")?.into(), key))
}

fn public_key(row: &AnyRow) -> Result<PublicKey, sqlx::Error> {
    Ok(PublicKey {
        id: row::text(row, "id")?.into(),
        kind: key(row)?.kind,
        pem: row::text(row, "pem")?,
        fingerprint: row::text(row, "fingerprint")?,
        active: row::flag(row, "active")?,
        expires_at: row::optional_time(row, "expires_at")?,
        created_at: row::time(row, "created_at")?,
        changed_at: row::time(row, "changed_at")?,
    })
}

fn key(row: &AnyRow) -> Result<Key, sqlx::Error> {
    read(&row::text(row, "pem")?).map_err(|error| row::wrong("pem", error))
}
