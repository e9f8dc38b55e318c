//! Public keys of targets. None are kept yet: there is none to list, and none of any id.

use domain::TargetId;

use super::{Asked, Trouble, targets::no_target};
use crate::zitadel::{
    errors::{ApiError, Code},
    messages::{
        keys::{AddPublicKey, OnePublicKey, ShownPublicKey},
        search::{Listing, Shape, keys::ListPublicKeys},
    },
};

impl Asked<'_> {
    pub(super) async fn add_public_key(&self, wanted: &AddPublicKey) -> Result<String, ApiError> {
        self.public_keys(&wanted.target).await?;
        Err(ApiError::new(Code::Unimplemented, "public keys of targets are not kept here"))
    }

    pub(super) async fn change_public_key(&self, wanted: &OnePublicKey) -> Result<String, ApiError> {
        let keys = self.public_keys(&wanted.target).await?;
        match keys.iter().find(|key| key.key_id == wanted.key) {
            Some(_) => Err(ApiError::new(Code::Unimplemented, "public keys of targets are not kept here")),
            None => Err(ApiError::new(Code::NotFound, "there is no public key of this id")),
        }
    }

    pub(super) async fn list_public_keys(&self, wanted: &ListPublicKeys) -> Result<Listing<ShownPublicKey>, ApiError> {
        let found = wanted.search(self.public_keys(&wanted.target).await?);
        Ok(Listing { found, name: "publicKeys", shape: Shape::Named })
    }

    /// Those of a target that the caller sees.
    async fn public_keys(&self, target: &TargetId) -> Result<Vec<ShownPublicKey>, Trouble> {
        let (definitions, _) = self.operator.state.definitions_that_open().await?;
        let seen = |found: &&domain::Target| found.id == *target && self.caller.sees(found);
        definitions.targets.iter().find(seen).ok_or_else(no_target)?;
        Ok(Vec::new())
    }
}
