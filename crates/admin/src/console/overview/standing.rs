//! How a target stands on all instances together, and what somebody could do about it.

use std::cmp::Reverse;

use domain::{CursorState, FailedStatus, Target, TargetId, Timestamp};
use maud::{Markup, html};
use operate::{
    cursors::{self, Line, Measured},
    failed,
    words::{age, number},
};

use super::super::{parts, trouble::Trouble, visit::Visit};
use crate::rates::Recent;

/// Targets whose last failure is told.
const TROUBLED: usize = 50;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    id: TargetId,
    pub(super) name: String,
    pub(super) endpoint: String,
    /// The worst of its cursors; none before the first event came.
    worst: Option<Line>,
    cursors: usize,
    paused: bool,
    pub(super) lag_seconds: Option<f64>,
    pub(super) failed: u64,
    /// The latest failure, and since when there are any.
    failure: Option<(String, Timestamp)>,
    worker: Option<String>,
    pub(super) recent: Recent,
}

/// Every target that is the caller's to see, the worst first.
pub(super) async fn standings(visit: &Visit) -> Result<(Vec<Standing>, Measured), Trouble> {
    let (operator, caller) = (&visit.operator, visit.caller());
    let (overview, mut lines) = cursors::list(&operator.state, caller, false).await?;
    let measured = cursors::measure(&operator.events, operator.max_event_age, &overview, &mut lines, false).await?;
    let mut standings: Vec<Standing> = (overview.known.targets())
        .map(|target| Standing::of(target, lines.iter().filter(|line| line.target_id == target.id), visit))
        .collect();
    let troubled = |target: &&Target| standings.iter().any(|standing| standing.id == target.id && standing.failed > 0);
    let troubled: Vec<&Target> = overview.known.targets().filter(troubled).take(TROUBLED).collect();
    if !troubled.is_empty() {
        let mut last = failed::last(&troubled, Some(FailedStatus::Interrupted), 1, caller, &operator.state).await?;
        for standing in &mut standings {
            let last = last.remove(&standing.id);
            standing.failure = last.and_then(|last| Some((last.lines.into_iter().next()?.error, last.since)));
        }
    }
    standings.sort_by_cached_key(|standing| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only to sort by")]
        let lag = standing.lag_seconds.unwrap_or_default() as u64;
        (standing.rank(), Reverse(lag), Reverse(standing.failed), standing.name.clone())
    });
    Ok((standings, measured))
}

fn rank(state: CursorState) -> u8 {
    match state {
        CursorState::Halted => 0,
        CursorState::Holding => 1,
        CursorState::Retrying => 2,
        CursorState::Waiting => 4,
        CursorState::CatchingUp => 5,
        CursorState::Paused => 6,
        CursorState::Live => 8,
    }
}

/// What somebody can do about a state, and what happens by itself.
pub(crate) fn advice(state: CursorState) -> Option<&'static str> {
    match state {
        CursorState::Halted => {
            Some("Nothing is sent until somebody acts: see to the cause, then retry the event, skip it, or unhalt.")
        }
        CursorState::Holding => {
            Some("Nothing is lost: it is tried again and goes on by itself once the endpoint answers.")
        }
        CursorState::Retrying => Some("The event at the head failed and is sent again."),
        CursorState::Waiting => Some("It waits for the verdict of a target before it, which must deliver first."),
        CursorState::Paused => Some("An operator paused it: nothing is sent until it is resumed."),
        CursorState::CatchingUp | CursorState::Live => None,
    }
}

impl Standing {
    fn of<'a>(target: &Target, lines: impl Iterator<Item = &'a Line>, visit: &Visit) -> Self {
        let lines: Vec<&Line> = lines.collect();
        let lags = lines.iter().filter_map(|line| line.lag_seconds);
        Self {
            id: target.id.clone(),
            name: target.name.to_string(),
            endpoint: target.endpoint.to_string(),
            worst: lines.iter().min_by_key(|line| rank(line.state)).map(|line| (*line).clone()),
            cursors: lines.len(),
            paused: target.paused,
            lag_seconds: lags.fold(None, |most: Option<f64>, lag| Some(most.map_or(lag, |most| most.max(lag)))),
            failed: lines.iter().map(|line| line.failed_events).sum(),
            failure: None,
            worker: lines.iter().find_map(|line| line.worker.clone()),
            recent: visit.house.rates().of(&target.id),
        }
    }

    fn rank(&self) -> u8 {
        let own = self.worst.as_ref().map_or(7, |line| rank(line.state));
        if self.failed > 0 { own.min(3) } else { own }
    }

    pub(super) fn key(&self) -> &str {
        self.id.as_str()
    }

    pub(super) fn address(&self) -> String {
        format!("/targets/{}", self.id)
    }

    pub(super) fn state(&self) -> Markup {
        match &self.worst {
            Some(line) => parts::state(line.state),
            None if self.paused => parts::state(CursorState::Paused),
            None => parts::calm("new"),
        }
    }

    /// Why it does not go on, for the table.
    pub(super) fn why(&self) -> Option<String> {
        let Some(line) = &self.worst else { return Some("no event has come for it yet".to_owned()) };
        let on = (self.cursors > 1)
            .then(|| format!("on {} and {} in all", line.instance_id, number(self.cursors as u64, "instance")));
        match (&line.reason, on) {
            (Some(reason), Some(on)) => Some(format!("{reason} ({on})")),
            (reason, on) => reason.clone().or(on.filter(|_| line.state != CursorState::Live)),
        }
    }

    pub(super) fn served_by(&self) -> Markup {
        html! {
            @match &self.worker {
                Some(worker) => span.small.worker title=(worker) { (worker) },
                None if self.worst.is_none() || self.paused => span.quiet { "–" },
                None => span.small { "nobody" },
            }
        }
    }

    /// Whether somebody should look at it.
    pub(super) fn is_troubled(&self) -> bool {
        self.failed > 0 || self.worst.as_ref().is_some_and(|line| rank(line.state) < 3)
    }

    pub(super) fn class(&self) -> &'static str {
        if self.worst.as_ref().is_some_and(|line| line.state == CursorState::Halted) { "bad" } else { "warn" }
    }

    /// What is wrong, since when, why, and what to do.
    pub(super) fn trouble(&self) -> Markup {
        let Some(line) = &self.worst else { return Markup::default() };
        let since = self.lag_seconds.filter(|lag| *lag >= 1.0);
        html! {
            @if rank(line.state) < 3 {
                "is " (parts::state(line.state))
                @if let Some(lag) = since { ", its oldest event has waited for " (steps(lag)) }
                @if let Some(reason) = &line.reason { ": " (reason) }
                ". "
                @if let Some(advice) = advice(line.state) { (advice) " " }
            }
            @if self.failed > 0 {
                a href={ (self.address()) "#failed" } { (number(self.failed, "failed event")) }
                @if let Some((error, since)) = &self.failure {
                    ", the first " (parts::time(*since, operate::now())) ", the last because " q { (error) }
                }
                ". "
                @if rank(line.state) >= 3 { "Retry them once the cause is gone, or discard them." }
            }
        }
    }
}

fn steps(seconds: f64) -> String {
    age(if seconds < 60.0 { (seconds / 10.0).floor().max(0.1) * 10.0 } else { (seconds / 60.0).floor() * 60.0 })
}
