//! Executions: which there are, what an event would fire and why, setting and removing them.

mod explained;
mod set;

use axum::{Router, extract::Query, routing::get};
use domain::{Execution, Role, Source};
use maud::{Markup, html};
use operate::{Edit, Keys, words};
use serde::Deserialize;

use super::{
    event::encoded,
    flash::Done,
    frame::{self, Place},
    parts::{self, instance, table},
    trouble::Trouble,
    visit::{Fields, Visit},
};
use crate::house::House;

/// How what is asked for is called in messages.
const FORM: &str = "the form";

pub(super) fn routes() -> Router<House> {
    Router::new()
        .route("/executions", get(page).post(set::set))
        .route("/executions/delete", get(set::ask_delete).post(set::delete))
}

/// What the page is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Explain an event of this type.
    event: Option<String>,
    instance: Option<String>,
    /// Fill the form with the execution of this condition, on the instance that is named.
    change: Option<String>,
}

impl Asked {
    fn on(&self) -> Option<&str> {
        self.instance.as_deref().map(str::trim).filter(|instance| !instance.is_empty())
    }
}

async fn page(visit: Visit, Query(asked): Query<Asked>, Query(done): Query<Done>) -> Result<Markup, Trouble> {
    let edit = look(&visit).await?;
    let wanted = asked.change.as_deref().and_then(|condition| condition.parse().ok());
    let changed = wanted.and_then(|condition| {
        edit.executions().find(|known| {
            known.condition == condition && known.instance.as_ref().map(domain::InstanceId::as_str) == asked.on()
        })
    });
    let fields = changed.and_then(set::filled).unwrap_or_default();
    let flash = html! { @if let Some(flash) = done.done { p.note.good role="status" { (flash.sentence()) } } };
    let explained = explained::section(&visit, &asked).await?;
    Ok(whole(&visit, &edit, &flash, &explained, &fields, None))
}

async fn look(visit: &Visit) -> Result<Edit<'_>, Trouble> {
    let operator = &visit.operator;
    Ok(Edit::begin(&operator.state, &operator.files, visit.caller(), FORM, Keys::ThatOpen, false).await?)
}

fn whole(
    visit: &Visit,
    edit: &Edit<'_>,
    flash: &Markup,
    explained: &Markup,
    fields: &Fields,
    error: Option<&str>,
) -> Markup {
    let content = html! {
        h1 { "Executions" }
        p.lead { "An execution says which targets are called for an event. Only the most specific one that matches fires." }
        (flash)
        (explained)
        h2 #executions-head { "All executions" }
        (list(visit, edit))
        @if visit.who.may(Role::Admin) { (set::form(visit, edit, fields, error)) }
    };
    frame::page(&visit.who, Place::Executions, "Executions", &content)
}

/// What an execution is known by, as a part of an address.
fn query(execution: &Execution) -> String {
    let on = execution.instance.as_ref().map(|instance| format!("&instance={}", encoded(instance.as_str())));
    format!("{}{}", encoded(&execution.condition.to_string()), on.unwrap_or_default())
}

fn list(visit: &Visit, edit: &Edit<'_>) -> Markup {
    let defines = visit.who.may(Role::Admin);
    let mut executions: Vec<&Execution> = edit.executions().collect();
    executions.sort_by(|a, b| (&a.condition, &a.instance).cmp(&(&b.condition, &b.instance)));
    let rows = html! {
        @for execution in &executions {
            tr {
                th scope="row" { code { (execution.condition) } }
                td { @match &execution.instance { Some(one) => (instance(one.as_str())), None => span.quiet { "every one" } } }
                td {
                    @if execution.targets.is_empty() { (parts::calm("nobody")) }
                    ol.calls { @for entry in &execution.targets { li { (words::entry(entry)) } } }
                }
                td { @for pattern in &execution.exclude { code { (pattern) } " " } @if execution.exclude.is_empty() { span.quiet { "–" } } }
                td { @match execution.source { Source::File => "file", Source::Api => "by hand" } }
                @if defines {
                    td {
                        @if execution.source == Source::Api {
                            div.acts {
                                @if execution.condition.is_for_events() {
                                    a.button href={ "/executions?change=" (query(execution)) "#set" } { "Change" span.hidden { " " (execution.condition) } }
                                }
                                a.button href={ "/executions/delete?condition=" (query(execution)) } data-dialog {
                                    "Remove…" span.hidden { " " (execution.condition) }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    let mut columns = vec!["Execution", "Instance", "Calls, in this order", "Except", "Set"];
    columns.extend(defines.then_some("-Acts"));
    html! {
        @if executions.is_empty() {
            p.empty { "None is set: no event calls anybody." @if defines { " Set the first one below." } }
        } @else {
            (table("executions-head", &columns, &rows))
        }
    }
}
