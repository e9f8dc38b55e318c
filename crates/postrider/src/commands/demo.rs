//! `postrider demo`: the main job on SQLite, with its end and its account.

use std::{fs, io, io::IsTerminal, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{
    config::LogFormat,
    context::Context,
    demo::{Play, play},
    failure::FAILED,
    logging,
    output::{colour_wanted, say},
    signals::until_stopped,
};

#[derive(Args)]
pub struct Demo {
    /// How many events are written
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "forever",
          value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,
    /// Events a second
    #[arg(long, value_name = "R", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// Write until Ctrl-C
    #[arg(long)]
    forever: bool,
    /// Keep the SQLite files in this folder, with a config to look at them
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Demo {
    pub async fn run(self, _context: &Context) -> anyhow::Result<ExitCode> {
        // Holds and retries are part of the play: what it says of them would only spoil the picture.
        logging::daemon("error", LogFormat::Text);
        let temporary = tempfile::tempdir().context("no temporary folder could be made")?;
        let folder = self.dir.as_deref().unwrap_or(temporary.path());
        fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        let folder = folder.canonicalize().with_context(|| format!("the folder {}", folder.display()))?;
        let plan = Play { events: (!self.forever).then_some(self.events), rate: self.rate };
        say(&self.introduction())?;
        let stop = CancellationToken::new();
        let played = until_stopped(Box::pin(play(plan, &folder, self.dir.is_some(), stop.clone())), &stop).await?;
        let Some(tally) = played.transpose()? else { return Ok(ExitCode::from(FAILED)) };
        say(&tally.table().render(colour_wanted(io::stdout().is_terminal())))?;
        say(&self.what_next())?;
        if tally.is_clean() {
            return Ok(ExitCode::SUCCESS);
        }
        say("Something was lost or out of order: that is a defect.\n")?;
        Ok(ExitCode::from(FAILED))
    }

    fn introduction(&self) -> String {
        let events = if self.forever { "events until Ctrl-C".to_owned() } else { format!("{} events", self.events) };
        format!(
            "Writing {events} into a SQLite store, {} a second, and delivering each to three receivers:\n\
             healthy, flaky (answers 500 to every fifth call) and late (down for the first two seconds).\n\n",
            self.rate
        )
    }

    fn what_next(&self) -> String {
        let look = match &self.dir {
            Some(dir) => format!("postrider -c {} cursor list", dir.join("postrider.toml").display()),
            None => "postrider demo --dir DIR, then postrider -c DIR/postrider.toml cursor list".to_owned(),
        };
        format!(
            "\nWhat to try next:\n  \
             {look}\n  \
             postrider demo --rate 2000 --events 20000\n  \
             postrider listen --key SECRET, and a target at http://127.0.0.1:9000/ in a config of your own\n"
        )
    }
}
