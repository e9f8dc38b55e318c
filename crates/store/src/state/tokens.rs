//! Who may manage postrider over HTTP: bearer tokens, of which only a hash is stored.
//!
//! A token is `pr_ID_SECRET`: the id finds the row, and the secret (256 random bits, so that a plain SHA-256 of it is as good as
//! unguessable) is compared with the row's hash in constant time. A revoked or expired token stays listed for as long as the
//! audit is kept.
//!
//! Invariants: the secret leaves this module once, when the token is made; it is never stored, printed or put into an error.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{InstanceId, Role, Timestamp};
use rand::distr::{Alphanumeric, SampleString as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{By, State, audit, row};
use crate::StoreError;

const PREFIX: &str = "pr_";
const ID_LENGTH: usize = 12;
const SECRET_BYTES: usize = 32;
/// When a token was used is written down no more often than this, in microseconds.
const USED_EVERY: i64 = 60_000_000;

const COLUMNS: &str = "id, name, role, instance_id, created_by, created_at, expires_at, revoked_at, last_used_at";
const CREATE: &str = "INSERT INTO tokens (id, name, secret_hash, role, instance_id, created_by, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, {now}, $7) ON CONFLICT DO NOTHING";
/// The name of one that has expired is free.
const FREE_NAME: &str =
    "UPDATE tokens SET revoked_at = expires_at WHERE name = $1 AND revoked_at IS NULL AND expires_at <= {now}";
/// An id stands before a name.
const REVOKE: &str = "UPDATE tokens SET revoked_at = {now} WHERE id = (SELECT id FROM tokens
     WHERE (name = $1 OR id = $1) AND revoked_at IS NULL AND (CAST($2 AS TEXT) IS NULL OR instance_id = $2)
     ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1) RETURNING instance_id, role";
const USED: &str =
    "UPDATE tokens SET last_used_at = {now} WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < {now} - $2)";

/// What a token is known by; no secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct TokenId(pub String);

/// A token as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// For the store and for logs.
    pub id: TokenId,
    /// For people, and for the audit.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The only instance that its holder sees and changes; `None` for all of them.
    pub instance: Option<InstanceId>,
    /// Who made it.
    pub created_by: String,
    /// When, by the database's clock.
    pub created_at: Timestamp,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
    /// Since when it is worth nothing.
    pub revoked_at: Option<Timestamp>,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
}

impl Token {
    /// Whether it opens anything.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// What a token shall be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewToken {
    /// Unique among those in force.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The only instance that its holder sees and changes.
    pub instance: Option<InstanceId>,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
}

/// The text that its holder shows. Wiped when it goes.
pub struct TokenText(Zeroizing<String>);

impl TokenText {
    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

impl State {
    /// Makes a token; its text is only told here. A name that is taken by a token in force is an error.
    pub async fn create_token(&self, new: &NewToken, by: impl Into<By<'_>>) -> Result<(Token, TokenText), StoreError> {
        let by = by.into();
        let id = Alphanumeric.sample_string(&mut rand::rng(), ID_LENGTH);
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; SECRET_BYTES]>()));
        let text = TokenText(Zeroizing::new(format!("{PREFIX}{id}_{}", *secret)));
        let mut work = self.database.write("create a token").await?;
        work.run(work.sql(FREE_NAME).bind(row::clean(&new.name))).await?;
        let statement = work
            .sql(CREATE)
            .bind(id.clone())
            .bind(row::clean(&new.name))
            .bind(hash(&secret))
            .bind(new.role.as_str())
            .bind(new.instance.as_ref().map(ToString::to_string))
            .bind(row::clean(by.actor()))
            .bind(new.expires_at.map(Timestamp::as_microsecond));
        if work.run(statement).await? != 1 {
            work.rollback().await?;
            return Err(StoreError::TokenNameTaken { name: new.name.clone() });
        }
        let mut entry = by.record("token.create", None, Some(format!("{} ({})", new.name, new.role)));
        entry.instance = new.instance.as_ref();
        audit::record(&mut work, entry).await?;
        let found = work.row(work.sql(&format!("SELECT {COLUMNS} FROM tokens WHERE id = $1")).bind(id)).await?;
        let row = found.ok_or_else(|| work.invalid("a token was not written"))?;
        let made = work.decoded(token(&row))?;
        work.commit().await?;
        Ok((made, text))
    }

    /// Every token, those that are worth nothing any more included, by name.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let mut work = self.database.read("list tokens").await?;
        let rows = work.rows(work.sql(&format!("SELECT {COLUMNS} FROM tokens ORDER BY name, created_at, id"))).await?;
        work.decoded(rows.iter().map(token).collect())
    }

    /// Whether there is any token in force.
    pub async fn has_tokens(&self) -> Result<bool, StoreError> {
        let now = self.now().await?;
        Ok(self.tokens().await?.iter().any(|token| token.in_force(now)))
    }

    /// Makes a token worth nothing, by its name or id; with `instance` only one that is bound to it. `false`: there is none in
    /// force.
    pub async fn revoke_token(
        &self,
        name_or_id: &str,
        instance: Option<&InstanceId>,
        by: impl Into<By<'_>>,
    ) -> Result<bool, StoreError> {
        let mut work = self.database.write("revoke a token").await?;
        let statement = work.sql(REVOKE).bind(name_or_id.to_owned()).bind(instance.map(ToString::to_string));
        let Some(row) = work.row(statement).await? else {
            work.rollback().await?;
            return Ok(false);
        };
        let of: Option<InstanceId> = work.decoded(row::optional_text(&row, "instance_id"))?.map(Into::into);
        let mut entry = by.into().record("token.revoke", Some(name_or_id.to_owned()), None);
        entry.instance = of.as_ref();
        audit::record(&mut work, entry).await?;
        work.commit().await?;
        Ok(true)
    }

    /// The token that somebody shows, if it is in force.
    pub async fn token(&self, text: &str) -> Result<Option<Token>, StoreError> {
        let Some((id, secret)) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')) else {
            return Ok(None);
        };
        let mut work = self.database.read("look at a token").await?;
        let sql = format!("SELECT {COLUMNS}, secret_hash FROM tokens WHERE id = $1");
        let Some(row) = work.row(work.sql(&sql).bind(id.to_owned())).await? else { return Ok(None) };
        let stored = work.decoded(row::text(&row, "secret_hash"))?;
        let found = work.decoded(token(&row))?;
        let now = work.now().await?;
        let same: bool = stored.as_bytes().ct_eq(hash(secret).as_bytes()).into();
        if !same || !found.in_force(now) {
            return Ok(None);
        }
        work.run(work.sql(USED).bind(id.to_owned()).bind(USED_EVERY)).await?;
        Ok(Some(found))
    }
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

fn token(row: &AnyRow) -> Result<Token, sqlx::Error> {
    Ok(Token {
        id: TokenId(row::text(row, "id")?),
        name: row::text(row, "name")?,
        role: row::parsed(row, "role")?,
        instance: row::optional_text(row, "instance_id")?.map(Into::into),
        created_by: row::text(row, "created_by")?,
        created_at: row::time(row, "created_at")?,
        expires_at: row::optional_time(row, "expires_at")?,
        revoked_at: row::optional_time(row, "revoked_at")?,
        last_used_at: row::optional_time(row, "last_used_at")?,
    })
}
