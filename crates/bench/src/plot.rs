//! Two charts beside each other: deliveries a second over the number of targets, and over the backlog.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use plotters::{coord::Shift, prelude::*};

use crate::{
    measures::{self, Bench},
    numbers::{count, median},
    report::Figure,
};

const SIZE: (u32, u32) = (1_200, 480);
const INK: RGBColor = RGBColor(0x1f, 0x4e, 0x79);

/// Least, median and most of the deliveries a second, for each size.
type Points = Vec<(f64, [f64; 3])>;

/// Measures, draws, and gives the figures back.
pub async fn run(bench: &Bench, path: &Path) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    // As many deliveries each time.
    let deliveries = bench.options.size(48_000, 1_000);
    for targets in [1, 4, 16, 64, 256, 1_000] {
        let mut rates = Vec::new();
        for round in bench.options.rounds() {
            measures::tell("plot", round, &format!("{targets} targets"));
            rates.push(measures::to_all(bench, targets, deliveries / targets).await?.0.per_second);
        }
        figures.push((targets, Figure::new("plot", format!("delivered, {targets} targets"), "/s", rates)));
    }
    let by_targets = points(&figures);
    let mut by_backlog = Vec::new();
    let backlogs = [1_000, 10_000, 100_000, 1_000_000];
    for backlog in &backlogs[..bench.options.size(4, 2)] {
        let mut rates = Vec::new();
        for round in bench.options.rounds() {
            measures::tell("plot", round, &format!("a backlog of {backlog}"));
            rates.push(measures::spread(bench, 64, *backlog).await?.per_second);
        }
        by_backlog.push((*backlog, Figure::new("plot", format!("delivered, a backlog of {backlog}"), "/s", rates)));
    }
    let charts = (by_targets, points(&by_backlog));
    draw(path, &charts.0, &charts.1).map_err(|error| anyhow!("{error}")).context("the charts can be drawn")?;
    figures.extend(by_backlog);
    Ok(figures.into_iter().map(|(_, figure)| figure).collect())
}

fn points(figures: &[(usize, Figure)]) -> Points {
    let point = |(size, figure): &(usize, Figure)| {
        let extreme = |choose: fn(f64, f64) -> f64| figure.samples.iter().copied().reduce(choose);
        Some((count(*size), [extreme(f64::min)?, median(&figure.samples)?, extreme(f64::max)?]))
    };
    figures.iter().filter_map(point).collect()
}

fn draw(path: &Path, targets: &Points, backlog: &Points) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(SIZE.0 / 2);
    chart(&left, "Deliveries a second over the number of targets", "targets", targets)?;
    chart(&right, "Deliveries a second over the backlog, 64 targets", "events", backlog)?;
    area.present()?;
    Ok(())
}

fn chart(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    below: &str,
    points: &Points,
) -> Result<(), Box<dyn std::error::Error>> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
    let most = points.iter().map(|(_, rates)| rates[2]).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((first.0 * 0.8..last.0 * 1.25).log_scale(), 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(below)
        .y_desc("deliveries a second")
        .x_label_formatter(&|size| format!("{size:.0}"))
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .draw()?;
    chart.draw_series(LineSeries::new(points.iter().map(|(size, rates)| (*size, rates[1])), INK.stroke_width(2)))?;
    for (size, [least, median, most]) in points {
        chart.draw_series([PathElement::new([(*size, *least), (*size, *most)], INK)])?;
        chart.draw_series([Circle::new((*size, *median), 4, INK.filled())])?;
    }
    Ok(())
}
