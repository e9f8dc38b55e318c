//! Aligned columns without borders; a whole row has one tone.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;

use super::plain;

/// How a row is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// Nothing to say about it.
    Plain,
    /// Worth a look.
    Warning,
    /// Somebody has to act.
    Bad,
    /// Not in force.
    Dim,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Warning => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Dim => "\x1b[2m",
        }
    }
}

/// A header, rows, and remarks below.
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<(Tone, Vec<String>)>,
    notes: Vec<String>,
    empty: &'static str,
}

impl Table {
    /// `empty` is what is said instead of a table without rows.
    pub fn new(header: impl Into<Vec<&'static str>>, empty: &'static str) -> Self {
        Self { header: header.into(), rows: Vec::new(), notes: Vec::new(), empty }
    }

    /// One more row, of as many cells as the header.
    pub fn row(&mut self, tone: Tone, cells: impl Into<Vec<String>>) {
        self.rows.push((tone, cells.into()));
    }

    /// One more line below the table.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The text, ending in a newline.
    pub fn render(&self, colour: bool) -> String {
        let mut text = String::new();
        if self.rows.is_empty() {
            writeln!(text, "{}", self.empty).expect("writing to a string does not fail");
        } else {
            self.render_rows(&mut text, colour);
        }
        for note in &self.notes {
            writeln!(text, "{}", plain(note)).expect("writing to a string does not fail");
        }
        text
    }

    fn render_rows(&self, text: &mut String, colour: bool) {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_header(self.header.iter().map(|name| name.to_uppercase()));
        for (_, cells) in &self.rows {
            // An empty cell would collapse what a reader counts columns by.
            table.add_row(cells.iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { plain(cell) }));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let tones = std::iter::once("\x1b[1m").chain(self.rows.iter().map(|(tone, _)| tone.code()));
        for (line, code) in table.lines().zip(tones) {
            let line = line.trim_end();
            let written = if colour && !code.is_empty() {
                writeln!(text, "{code}{line}\x1b[0m")
            } else {
                writeln!(text, "{line}")
            };
            written.expect("writing to a string does not fail");
        }
    }
}
