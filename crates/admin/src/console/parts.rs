//! What pages are made of: times, states, tables, fields.

use domain::{CursorState, FailedStatus, OutcomeKind, Timestamp};
use maud::{Markup, html};

use super::pictures::{Shape, shape};

/// How long ago something was, with the exact time behind it.
pub(super) fn time(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(operate::words::time(at)) { (ago(now.duration_since(at).as_secs())) } }
}

/// A time to compare with others: exact.
pub(super) fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (operate::words::time(at)) } }
}

/// In steps, so that a page that is followed does not change every second only because time goes by.
fn ago(seconds: i64) -> String {
    match seconds {
        i64::MIN..-9 => format!("in {}", long(-seconds)),
        -9..10 => "just now".to_owned(),
        _ => format!("{} ago", long(seconds)),
    }
}

fn long(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{} s", seconds / 10 * 10),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How old the oldest event is that is left, in words.
pub(super) fn lag(seconds: Option<f64>) -> Markup {
    html! {
        @match seconds {
            None => span.quiet { "unknown" },
            Some(seconds) if seconds < 1.0 => span.quiet { "none" },
            Some(seconds) => (long_or_seconds(whole(seconds))),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "an age in seconds")]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}

fn long_or_seconds(seconds: i64) -> String {
    if seconds < 10 { format!("{seconds} s") } else { long(seconds) }
}

/// A word with a shape and a colour: never the colour alone.
fn badge(class: &str, of: Shape, word: &str) -> Markup {
    html! { span.state.(class) { (shape(of)) span { (word) } } }
}

/// How a courier stands.
pub(super) fn state(state: CursorState) -> Markup {
    let (class, of) = match state {
        CursorState::Live => ("good", Shape::Disc),
        CursorState::CatchingUp => ("calm", Shape::Ring),
        CursorState::Retrying => ("warn", Shape::Triangle),
        CursorState::Holding => ("warn", Shape::Hollow),
        CursorState::Waiting => ("calm", Shape::Diamond),
        CursorState::Halted => ("bad", Shape::Square),
        CursorState::Paused => ("calm", Shape::Bars),
    };
    badge(class, of, state.as_str())
}

/// What is being done about a failed event.
pub(super) fn failed_status(status: FailedStatus) -> Markup {
    let (class, of) = match status {
        FailedStatus::Retrying => ("warn", Shape::Triangle),
        FailedStatus::Interrupted => ("calm", Shape::Diamond),
        FailedStatus::Parked | FailedStatus::Halted => ("bad", Shape::Square),
    };
    badge(class, of, status.as_str())
}

/// What an attempt came to.
pub(super) fn outcome(outcome: OutcomeKind) -> Markup {
    let (class, of) = match outcome {
        OutcomeKind::Delivered => ("good", Shape::Disc),
        OutcomeKind::Failed => ("bad", Shape::Square),
        OutcomeKind::Unavailable => ("warn", Shape::Hollow),
    };
    badge(class, of, outcome.as_str())
}

/// Any other word that is good or bad.
pub(super) fn word(is_good: bool, word: &str) -> Markup {
    if is_good { badge("good", Shape::Disc, word) } else { badge("bad", Shape::Square, word) }
}

/// A word that is neither.
pub(super) fn calm(word: &str) -> Markup {
    badge("calm", Shape::Diamond, word)
}

/// A table that scrolls within itself where there is no room for it. `id` is that of its heading.
pub(super) fn table(id: &str, columns: &[&str], rows: &Markup) -> Markup {
    html! {
        div.scroll data-key=(id) role="group" tabindex="0" aria-labelledby=(id) {
            table aria-labelledby=(id) {
                thead {
                    tr {
                        @for column in columns {
                            @if let Some(hidden) = column.strip_prefix('-') {
                                th scope="col" { span.hidden { (hidden) } }
                            } @else if let Some(number) = column.strip_prefix('#') {
                                th.number scope="col" { (number) }
                            } @else {
                                th scope="col" { (column) }
                            }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}

/// An instance, where there are any.
pub(super) fn instance(instance: &str) -> Markup {
    html! { @if instance.is_empty() { span.quiet { "–" } } @else { code { (instance) } } }
}

/// A field of a form, with its label above and what helps below.
pub(super) fn field(id: &str, label: &str, help: &str, input: &Markup) -> Markup {
    html! {
        div.field {
            label for=(id) { (label) }
            (input)
            @if !help.is_empty() { p.help id={ (id) "-help" } { (help) } }
        }
    }
}

/// A line of text to fill in.
pub(super) fn line(id: &str, label: &str, value: &str, help: &str) -> Markup {
    let described = (!help.is_empty()).then(|| format!("{id}-help"));
    field(
        id,
        label,
        help,
        &html! { input id=(id) name=(id) value=(value) aria-describedby=[described] autocomplete="off"; },
    )
}

/// The same, which has to be filled in.
pub(super) fn needed(id: &str, label: &str, value: &str, help: &str) -> Markup {
    let described = (!help.is_empty()).then(|| format!("{id}-help"));
    let input = html! {
        input id=(id) name=(id) value=(value) aria-describedby=[described] autocomplete="off" required;
    };
    field(id, label, help, &input)
}

/// One of several words.
pub(super) fn choice(id: &str, label: &str, chosen: &str, words: &[(&str, &str)], help: &str) -> Markup {
    let described = (!help.is_empty()).then(|| format!("{id}-help"));
    let input = html! {
        select id=(id) name=(id) aria-describedby=[described] {
            @for (word, meaning) in words {
                option value=(word) selected[*word == chosen] { (meaning) }
            }
        }
    };
    field(id, label, help, &input)
}

/// Yes or no.
pub(super) fn check(id: &str, label: &str, is_checked: bool) -> Markup {
    html! {
        div.field.check {
            input id=(id) name=(id) type="checkbox" value="yes" checked[is_checked];
            label for=(id) { (label) }
        }
    }
}

/// Why a form was not accepted, above its fields.
pub(super) fn refusal(detail: Option<&str>) -> Markup {
    html! { @if let Some(detail) = detail { p.note.bad role="alert" { (super::trouble::sentence(detail)) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_say_them_and_change_seldom() {
        for (seconds, said) in [
            (-3, "just now"),
            (9, "just now"),
            (19, "10 s ago"),
            (59, "50 s ago"),
            (61, "1 min ago"),
            (7200, "2 h ago"),
            (200_000, "2 days ago"),
            (-120, "in 2 min"),
        ] {
            assert_eq!(ago(seconds), said, "{seconds}");
        }
    }

    #[test]
    fn what_comes_from_elsewhere_is_text_wherever_it_stands() {
        let evil = "\"><script>alert(1)</script>";
        for page in
            [line("x", "X", evil, ""), instance(evil), refusal(Some(evil)), choice("x", "X", "", &[(evil, evil)], "")]
        {
            assert!(!page.into_string().contains("<script"));
        }
    }
}
