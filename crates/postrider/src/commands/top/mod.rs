//! `postrider top`: the cursors, live on a terminal, until `q`.
//!
//! What is shown is read from the databases, as `cursor list` does, so that it needs no daemon and shows what all of them do. The
//! terminal is given back as it was found, whatever ends it.

mod sample;
mod view;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    commands::cursor::interval,
    context::Context,
    failure::usage,
    output::{Format, colour_wanted},
};
use sample::Sampler;
use view::View;

/// How soon a key is heard.
const LISTEN_EVERY: Duration = Duration::from_millis(30);

#[derive(Args)]
pub struct Top {
    /// Look again after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = interval)]
    every: Duration,
}

/// What somebody at the keyboard wants.
enum Wish {
    Quit,
    /// So many lines down, or up.
    Scroll(i32),
    /// The terminal has another size.
    Redraw,
}

impl Top {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        if context.output == Format::Json || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(usage(
                "top is for people at a terminal, and this is none; `postrider cursor list --watch -o json` is for programs",
            ));
        }
        let config = context.config()?;
        let mut sampler = Sampler::new(context, &config).await?;
        let mut terminal = ratatui::try_init()?;
        let done = self.watch(&mut sampler, &mut terminal).await;
        ratatui::restore();
        done.map(|()| ExitCode::SUCCESS)
    }

    async fn watch(&self, sampler: &mut Sampler<'_>, terminal: &mut DefaultTerminal) -> anyhow::Result<()> {
        let mut terminated = signal(SignalKind::terminate())?;
        let mut view = View::new(colour_wanted(true));
        loop {
            let began = Instant::now();
            let mut nothing = View::new(false);
            tokio::select! {
                seen = sampler.sample() => view.take(seen),
                quit = self.listen(&mut nothing, None) => return quit,
                _ = terminated.recv() => return Ok(()),
            }
            terminal.draw(|frame| view.draw(frame))?;
            tokio::select! {
                quit = self.listen(&mut view, Some(&mut *terminal)) => return quit,
                _ = terminated.recv() => return Ok(()),
                () = sleep_until(began + self.every) => {}
            }
        }
    }

    /// Does what is asked for at the keyboard, and ends when the end is. While nothing can be drawn only that is heard.
    async fn listen(&self, view: &mut View, mut terminal: Option<&mut DefaultTerminal>) -> anyhow::Result<()> {
        loop {
            match wish()? {
                Some(Wish::Quit) => return Ok(()),
                Some(Wish::Scroll(lines)) => view.scroll(lines),
                Some(Wish::Redraw) => {}
                None => {
                    sleep(LISTEN_EVERY).await;
                    continue;
                }
            }
            if let Some(terminal) = &mut terminal {
                terminal.draw(|frame| view.draw(frame))?;
            }
        }
    }
}

/// The next thing that was asked for, if anything was.
fn wish() -> io::Result<Option<Wish>> {
    while event::poll(Duration::ZERO)? {
        match event::read()? {
            Event::Resize(..) => return Ok(Some(Wish::Redraw)),
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                if let Some(wish) = of_key(key) {
                    return Ok(Some(wish));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

fn of_key(key: KeyEvent) -> Option<Wish> {
    Some(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Wish::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Wish::Quit,
        KeyCode::Down | KeyCode::Char('j') => Wish::Scroll(1),
        KeyCode::Up | KeyCode::Char('k') => Wish::Scroll(-1),
        KeyCode::PageDown => Wish::Scroll(10),
        KeyCode::PageUp => Wish::Scroll(-10),
        _ => return None,
    })
}
