//! Searches for the public keys of a target.

use std::cmp::Ordering;

use domain::{TargetId, Timestamp};

use super::{Found, Page, filters, texts};
use crate::zitadel::{
    Version,
    errors::ApiError,
    json::{Enumeration, Message},
    messages::keys::{ShownPublicKey, target_id},
};

/// What `ListPublicKeys` looks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ListPublicKeys {
    /// Whose.
    pub(crate) target: TargetId,
    page: Page,
    column: Column,
    filters: Vec<Filter>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Filter {
    Ids(Vec<String>),
    Active(bool),
    Expires { method: TimeMethod, at: Timestamp },
}

/// ZITADEL's `TimestampFilterMethod`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum TimeMethod {
    #[default]
    Equals,
    After,
    AfterOrEquals,
    Before,
    BeforeOrEquals,
}

/// ZITADEL's `PublicKeyFieldName`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Column {
    #[default]
    Created,
    Changed,
    Expires,
}

impl ListPublicKeys {
    pub(crate) fn read(message: &Message<'_>, version: Version) -> Result<Self, ApiError> {
        Ok(Self {
            target: target_id(message)?,
            page: Page::read(message, version)?,
            column: message.known_choice("sortingColumn")?.unwrap_or_default(),
            filters: filters(message, Filter::read)?,
        })
    }

    /// Looks, among the keys of that target.
    pub(crate) fn search(&self, mut keys: Vec<ShownPublicKey>) -> Found<ShownPublicKey> {
        keys.retain(|key| self.filters.iter().all(|filter| filter.matches(key)));
        self.page.of(keys, |one, other| self.column.compare(one, other).then_with(|| one.key_id.cmp(&other.key_id)))
    }
}

impl Filter {
    fn read(message: &Message<'_>) -> Result<Self, ApiError> {
        const NAMES: [&str; 3] = ["keyIdsFilter", "activeFilter", "expirationDateFilter"];
        let needed = || message.refused_whole(&format!("one of {} is needed", NAMES.join(", ")));
        match message.one_of(&NAMES)?.ok_or_else(needed)? {
            "activeFilter" => message.flag("activeFilter")?.map(Self::Active).ok_or_else(needed),
            "keyIdsFilter" => {
                let filter = message.message("keyIdsFilter")?.ok_or_else(needed)?;
                texts(&filter.list("ids")?).map(Self::Ids)
            }
            _ => {
                let filter = message.message("expirationDateFilter")?.ok_or_else(needed)?;
                let at = filter.time("timestamp")?.ok_or_else(|| filter.refused("timestamp", "it is needed"))?;
                Ok(Self::Expires { method: filter.choice("method")?.unwrap_or_default(), at })
            }
        }
    }

    fn matches(&self, key: &ShownPublicKey) -> bool {
        match self {
            Self::Ids(ids) => ids.contains(&key.key_id),
            Self::Active(active) => key.active == *active,
            Self::Expires { method, at } => method.holds(expiry(key).cmp(at)),
        }
    }
}

/// One that never expires does so after everything else.
fn expiry(key: &ShownPublicKey) -> Timestamp {
    key.expiration_date.map_or(Timestamp::MAX, |stamp| stamp.0)
}

impl TimeMethod {
    fn holds(self, found: Ordering) -> bool {
        match self {
            Self::Equals => found.is_eq(),
            Self::After => found.is_gt(),
            Self::AfterOrEquals => found.is_ge(),
            Self::Before => found.is_lt(),
            Self::BeforeOrEquals => found.is_le(),
        }
    }
}

impl Column {
    fn compare(self, one: &ShownPublicKey, other: &ShownPublicKey) -> Ordering {
        match self {
            Self::Created => one.creation_date.cmp(&other.creation_date),
            Self::Changed => one.change_date.cmp(&other.change_date),
            Self::Expires => expiry(one).cmp(&expiry(other)),
        }
    }
}

impl Enumeration for TimeMethod {
    const VALUES: &'static [(&'static str, i64, Self)] = &[
        ("TIMESTAMP_FILTER_METHOD_EQUALS", 0, Self::Equals),
        ("TIMESTAMP_FILTER_METHOD_AFTER", 1, Self::After),
        ("TIMESTAMP_FILTER_METHOD_AFTER_OR_EQUALS", 2, Self::AfterOrEquals),
        ("TIMESTAMP_FILTER_METHOD_BEFORE", 3, Self::Before),
        ("TIMESTAMP_FILTER_METHOD_BEFORE_OR_EQUALS", 4, Self::BeforeOrEquals),
    ];
}

impl Enumeration for Column {
    const VALUES: &'static [(&'static str, i64, Self)] = &[
        ("PUBLIC_KEY_FIELD_NAME_UNSPECIFIED", 0, Self::Created),
        ("PUBLIC_KEY_FIELD_NAME_CREATION_DATE", 1, Self::Created),
        ("PUBLIC_KEY_FIELD_NAME_CHANGE_DATE", 2, Self::Changed),
        ("PUBLIC_KEY_FIELD_NAME_EXPIRATION_DATE", 3, Self::Expires),
    ];
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::zitadel::json::print::{Bytes, Stamp};

    /// Three keys: the second is active, the third never expires.
    fn keys() -> Vec<ShownPublicKey> {
        let at = |second: i64| Stamp(Timestamp::new(second, 0).expect("a time"));
        let one = |id: &str, active: bool, expires: Option<i64>, created: i64, changed: i64| ShownPublicKey {
            key_id: id.to_owned(),
            active,
            public_key: Bytes(Vec::new()),
            fingerprint: String::new(),
            expiration_date: expires.map(at),
            creation_date: at(created),
            change_date: at(changed),
        };
        vec![one("1", false, Some(100), 10, 60), one("2", true, Some(200), 20, 50), one("3", false, None, 30, 40)]
    }

    fn search(request: &Value) -> Result<String, String> {
        let mut request = request.clone();
        request["targetId"] = json!("7");
        let read = Message::root(&request).and_then(|message| ListPublicKeys::read(&message, Version::V2));
        let list = read.map_err(|error| error.message)?;
        assert_eq!(list.target.as_str(), "7");
        Ok(list.search(keys()).entries.into_iter().map(|key| key.key_id).collect::<Vec<_>>().join(" "))
    }

    #[track_caller]
    fn check(request: &Value, ids: &str) {
        assert_eq!(search(request), Ok(ids.to_owned()), "{request}");
    }

    #[test]
    fn keys_are_sorted_by_any_column_the_newest_first() {
        check(&json!({}), "3 2 1");
        check(&json!({ "sortingColumn": "PUBLIC_KEY_FIELD_NAME_CHANGE_DATE" }), "1 2 3");
        check(&json!({ "sortingColumn": 3, "pagination": { "asc": true, "limit": 2 } }), "1 2");
    }

    #[test]
    fn keys_are_found_by_id_by_being_active_and_by_when_they_expire() {
        check(&json!({ "filters": [{ "keyIdsFilter": { "ids": ["1", "3"] } }] }), "3 1");
        check(&json!({ "filters": [{ "activeFilter": true }] }), "2");
        check(&json!({ "filters": [{ "activeFilter": false }, { "keyIdsFilter": { "ids": ["1", "2"] } }] }), "1");
        for (method, ids) in
            [("EQUALS", "2"), ("AFTER", "3"), ("AFTER_OR_EQUALS", "3 2"), ("BEFORE", "1"), ("BEFORE_OR_EQUALS", "2 1")]
        {
            let filter = json!({
                "timestamp": "1970-01-01T00:03:20Z",
                "method": format!("TIMESTAMP_FILTER_METHOD_{method}"),
            });
            check(&json!({ "filters": [{ "expirationDateFilter": filter }] }), ids);
        }
    }

    #[test]
    fn a_search_that_says_too_little_is_refused() {
        let refused = |filter: Value, sentence: &str| {
            assert_eq!(search(&json!({ "filters": [filter] })), Err(sentence.to_owned()));
        };
        refused(json!({}), "filters[0]: one of keyIdsFilter, activeFilter, expirationDateFilter is needed");
        refused(json!({ "expirationDateFilter": {} }), "filters[0].expirationDateFilter.timestamp: it is needed");
        let message = json!({});
        let list = Message::root(&message).and_then(|message| ListPublicKeys::read(&message, Version::V2));
        assert_eq!(list.map_err(|error| error.message), Err("targetId: it is needed".to_owned()));
    }
}
