//! Reads the definition of ZITADEL's `commands_to_events`: which clock stamps `position`?
//!
//! Only the expression that is named `position` counts: `created_at` is stamped as well, by another clock. Whatever is
//! not understood is taken for the start of the transaction, which is right for both, only slower.

/// Whether each expression named `position` takes it from `clock_timestamp()`, and there is one.
pub(super) fn takes_position_from_clock(definition: &str) -> bool {
    let text = squeeze(definition);
    let mut named = aliases(&text).map(item_before).peekable();
    named.peek().is_some() && named.all(is_clock)
}

fn is_clock(expression: &str) -> bool {
    const OTHERS: [&str; 4] = ["now()", "transaction_timestamp", "statement_timestamp", "current_timestamp"];
    expression.contains("clock_timestamp()") && !OTHERS.iter().any(|other| expression.contains(other))
}

/// What stands before each `AS position`.
fn aliases(text: &str) -> impl Iterator<Item = &str> {
    ["as\"position\"", "as position"].into_iter().flat_map(move |alias| {
        text.match_indices(alias).filter_map(move |(at, _)| {
            let (before, after) = (&text[..at], &text[at + alias.len()..]);
            let whole = !before.ends_with(is_word) && (alias.ends_with('"') || !after.starts_with(is_word));
            whole.then_some(before)
        })
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// In lower case, without comments, and with white space only where it parts two words.
fn squeeze(definition: &str) -> String {
    let mut text = String::with_capacity(definition.len());
    let mut rest = definition;
    let mut gap = false;
    while let Some(next) = rest.chars().next() {
        if rest.starts_with("--") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            gap = true;
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
            gap = true;
        } else {
            rest = &rest[next.len_utf8()..];
            if next.is_whitespace() {
                gap = true;
                continue;
            }
            if gap && is_word(next) && text.ends_with(is_word) {
                text.push(' ');
            }
            gap = false;
            text.extend(next.to_lowercase());
        }
    }
    text
}

/// The last item of a select list: back to the comma, parenthesis or semicolon that it stands behind.
fn item_before(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices().rev() {
        match character {
            ')' => depth += 1,
            '(' | ',' | ';' if depth == 0 => return &text[at + 1..],
            '(' => depth -= 1,
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::takes_position_from_clock;

    fn check(definition: &str, expected: bool) {
        assert_eq!(takes_position_from_clock(definition), expected, "{definition}");
    }

    #[test]
    fn the_wall_clock_behind_position_is_recognized() {
        check("SELECT a, EXTRACT(EPOCH FROM clock_timestamp()) AS position , c.x AS in_tx_order FROM t", true);
        check("select now() as created_at,\n  extract(epoch from CLOCK_TIMESTAMP ( ))\n AS \"position\" from t", true);
    }

    #[test]
    fn the_wall_clock_of_another_column_does_not_count() {
        check("SELECT clock_timestamp() AS created_at, EXTRACT(EPOCH FROM NOW()) AS position FROM t", false);
        check("SELECT EXTRACT(EPOCH FROM clock_timestamp()) AS positions, c.position FROM t", false);
        check("SELECT clock_timestamp() AS created_at, c.was position FROM t", false);
    }

    #[test]
    fn what_stands_in_a_comment_does_not_count() {
        check("SELECT EXTRACT(EPOCH FROM NOW()) -- clock_timestamp()\n AS position", false);
        check("SELECT EXTRACT(EPOCH FROM clock_timestamp()) -- AS position", false);
        check("SELECT /* EXTRACT(EPOCH FROM clock_timestamp()) AS position */ NOW()", false);
    }

    #[test]
    fn a_position_that_is_passed_on_is_not_the_clock() {
        check("SELECT c.position AS position FROM (SELECT clock_timestamp() AS at) c", false);
        check("SELECT coalesce(NOW(), clock_timestamp()) AS position", false);
    }
}
