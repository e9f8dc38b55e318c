//! Targets and executions, in postrider's own words.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::Json;
use domain::{Condition, Execution, ExecutionTarget, Position, Source, Start, Target, TypePattern};
use operate::{
    Change, Edit, Keys, Known, OperateError,
    definitions::{TargetSettings, execution_json, target_json},
    new_signing_key,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    cursors::OfTarget,
    does,
    extract::{Asked, Body, Define, Desk, In, Look},
};
use crate::{house::House, problem::Problem};

/// In characters.
const LONGEST_KEY: usize = 1000;

/// How what is asked for is called in messages.
const REQUEST: &str = "the request";

pub(super) fn routes() -> ApiRouter<House> {
    ApiRouter::new()
        .api_route(
            "/targets",
            get_with(list, does("Every target"))
                .post_with(create, does("Create a target; its signing key is shown this once")),
        )
        .api_route(
            "/targets/{target}",
            get_with(show, does("One target"))
                .patch_with(update, does("Change a target; what is left out stays"))
                .delete_with(delete, does("Delete a target; its cursors and failed events stay")),
        )
        .api_route("/targets/{target}/rotate-key", post_with(rotate_key, does("A new signing key beside the old one")))
        .api_route(
            "/executions",
            get_with(executions, does("Every execution"))
                .put_with(set_execution, does("Set which targets are called for a condition"))
                .delete_with(delete_execution, does("Remove an execution; its targets stay")),
        )
}

fn shown(target: &Target) -> Value {
    target_json(target, &target.endpoint.without_query())
}

async fn list(desk: Desk<Look>) -> Result<Json<Vec<Value>>, Problem> {
    let known = Known::read_whole(&desk.operator.state, &desk.caller).await?;
    Ok(Json(known.targets().map(shown).collect()))
}

async fn show(desk: Desk<Look>, In(of): In<OfTarget>) -> Result<Json<Value>, Problem> {
    let known = Known::read_whole(&desk.operator.state, &desk.caller).await?;
    Ok(Json(shown(known.target(&of.target)?)))
}

/// What was changed, or would be.
#[derive(Serialize, JsonSchema)]
struct Changed {
    /// The target, where there is one.
    target_id: Option<String>,
    /// A signing key that was generated: it is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_key: Option<String>,
    /// In words.
    changes: Vec<Change>,
    /// What the operator should know.
    warnings: Vec<String>,
    /// Nothing was changed.
    dry_run: bool,
}

/// A target that is not there yet.
#[derive(Deserialize, JsonSchema)]
struct NewTarget {
    /// Where it begins: `now`, `beginning`, a position, or a time with its offset; `now` if left out.
    #[schemars(with = "Option<String>")]
    start: Option<Start>,
    /// Send nothing until it is resumed.
    #[serde(default)]
    paused: bool,
    /// The one instance it belongs to: only executions of that instance may name it.
    instance: Option<String>,
    /// What calls are signed with; one is generated if it is left out.
    #[schemars(length(min = 1, max = 1000))]
    signing_key: Option<String>,
    /// Only say what would come of it.
    #[serde(default)]
    dry_run: bool,
    /// `name` and `endpoint` are needed.
    settings: TargetSettings,
}

async fn create(desk: Desk<Define>, Body(new): Body<NewTarget>) -> Result<Json<Changed>, Problem> {
    let (state, operator) = (&desk.operator.state, &desk.operator);
    let (Some(name), Some(endpoint)) = (&new.settings.name, &new.settings.endpoint) else {
        return Err(Problem::invalid("settings.name and settings.endpoint are needed"));
    };
    let endpoint = endpoint.parse().map_err(OperateError::from)?;
    let mut draft = Target::new("".into(), name.as_str().into(), endpoint);
    draft.timeout = operator.default_timeout;
    draft.max_in_flight = operator.default_max_in_flight;
    new.settings.put_into(&mut draft)?;
    let generated = new.signing_key.is_none().then(new_signing_key);
    let key = new.signing_key.or_else(|| generated.clone()).unwrap_or_default();
    if key.is_empty() || key.chars().count() > LONGEST_KEY {
        return Err(Problem::invalid(format!("signing_key: 1 to {LONGEST_KEY} characters are needed")));
    }
    draft.signing_keys = vec![key.into()];
    draft.instance = desk.caller.narrow(new.instance.map(Into::into))?;
    (draft.start, draft.start_position, draft.paused) = (new.start.unwrap_or_default(), Position::ZERO, new.paused);
    let edit = Edit::begin(state, &operator.files, &desk.caller, REQUEST, Keys::All, new.dry_run).await?;
    let plan = edit.create(draft, operator.places()).await?;
    let target_id = plan.new_target().filter(|_| !new.dry_run).map(|target| target.id.to_string());
    if !new.dry_run {
        plan.carry_out(state, &desk.caller.name).await?;
    }
    let signing_key = generated.filter(|_| !new.dry_run);
    let (changes, warnings, dry_run) = (plan.changes, plan.warnings, new.dry_run);
    Ok(Json(Changed { target_id, signing_key, changes, warnings, dry_run }))
}

/// A change of a target.
#[derive(Deserialize, JsonSchema)]
struct Update {
    /// Only say what would come of it.
    #[serde(default)]
    dry_run: bool,
    /// What is left out stays.
    settings: TargetSettings,
}

async fn update(
    desk: Desk<Define>,
    In(of): In<OfTarget>,
    Body(update): Body<Update>,
) -> Result<Json<Changed>, Problem> {
    let edit = edit(&desk, Keys::All, update.dry_run).await?;
    let mut target = edit.target(&of.target)?.clone();
    update.settings.put_into(&mut target)?;
    let id = target.id.to_string();
    let plan = edit.update(target)?;
    finish(&desk, plan, Some(id), None, update.dry_run).await
}

/// Whether it is only asked.
#[derive(Deserialize, JsonSchema)]
struct OnlyAsked {
    /// Only say what would come of it.
    #[serde(default)]
    dry_run: bool,
}

async fn delete(
    desk: Desk<Define>,
    In(of): In<OfTarget>,
    Asked(only): Asked<OnlyAsked>,
) -> Result<Json<Changed>, Problem> {
    let edit = edit(&desk, Keys::ThatOpen, only.dry_run).await?;
    let target = edit.target(&of.target)?;
    let id = target.id.to_string();
    let plan = edit.delete(target, true)?;
    finish(&desk, plan, Some(id), None, only.dry_run).await
}

/// How a key is rotated.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
struct Rotate {
    /// For how many seconds the old key still signs beside the new one; 86400 if left out, 0 ends it at once.
    #[schemars(range(max = 31_536_000))]
    grace_seconds: Option<u32>,
    /// The new key; one is generated if it is left out.
    signing_key: Option<String>,
    /// Only say what would come of it.
    dry_run: bool,
}

async fn rotate_key(
    desk: Desk<Define>,
    In(of): In<OfTarget>,
    Body(rotate): Body<Rotate>,
) -> Result<Json<Changed>, Problem> {
    let grace = rotate.grace_seconds.unwrap_or(86_400);
    // What ends at once need not be readable.
    let keys = if grace == 0 { Keys::ThatOpen } else { Keys::All };
    let edit = edit(&desk, keys, rotate.dry_run).await?;
    let mut target = edit.target(&of.target)?.clone();
    let generated = rotate.signing_key.is_none().then(new_signing_key);
    let key = rotate.signing_key.or_else(|| generated.clone()).unwrap_or_default();
    if key.is_empty()
        || key.chars().count() > LONGEST_KEY
        || target.signing_keys.iter().any(|known| known.as_bytes() == key.as_bytes())
    {
        return Err(Problem::invalid(format!("another signing key is needed, of 1 to {LONGEST_KEY} characters")));
    }
    let until = if grace == 0 || target.signing_keys.is_empty() {
        None
    } else {
        let now = desk.operator.state.now().await?;
        now.checked_add(std::time::Duration::from_secs(grace.into())).ok()
    };
    target.rotate_key(key.into(), until);
    let id = target.id.to_string();
    let plan = edit.update(target)?;
    finish(&desk, plan, Some(id), generated, rotate.dry_run).await
}

async fn edit<M>(desk: &Desk<M>, keys: Keys, dry_run: bool) -> Result<Edit<'_>, Problem> {
    let operator = &desk.operator;
    Ok(Edit::begin(&operator.state, &operator.files, &desk.caller, REQUEST, keys, dry_run).await?)
}

async fn finish<M>(
    desk: &Desk<M>,
    plan: operate::Plan,
    target_id: Option<String>,
    signing_key: Option<String>,
    dry_run: bool,
) -> Result<Json<Changed>, Problem> {
    if !dry_run {
        plan.carry_out(&desk.operator.state, &desk.caller.name).await?;
    }
    let signing_key = signing_key.filter(|_| !dry_run);
    Ok(Json(Changed { target_id, signing_key, changes: plan.changes, warnings: plan.warnings, dry_run }))
}

async fn executions(desk: Desk<Look>) -> Result<Json<Vec<Value>>, Problem> {
    let edit = edit(&desk, Keys::ThatOpen, false).await?;
    Ok(Json(edit.executions().map(execution_json).collect()))
}

/// One entry of an execution's list.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Entry {
    /// A target, by its name or id.
    Target(String),
    /// The targets of another execution.
    Include {
        /// Of this condition.
        #[schemars(with = "String")]
        include: Condition,
    },
}

/// Which targets are called for a condition.
#[derive(Deserialize, JsonSchema)]
struct SetExecution {
    /// `event/user.human.added`, `event/user.human.*`, or `event`.
    #[schemars(with = "String")]
    condition: Condition,
    /// In the order of calling.
    targets: Vec<Entry>,
    /// On this instance only.
    instance: Option<String>,
    /// Event types that do not fire it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    exclude: Vec<TypePattern>,
    /// Only say what would come of it.
    #[serde(default)]
    dry_run: bool,
}

async fn set_execution(desk: Desk<Define>, Body(set): Body<SetExecution>) -> Result<Json<Changed>, Problem> {
    Condition::for_events(&set.condition.to_string()).map_err(OperateError::from)?;
    let edit = edit(&desk, Keys::ThatOpen, set.dry_run).await?;
    let named = |name: &str| {
        let by_id = edit.targets().find(|target| target.id.as_str() == name);
        by_id.map_or_else(|| name.into(), |target| target.name.clone())
    };
    let entries = set.targets.into_iter().map(|entry| match entry {
        Entry::Target(name) => ExecutionTarget::Target(named(&name)),
        Entry::Include { include } => ExecutionTarget::Include(include),
    });
    let wanted = Execution {
        condition: set.condition,
        targets: entries.collect(),
        instance: desk.caller.narrow(set.instance.map(Into::into))?,
        exclude: set.exclude,
        source: Source::Api,
    };
    let plan = edit.set_execution(&wanted)?;
    finish(&desk, plan, None, None, set.dry_run).await
}

/// Which execution.
#[derive(Deserialize, JsonSchema)]
struct OfExecution {
    /// Its condition.
    #[schemars(with = "String")]
    condition: Condition,
    /// The one of this instance; otherwise the one for every instance.
    instance: Option<String>,
    /// Only say what would come of it.
    #[serde(default)]
    dry_run: bool,
}

async fn delete_execution(desk: Desk<Define>, Asked(of): Asked<OfExecution>) -> Result<Json<Changed>, Problem> {
    let edit = edit(&desk, Keys::ThatOpen, of.dry_run).await?;
    let instance = desk.caller.narrow(of.instance.map(Into::into))?;
    let plan = edit.delete_execution(&of.condition, instance.as_ref())?;
    finish(&desk, plan, None, None, of.dry_run).await
}
