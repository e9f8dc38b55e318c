//! Public keys of targets: a body is encrypted for the active one.

use domain::{PublicKey, TargetId};
use serde::Serialize;
use store::{NewPublicKey, StoreError};

use super::{Asked, Trouble, targets::no_target};
use crate::zitadel::{
    call::Call,
    errors::{ApiError, Code},
    json::print::{Bytes, Stamp},
    messages::{
        keys::{AddPublicKey, OnePublicKey, ShownPublicKey},
        search::{Listing, Shape, keys::ListPublicKeys},
    },
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddedKey {
    key_id: String,
    creation_date: Stamp,
}

/// When it was activated or deactivated, or removed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedKey {
    #[serde(skip_serializing_if = "Option::is_none")]
    change_date: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Stamp>,
}

impl Asked<'_> {
    pub(super) async fn add_public_key(&self, wanted: &AddPublicKey) -> Result<AddedKey, ApiError> {
        let key = self.add_key(wanted).await?;
        Ok(AddedKey { key_id: key.id.to_string(), creation_date: Stamp(key.created_at) })
    }

    async fn add_key(&self, wanted: &AddPublicKey) -> Result<PublicKey, Trouble> {
        self.seen_target(&wanted.target).await?;
        let new = NewPublicKey { pem: wanted.pem.clone(), expires_at: wanted.expires_at, active: false };
        Ok(self.operator.state.add_public_key(&wanted.target, &new, self.caller.by()).await?)
    }

    /// Activates, deactivates or removes a key.
    pub(super) async fn change_public_key(&self, call: Call, wanted: &OnePublicKey) -> Result<ChangedKey, ApiError> {
        Ok(self.change_key(call, wanted).await?)
    }

    async fn change_key(&self, call: Call, wanted: &OnePublicKey) -> Result<ChangedKey, Trouble> {
        self.seen_target(&wanted.target).await?;
        let (state, target, by) = (&self.operator.state, &wanted.target, self.caller.by());
        let id = wanted.key.as_str().into();
        let no_key = || Trouble::from(ApiError::new(Code::NotFound, "there is no public key of this id"));
        let changed = match call {
            Call::ActivatePublicKey => state.activate_public_key(target, &id, by).await,
            Call::DeactivatePublicKey => state.deactivate_public_key(target, &id, by).await,
            _ => {
                if !state.remove_public_key(target, &id, by).await? {
                    return Err(no_key());
                }
                let deletion_date = Some(Stamp(state.now().await?));
                return Ok(ChangedKey { change_date: None, deletion_date });
            }
        };
        let changed = changed.map_err(|error| match error {
            StoreError::NoPublicKey { .. } => no_key(),
            error => error.into(),
        })?;
        Ok(ChangedKey { change_date: Some(Stamp(changed.changed_at)), deletion_date: None })
    }

    pub(super) async fn list_public_keys(&self, wanted: &ListPublicKeys) -> Result<Listing<ShownPublicKey>, ApiError> {
        let found = wanted.search(self.public_keys(&wanted.target).await?);
        Ok(Listing { found, name: "publicKeys", shape: Shape::Named })
    }

    /// Those of a target that the caller sees.
    async fn public_keys(&self, target: &TargetId) -> Result<Vec<ShownPublicKey>, Trouble> {
        self.seen_target(target).await?;
        Ok(self.operator.state.public_keys(target).await?.into_iter().map(shown).collect())
    }

    async fn seen_target(&self, target: &TargetId) -> Result<(), Trouble> {
        let (definitions, _) = self.operator.state.definitions_that_open().await?;
        let seen = |found: &domain::Target| found.id == *target && self.caller.sees(found);
        if definitions.targets.iter().any(seen) { Ok(()) } else { Err(no_target().into()) }
    }
}

fn shown(key: PublicKey) -> ShownPublicKey {
    ShownPublicKey {
        key_id: key.id.to_string(),
        active: key.active,
        public_key: Bytes(key.pem.into_bytes()),
        fingerprint: key.fingerprint,
        expiration_date: key.expires_at.map(Stamp),
        creation_date: Stamp(key.created_at),
        change_date: Stamp(key.changed_at),
    }
}
