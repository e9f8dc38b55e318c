//! `postrider execution set CONDITION --targets …`.

use std::process::ExitCode;

use clap::Args;
use domain::{Condition, Execution, ExecutionTarget, InstanceId, Source, TypePattern};
use operate::{Edit, Keys};
use serde_json::json;

use crate::{commands::edited, config::COMMAND_LINE, context::Context, failure::usage};

const INCLUDE: &str = "include:";

/// Set which targets are called for a condition, in this order
///
/// What was set for the condition before is replaced: setting it again with the targets in another order reorders them.
#[derive(Args)]
pub struct Set {
    /// event/user.human.added (one type), event/user.human.* (everything below), or event (all)
    condition: String,
    /// Names, in the order of calling, and include:CONDITION (or include:user.human) for the targets of another execution
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', required = true)]
    targets: Vec<String>,
    /// On this instance only; otherwise on every instance that has none of its own
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Event types that do not fire it, such as user.human.password.*; may be given more than once
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Set {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let condition = condition(&self.condition)?;
        let exclude = self.exclude.iter().map(|text| pattern(text)).collect::<anyhow::Result<_>>()?;
        let config = context.config()?;
        let state = context.state(&config).await?;
        let (files, caller) = (config.definitions.files(&config.origin), context.caller());
        let edit = Edit::begin(&state, &files, &caller, COMMAND_LINE, Keys::ThatOpen, self.dry_run).await?;
        let instance = self.instance.map(InstanceId::from);
        let targets = (self.targets.iter())
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
            .map(|text| entry(text, instance.as_ref(), &edit))
            .collect::<anyhow::Result<_>>()?;
        let wanted = Execution { condition, instance, targets, exclude, source: Source::Api };
        let plan = edit.set_execution(&wanted)?;
        edited::carry_out(context, &state, &plan, self.dry_run).await?;
        let about = json!({ "condition": wanted.condition, "instance": wanted.instance });
        edited::tell(context, &plan, self.dry_run, about, &[])
    }
}

/// An execution's id.
pub fn condition(text: &str) -> anyhow::Result<Condition> {
    Condition::for_events(text).map_err(|error| usage(error.to_string()))
}

fn pattern(text: &str) -> anyhow::Result<TypePattern> {
    text.parse::<TypePattern>().map_err(|error| usage(error.to_string()))
}

fn entry(text: &str, instance: Option<&InstanceId>, edit: &Edit<'_>) -> anyhow::Result<ExecutionTarget> {
    match text.strip_prefix(INCLUDE) {
        None => Ok(ExecutionTarget::Target(text.into())),
        Some(include) => included(include, instance, edit).map(ExecutionTarget::Include),
    }
}

/// In full (`event/user.human.*`), or without the kind, where one name may be an event type and a group: then it is the one
/// that has an execution.
fn included(text: &str, instance: Option<&InstanceId>, edit: &Edit<'_>) -> anyhow::Result<Condition> {
    let kind = text.split('/').next().unwrap_or_default();
    if matches!(kind, "event" | "request" | "response" | "function") {
        return condition(text);
    }
    let sound = |found: Result<Condition, domain::ConditionError>| found.map_err(|error| usage(error.to_string()));
    let group = sound(Condition::group(text))?;
    if text.ends_with(".*") {
        return Ok(group);
    }
    let one = sound(Condition::event(text))?;
    let known = |condition: &Condition| {
        edit.execution(condition, None).or_else(|| edit.execution(condition, instance)).is_some()
    };
    match (known(&one), known(&group)) {
        (true, true) => {
            Err(usage(format!("{text} has an execution as an event type and as a group; write {one} or {group}")))
        }
        (true, false) => Ok(one),
        (false, _) => Ok(group),
    }
}
