//! An events table of somebody else's making: other names, and a position from a sequence.

use crate::{TestDatabase, Written, zitadel::written};

/// The table that [`TestDatabase::custom`] creates.
///
/// Its columns, in the words of postrider: `id` is the position, `stream_type` and `stream_id` the aggregate, `name` the
/// event type, `version` the sequence, `created` when it was written, `data` the payload. There is no other.
pub const CUSTOM_TABLE: &str = "app.events";

/// The columns of [`CUSTOM_TABLE`] by the names that [`Written`] needs.
const ALL: &str =
    "SELECT id::text AS exact_position, 0 AS in_tx_order, '' AS instance_id, stream_type AS aggregate_type,
        stream_id AS aggregate_id, version AS sequence, name AS event_type FROM app.events";

/// What the position of a custom table comes from, and how the table is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CustomKind {
    /// `BIGSERIAL`.
    Serial,
    /// `GENERATED ALWAYS AS IDENTITY`.
    Identity,
    /// `BIGSERIAL`, in two levels of partitions by hash of the stream.
    Partitioned,
}

impl TestDatabase {
    /// Creates [`CUSTOM_TABLE`].
    pub async fn custom(&self, kind: CustomKind) {
        let id = match kind {
            CustomKind::Serial | CustomKind::Partitioned => "BIGSERIAL",
            CustomKind::Identity => "BIGINT GENERATED ALWAYS AS IDENTITY",
        };
        let (key, partitions) = match kind {
            CustomKind::Serial | CustomKind::Identity => ("PRIMARY KEY (id)", ""),
            CustomKind::Partitioned => (
                "PRIMARY KEY (id, stream_id)",
                "PARTITION BY HASH (stream_id);
                 CREATE TABLE app.events_even PARTITION OF app.events FOR VALUES WITH (MODULUS 2, REMAINDER 0);
                 CREATE TABLE app.events_odd PARTITION OF app.events FOR VALUES WITH (MODULUS 2, REMAINDER 1)
                     PARTITION BY RANGE (id);
                 CREATE TABLE app.events_odd_all PARTITION OF app.events_odd DEFAULT",
            ),
        };
        self.execute(&format!(
            "CREATE SCHEMA app;
             CREATE TABLE {CUSTOM_TABLE} (
                 id          {id},
                 stream_type TEXT        NOT NULL,
                 stream_id   TEXT        NOT NULL,
                 name        TEXT        NOT NULL,
                 version     BIGINT      NOT NULL,
                 created     TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
                 data        JSONB,
                 {key}
             ) {partitions}"
        ))
        .await;
    }

    /// Everything in [`CUSTOM_TABLE`], in the order of the key.
    pub async fn custom_events(&self) -> Vec<Written> {
        written(self.pool(), ALL).await
    }
}
