//! What came out: figures with what must hold of them, as a table and as JSON.

use std::{fmt, fs, path::Path};

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::numbers::median;

/// What must hold of a figure.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

/// One figure: the median over the rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub measure: &'static str,
    pub what: String,
    pub unit: &'static str,
    /// None: there was nothing to measure; `note` says why.
    pub median: Option<f64>,
    /// Of each round.
    pub samples: Vec<f64>,
    pub bar: Option<Bar>,
    /// None without a bar, and where the sizes were too small to judge.
    pub holds: Option<bool>,
    pub note: Option<String>,
}

impl Figure {
    pub fn new(measure: &'static str, what: impl Into<String>, unit: &'static str, samples: Vec<f64>) -> Self {
        let median = median(&samples);
        Self { measure, what: what.into(), unit, median, samples, bar: None, holds: None, note: None }
    }

    /// The ratio of two medians; its samples are those of the rounds.
    pub fn ratio(measure: &'static str, what: impl Into<String>, over: &[f64], under: &[f64]) -> Self {
        let samples = over.iter().zip(under).map(|(over, under)| over / under).collect();
        let ratio = median(over).zip(median(under)).map(|(over, under)| over / under);
        Self { median: ratio, ..Self::new(measure, what, "", samples) }
    }

    /// The difference of two medians; its samples are those of the rounds.
    pub fn difference(
        measure: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        from: &[f64],
        less: &[f64],
    ) -> Self {
        let samples = from.iter().zip(less).map(|(from, less)| from - less).collect();
        let difference = median(from).zip(median(less)).map(|(from, less)| from - less);
        Self { median: difference, ..Self::new(measure, what, unit, samples) }
    }

    /// Nothing to measure, and why.
    pub fn absent(measure: &'static str, what: impl Into<String>, note: &str) -> Self {
        Self { note: Some(note.to_owned()), ..Self::new(measure, what, "", Vec::new()) }
    }

    pub fn at_least(self, bar: f64) -> Self {
        self.held_to(Bar::AtLeast(bar))
    }

    pub fn at_most(self, bar: f64) -> Self {
        self.held_to(Bar::AtMost(bar))
    }

    fn held_to(self, bar: Bar) -> Self {
        let holds = self.median.map(|median| match bar {
            Bar::AtLeast(least) => median >= least,
            Bar::AtMost(most) => median <= most,
        });
        Self { bar: Some(bar), holds, ..self }
    }

    fn verdict(&self) -> &str {
        match (self.holds, &self.note) {
            (_, Some(note)) => note,
            (Some(true), _) => "holds",
            (Some(false), _) => "misses",
            (None, _) => "",
        }
    }
}

/// A measure that could not be taken.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    pub measure: &'static str,
    pub error: String,
}

/// On what it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub kernel: String,
    pub postgresql: String,
    pub postrider: String,
}

/// Everything that a run of the bench has to say.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub rounds: u32,
    /// Small sizes: nothing is judged.
    pub quick: bool,
    pub figures: Vec<Figure>,
    pub problems: Vec<Problem>,
}

impl Report {
    pub fn add(&mut self, figures: Vec<Figure>) {
        let quick = self.quick;
        self.figures
            .extend(figures.into_iter().map(|figure| if quick { Figure { holds: None, ..figure } } else { figure }));
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("figures are JSON")?;
        fs::write(path, text + "\n").with_context(|| format!("{} can be written", path.display()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, cores, kernel, postgresql, postrider } = &self.machine;
        writeln!(f, "{postrider}, PostgreSQL {postgresql}, {cores} cores of {processor}, Linux {kernel}")?;
        writeln!(f, "medians of {} rounds, between the least and the most of them", self.rounds)?;
        if self.quick {
            writeln!(f, "with sizes that are too small to judge anything by")?;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["measure", "figure", "median", "", "least", "most", "bar", ""]);
        let mut above = "";
        for figure in &self.figures {
            let measure = if figure.measure == above { "" } else { figure.measure };
            above = figure.measure;
            let sample = |choose: fn(f64, f64) -> f64| {
                figure.samples.iter().copied().reduce(choose).map_or_else(String::new, number)
            };
            let bar = match figure.bar {
                None => String::new(),
                Some(Bar::AtLeast(least)) => format!("at least {}", number(least)),
                Some(Bar::AtMost(most)) => format!("at most {}", number(most)),
            };
            table.add_row([
                measure,
                &figure.what,
                &figure.median.map_or_else(String::new, number),
                figure.unit,
                &sample(f64::min),
                &sample(f64::max),
                &bar,
                figure.verdict(),
            ]);
        }
        for column in [2, 4, 5] {
            table.column_mut(column).expect("there are eight").set_cell_alignment(CellAlignment::Right);
        }
        for line in table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        for problem in &self.problems {
            writeln!(f, "{} could not be measured: {}", problem.measure, problem.error)?;
        }
        Ok(())
    }
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_held_or_missed_by_the_median() {
        let figure = Figure::ratio("m", "a over b", &[8.0, 1.0, 9.0], &[10.0, 10.0, 10.0]);
        assert_eq!(figure.median, Some(0.8));
        assert_eq!(figure.clone().at_least(0.8).verdict(), "holds");
        assert_eq!(figure.clone().at_least(0.81).verdict(), "misses");
        assert_eq!(figure.clone().at_most(0.8).verdict(), "holds");
        assert_eq!(figure.at_most(0.79).verdict(), "misses");
        assert_eq!(Figure::absent("m", "c", "not there").verdict(), "not there");
    }
}
