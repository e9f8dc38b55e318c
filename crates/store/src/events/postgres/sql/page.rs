//! The statements that read a page: of everything, and of some types only.
//!
//! Both return, in this order: a row that says which server answers, the rows of the page, and through a filter the last row
//! that was looked at. What is not of the kind is NULL, so that nothing is sent with every row that is the same in all of them.
//! The reader relies on the order and checks it.

use super::{super::decode, Builder, as_text};

/// Where [`Builder::output`] begins.
pub(in super::super) const OUTPUT: usize = 3;
/// Where the payload stands.
pub(in super::super) const PAYLOAD: usize = OUTPUT + decode::PAYLOAD;
/// Where `p_more` stands: whether there is more than was looked at. Rows of the page do not have it.
pub(in super::super) const MORE: usize = OUTPUT + decode::OUTPUTS;

const ORDER: &str = "k_position, k_in_tx_order, k_instance_id, k_aggregate_type, k_aggregate_id, k_sequence";
const BACKWARDS: &str = "k_position DESC, k_in_tx_order DESC, k_instance_id DESC, k_aggregate_type DESC, \
    k_aggregate_id DESC, k_sequence DESC";

impl Builder<'_> {
    /// `$10` rows.
    pub(super) fn page(&self) -> String {
        format!("{} UNION ALL {}", self.answering(), self.rows(&self.range(), 10))
    }

    /// `$12` rows looked at, `$13` rows returned.
    ///
    /// How far the rows that are looked at reach is asked of the index alone; they are not sorted and not counted. Rows that
    /// share the position of the key to read behind, or the last position, are looked at on top of that.
    pub(super) fn filtered_page(&self) -> String {
        let (table, position) = (self.table(), self.layout.position.quoted());
        let (low, high) = (self.bound("$2::text"), self.bound("$3::text"));
        let looked_at =
            format!("{range} AND {position} <= coalesce((SELECT b_position FROM bound), {high})", range = self.range());
        let matching = format!("{looked_at} AND {}", Self::matches(&as_text(&self.layout.event_type)));
        format!(
            "WITH bound AS MATERIALIZED (
                SELECT {position} AS b_position FROM {table} e
                WHERE {instance} AND {position} > {low} AND {position} <= {high}
                ORDER BY {position} OFFSET $12::int8 - 1 LIMIT 1
            )
            {server} UNION ALL {rows} UNION ALL
            SELECT NULL, NULL, NULL, {last}, EXISTS (SELECT FROM bound)
            FROM (SELECT {columns} FROM {table} e WHERE {looked_at} ORDER BY {BACKWARDS} LIMIT 1) last",
            instance = self.on_instance(),
            server = self.answering(),
            rows = self.rows(&matching, 13),
            last = Self::output("NULL"),
            columns = self.columns(),
        )
    }

    /// Which server answers.
    fn answering(&self) -> String {
        let nothing = "NULL, ".repeat(decode::OUTPUTS);
        format!("SELECT s_standby, s_system, s_timeline, {nothing}NULL::bool AS p_more FROM ({}) s", self.server)
    }

    /// The rows of a page under a condition; the parameter with this number says how many.
    fn rows(&self, condition: &str, limit: usize) -> String {
        format!(
            "SELECT NULL, NULL, NULL, {output}, NULL FROM (
                SELECT {columns} FROM {table} e WHERE {condition} ORDER BY {ORDER} LIMIT ${limit}::int8
            ) wanted",
            output = Self::output(self.payload()),
            columns = self.columns(),
            table = self.table(),
        )
    }
}
