//! Pause, resume, halt, unhalt, skip.

use axum::{extract::Path, extract::Query, response::Response};
use domain::Target;
use maud::{Markup, html};
use operate::{
    How,
    cursors::{self, cursors_of},
};
use serde::Deserialize;

use super::{
    super::{
        flash::Flash,
        frame, parts,
        trouble::{Trouble, sentence},
        visit::{Act, For, Posted, Visit},
    },
    address, at, done, find,
};

pub(super) async fn pause(path: Path<String>, posted: Posted<Act>) -> Result<Response, Trouble> {
    set_paused(path, posted, true).await
}

pub(super) async fn resume(path: Path<String>, posted: Posted<Act>) -> Result<Response, Trouble> {
    set_paused(path, posted, false).await
}

async fn set_paused(Path(id): Path<String>, posted: Posted<Act>, paused: bool) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let target = find(visit, &id).await?;
    let (operator, how) = (&visit.operator, posted.fields.how());
    let places = (Some(&operator.events), &operator.state);
    cursors::set_paused(target.name.as_str(), paused, &how, visit.caller(), places, operator.max_event_age).await?;
    Ok(done(&target, if paused { Flash::Paused } else { Flash::Resumed }))
}

/// On which of its instances.
#[derive(Debug, Default, Deserialize)]
pub(super) struct On {
    instance: Option<String>,
}

/// The choice of an instance, for a target that has cursors on more than one.
async fn instances(visit: &Visit, target: &Target, all: Option<&str>, chosen: &str) -> Result<Markup, Trouble> {
    let cursors = cursors_of(&visit.operator.state, &target.id, target.name.as_str(), None).await?;
    if cursors.len() < 2 {
        return Ok(Markup::default());
    }
    let mut words: Vec<(&str, &str)> = all.map(|all| ("", all)).into_iter().collect();
    words.extend(cursors.iter().map(|cursor| (cursor.instance_id.as_str(), cursor.instance_id.as_str())));
    Ok(parts::choice("instance", "Instance", chosen, &words, ""))
}

pub(super) async fn ask_halt(visit: For<Act>, Path(id): Path<String>, Query(on): Query<On>) -> Result<Markup, Trouble> {
    let target = find(&visit, &id).await?;
    let back = address(target.id.as_str());
    let content = html! {
        p { "Its cursor stays where it is, also if it is moved meanwhile, until somebody unhalts it." }
        (visit.who.form(&at(&target, "halt"), &html! {
            (instances(&visit, &target, Some("All of them"), on.instance.as_deref().unwrap_or_default()).await?)
            (parts::needed("reason", "Reason", "", "For those who come after you."))
            (frame::answers("Halt", &back, false))
        }))
    };
    Ok(frame::asks(&visit.who, &format!("Halt {}", target.name), &content))
}

pub(super) async fn halt(Path(id): Path<String>, posted: Posted<Act>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let target = find(visit, &id).await?;
    let (operator, how, on) = (&visit.operator, posted.fields.how(), posted.fields.some("instance"));
    let places = (None, &operator.state);
    let name = target.name.as_str();
    cursors::halt(name, on.as_deref(), &how, visit.caller(), places, operator.max_event_age).await?;
    Ok(done(&target, Flash::Halted))
}

pub(super) async fn unhalt(Path(id): Path<String>, posted: Posted<Act>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let target = find(visit, &id).await?;
    let (operator, how, on) = (&visit.operator, posted.fields.how(), posted.fields.some("instance"));
    let places = (None, &operator.state);
    let name = target.name.as_str();
    let told = cursors::unhalt(name, on.as_deref(), &how, visit.caller(), places, operator.max_event_age).await?;
    if told.answer["changed"] == false {
        return Err(operate::OperateError::Nothing(told.sentence).into());
    }
    Ok(done(&target, Flash::Unhalted))
}

/// Says which event would be parked, where that can be said.
pub(super) async fn ask_skip(visit: For<Act>, Path(id): Path<String>, Query(on): Query<On>) -> Result<Markup, Trouble> {
    let target = find(&visit, &id).await?;
    let back = address(target.id.as_str());
    let how = How { reason: None, dry_run: true };
    let on = on.instance.filter(|instance| !instance.is_empty());
    let choice = instances(&visit, &target, None, on.as_deref().unwrap_or_default()).await?;
    let several = !choice.0.is_empty();
    let told = if several && on.is_none() {
        None
    } else {
        Some(cursors::skip(target.name.as_str(), on.as_deref(), &how, visit.caller(), visit.operator.places()).await?)
    };
    let content = html! {
        @match &told {
            Some(told) => p { strong { (sentence(&told.sentence)) } " It stays among the failed events and can be retried." }
            None => p { "The event at the head is parked: it stays among the failed events, and the cursor moves on." }
        }
        (visit.who.form(&at(&target, "skip"), &html! {
            (choice)
            (parts::line("reason", "Reason", "", "For those who come after you; it may be left out."))
            (frame::answers("Skip", &back, false))
        }))
    };
    Ok(frame::asks(&visit.who, &format!("Skip an event of {}", target.name), &content))
}

pub(super) async fn skip(Path(id): Path<String>, posted: Posted<Act>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let target = find(visit, &id).await?;
    let (how, on) = (posted.fields.how(), posted.fields.some("instance"));
    let places = visit.operator.places();
    cursors::skip(target.name.as_str(), on.as_deref(), &how, visit.caller(), places).await?;
    Ok(done(&target, Flash::Skipped))
}
