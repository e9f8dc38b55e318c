//! Targets: created, shown, changed and deleted.

use domain::{SigningKey, Source, Target, TargetId, Timestamp};
use operate::{Edit, Keys, new_signing_key, now};
use serde::Serialize;
use store::Dates;

use super::{Asked, Trouble, undated, until_not_overtaken};
use crate::zitadel::{
    errors::{ApiError, Code},
    json::print::Stamp,
    messages::{
        search::{Listing, targets::ListTargets},
        target::{CreateTarget, ShownTarget, Sight, UpdateTarget},
    },
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedTarget {
    id: TargetId,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_date: Option<Stamp>,
    signing_key: String,
}

#[derive(Serialize)]
pub(super) struct GotTarget {
    target: ShownTarget,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdatedTarget {
    #[serde(skip_serializing_if = "Option::is_none")]
    change_date: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_key: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletedTarget {
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Stamp>,
}

impl Asked<'_> {
    pub(super) async fn create_target(&self, wanted: &CreateTarget) -> Result<CreatedTarget, ApiError> {
        until_not_overtaken(|| self.create(wanted)).await
    }

    async fn create(&self, wanted: &CreateTarget) -> Result<CreatedTarget, Trouble> {
        let signing_key = new_signing_key();
        let draft = Target {
            instance: self.instance().cloned(),
            signing_keys: vec![signing_key.as_str().into()],
            max_in_flight: self.operator.default_max_in_flight,
            ..wanted.clone().into_target(self.operator.default_timeout)
        };
        let plan = self.look(Keys::ThatOpen).await?.create(draft, self.operator.places()).await?;
        self.carry_out(&plan).await?;
        let id = plan.new_target().expect("a target was planned").id.clone();
        let creation_date = self.dates_of(&id).await.map(|dates| Stamp(dates.created_at));
        Ok(CreatedTarget { id, creation_date, signing_key })
    }

    pub(super) async fn get_target(&self, id: &TargetId) -> Result<GotTarget, ApiError> {
        let mut targets = self.shown_targets(|target| target.id == *id).await?;
        Ok(GotTarget { target: targets.pop().ok_or_else(no_target)? })
    }

    pub(super) async fn list_targets(&self, wanted: &ListTargets) -> Result<Listing<ShownTarget>, ApiError> {
        let found = wanted.search(self.shown_targets(|_| true).await?);
        Ok(Listing { found, name: "targets", shape: self.shape })
    }

    /// What the caller sees. A signing key that does not open is not shown, and hides nothing else.
    async fn shown_targets(&self, which: impl Fn(&Target) -> bool) -> Result<Vec<ShownTarget>, Trouble> {
        let (definitions, _) = self.operator.state.definitions_that_open().await?;
        let dates = self.operator.state.definition_dates().await?;
        let (sight, now) = (Sight::of(self.caller.role), now());
        let shown = |target: &Target| ShownTarget::of(target, dates.targets.get(&target.id), self.version, sight, now);
        let seen = definitions.targets.iter().filter(|target| self.caller.sees(target) && which(target));
        Ok(seen.map(shown).collect())
    }

    pub(super) async fn update_target(&self, wanted: &UpdateTarget) -> Result<UpdatedTarget, ApiError> {
        until_not_overtaken(|| self.update(wanted)).await
    }

    async fn update(&self, wanted: &UpdateTarget) -> Result<UpdatedTarget, Trouble> {
        // Keys that end at once need not be readable: the way out when a master key is lost.
        let replaces = wanted.rotate.is_some_and(|overlap| overlap.is_zero());
        let edit = self.look(if replaces { Keys::ThatOpen } else { Keys::All }).await?;
        let mut target = changeable(&edit, &wanted.id)?.ok_or_else(no_target)?.clone();
        let signing_key = wanted.rotate.map(|_| new_signing_key());
        if let Some(new) = &signing_key {
            let until =
                if replaces || target.signing_keys.is_empty() { None } else { self.end_of_overlap(wanted).await? };
            target.rotate_key(SigningKey::from(new.as_str()), until);
        }
        wanted.clone().apply(&mut target, self.operator.default_timeout);
        let plan = edit.update(target)?;
        self.carry_out(&plan).await?;
        let change_date = self.dates_of(&wanted.id).await.map(|dates| Stamp(dates.changed_at));
        Ok(UpdatedTarget { change_date, signing_key })
    }

    /// After a change: a new key is told even if nobody can say any more when it was made.
    async fn dates_of(&self, id: &TargetId) -> Option<Dates> {
        self.dates_after().await?.targets.get(id).copied()
    }

    /// When the keys of before end, by the clock of the state's database.
    async fn end_of_overlap(&self, wanted: &UpdateTarget) -> Result<Option<Timestamp>, Trouble> {
        let Some(overlap) = wanted.rotate else { return Ok(None) };
        let end = self.operator.state.now().await?.checked_add(overlap);
        let too_long = |_| ApiError::invalid("expirationSigningKey: it is longer than there are dates");
        end.map(Some).map_err(|error| too_long(error).into())
    }

    pub(super) async fn delete_target(&self, id: &TargetId) -> Result<DeletedTarget, ApiError> {
        until_not_overtaken(|| self.delete(id)).await
    }

    /// One that is not there any more was deleted already, as it was wanted.
    async fn delete(&self, id: &TargetId) -> Result<DeletedTarget, Trouble> {
        let edit = self.look(Keys::ThatOpen).await?;
        if let Some(target) = changeable(&edit, id)? {
            let plan = edit.delete(target, true)?;
            self.carry_out(&plan).await?;
        }
        let removed = self.operator.state.removed_targets().await.inspect_err(undated).unwrap_or_default();
        let removed = removed.iter().find(|removed| removed.id == *id && self.caller.owns(removed.instance.as_ref()));
        Ok(DeletedTarget { deletion_date: removed.map(|removed| Stamp(removed.removed_at)) })
    }
}

/// The target with this id, if the caller sees it. One that belongs to a file cannot be changed here.
fn changeable<'a>(edit: &'a Edit<'_>, id: &TargetId) -> Result<Option<&'a Target>, ApiError> {
    match edit.targets().find(|target| target.id == *id) {
        Some(target) if target.source == Source::File => Err(ApiError::new(
            Code::FailedPrecondition,
            "the target came from a definitions file and belongs to it; edit the file and apply it",
        )),
        found => Ok(found),
    }
}

pub(super) fn no_target() -> ApiError {
    ApiError::new(Code::NotFound, "there is no target of this id")
}
