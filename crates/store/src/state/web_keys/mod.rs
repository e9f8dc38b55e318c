//! Web keys: what JWTs are signed with for all targets, and what their receivers verify them with.
//!
//! A key is published before it is used and for a while after: receivers keep what they have read. The first one is made when
//! bodies are to be signed and there is none, and is used at once; every other takes the place of those before it after a
//! grace, and those stay published for a day more. Then a sweep removes them.
//!
//! Invariants: whoever makes or retires keys holds the revision, so that of several daemons one makes the first key; private
//! halves are stored as signing keys are ([`super::seal`]) and leave the store only to sign.

mod jwks;
mod make;

use std::time::Duration;

use domain::{Timestamp, WebKey, WebKeyId};
use sqlx::any::AnyRow;

pub use jwks::{Jwk, Jwks, jwks};

use super::{
    By, State,
    database::Work,
    definitions, keys, operate, public_keys, row,
    seal::{MasterKeys, SealError},
};
use crate::{StoreError, state::audit};

/// How long a key that signs no more stays published, in microseconds: a call may be on its way for minutes, and receivers may
/// look at what they have kept much later.
pub(super) const PUBLISHED_AFTER: i64 = 24 * 60 * 60 * 1_000_000;

const COLUMNS: &str = "id, public_key, created_at, active_at, retired_at";
const IN_USE: &str = "SELECT id, private_key, sealed_with, active_at, retired_at FROM web_keys
     WHERE retired_at IS NULL OR retired_at > {now} ORDER BY active_at, id";
const CREATE: &str = "INSERT INTO web_keys (id, private_key, sealed_with, public_key, created_at, active_at)
     VALUES ($1, $2, $3, $4, $5, $6)";
const RETIRE: &str = "UPDATE web_keys SET retired_at = $1 WHERE retired_at IS NULL OR retired_at > $1";
const REMOVE_ALL: &str = "DELETE FROM web_keys";

/// How a key stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WebKeyState {
    /// Published, and not used yet.
    Next,
    /// What is signed is signed with it.
    Active,
    /// Published still; nothing is signed with it any more.
    Retired,
}

impl WebKeyState {
    /// For people and programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// The public half of a web key, while it is published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishedKey {
    /// The `kid` of what is signed with it.
    pub id: WebKeyId,
    /// How it stood when it was read.
    pub state: WebKeyState,
    /// The key itself, as `BEGIN PUBLIC KEY`.
    pub pem: String,
    /// By the database's clock.
    pub created_at: Timestamp,
    /// From when on it is used.
    pub active_at: Timestamp,
    /// From when on it is used no more.
    pub retired_at: Option<Timestamp>,
}

/// What becomes of the keys before a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overlap {
    /// They sign so long still, where there are any, and stay published for a day beyond that.
    For(Duration),
    /// They are worth nothing from now on, which is for keys that leaked or do not open: the new one signs at once, and what
    /// was signed before does not verify any more.
    None,
}

impl State {
    /// Makes a key if there is none to sign with. `false`: there was one, perhaps made by another daemon just now.
    pub async fn ensure_web_key(&self, by: impl Into<By<'_>>) -> Result<bool, StoreError> {
        let operation = "make the first web key";
        if in_use_at_all(&mut self.database.read(operation).await?).await? {
            return Ok(false);
        }
        let (made, by) = (make::make(operation).await?, by.into());
        let mut work = self.database.write(operation).await?;
        work.run(work.sql(definitions::LOCK_REVISION)).await?;
        if in_use_at_all(&mut work).await? {
            work.rollback().await?;
            return Ok(false);
        }
        let now = work.now().await?;
        let id = self.put(&mut work, &made, now, now).await?;
        audit::record(&mut work, by.record("key.create_web", None, Some(id.to_string()))).await?;
        operate::finish(work, by, true).await?;
        Ok(true)
    }

    /// Makes a key that takes the place of those before it: after the overlap, or at once where there are none.
    pub async fn rotate_web_key(&self, overlap: Overlap, by: impl Into<By<'_>>) -> Result<PublishedKey, StoreError> {
        let operation = "rotate the web key";
        let (made, by) = (make::make(operation).await?, by.into());
        let mut work = self.database.write(operation).await?;
        work.run(work.sql(definitions::LOCK_REVISION)).await?;
        let before = published(&mut work).await?;
        let now = work.now().await?;
        let signing = before.iter().any(|key| key.state != WebKeyState::Retired);
        let active_at = match overlap {
            Overlap::For(grace) if signing => now.checked_add(grace).unwrap_or(Timestamp::MAX),
            Overlap::For(_) | Overlap::None => now,
        };
        match overlap {
            Overlap::For(_) => work.run(work.sql(RETIRE).bind(active_at.as_microsecond())).await?,
            Overlap::None => work.run(work.sql(REMOVE_ALL)).await?,
        };
        let id = self.put(&mut work, &made, now, active_at).await?;
        let names: Vec<&str> = (before.iter())
            .filter(|key| overlap == Overlap::None || key.state != WebKeyState::Retired)
            .map(|key| key.id.as_str())
            .collect();
        let ends = if overlap == Overlap::None { "; those before are worth nothing" } else { "" };
        let (from, to) = ((!names.is_empty()).then(|| names.join(", ")), format!("{id} from {active_at}{ends}"));
        audit::record(&mut work, by.record("key.rotate_web", from, Some(to))).await?;
        let made = published(&mut work).await?.into_iter().find(|key| key.id == id);
        let made = made.ok_or_else(|| work.invalid("a web key was not written"))?;
        operate::finish(work, by, true).await?;
        Ok(made)
    }

    /// The keys that are published, in the order of their use: see [`jwks`].
    pub async fn web_keys(&self) -> Result<Vec<PublishedKey>, StoreError> {
        published(&mut self.database.read("list web keys").await?).await
    }

    async fn put(
        &self,
        work: &mut Work,
        made: &make::Made,
        now: Timestamp,
        active_at: Timestamp,
    ) -> Result<WebKeyId, StoreError> {
        let id = WebKeyId::from(public_keys::new_id());
        let sealed = self.masters.seal_web_key(&id, &made.pkcs8);
        let statement = work
            .sql(CREATE)
            .bind(id.to_string())
            .bind(sealed.text)
            .bind(sealed.with.map(|id| id.to_string()))
            .bind(made.public.clone())
            .bind(now.as_microsecond())
            .bind(active_at.as_microsecond());
        work.run(statement).await?;
        Ok(id)
    }
}

async fn in_use_at_all(work: &mut Work) -> Result<bool, StoreError> {
    Ok(!work.rows(work.sql(IN_USE)).await?.is_empty())
}

async fn published(work: &mut Work) -> Result<Vec<PublishedKey>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM web_keys WHERE retired_at IS NULL OR retired_at > {{now}} - $1 ORDER BY active_at, id"
    );
    let rows = work.rows(work.sql(&sql).bind(PUBLISHED_AFTER)).await?;
    let now = work.now().await?;
    work.decoded(rows.iter().map(|row| published_key(row, now)).collect())
}

fn published_key(row: &AnyRow, now: Timestamp) -> Result<PublishedKey, sqlx::Error> {
    let (active_at, retired_at) = (row::time(row, "active_at")?, row::optional_time(row, "retired_at")?);
    let state = match retired_at {
        Some(end) if end <= now => WebKeyState::Retired,
        _ if now < active_at => WebKeyState::Next,
        _ => WebKeyState::Active,
    };
    Ok(PublishedKey {
        id: row::text(row, "id")?.into(),
        state,
        pem: row::text(row, "public_key")?,
        created_at: row::time(row, "created_at")?,
        active_at,
        retired_at,
    })
}

/// The keys to sign with that open, and why the others do not.
pub(super) async fn in_use(
    work: &mut Work,
    masters: &MasterKeys,
) -> Result<(Vec<WebKey>, Vec<StoreError>), StoreError> {
    let rows = work.rows(work.sql(IN_USE)).await?;
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    for row in &rows {
        match work.decoded(web_key(row, masters))? {
            Ok(key) => opened.push(key),
            Err((id, reason)) => closed.push(StoreError::WebKeyClosed { id, reason }),
        }
    }
    Ok((opened, closed))
}

type Opened = Result<WebKey, (WebKeyId, SealError)>;

fn web_key(row: &AnyRow, masters: &MasterKeys) -> Result<Opened, sqlx::Error> {
    let id = WebKeyId::from(row::text(row, "id")?);
    let (active_at, retired_at) = (row::time(row, "active_at")?, row::optional_time(row, "retired_at")?);
    Ok(match masters.open_web_key(&id, &keys::sealed(row, "private_key")?) {
        Ok(pkcs8) => Ok(WebKey::new(id, pkcs8, active_at, retired_at)),
        Err(reason) => Err((id, reason)),
    })
}
