//! What was tried lately.

use domain::Target;
use maud::{Markup, html};
use operate::{
    deliveries::{self, Which},
    events::word_of_attempt,
};

use super::super::{
    parts::{outcome, table, time},
    trouble::Trouble,
    visit::Visit,
};

const MOST: u32 = 25;

pub(super) async fn part(visit: &Visit, target: &Target) -> Result<Markup, Trouble> {
    let which = Which { target: Some(target.name.to_string()), limit: MOST, ..Which::default() };
    let lines = deliveries::list(which, visit.caller(), &visit.operator.state).await?;
    let now = operate::now();
    let rows = html! {
        @for line in &lines {
            tr data-key=(line.id) {
                td { a href={ "/events/" (word_of_attempt(line)) } { (line.event_type) } }
                td.long { code { (line.aggregate_id) "#" (line.sequence) } }
                td.number { (line.attempt) }
                td {
                    (outcome(line.outcome))
                    @if let Some(error) = &line.error { div.small.why { (error) } }
                }
                td.number { @match line.status { Some(status) => (status), None => span.quiet { "–" } } }
                td.number { (format!("{:.1}", line.duration_ms)) }
                td { (time(line.started_at, now)) }
                td { a href={ "/deliveries/" (line.id) } { "Details" span.hidden { " of attempt " (line.id) } } }
            }
        }
    };
    let columns = ["Event", "Aggregate", "#Attempt", "Outcome", "#Status", "#ms", "When", "-Details"];
    Ok(html! {
        div #deliveries {
            @if lines.is_empty() {
                p.empty {
                    "No attempt is written down. Which ones are is said by " code { "delivery.log" }
                    " in the config; each is kept for a while."
                }
            } @else { (table("deliveries-head", &columns, &rows)) }
        }
    })
}
