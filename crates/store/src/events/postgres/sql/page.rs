//! The statements that read a page: of everything, and of some types only.
//!
//! Both return, in this order: a row that says which server answers, the rows of the page, and through a filter the last row
//! that was looked at. What is not of the kind is NULL, so that nothing is sent with every row that is the same in all of them.
//! The reader relies on the order and checks it.
//!
//! The size of a payload as it is stored is known without fetching it; only what is returned is fetched. `p_through` is the
//! sum of these sizes up to and with a row.

use super::{Builder, as_text};

/// Where [`Builder::output`] begins.
pub(in super::super) const OUTPUT: usize = 3;
/// Where `p_through` stands, which only rows of the page have.
pub(in super::super) const THROUGH: usize = OUTPUT + Builder::OUTPUTS;
/// Where it stands whether there is more than was looked at.
pub(in super::super) const MORE: usize = THROUGH + 1;

const ORDER: &str = "k_position, k_in_tx_order, k_instance_id, k_aggregate_type, k_aggregate_id, k_sequence";
const BACKWARDS: &str = "k_position DESC, k_in_tx_order DESC, k_instance_id DESC, k_aggregate_type DESC, \
    k_aggregate_id DESC, k_sequence DESC";

impl Builder<'_> {
    /// `$10` rows, `$11` bytes of stored payloads.
    pub(super) fn page(&self) -> String {
        format!("{} UNION ALL {}", self.answering(), self.rows(&self.range(), 10))
    }

    /// `$12` rows looked at, `$13` rows returned, `$14` bytes of stored payloads.
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
            SELECT NULL, NULL, NULL, {last}, NULL, EXISTS (SELECT FROM bound)
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
        let nothing = "NULL, ".repeat(Self::OUTPUTS);
        format!("SELECT s_standby, s_system, s_timeline, {nothing}NULL::int8, NULL::bool FROM ({}) s", self.server)
    }

    /// The rows of a page under a condition. The parameter `first` says how many, the one behind it how many bytes.
    fn rows(&self, condition: &str, first: usize) -> String {
        format!(
            "SELECT NULL, NULL, NULL, {output}, p_through, NULL FROM (
                SELECT *, sum(p_size) OVER (ROWS UNBOUNDED PRECEDING) AS p_through FROM (
                    SELECT {columns}, coalesce(pg_column_size({payload}), 0) AS p_size FROM {table} e WHERE {condition}
                    ORDER BY {ORDER} LIMIT ${first}::int8
                ) sized
            ) measured WHERE p_through - p_size < ${bytes}::int8",
            output = Self::output(self.payload()),
            columns = self.columns(),
            payload = self.layout.payload.quoted(),
            table = self.table(),
            bytes = first + 1,
        )
    }
}
