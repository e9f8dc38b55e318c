//! A new target.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use domain::{Position, Start, Target};
use maud::{Markup, html};
use operate::{Edit, Keys, OperateError, new_signing_key};

use super::{
    super::{
        frame::{self, Place},
        parts::{self, check, line},
        trouble::{Trouble, sentence},
        visit::{Define, Fields, For, Posted, Visit},
    },
    fields,
    keys::{FORM, shown_once},
};

/// What stands for a target that has no name and no endpoint yet.
fn blank(visit: &Visit) -> Target {
    let endpoint = "https://endpoint.invalid".parse().expect("it is a URL");
    let mut draft = Target::new("".into(), "".into(), endpoint);
    draft.timeout = visit.operator.default_timeout;
    draft.max_in_flight = visit.operator.default_max_in_flight;
    draft
}

pub(super) async fn page(visit: For<Define>) -> Result<Markup, Trouble> {
    let fields = fields::of(&blank(&visit)).with("endpoint", "").with("start", "now");
    Ok(form(&visit, &fields, None))
}

fn form(visit: &Visit, fields: &Fields, error: Option<&str>) -> Markup {
    let content = html! {
        h1 { "New target" }
        (parts::refusal(error))
        (visit.who.form("/targets/new", &html! {
            (fields::inputs(fields, &[]))
            (line("start", "Begin at", fields.text("start"), "now, beginning, a position, or a time with its offset."))
            @if visit.caller().instance.is_none() {
                (line("instance", "Instance", fields.text("instance"), "The one that it belongs to; nothing for all of them."))
            }
            (check("paused", "Paused: nothing is sent until it is resumed", fields.is_checked("paused")))
            div.acts {
                button.primary type="submit" { "Create target" }
                a.button href="/" { "Cancel" }
            }
        }))
    };
    frame::page(&visit.who, Place::Overview, "New target", &content)
}

pub(super) async fn create(posted: Posted<Define>) -> Result<Response, Trouble> {
    let (visit, fields) = (&posted.visit, &posted.fields);
    match made(visit, fields).await {
        Ok(page) => Ok(page.into_response()),
        Err(trouble) if trouble.is_about_the_form() => {
            let page = form(visit, &fields.clone().with("more", "yes"), Some(trouble.detail()));
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(trouble) => Err(trouble),
    }
}

async fn made(visit: &Visit, fields: &Fields) -> Result<Markup, Trouble> {
    if fields.some("name").is_none() || fields.some("endpoint").is_none() {
        return Err(OperateError::Invalid("a name and an endpoint are needed".to_owned()).into());
    }
    let operator = &visit.operator;
    let mut draft = blank(visit);
    fields::settings(fields, None)?.put_into(&mut draft)?;
    let start = fields.some("start").map(|start| start.parse()).transpose();
    let invalid = |error: domain::StartError| OperateError::Invalid(error.to_string());
    draft.start = start.map_err(invalid)?.unwrap_or(Start::Now);
    (draft.start_position, draft.paused) = (Position::ZERO, fields.is_checked("paused"));
    draft.instance = visit.caller().narrow(fields.some("instance").map(Into::into))?;
    let key = new_signing_key();
    draft.signing_keys = vec![key.clone().into()];
    let edit = Edit::begin(&operator.state, &operator.files, visit.caller(), FORM, Keys::All, false).await?;
    let plan = edit.create(draft, operator.places()).await?;
    plan.carry_out(&operator.state, &visit.caller().name).await?;
    let target = plan.new_target().ok_or_else(|| OperateError::Nothing("nothing was created".to_owned()))?;
    let rest = html! {
        @for warning in &plan.warnings { p.note.warn { (sentence(warning)) } }
        p { "Next, " a href="/executions" { "set an execution" } " that names it: without one it hears of nothing." }
    };
    Ok(shown_once(&visit.who, target.name.as_str(), target.id.as_str(), &key, &rest))
}
