//! The rows of signing keys and web keys: how many stand as they are, and all of them under another master key.

use domain::{TargetId, Timestamp, WebKeyId};
use sqlx::any::AnyRow;

use super::{
    State,
    audit::{self, Record},
    database::Work,
    definitions, row,
    seal::{MasterKeyId, Sealed},
};
use crate::StoreError;

const COUNT_PLAIN: &str = "SELECT (SELECT count(*) FROM signing_keys WHERE sealed_with IS NULL)
     + (SELECT count(*) FROM web_keys WHERE sealed_with IS NULL) AS keys";
const KEYS: &str = "SELECT target_id, ordinal, signing_key, sealed_with FROM signing_keys ORDER BY target_id, ordinal";
const RESEAL: &str = "UPDATE signing_keys SET signing_key = $1, sealed_with = $2 WHERE target_id = $3 AND ordinal = $4";
const WEB_KEYS: &str = "SELECT id, private_key, sealed_with FROM web_keys ORDER BY id";
const RESEAL_WEB_KEY: &str = "UPDATE web_keys SET private_key = $1, sealed_with = $2 WHERE id = $3";

/// What encrypting every key anew came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterRotation {
    /// What all keys are encrypted with now.
    pub master: MasterKeyId,
    /// Keys that stood as they were before.
    pub plain: u64,
    /// Keys that were encrypted with the previous master key.
    pub previous: u64,
    /// Keys that were encrypted with this one already, and were left alone.
    pub unchanged: u64,
}

impl MasterRotation {
    /// Counts one more key, and says whether it has another master key or none.
    fn counts(&mut self, sealed: &Sealed) -> bool {
        match &sealed.with {
            Some(id) if *id == self.master => self.unchanged += 1,
            Some(_) => self.previous += 1,
            None => self.plain += 1,
        }
        sealed.with.as_ref() != Some(&self.master)
    }
}

impl State {
    /// The time by the database's clock.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        self.database.read("ask the state for the time").await?.now().await
    }

    /// How many signing keys and web keys are not encrypted although there is a master key.
    pub async fn plain_keys(&self) -> Result<u64, StoreError> {
        if self.masters.current.is_none() {
            return Ok(0);
        }
        let mut work = self.database.read("count the signing keys").await?;
        let row = work.row(work.sql(COUNT_PLAIN)).await?.ok_or_else(|| work.invalid("there is no count"))?;
        work.decoded(row::number(&row, "keys")).map(i64::unsigned_abs)
    }

    /// Encrypts every signing key and web key with the current master key, in one transaction: those that stand as they are and
    /// those of the previous master key. One that does not open is an error, and nothing is changed. With `dry_run` neither.
    pub async fn rotate_master(&self, dry_run: bool, actor: &str) -> Result<MasterRotation, StoreError> {
        let Some(master) = &self.masters.current else { return Err(StoreError::NoMasterKey) };
        let mut work = self.database.write("encrypt the signing keys").await?;
        work.run(work.sql(definitions::LOCK_REVISION)).await?;
        // The names, for what is said about a key that does not open.
        definitions::load(&mut work, &self.masters).await?.all_open()?;
        let mut done = MasterRotation { master: master.id().clone(), plain: 0, previous: 0, unchanged: 0 };
        for row in work.rows(work.sql(KEYS)).await? {
            let (target, ordinal, sealed) = work.decoded(stored(&row))?;
            if done.counts(&sealed) {
                let opened = self.masters.open(&target, &sealed);
                let opened =
                    opened.map_err(|reason| StoreError::KeyClosed { target: target.as_str().into(), reason })?;
                reseal(&mut work, &target, ordinal, self.masters.seal(&target, &opened)).await?;
            }
        }
        for row in work.rows(work.sql(WEB_KEYS)).await? {
            let (id, sealed) = work.decoded(stored_web_key(&row))?;
            if done.counts(&sealed) {
                let opened = self.masters.open_web_key(&id, &sealed);
                let opened = opened.map_err(|reason| StoreError::WebKeyClosed { id: id.clone(), reason })?;
                reseal_web_key(&mut work, &id, self.masters.seal_web_key(&id, &opened)).await?;
            }
        }
        let changed = done.plain + done.previous;
        if dry_run || changed == 0 {
            work.rollback().await?;
            return Ok(done);
        }
        let from = format!("{} as they were, {} under the previous master key", done.plain, done.previous);
        let entry = Record {
            actor,
            act: "key.rotate_master",
            target: None,
            instance: None,
            from: Some(from),
            to: Some(format!("{changed} under the master key {}", done.master)),
            reason: None,
        };
        audit::record(&mut work, entry).await?;
        // A running daemon that does not have this master key should say so now, and not at the next change.
        audit::raise_revision(&mut work).await?;
        work.commit().await?;
        Ok(done)
    }
}

async fn reseal(work: &mut Work, target: &TargetId, ordinal: i64, sealed: Sealed) -> Result<(), StoreError> {
    let statement = work
        .sql(RESEAL)
        .bind(sealed.text)
        .bind(sealed.with.map(|id| id.to_string()))
        .bind(target.to_string())
        .bind(ordinal);
    work.run(statement).await.map(drop)
}

async fn reseal_web_key(work: &mut Work, id: &WebKeyId, sealed: Sealed) -> Result<(), StoreError> {
    let with = sealed.with.map(|id| id.to_string());
    work.run(work.sql(RESEAL_WEB_KEY).bind(sealed.text).bind(with).bind(id.to_string())).await.map(drop)
}

fn stored(row: &AnyRow) -> Result<(TargetId, i64, Sealed), sqlx::Error> {
    Ok((row::text(row, "target_id")?.into(), row::number(row, "ordinal")?, sealed(row, "signing_key")?))
}

fn stored_web_key(row: &AnyRow) -> Result<(WebKeyId, Sealed), sqlx::Error> {
    Ok((row::text(row, "id")?.into(), sealed(row, "private_key")?))
}

/// A key from this column of its row.
pub(super) fn sealed(row: &AnyRow, column: &str) -> Result<Sealed, sqlx::Error> {
    Ok(Sealed { text: row::text(row, column)?, with: row::optional_text(row, "sealed_with")?.map(MasterKeyId::from) })
}
