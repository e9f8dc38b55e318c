//! How a target stands, and its cursors: each on a line from the oldest event to the newest.

use domain::{CursorState, Role, Target, Timestamp};
use maud::{Markup, html};
use operate::{
    cursors::{self, Extent, Line},
    words::number,
};

use super::{
    super::{
        overview::advice,
        parts::{self, instance, lag, time},
        pictures::{sparkline, time_line},
        trouble::{Trouble, sentence},
        visit::{Visit, Who},
    },
    at,
};

/// Lines that are drawn; a target of more instances is seen best in `/api/v1`.
const MOST: usize = 20;

/// A target with its cursors, the worst first.
pub(super) struct Seen {
    pub(super) target: Target,
    lines: Vec<(Line, Option<Extent>)>,
    /// On how many instances it has one.
    count: usize,
    now: Timestamp,
}

impl Seen {
    pub(super) async fn read(visit: &Visit, id: &str) -> Result<Self, Trouble> {
        let (operator, caller) = (&visit.operator, visit.caller());
        let (overview, mut lines) = cursors::list(&operator.state, caller, false).await?;
        let target = super::of(&overview.known, id)?;
        lines.retain(|line| line.target_id == target.id);
        let count = lines.len();
        lines.sort_by_key(|line| (line.state == CursorState::Live, line.failed_events == 0));
        lines.truncate(MOST);
        let (events, age) = (&operator.events, operator.max_event_age);
        let measured = cursors::measure(events, age, &overview, &mut lines, true).await?;
        let mut drawn = Vec::new();
        for line in lines {
            let extent = cursors::extent(&line.instance_id, measured.head, events).await?;
            drawn.push((line, extent));
        }
        Ok(Self { target, lines: drawn, count, now: operate::now() })
    }

    pub(super) fn has_cursors(&self) -> bool {
        self.count > 0
    }

    pub(super) fn is_halted(&self) -> bool {
        self.lines.iter().any(|(line, _)| line.cursor.halt.is_some() || line.state == CursorState::Halted)
    }

    /// In a word, why, and what somebody can do; and the figures.
    pub(super) fn standing(&self, visit: &Visit) -> Markup {
        let recent = visit.house.rates().of(&self.target.id);
        let first = self.lines.first().map(|(line, _)| line);
        let state = if self.target.paused { Some(CursorState::Paused) } else { first.map(|line| line.state) };
        let oldest = self.lines.iter().filter_map(|(line, _)| line.lag_seconds).reduce(f64::max);
        let left: Option<u64> = self.lines.iter().map(|(line, _)| line.lag_events).sum();
        let failed: u64 = self.lines.iter().map(|(line, _)| line.failed_events).sum();
        html! {
            div #standing.standing {
                div.now role="status" aria-label="State" {
                    @match state { Some(state) => (parts::state(state)), None => (parts::calm("new")) }
                    @match first {
                        Some(line) => {
                            @if let Some(reason) = &line.reason { p { (sentence(reason)) } }
                            @if let Some(advice) = state.and_then(advice) { p.quiet { (advice) } }
                        }
                        None => p.quiet {
                            "No event has come for it yet. It hears of events once an "
                            a href="/executions" { "execution" } " names it and one of its events is written."
                        }
                    }
                }
                dl.facts {
                    div { dt { "Oldest waiting" } dd { (lag(oldest)) } }
                    div { dt { "Events left" } dd { @match left { Some(left) => (left), None => "unknown" } } }
                    div { dt { "Failed" } dd { @if failed == 0 { "0" } @else { a href="#failed" { (failed) } } } }
                    div { dt { "Sent in the last minute" } dd { (recent.minute().delivered) } }
                    div { dt { "Last 10 minutes, by this daemon" } dd { (sparkline(&recent)) } }
                    div {
                        dt { "Served by" }
                        dd { @match first.and_then(|line| line.worker.as_ref()) { Some(worker) => span.worker { (worker) }, None => "nobody" } }
                    }
                }
            }
        }
    }

    pub(super) fn cursors(&self, who: &Who) -> Markup {
        html! {
            div #cursors {
                @if self.lines.is_empty() { p.empty { "It has no cursor yet." } }
                @for (line, extent) in &self.lines { (self.cursor(who, line, extent.as_ref())) }
                @if self.count > self.lines.len() {
                    p.help { "And on " (number((self.count - self.lines.len()) as u64, "more instance")) "; "
                        code { "postrider cursor show " (self.target.name) } " lists them." }
                }
            }
        }
    }

    fn cursor(&self, who: &Who, line: &Line, extent: Option<&Extent>) -> Markup {
        let share = extent.map(|extent| line.position.share_of_the_way(extent.first, extent.last));
        let several = self.count > 1;
        let name = if several { format!("Time line of {}", line.instance_id) } else { "Time line".to_owned() };
        html! {
            div.cursor data-key=(line.instance_id) {
                @if several {
                    h3 { (instance(line.instance_id.as_str())) " " (parts::state(line.state)) }
                    @if let Some(reason) = &line.reason { p.small { (reason) } }
                }
                @if let (Some(extent), Some(share)) = (extent, share) {
                    @if who.may(Role::Operator) {
                        form.line action=(at(&self.target, "seek")) data-dialog {
                            input type="hidden" name="instance" value=(line.instance_id);
                            // The script says where the line was pressed; without it the place is chosen on the next page.
                            button.line type="submit" name="to" value=(line.position) aria-label=(name) data-line=""
                                title="Press where the cursor shall stand" { (time_line(share)) }
                        }
                    } @else {
                        div.line role="img" aria-label={ (name) ": the cursor is at " (share / 10) " % of the store" } { (time_line(share)) }
                    }
                    div.ends { span { code { (extent.first) } } span { code { (extent.last) } } }
                }
                p.small {
                    "Settled up to " code { (line.position) "/" (line.in_tx_order) }
                    @if !line.aggregate_id.is_empty() {
                        ", " code.long { (line.aggregate_type) " " (line.aggregate_id) "#" (line.sequence) }
                    }
                    @if let Some(at) = line.event_date { ", which happened " (time(at, self.now)) }
                    "; written " (time(line.last_updated, self.now)) "."
                }
            }
        }
    }
}
