//! Which part of a result is wanted, and that part.

use std::cmp::Ordering;

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::zitadel::{Version, errors::ApiError, json::Message, json::print::Long};

const USUAL_LIMIT: u64 = 100;
const MOST: u64 = 1000;

/// Which part of a result is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Page {
    offset: u64,
    limit: u64,
    ascending: bool,
}

impl Page {
    /// From the field `pagination`, which before `v2beta` was released was called `query`.
    pub(crate) fn read(message: &Message<'_>, version: Version) -> Result<Self, ApiError> {
        let names: &[_] = match version {
            Version::V2 => &["pagination"],
            Version::V2Beta => &["pagination", "query"],
        };
        let usual = Self { offset: 0, limit: USUAL_LIMIT, ascending: false };
        let Some(name) = message.one_of(names)? else { return Ok(usual) };
        let Some(wanted) = message.message(name)? else { return Ok(usual) };
        let limit = match wanted.count("limit")?.unwrap_or_default() {
            0 => USUAL_LIMIT,
            limit if limit > MOST => {
                return Err(wanted.refused("limit", &format!("at most {MOST} are given at once")));
            }
            limit => limit,
        };
        Ok(Self {
            offset: wanted.count("offset")?.unwrap_or_default(),
            limit,
            ascending: wanted.flag("asc")?.unwrap_or_default(),
        })
    }

    /// This part of everything that was found, in the order of `compare` or, unless asked otherwise, the other way round.
    pub(crate) fn of<T>(self, mut all: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Found<T> {
        all.sort_by(|one, other| if self.ascending { compare(one, other) } else { compare(other, one) });
        let total = all.len() as u64;
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        Found { total, limit: self.limit, entries: all.into_iter().skip(offset).take(limit).collect() }
    }
}

/// A part of a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found<T> {
    total: u64,
    limit: u64,
    /// What is in this part.
    pub(crate) entries: Vec<T>,
}

impl<T> Found<T> {
    /// The same part, each entry as `show` has it.
    pub(crate) fn map<'a, U>(&'a self, show: impl Fn(&'a T) -> U) -> Found<U> {
        Found { total: self.total, limit: self.limit, entries: self.entries.iter().map(show).collect() }
    }
}

/// What the answer to a search looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// `pagination`, and the entries by what they are: as released since ZITADEL v4.
    Named,
    /// `pagination`, and the entries as `result`: `v2beta` before that, at paths that end with `_search`. What `pagination` says
    /// is said as `details` too, as it was called first.
    Result,
}

/// A part of a result as an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listing<T> {
    /// What was found.
    pub(crate) found: Found<T>,
    /// What the entries are: `targets`.
    pub(crate) name: &'static str,
    /// What it shall look like.
    pub(crate) shape: Shape,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    #[serde(skip_serializing_if = "Long::is_zero")]
    total_result: Long,
    applied_limit: Long,
}

impl<T: Serialize> Serialize for Listing<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Found { total, limit, entries } = &self.found;
        let pagination = Pagination { total_result: Long(*total), applied_limit: Long(*limit) };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pagination", &pagination)?;
        let name = match self.shape {
            Shape::Named => self.name,
            Shape::Result => {
                map.serialize_entry("details", &pagination)?;
                "result"
            }
        };
        if !entries.is_empty() {
            map.serialize_entry(name, entries)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn page(value: &Value, version: Version) -> Result<Page, String> {
        Message::root(value).and_then(|message| Page::read(&message, version)).map_err(|error| error.message)
    }

    #[track_caller]
    fn check(pagination: &Value, offset: u64, limit: u64, ascending: bool) {
        let expected = Ok(Page { offset, limit, ascending });
        assert_eq!(page(&json!({ "pagination": pagination }), Version::V2), expected);
        assert_eq!(page(&json!({ "pagination": pagination }), Version::V2Beta), expected);
        assert_eq!(page(&json!({ "query": pagination }), Version::V2Beta), expected);
    }

    #[test]
    fn a_page_has_100_entries_unless_asked_otherwise_and_at_most_1000() {
        check(&json!(null), 0, 100, false);
        check(&json!({}), 0, 100, false);
        check(&json!({ "offset": 0, "limit": 0, "asc": true }), 0, 100, true);
        check(&json!({ "offset": "20", "limit": 1000 }), 20, 1000, false);
        let refused = |pagination: Value| page(&json!({ "pagination": pagination }), Version::V2);
        assert_eq!(
            refused(json!({ "limit": 1001 })),
            Err("pagination.limit: at most 1000 are given at once".to_owned())
        );
        assert!(refused(json!({ "limit": -1 })).is_err() && refused(json!({ "asc": "yes" })).is_err());
        assert!(refused(json!([])).is_err());
        assert!(page(&json!({ "pagination": {}, "query": {} }), Version::V2Beta).is_err());
        let unknown = page(&json!({ "query": { "limit": 5 } }), Version::V2).expect("v2 does not know it");
        assert_eq!(unknown.limit, 100);
    }

    fn found(pagination: &Value) -> Found<u8> {
        let page = page(&json!({ "pagination": pagination }), Version::V2).expect("a page");
        page.of(vec![2, 5, 1, 4, 3], Ord::cmp)
    }

    #[test]
    fn the_largest_come_first_unless_asked_otherwise() {
        assert_eq!(found(&json!({})).entries, [5, 4, 3, 2, 1]);
        assert_eq!(found(&json!({ "asc": true })).entries, [1, 2, 3, 4, 5]);
        assert_eq!(found(&json!({ "asc": true, "offset": 1, "limit": 2 })).entries, [2, 3]);
        assert_eq!(found(&json!({ "offset": 4, "limit": 2 })).entries, [1]);
        assert_eq!(found(&json!({ "offset": u64::MAX })).entries, [0_u8; 0]);
    }

    #[track_caller]
    fn listed(pagination: &Value, shape: Shape, expected: &Value) {
        assert_eq!(json!(Listing { found: found(pagination), name: "targets", shape }), *expected);
    }

    #[test]
    fn an_answer_says_how_many_there_are_in_all_and_has_the_shape_of_its_time() {
        let one = json!({ "limit": 1 });
        let pagination = json!({ "totalResult": "5", "appliedLimit": "1" });
        listed(&one, Shape::Named, &json!({ "pagination": pagination, "targets": [5] }));
        listed(&one, Shape::Result, &json!({ "pagination": pagination, "details": pagination, "result": [5] }));
        let beyond = json!({ "offset": 5 });
        let pagination = json!({ "totalResult": "5", "appliedLimit": "100" });
        listed(&beyond, Shape::Named, &json!({ "pagination": pagination }));
        let none = Found::<u8> { total: 0, limit: 100, entries: Vec::new() };
        let none = json!(Listing { found: none, name: "targets", shape: Shape::Named });
        assert_eq!(none, json!({ "pagination": { "appliedLimit": "100" } }), "what is nothing is left out");
    }
}
