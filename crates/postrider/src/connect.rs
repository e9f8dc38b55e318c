//! From the config to connections.

use anyhow::Context as _;
use store::{Columns, EventStore, EventStoreOptions, HorizonSource, State, StateOptions, Table};
use webhook::{Deliverer, DeliveryOptions};

use crate::config::{Config, HorizonName, RawColumns, TableSpec};

/// Connects to the event store.
pub async fn events(config: &Config) -> anyhow::Result<EventStore> {
    let options = event_store_options(config);
    EventStore::connect(&options).await.with_context(|| format!("the event store at {}", config.event_store.url))
}

/// Connects to the state, whatever tables are there.
pub async fn state(config: &Config) -> anyhow::Result<State> {
    let options = StateOptions { url: config.state.expose().to_owned(), masters: config.masters.clone() };
    State::connect(&options).await.with_context(|| format!("the state at {}", config.state))
}

/// What makes the calls.
pub fn deliverer(config: &Config) -> anyhow::Result<Deliverer> {
    let egress = (config.delivery.allow.iter())
        .map(|allow| allow.parse().expect("the config's addresses were checked when it was read"))
        .collect();
    Ok(Deliverer::new(&DeliveryOptions { egress, ..DeliveryOptions::default() })?)
}

fn event_store_options(config: &Config) -> EventStoreOptions {
    let store = &config.event_store;
    EventStoreOptions {
        url: store.url.expose().to_owned(),
        table: match &store.table {
            TableSpec::Zitadel => Table::Zitadel,
            TableSpec::Custom { table, columns: named } => {
                Table::Custom { table: table.clone(), columns: columns(named) }
            }
        },
        horizon: store.horizon.map(|name| match name {
            HorizonName::Sequence => HorizonSource::Sequence,
            HorizonName::Clock => HorizonSource::Clock,
            HorizonName::TxStart => HorizonSource::TxStart,
        }),
        ignore_roles: store.ignore_roles.clone(),
    }
}

/// ZITADEL's names for what is not named, nothing for what a table need not have.
fn columns(named: &RawColumns) -> Columns {
    let usual = Columns::default();
    Columns {
        position: named.position.clone().unwrap_or(usual.position),
        aggregate_type: named.aggregate_type.clone().unwrap_or(usual.aggregate_type),
        aggregate_id: named.aggregate_id.clone().unwrap_or(usual.aggregate_id),
        event_type: named.event_type.clone().unwrap_or(usual.event_type),
        sequence: named.sequence.clone().unwrap_or(usual.sequence),
        created_at: named.created_at.clone().unwrap_or(usual.created_at),
        payload: named.payload.clone().unwrap_or(usual.payload),
        in_tx_order: named.in_tx_order.clone(),
        instance_id: named.instance_id.clone(),
        revision: named.revision.clone(),
        creator: named.creator.clone(),
        owner: named.owner.clone(),
    }
}
