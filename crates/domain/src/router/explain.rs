//! Why an event goes where it goes, for `postrider explain`. Follows the same plans as a lookup does, and says why.

use std::fmt;

use serde::Serialize;

use super::{Router, plan::Plan};
use crate::{Condition, EventType, InstanceId, TargetId, TargetName, TypePattern};

/// What becomes of an event, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    /// The most specific execution; it fires unless its `exclude` keeps the type out. `None`: nothing matches.
    pub matched: Option<ExplainedExecution>,
    /// The other executions that match, from the most to the least specific.
    pub passed_over: Vec<ExplainedExecution>,
    /// Every place in the list of the matched execution, includes written out.
    pub targets: Vec<ExplainedTarget>,
}

/// An execution that matches the event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExplainedExecution {
    /// Its condition.
    pub condition: Condition,
    /// The instance it is for; `None` for every instance.
    pub instance: Option<InstanceId>,
    /// What becomes of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// A place in an execution's list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExplainedTarget {
    /// The target.
    #[serde(rename = "target_id")]
    pub id: TargetId,
    /// Its name.
    #[serde(rename = "target")]
    pub name: TargetName,
    /// Whether an operator has paused it: the event waits for it then.
    pub paused: bool,
    /// The includes that lead to it, from the outside in.
    pub via: Vec<Condition>,
    /// What becomes of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What becomes of an execution or of a target for one event, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It fires, or is called.
    Fires,
    /// An execution, the matched one or an included one, keeps the type out.
    ExcludedByExecution {
        /// Which execution.
        execution: Condition,
        /// Which of its patterns.
        pattern: TypePattern,
    },
    /// The target itself keeps the type out.
    ExcludedByTarget {
        /// Which of its patterns.
        pattern: TypePattern,
    },
    /// The target is at a place before this one, which counts.
    OnceAlready,
    /// A more specific execution matches.
    LessSpecific,
    /// The instance has an execution of its own for the same condition.
    ReplacedOnInstance,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fires => f.pad("fires"),
            Self::ExcludedByExecution { execution, pattern } => {
                f.pad(&format!("excluded by {pattern} of the execution {execution}"))
            }
            Self::ExcludedByTarget { pattern } => f.pad(&format!("excluded by {pattern} of the target")),
            Self::OnceAlready => f.pad("once already"),
            Self::LessSpecific => f.pad("less specific"),
            Self::ReplacedOnInstance => f.pad("the instance has its own"),
        }
    }
}

impl Router {
    /// What becomes of an event of this type on this instance, and why.
    #[must_use]
    pub fn explain(&self, instance: &InstanceId, event_type: &EventType) -> Explanation {
        let mut candidates: Vec<&Plan> = self.candidates(instance, event_type).collect();
        // An execution for every instance whose includes differ here stands in both layers.
        candidates.dedup_by(|one, other| one.condition == other.condition && one.instance == other.instance);
        let Some((matched, others)) = candidates.split_first() else {
            return Explanation { matched: None, passed_over: Vec::new(), targets: Vec::new() };
        };
        let excluded = matched.excluded_by(event_type).map(|pattern| Verdict::ExcludedByExecution {
            execution: matched.condition.clone(),
            pattern: pattern.clone(),
        });
        let mut more_specific = *matched;
        let passed_over = others.iter().map(|plan| {
            let replaced = plan.condition == more_specific.condition;
            more_specific = plan;
            plan.explained(if replaced { Verdict::ReplacedOnInstance } else { Verdict::LessSpecific })
        });
        Explanation {
            passed_over: passed_over.collect(),
            targets: self.explain_targets(matched, event_type, excluded.as_ref()),
            matched: Some(matched.explained(excluded.unwrap_or(Verdict::Fires))),
        }
    }

    fn explain_targets(&self, plan: &Plan, event_type: &EventType, excluded: Option<&Verdict>) -> Vec<ExplainedTarget> {
        let explained = plan.entries.iter().map(|entry| {
            let target = &self.targets[entry.target];
            let by_target = || target.exclude.iter().find(|pattern| pattern.matches(event_type)).cloned();
            let verdict = if let Some(verdict) = excluded {
                verdict.clone()
            } else if let Some((execution, pattern)) = entry.kept_out_by(event_type) {
                Verdict::ExcludedByExecution { execution: execution.clone(), pattern: pattern.clone() }
            } else if let Some(pattern) = by_target() {
                Verdict::ExcludedByTarget { pattern }
            } else if plan.repeats(entry, event_type) {
                Verdict::OnceAlready
            } else {
                Verdict::Fires
            };
            ExplainedTarget {
                id: target.id.clone(),
                name: target.name.clone(),
                paused: target.paused,
                via: entry.via.iter().map(|via| via.condition.clone()).collect(),
                verdict,
            }
        });
        explained.collect()
    }
}

impl Plan {
    fn explained(&self, verdict: Verdict) -> ExplainedExecution {
        ExplainedExecution { condition: self.condition.clone(), instance: self.instance.clone(), verdict }
    }
}
