//! Executions: how one shall be, and how one is shown.
//!
//! The API knows targets by their ids, and executions of ours name them: ids are looked up on the way in and on the way out.

use domain::{Condition, Execution, ExecutionTarget, TargetId, TargetName};
use serde::Serialize;
use serde_json::Value;
use store::Dates;

use super::condition;
use crate::zitadel::{
    errors::{ApiError, Code},
    json::{Item, Message, print::Stamp},
};

/// What `SetExecution` wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SetExecution {
    /// When.
    pub(crate) condition: Condition,
    entries: Vec<Entry>,
}

/// One entry of its list: an id, or as earlier versions of ZITADEL had it `{"target": id}` or `{"include": condition}`.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Entry {
    Target(TargetId),
    Include(Condition),
}

impl SetExecution {
    pub(crate) fn read(message: &Message<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            condition: condition::read_in(message, "condition")?,
            entries: message.list("targets")?.into_iter().map(Entry::read).collect::<Result<_, _>>()?,
        })
    }

    /// The list in our words. `name` looks an id up among the targets that the caller sees.
    pub(crate) fn targets(
        &self,
        name: impl Fn(&TargetId) -> Option<TargetName>,
    ) -> Result<Vec<ExecutionTarget>, ApiError> {
        (self.entries.iter().enumerate())
            .map(|(at, entry)| match entry {
                Entry::Target(id) => name(id).map(ExecutionTarget::Target).ok_or_else(|| {
                    ApiError::new(Code::NotFound, format!("targets[{at}]: there is no target of this id"))
                }),
                Entry::Include(condition) => Ok(ExecutionTarget::Include(condition.clone())),
            })
            .collect()
    }
}

impl Entry {
    fn read(item: Item<'_>) -> Result<Self, ApiError> {
        if item.is_text() {
            return item.text().map(|id| Self::Target(id.into()));
        }
        let needed = item.refused("the id of a target is needed, or {\"include\": condition}");
        let message = item.message().map_err(|_| needed.clone())?;
        match message.one_of(&["target", "include"])? {
            Some("target") => Ok(Self::Target(message.text("target")?.unwrap_or_default().into())),
            Some(_) => condition::read_in(&message, "include").map(Self::Include),
            None => Err(needed),
        }
    }
}

/// An execution, with the ids of the targets that it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FoundExecution {
    /// When.
    pub(crate) condition: Condition,
    /// The targets, by their ids, in order.
    pub(crate) targets: Vec<TargetId>,
    /// What it includes.
    pub(crate) includes: Vec<Condition>,
    /// When it was made and changed, where that is known.
    pub(crate) dates: Option<Dates>,
}

impl FoundExecution {
    /// `id` looks a target up by its name.
    pub(crate) fn of(
        execution: &Execution,
        dates: Option<&Dates>,
        id: impl Fn(&TargetName) -> Option<TargetId>,
    ) -> Self {
        let includes = execution.targets.iter().filter_map(|entry| match entry {
            ExecutionTarget::Include(condition) => Some(condition.clone()),
            ExecutionTarget::Target(_) => None,
        });
        Self {
            condition: execution.condition.clone(),
            targets: execution.names().filter_map(id).collect(),
            includes: includes.collect(),
            dates: dates.copied(),
        }
    }

    /// Whether it calls anybody: ZITADEL lists no others.
    pub(crate) fn calls_somebody(&self) -> bool {
        !self.targets.is_empty() || !self.includes.is_empty()
    }

    /// In ZITADEL's words. Released versions list ids only, so what it includes is not among its targets.
    pub(crate) fn shown(&self) -> ShownExecution<'_> {
        ShownExecution {
            condition: condition::shown(&self.condition),
            creation_date: self.dates.map(|dates| Stamp(dates.created_at)),
            change_date: self.dates.map(|dates| Stamp(dates.changed_at)),
            targets: &self.targets,
        }
    }
}

/// An execution in ZITADEL's words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownExecution<'a> {
    condition: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_date: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_date: Option<Stamp>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    targets: &'a [TargetId],
}

#[cfg(test)]
mod tests {
    use domain::Source;
    use serde_json::json;

    use super::*;

    /// `crm` has the id 1, `audit` the id 2.
    const KNOWN: [(&str, &str); 2] = [("1", "crm"), ("2", "audit")];

    fn targets(list: &Value) -> Result<Vec<ExecutionTarget>, (Code, String)> {
        let whole = json!({ "condition": { "event": { "all": true } }, "targets": list });
        let read = Message::root(&whole).and_then(|message| SetExecution::read(&message));
        let name =
            |id: &TargetId| KNOWN.iter().find(|(known, _)| *known == id.as_str()).map(|(_, name)| (*name).into());
        read.and_then(|set| set.targets(name)).map_err(|error| (error.code, error.message))
    }

    fn target(name: &str) -> ExecutionTarget {
        ExecutionTarget::Target(name.into())
    }

    #[test]
    fn targets_are_ids_in_every_form_that_zitadel_had() {
        assert_eq!(targets(&json!(["2", "1"])), Ok(vec![target("audit"), target("crm")]));
        assert_eq!(targets(&json!([{ "target": "1" }, "2"])), Ok(vec![target("crm"), target("audit")]));
        let include = ExecutionTarget::Include("event/user.*".parse().expect("a condition"));
        assert_eq!(
            targets(&json!([{ "include": { "event": { "group": "user" } } }, "1"])),
            Ok(vec![include, target("crm")])
        );
        assert_eq!(targets(&json!(null)), Ok(Vec::new()));
        assert_eq!(targets(&json!([])), Ok(Vec::new()));
    }

    #[test]
    fn a_target_that_is_not_there_is_not_found() {
        let sentence = "targets[1]: there is no target of this id".to_owned();
        assert_eq!(targets(&json!(["1", "3"])), Err((Code::NotFound, sentence.clone())));
        assert_eq!(targets(&json!(["1", { "target": "" }])), Err((Code::NotFound, sentence)));
    }

    #[test]
    fn what_is_no_target_is_refused() {
        let invalid = |list: &Value, sentence: &str| {
            assert_eq!(targets(list), Err((Code::InvalidArgument, sentence.to_owned())), "{list}");
        };
        let needed = "targets[0]: the id of a target is needed, or {\"include\": condition}";
        invalid(&json!([1]), needed);
        invalid(&json!([{}]), needed);
        invalid(&json!([["1"]]), needed);
        invalid(
            &json!([{ "target": "1", "include": {} }]),
            "targets[0].target: include is there too, and only one of the two may be",
        );
        invalid(
            &json!([{ "include": {} }]),
            "targets[0].include: one of request, response, function and event is needed",
        );
        invalid(&json!("1"), "targets: a list is needed");
    }

    fn found(targets: Vec<ExecutionTarget>, dates: Option<&Dates>) -> FoundExecution {
        let execution =
            Execution { condition: Condition::All, instance: None, targets, exclude: Vec::new(), source: Source::Api };
        let id =
            |name: &TargetName| KNOWN.iter().find(|(_, known)| *known == name.as_str()).map(|(id, _)| (*id).into());
        FoundExecution::of(&execution, dates, id)
    }

    #[test]
    fn an_execution_is_shown_with_ids_and_without_includes() {
        let dates = Dates {
            created_at: "2025-03-27T10:00:00Z".parse().expect("a time"),
            changed_at: "2025-03-28T10:00:00.25Z".parse().expect("a time"),
        };
        let include = ExecutionTarget::Include("event/user.*".parse().expect("a condition"));
        let execution = found(vec![target("audit"), include.clone(), target("crm")], Some(&dates));
        assert_eq!(
            json!(execution.shown()),
            json!({
                "condition": { "event": { "all": true } },
                "creationDate": "2025-03-27T10:00:00Z",
                "changeDate": "2025-03-28T10:00:00.250Z",
                "targets": ["2", "1"],
            })
        );
        let only = found(vec![include], None);
        assert!(only.calls_somebody());
        assert_eq!(json!(only.shown()), json!({ "condition": { "event": { "all": true } } }));
        assert!(!found(Vec::new(), None).calls_somebody());
    }
}
