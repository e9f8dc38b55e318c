//! Setting an execution, and removing one.
//!
//! Whom it calls is chosen with boxes: every target, and every other execution whose targets it can include. A number beside a box
//! says when it is called; without one the order of the page counts.

use axum::{
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use domain::{Condition, Execution, ExecutionTarget, Source, TypePattern};
use maud::{Markup, html};
use operate::{Edit, OperateError};
use serde::Deserialize;

use super::{
    super::{
        flash::Flash,
        frame, parts,
        trouble::{Trouble, sentence},
        visit::{Define, Fields, For, Posted, Visit},
    },
    look, whole,
};

const KINDS: &[(&str, &str)] =
    &[("event", "event: one type"), ("group", "group: everything below it"), ("all", "all: every event")];

/// An entry as the value of a box.
fn value(entry: &ExecutionTarget) -> String {
    match entry {
        ExecutionTarget::Target(name) => format!("target {name}"),
        ExecutionTarget::Include(condition) => format!("include {condition}"),
    }
}

fn entry(value: &str) -> Result<ExecutionTarget, Trouble> {
    match value.split_once(' ') {
        Some(("target", name)) => Ok(ExecutionTarget::Target(name.into())),
        Some(("include", condition)) => Ok(ExecutionTarget::Include(condition.parse().map_err(OperateError::from)?)),
        _ => Err(OperateError::Invalid("a box says neither a target nor an include".to_owned()).into()),
    }
}

/// The form as an execution would have been set with it; `None` for one that is not for events, which the form cannot say.
pub(super) fn filled(execution: &Execution) -> Option<Fields> {
    let (kind, event_type) = match &execution.condition {
        Condition::Event(event_type) => ("event", event_type.to_string()),
        Condition::Group(group) => ("group", group.to_string()),
        Condition::All => ("all", String::new()),
        Condition::Api(_) => return None,
    };
    let exclude: Vec<String> = execution.exclude.iter().map(ToString::to_string).collect();
    let instance = execution.instance.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut fields = Fields::filled([
        ("condition", kind.to_owned()),
        ("event_type", event_type),
        ("instance", instance),
        ("exclude", exclude.join("\n")),
    ]);
    for (at, entry) in execution.targets.iter().enumerate() {
        let value = value(entry);
        fields.add("entry", &value);
        fields.add(&format!("place {value}"), &(at + 1).to_string());
    }
    Some(fields)
}

pub(super) fn form(visit: &Visit, edit: &Edit<'_>, fields: &Fields, error: Option<&str>) -> Markup {
    let mut entries: Vec<(ExecutionTarget, String)> = (edit.targets())
        .map(|target| (ExecutionTarget::Target(target.name.clone()), target.name.to_string()))
        .collect();
    entries.sort_by(|(_, a), (_, b)| a.cmp(b));
    let mut conditions: Vec<&Condition> = edit.executions().map(|execution| &execution.condition).collect();
    conditions.retain(|condition| condition.is_for_events());
    conditions.sort();
    conditions.dedup();
    entries.extend(
        conditions
            .into_iter()
            .map(|condition| (ExecutionTarget::Include(condition.clone()), format!("whatever {condition} calls"))),
    );
    let content = html! {
        div.columns {
            (parts::choice("condition", "Condition", fields.text("condition"), KINDS, ""))
            (parts::line("event_type", "Event type", fields.text("event_type"), "Such as user.human.added, or user.human for a group; nothing for all."))
            @if visit.caller().instance.is_none() {
                (parts::line("on", "On instance", fields.text("instance"), "Nothing for every one."))
            }
        }
        fieldset {
            legend { "Calls" }
            @if entries.is_empty() { p.empty { a href="/targets/new" { "Create a target" } " first." } }
            div.boxes {
                @for (at, (entry, label)) in entries.iter().enumerate() {
                    (checkbox(at, &value(entry), label, fields))
                }
            }
            p.help { "Called in the order of the numbers; without them, as they stand here." }
        }
        (parts::field("exclude", "Except", "Types that do not fire it, one on each line.", &html! {
            textarea #exclude name="exclude" rows="2" spellcheck="false" autocomplete="off" aria-describedby="exclude-help" { (fields.text("exclude")) }
        }))
        div.acts { button.primary type="submit" { "Set execution" } }
    };
    html! {
        section #set aria-labelledby="set-head" {
            h2 #set-head { "Set an execution" }
            (parts::refusal(error))
            (visit.who.form("/executions", &content))
        }
    }
}

fn checkbox(at: usize, value: &str, label: &str, fields: &Fields) -> Markup {
    let (id, place) = (format!("entry-{at}"), format!("place {value}"));
    html! {
        div.field.check {
            input id=(id) name="entry" type="checkbox" value=(value) checked[fields.all("entry").any(|known| known == value)];
            label for=(id) { (label) }
            input.place name=(place) value=(fields.text(&place)) inputmode="numeric" size="2" autocomplete="off"
                aria-label={ "Place of " (label) };
        }
    }
}

fn wanted(visit: &Visit, fields: &Fields) -> Result<Execution, Trouble> {
    let event_type = fields.text("event_type");
    let condition = match fields.text("condition") {
        "event" => Condition::event(event_type).map_err(OperateError::from)?,
        "group" => Condition::group(event_type.trim_end_matches(".*")).map_err(OperateError::from)?,
        "all" if event_type.is_empty() => Condition::All,
        "all" => return Err(OperateError::Invalid("all events have no type; choose event or group".to_owned()).into()),
        _ => return Err(OperateError::Invalid("choose event, group or all".to_owned()).into()),
    };
    let mut calls = Vec::new();
    for (at, value) in fields.all("entry").enumerate() {
        let text = fields.text(&format!("place {value}"));
        let place = if text.is_empty() { Ok(u32::MAX) } else { text.parse() };
        let place = place
            .map_err(|_| OperateError::Invalid(format!("{text:?} is no place in an order; a number is needed")))?;
        calls.push((place, at, entry(value)?));
    }
    calls.sort_by_key(|(place, at, _)| (*place, *at));
    let lines = fields.text("exclude").lines().map(str::trim).filter(|line| !line.is_empty());
    let exclude = lines.map(str::parse::<TypePattern>).collect::<Result<Vec<_>, _>>().map_err(OperateError::from)?;
    Ok(Execution {
        condition,
        instance: visit.caller().narrow(fields.some("on").map(Into::into))?,
        targets: calls.into_iter().map(|(_, _, entry)| entry).collect(),
        exclude,
        source: Source::Api,
    })
}

pub(super) async fn set(posted: Posted<Define>) -> Result<Response, Trouble> {
    let (visit, fields) = (&posted.visit, &posted.fields);
    match carried_out(visit, fields).await {
        Ok(warnings) if warnings.is_empty() => Ok(Redirect::to(&Flash::Set.at("/executions")).into_response()),
        Ok(warnings) => {
            // Sentences about what was set cannot stand in an address.
            let said = html! {
                p.note.good role="status" { (Flash::Set.sentence()) }
                @for warning in &warnings { p.note.warn { (sentence(warning)) } }
            };
            let edit = look(visit).await?;
            Ok(whole(visit, &edit, &said, &Markup::default(), &Fields::default(), None).into_response())
        }
        Err(trouble) if trouble.is_about_the_form() => {
            let edit = look(visit).await?;
            let kept = fields.clone().with("instance", fields.text("on"));
            let none = Markup::default();
            let page = whole(visit, &edit, &none, &none, &kept, Some(trouble.detail()));
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(trouble) => Err(trouble),
    }
}

async fn carried_out(visit: &Visit, fields: &Fields) -> Result<Vec<String>, Trouble> {
    let wanted = wanted(visit, fields)?;
    let plan = look(visit).await?.set_execution(&wanted)?;
    plan.carry_out(&visit.operator.state, &visit.caller().name).await?;
    Ok(plan.warnings)
}

/// Which execution.
#[derive(Debug, Deserialize)]
pub(super) struct Of {
    condition: String,
    #[serde(default)]
    instance: Option<String>,
}

pub(super) async fn ask_delete(visit: For<Define>, Query(of): Query<Of>) -> Result<Markup, Trouble> {
    let edit = look(&visit).await?;
    let condition: Condition = of.condition.parse().map_err(OperateError::from)?;
    let instance = visit.caller().narrow(of.instance.filter(|instance| !instance.is_empty()).map(Into::into))?;
    let plan = edit.delete_execution(&condition, instance.as_ref())?;
    let content = html! {
        @for change in &plan.changes { p { "The execution " code { (change.name) } " is removed; its targets stay." } }
        @for warning in &plan.warnings { p.note.warn { (sentence(warning)) } }
        (visit.who.form("/executions/delete", &html! {
            input type="hidden" name="condition" value=(condition);
            @if let Some(instance) = &instance { input type="hidden" name="instance" value=(instance); }
            (frame::answers("Remove", "/executions", true))
        }))
    };
    Ok(frame::asks(&visit.who, "Remove an execution", &content))
}

pub(super) async fn delete(posted: Posted<Define>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let condition: Condition = posted.fields.text("condition").parse().map_err(OperateError::from)?;
    let instance = visit.caller().narrow(posted.fields.some("instance").map(Into::into))?;
    let plan = look(visit).await?.delete_execution(&condition, instance.as_ref())?;
    plan.carry_out(&visit.operator.state, &visit.caller().name).await?;
    Ok(Redirect::to(&Flash::Removed.at("/executions")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_is_filled_with_an_execution_says_the_same_again() {
        let includes: Condition = "event/user.*".parse().expect("a condition");
        let execution = Execution {
            condition: "event/user.human.*".parse().expect("a condition"),
            instance: Some("one".into()),
            targets: vec![
                ExecutionTarget::Include(includes),
                ExecutionTarget::Target("z with spaces".into()),
                ExecutionTarget::Target("a".into()),
            ],
            exclude: vec!["user.human.password.*".parse().expect("a pattern")],
            source: Source::Api,
        };
        let fields = filled(&execution).expect("it is for events");
        let said: Vec<String> = fields.all("entry").map(ToOwned::to_owned).collect();
        let entries: Vec<ExecutionTarget> = said.iter().map(|value| entry(value).expect("it is one")).collect();
        assert_eq!(entries, execution.targets);
        assert_eq!(fields.text("place target a"), "3");
        assert_eq!((fields.text("condition"), fields.text("event_type")), ("group", "user.human"));
        assert!(entry("target").is_err() && entry("include nothing").is_err());

        let request = Execution { condition: "request".parse().expect("a condition"), ..execution };
        assert!(filled(&request).is_none(), "the form would make one for all events of it");
    }
}
