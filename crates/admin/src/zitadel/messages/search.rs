//! Searches: filters, a column to sort by, and a page of what is found.
//!
//! The cast: [`Page`] says which part of the result is wanted, [`Found`] is that part, and [`targets`], [`executions`] and [`keys`]
//! each know their filters and columns. All filters of a search must match. Where two entries stand at the same place of the
//! column, their ids decide, so that pages neither repeat nor skip anything.
//!
//! Everything is searched in memory: definitions are few, and are read whole anyway.

pub(crate) mod executions;
pub(crate) mod keys;
mod page;
pub(crate) mod targets;
mod text;

pub(crate) use page::{Found, Listing, Page, Shape};

use crate::zitadel::{
    errors::ApiError,
    json::{Item, Message},
};

/// The filters of a search, each an object with one member.
fn filters<'a, T>(
    message: &Message<'a>,
    read: impl Fn(&Message<'a>) -> Result<T, ApiError>,
) -> Result<Vec<T>, ApiError> {
    message.list("filters")?.into_iter().map(|filter| read(&filter.message()?)).collect()
}

/// The texts of a list.
fn texts(items: &[Item<'_>]) -> Result<Vec<String>, ApiError> {
    items.iter().map(|item| item.text().map(ToOwned::to_owned)).collect()
}
