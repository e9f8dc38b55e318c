//! Changing a target.

use axum::{
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use domain::Target;
use maud::{Markup, html};
use operate::{Edit, Keys};

use super::{
    super::{
        flash::Flash,
        frame::{self, Place},
        parts,
        trouble::Trouble,
        visit::{Define, Fields, For, Posted, Visit},
    },
    address, at, done, fields, find,
    keys::FORM,
};
use crate::problem::Problem;

/// The field that says of which settings a form was made.
const MADE_FROM: &str = "made_from";

pub(super) async fn page(visit: For<Define>, Path(id): Path<String>) -> Result<Markup, Trouble> {
    let target = find(&visit, &id).await?;
    let shown = fields::of(&target).with(MADE_FROM, &fields::print(&target));
    Ok(form(&visit, &target, &shown, None))
}

fn form(visit: &Visit, target: &Target, fields: &Fields, error: Option<&str>) -> Markup {
    let headers: Vec<&str> = target.headers.keys().map(String::as_str).collect();
    let title = format!("Settings of {}", target.name);
    let content = html! {
        h1 { (title) }
        (parts::refusal(error))
        @if fields::is_ours(target) {
            (visit.who.form(&at(target, "settings"), &html! {
                input type="hidden" name=(MADE_FROM) value=(fields.text(MADE_FROM));
                (fields::inputs(&fields.clone().with("more", "yes"), &headers))
                div.acts {
                    button.primary type="submit" { "Change target" }
                    a.button href=(address(target.id.as_str())) { "Cancel" }
                }
            }))
        } @else {
            p.note.warn { "It came from a file and belongs to it: edit the file and run " code { "postrider apply" } "." }
            p { a href=(address(target.id.as_str())) { "Back" } }
        }
    };
    frame::page(&visit.who, Place::Overview, &title, &content)
}

pub(super) async fn change(Path(id): Path<String>, posted: Posted<Define>) -> Result<Response, Trouble> {
    let (visit, said) = (&posted.visit, &posted.fields);
    let known = find(visit, &id).await?;
    match changed(visit, &known, said).await {
        Ok(flash) => Ok(done(&known, flash)),
        Err(trouble) if trouble.is_about_the_form() => {
            Ok((StatusCode::BAD_REQUEST, form(visit, &known, said, Some(trouble.detail()))).into_response())
        }
        Err(trouble) => Err(trouble),
    }
}

async fn changed(visit: &Visit, known: &Target, said: &Fields) -> Result<Flash, Trouble> {
    let operator = &visit.operator;
    let edit = Edit::begin(&operator.state, &operator.files, visit.caller(), FORM, Keys::All, false).await?;
    let mut target = edit.target(known.name.as_str())?.clone();
    if said.text(MADE_FROM) != fields::print(&target) {
        // Every field is sent, so what somebody else has changed meanwhile would be changed back.
        let detail = "somebody else changed this target while you did; load the form again to see what it is now";
        return Err(Problem::new(StatusCode::CONFLICT, "overtaken", detail).into());
    }
    fields::settings(said, Some(&target))?.put_into(&mut target)?;
    let plan = edit.update(target)?;
    plan.carry_out(&operator.state, &visit.caller().name).await?;
    Ok(if plan.changes.is_empty() { Flash::Same } else { Flash::Changed })
}
