//! What targets depend on: daemons that serve them, and the horizon up to which the store is read.

use domain::{Position, Timestamp, Writer};
use maud::{Markup, html};
use operate::{
    Daemon,
    cursors::Measured,
    runs_too_long,
    words::{self, number},
};

use super::super::{
    parts::time,
    trouble::{Trouble, sentence},
    visit::Visit,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Surroundings {
    now: Timestamp,
    head: Position,
    watermark: Option<(Position, Timestamp)>,
    /// Who keeps the horizon, in words that are the caller's to read.
    holder: Option<String>,
    /// Whoever is bound to an instance is not told of daemons.
    daemons: Option<Vec<Daemon>>,
    warnings: Vec<String>,
}

pub(super) async fn read(visit: &Visit, measured: Measured) -> Result<Surroundings, Trouble> {
    let state = &visit.operator.state;
    let is_bound = visit.caller().instance.is_some();
    let mark = state.horizon().await?;
    let workers = if is_bound { None } else { Some(state.workers().await?) };
    let say = |writer: &Writer| match (is_bound, writer.since) {
        (false, _) => words::writer(writer),
        (true, Some(since)) => format!("open since {}", words::time(since)),
        (true, None) => "open".to_owned(),
    };
    Ok(Surroundings {
        now: operate::now(),
        head: measured.head,
        watermark: mark.map(|(mark, at)| (mark.watermark, at)),
        holder: measured.holder.as_ref().map(say),
        warnings: workers.iter().flatten().filter_map(runs_too_long).collect(),
        daemons: workers.map(|workers| workers.iter().map(Daemon::of).collect()),
    })
}

/// Something that is no single target's.
pub(super) struct Common(&'static str, String);

impl Common {
    pub(super) fn class(&self) -> &'static str {
        self.0
    }

    pub(super) fn sentence(&self) -> &str {
        &self.1
    }
}

impl Surroundings {
    pub(super) fn troubles(&self) -> Vec<Common> {
        let mut troubles = Vec::new();
        if self.daemons.as_ref().is_some_and(|daemons| daemons.iter().all(|daemon| daemon.state != "live")) {
            let sentence = "No daemon is live: nothing is sent. Start one, or see its log.";
            troubles.push(Common("bad", sentence.to_owned()));
        }
        if let Some(holder) = &self.holder {
            troubles.push(Common(
                "warn",
                format!(
                    "A transaction holds the horizon: {holder}. Events behind it wait until it ends; if it was forgotten, end it in \
                     the database."
                ),
            ));
        }
        troubles.extend(self.warnings.iter().map(|warning| Common("warn", sentence(warning))));
        troubles
    }

    pub(super) fn horizon(&self) -> Markup {
        html! {
            section #horizon aria-labelledby="horizon-head" {
                h2 #horizon-head { "Horizon" }
                dl.facts {
                    div { dt { "The store ends at" } dd { code { (self.head) } } }
                    div {
                        dt { "Safe to read up to" }
                        dd {
                            @match &self.watermark {
                                Some((watermark, at)) => { code { (watermark) } span.quiet { ", written " (time(*at, self.now)) } }
                                None => "no daemon has said so yet",
                            }
                        }
                    }
                    div {
                        dt { "Held by" }
                        dd { @match &self.holder { Some(holder) => (holder), None => "nobody" } }
                    }
                }
            }
        }
    }

    pub(super) fn daemons(&self) -> Markup {
        let Some(daemons) = &self.daemons else { return html! { div #daemons {} } };
        let live: Vec<&Daemon> = daemons.iter().filter(|daemon| daemon.state == "live").collect();
        html! {
            section #daemons aria-labelledby="daemons-head" {
                h2 #daemons-head { "Daemons" }
                @if live.is_empty() {
                    p.empty { "No daemon is live. " code { "postrider run" } " starts one." }
                } @else {
                    ul.plain {
                        @for daemon in live {
                            li {
                                strong { (daemon.host) } " "
                                span.quiet { "process " (daemon.pid) ", version " (daemon.version) ", started " (time(daemon.started_at, self.now)) }
                                ", serves " (number(daemon.targets, "target"))
                            }
                        }
                    }
                    p.help { a href="/workers" { "All workers" } }
                }
            }
        }
    }
}
