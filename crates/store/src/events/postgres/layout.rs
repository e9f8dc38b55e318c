//! What the events table looks like, as it was found by [`super::examine`]: names, types, and where positions come from.

use super::trigger::NotifyTrigger;
use crate::{
    events::{HorizonSource, options},
    quote::quote,
};

/// A table's name in two parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TableName {
    pub schema: String,
    pub name: String,
}

impl TableName {
    /// `schema.name`, either part in double quotes if it likes; without a schema it is `public`.
    pub fn parse(text: &str) -> Self {
        let (schema, name) = text.split_once('.').unwrap_or(("public", text));
        let bare = |part: &str| part.trim().trim_matches('"').to_owned();
        Self { schema: bare(schema), name: bare(name) }
    }

    pub fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A column as it was found.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub name: String,
    /// The type's own name, as `int8`.
    pub kind: String,
    /// The type with schema and modifiers, as it may stand in a cast.
    pub cast: String,
    pub nullable: bool,
}

impl Column {
    pub fn quoted(&self) -> String {
        format!("e.{}", quote(&self.name))
    }

    pub fn is_text(&self) -> bool {
        matches!(self.kind.as_str(), "text" | "varchar")
    }

    pub fn is_integer(&self) -> bool {
        matches!(self.kind.as_str(), "int2" | "int4" | "int8")
    }
}

/// The columns of the table, `None` where it has no such.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub table: TableName,
    pub zitadel: bool,
    pub position: Column,
    pub aggregate_type: Column,
    pub aggregate_id: Column,
    pub event_type: Column,
    pub sequence: Column,
    pub created_at: Column,
    pub payload: Column,
    pub in_tx_order: Option<Column>,
    pub instance_id: Option<Column>,
    pub revision: Option<Column>,
    pub creator: Option<Column>,
    pub owner: Option<Column>,
}

/// What the configured columns are called, with the role that each plays.
pub(super) fn wanted(columns: &options::Columns) -> Vec<(&'static str, Option<&str>)> {
    vec![
        ("position", Some(&columns.position)),
        ("aggregate_type", Some(&columns.aggregate_type)),
        ("aggregate_id", Some(&columns.aggregate_id)),
        ("event_type", Some(&columns.event_type)),
        ("sequence", Some(&columns.sequence)),
        ("created_at", Some(&columns.created_at)),
        ("payload", Some(&columns.payload)),
        ("in_tx_order", columns.in_tx_order.as_deref()),
        ("instance_id", columns.instance_id.as_deref()),
        ("revision", columns.revision.as_deref()),
        ("creator", columns.creator.as_deref()),
        ("owner", columns.owner.as_deref()),
    ]
}

/// The sequence that positions are drawn from.
#[derive(Clone, Debug)]
pub(super) struct SequenceFound {
    pub oid: i64,
    pub name: String,
    pub cache: i64,
    pub increment: i64,
    pub cycles: bool,
}

/// Everything that is known about the store at present.
#[derive(Clone, Debug)]
pub(super) struct Examined {
    pub layout: Layout,
    pub source: HorizonSource,
    /// Why this source, in a sentence.
    pub why: String,
    /// Why the source that was set would lose events, if it would.
    pub doubt: Option<String>,
    pub sequence: Option<SequenceFound>,
    /// Whether this role may ask for the system identifier and the timeline.
    pub identity: bool,
    /// Who tells when events are added.
    pub trigger: NotifyTrigger,
}
