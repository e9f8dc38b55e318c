//! How many rows a page is asked for: as many as fit its bytes by what the rows before weighed.
//!
//! The database does not know how large a row is before it has fetched it, and what it has sent beyond a page is thrown away.

/// As heavy as events of unknown size are taken for, in bytes.
const UNKNOWN: usize = 4 << 10;

/// What the rows of one reader weigh, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageSize {
    weight: usize,
}

impl Default for PageSize {
    fn default() -> Self {
        Self { weight: UNKNOWN }
    }
}

impl PageSize {
    /// At most `limit` rows, and a few less than may be expected to fit.
    pub fn rows(self, limit: usize, max_bytes: usize) -> usize {
        let fit = max_bytes / self.weight.max(1);
        (fit - fit / 16).max(1).min(limit)
    }

    /// Takes heavier rows at their word, and lighter ones by and by.
    pub fn learn(&mut self, page: &store::Page) {
        if let Some(weight) = page.bytes.checked_div(page.rows.len()) {
            self.weight = weight.max(self.weight.midpoint(weight));
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{BrokenRow, EventKey, Position, Row};

    use super::PageSize;

    fn page(rows: usize, bytes: usize) -> store::Page {
        let row =
            Row::Broken(BrokenRow { key: EventKey::after(Position::ZERO), event_type: None, reason: String::new() });
        store::Page { rows: vec![row.into(); rows], end: None, end_date: None, more: false, bytes, identity: None }
    }

    #[test]
    fn a_page_is_as_long_as_its_bytes_let_it_be() {
        let mut size = PageSize::default();
        assert_eq!(size.rows(1000, 1 << 20), 240, "nothing is known of the rows yet");
        for _ in 0..20 {
            size.learn(&page(100, 100_000));
        }
        assert_eq!(size.rows(5000, 1_000_000), 938);
        assert_eq!(size.rows(200, 1_000_000), 200, "no more than is asked for");
    }

    #[test]
    fn heavy_rows_shorten_the_next_page_at_once_and_a_page_has_a_row_in_any_case() {
        let mut size = PageSize::default();
        size.learn(&page(1, 3_000_000));
        assert_eq!(size.rows(5000, 1_000_000), 1);
        size.learn(&page(0, 0));
        assert_eq!(size.rows(5000, 1_000_000), 1, "an empty page says nothing");
        size.learn(&page(1000, 1_000_000));
        assert_eq!(size.rows(5000, 6_000_000), 3, "light ones count by half");
    }
}
