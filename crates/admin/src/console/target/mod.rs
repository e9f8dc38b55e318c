//! A target: how it stands, what failed, what was tried, and everything that can be done to it.
//!
//! Its address has its id, which stays when it is renamed. What is asked of `operate` names it by its name: of two targets, one
//! could be named as the other's id.

mod acts;
mod cursors;
mod defined;
mod deliveries;
mod failed;
mod fields;
mod keys;
mod new;
mod seek;
mod settings;
mod tried;

use axum::{
    Router,
    extract::{Path, Query},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use domain::{Role, Target};
use maud::{Markup, html};
use operate::Known;

use super::{
    flash::{Done, Flash},
    frame::{self, Place},
    live::{Part, Topic, part},
    trouble::Trouble,
    visit::{Visit, Who},
};
use crate::house::House;

pub(super) use failed::buttons_for_event;

pub(super) fn routes() -> Router<House> {
    Router::new()
        .route("/targets/new", get(new::page).post(new::create))
        .route("/targets/{id}", get(page))
        .route("/targets/{id}/pause", post(acts::pause))
        .route("/targets/{id}/resume", post(acts::resume))
        .route("/targets/{id}/halt", get(acts::ask_halt).post(acts::halt))
        .route("/targets/{id}/unhalt", post(acts::unhalt))
        .route("/targets/{id}/skip", get(acts::ask_skip).post(acts::skip))
        .route("/targets/{id}/seek", get(seek::ask).post(seek::seek))
        .route("/targets/{id}/retry", post(failed::retry))
        .route("/targets/{id}/discard", get(failed::ask_discard).post(failed::discard))
        .route("/targets/{id}/test", get(tried::ask).post(tried::test))
        .route("/targets/{id}/settings", get(settings::page).post(settings::change))
        .route("/targets/{id}/rotate-key", get(keys::ask_rotate).post(keys::rotate))
        .route("/targets/{id}/delete", get(keys::ask_delete).post(keys::delete))
}

/// Where a target's page is.
pub(super) fn address(id: &str) -> String {
    format!("/targets/{id}")
}

fn at(target: &Target, act: &str) -> String {
    format!("/targets/{}/{act}", target.id)
}

/// The target of an address, if it is the caller's to see.
async fn find(visit: &Visit, id: &str) -> Result<Target, Trouble> {
    let known = Known::read_whole(&visit.operator.state, visit.caller()).await?;
    of(&known, id)
}

fn of(known: &Known, id: &str) -> Result<Target, Trouble> {
    let found = known.targets().find(|target| target.id.as_str() == id);
    found.cloned().ok_or_else(|| Trouble::not_found("there is no such target; perhaps it was deleted"))
}

/// Back on its page, where the act is told.
fn done(target: &Target, flash: Flash) -> Response {
    Redirect::to(&flash.at(&address(target.id.as_str()))).into_response()
}

async fn page(visit: Visit, Path(id): Path<String>, Query(done): Query<Done>) -> Result<Markup, Trouble> {
    let target = find(&visit, &id).await?;
    let parts = parts(&visit, &id).await?;
    let who = &visit.who;
    let content = html! {
        h1 { (target.name) }
        p.quiet.address { code { (target.endpoint.without_query()) } }
        (part(&parts, "standing"))
        (part(&parts, "acts"))
        h2 #cursors-head { "Cursor" }
        (part(&parts, "cursors"))
        h2 #failed-head { "Failed events" }
        (part(&parts, "failed"))
        h2 #deliveries-head { "Deliveries" }
        (part(&parts, "deliveries"))
        (defined::section(&visit, &target).await?)
    };
    Ok(frame::followed(who, Place::Overview, target.name.as_str(), &Topic::Target(id), done.done, &content))
}

/// What is sent again when it has changed.
pub(super) async fn parts(visit: &Visit, id: &str) -> Result<Vec<Part>, Trouble> {
    let seen = cursors::Seen::read(visit, id).await?;
    Ok(vec![
        ("standing", seen.standing(visit)),
        ("acts", acts(&visit.who, &seen)),
        ("cursors", seen.cursors(&visit.who)),
        ("failed", failed::part(visit, &seen.target).await?),
        ("deliveries", deliveries::part(visit, &seen.target).await?),
    ])
}

/// What can be done to it as it stands, by whoever looks.
fn acts(who: &Who, seen: &cursors::Seen) -> Markup {
    let target = &seen.target;
    let link = |act: &str, word: &str| html! { a.button href=(at(target, act)) data-key=(act) data-dialog { (word) } };
    html! {
        div.acts #acts {
            @if who.may(Role::Operator) {
                @if target.paused {
                    (who.button(&at(target, "resume"), "Resume"))
                } @else {
                    (who.button(&at(target, "pause"), "Pause"))
                }
                @if seen.is_halted() { (who.button(&at(target, "unhalt"), "Unhalt")) }
                @if seen.has_cursors() {
                    (link("halt", "Halt…"))
                    (link("skip", "Skip…"))
                    (link("seek", "Move cursor…"))
                }
                (link("test", "Test call…"))
            }
            @if who.may(Role::Admin) && target.source == domain::Source::Api {
                a.button href=(at(target, "settings")) data-key="settings" { "Settings…" }
                (link("rotate-key", "New key…"))
                (link("delete", "Delete…"))
            }
        }
    }
}
