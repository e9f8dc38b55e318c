//! Failed events: what could not be delivered, sending it again, giving it up.

use axum::{
    extract::{Path, Query},
    response::{IntoResponse, Redirect, Response},
};
use domain::{FailedStatus, Role, Target};
use maud::{Markup, html};
use operate::{
    How,
    events::{key_of_word, word_of_failed},
    failed::{self, Line, Narrow},
};
use serde::Deserialize;

use super::{
    super::{
        flash::Flash,
        frame,
        parts::{self, failed_status, instance, table, time},
        trouble::{Trouble, sentence},
        visit::{Act, Fields, For, Posted, Visit, Who},
    },
    at, done, find,
};

/// Rows that are shown, those that failed last.
const MOST: u32 = 100;

pub(super) async fn part(visit: &Visit, target: &Target) -> Result<Markup, Trouble> {
    let last = failed::last(&[target], None, MOST, visit.caller(), &visit.operator.state).await?.remove(&target.id);
    let (count, parked) = last.as_ref().map_or((0, 0), |last| (last.count, last.parked));
    let (lines, now) = (last.map(|last| last.lines).unwrap_or_default(), operate::now());
    let acts = visit.who.may(Role::Operator);
    let rows = html! {
        @for line in &lines {
            tr data-key=(word_of_failed(line)) {
                td { a href={ "/events/" (word_of_failed(line)) } { (line.event_type) } }
                td.long { code { (line.aggregate_id) "#" (line.sequence) } }
                td { (instance(line.instance_id.as_str())) }
                td { (failed_status(line.status)) div.small.why { (line.error) } }
                td.number { (line.failure_count) }
                td { (time(line.first_failed, now)) }
                td { (time(line.last_failed, now)) }
                @if acts { td { (buttons(&visit.who, target, line)) } }
            }
        }
    };
    let mut columns = vec!["Event", "Aggregate", "Instance", "Status", "#Failures", "First", "Last"];
    columns.extend(acts.then_some("-Acts"));
    Ok(html! {
        div #failed {
            @if lines.is_empty() { p.empty { "None: everything that was sent arrived." } } @else {
                @if acts && parked > 1 {
                    div.acts data-key="all" {
                        (visit.who.form(&at(target, "retry"), &html! {
                            input type="hidden" name="status" value="parked";
                            button type="submit" { "Send all " (parked) " parked again" }
                        }))
                        a.button href={ (at(target, "discard")) "?status=parked" } data-dialog { "Discard all parked…" }
                    }
                }
                (table("failed-head", &columns, &rows))
                @if count > u64::from(MOST) {
                    p.help { "The last " (MOST) " of " (count) "; " code { "postrider failed list " (target.name) } " lists all." }
                }
            }
        }
    })
}

fn one(line: &Line) -> Markup {
    html! {
        input type="hidden" name="instance" value=(line.instance_id);
        input type="hidden" name="aggregate" value=(line.aggregate_id);
        input type="hidden" name="sequence" value=(line.sequence);
    }
}

fn buttons(who: &Who, target: &Target, line: &Line) -> Markup {
    let which = html! { span.hidden { " " (line.event_type) " of " (line.aggregate_id) " " (line.sequence) } };
    html! {
        div.acts {
            (who.form(&at(target, "retry"), &html! { (one(line)) button type="submit" { "Retry" (which) } }))
            form action=(at(target, "discard")) data-dialog { (one(line)) button type="submit" { "Discard…" (which) } }
        }
    }
}

/// Retry and discard, for the page of an event that this target failed to take.
pub(in crate::console) fn buttons_for_event(who: &Who, target: &str, id: &str, word: &str) -> Markup {
    let Ok(key) = key_of_word(word) else { return Markup::default() };
    let fields = html! {
        input type="hidden" name="instance" value=(key.instance_id);
        input type="hidden" name="aggregate" value=(key.aggregate_id);
        input type="hidden" name="sequence" value=(key.sequence);
        input type="hidden" name="event" value=(word);
    };
    let of = html! { span.hidden { " for " (target) } };
    html! {
        div.acts {
            (who.form(&format!("/targets/{id}/retry"), &html! { (fields) button type="submit" { "Retry" (of) } }))
            form action={ "/targets/" (id) "/discard" } data-dialog { (fields) button type="submit" { "Discard…" (of) } }
        }
    }
}

/// Which events an act is about, as it stands in an address and in a form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    instance: Option<String>,
    aggregate: Option<String>,
    sequence: Option<i64>,
    status: Option<FailedStatus>,
    /// The page to come back to.
    event: Option<String>,
}

impl Which {
    fn of(fields: &Fields) -> Result<Self, Trouble> {
        let invalid = |error: &dyn std::fmt::Display| crate::problem::Problem::invalid(error.to_string());
        let sequence = fields.some("sequence").map(|text| text.parse()).transpose().map_err(|error| invalid(&error))?;
        let status =
            fields.some("status").map(|text| text.parse()).transpose().map_err(|error: String| invalid(&error))?;
        Ok(Self {
            // A store without instances has an empty name there.
            instance: fields.some("instance"),
            aggregate: fields.some("aggregate"),
            sequence,
            status,
            event: fields.some("event"),
        })
    }

    fn narrow(&self) -> Result<Narrow, Trouble> {
        // Never all of them by leaving something out.
        if self.aggregate.is_none() && self.status.is_none() {
            return Err(crate::problem::Problem::invalid("say which events: one, or all of a status").into());
        }
        Ok(Narrow {
            instance: self.instance.clone().filter(|instance| !instance.is_empty()),
            aggregate: self.aggregate.clone(),
            sequence: self.sequence,
            status: self.status,
            ..Narrow::default()
        })
    }

    /// Back where it was asked for.
    fn back(&self, target: &Target) -> String {
        match &self.event {
            Some(word) if key_of_word(word).is_ok() => format!("/events/{word}"),
            _ => super::address(target.id.as_str()),
        }
    }

    fn fields(&self) -> Markup {
        let text = |name: &str, value: &Option<String>| {
            html! {
                @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
            }
        };
        html! {
            (text("instance", &self.instance))
            (text("aggregate", &self.aggregate))
            (text("sequence", &self.sequence.map(|sequence| sequence.to_string())))
            (text("status", &self.status.map(|status| status.to_string())))
            (text("event", &self.event))
        }
    }
}

pub(super) async fn retry(Path(id): Path<String>, posted: Posted<Act>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let target = find(visit, &id).await?;
    let which = Which::of(&posted.fields)?;
    let (how, state) = (posted.fields.how(), &visit.operator.state);
    failed::retry(target.name.as_str(), which.narrow()?, &how, visit.caller(), state).await?;
    Ok(match &which.event {
        Some(_) => Redirect::to(&Flash::Retried.at(&which.back(&target))).into_response(),
        None => done(&target, Flash::Retried),
    })
}

pub(super) async fn ask_discard(
    visit: For<Act>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Markup, Trouble> {
    let target = find(&visit, &id).await?;
    question(&visit, &target, &which, None).await
}

async fn question(visit: &Visit, target: &Target, which: &Which, error: Option<&str>) -> Result<Markup, Trouble> {
    let how = How { reason: Some("a rehearsal".to_owned()), dry_run: true };
    let (caller, state) = (visit.caller(), &visit.operator.state);
    let told = failed::discard(target.name.as_str(), which.narrow()?, &how, caller, state).await?;
    let back = which.back(target);
    let content = html! {
        p { strong { (sentence(&told.sentence)) } " The target never gets what is discarded; the audit keeps who did it." }
        (parts::refusal(error))
        (visit.who.form(&at(target, "discard"), &html! {
            (which.fields())
            (parts::needed("reason", "Reason", "", "For those who come after you."))
            (frame::answers("Discard", &back, true))
        }))
    };
    Ok(frame::asks(&visit.who, &format!("Discard failed events of {}", target.name), &content))
}

pub(super) async fn discard(Path(id): Path<String>, posted: Posted<Act>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let target = find(visit, &id).await?;
    let which = Which::of(&posted.fields)?;
    let (how, state) = (posted.fields.how(), &visit.operator.state);
    match failed::discard(target.name.as_str(), which.narrow()?, &how, visit.caller(), state).await {
        Ok(_) => Ok(Redirect::to(&Flash::Discarded.at(&which.back(&target))).into_response()),
        Err(error) if how.reason.is_none() => {
            let page = question(visit, &target, &which, Some(&error.to_string())).await?;
            Ok((axum::http::StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
