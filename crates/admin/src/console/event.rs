//! One event: what it says, which targets got it and when, and sending it again to those that did not.

use axum::{
    Router,
    extract::{Path, Query},
    routing::get,
};
use domain::Role;
use maud::{Markup, html};
use operate::events::{self, Receipt, WholeEvent};

use super::{
    flash::Done,
    frame::{self, Place},
    live::{Part, Topic, part},
    parts::{self, instance, moment, table, time},
    payload::pretty,
    target,
    trouble::{Trouble, sentence},
    visit::Visit,
};
use crate::house::House;

pub(super) fn routes() -> Router<House> {
    Router::new().route("/events/{key}", get(page))
}

async fn page(visit: Visit, Path(key): Path<String>, Query(done): Query<Done>) -> Result<Markup, Trouble> {
    let whole = events::show(&key, visit.caller(), visit.operator.places()).await?;
    let receipts = ("receipts", receipts(&visit, &whole));
    let line = &whole.line;
    let title = line.event_type.as_ref().map_or_else(|| "An event".to_owned(), ToString::to_string);
    let fact = |name: &str, value: &Markup| html! { div { dt { (name) } dd { (value) } } };
    let content = html! {
        h1 { (title) }
        @if let Some(reason) = &line.unreadable { p.note.bad { "It cannot be read: " (reason) } }
        dl.facts {
            @if let Some(at) = line.created_at { (fact("Happened", &html! { (moment(at)) })) }
            (fact("Aggregate", &html! {
                a.long href={ "/events?aggregate_id=" (encoded(&line.aggregate_id)) "&instance=" (encoded(line.instance_id.as_str())) } {
                    (line.aggregate_type) " " (line.aggregate_id)
                }
                " number " (line.sequence)
            }))
            (fact("Position", &html! { code { (line.position) "/" (line.in_tx_order) } }))
            @if !line.instance_id.as_str().is_empty() { (fact("Instance", &instance(line.instance_id.as_str()))) }
            @if let Some(creator) = &line.creator { (fact("By", &html! { code { (creator) } })) }
            @if let Some(owner) = &line.owner { (fact("Owner", &html! { code { (owner) } })) }
        }
        h2 #receipts-head { "Targets" }
        (part(&[receipts], "receipts"))
        (payload(&visit, &whole))
    };
    Ok(frame::followed(&visit.who, Place::Events, &title, &Topic::Event(key), done.done, &content))
}

/// What is sent again when it has changed.
pub(super) async fn parts(visit: &Visit, key: &str) -> Result<Vec<Part>, Trouble> {
    let whole = events::show(key, visit.caller(), visit.operator.places()).await?;
    Ok(vec![("receipts", receipts(visit, &whole))])
}

fn receipts(visit: &Visit, whole: &WholeEvent) -> Markup {
    let now = operate::now();
    let acts = visit.who.may(Role::Operator);
    let rows = html! {
        @for receipt in &whole.receipts {
            tr data-key=(receipt.target_id) {
                th scope="row" { a href=(target::address(receipt.target_id.as_str())) { (receipt.target) } }
                td { (state(receipt)) @if let Some(detail) = &receipt.detail { div.small.why { (detail) } } }
                td { @match receipt.delivered_at { Some(at) => (time(at, now)), None => span.quiet { "–" } } }
                @if acts {
                    td {
                        @if receipt.state == "failed" {
                            (target::buttons_for_event(&visit.who, &receipt.target, receipt.target_id.as_str(), &whole.line.key))
                        }
                    }
                }
            }
        }
    };
    let mut columns = vec!["Target", "State", "Delivered"];
    columns.extend(acts.then_some("-Acts"));
    html! {
        div #receipts {
            @if whole.receipts.is_empty() {
                p.empty {
                    "No target hears of it. "
                    @if let Some(event_type) = &whole.line.event_type {
                        a href={ "/executions?event=" (encoded(event_type.as_str())) } { "See which executions match" } "."
                    }
                }
            } @else { (table("receipts-head", &columns, &rows)) }
        }
    }
}

fn state(receipt: &Receipt) -> Markup {
    match receipt.state {
        "delivered" => parts::word(true, "delivered"),
        "failed" => parts::word(false, "failed"),
        "settled" => parts::calm("settled"),
        "not_concerned" => parts::calm("not concerned"),
        other => parts::calm(other),
    }
}

fn payload(visit: &Visit, whole: &WholeEvent) -> Markup {
    let text = match (&whole.payload, &whole.payload_text) {
        (Some(json), _) => Some(pretty(json.get())),
        (None, text) => text.clone(),
    };
    html! {
        section aria-label="Payload" {
            h2 { "Payload" }
            @match (text, whole.line.payload_bytes) {
                (Some(text), _) => pre.scroll tabindex="0" { code { (text) } },
                (None, None) => p.empty { "The event has none." },
                (None, Some(bytes)) if !visit.who.may(Role::Operator) => {
                    p.empty { (sentence(&format!("{bytes} bytes, which operators see"))) }
                }
                (None, Some(_)) => p.empty { "It cannot be shown." },
            }
        }
    }
}

/// As a part of an address.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let each = |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn whatever_is_put_into_an_address_stays_in_its_place() {
        assert_eq!(encoded("a-b_c.d~9"), "a-b_c.d~9");
        assert_eq!(encoded("a b&c=\"ä"), "a%20b%26c%3D%22%C3%A4");
    }
}
