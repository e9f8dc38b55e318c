//! Pictures that say something: shapes of states, calls of the last minutes, where a cursor stands. All are drawn here, with
//! attributes of SVG alone: the policy of the pages allows no inline style.

use engine::Calls;
use maud::{Markup, html};

use crate::rates::Recent;

/// What stands beside a state's word, so that it is known by more than its colour.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Disc,
    Ring,
    Triangle,
    Diamond,
    Square,
    Hollow,
    Bars,
}

pub(super) fn shape(shape: Shape) -> Markup {
    html! {
        svg.shape viewBox="0 0 10 10" width="10" height="10" aria-hidden="true" focusable="false" {
            @match shape {
                Shape::Disc => { circle cx="5" cy="5" r="4" fill="currentColor" {} }
                Shape::Ring => { circle cx="5" cy="5" r="3.2" fill="none" stroke="currentColor" stroke-width="1.6" {} }
                Shape::Triangle => { path d="M5 .8 9.6 9.2H.4z" fill="currentColor" {} }
                Shape::Diamond => { path d="M5 .4 9.6 5 5 9.6.4 5z" fill="currentColor" {} }
                Shape::Square => { path d="M1 1h8v8H1z" fill="currentColor" {} }
                Shape::Hollow => { path d="M1.8 1.8h6.4v6.4H1.8z" fill="none" stroke="currentColor" stroke-width="1.6" {} }
                Shape::Bars => { path d="M1.5 1h2.6v8H1.5zM5.9 1h2.6v8H5.9z" fill="currentColor" {} }
            }
        }
    }
}

/// Bars of a sparkline, fifteen seconds each.
const BARS: usize = 40;
const BAR: usize = 3;
/// Units above the line for what was delivered, and below it for what was not.
const UP: u64 = 16;
const DOWN: u64 = 8;

/// Calls of the last ten minutes: delivered above the line, failed below it.
pub(super) fn sparkline(recent: &Recent) -> Markup {
    let (bars, sum) = (recent.spans(BARS), recent.sum());
    let most = bars.iter().map(|bar| bar.delivered.max(bar.failed)).max().unwrap_or_default().max(1);
    let said = format!("Last 10 minutes: {} delivered, {} failed", sum.delivered, sum.failed);
    let [width, height] = [BARS * BAR, height(UP + DOWN)];
    html! {
        svg.spark role="img" aria-label=(said) viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) {
            title { (said) }
            path.line d={ "M0 " (UP) ".5H" (width) } stroke="currentColor" fill="none" {}
            path.delivered d=(up(&bars, most)) fill="currentColor" {}
            path.failed d=(down(&bars, most)) fill="currentColor" {}
        }
    }
}

fn height(units: u64) -> usize {
    usize::try_from(units).unwrap_or_default() + 1
}

/// What is not nothing is seen, however little it is beside the most.
fn units(count: u64, most: u64, room: u64) -> u64 {
    if count == 0 { 0 } else { (count * room / most).clamp(1, room) }
}

fn up(bars: &[Calls], most: u64) -> String {
    path(bars.iter().map(|bar| units(bar.delivered, most, UP)), |x, tall| format!("M{x} {UP}v-{tall}h2v{tall}z"))
}

fn down(bars: &[Calls], most: u64) -> String {
    path(bars.iter().map(|bar| units(bar.failed, most, DOWN)), |x, tall| format!("M{x} {}v{tall}h2v-{tall}z", UP + 1))
}

/// A bar for each height that is not nothing.
fn path(heights: impl Iterator<Item = u64>, bar: impl Fn(usize, u64) -> String) -> String {
    let tall = heights.enumerate().filter(|(_, tall)| *tall > 0);
    tall.map(|(at, tall)| bar(at * BAR, tall)).collect::<Vec<_>>().concat()
}

/// Where a cursor stands between the oldest event and the newest, in thousandths of the way.
pub(super) fn time_line(cursor: u32) -> Markup {
    html! {
        svg.timeline viewBox="0 0 1000 28" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.rest x="0" y="11" width="1000" height="6" fill="currentColor" {}
            rect.done x="0" y="11" width=(cursor) height="6" fill="currentColor" {}
            rect.cursor x=(cursor.saturating_sub(2).min(996)) y="3" width="4" height="22" fill="currentColor" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_failure_among_thousands_of_deliveries_is_seen() {
        let bars = [Calls { delivered: 10_000, failed: 1 }, Calls::default()];
        assert_eq!((up(&bars, 10_000), down(&bars, 10_000)), ("M0 16v-16h2v16z".into(), "M0 17v1h2v-1z".into()));
        assert_eq!(units(u64::MAX / UP, u64::MAX / UP, UP), UP);
    }
}
