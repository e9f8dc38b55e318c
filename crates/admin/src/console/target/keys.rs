//! A new signing key, shown once; and the end of a target.

use std::time::Duration;

use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use domain::Target;
use maud::{Markup, html};
use operate::{Edit, Keys, OperateError, new_signing_key};

use super::{
    super::{
        flash::Flash,
        frame::{self, Place},
        parts,
        trouble::{Trouble, sentence},
        visit::{Define, For, Posted, Who},
    },
    address, at, find,
};

/// How what is asked for is called in messages.
pub(super) const FORM: &str = "the form";

const GRACES: &[(&str, &str)] = &[
    ("86400", "for a day beside the new one"),
    ("3600", "for an hour beside the new one"),
    ("604800", "for a week beside the new one"),
    ("0", "not at all: it ends at once"),
];

/// A page with a key on it that no page shows again.
pub(super) fn shown_once(who: &Who, target: &str, id: &str, key: &str, rest: &Markup) -> Markup {
    let content = html! {
        h1 { (target) }
        p.note.warn role="status" { "Copy the signing key now: it is shown this once." }
        p.secret {
            label for="signing-key" { "Signing key" }
            output #signing-key { (key) }
        }
        p.help {
            "Receivers check " code { "ZITADEL-Signature" } " with it: HMAC-SHA256 of the time, a dot, and the body. "
            code { "postrider verify" } " does the same."
        }
        (rest)
        p { a.button href=(address(id)) { "Go to the target" } }
    };
    frame::page(who, Place::Overview, target, &content)
}

pub(super) async fn ask_rotate(visit: For<Define>, Path(id): Path<String>) -> Result<Markup, Trouble> {
    let target = find(&visit, &id).await?;
    let back = address(target.id.as_str());
    let content = html! {
        p { "A key is generated and shown once. Calls carry a signature of each key that is in force." }
        (visit.who.form(&at(&target, "rotate-key"), &html! {
            (parts::choice("grace", "The old key still signs", "86400", GRACES, ""))
            (frame::answers("Generate a key", &back, false))
        }))
    };
    Ok(frame::asks(&visit.who, &format!("New key for {}", target.name), &content))
}

pub(super) async fn rotate(Path(id): Path<String>, posted: Posted<Define>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let known = find(visit, &id).await?;
    let said = posted.fields.text("grace");
    let grace =
        GRACES.iter().find(|(seconds, _)| *seconds == said).and_then(|(seconds, _)| seconds.parse::<u64>().ok());
    let grace = grace.ok_or_else(|| OperateError::Invalid("say for how long the old key still signs".to_owned()))?;
    let operator = &visit.operator;
    // What ends at once need not be readable.
    let keys = if grace == 0 { Keys::ThatOpen } else { Keys::All };
    let edit = Edit::begin(&operator.state, &operator.files, visit.caller(), FORM, keys, false).await?;
    let mut target: Target = edit.target(known.name.as_str())?.clone();
    let until = if grace == 0 || target.signing_keys.is_empty() {
        None
    } else {
        operator.state.now().await?.checked_add(Duration::from_secs(grace)).ok()
    };
    let key = new_signing_key();
    target.rotate_key(key.clone().into(), until);
    edit.update(target)?.carry_out(&operator.state, &visit.caller().name).await?;
    Ok(shown_once(&visit.who, known.name.as_str(), known.id.as_str(), &key, &Markup::default()).into_response())
}

pub(super) async fn ask_delete(visit: For<Define>, Path(id): Path<String>) -> Result<Markup, Trouble> {
    let known = find(&visit, &id).await?;
    let (operator, back) = (&visit.operator, address(known.id.as_str()));
    let edit = Edit::begin(&operator.state, &operator.files, visit.caller(), FORM, Keys::ThatOpen, true).await?;
    let plan = edit.delete(edit.target(known.name.as_str())?, true)?;
    let content = html! {
        p { "Nothing is sent to it any more. Its cursors and failed events stay for as long as they are kept." }
        ul { @for change in &plan.changes { @if change.what == "execution" { li { "The execution " code { (change.name) } " loses it." } } } }
        @for warning in &plan.warnings { p.note.warn { (sentence(warning)) } }
        (visit.who.form(&at(&known, "delete"), &frame::answers("Delete", &back, true)))
    };
    Ok(frame::asks(&visit.who, &format!("Delete {}", known.name), &content))
}

pub(super) async fn delete(Path(id): Path<String>, posted: Posted<Define>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let known = find(visit, &id).await?;
    let operator = &visit.operator;
    let edit = Edit::begin(&operator.state, &operator.files, visit.caller(), FORM, Keys::ThatOpen, false).await?;
    let plan = edit.delete(edit.target(known.name.as_str())?, true)?;
    plan.carry_out(&operator.state, &visit.caller().name).await?;
    Ok(Redirect::to(&Flash::Deleted.at("/")).into_response())
}
