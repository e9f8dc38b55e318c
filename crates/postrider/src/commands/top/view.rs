//! How `top` looks: a line that sums up, a row for each cursor, and who holds the horizon.

use domain::CursorState;
use operate::cursors::Line;
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::Line as Text,
    widgets::{Cell, Paragraph, Row as TableRow, Table},
};

use super::sample::{Row, Sample};
use crate::{
    commands::cursor::{held, left},
    output::{age, number, plain, time},
};

const HEADER: [&str; 9] = ["TARGET", "INSTANCE", "STATE", "RATE", "LAG", "LEFT", "FAILED", "UPDATED", "REASON"];

/// What is on the screen.
pub struct View {
    colour: bool,
    sample: Option<Sample>,
    /// Why the last look failed; what was seen before stays.
    trouble: Option<String>,
    /// Rows above the first that is shown.
    above: usize,
}

impl View {
    /// Nothing was seen yet.
    pub fn new(colour: bool) -> Self {
        Self { colour, sample: None, trouble: None, above: 0 }
    }

    /// What a look came to.
    pub fn take(&mut self, sampled: anyhow::Result<Sample>) {
        match sampled {
            Ok(sample) => (self.sample, self.trouble) = (Some(sample), None),
            Err(error) => self.trouble = Some(format!("{error:#}")),
        }
    }

    /// So many rows down, or up.
    pub fn scroll(&mut self, rows: i32) {
        let last = self.sample.as_ref().map_or(0, |sample| sample.rows.len().saturating_sub(1));
        let by = usize::try_from(rows.unsigned_abs()).unwrap_or(usize::MAX);
        self.above = if rows < 0 { self.above.saturating_sub(by) } else { self.above.saturating_add(by).min(last) };
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let notes = self.notes();
        let height = u16::try_from(notes.len()).unwrap_or(u16::MAX);
        let parts = [Constraint::Length(1), Constraint::Min(2), Constraint::Length(height)];
        let [top, middle, bottom] = Layout::vertical(parts).areas(frame.area());
        frame.render_widget(Paragraph::new(self.summary()).style(self.style(Color::Reset, Modifier::BOLD)), top);
        frame.render_widget(self.table(), middle);
        frame.render_widget(Paragraph::new(notes.into_iter().map(Text::from).collect::<Vec<_>>()), bottom);
    }

    fn summary(&self) -> String {
        let Some(sample) = &self.sample else { return "postrider: nothing was seen yet".to_owned() };
        let count = |state| sample.rows.iter().filter(|row| row.line.state == state).count();
        let rate = sample.rows.iter().filter_map(|row| row.rate).fold(0.0, |all, one| all + one);
        let failed: u64 = sample.rows.iter().map(|row| row.line.failed_events).sum();
        let furthest = sample.rows.iter().filter_map(|row| row.line.lag_seconds).fold(0.0, f64::max);
        format!(
            "postrider  {}  {}, {} on hold, {} halted, {failed} failed  {rate:.1}/s  furthest behind {}",
            time(sample.at),
            number(sample.rows.len() as u64, "cursor"),
            count(CursorState::Holding),
            count(CursorState::Halted),
            lag(Some(furthest)),
        )
    }

    fn table(&self) -> Table<'_> {
        let rows = self.sample.iter().flat_map(|sample| &sample.rows).skip(self.above).map(|row| self.row(row));
        let longest = |of: fn(&Line) -> usize, title: &str| {
            let lines = self.sample.iter().flat_map(|sample| &sample.rows).map(|row| of(&row.line));
            u16::try_from(lines.max().unwrap_or_default().max(title.len()).min(40)).unwrap_or(40)
        };
        let widths = [
            Constraint::Length(longest(|line| line.target.chars().count(), "TARGET")),
            Constraint::Length(longest(|line| line.instance_id.as_str().chars().count(), "INSTANCE")),
            Constraint::Length(11),
            Constraint::Length(9),
            Constraint::Length(8),
            Constraint::Length(7),
            Constraint::Length(6),
            Constraint::Length(8),
            Constraint::Min(6),
        ];
        Table::new(rows, widths)
            .header(TableRow::new(HEADER).style(self.style(Color::Reset, Modifier::UNDERLINED)))
            .column_spacing(2)
    }

    fn row(&self, row: &Row) -> TableRow<'static> {
        let (line, sample) = (&row.line, self.sample.as_ref());
        let updated = sample.map_or(0.0, |sample| sample.at.duration_since(line.last_updated).as_secs_f64().max(0.0));
        let cells = [
            plain(&line.target),
            plain(line.instance_id.as_str()),
            line.state.to_string(),
            row.rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}/s")),
            lag(line.lag_seconds),
            left(line.lag_events),
            line.failed_events.to_string(),
            age(updated),
            plain(line.reason.as_deref().unwrap_or_default()),
        ];
        let (colour, modifier) = match line.state {
            CursorState::Halted => (Color::Red, Modifier::BOLD),
            CursorState::Retrying | CursorState::Holding => (Color::Yellow, Modifier::empty()),
            CursorState::Paused => (Color::Reset, Modifier::DIM),
            CursorState::Live | CursorState::CatchingUp | CursorState::Waiting => (Color::Reset, Modifier::empty()),
        };
        TableRow::new(cells.map(Cell::from)).style(self.style(colour, modifier))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(sample) = &self.sample {
            match &sample.measured {
                Ok(measured) => notes.extend(held(Some(measured))),
                Err(error) => notes.push(format!("how much is left is not known: {}", plain(error))),
            }
            if sample.rows.is_empty() {
                notes.push("no cursors; `postrider run` makes one for each target and instance".to_owned());
            } else if sample.rows.iter().all(|row| row.line.worker.is_none()) {
                notes.push("worker: none; no daemon is running".to_owned());
            }
        }
        notes.extend(self.trouble.as_ref().map(|error| format!("the state cannot be read: {}", plain(error))));
        notes.push("q quits, arrows scroll".to_owned());
        notes
    }

    fn style(&self, colour: Color, modifier: Modifier) -> Style {
        let style = Style::default().add_modifier(modifier);
        if self.colour { style.fg(colour) } else { style }
    }
}

fn lag(seconds: Option<f64>) -> String {
    match seconds {
        None => "?".to_owned(),
        Some(seconds) if seconds > 0.0 => age(seconds),
        Some(_) => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests;
