//! Searches for executions.

use std::cmp::Ordering;

use domain::{ApiCondition, Condition, TargetId};

use super::{Found, Page, filters};
use crate::zitadel::{
    Version,
    errors::ApiError,
    json::{Enumeration, Message},
    messages::{condition, execution::FoundExecution},
};

/// What `ListExecutions` looks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ListExecutions {
    page: Page,
    column: Column,
    filters: Vec<Filter>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Filter {
    Conditions(Vec<Condition>),
    Type(ExecutionType),
    Target(TargetId),
    /// `v2beta` only, as long as it had includes.
    Include(Condition),
}

/// ZITADEL's `ExecutionType`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ExecutionType {
    Unspecified,
    Request,
    Response,
    Event,
    Function,
}

/// ZITADEL's `ExecutionFieldName`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Column {
    Id,
    #[default]
    Created,
    Changed,
}

impl ListExecutions {
    pub(crate) fn read(message: &Message<'_>, version: Version) -> Result<Self, ApiError> {
        Ok(Self {
            page: Page::read(message, version)?,
            // ZITADEL's own examples name a column that does not exist, and mean the default.
            column: message.known_choice("sortingColumn")?.unwrap_or_default(),
            filters: filters(message, |filter| Filter::read(filter, version))?,
        })
    }

    /// Looks. Executions that call nobody are not there for ZITADEL's clients.
    pub(crate) fn search(&self, mut executions: Vec<FoundExecution>) -> Found<FoundExecution> {
        executions.retain(|execution| {
            execution.calls_somebody() && self.filters.iter().all(|filter| filter.matches(execution))
        });
        let id = |execution: &FoundExecution| execution.condition.to_string();
        self.page.of(executions, |one, other| self.column.compare(one, other).then_with(|| id(one).cmp(&id(other))))
    }
}

impl Filter {
    fn read(message: &Message<'_>, version: Version) -> Result<Self, ApiError> {
        let names: &[_] = match version {
            Version::V2 => &["inConditionsFilter", "executionTypeFilter", "targetFilter"],
            Version::V2Beta => &["inConditionsFilter", "executionTypeFilter", "targetFilter", "includeFilter"],
        };
        let needed = || message.refused_whole(&format!("one of {} is needed", names.join(", ")));
        let found = message.one_of(names)?.ok_or_else(needed)?;
        let filter = message.message(found)?.ok_or_else(needed)?;
        Ok(match found {
            "inConditionsFilter" => {
                let conditions = filter.list("conditions")?.into_iter();
                Self::Conditions(conditions.map(|item| condition::read(&item.message()?)).collect::<Result<_, _>>()?)
            }
            "executionTypeFilter" => match filter.choice("executionType")? {
                None | Some(ExecutionType::Unspecified) => return Err(filter.refused("executionType", "it is needed")),
                Some(wanted) => Self::Type(wanted),
            },
            "targetFilter" => Self::Target(filter.text("targetId")?.unwrap_or_default().into()),
            _ => Self::Include(condition::read_in(&filter, "include")?),
        })
    }

    fn matches(&self, execution: &FoundExecution) -> bool {
        match self {
            Self::Conditions(conditions) => conditions.contains(&execution.condition),
            Self::Type(wanted) => ExecutionType::of(&execution.condition) == *wanted,
            Self::Target(id) => execution.targets.contains(id),
            Self::Include(condition) => execution.includes.contains(condition),
        }
    }
}

impl ExecutionType {
    fn of(condition: &Condition) -> Self {
        match condition {
            Condition::Event(_) | Condition::Group(_) | Condition::All => Self::Event,
            Condition::Api(ApiCondition::Request(_)) => Self::Request,
            Condition::Api(ApiCondition::Response(_)) => Self::Response,
            Condition::Api(ApiCondition::Function(_)) => Self::Function,
        }
    }
}

impl Column {
    fn compare(self, one: &FoundExecution, other: &FoundExecution) -> Ordering {
        match self {
            // Ids are compared anyway, where nothing else decides.
            Self::Id => Ordering::Equal,
            Self::Created => one.dates.map(|dates| dates.created_at).cmp(&other.dates.map(|dates| dates.created_at)),
            Self::Changed => one.dates.map(|dates| dates.changed_at).cmp(&other.dates.map(|dates| dates.changed_at)),
        }
    }
}

impl Enumeration for ExecutionType {
    const VALUES: &'static [(&'static str, i64, Self)] = &[
        ("EXECUTION_TYPE_UNSPECIFIED", 0, Self::Unspecified),
        ("EXECUTION_TYPE_REQUEST", 1, Self::Request),
        ("EXECUTION_TYPE_RESPONSE", 2, Self::Response),
        ("EXECUTION_TYPE_EVENT", 3, Self::Event),
        ("EXECUTION_TYPE_FUNCTION", 4, Self::Function),
    ];
}

impl Enumeration for Column {
    const VALUES: &'static [(&'static str, i64, Self)] = &[
        ("EXECUTION_FIELD_NAME_UNSPECIFIED", 0, Self::Created),
        ("EXECUTION_FIELD_NAME_ID", 1, Self::Id),
        ("EXECUTION_FIELD_NAME_CREATED_DATE", 2, Self::Created),
        ("EXECUTION_FIELD_NAME_CHANGED_DATE", 3, Self::Changed),
    ];
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use serde_json::{Value, json};
    use store::Dates;

    use super::*;

    /// One of each kind; the first was set before dates were kept, and the last calls nobody.
    fn executions() -> Vec<FoundExecution> {
        let at = |second: i64| Timestamp::new(second, 0).expect("a time");
        let one = |id: &str, targets: &[&str], includes: &[&str], dates: Option<(i64, i64)>| FoundExecution {
            condition: id.parse().expect("a condition"),
            targets: targets.iter().map(|id| TargetId::from(*id)).collect(),
            includes: includes.iter().map(|id| id.parse().expect("a condition")).collect(),
            dates: dates.map(|(created, changed)| Dates { created_at: at(created), changed_at: at(changed) }),
        };
        vec![
            one("event", &["1"], &[], None),
            one("event/user.*", &["2", "1"], &[], Some((20, 50))),
            one("event/user.added", &[], &["event/user.*"], Some((30, 40))),
            one("request/a.B/C", &["2"], &[], Some((10, 20))),
            one("response", &["1"], &[], Some((40, 60))),
            one("function/preuserinfo", &["2"], &[], Some((50, 30))),
            one("event/org.added", &[], &[], Some((60, 70))),
        ]
    }

    fn search(request: &Value, version: Version) -> Result<Vec<String>, String> {
        let read = Message::root(request).and_then(|message| ListExecutions::read(&message, version));
        let found = read.map_err(|error| error.message)?.search(executions());
        Ok(found.entries.into_iter().map(|execution| execution.condition.to_string()).collect())
    }

    #[track_caller]
    fn check(request: &Value, ids: &[&str]) {
        assert_eq!(search(request, Version::V2Beta), Ok(ids.iter().map(ToString::to_string).collect()), "{request}");
    }

    #[test]
    fn the_newest_comes_first_and_those_that_call_nobody_not_at_all() {
        let newest_first =
            ["function/preuserinfo", "response", "event/user.added", "event/user.*", "request/a.B/C", "event"];
        check(&json!({}), &newest_first);
        check(&json!({ "sortingColumn": "EXECUTION_FIELD_NAME_CREATION_DATE" }), &newest_first);
        check(&json!({ "pagination": { "offset": 1, "limit": 2 } }), &newest_first[1..3]);
    }

    #[test]
    fn every_column_can_be_sorted_by() {
        check(
            &json!({ "sortingColumn": "EXECUTION_FIELD_NAME_ID", "pagination": { "asc": true } }),
            &["event", "event/user.*", "event/user.added", "function/preuserinfo", "request/a.B/C", "response"],
        );
        check(
            &json!({ "sortingColumn": 3, "pagination": { "asc": true } }),
            &["event", "request/a.B/C", "function/preuserinfo", "event/user.added", "event/user.*", "response"],
        );
    }

    #[test]
    fn all_filters_must_match() {
        let of_type = |wanted: &str| json!({ "executionTypeFilter": { "executionType": wanted } });
        check(&json!({ "filters": [of_type("EXECUTION_TYPE_EVENT")] }), &["event/user.added", "event/user.*", "event"]);
        check(&json!({ "filters": [of_type("EXECUTION_TYPE_REQUEST")] }), &["request/a.B/C"]);
        check(&json!({ "filters": [of_type("EXECUTION_TYPE_RESPONSE")] }), &["response"]);
        check(&json!({ "filters": [of_type("EXECUTION_TYPE_FUNCTION")] }), &["function/preuserinfo"]);
        let target = json!({ "targetFilter": { "targetId": "2" } });
        check(&json!({ "filters": [target] }), &["function/preuserinfo", "event/user.*", "request/a.B/C"]);
        check(&json!({ "filters": [target, of_type("EXECUTION_TYPE_EVENT")] }), &["event/user.*"]);
        let conditions = json!([{ "event": { "all": true } }, { "request": { "method": "/a.B/C" } }]);
        check(
            &json!({ "filters": [{ "inConditionsFilter": { "conditions": conditions } }] }),
            &["request/a.B/C", "event"],
        );
        check(&json!({ "filters": [{ "inConditionsFilter": {} }] }), &[]);
        check(
            &json!({ "filters": [{ "includeFilter": { "include": { "event": { "group": "user" } } } }] }),
            &["event/user.added"],
        );
    }

    #[test]
    fn a_filter_that_says_nothing_or_what_nobody_knows_is_refused() {
        let refused = |filter: Value, version: Version, sentence: &str| {
            assert_eq!(search(&json!({ "filters": [filter] }), version), Err(sentence.to_owned()));
        };
        refused(
            json!({ "includeFilter": {} }),
            Version::V2,
            "filters[0]: one of inConditionsFilter, executionTypeFilter, targetFilter is needed",
        );
        refused(json!({ "includeFilter": {} }), Version::V2Beta, "filters[0].includeFilter.include: it is needed");
        for nothing in [json!({}), json!({ "executionType": 0 })] {
            refused(
                json!({ "executionTypeFilter": nothing }),
                Version::V2,
                "filters[0].executionTypeFilter.executionType: it is needed",
            );
        }
        refused(
            json!({ "inConditionsFilter": { "conditions": [{ "event": {} }] } }),
            Version::V2,
            "filters[0].inConditionsFilter.conditions[0].event: one of event, group and all is needed",
        );
    }
}
