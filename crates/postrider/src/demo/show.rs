//! The cursors, live: redrawn in place on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal},
    sync::Arc,
    time::Duration,
};

use store::State;
use tokio::time::{MissedTickBehavior, interval};

use super::{receivers::Receivers, tally::Journal};
use crate::output::{Table, Tone, colour_wanted, say};

/// See the module's head.
pub struct Show {
    state: State,
    journal: Arc<Journal>,
    terminal: bool,
    drawn: usize,
}

impl Show {
    pub fn new(state: State, receivers: &Receivers) -> Self {
        Self { state, journal: Arc::clone(&receivers.journal), terminal: io::stdout().is_terminal(), drawn: 0 }
    }

    /// Draws until dropped; ends only if it cannot.
    pub async fn go_on(&mut self) -> anyhow::Result<()> {
        let every = Duration::from_millis(if self.terminal { 200 } else { 1000 });
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first look is worth something once something was written.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            self.draw().await?;
        }
    }

    /// Draws the last picture.
    pub async fn end(&mut self) -> anyhow::Result<()> {
        if self.terminal {
            self.draw().await?;
        }
        say("\n")
    }

    async fn draw(&mut self) -> anyhow::Result<()> {
        let (written, arrived) = self.journal.so_far();
        let targets = self.state.definitions().await?.targets;
        let cursors = self.state.cursors().await?;
        let cursor_of = |name: &str| {
            let target = targets.iter().find(|target| target.name.as_str() == name)?;
            cursors.iter().find(|cursor| cursor.target_id == target.id)
        };
        let mut table = Table::new(["target", "state", "cursor", "delivered", "written"], "");
        let mut words = Vec::new();
        for (name, arrived) in self.journal.names().iter().zip(arrived) {
            let (state, position) = cursor_of(name).map_or_else(Default::default, |cursor| {
                let position = if cursor.key.is_edge() { String::new() } else { cursor.key.position.to_string() };
                (cursor.state.to_string(), position)
            });
            let word = if state.is_empty() { "not begun" } else { &state };
            words.push(format!("{name} {arrived} ({word})"));
            table.row(Tone::Plain, [(*name).to_owned(), state, position, arrived.to_string(), written.to_string()]);
        }
        if !self.terminal {
            return say(&format!("written {written}; delivered: {}\n", words.join(", ")));
        }
        let text = table.render(colour_wanted(true));
        let up = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
        self.drawn = text.lines().count();
        say(&format!("{up}{text}"))
    }
}
