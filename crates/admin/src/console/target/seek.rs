//! Moving a cursor: first what would come of it is counted, then it is done.

use axum::{
    extract::{Path, Query},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use domain::{Start, Target};
use maud::{Markup, html};
use operate::{
    How, OperateError,
    cursors::{self, Seek, Sought, cursors_of},
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

/// So close to an end of the line is the end.
const EDGE: u32 = 5;

/// Where a cursor shall stand, as far as it is known.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// On this instance only.
    instance: Option<String>,
    /// A place in words.
    to: Option<String>,
    /// A place on the time line, in thousandths.
    share: Option<u32>,
    new_ids: Option<String>,
    reason: Option<String>,
}

impl Wanted {
    fn seek(&self, target: &Target, to: Start) -> Seek {
        Seek {
            target: target.name.to_string(),
            instance: self.instance.clone().filter(|instance| !instance.is_empty()),
            to,
            new_ids: self.new_ids.is_some(),
            accept_lost: false,
        }
    }

    fn place(&self) -> Result<Option<Start>, Trouble> {
        let invalid = |error: domain::StartError| crate::problem::Problem::invalid(error.to_string());
        let to = self.to.as_deref().map(str::trim).filter(|to| !to.is_empty());
        Ok(to.map(str::parse).transpose().map_err(invalid)?)
    }
}

/// What stands on the time line at this share of its length.
async fn on_the_line(visit: &Visit, target: &Target, wanted: &Wanted, share: u32) -> Result<Start, Trouble> {
    if share <= EDGE {
        return Ok(Start::Beginning);
    }
    if share >= 1000 - EDGE {
        return Ok(Start::Now);
    }
    let (events, state) = visit.operator.places();
    let on = wanted.instance.as_deref().filter(|instance| !instance.is_empty());
    let cursors = cursors_of(state, &target.id, target.name.as_str(), on).await?;
    let head = events.probe().await?.head;
    let mut first = None;
    for cursor in &cursors {
        let here = cursors::extent(&cursor.instance_id, head, events).await?.map(|extent| extent.first);
        first = first.into_iter().chain(here).min();
    }
    Ok(first.map_or(Start::Beginning, |first| Start::At(first.part_of_the_way(head, share))))
}

pub(super) async fn ask(
    visit: For<Act>,
    Path(id): Path<String>,
    Query(mut wanted): Query<Wanted>,
) -> Result<Markup, Trouble> {
    let target = find(&visit, &id).await?;
    if let Some(share) = wanted.share {
        wanted.to = Some(on_the_line(&visit, &target, &wanted, share).await?.to_string());
    }
    question(&visit, &target, &wanted, None).await
}

async fn question(visit: &Visit, target: &Target, wanted: &Wanted, error: Option<&str>) -> Result<Markup, Trouble> {
    let back = address(target.id.as_str());
    let rehearsed = match wanted.place() {
        Ok(None) => None,
        Ok(Some(to)) => Some(rehearse(visit, target, wanted, to).await),
        Err(trouble) => Some(Err(trouble)),
    };
    let trouble = rehearsed.as_ref().and_then(|rehearsed| rehearsed.as_ref().err());
    if let Some(trouble) = trouble.filter(|trouble| !trouble.is_about_the_form()) {
        return Err(trouble.clone());
    }
    let sought = rehearsed.as_ref().and_then(|rehearsed| rehearsed.as_ref().ok());
    let error = error.or_else(|| trouble.map(Trouble::detail));
    let instance = wanted.instance.clone().unwrap_or_default();
    let content = html! {
        (parts::refusal(error))
        form action=(at(target, "seek")) data-dialog {
            input type="hidden" name="instance" value=(instance);
            @if wanted.new_ids.is_some() { input type="hidden" name="new_ids" value="yes"; }
            (parts::field("to", "Move to", "The event there is sent again, and everything behind it: beginning, now, a position, or a time with its offset.", &html! {
                div.row {
                    input #to name="to" list="places" value=(wanted.to.as_deref().unwrap_or_default()) required autocomplete="off"
                        aria-describedby="to-help" autofocus;
                    button type="submit" { "Count" }
                }
                datalist #places { option value="beginning" {} option value="now" {} }
            }))
        }
        @if let Some(sought) = sought {
            div role="status" { (would(sought)) }
            (visit.who.form(&at(target, "seek"), &html! {
                input type="hidden" name="to" value=(wanted.to.as_deref().unwrap_or_default());
                input type="hidden" name="instance" value=(instance);
                (parts::check("new_ids", "New ids, for receivers that would take the events for duplicates", wanted.new_ids.is_some()))
                (parts::line("reason", "Reason", wanted.reason.as_deref().unwrap_or_default(), ""))
                (frame::answers("Seek", &back, false))
            }))
        } @else {
            div.acts { a.button href=(back) data-cancel { "Cancel" } }
        }
    };
    Ok(frame::asks(&visit.who, &format!("Seek {}", target.name), &content))
}

async fn rehearse(visit: &Visit, target: &Target, wanted: &Wanted, to: Start) -> Result<Sought, Trouble> {
    let (how, operator) = (How { reason: None, dry_run: true }, &visit.operator);
    let seek = wanted.seek(target, to);
    Ok(cursors::seek(&seek, &how, visit.caller(), operator.places(), operator.max_event_age).await?)
}

/// What would come of it, for each cursor.
fn would(sought: &Sought) -> Markup {
    html! {
        ul.plain {
            @for moved in &sought.moved {
                li {
                    @if sought.moved.len() > 1 { code { (moved.instance_id) } ": " }
                    strong { (moved.said[0]) " would be sent" }
                    @if moved.would_pass != Some(0) { ", " strong { (moved.said[1]) } " would be passed without being sent" }
                    span.quiet { " (" (moved.direction) " from " code { (moved.from) } " to " code { (moved.to) } ")" }
                }
            }
        }
        @for warning in &sought.warnings { p.note.warn { (sentence(warning)) } }
    }
}

pub(super) async fn seek(Path(id): Path<String>, posted: Posted<Act>) -> Result<Response, Trouble> {
    let (visit, fields) = (&posted.visit, &posted.fields);
    let target = find(visit, &id).await?;
    let wanted = Wanted {
        instance: fields.some("instance"),
        to: fields.some("to"),
        share: None,
        new_ids: fields.some("new_ids"),
        reason: fields.some("reason"),
    };
    let said = wanted.place().and_then(|to| {
        to.ok_or_else(|| OperateError::Invalid("say where: beginning, now, a position, or a time".to_owned()).into())
    });
    let moved = match said {
        Ok(to) => {
            let operator = &visit.operator;
            let seek = wanted.seek(&target, to);
            cursors::seek(&seek, &fields.how(), visit.caller(), operator.places(), operator.max_event_age)
                .await
                .map_err(Trouble::from)
        }
        Err(trouble) => Err(trouble),
    };
    match moved {
        Ok(_) => Ok(done(&target, Flash::Moved)),
        Err(trouble) if trouble.is_about_the_form() => {
            let page = question(visit, &target, &wanted, Some(trouble.detail())).await?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(trouble) => Err(trouble),
    }
}
