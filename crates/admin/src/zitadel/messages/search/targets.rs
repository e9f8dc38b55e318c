//! Searches for targets.

use std::cmp::Ordering;

use super::{Found, Page, filters, text::TextMethod, texts};
use crate::zitadel::{
    Version,
    errors::ApiError,
    json::{Enumeration, Message},
    messages::target::ShownTarget,
};

const LONGEST_NAME: usize = 200;

/// What `ListTargets` looks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ListTargets {
    page: Page,
    column: Column,
    filters: Vec<Filter>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Filter {
    Name { wanted: String, method: TextMethod },
    Ids(Vec<String>),
}

/// ZITADEL's `TargetFieldName`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Column {
    Id,
    #[default]
    Created,
    Changed,
    Name,
    Kind,
    Endpoint,
    Timeout,
    Interrupts,
}

impl ListTargets {
    pub(crate) fn read(message: &Message<'_>, version: Version) -> Result<Self, ApiError> {
        Ok(Self {
            page: Page::read(message, version)?,
            // ZITADEL's own examples name a column that does not exist, and mean the default.
            column: message.known_choice("sortingColumn")?.unwrap_or_default(),
            filters: filters(message, Filter::read)?,
        })
    }

    /// Looks, among what the caller sees and as the caller sees it: the order tells nothing of what is not shown.
    pub(crate) fn search(&self, mut targets: Vec<ShownTarget>) -> Found<ShownTarget> {
        targets.retain(|target| self.filters.iter().all(|filter| filter.matches(target)));
        self.page.of(targets, |one, other| self.column.compare(one, other).then_with(|| one.id.cmp(&other.id)))
    }
}

impl Filter {
    fn read(message: &Message<'_>) -> Result<Self, ApiError> {
        let needed = || message.refused_whole("one of targetNameFilter and inTargetIdsFilter is needed");
        let found = message.one_of(&["targetNameFilter", "inTargetIdsFilter"])?.ok_or_else(needed)?;
        let filter = message.message(found)?.ok_or_else(needed)?;
        if found == "inTargetIdsFilter" {
            return texts(&filter.list("targetIds")?).map(Self::Ids);
        }
        let wanted = filter.text("targetName")?.unwrap_or_default();
        if wanted.chars().count() > LONGEST_NAME {
            return Err(filter.refused("targetName", &format!("at most {LONGEST_NAME} characters are possible")));
        }
        Ok(Self::Name { wanted: wanted.to_owned(), method: filter.choice("method")?.unwrap_or_default() })
    }

    fn matches(&self, target: &ShownTarget) -> bool {
        match self {
            Self::Name { wanted, method } => method.matches(&target.name, wanted),
            Self::Ids(ids) => ids.contains(&target.id),
        }
    }
}

impl Column {
    fn compare(self, one: &ShownTarget, other: &ShownTarget) -> Ordering {
        match self {
            Self::Id => one.id.cmp(&other.id),
            Self::Created => one.creation_date.cmp(&other.creation_date),
            Self::Changed => one.change_date.cmp(&other.change_date),
            Self::Name => one.name.cmp(&other.name),
            Self::Kind => one.kind.number().cmp(&other.kind.number()),
            Self::Endpoint => one.endpoint.cmp(&other.endpoint),
            Self::Timeout => one.timeout.cmp(&other.timeout),
            Self::Interrupts => one.kind.interrupts().cmp(&other.kind.interrupts()),
        }
    }
}

impl Enumeration for Column {
    const VALUES: &'static [(&'static str, i64, Self)] = &[
        ("TARGET_FIELD_NAME_UNSPECIFIED", 0, Self::Created),
        ("TARGET_FIELD_NAME_ID", 1, Self::Id),
        ("TARGET_FIELD_NAME_CREATED_DATE", 2, Self::Created),
        ("TARGET_FIELD_NAME_CHANGED_DATE", 3, Self::Changed),
        ("TARGET_FIELD_NAME_NAME", 4, Self::Name),
        ("TARGET_FIELD_NAME_TARGET_TYPE", 5, Self::Kind),
        ("TARGET_FIELD_NAME_URL", 6, Self::Endpoint),
        ("TARGET_FIELD_NAME_TIMEOUT", 7, Self::Timeout),
        ("TARGET_FIELD_NAME_INTERRUPT_ON_ERROR", 8, Self::Interrupts),
    ];
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Role, Target, TargetKind, Timestamp};
    use serde_json::{Value, json};
    use store::Dates;

    use super::*;
    use crate::zitadel::messages::target::Sight;

    /// Four targets, made in the order of their ids.
    fn targets() -> Vec<ShownTarget> {
        let at = |second: i64| Timestamp::new(second, 0).expect("a time");
        let one = |id: i64, name: &str, kind, interrupts, seconds, changed| {
            let endpoint = format!("https://{name}.example/?token={}", 9 - id).parse().expect("a URL");
            let mut target = Target::new(id.to_string().into(), name.into(), endpoint);
            (target.kind, target.interrupt_on_error, target.timeout) = (kind, interrupts, Duration::from_secs(seconds));
            let dates = Dates { created_at: at(id), changed_at: at(changed) };
            ShownTarget::of(&target, Some(&dates), Version::V2, Sight::of(Role::Viewer), at(1000))
        };
        vec![
            one(1, "crm", TargetKind::Async, false, 10, 40),
            one(2, "audit", TargetKind::Call, true, 5, 30),
            one(3, "crm-eu", TargetKind::Webhook, false, 10, 20),
            one(4, "Billing", TargetKind::Webhook, true, 270, 10),
        ]
    }

    fn search(request: &Value) -> Result<String, String> {
        let read = Message::root(request).and_then(|message| ListTargets::read(&message, Version::V2));
        let found = read.map_err(|error| error.message)?.search(targets());
        Ok(found.entries.into_iter().map(|target| target.id).collect::<Vec<_>>().join(" "))
    }

    #[track_caller]
    fn check(request: &Value, ids: &str) {
        assert_eq!(search(request), Ok(ids.to_owned()), "{request}");
    }

    #[test]
    fn the_newest_comes_first_unless_asked_otherwise() {
        check(&json!({}), "4 3 2 1");
        check(&json!({ "filters": [], "sortingColumn": 0 }), "4 3 2 1");
        check(&json!({ "sortingColumn": "TARGET_FIELD_NAME_CREATION_DATE", "pagination": { "asc": true } }), "1 2 3 4");
        check(&json!({ "pagination": { "limit": 2, "offset": 1 } }), "3 2");
    }

    #[test]
    fn every_column_can_be_sorted_by_and_ids_decide_between_equals() {
        for (column, ids) in [
            ("ID", "1 2 3 4"),
            ("CREATED_DATE", "1 2 3 4"),
            ("CHANGED_DATE", "4 3 2 1"),
            ("NAME", "4 2 1 3"),
            ("TARGET_TYPE", "3 4 2 1"),
            ("URL", "2 4 3 1"),
            ("TIMEOUT", "2 1 3 4"),
            ("INTERRUPT_ON_ERROR", "1 3 2 4"),
        ] {
            let column = format!("TARGET_FIELD_NAME_{column}");
            check(&json!({ "sortingColumn": column, "pagination": { "asc": true } }), ids);
            let backwards: Vec<_> = ids.rsplit(' ').collect();
            check(&json!({ "sortingColumn": column }), &backwards.join(" "));
        }
    }

    #[test]
    fn all_filters_must_match() {
        let name =
            |wanted: &str, method: Value| json!({ "targetNameFilter": { "targetName": wanted, "method": method } });
        check(&json!({ "filters": [name("crm", json!(null))] }), "1");
        check(&json!({ "filters": [name("crm", json!("TEXT_FILTER_METHOD_STARTS_WITH"))] }), "3 1");
        check(&json!({ "filters": [name("BILL", json!(5))] }), "4");
        check(&json!({ "filters": [{ "inTargetIdsFilter": { "targetIds": ["4", "1", "9"] } }] }), "4 1");
        check(
            &json!({ "filters": [{ "in_target_ids_filter": { "target_ids": ["4", "1"] } }, name("crm", json!(4))] }),
            "1",
        );
        check(&json!({ "filters": [{ "inTargetIdsFilter": {} }] }), "");
    }

    #[test]
    fn a_filter_that_says_nothing_or_too_much_is_refused() {
        let refused = |filter: Value, sentence: &str| {
            assert_eq!(search(&json!({ "filters": [filter] })), Err(sentence.to_owned()));
        };
        refused(json!({}), "filters[0]: one of targetNameFilter and inTargetIdsFilter is needed");
        refused(json!("crm"), "filters[0]: an object is needed");
        refused(
            json!({ "targetNameFilter": {}, "inTargetIdsFilter": {} }),
            "filters[0].targetNameFilter: inTargetIdsFilter is there too, and only one of the two may be",
        );
        refused(
            json!({ "targetNameFilter": { "targetName": "x".repeat(201) } }),
            "filters[0].targetNameFilter.targetName: at most 200 characters are possible",
        );
        refused(
            json!({ "inTargetIdsFilter": { "targetIds": [1] } }),
            "filters[0].inTargetIdsFilter.targetIds[0]: a string is needed",
        );
        let method = search(&json!({ "filters": [{ "targetNameFilter": { "method": "LIKE" } }] }));
        assert!(
            method
                .is_err_and(|sentence| sentence.starts_with("filters[0].targetNameFilter.method: one of TEXT_FILTER"))
        );
    }
}
