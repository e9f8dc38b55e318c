//! The store, page by page, the newest event first.

use axum::{Router, extract::Query, routing::get};
use domain::{Start, TypePattern};
use maud::{Markup, html};
use operate::{
    OperateError,
    events::{self, Browse, EventsPage},
};
use serde::Deserialize;

use super::{
    event::encoded,
    frame::{self, Place},
    parts::{self, table, time},
    trouble::Trouble,
    visit::Visit,
};
use crate::house::House;

/// Events of a page.
const LIMIT: usize = 50;
/// Instances that are offered by their names; beyond that one is typed in.
const OFFERED: usize = 50;

pub(super) fn routes() -> Router<House> {
    Router::new().route("/events", get(page))
}

/// Which events, as it stands in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    instance: String,
    r#type: String,
    aggregate_type: String,
    aggregate_id: String,
    before: String,
    page: String,
}

impl Asked {
    fn browse(&self) -> Result<Browse, Trouble> {
        let said = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let types =
            said(&self.r#type).map(|text| text.parse::<TypePattern>()).transpose().map_err(OperateError::from)?;
        let invalid = |error: domain::StartError| OperateError::Invalid(error.to_string());
        Ok(Browse {
            instance: said(&self.instance),
            types: types.into_iter().collect(),
            aggregate_type: said(&self.aggregate_type),
            aggregate_id: said(&self.aggregate_id),
            before: said(&self.before).map(|text| text.parse::<Start>()).transpose().map_err(invalid)?,
            after_page: said(&self.page),
            limit: LIMIT,
        })
    }

    /// The same question, from another place on.
    fn address(&self, page: &str) -> String {
        let parts = [
            ("instance", &*self.instance),
            ("type", &self.r#type),
            ("aggregate_type", &self.aggregate_type),
            ("aggregate_id", &self.aggregate_id),
            ("before", &self.before),
            ("page", page),
        ];
        let said = parts.into_iter().filter(|(_, value)| !value.is_empty());
        let said: Vec<String> = said.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        format!("/events?{}", said.join("&"))
    }

    fn narrows(&self) -> bool {
        [&self.r#type, &self.aggregate_type, &self.aggregate_id, &self.before]
            .iter()
            .any(|text| !text.trim().is_empty())
    }
}

async fn page(visit: Visit, Query(mut asked): Query<Asked>) -> Result<Markup, Trouble> {
    let instances = events::list_instances(visit.caller(), &visit.operator.events).await?;
    let offered: Vec<&str> = instances.iter().take(OFFERED).map(domain::InstanceId::as_str).collect();
    if let (true, Some(first)) = (asked.instance.is_empty(), offered.first()) {
        (*first).clone_into(&mut asked.instance);
    }
    let found = match asked.browse() {
        Ok(browse) => events::browse(&browse, visit.caller(), visit.operator.places()).await.map_err(Trouble::from),
        Err(trouble) => Err(trouble),
    };
    let (page, error) = match found {
        Ok(page) => (Some(page), None),
        Err(trouble) if trouble.is_about_the_form() || trouble.status() == axum::http::StatusCode::NOT_FOUND => {
            (None, Some(trouble))
        }
        Err(trouble) => return Err(trouble),
    };
    let content = html! {
        h1 #events-head { "Events" }
        (form(&asked, &offered, instances.len() > OFFERED))
        (parts::refusal(error.as_ref().map(Trouble::detail)))
        @if let Some(page) = &page { (listed(&asked, page)) }
    };
    Ok(frame::page(&visit.who, Place::Events, "Events", &content))
}

fn form(asked: &Asked, offered: &[&str], has_more: bool) -> Markup {
    let words: Vec<(&str, &str)> = offered.iter().map(|one| (*one, *one)).collect();
    html! {
        form.filter action="/events" role="search" aria-label="Events" {
            div.columns {
                (parts::line("type", "Type or group", &asked.r#type, "user.human.added, user.human.*"))
                (parts::line("aggregate_type", "Kind of aggregate", &asked.aggregate_type, ""))
                (parts::line("aggregate_id", "Aggregate", &asked.aggregate_id, ""))
                (parts::line("before", "Before", &asked.before, "A time with its offset, or a position."))
                @if has_more { (parts::line("instance", "Instance", &asked.instance, "")) }
                @else if offered.len() > 1 { (parts::choice("instance", "Instance", &asked.instance, &words, "")) }
            }
            div.acts {
                button.primary type="submit" { "Show" }
                @if asked.narrows() { a.button href="/events" { "All events" } }
            }
        }
    }
}

fn listed(asked: &Asked, page: &EventsPage) -> Markup {
    let now = operate::now();
    let rows = html! {
        @for line in &page.events {
            tr {
                td {
                    a href={ "/events/" (line.key) } {
                        @match &line.event_type { Some(event_type) => (event_type), None => "cannot be read" }
                    }
                }
                td { (line.aggregate_type) }
                td.long { code { (line.aggregate_id) "#" (line.sequence) } }
                td { @match line.created_at { Some(at) => (time(at, now)), None => span.quiet { "–" } } }
                td.number { code { (line.position) } }
                td { @if let Some(creator) = &line.creator { code.long { (creator) } } }
                td.number { @match line.payload_bytes { Some(bytes) => (bytes), None => span.quiet { "–" } } }
            }
        }
    };
    let columns = ["Event", "Kind", "Aggregate", "When", "#Position", "By", "#Bytes"];
    html! {
        @if page.events.is_empty() {
            p.empty {
                @if asked.narrows() && page.next.is_none() { "No event is like that." }
                @else if page.next.is_some() { "None in this stretch of the store; look further back." }
                @else { "The store has no events yet." }
            }
        } @else { (table("events-head", &columns, &rows)) }
        div.acts {
            @if !asked.page.is_empty() { a.button href=(asked.address("")) { "Newest" } }
            @if let Some(next) = &page.next { a.button href=(asked.address(next)) { "Older" } }
        }
    }
}
